//! What attackers try at the protocol (spec `hostile-http`, HS-16 to HS-41; RFC 9700).

use axum::body::Body;
use http::{Method, StatusCode, header};
use serde_json::Value;
use vestibule_testkit::stores::TestStore;

use crate::service::{ADA, CALLBACK, ISSUER, PASSWORD, SECRET, SHOP, Service, VERIFIER, request};

/// HS-16, HS-17.
#[tokio::test]
async fn every_authentication_has_a_session_of_its_own() {
    let service = Service::start().await;
    let browser = service.browser();
    browser.plant("__Host-vestibule-session", "chosen-by-an-attacker");
    let answer = browser.log_in(&[]).await;
    answer.code();
    let first = browser.cookies()["__Host-vestibule-session"].clone();
    assert_ne!(first, "chosen-by-an-attacker");
    let set: Vec<&str> = answer.headers.get_all(header::SET_COOKIE).iter().map(|set| set.to_str().unwrap()).collect();
    let set = set.iter().find(|set| set.starts_with("__Host-vestibule-session=")).expect("a session cookie");
    for flag in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(flag), "{flag}: {set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    browser.log_in(&[("prompt", "login")]).await.code();
    let second = browser.cookies()["__Host-vestibule-session"].clone();
    assert_ne!(first, second);
    let old = service.browser();
    old.plant("__Host-vestibule-session", &first);
    assert_eq!(old.authorize(&[("prompt", "none")]).await.error(), "login_required", "the one before has ended");
}

/// HS-18, HS-19: a login goes on only in the browser it began in.
#[tokio::test]
async fn a_login_belongs_to_its_browser() {
    let service = Service::start().await;
    let (victim, attacker) = (service.browser(), service.browser());
    let asked = attacker.authorize(&[]).await;
    let page = victim.follow(&asked).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.body);
    attacker.sign_in(&asked, ADA, PASSWORD).await.code();
    let again = attacker.follow(&asked).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "a handle works once");
}

/// HS-29.
#[tokio::test]
async fn a_redirect_uri_is_compared_to_the_letter() {
    let service = Service::start().await;
    for other in [
        "https://shop.example.com/callback",
        "https://shop.example.com/callback?x=1&y=2",
        "https://shop.example.com/callback?x=1#f",
        "https://shop.example.com/callback/?x=1",
        "https://shop.example.com/Callback?x=1",
        "https://SHOP.example.com/callback?x=1",
        "https://shop.example.com:443/callback?x=1",
        "https://shop.example.com/a/../callback?x=1",
        "https://shop.example.com/%63allback?x=1",
        "https://user@shop.example.com/callback?x=1",
        "https://shop.example.com.evil.example/callback?x=1",
        "http://shop.example.com/callback?x=1",
        "javascript:alert(1)",
        "",
    ] {
        let answer = service.browser().authorize(&[("redirect_uri", other)]).await;
        assert!(
            answer.status.is_client_error() && !answer.headers.contains_key(header::LOCATION),
            "{other}: {answer:?}"
        );
    }
    let twice = format!("/authorize?{}&redirect_uri=https://evil.example/", crate::service::authorization(&[]));
    let answer = service.browser().get(&twice).await;
    assert!(answer.status.is_client_error() && !answer.headers.contains_key(header::LOCATION), "{answer:?}");
}

/// HS-29: a native client's loopback port is free, and only that.
#[tokio::test]
async fn the_loopback_port_of_a_native_client_is_free() {
    let service = Service::start().await;
    for (id, native) in [("native", true), ("web", false)] {
        let change = |settings: &mut vestibule_store::ClientSettings| {
            settings.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()];
            settings.native = native;
        };
        service.put_client(id, None, change).await;
        let asked = [("client_id", id), ("redirect_uri", "http://127.0.0.1:49152/cb")];
        let answer = service.browser().authorize(&asked).await;
        assert_eq!(answer.status == StatusCode::SEE_OTHER, native, "{answer:?}");
    }
}

/// HS-30.
#[tokio::test]
async fn pkce_is_s256_for_everybody_and_cannot_be_stripped() {
    let service = Service::start().await;
    for (name, value) in [
        ("code_challenge", ""),
        ("code_challenge_method", ""),
        ("code_challenge_method", "plain"),
        ("code_challenge", "too-short"),
    ] {
        assert_eq!(service.browser().authorize(&[(name, value)]).await.error(), "invalid_request", "{name}={value}");
    }
    let other = "a".repeat(43);
    let verifiers =
        [("", "400 invalid_request"), ("short", "403 invalid_grant"), (other.as_str(), "403 invalid_grant")];
    for (verifier, error) in verifiers {
        let code = service.browser().log_in(&[]).await.code();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ];
        assert_eq!(service.token(&form).await.error(), error, "{verifier}");
    }
}

/// HS-31, HS-32.
#[tokio::test]
async fn a_code_is_bound_to_client_uri_and_time() {
    let service = Service::start().await;
    service.put_client("other", Some("other-secret"), |_| ()).await;
    let code = service.browser().log_in(&[("scope", "openid offline_access")]).await.code();
    let form = |uri| {
        [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", uri),
            ("code_verifier", VERIFIER),
        ]
    };
    let other = [("client_id", "other"), ("client_secret", "other-secret")];
    let stolen = [other.as_slice(), &form(CALLBACK)].concat();
    assert_eq!(service.post("/oauth/token", &stolen).await.error(), "403 invalid_grant", "another client");
    assert_eq!(service.token(&form("https://shop.example.com/other")).await.error(), "403 invalid_grant");
    let tokens = service.exchange(&code).await.json();
    // A code is no refresh token, and a refresh token no code.
    let as_refresh = [("grant_type", "refresh_token"), ("refresh_token", code.as_str())];
    assert_eq!(service.token(&as_refresh).await.error(), "403 invalid_grant");
    assert_eq!(service.exchange(tokens["refresh_token"].as_str().unwrap()).await.error(), "403 invalid_grant");

    let late = service.browser().log_in(&[]).await.code();
    service.clock.advance(61);
    assert_eq!(service.exchange(&late).await.error(), "403 invalid_grant", "expired");
}

/// HS-36.
#[tokio::test]
async fn other_response_types_and_modes_are_refused_and_the_issuer_is_named() {
    let service = Service::start().await;
    for response_type in ["token", "id_token", "code id_token", "code token", "none"] {
        let answer = service.browser().authorize(&[("response_type", response_type)]).await;
        assert_eq!(answer.error(), "unsupported_response_type", "{response_type}");
        assert_eq!(answer.sent("iss").as_deref(), Some(ISSUER), "RFC 9207");
    }
    for mode in ["fragment", "web_message", "query.jwt"] {
        let answer = service.browser().authorize(&[("response_mode", mode)]).await;
        assert!(!answer.headers.contains_key(header::LOCATION), "{mode}");
    }
    let answer = service.browser().log_in(&[]).await;
    answer.code();
    assert_eq!(answer.sent("iss").as_deref(), Some(ISSUER));
    assert_eq!(answer.sent("state").as_deref(), Some("the-client's state"));
    assert_eq!(answer.location().fragment(), None, "RFC 9700 4.2");
    let repeated = format!("/authorize?{}&nonce=1&nonce=2", crate::service::authorization(&[]));
    assert_eq!(service.browser().get(&repeated).await.error(), "invalid_request");
}

/// HS-37.
#[tokio::test]
async fn credentials_are_answered_303_and_no_page_tells_where_it_was() {
    let service = Service::start().await;
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let page = browser.follow(&asked).await;
    let policy = page.headers["referrer-policy"].to_str().unwrap();
    assert!(matches!(policy, "same-origin" | "no-referrer"), "{policy}");
    assert_eq!(page.headers["cache-control"], "no-store");
    let done = browser.sign_in(&asked, ADA, PASSWORD).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert_eq!(done.headers["cache-control"], "no-store");
}

/// HS-38.
#[tokio::test]
async fn a_client_authenticates_in_one_way_and_never_in_the_query() {
    let service = Service::start().await;
    let form = "grant_type=client_credentials&audience=https://api.example.com/";
    let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{SHOP}:{SECRET}"));
    let wrong = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{SHOP}:wrong"));
    let send = async |path: &str, authorization: Option<&str>, form: String| {
        let mut builder = request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        if let Some(credentials) = authorization {
            builder = builder.header("authorization", format!("Basic {credentials}"));
        }
        service.send(builder.body(Body::from(form)).unwrap()).await
    };
    assert_eq!(send("/oauth/token", Some(&basic), form.to_owned()).await.status, StatusCode::OK);
    let both = format!("{form}&client_id={SHOP}&client_secret={SECRET}");
    assert_eq!(send("/oauth/token", Some(&basic), both.clone()).await.error(), "400 invalid_request");
    let in_query = format!("/oauth/token?client_id={SHOP}&client_secret={SECRET}");
    assert_eq!(send(&in_query, None, form.to_owned()).await.error(), "400 invalid_request");
    let refused = send("/oauth/token", Some(&wrong), form.to_owned()).await;
    assert_eq!(refused.error(), "401 invalid_client");
    assert!(refused.headers.contains_key("www-authenticate"), "RFC 6749 5.2");
    let unknown = send("/oauth/token", None, format!("{form}&client_id=nobody&client_secret=x")).await;
    let wrong = send("/oauth/token", None, format!("{form}&client_id={SHOP}&client_secret=x")).await;
    assert_eq!((unknown.status, unknown.body), (wrong.status, wrong.body));
    let without = send("/oauth/token", None, format!("{form}&client_id={SHOP}")).await;
    assert_eq!(without.error(), "401 invalid_client", "a confidential client is not public");
    service.put_client("lost", None, |settings| settings.auth_methods = vec!["client_secret_basic".to_owned()]).await;
    let without = service.post("/oauth/token", &[("client_id", "lost"), ("grant_type", "client_credentials")]).await;
    assert_eq!(without.error(), "401 invalid_client", "nor is one whose registration says that it has a secret");
    let assertion = format!("{form}&client_id={SHOP}&client_assertion=e30.e30.&client_assertion_type=x");
    assert_eq!(send("/oauth/token", None, assertion).await.error(), "401 invalid_client");
}

/// It is in no text that is stored, however it comes; PostgreSQL would fail at it.
async fn a_nul_is_refused(store: TestStore) {
    let service = Service::on(store, |_| ()).await;
    let asked = ["/v1/explain?user=%00", "/v1/explain?user=ada@example.com&key=app_metadata.a%00", "/v1/logins/%00"];
    for path in asked {
        let answer = service.admin(Method::GET, path, &Value::Null).await;
        assert_eq!(answer.error(), "400 invalid_request", "{path}");
    }
    let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, "shop%00:secret");
    for (credentials, form) in [(Some(basic), "grant_type=password"), (None, "grant_type=password&client_id=a%00")] {
        let mut token =
            request("POST", "/oauth/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(credentials) = credentials {
            token = token.header(header::AUTHORIZATION, format!("Basic {credentials}"));
        }
        let answer = service.send(token.body(Body::from(form)).unwrap()).await;
        assert_eq!(answer.error(), "400 invalid_request", "{form}");
    }
    let page = service.browser().get("/u/login?state=%00").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.body);
}

#[tokio::test]
async fn a_nul_is_refused_on_sqlite() {
    a_nul_is_refused(TestStore::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nul_is_refused_on_postgresql() {
    a_nul_is_refused(TestStore::postgres().await).await;
}

/// HS-39.
#[tokio::test]
async fn no_login_gets_at_the_management_api() {
    let service = Service::start().await;
    let management = format!("{ISSUER}api/v2/");
    let asked = [("audience", management.as_str())];
    assert_eq!(service.browser().authorize(&asked).await.error(), "access_denied", "not registered for the client");
    let change = |settings: &mut vestibule_store::ClientSettings| {
        settings.audiences.insert(management.clone(), vec!["read:users".to_owned()]);
    };
    service.put_client(SHOP, Some(SECRET), change).await;
    let answer = service.browser().log_in(&[("audience", &management), ("scope", "openid read:users")]).await;
    assert_eq!(answer.error(), "access_denied", "registered, and still not for a person");
}

/// HS-36: what is asked for too long or too often is refused, and nothing breaks.
#[tokio::test]
async fn an_oversized_request_is_refused() {
    let service = Service::start().await;
    let long = "x".repeat(9_000);
    assert_eq!(service.browser().authorize(&[("nonce", &long)]).await.error(), "invalid_request");
    let many: Vec<(String, String)> = (0..100).map(|at| (format!("p{at}"), "1".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(service.browser().authorize(&many).await.error(), "invalid_request");
}

/// HS-24.
#[tokio::test]
async fn a_script_asks_from_registered_origins_only() {
    let service = Service::start().await;
    service.put_client("spa", None, |settings| settings.origins = vec!["https://spa.example.com".to_owned()]).await;
    let preflight = async |path: &str, origin: &str| {
        let request = request("OPTIONS", path).header("origin", origin).header("access-control-request-method", "POST");
        let answer = service.send(request.body(Body::empty()).unwrap()).await;
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
        answer.headers.get("access-control-allow-origin").map(|allowed| allowed.to_str().unwrap().to_owned())
    };
    assert_eq!(preflight("/oauth/token", "https://spa.example.com").await.as_deref(), Some("https://spa.example.com"));
    for other in ["null", "https://spa.example.com.evil.example", "https://evil.example", "http://spa.example.com"] {
        assert_eq!(preflight("/oauth/token", other).await, None, "{other}");
    }
    assert!(preflight("/.well-known/jwks.json", "https://evil.example").await.is_some(), "public anyway");
}

/// The universal oracle of HS: every answer has them, errors too.
#[tokio::test]
async fn every_answer_has_the_headers_that_protect_it() {
    let service = Service::start().await;
    let refused = service.token(&[]).await;
    let mistaken = service.browser().authorize(&[("client_id", "nobody")]).await;
    let lost = service.get("/no/such/page").await;
    for answer in [refused, mistaken, lost, service.get("/.well-known/jwks.json").await] {
        for name in
            ["content-security-policy", "x-content-type-options", "referrer-policy", "strict-transport-security"]
        {
            assert!(answer.headers.contains_key(name), "{name}: {answer:?}");
        }
        assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    }
}
