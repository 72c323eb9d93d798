//! The second factor: enrolment, challenge, recovery codes (HS-14).

use std::sync::Arc;

use http::StatusCode;
use vestibule_server::{app::Enrolment, factor::TotpSecret};
use vestibule_store::TenantId;
use vestibule_testkit::stores::TestStore;

use super::{
    fill_in,
    reset::{sent_by_the_next, without_mail},
};
use crate::service::{ADA, ADA_ID, Answer, Browser, PASSWORD, Service, hidden};

const ACR: (&str, &str) = ("acr_values", "http://schemas.openid.net/pape/policies/2007/06/multi-factor");

/// The page after the password: a challenge, or an enrolment.
async fn asked(browser: &Browser<'_>) -> Answer {
    let asked = browser.authorize(&[ACR]).await;
    let answer = browser.sign_in(&asked, ADA, PASSWORD).await;
    assert_eq!(answer.location().path(), "/u/mfa", "{}", answer.location());
    browser.follow(&answer).await
}

async fn secret(service: &Service) -> TotpSecret {
    let factors = service.store.factors(&TenantId::default(), &ADA_ID.into()).await.unwrap();
    let factor = factors.last().expect("a factor");
    TotpSecret::open(&service.app.keys.seal, &ADA_ID.into(), &factor.sealed).unwrap()
}

/// Enrols, and gives the recovery codes.
async fn enrol(service: &Service) -> Vec<String> {
    let browser = service.browser();
    let page = asked(&browser).await;
    assert!(page.body.contains("<svg class=\"qr\""), "{}", page.body);
    let secret = secret(service).await;
    assert!(page.body.contains(&secret.key()), "the key stands in the page");
    let code = secret.code(service.app.now());
    let shown = fill_in(&browser, &page, "/u/mfa", &[("step", "enrol"), ("code", &code)]).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    let codes: Vec<String> =
        shown.body.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    fill_in(&browser, &shown, "/u/mfa", &[("step", "enrolled")]).await.code();
    service.clock.advance(60); // The next code is another one.
    codes
}

async fn enter(browser: &Browser<'_>, page: &Answer, code: &str) -> Answer {
    fill_in(browser, page, "/u/mfa", &[("step", "code"), ("code", code)]).await
}

#[tokio::test]
async fn who_enrols_is_asked_for_a_code_from_then_on() {
    let service = Service::start().await;
    let codes = enrol(&service).await;
    assert_eq!(codes.len(), 8);
    let mails = service.mails().await;
    let told = mails.iter().filter(|mail| mail.contains("Subject: A second factor was added to your account"));
    assert_eq!(told.count(), 1, "the owner is told: {mails:?}");
    let browser = service.browser();
    let page = asked(&browser).await;
    assert!(page.body.contains("Six-digit code") && !page.body.contains("class=\"qr\""), "{}", page.body);
    let code = secret(&service).await.code(service.app.now());
    enter(&browser, &page, &code).await.code();
}

#[tokio::test]
async fn the_notice_of_a_second_factor_outlives_the_process_that_confirmed_it() {
    let (service, nobody) = without_mail(TestStore::usual().await).await;
    enrol(&service).await;
    let mails = sent_by_the_next(service, nobody).await;
    assert!(mails.len() == 1 && mails[0].contains("Subject: A second factor was added"), "{mails:?}");
}

#[tokio::test]
async fn a_secret_is_kept_over_a_reload_and_is_another_one_for_another_login() {
    let service = Service::start().await;
    let (victim, thief) = (service.browser(), service.browser());
    let begun_by_thief = asked(&thief).await;
    let of_thief = secret(&service).await.key();
    let page = asked(&victim).await;
    let of_victim = secret(&service).await.key();
    assert_ne!(of_thief, of_victim, "whoever began before must not know the secret");
    let state = hidden(&page.body, "state");
    assert!(victim.get(&format!("/u/mfa?state={state}")).await.body.contains(&of_victim));
    let code = secret(&service).await.code(service.app.now());
    let shown = fill_in(&victim, &page, "/u/mfa", &[("step", "enrol"), ("code", &code)]).await;
    assert!(shown.body.contains("Write these down"));
    // The thief's enrolment is over, and what they need now is the victim's app.
    let late = fill_in(&thief, &begun_by_thief, "/u/mfa", &[("step", "enrol"), ("code", "000000")]).await;
    assert!(late.status == StatusCode::BAD_REQUEST && late.body.contains("Six-digit code"), "{}", late.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_is_good_once_however_many_use_it_at_once() {
    let service = Arc::new(Service::with_accounts(|accounts| accounts.limits = super::limits::generous()).await);
    enrol(&service).await;
    let code = secret(&service).await.code(service.app.now());
    let tries: Vec<_> = (0..64)
        .map(|_| {
            let (service, code) = (Arc::clone(&service), code.clone());
            tokio::spawn(async move {
                let browser = service.browser();
                let page = asked(&browser).await;
                enter(&browser, &page, &code).await.status
            })
        })
        .collect();
    let mut winners = 0;
    for one in tries {
        winners += usize::from(one.await.unwrap() == StatusCode::SEE_OTHER);
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn a_login_has_five_tries_whatever_they_are() {
    let service = Service::with_accounts(|accounts| accounts.limits = super::limits::generous()).await;
    let codes = enrol(&service).await;
    let browser = service.browser();
    let page = asked(&browser).await;
    let recovery = browser.get(&format!("/u/mfa?with=recovery&state={}", hidden(&page.body, "state"))).await;
    for at in 0..5 {
        let (page, step) = if at % 2 == 0 { (&page, "code") } else { (&recovery, "recovery") };
        let answer = fill_in(&browser, page, "/u/mfa", &[("step", step), ("code", "000000")]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{at}: {}", answer.body);
    }
    let right = secret(&service).await.code(service.app.now());
    assert_eq!(enter(&browser, &page, &right).await.status, StatusCode::FORBIDDEN);
    let answer = fill_in(&browser, &recovery, "/u/mfa", &[("step", "recovery"), ("code", &codes[0])]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "the tries are shared");
    let fresh = service.browser();
    let page = asked(&fresh).await;
    enter(&fresh, &page, &right).await.code();
}

/// HS-14: five tries a login, and few logins: the account's bucket is there however often somebody begins again.
#[tokio::test]
async fn beginning_again_does_not_give_more_tries_than_the_account_has() {
    let service = Service::start().await;
    enrol(&service).await;
    let mut judged = 0;
    for _ in 0..5 {
        let browser = service.browser();
        let page = asked(&browser).await;
        for _ in 0..5 {
            let answer = enter(&browser, &page, "000000").await;
            judged += usize::from(answer.body.contains("not the right code"));
        }
    }
    assert!(judged <= 10, "{judged} codes were judged");
}

#[tokio::test]
async fn a_recovery_code_lets_in_once() {
    let service = Service::start().await;
    let codes = enrol(&service).await;
    for (typed, is_let_in) in
        [(codes[0].to_lowercase().replace('-', " "), true), (codes[0].clone(), false), (codes[7].clone(), true)]
    {
        let browser = service.browser();
        let page = asked(&browser).await;
        let page = browser.get(&format!("/u/mfa?with=recovery&state={}", hidden(&page.body, "state"))).await;
        let answer = fill_in(&browser, &page, "/u/mfa", &[("step", "recovery"), ("code", &typed)]).await;
        assert_eq!(answer.status == StatusCode::SEE_OTHER, is_let_in, "{typed}: {}", answer.body);
    }
}

/// The last form of an enrolment cannot be had without it, nor the token of one step be used for another.
#[tokio::test]
async fn no_step_can_be_left_out() {
    let service = Service::start().await;
    let browser = service.browser();
    let page = asked(&browser).await;
    let answer = fill_in(&browser, &page, "/u/mfa", &[("step", "enrolled")]).await;
    assert_eq!(answer.error_page(), "forged_form");
    let answer = fill_in(&browser, &page, "/u/mfa", &[("step", "code"), ("code", "000000")]).await;
    assert_eq!(answer.error_page(), "forged_form");
    assert!(
        service
            .store
            .factors(&TenantId::default(), &ADA_ID.into())
            .await
            .unwrap()
            .iter()
            .all(|factor| factor.confirmed_at.is_none())
    );
}

#[tokio::test]
async fn where_nobody_may_enrol_a_stolen_password_is_not_enough() {
    let asked_for = vestibule_server::app::LoginSettings::new("https://login.example.com".parse().unwrap()).enrolment;
    assert_eq!(asked_for, Enrolment::Deny, "unless the operator says otherwise");
    let service = Service::with(|settings| settings.enrolment = Enrolment::Deny).await;
    let browser = service.browser();
    let asked = browser.authorize(&[ACR]).await;
    let answer = browser.sign_in(&asked, ADA, PASSWORD).await;
    assert!(answer.error().contains("access_denied") || answer.error().contains("unauthorized"), "{answer:?}");
    assert!(service.store.factors(&TenantId::default(), &ADA_ID.into()).await.unwrap().is_empty());
}
