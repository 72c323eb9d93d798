//! What tokens say, who believes them, and with which keys they are signed.

use std::time::Duration;

use http::StatusCode;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode, jwk::JwkSet,
};
use serde_json::{Value, json};
use vestibule_server::{keys::SigningKey, oauth::discovery::JWKS_LIFETIME, serve::tidy};
use vestibule_store::{EntryKind, JournalQuery, TenantId, Timestamp};
use vestibule_testkit::stores::NOW;

use super::rules::{EVENT, answering, continuing, mirror};
use crate::service::{ADA_ID, API, ISSUER, SECRET, SHOP, Service, claims};

/// The claims of a token, its signature verified with the published keys.
pub(super) async fn verified(service: &Service, token: &Value) -> Value {
    let token = token.as_str().unwrap();
    let keys: JwkSet = serde_json::from_value(service.get("/.well-known/jwks.json").await.json()).unwrap();
    let kid = decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid).expect("a published key")).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false; // The clock is the test's.
    validation.validate_aud = false;
    decode::<Value>(token, &key, &validation).unwrap().claims
}

#[tokio::test]
async fn an_access_token_is_for_the_api_that_was_asked_for() {
    let service = Service::start().await;
    let asked = [("audience", API), ("scope", "openid read:orders delete:everything")];
    let tokens = service.exchange(&service.browser().log_in(&asked).await.code()).await.json();
    assert_eq!(tokens["scope"], "openid read:orders", "what is not registered is not granted");
    let claims = verified(&service, &tokens["access_token"]).await;
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["sub"], ADA_ID);
    assert_eq!(claims["aud"], json!([API, format!("{ISSUER}userinfo")]));
    assert_eq!(claims["azp"], SHOP);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 86_400);
    assert!(claims.get("email").is_none());
}

#[tokio::test]
async fn claims_of_rules_are_in_both_tokens_and_in_userinfo() {
    let service = Service::start().await;
    service.deploy(vec![continuing(
        1,
        json!({
            "id_token": {"https://example.com/plan": "gold", "picture": "https://rule.example/p.png", "address": {"x": 1}},
            "access_token": {"https://example.com/roles": ["admin"]},
        }),
    )]);
    let tokens = service.tokens("openid profile").await;
    let id_token = claims(&tokens["id_token"]);
    assert_eq!(id_token["https://example.com/plan"], "gold");
    assert_eq!(id_token["picture"], "https://rule.example/p.png", "R-53");
    assert!(id_token.get("address").is_none(), "R-51: the scope was not granted");
    let access_token = claims(&tokens["access_token"]);
    assert_eq!(access_token["https://example.com/roles"], json!(["admin"]));
    assert!(access_token.get("https://example.com/plan").is_none());
    let person = service.get_as("/userinfo", tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!(person["https://example.com/plan"], "gold", "R-46");
    assert_eq!(person["picture"], "https://rule.example/p.png");
}

#[tokio::test]
async fn a_rule_replaces_the_scope_within_bounds() {
    let service = Service::start().await;
    let asked = [("audience", API), ("scope", "openid read:orders")];
    service.deploy(vec![continuing(1, json!({"scope": ["openid", "write:orders"]}))]);
    let tokens = service.exchange(&service.browser().log_in(&asked).await.code()).await.json();
    assert_eq!(tokens["scope"], "openid write:orders", "R-52");
    service.deploy(vec![continuing(1, json!({"scope": ["openid", "delete:everything"]}))]);
    assert_eq!(service.browser().log_in(&asked).await.error(), "access_denied");
}

#[tokio::test]
async fn tokens_are_for_a_linked_identity_only() {
    let service = Service::start().await;
    let primary = |id: &str| answering(1, &json!({"continue": {"context": {"primaryUser": id}}}));
    service.deploy(vec![primary(ADA_ID)]);
    assert_eq!(claims(&service.tokens("openid").await["id_token"])["sub"], ADA_ID);
    service.deploy(vec![primary("auth0|somebody-else")]);
    assert_eq!(service.browser().log_in(&[]).await.error(), "access_denied");
}

/// The subject of a hint is the one that the client knows: the identity that the rules made primary.
#[tokio::test]
async fn a_hint_names_the_subject_that_tokens_have() {
    const PRIMARY: &str = "google-oauth2|118";
    let service = Service::start().await;
    let ada = service.ada().await;
    let identity =
        json!({"connection": "google-oauth2", "provider": "google-oauth2", "user_id": "118", "isSocial": true});
    let identities = ada.identities.iter().cloned().chain([identity]).collect();
    let change = vestibule_store::UserChange { identities: Some(identities), ..Default::default() };
    let by = vestibule_store::Author::User;
    service.store.change_user(&ada.tenant, &ada.id, ada.version, &change, &by, service.app.now()).await.unwrap();
    service.deploy(vec![answering(1, &json!({"continue": {"context": {"primaryUser": PRIMARY}}}))]);
    let browser = service.browser();
    let tokens = service.exchange(&browser.log_in(&[]).await.code()).await.json();
    assert_eq!(claims(&tokens["id_token"])["sub"], PRIMARY);
    let hint = ("id_token_hint", tokens["id_token"].as_str().unwrap());
    browser.authorize(&[("prompt", "none"), hint]).await.code();
    browser.log_in(&[("prompt", "login"), hint]).await.code();
    // The rules say otherwise: now it is somebody else.
    service.deploy(Vec::new());
    assert_eq!(browser.log_in(&[("prompt", "login"), hint]).await.error(), "login_required");
}

#[tokio::test]
async fn a_rule_sees_the_login_as_auth0_shows_it() {
    let service = Service::start().await;
    service.deploy(vec![mirror(1)]);
    let code = service.browser().log_in(&[("audience", API), ("invite", "abc"), ("id_token_hint", "")]).await.code();
    let event = claims(&service.exchange(&code).await.json()["id_token"])[EVENT].clone();
    let (user, context) = (&event["user"], &event["context"]);
    assert_eq!(user["user_id"], ADA_ID);
    assert_eq!(user["logins_count"], 1, "U-6: this login counts already");
    assert_eq!(user["last_login"], "2027-01-15T08:00:00.000Z");
    assert_eq!(user["last_ip"], "0.0.0.0");
    assert_eq!(user["user_metadata"], json!({"language": "en"}));
    assert!(user.get("app_metadata").is_none(), "U: absent when never set");
    assert_eq!(user["identities"][0]["provider"], "auth0");
    assert_eq!(context["clientID"], SHOP);
    assert_eq!(context["clientMetadata"], json!({"tier": "gold"}));
    assert_eq!(context["protocol"], "oidc-basic-profile");
    assert_eq!(context["stats"], json!({"loginsCount": 1}));
    assert_eq!(context["authentication"]["methods"], json!([{"name": "pwd", "timestamp": NOW.0}]));
    assert_eq!(context["request"]["hostname"], "login.example.com");
    assert_eq!(context["request"]["userAgent"], "TestBrowser/1");
    assert_eq!(context["request"]["query"]["invite"], "abc");
    assert!(context["request"]["query"].get("password").is_none());
    assert!(!event.to_string().contains(crate::service::PASSWORD));
}

/// HS-34: everything a forger can try is refused alike.
#[tokio::test]
async fn a_forged_token_is_not_believed() {
    let service = Service::start().await;
    let tokens = service.tokens("openid").await;
    let good = tokens["access_token"].as_str().unwrap();
    let claims = claims(&tokens["access_token"]);
    let keys = service.get("/.well-known/jwks.json").await.json();
    let (kid, n) = (keys["keys"][0]["kid"].as_str().unwrap(), keys["keys"][0]["n"].as_str().unwrap());
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(kid.to_owned());
    let with_public_key = encode(&header, &claims, &EncodingKey::from_secret(n.as_bytes())).unwrap();
    let [head, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("no token") };
    let unsigned_head = base64::Engine::encode(
        &base64::prelude::BASE64_URL_SAFE_NO_PAD,
        json!({"alg": "none", "typ": "at+jwt", "kid": kid}).to_string(),
    );
    let other_payload = base64::Engine::encode(
        &base64::prelude::BASE64_URL_SAFE_NO_PAD,
        json!({"iss": ISSUER, "sub": "auth0|x", "aud": format!("{ISSUER}userinfo"), "scope": "openid"}).to_string(),
    );
    for forged in [
        with_public_key,
        format!("{unsigned_head}.{payload}."),
        format!("{head}.{other_payload}.{signature}"),
        format!("{head}.{payload}"),
        tokens["id_token"].as_str().unwrap().to_owned(), // Ours, but of another kind.
        format!("{good}{}", "A".repeat(20_000)),
    ] {
        assert_eq!(service.get_as("/userinfo", &forged).await.error(), "401 invalid_token", "{forged:.100}");
    }
    service.clock.advance(86_401);
    assert_eq!(service.get_as("/userinfo", good).await.error(), "401 invalid_token", "it has expired");
}

/// HS-35: nobody who keeps the keys for as long as they may meets a token they cannot verify.
#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_an_old_one_until_its_last_token_expires() {
    let service = Service::start().await;
    let kid = |tokens: &Value| decode_header(tokens["id_token"].as_str().unwrap()).unwrap().kid.unwrap();
    let old = service.tokens("openid").await;
    let [current] = service.app.keys.signing.list()[..].to_vec().try_into().unwrap_or_else(|_| panic!("one key"));
    let lead = i64::try_from(JWKS_LIFETIME.as_secs()).unwrap();
    let next = SigningKey::generate(Timestamp(NOW.0 + lead * 1_000)).unwrap();
    let next_kid = next.kid.clone();
    let kept = service.app.keys.signing.all_keys();
    service.app.keys.signing.replace(kept.into_iter().chain([next]).collect());
    verified(&service, &old["id_token"]).await;
    assert_eq!(kid(&service.tokens("openid").await), current.0, "it is only published yet");
    assert_eq!(service.get("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().len(), 2);

    service.clock.advance(lead);
    let new = service.tokens("openid").await;
    assert_eq!(kid(&new), next_kid);
    verified(&service, &old["id_token"]).await;
    verified(&service, &new["id_token"]).await;
    assert_eq!(service.get_as("/userinfo", old["access_token"].as_str().unwrap()).await.status, StatusCode::OK);

    service.clock.advance(86_401);
    assert_eq!(service.get("/.well-known/jwks.json").await.json()["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_blocked_user_is_nobody_any_more() {
    let service = Service::start().await;
    let browser = service.browser();
    let tokens = service.exchange(&browser.log_in(&[("scope", "openid offline_access")]).await.code()).await.json();
    let ada = service.ada().await;
    let change = vestibule_store::UserChange { blocked: Some(true), ..Default::default() };
    let by = vestibule_store::Author::Operator { name: "test".to_owned() };
    service.store.change_user(&ada.tenant, &ada.id, ada.version, &change, &by, NOW).await.unwrap();
    assert_eq!(browser.authorize(&[("prompt", "none")]).await.error(), "login_required");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    assert_eq!(service.token(&refresh).await.error(), "403 invalid_grant");
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(service.get_as("/userinfo", access_token).await.error(), "401 invalid_token", "HS-15");
}

/// The journal is where `/userinfo` finds the claims of rules: it keeps them as long as a token may ask for them.
#[tokio::test]
async fn userinfo_knows_the_claims_for_as_long_as_a_token_is_good() {
    let service = Service::start().await;
    service.put_client(SHOP, Some(SECRET), |client| client.access_token_seconds = Some(2 * 86_400)).await;
    service.deploy(vec![continuing(1, json!({"id_token": {"https://example.com/plan": "gold"}}))]);
    let tokens = service.tokens("openid").await;
    let token = tokens["access_token"].as_str().unwrap();
    service.clock.advance(2 * 86_400 - 60);
    let kept_for_a_second = Duration::from_secs(1);
    tidy(&service.app, kept_for_a_second).await.unwrap();
    assert_eq!(service.get_as("/userinfo", token).await.json()["https://example.com/plan"], "gold");
    let tenant = TenantId::default();
    let told = async || {
        let query = JournalQuery { limit: 100, ..JournalQuery::default() };
        let entries = service.store.journal(&tenant, &query).await.unwrap();
        entries.iter().filter(|entry| matches!(entry.what, EntryKind::Login(_))).count()
    };
    assert_eq!(told().await, 1);
    service.clock.advance(120);
    tidy(&service.app, kept_for_a_second).await.unwrap();
    assert_eq!(told().await, 0, "nobody can ask for it any more");
}
