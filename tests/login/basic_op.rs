//! One test for each module of the OpenID Connect Basic OP certification plan, written from the specification and named
//! after the module. Ours wants PKCE of every client, so every request here has it.

use http::StatusCode;
use serde_json::{Value, json};

use crate::service::{ADA_ID, CALLBACK, ISSUER, SECRET, SHOP, Service, VERIFIER, claims, encoded, request};

async fn id_token_of(scope: &str) -> (Service, Value) {
    let service = Service::start().await;
    let tokens = service.tokens(scope).await;
    (service, tokens)
}

#[tokio::test]
async fn oidcc_server() {
    let (_, tokens) = id_token_of("openid").await;
    let claims = claims(&tokens["id_token"]);
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["sub"], ADA_ID);
    assert_eq!(claims["aud"], SHOP);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 86_400);
    assert_eq!(tokens["scope"], "openid");
    assert!(tokens.get("refresh_token").is_none());
}

#[tokio::test]
async fn oidcc_response_type_missing() {
    let service = Service::start().await;
    let answer = service.browser().authorize(&[("response_type", "")]).await;
    assert_eq!(answer.error(), "invalid_request");
    assert_eq!(answer.sent("state").as_deref(), Some("the-client's state"));
}

#[tokio::test]
async fn oidcc_idtoken_signature() {
    let (service, tokens) = id_token_of("openid").await;
    let claims = super::tokens::verified(&service, &tokens["id_token"]).await;
    assert_eq!(claims["sub"], ADA_ID);
}

#[tokio::test]
async fn oidcc_idtoken_unsigned() {
    // We never offer `none`, and a client cannot ask for it.
    let configuration = Service::start().await.get("/.well-known/openid-configuration").await.json();
    assert_eq!(configuration["id_token_signing_alg_values_supported"], json!(["RS256"]));
}

#[tokio::test]
async fn oidcc_userinfo_get() {
    let (service, tokens) = id_token_of("openid").await;
    let answer = service.get_as("/userinfo", tokens["access_token"].as_str().unwrap()).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"sub": ADA_ID})));
}

#[tokio::test]
async fn oidcc_userinfo_post_header() {
    let (service, tokens) = id_token_of("openid").await;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let request = request("POST", "/userinfo").header("authorization", bearer).body(axum::body::Body::empty());
    assert_eq!(service.send(request.unwrap()).await.json()["sub"], ADA_ID);
}

#[tokio::test]
async fn oidcc_userinfo_post_body() {
    let (service, tokens) = id_token_of("openid").await;
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(service.post("/userinfo", &[("access_token", token)]).await.json()["sub"], ADA_ID);
}

#[tokio::test]
async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow() {
    let (_, tokens) = id_token_of("openid").await;
    assert!(claims(&tokens["id_token"]).get("nonce").is_none());
}

#[tokio::test]
async fn oidcc_ensure_request_with_nonce_gets_it_back() {
    let service = Service::start().await;
    let code = service.browser().log_in(&[("nonce", "n-0S6_WzA2Mj")]).await.code();
    assert_eq!(claims(&service.exchange(&code).await.json()["id_token"])["nonce"], "n-0S6_WzA2Mj");
}

/// The claims that a scope gives, in the ID token and from `/userinfo`: the same.
async fn person(scope: &str) -> Value {
    let (service, tokens) = id_token_of(scope).await;
    let person = service.get_as("/userinfo", tokens["access_token"].as_str().unwrap()).await.json();
    let id_token = claims(&tokens["id_token"]);
    for (name, value) in person.as_object().unwrap() {
        assert_eq!(id_token[name], *value, "{name}");
    }
    person
}

#[tokio::test]
async fn oidcc_scope_profile() {
    let person = person("openid profile").await;
    assert_eq!(person["name"], "Ada Lovelace");
    assert_eq!(person["given_name"], "Ada");
    assert_eq!(person["picture"], "https://cdn.example.com/ada.png");
    assert!(person["updated_at"].is_i64(), "{person}");
    assert!(person.get("email").is_none());
}

#[tokio::test]
async fn oidcc_scope_email() {
    let person = person("openid email").await;
    assert_eq!(person["email"], "ada@example.com");
    assert_eq!(person["email_verified"], true);
    assert!(person.get("name").is_none());
}

#[tokio::test]
async fn oidcc_scope_address() {
    assert_eq!(person("openid address").await, json!({"sub": ADA_ID})); // Nobody told us where she lives.
}

#[tokio::test]
async fn oidcc_scope_phone() {
    assert_eq!(person("openid phone").await, json!({"sub": ADA_ID}));
}

#[tokio::test]
async fn oidcc_scope_all() {
    let person = person("openid profile email address phone").await;
    assert!(person.get("name").is_some() && person.get("email").is_some());
    assert!(person.get("user_metadata").is_none(), "S-16");
}

#[tokio::test]
async fn oidcc_ensure_other_scope_order_succeeds() {
    let (_, tokens) = id_token_of("email openid").await;
    assert_eq!(claims(&tokens["id_token"])["email"], "ada@example.com");
}

#[tokio::test]
async fn oidcc_display_page() {
    let service = Service::start().await;
    service.browser().log_in(&[("display", "page")]).await.code();
}

#[tokio::test]
async fn oidcc_display_popup() {
    let service = Service::start().await;
    service.browser().log_in(&[("display", "popup")]).await.code();
}

#[tokio::test]
async fn oidcc_prompt_login() {
    let service = Service::start().await;
    let browser = service.browser();
    let first = service.exchange(&browser.log_in(&[]).await.code()).await.json();
    service.clock.advance(2);
    let again = browser.log_in(&[("prompt", "login")]).await; // Asserts that the login page was shown.
    let second = service.exchange(&again.code()).await.json();
    let auth_time = |tokens: &Value| claims(&tokens["id_token"])["auth_time"].as_i64().unwrap();
    assert_eq!(auth_time(&second), auth_time(&first) + 2);
}

#[tokio::test]
async fn oidcc_prompt_none_not_logged_in() {
    let service = Service::start().await;
    assert_eq!(service.browser().authorize(&[("prompt", "none")]).await.error(), "login_required");
}

#[tokio::test]
async fn oidcc_prompt_none_logged_in() {
    let service = Service::start().await;
    let browser = service.browser();
    let first = service.exchange(&browser.log_in(&[]).await.code()).await.json();
    service.clock.advance(5);
    let code = browser.authorize(&[("prompt", "none")]).await.code();
    let second = service.exchange(&code).await.json();
    let [first, second] = [first, second].map(|tokens| claims(&tokens["id_token"]));
    for same in ["sub", "auth_time", "sid"] {
        assert_eq!(first[same], second[same], "{same}");
    }
}

#[tokio::test]
async fn oidcc_max_age_1() {
    let service = Service::start().await;
    let browser = service.browser();
    browser.log_in(&[]).await.code();
    service.clock.advance(2);
    let again = browser.log_in(&[("max_age", "1")]).await; // The login page again.
    let claims = claims(&service.exchange(&again.code()).await.json()["id_token"]);
    assert!(claims["auth_time"].is_i64());
}

#[tokio::test]
async fn oidcc_max_age_10000() {
    let service = Service::start().await;
    let browser = service.browser();
    browser.log_in(&[]).await.code();
    service.clock.advance(2);
    browser.authorize(&[("max_age", "10000")]).await.code();
    assert_eq!(browser.authorize(&[("max_age", "0"), ("prompt", "none")]).await.error(), "login_required");
}

#[tokio::test]
async fn oidcc_ensure_request_with_unknown_parameter_succeeds() {
    let service = Service::start().await;
    service.browser().log_in(&[("extra", "foobar")]).await.code();
}

#[tokio::test]
async fn oidcc_id_token_hint() {
    let service = Service::start().await;
    service.put_user("auth0|000000000000000000000002", "grace@example.com").await;
    let browser = service.browser();
    let tokens = service.exchange(&browser.log_in(&[]).await.code()).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    browser.authorize(&[("prompt", "none"), ("id_token_hint", hint)]).await.code();

    let other = service.browser();
    let asked = other.authorize(&[]).await;
    other.sign_in(&asked, "grace@example.com", crate::service::PASSWORD).await.code();
    let answer = other.authorize(&[("prompt", "none"), ("id_token_hint", hint)]).await;
    assert_eq!(answer.error(), "login_required", "somebody else is logged in");
    assert_eq!(other.authorize(&[("id_token_hint", "forged")]).await.error(), "invalid_request");
}

#[tokio::test]
async fn oidcc_login_hint() {
    let service = Service::start().await;
    let browser = service.browser();
    let asked = browser.authorize(&[("login_hint", "ada@example.com")]).await;
    assert!(browser.follow(&asked).await.body.contains("ada@example.com"));
}

#[tokio::test]
async fn oidcc_ui_locales() {
    let service = Service::start().await;
    service.browser().log_in(&[("ui_locales", "se")]).await.code();
}

#[tokio::test]
async fn oidcc_claims_locales() {
    let service = Service::start().await;
    service.browser().log_in(&[("claims_locales", "se")]).await.code();
}

#[tokio::test]
async fn oidcc_ensure_request_with_acr_values_succeeds() {
    let service = Service::start().await;
    service.browser().log_in(&[("acr_values", "1 2")]).await.code();
}

#[tokio::test]
async fn oidcc_codereuse() {
    let service = Service::start().await;
    let code = service.browser().log_in(&[]).await.code();
    assert_eq!(service.exchange(&code).await.status, StatusCode::OK);
    assert_eq!(service.exchange(&code).await.error(), "403 invalid_grant");
}

#[tokio::test]
async fn oidcc_codereuse_30seconds() {
    let service = Service::start().await;
    let code = service.browser().log_in(&[("scope", "openid offline_access")]).await.code();
    let tokens = service.exchange(&code).await.json();
    service.clock.advance(30);
    assert_eq!(service.exchange(&code).await.error(), "403 invalid_grant");
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(service.get_as("/userinfo", access_token).await.error(), "401 invalid_token");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    assert_eq!(service.token(&refresh).await.error(), "403 invalid_grant");
}

#[tokio::test]
async fn oidcc_ensure_registered_redirect_uri() {
    let service = Service::start().await;
    let answer = service.browser().authorize(&[("redirect_uri", "https://evil.example/")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.headers.get("location").is_none(), "{answer:?}");
    assert!(answer.body.contains("Callback URL mismatch"), "{}", answer.body);
}

#[tokio::test]
async fn oidcc_server_client_secret_post() {
    let service = Service::start().await; // Every test here authenticates in the body; this one in the header.
    let code = service.browser().log_in(&[]).await.code();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let basic = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{SHOP}:{SECRET}"));
    let request = request("POST", "/oauth/token")
        .header("authorization", format!("Basic {basic}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(encoded(&form)))
        .unwrap();
    assert_eq!(service.send(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported() {
    let service = Service::start().await;
    let answer = service.browser().authorize(&[("request_uri", "https://shop.example.com/request.jwt")]).await;
    assert_eq!(answer.error(), "request_uri_not_supported");
}

#[tokio::test]
async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    let service = Service::start().await;
    let answer = service.browser().authorize(&[("request", "eyJhbGciOiJub25lIn0.e30.")]).await;
    assert_eq!(answer.error(), "request_not_supported");
}

#[tokio::test]
async fn oidcc_claims_essential() {
    let service = Service::start().await; // Not supported, so ignored, as discovery says.
    service.browser().log_in(&[("claims", r#"{"userinfo":{"name":{"essential":true}}}"#)]).await.code();
}

#[tokio::test]
async fn oidcc_ensure_request_object_with_redirect_uri() {
    let service = Service::start().await;
    let object = "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhbXBsZS8ifQ.";
    let answer = service.browser().authorize(&[("request", object)]).await;
    assert!(answer.location().as_str().starts_with(CALLBACK));
    assert_eq!(answer.error(), "request_not_supported");
}

#[tokio::test]
async fn oidcc_refresh_token() {
    let (service, tokens) = id_token_of("openid offline_access").await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let answer = service.token(&[("grant_type", "refresh_token"), ("refresh_token", first)]).await.json();
    let (before, after) = (claims(&tokens["id_token"]), claims(&answer["id_token"]));
    for same in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_ne!(answer["refresh_token"], tokens["refresh_token"]);
}

#[tokio::test]
async fn oidcc_discovery_endpoint_verification() {
    let service = Service::start().await;
    let forged = axum::http::Request::builder()
        .uri("/.well-known/openid-configuration")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .body(axum::body::Body::empty());
    let configuration = service.send(forged.unwrap()).await.json();
    assert_eq!(configuration["issuer"], ISSUER, "HS-41");
    for endpoint in
        ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"]
    {
        assert!(configuration[endpoint].as_str().unwrap().starts_with(ISSUER), "{endpoint}");
    }
    assert_eq!(configuration["response_types_supported"], json!(["code"]));
    assert_eq!(configuration["code_challenge_methods_supported"], json!(["S256"]));
}

#[tokio::test]
async fn oidcc_form_post() {
    let service = Service::start().await;
    let answer = service.browser().log_in(&[("response_mode", "form_post")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    for field in ["name=\"code\"", "name=\"state\"", "name=\"iss\"", "action=\"https://shop.example.com/callback?x=1\""]
    {
        assert!(answer.body.contains(field), "{field}: {}", answer.body);
    }
}
