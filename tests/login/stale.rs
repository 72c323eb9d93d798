//! A login that waits while what let it in is taken away: a new password, a logout. It does not end well, whatever it
//! waits for, and it does nothing on the way.

use http::StatusCode;
use serde_json::json;
use vestibule_server::factor::TotpSecret;
use vestibule_store::{Author, NewPassword, PasswordSet, TenantId};
use vestibule_testkit::stores::TestStore;

use super::{grants::enrolled, rules::continuing};
use crate::service::{ADA_ID, Answer, Browser, CONNECTION, Service, hidden};

const ACR: (&str, &str) = ("acr_values", "http://schemas.openid.net/pape/policies/2007/06/multi-factor");

/// The owner sets a new password, a second after the thief came.
async fn reset(service: &Service) {
    service.clock.advance(1);
    let new = NewPassword {
        phc: "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA".to_owned(),
        instead_of: None,
        token: None,
        address: None,
        keep: None,
        notice: None,
        by: Author::User,
        at: service.app.now(),
    };
    let set = service.store.set_password(&TenantId::default(), &ADA_ID.into(), &new).await.unwrap();
    assert_eq!(set, PasswordSet::Done);
}

/// Fills in the form of a page about second factors.
async fn fill_in(browser: &Browser<'_>, page: &Answer, step: &str, code: &str) -> Answer {
    let (state, csrf) = (hidden(&page.body, "state"), hidden(&page.body, "csrf"));
    let mut form = vec![("state", state.as_str()), ("csrf", csrf.as_str()), ("step", step)];
    if !code.is_empty() {
        form.push(("code", code));
    }
    browser.post("/u/mfa", &form).await
}

/// The code that confirms what the page offers to enrol.
async fn first_code(service: &Service) -> String {
    let factors = service.store.factors(&TenantId::default(), &ADA_ID.into()).await.unwrap();
    let begun = factors.last().expect("a factor");
    TotpSecret::open(&service.app.keys.seal, &ADA_ID.into(), &begun.sealed).unwrap().code(service.app.now())
}

async fn has_factor(service: &Service) -> bool {
    let factors = service.store.factors(&TenantId::default(), &ADA_ID.into()).await.unwrap();
    factors.iter().any(|factor| factor.confirmed_at.is_some())
}

async fn no_factor_after_a_reset(store: TestStore) {
    let service = Service::on(store, |_| ()).await;
    let thief = service.browser();
    let parked = thief.log_in(&[ACR]).await;
    let page = thief.follow(&parked).await;
    let code = first_code(&service).await;
    reset(&service).await;
    let answer = fill_in(&thief, &page, "enrol", &code).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    assert_eq!(thief.follow(&parked).await.status, StatusCode::BAD_REQUEST, "there is nothing to go on with");
    assert!(!has_factor(&service).await, "the thief's factor was enrolled");
}

#[tokio::test]
async fn a_login_begun_before_a_reset_enrols_nothing_on_sqlite() {
    no_factor_after_a_reset(TestStore::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_begun_before_a_reset_enrols_nothing_on_postgresql() {
    no_factor_after_a_reset(TestStore::postgres().await).await;
}

/// The reset comes between the factor and the last form.
#[tokio::test]
async fn a_login_that_enrolled_before_a_reset_does_not_end_after_it() {
    let service = Service::start().await;
    let thief = service.browser();
    let parked = thief.log_in(&[ACR]).await;
    let page = thief.follow(&parked).await;
    let code = first_code(&service).await;
    let shown = fill_in(&thief, &page, "enrol", &code).await;
    assert!(shown.body.contains("Write these down"), "{}", shown.body);
    reset(&service).await;
    let answer = fill_in(&thief, &shown, "enrolled", "").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
}

#[tokio::test]
async fn a_login_that_a_rule_sent_away_does_not_come_back_after_a_reset() {
    let service = Service::start().await;
    service.deploy(vec![continuing(1, json!({"redirect": {"url": "https://forms.example.com/"}}))]);
    let thief = service.browser();
    let away = thief.log_in(&[]).await;
    let back = format!("/continue?state={}", away.sent("state").expect("a handle"));
    reset(&service).await;
    let answer = thief.get(&back).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
}

/// What was parked after the password was set, by a login that read the old one: its end knows.
#[tokio::test]
async fn a_login_parked_too_late_is_refused_by_its_end() {
    let service = Service::start().await;
    service.deploy(vec![continuing(1, json!({"redirect": {"url": "https://forms.example.com/"}}))]);
    let thief = service.browser();
    let away = thief.log_in(&[]).await;
    let handle = away.sent("state").expect("a handle");
    let digest = vestibule_store::TokenDigest::of(&handle);
    let (tenant, now) = (TenantId::default(), service.app.now());
    let parked = service.store.parked(&tenant, &digest, vestibule_store::Wait::Redirect, now).await.unwrap();
    reset(&service).await;
    service.store.park(&tenant, &parked.expect("a parked login")).await.unwrap();
    let answer = thief.get(&format!("/continue?state={handle}")).await;
    assert_eq!(answer.error(), "login_required");
    let sessions = service.store.sessions_of(&tenant, &ADA_ID.into(), service.app.now()).await.unwrap();
    assert!(sessions.is_empty(), "{sessions:?}");
}

#[tokio::test]
async fn an_mfa_token_ends_with_the_password_it_was_given_for() {
    let service = Service::start().await;
    service.deploy(vec![continuing(1, json!({"second_factor": {}}))]);
    let secret = enrolled(&service).await;
    let realm = "http://auth0.com/oauth/grant-type/password-realm";
    let form = [
        ("grant_type", realm),
        ("realm", CONNECTION),
        ("username", crate::service::ADA),
        ("password", crate::service::PASSWORD),
    ];
    let asked = service.token(&form).await.json();
    reset(&service).await;
    let otp = secret.code(service.app.now());
    let form = [
        ("grant_type", "http://auth0.com/oauth/grant-type/mfa-otp"),
        ("mfa_token", asked["mfa_token"].as_str().expect("a token")),
        ("otp", otp.as_str()),
    ];
    assert_eq!(service.token(&form).await.error(), "403 invalid_grant");
}

/// A session cookie is stolen and brought as far as the second factor; then its owner logs out.
#[tokio::test]
async fn a_login_by_a_session_ends_with_the_session() {
    let service = Service::start().await;
    let victim = service.browser();
    victim.log_in(&[]).await.code();
    let thief = service.browser();
    thief.plant("__Host-vestibule-session", &victim.cookies()["__Host-vestibule-session"]);
    let parked = thief.authorize(&[ACR]).await;
    let page = thief.follow(&parked).await;
    let code = first_code(&service).await;
    victim.get("/v2/logout").await;
    let answer = fill_in(&thief, &page, "enrol", &code).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    assert!(!has_factor(&service).await, "the thief's factor was enrolled");
}

/// The same, when the owner logs out between the factor and the last form.
#[tokio::test]
async fn a_login_by_a_session_makes_no_other_session_when_that_has_ended() {
    let service = Service::start().await;
    let victim = service.browser();
    victim.log_in(&[]).await.code();
    let thief = service.browser();
    thief.plant("__Host-vestibule-session", &victim.cookies()["__Host-vestibule-session"]);
    let page = thief.follow(&thief.authorize(&[ACR]).await).await;
    let code = first_code(&service).await;
    let shown = fill_in(&thief, &page, "enrol", &code).await;
    victim.get("/v2/logout").await;
    let answer = fill_in(&thief, &shown, "enrolled", "").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    let sessions = service.store.sessions_of(&TenantId::default(), &ADA_ID.into(), service.app.now()).await.unwrap();
    assert!(sessions.is_empty(), "{sessions:?}");
}
