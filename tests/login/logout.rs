//! Logging out (HS-25, HS-26, HS-27).

use http::{StatusCode, header};

use crate::service::{Browser, SHOP, Service, hidden};

const BYE: &str = "https://shop.example.com/bye";

async fn is_logged_in(browser: &Browser<'_>) -> bool {
    let answer = browser.authorize(&[("prompt", "none")]).await;
    answer.sent("code").is_some()
}

#[tokio::test]
async fn the_classic_endpoint_logs_out_and_goes_where_it_may() {
    let service = Service::start().await;
    let browser = service.browser();
    browser.log_in(&[]).await.code();
    let evil = browser.get(&format!("/v2/logout?client_id={SHOP}&returnTo=https://evil.example/")).await;
    assert!(evil.status.is_client_error() && !evil.headers.contains_key(header::LOCATION), "{evil:?}");
    assert!(is_logged_in(&browser).await);
    let session = browser.cookies()["__Host-vestibule-session"].clone();
    let answer = browser.get(&format!("/v2/logout?client_id={SHOP}&returnTo={BYE}")).await;
    assert_eq!(answer.location().as_str(), BYE);
    assert!(answer.headers.contains_key("clear-site-data"));
    browser.plant("__Host-vestibule-session", &session);
    assert!(!is_logged_in(&browser).await, "it ended here, not only in the browser");
    let plain = service.browser().get("/v2/logout").await;
    assert_eq!(service.browser().follow(&plain).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_logs_its_user_out_with_the_hint() {
    let service = Service::start().await;
    let browser = service.browser();
    let tokens = service.exchange(&browser.log_in(&[]).await.code()).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    let unregistered = format!("/oidc/logout?id_token_hint={hint}&post_logout_redirect_uri=https://evil.example/");
    assert!(browser.get(&unregistered).await.status.is_client_error());
    let query = format!("/oidc/logout?id_token_hint={hint}&post_logout_redirect_uri={BYE}&state=s1");
    assert_eq!(browser.get(&query).await.location().as_str(), format!("{BYE}?state=s1"));
    assert!(!is_logged_in(&browser).await);
}

/// HS-27.
#[tokio::test]
async fn a_mere_link_asks_first() {
    let service = Service::start().await;
    let browser = service.browser();
    browser.log_in(&[]).await.code();
    let page = browser.get(&format!("/oidc/logout?client_id={SHOP}&post_logout_redirect_uri={BYE}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert!(is_logged_in(&browser).await);
    let framed = browser.service().send(
        crate::service::request("GET", "/v2/logout")
            .header("sec-fetch-dest", "iframe")
            .body(axum::body::Body::empty())
            .unwrap(),
    );
    assert!(framed.await.status.is_client_error());
    let forged = browser.post("/u/logout", &[("state", "https://evil.example/"), ("csrf", "x")]).await;
    assert!(forged.status.is_client_error());
    assert!(is_logged_in(&browser).await);
    let (state, csrf) = (hidden(&page.body, "state"), hidden(&page.body, "csrf"));
    let done = browser.post("/u/logout", &[("state", &state), ("csrf", &csrf)]).await;
    assert_eq!(done.location().as_str(), BYE);
    assert!(!is_logged_in(&browser).await);
}
