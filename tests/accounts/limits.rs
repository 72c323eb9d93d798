//! Guessing is slow, and slows down nobody else (HS-01, HS-02, HS-06).

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use http::{StatusCode, header};
use vestibule_server::{
    limits::{LimitSettings, OpenRates, Rate, Rates},
    password::Cost,
};

use super::fill_in;
use crate::service::{ADA, API, Answer, PASSWORD, SECRET, SHOP, Service};

/// Limits that no test meets by accident.
pub(crate) fn generous() -> LimitSettings {
    let rate = Rate { burst: NonZeroU32::MAX, per_hour: NonZeroU32::MAX };
    let rates = Rates { account: rate, prefix: rate, all: rate };
    let start = OpenRates { prefix: rate, all: rate };
    LimitSettings { start, login: rates, factor: rates, client: rates, signup: rates, mail: rates }
}

#[tokio::test]
async fn an_attacked_account_still_lets_in_the_browser_that_knows_it() {
    let service = Service::start().await;
    let victim = service.browser();
    victim.log_in(&[]).await.code();
    let attacker = service.browser();
    let asked = attacker.authorize(&[]).await;
    let page = attacker.follow(&asked).await;
    let mut slowed = None;
    for _ in 0..30 {
        let answer = fill_in(&attacker, &page, "/u/login", &[("identifier", ADA), ("password", "guess")]).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            slowed = Some(answer);
        }
    }
    let slowed = slowed.expect("the attacker is slowed down");
    let seconds: u64 = slowed.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=7).contains(&seconds), "{seconds}: nobody is locked out");
    let right = fill_in(&attacker, &page, "/u/login", &[("identifier", ADA), ("password", PASSWORD)]).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS, "a guess that is right is slowed down like any other");
    victim.log_in(&[("prompt", "login")]).await.code();
}

/// The cookie of one account is worth nothing at another, and cannot be made up.
#[tokio::test]
async fn a_browser_is_known_to_the_account_it_logged_in_to_and_to_no_other() {
    let service = Service::start().await;
    service.put_user("auth0|000000000000000000000b0b", "bob@example.com").await;
    let browser = service.browser();
    browser.log_in(&[]).await.code();
    let asked = browser.authorize(&[("prompt", "login")]).await;
    let page = browser.follow(&asked).await;
    let mut judged = 0;
    for at in 0..60 {
        if at % 2 == 1 {
            browser.plant("__Host-vestibule-known", &format!("{at:064}"));
        }
        let answer =
            fill_in(&browser, &page, "/u/login", &[("identifier", "bob@example.com"), ("password", "guess")]).await;
        judged += usize::from(answer.status == StatusCode::BAD_REQUEST);
    }
    assert_eq!(judged, 20);
}

/// HS-06: what is too long is refused before it costs anything.
#[tokio::test]
async fn a_huge_password_is_refused_unhashed() {
    let service = Service::start().await;
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let page = browser.follow(&asked).await;
    let answer = fill_in(&browser, &page, "/u/login", &[("identifier", ADA), ("password", &"x".repeat(20_000))]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let answer =
        fill_in(&browser, &page, "/u/login", &[("identifier", ADA), ("password", &"x".repeat(1_000_000))]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

/// S-12, HS-33: signing up, and asking for mails, is bounded by where it comes from.
#[tokio::test]
async fn one_address_cannot_make_accounts_without_end() {
    let service = Service::start().await;
    let mut made = 0;
    for at in 0..40 {
        let body = serde_json::json!({
            "connection": crate::service::CONNECTION, "email": format!("user{at}@example.com"), "password": "purple-Rhubarb-9",
        });
        let answer = super::post_json(&service, "/dbconnections/signup", &body).await;
        made += usize::from(answer.status == StatusCode::OK);
        assert!(matches!(answer.status, StatusCode::OK | StatusCode::TOO_MANY_REQUESTS), "{}", answer.body);
    }
    assert_eq!(made, 30);
}

/// Nothing is kept for strangers without end: logins that are begun have a rate, and a request has a size.
#[tokio::test]
async fn one_address_cannot_begin_logins_without_end() {
    let rate = |burst| Rate { burst: NonZeroU32::new(burst).unwrap(), per_hour: NonZeroU32::MIN };
    let service = Service::with_accounts(|accounts| {
        accounts.limits.start = OpenRates { prefix: rate(20), all: rate(1_000) };
    })
    .await;
    let browser = service.browser();
    browser.log_in(&[]).await.code();
    let mut begun = 0;
    for _ in 0..40 {
        let answer = service.browser().authorize(&[]).await;
        begun += usize::from(answer.status == StatusCode::SEE_OTHER);
        if answer.status != StatusCode::SEE_OTHER {
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.body);
            assert!(answer.headers.contains_key(header::RETRY_AFTER));
        }
    }
    assert_eq!(begun, 19, "one was the login before");
    browser.authorize(&[]).await.code(); // Whoever has a session leaves nothing behind, and needs no place.
    let answer = service.browser().authorize(&[("prompt", "none")]).await;
    assert_eq!(answer.error(), "login_required");
}

#[tokio::test]
async fn a_request_that_would_be_kept_is_small_and_not_kept_long() {
    let service = Service::start().await;
    for large in [("state", "x".repeat(8_100)), ("x1", "y".repeat(8_100))] {
        let answer = service.browser().authorize(&[(large.0, &large.1)]).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", large.0);
    }
    let browser = service.browser();
    let asked = browser.authorize(&[("state", &"x".repeat(6_000))]).await;
    browser.sign_in(&asked, ADA, PASSWORD).await.code();
    let late = service.browser();
    let asked = late.authorize(&[]).await;
    service.clock.advance(15 * 60);
    assert_eq!(late.follow(&asked).await.status, StatusCode::BAD_REQUEST, "a quarter of an hour is over");
}

const KNOWN: &str = "__Host-vestibule-known";

/// How many of so many guesses are judged, with this cookie or none.
async fn judged(service: &Service, known: Option<&str>, guesses: usize) -> usize {
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let page = browser.follow(&asked).await;
    let mut judged = 0;
    for _ in 0..guesses {
        if let Some(known) = known {
            browser.plant(KNOWN, known);
        }
        let answer = fill_in(&browser, &page, "/u/login", &[("identifier", ADA), ("password", "guess")]).await;
        judged += usize::from(answer.status == StatusCode::BAD_REQUEST);
    }
    judged
}

/// Logins do not heap up buckets: a browser that is known stays the one it was.
#[tokio::test]
async fn a_browser_that_logs_in_again_has_the_bucket_it_had() {
    let service = Service::start().await;
    let browser = service.browser();
    browser.log_in(&[]).await.code();
    let first = browser.cookies()[KNOWN].clone();
    for _ in 0..3 {
        service.clock.advance(24 * 60 * 60);
        browser.log_in(&[("prompt", "login")]).await.code();
    }
    let last = browser.cookies()[KNOWN].clone();
    assert_ne!(first, last, "it is renewed");
    let all = judged(&service, Some(&first), 25).await + judged(&service, Some(&last), 25).await;
    assert!(all <= 20, "{all} guesses were judged in one browser");
}

/// HS-02: whoever was let in by a stolen password collects nothing that outlives it.
#[tokio::test]
async fn a_new_password_makes_strangers_of_all_browsers() {
    let service = Service::start().await;
    let mut collected = Vec::new();
    for _ in 0..5 {
        let thief = service.browser();
        thief.log_in(&[]).await.code();
        collected.push(thief.cookies()[KNOWN].clone());
    }
    service.clock.advance(1);
    let new = vestibule_store::NewPassword {
        phc: "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA".to_owned(),
        instead_of: None,
        token: None,
        address: None,
        keep: None,
        notice: None,
        by: vestibule_store::Author::User,
        at: service.app.now(),
    };
    let (tenant, ada) = (vestibule_store::TenantId::default(), crate::service::ADA_ID.into());
    service.store.set_password(&tenant, &ada, &new).await.unwrap();
    let mut all = 0;
    for known in &collected {
        all += judged(&service, Some(known), 20).await;
    }
    assert!(all <= 20, "{all} guesses were judged with collected cookies");
}

#[tokio::test]
async fn a_browser_is_known_for_90_days() {
    for (days, is_known) in [(89, true), (90, false)] {
        let service = Service::start().await;
        let browser = service.browser();
        browser.log_in(&[]).await.code();
        let known = browser.cookies()[KNOWN].clone();
        service.clock.advance(days * 24 * 60 * 60);
        assert_eq!(judged(&service, None, 25).await, 19, "strangers have tried as often as they may");
        assert_eq!(judged(&service, Some(&known), 5).await > 0, is_known, "{days} days");
    }
}

/// HS-07: a client secret is guessed as slowly as a password, and a client that knows its own never waits.
#[tokio::test]
async fn client_secrets_cannot_be_guessed_without_end() {
    let service = Service::start().await;
    let ask = async |id: &str, secret: &str| {
        let form =
            [("grant_type", "client_credentials"), ("audience", API), ("client_id", id), ("client_secret", secret)];
        service.post("/oauth/token", &form).await
    };
    for _ in 0..60 {
        assert_eq!(ask(SHOP, SECRET).await.status, StatusCode::OK, "what succeeds is not counted");
    }
    for id in [SHOP, "nobody"] {
        for _ in 0..20 {
            assert_eq!(ask(id, "guess").await.status, StatusCode::UNAUTHORIZED);
        }
        let slowed = ask(id, "guess").await;
        assert_eq!(slowed.status, StatusCode::TOO_MANY_REQUESTS, "{id}: {}", slowed.body);
        let seconds: u64 = slowed.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=7).contains(&seconds), "{seconds}: nobody is locked out");
    }
    assert_eq!(ask(SHOP, SECRET).await.status, StatusCode::TOO_MANY_REQUESTS, "a guess that is right waits as well");
}

/// HS-06, HS-63: what does not fit into a second of hashing is refused at once, and what was let in is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_passwords_than_can_be_hashed_are_refused_at_once() {
    let service = Service::with_accounts(|accounts| {
        accounts.cost = Cost::RECOMMENDED; // 600 of them are more than a second of any machine's work.
        accounts.limits = generous();
    })
    .await;
    let logins = (0..600).map(|at| {
        let (service, nobody) = (&service, format!("nobody-{at}@example.com")); // Costs as much as somebody.
        async move {
            let asked = Instant::now();
            let form = [("grant_type", "password"), ("username", nobody.as_str()), ("password", PASSWORD)];
            (service.token(&form).await, asked.elapsed())
        }
    });
    let answers = futures_util::future::join_all(logins).await;
    let (heard, shed): (Vec<_>, Vec<_>) =
        answers.iter().partition(|(answer, _)| answer.status == StatusCode::FORBIDDEN);
    assert!(heard.len() >= 10 && shed.len() >= 10, "{} and {}", heard.len(), shed.len());
    for (answer, _) in &shed {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
        assert_eq!(answer.headers[header::RETRY_AFTER], "1");
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
    }
    let longest = |answers: &[&(Answer, Duration)]| answers.iter().map(|(_, took)| *took).max().unwrap();
    assert!(longest(&shed) < longest(&heard), "nobody waits in order to be refused");
    assert_eq!(service.app.accounts.hasher.in_hand(), 0, "no place in the queue is lost");
}
