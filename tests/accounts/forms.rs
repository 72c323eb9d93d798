//! Forms that were not sent from our pages, and what every page carries (HS-19, HS-20, HS-25, HS-37).

use axum::body::Body;
use http::{HeaderMap, StatusCode, header};

use super::fill_in;
use crate::service::{ADA, Answer, PASSWORD, Service, encoded, hidden, request};

const PAGES: [&str; 6] = ["/u/login", "/u/signup", "/u/mfa", "/u/forgot", "/u/reset", "/u/verify"];

#[track_caller]
fn is_guarded(answer: &Answer) {
    let header =
        |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let policy = header("content-security-policy");
    for part in
        ["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
    {
        assert!(policy.contains(part), "{part} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "same-origin");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("x-frame-options"), "DENY");
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    assert!(!answer.body.contains("<script") && !answer.body.contains(" style="), "{}", answer.body);
}

#[tokio::test]
async fn every_page_is_guarded_those_that_say_no_as_well() {
    let service = Service::start().await;
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let state = asked.sent("state").unwrap();
    for path in PAGES {
        for query in [format!("?state={state}"), "?token=x&state=x".to_owned(), String::new()] {
            is_guarded(&browser.get(&format!("{path}{query}")).await);
        }
        is_guarded(&browser.post(path, &[("state", &state), ("csrf", "x")]).await);
    }
    is_guarded(&browser.get("/u/logged-out").await);
}

#[tokio::test]
async fn a_form_of_another_site_browser_or_purpose_is_refused() {
    let service = Service::start().await;
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let page = browser.follow(&asked).await;
    let (state, csrf) = (hidden(&page.body, "state"), hidden(&page.body, "csrf"));
    let form = [("state", state.as_str()), ("csrf", csrf.as_str()), ("identifier", ADA), ("password", PASSWORD)];
    let cookies: Vec<String> = browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let send = async |headers: &[(&str, &str)], body: String| {
        let mut request = request("POST", "/u/login").header(header::COOKIE, cookies.join("; "));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        service.send(request.body(Body::from(body)).unwrap()).await
    };
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let ours = ("origin", "https://login.example.com");
    for headers in [
        &[kind][..],
        &[kind, ("origin", "https://evil.example")],
        &[kind, ("origin", "null")],
        &[kind, ("origin", "http://login.example.com")],
        &[kind, ("referer", "https://login.example.com/u/login")],
    ] {
        assert_eq!(send(headers, encoded(&form)).await.error_page(), "forged_form", "{headers:?}");
    }
    for kind in ["text/plain", "application/json", "multipart/form-data"] {
        assert_eq!(send(&[("content-type", kind), ours], encoded(&form)).await.error_page(), "invalid_request");
    }
    let with_token =
        |token: &str| encoded(&[("state", &state), ("csrf", token), ("identifier", ADA), ("password", PASSWORD)]);
    let signup = browser.get(&format!("/u/signup?state={state}")).await;
    for token in ["", "x", &csrf[1..], &hidden(&signup.body, "csrf")] {
        assert_eq!(send(&[kind, ours], with_token(token)).await.error_page(), "forged_form", "{token}");
    }
    // Login CSRF: a form that an attacker was given, in somebody else's browser.
    let victim = service.browser();
    victim.authorize(&[]).await;
    assert_eq!(victim.post("/u/login", &form).await.error_page(), "forged_form");
    // Neither twice the same field nor one that the form does not have.
    for extra in [("password", "x"), ("user_id", ADA)] {
        let answer = browser.post("/u/login", &[&form[..], &[extra]].concat()).await;
        assert_eq!(answer.error_page(), "invalid_request", "{extra:?}");
    }
    browser.post("/u/login", &form).await.code();
}

/// HS-37: what was posted is posted nowhere else.
#[tokio::test]
async fn a_form_that_worked_is_answered_303() {
    let service = Service::start().await;
    let answer = service.browser().log_in(&[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(location_count(&answer.headers), 1);
}

fn location_count(headers: &HeaderMap) -> usize {
    headers.get_all(header::LOCATION).iter().count()
}

/// Chrome follows `form-action` over redirects: the client must be in it, and nothing a client could smuggle in.
#[tokio::test]
async fn the_login_form_may_end_at_its_client() {
    let service = Service::start().await;
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let page = browser.follow(&asked).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://shop.example.com;"), "{policy}");
    let wrong = fill_in(&browser, &page, "/u/login", &[("identifier", ADA), ("password", "wrong")]).await;
    assert_eq!(wrong.headers["content-security-policy"], page.headers["content-security-policy"]);
}

#[tokio::test]
async fn style_and_icon_are_there_and_nothing_else_is_loaded() {
    let service = Service::start().await;
    let page = service.browser().get("/u/forgot").await;
    let paths: Vec<&str> = page.body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    for (path, kind) in paths.iter().zip(["text/css; charset=utf-8", "image/svg+xml"]) {
        let answer = service.get(path).await;
        assert_eq!(answer.headers[header::CONTENT_TYPE], kind);
        assert!(!answer.body.contains("http://") || kind == "image/svg+xml", "{}", answer.body);
    }
    assert!(!page.body.contains("src="));
}
