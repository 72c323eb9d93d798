//! Sixty-four at once: of everything that works once, one works (HS-31, HS-33).

use std::sync::Arc;

use futures_util::future::join_all;
use http::StatusCode;
use vestibule_testkit::stores::TestStore;

use crate::service::Service;

const RACERS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_exchanged_once_on_sqlite() {
    exchange_in_parallel(TestStore::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_exchanged_once_on_postgresql() {
    exchange_in_parallel(TestStore::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_is_used_once_on_sqlite() {
    refresh_in_parallel(TestStore::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_is_used_once_on_postgresql() {
    refresh_in_parallel(TestStore::postgres().await).await;
}

async fn exchange_in_parallel(store: TestStore) {
    let service = Arc::new(Service::on(store, |_| ()).await);
    let code = service.browser().log_in(&[("scope", "openid offline_access")]).await.code();
    let racers = (0..RACERS).map(|_| {
        let (service, code) = (Arc::clone(&service), code.clone());
        tokio::spawn(async move { service.exchange(&code).await })
    });
    let answers: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect();
    assert_eq!(won.len(), 1);
    assert!(
        answers.iter().filter(|answer| answer.status != StatusCode::OK).all(|lost| lost.error() == "403 invalid_grant")
    );
    let tokens = won[0].json();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    assert_eq!(service.token(&refresh).await.error(), "403 invalid_grant", "a replay revokes what came of it");
}

/// RFC 9700 §4.5: what came of a code that was used twice is refused, however often it was refreshed meanwhile.
#[tokio::test]
async fn a_replayed_code_takes_the_tokens_of_later_refreshes_with_it() {
    let service = Service::start().await;
    let code = service.browser().log_in(&[("scope", "openid offline_access")]).await.code();
    let first = service.exchange(&code).await.json();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", first["refresh_token"].as_str().unwrap())];
    let second = service.token(&refresh).await.json();
    let status = async |tokens: &serde_json::Value| {
        service.get_as("/userinfo", tokens["access_token"].as_str().unwrap()).await.status
    };
    assert_eq!((status(&first).await, status(&second).await), (StatusCode::OK, StatusCode::OK));
    assert_eq!(service.exchange(&code).await.error(), "403 invalid_grant");
    assert_eq!((status(&first).await, status(&second).await), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
}

async fn refresh_in_parallel(store: TestStore) {
    let service = Arc::new(Service::on(store, |_| ()).await);
    let token = service.tokens("openid offline_access").await["refresh_token"].as_str().unwrap().to_owned();
    let racers = (0..RACERS).map(|_| {
        let (service, token) = (Arc::clone(&service), token.clone());
        tokio::spawn(async move {
            service.token(&[("grant_type", "refresh_token"), ("refresh_token", token.as_str())]).await
        })
    });
    let answers: Vec<_> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect();
    assert_eq!(won.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    let next = won[0].json()["refresh_token"].as_str().unwrap().to_owned();
    let answer = service.token(&[("grant_type", "refresh_token"), ("refresh_token", next.as_str())]).await;
    assert_eq!(answer.error(), "403 invalid_grant", "reuse kills the family");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_login_goes_on_once() {
    let service = Service::start().await;
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let page = browser.follow(&asked).await;
    let (state, csrf) = (crate::service::hidden(&page.body, "state"), crate::service::hidden(&page.body, "csrf"));
    let form = [
        ("state", state.as_str()),
        ("csrf", csrf.as_str()),
        ("identifier", crate::service::ADA),
        ("password", crate::service::PASSWORD),
    ];
    // No more than the limits on guessing let through.
    let answers = join_all((0..16).map(|_| browser.post("/u/login", &form))).await;
    let won = answers.iter().filter(|answer| answer.headers.contains_key("location")).count();
    assert_eq!(won, 1, "{answers:?}");
    assert_eq!(service.ada().await.logins_count, 1);
}
