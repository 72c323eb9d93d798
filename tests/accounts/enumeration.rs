//! Nobody finds out who has an account (HS-03, HS-04, HS-05).

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use vestibule_server::password::{Cost, Hasher, Password};
use vestibule_store::{Author, TenantId, UserChange};

use super::{face, fill_in, post_json};
use crate::service::{ADA, ADA_ID, CONNECTION, PASSWORD, Service};

/// Byte for byte: unknown, wrong, blocked with the right password, and an identifier that can be nobody's.
#[tokio::test]
async fn all_who_are_not_let_in_see_the_same_page() {
    let service = Service::start().await;
    service.put_user("auth0|000000000000000000000b0b", "bob@example.com").await;
    let tenant = TenantId::default();
    let bob = service.store.user(&tenant, &"auth0|000000000000000000000b0b".into()).await.unwrap().unwrap();
    let block = UserChange { blocked: Some(true), ..UserChange::default() };
    service.store.change_user(&tenant, &bob.id, bob.version, &block, &Author::User, service.app.now()).await.unwrap();

    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let page = browser.follow(&asked).await;
    let mut faces = Vec::new();
    for (who, password) in [
        (ADA, "wrong"),
        ("eve@example.com", "wrong"),
        ("bob@example.com", "wrong"),
        ("bob@example.com", PASSWORD),
        ("eve@example.com", PASSWORD),
        ("\u{0}@@", "wrong"),
        ("eve@example.com", &"x".repeat(2_000)),
        (ADA, &"x".repeat(2_000)),
        (ADA, ""),
    ] {
        let answer = fill_in(&browser, &page, "/u/login", &[("identifier", who), ("password", password)]).await;
        let (status, headers, body) = face(&answer);
        assert_eq!(status, 400, "{who}: {body}");
        let typed = format!("value=\"{who}\"");
        let headers: Vec<_> = headers.into_iter().filter(|(name, _)| name != "content-length").collect();
        faces.push((headers, body.replacen(&typed, "value=\"…\"", 1)));
    }
    assert!(faces.windows(2).all(|two| two[0] == two[1]), "{faces:#?}");
}

/// The same at the token endpoint.
#[tokio::test]
async fn all_who_get_no_token_read_the_same() {
    let service = Service::start().await;
    let ask = async |who: &str, password: &str| {
        let grant = "http://auth0.com/oauth/grant-type/password-realm";
        let form = [("grant_type", grant), ("realm", CONNECTION), ("username", who), ("password", password)];
        face(&service.token(&form).await)
    };
    let wrong = ask(ADA, "wrong").await;
    assert_eq!(wrong.0, 403, "{}", wrong.2);
    for (who, password) in [("eve@example.com", "wrong"), ("eve@example.com", PASSWORD), ("nobody at all", "wrong")] {
        assert_eq!(ask(who, password).await, wrong, "{who}");
    }
}

/// S: always the same answer; the mail goes to whom it may concern.
#[tokio::test]
async fn who_asks_for_a_new_password_gets_one_answer_whoever_they_are() {
    let service = Service::start().await;
    let ask = async |email: &str| {
        let body = json!({"client_id": "shop", "connection": CONNECTION, "email": email});
        face(&post_json(&service, "/dbconnections/change_password", &body).await)
    };
    let (known, unknown) = (ask(ADA).await, ask("eve@example.com").await);
    assert_eq!(known, unknown);
    assert_eq!((known.0, known.2.as_str()), (200, "We've just sent you an email to reset your password."));
    for _ in 0..10 {
        assert_eq!(ask(ADA).await, known, "a full mailbox reads the same");
        assert_eq!(ask("eve@example.com").await, known);
    }
    assert_eq!(service.mails().await.len(), 3, "nobody is buried in mails");

    let browser = service.browser();
    let page = browser.get("/u/forgot").await;
    let shown = fill_in(&browser, &page, "/u/forgot", &[("email", ADA)]).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    assert_eq!(face(&shown), face(&fill_in(&browser, &page, "/u/forgot", &[("email", "eve@example.com")]).await));
}

/// HS-05: the buckets of an account that does not exist empty as fast.
#[tokio::test]
async fn an_unknown_account_is_limited_like_any_other() {
    let service = Service::start().await;
    let mut let_through = Vec::new();
    for who in [ADA, "eve@example.com"] {
        let browser = service.browser();
        let asked = browser.authorize(&[]).await;
        let page = browser.follow(&asked).await;
        let mut count = 0;
        for _ in 0..25 {
            let answer = fill_in(&browser, &page, "/u/login", &[("identifier", who), ("password", "wrong")]).await;
            count += usize::from(answer.status == StatusCode::BAD_REQUEST);
        }
        let_through.push(count);
    }
    assert_eq!(let_through, [20, 20]);
}

/// HS-04: medians of one run, as ratios, because machines differ. Real cost; classes interleaved.
#[tokio::test]
async fn the_time_of_an_answer_tells_nothing() {
    let service = Service::with_accounts(|accounts| {
        accounts.cost = Cost::RECOMMENDED;
        accounts.limits = super::limits::generous();
    })
    .await;
    let tenant = TenantId::default();
    // Somebody without a password, and somebody whose hash was imported and is cheap.
    let legacy = Hasher::new(Cost { memory: 4_096, passes: 3 }, service.app.entropy.as_ref()).unwrap();
    let imported =
        legacy.hash(&Password::parse(PASSWORD.to_owned()).unwrap(), service.app.entropy.as_ref()).await.unwrap();
    service.put_user_with("auth0|000000000000000000000b0b", "bob@example.com", None).await;
    service.put_user_with("auth0|00000000000000000000ca51", "cas@example.com", Some(imported)).await;
    assert!(service.store.password(&tenant, &ADA_ID.into()).await.unwrap().is_some());

    // Noise differs from try to try, and what tells something does not: one try in which all are alike will do.
    let classes = [ADA, "eve@example.com", "bob@example.com", "cas@example.com"];
    let mut seen = Vec::new();
    for _ in 0..5 {
        let medians = medians(&service, classes).await;
        if medians.iter().all(|median| (0.75..1.33).contains(&(median / medians[0]))) {
            return;
        }
        seen.push(medians);
    }
    panic!("{classes:?} take different times: {seen:?}");
}

/// How long a wrong password takes at each of these accounts.
async fn medians(service: &Service, classes: [&str; 4]) -> [f64; 4] {
    const ROUNDS: usize = 41;
    let grant = "http://auth0.com/oauth/grant-type/password-realm";
    let mut times: [Vec<Duration>; 4] = Default::default();
    for round in 0..ROUNDS {
        for place in 0..classes.len() {
            let class = (place + round) % classes.len();
            let named = ("username", classes[class]);
            let form = [("grant_type", grant), ("realm", CONNECTION), named, ("password", "wrong")];
            let started = Instant::now();
            let answer = service.token(&form).await;
            times[class].push(started.elapsed());
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
        }
    }
    times.map(|mut times| {
        times.sort();
        times[ROUNDS / 2].as_secs_f64()
    })
}
