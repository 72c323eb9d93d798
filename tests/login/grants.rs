//! The grants at the token endpoint that have no browser: password, MFA, refresh, client credentials.

use http::StatusCode;
use serde_json::{Value, json};
use vestibule_server::{app::Enrolment, factor};
use vestibule_store::LoginId;

use super::rules::{EVENT, answering, continuing, denying, mirror};
use crate::service::{ADA, ADA_ID, API, CONNECTION, ISSUER, PASSWORD, SECRET, SHOP, Service, claims};

const REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";

async fn password(service: &Service, more: &[(&str, &str)]) -> crate::service::Answer {
    let form = [("grant_type", REALM), ("realm", CONNECTION), ("username", ADA), ("password", PASSWORD)];
    service.token(&[&form, more].concat()).await
}

/// Enrols the user, and gives what makes codes.
pub(super) async fn enrolled(service: &Service) -> factor::TotpSecret {
    let (ada, login) = (service.ada().await, LoginId::new("enrolment"));
    let secret = factor::begin(&service.app, &ada, &login).await.unwrap();
    let code = secret.code(service.app.now());
    factor::confirm(&service.app, &ada, &login, &code).await.unwrap().expect("the code is right");
    service.clock.advance(60); // The step of that code is used up.
    secret
}

#[tokio::test]
async fn the_password_grant_runs_the_rules() {
    let service = Service::start().await;
    service.deploy(vec![mirror(1)]);
    let answer = password(&service, &[("scope", "openid email offline_access"), ("audience", API)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let tokens = answer.json();
    assert!(tokens["refresh_token"].is_string());
    let event = claims(&tokens["id_token"])[EVENT].clone();
    assert_eq!(event["context"]["protocol"], "oauth2-password");
    assert_eq!(event["context"]["request"]["body"]["username"], ADA);
    assert_eq!(event["context"]["request"]["body"]["realm"], CONNECTION);
    for hidden in ["password", "client_secret"] {
        assert!(event["context"]["request"]["body"].get(hidden).is_none(), "{hidden}");
    }
    assert!(!event.to_string().contains(PASSWORD) && !event.to_string().contains(SECRET));
    assert_eq!(event["user"]["logins_count"], 1);
    assert_eq!(claims(&tokens["access_token"])["gty"], "password");
    assert_eq!(service.ada().await.logins_count, 1);
}

#[tokio::test]
async fn a_wrong_password_an_unknown_user_and_a_blocked_one_are_answered_alike() {
    let service = Service::start().await;
    let mut answers = Vec::new();
    for (username, password) in [(ADA, "wrong password 1"), ("nobody@example.com", PASSWORD)] {
        let form = [("grant_type", "password"), ("username", username), ("password", password)];
        let answer = service.token(&form).await;
        answers.push((answer.status, answer.body));
    }
    assert_eq!(answers[0].0, StatusCode::FORBIDDEN);
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].1.contains("Wrong email or password."));
}

/// §3.5, R-20.
#[tokio::test]
async fn what_a_rule_says_is_answered_as_json() {
    let service = Service::start().await;
    for (code, status, error) in [("unauthorized", 401, "unauthorized"), ("too_young", 403, "access_denied")] {
        service.deploy(vec![denying(1, code, "Come back later")]);
        let answer = password(&service, &[]).await;
        assert_eq!(answer.error(), format!("{status} {error}"));
        assert_eq!(answer.json()["error_description"], "Come back later");
    }
    service.deploy(vec![continuing(1, json!({"redirect": {"url": "https://forms.example.com/"}}))]);
    assert_eq!(password(&service, &[]).await.error(), "400 interaction_required", "R-36");
}

#[tokio::test]
async fn the_password_grant_answers_mfa_required_and_goes_on_with_a_code() {
    let service = Service::start().await;
    service.deploy(vec![continuing(1, json!({"second_factor": {}})), mirror(2)]);
    assert_eq!(password(&service, &[]).await.error(), "403 mfa_required");
    let secret = enrolled(&service).await;
    let answer = password(&service, &[("scope", "openid")]).await;
    assert_eq!(answer.error(), "403 mfa_required");
    let mfa_token = answer.json()["mfa_token"].as_str().expect("a token").to_owned();
    let otp = secret.code(service.app.now());
    let form = [
        ("grant_type", "http://auth0.com/oauth/grant-type/mfa-otp"),
        ("mfa_token", mfa_token.as_str()),
        ("otp", otp.as_str()),
    ];
    service.put_client("other", Some("other-secret"), |_| ()).await;
    let credentials = [("client_id", "other"), ("client_secret", "other-secret")];
    let stolen = service.post("/oauth/token", &[&credentials, form.as_slice()].concat()).await;
    assert_eq!(stolen.error(), "403 invalid_grant", "another client's");
    let tokens = service.token(&form).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
    let event = claims(&tokens.json()["id_token"])[EVENT].clone();
    assert_eq!(event["context"]["authentication"]["methods"][1]["name"], "mfa");
    assert_eq!(event["user"]["logins_count"], 2, "one for each login, not for each leg");
    assert_eq!(service.ada().await.logins_count, 2);
    assert_eq!(service.token(&form).await.error(), "403 invalid_grant", "once");
}

#[tokio::test]
async fn a_client_uses_only_the_grants_it_is_registered_for() {
    let service = Service::start().await;
    service.put_client("spa", None, |settings| settings.grant_types = vec!["authorization_code".to_owned()]).await;
    for grant_type in ["password", REALM, "client_credentials", "refresh_token"] {
        let form = [("client_id", "spa"), ("grant_type", grant_type), ("username", ADA), ("password", PASSWORD)];
        assert_eq!(service.post("/oauth/token", &form).await.error(), "403 unauthorized_client", "{grant_type}");
    }
    assert_eq!(service.token(&[("grant_type", "implicit")]).await.error(), "400 unsupported_grant_type");
    assert_eq!(service.token(&[]).await.error(), "400 invalid_request");
    assert_eq!(service.get("/oauth/token").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn client_credentials_run_no_rules() {
    let service = Service::start().await;
    service.deploy(vec![denying(1, "unauthorized", "")]);
    let answer = service.token(&[("grant_type", "client_credentials"), ("audience", API)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let token = answer.json();
    let token_claims = claims(&token["access_token"]);
    assert_eq!(token_claims["sub"], format!("{SHOP}@clients"), "S-13");
    assert_eq!(token_claims["gty"], "client-credentials");
    assert_eq!(token_claims["scope"], "read:orders write:orders");
    assert!(token.get("id_token").is_none() && token.get("refresh_token").is_none());
    for (more, error) in [
        (("audience", "https://other.example/"), "403 access_denied"),
        (("scope", "delete:everything"), "403 access_denied"),
    ] {
        let form = [("grant_type", "client_credentials"), ("audience", API)];
        let form: Vec<_> = form.into_iter().filter(|(name, _)| *name != more.0).chain([more]).collect();
        assert_eq!(service.token(&form).await.error(), error, "{more:?}");
    }
    let management = format!("{ISSUER}api/v2/");
    let form = [("grant_type", "client_credentials"), ("audience", management.as_str())];
    assert_eq!(service.token(&form).await.error(), "403 access_denied", "HS-39");
}

async fn refresh(service: &Service, token: &Value, more: &[(&str, &str)]) -> crate::service::Answer {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str().expect("a refresh token"))];
    service.token(&[&form, more].concat()).await
}

#[tokio::test]
async fn a_refresh_runs_the_rules_and_rotates_the_token() {
    let service = Service::start().await;
    service.deploy(vec![mirror(1)]);
    let first = service.tokens("openid email offline_access").await;
    let answer = refresh(&service, &first["refresh_token"], &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let second = answer.json();
    let event = claims(&second["id_token"])[EVENT].clone();
    assert_eq!(event["context"]["protocol"], "oauth2-refresh-token", "C-1");
    assert_eq!(event["user"]["logins_count"], 1, "a refresh is no login (U-6)");
    assert_eq!(claims(&second["id_token"])["email"], ADA);
    assert!(event["context"]["request"]["body"].get("refresh_token").is_none());
    // Reuse kills the family, the newest token too (HS-33).
    assert_eq!(refresh(&service, &first["refresh_token"], &[]).await.error(), "403 invalid_grant");
    assert_eq!(refresh(&service, &second["refresh_token"], &[]).await.error(), "403 invalid_grant");
}

#[tokio::test]
async fn a_denied_refresh_leaves_the_token_valid() {
    let service = Service::start().await;
    let tokens = service.tokens("openid offline_access").await;
    service.deploy(vec![denying(1, "unauthorized", "Not today")]);
    assert_eq!(refresh(&service, &tokens["refresh_token"], &[]).await.error(), "401 unauthorized");
    service.deploy(vec![continuing(1, json!({"second_factor": {}}))]);
    assert_eq!(refresh(&service, &tokens["refresh_token"], &[]).await.error(), "403 mfa_required");
    service.deploy(vec![continuing(1, json!({"redirect": {"url": "https://forms.example.com/"}}))]);
    assert_eq!(refresh(&service, &tokens["refresh_token"], &[]).await.error(), "400 interaction_required");
    service.deploy(Vec::new());
    assert_eq!(refresh(&service, &tokens["refresh_token"], &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_never_widens_what_was_granted() {
    let service = Service::start().await;
    let tokens = service.tokens("openid email offline_access").await;
    assert_eq!(
        refresh(&service, &tokens["refresh_token"], &[("scope", "openid profile")]).await.error(),
        "400 invalid_scope"
    );
    let narrowed = refresh(&service, &tokens["refresh_token"], &[("scope", "openid")]).await.json();
    assert_eq!(narrowed["scope"], "openid");
    assert!(claims(&narrowed["id_token"]).get("email").is_none());
    let whole = refresh(&service, &narrowed["refresh_token"], &[]).await.json();
    assert_eq!(whole["scope"], "openid email offline_access");
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_and_can_be_revoked() {
    let service = Service::start().await;
    service.put_client("other", Some("other-secret"), |_| ()).await;
    let tokens = service.tokens("openid offline_access").await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let other = [("client_id", "other"), ("client_secret", "other-secret")];
    let stolen = [other.as_slice(), &[("grant_type", "refresh_token"), ("refresh_token", token)]].concat();
    assert_eq!(service.post("/oauth/token", &stolen).await.error(), "403 invalid_grant");
    let revoked = [other.as_slice(), &[("token", token)]].concat();
    assert_eq!(service.post("/oauth/revoke", &revoked).await.status, StatusCode::OK, "RFC 7009: no telling");
    let next = refresh(&service, &tokens["refresh_token"], &[]).await.json();
    let own = [("client_id", SHOP), ("client_secret", SECRET), ("token", next["refresh_token"].as_str().unwrap())];
    assert_eq!(service.post("/oauth/revoke", &own).await.status, StatusCode::OK);
    assert_eq!(refresh(&service, &next["refresh_token"], &[]).await.error(), "403 invalid_grant");
}

#[tokio::test]
async fn a_family_that_passed_a_second_factor_has_one() {
    let service = Service::with(|settings| settings.enrolment = Enrolment::Deny).await;
    service.deploy(vec![answering(1, &json!({"continue": {"second_factor": {"allow_remember_browser": false}}}))]);
    assert_eq!(password(&service, &[]).await.error(), "403 access_denied", "nobody enrols with a stolen password");
    let secret = enrolled(&service).await;
    let answer = password(&service, &[("scope", "openid offline_access")]).await.json();
    let otp = secret.code(service.app.now());
    let form = [
        ("grant_type", "http://auth0.com/oauth/grant-type/mfa-otp"),
        ("mfa_token", answer["mfa_token"].as_str().unwrap()),
        ("otp", otp.as_str()),
    ];
    let tokens = service.token(&form).await.json();
    let refreshed = refresh(&service, &tokens["refresh_token"], &[]).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.body);
    assert_eq!(claims(&refreshed.json()["id_token"])["amr"], json!(["pwd", "mfa"]));
    assert_eq!(claims(&refreshed.json()["id_token"])["sub"], ADA_ID);
}
