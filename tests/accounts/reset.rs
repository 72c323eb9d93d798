//! A new password by mail (HS-13).

use std::time::Duration;

use http::{StatusCode, header};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use vestibule_server::{letters, mail::MailRoute};
use vestibule_store::{Author, TenantId, UserChange};
use vestibule_testkit::stores::TestStore;

use super::{fill_in, link, post_json};
use crate::service::{ADA, ADA_ID, CONNECTION, PASSWORD, Service, request};

const NEW: &str = "purple-Rhubarb-9";

async fn asked(service: &Service) -> String {
    let body = json!({"connection": CONNECTION, "email": ADA});
    assert_eq!(post_json(service, "/dbconnections/change_password", &body).await.status, StatusCode::OK);
    link(service.mails().await.last().expect("a mail"))
}

async fn lets_in(service: &Service, password: &str) -> bool {
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    browser.sign_in(&asked, ADA, password).await.status == StatusCode::SEE_OTHER
}

#[tokio::test]
async fn the_link_sets_a_new_password_once_and_ends_everything_that_was_open() {
    let service = Service::start().await;
    let old = service.browser();
    old.log_in(&[]).await.code();
    let tokens = service.tokens("openid offline_access").await;
    let access = tokens["access_token"].as_str().expect("an access token");
    assert_eq!(service.get_as("/userinfo", access).await.status, StatusCode::OK);
    service.clock.advance(1);
    let path = asked(&service).await;

    let browser = service.browser();
    let page = browser.get(&path).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let named = format!(r#"autocomplete="username" value="{ADA}""#);
    assert!(page.body.contains(&named), "a password manager knows whose it is: {}", page.body);
    for (password, again, problem) in
        [(NEW, "other", "not the same"), ("short", "short", "at least 8"), ("", "", "empty")]
    {
        let answer = fill_in(&browser, &page, "/u/reset", &[("password", password), ("again", again)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body.contains(problem), "{problem}: {}", answer.body);
    }
    assert!(lets_in(&service, PASSWORD).await, "what failed changed nothing");
    let done = fill_in(&browser, &page, "/u/reset", &[("password", NEW), ("again", NEW)]).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);

    assert!(!lets_in(&service, PASSWORD).await);
    assert!(lets_in(&service, NEW).await);
    assert_eq!(old.authorize(&[("prompt", "none")]).await.error(), "login_required");
    let refresh = tokens["refresh_token"].as_str().expect("a refresh token");
    let refreshed = service.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert_eq!(refreshed.error(), "403 invalid_grant");
    assert_eq!(service.get_as("/userinfo", access).await.status, StatusCode::UNAUTHORIZED, "the old access token");
    let again =
        fill_in(&browser, &page, "/u/reset", &[("password", "other-Rhubarb-9"), ("again", "other-Rhubarb-9")]).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "a link is good once");
    let mails = service.mails().await;
    assert!(mails.iter().any(|mail| mail.contains("Subject: Your password for Example was changed")), "{mails:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_parallel_uses_of_a_link_one_wins() {
    let service =
        std::sync::Arc::new(Service::with_accounts(|accounts| accounts.limits = super::limits::generous()).await);
    let path = asked(&service).await;
    let tries: Vec<_> = (0..64)
        .map(|at| {
            let (service, path) = (std::sync::Arc::clone(&service), path.clone());
            tokio::spawn(async move {
                let browser = service.browser();
                let page = browser.get(&path).await;
                if page.status != StatusCode::OK {
                    return None; // Somebody was faster than the page.
                }
                let password = format!("{NEW}-{at}");
                let answer =
                    fill_in(&browser, &page, "/u/reset", &[("password", &password), ("again", &password)]).await;
                (answer.status == StatusCode::OK).then_some(password)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for one in tries {
        winners.extend(one.await.unwrap());
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert!(lets_in(&service, &winners[0]).await);
}

/// The link of a service is its own, whatever the request says about itself.
#[tokio::test]
async fn no_header_moves_the_link_elsewhere() {
    let service = Service::start().await;
    let body = json!({"connection": CONNECTION, "email": ADA}).to_string();
    for host in ["evil.example", "login.example.com:1234", "login.example.com.evil.example"] {
        let request = request("POST", "/dbconnections/change_password")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::HOST, host)
            .header("forwarded", "host=evil.example;proto=http")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "http");
        service.send(request.body(body.clone().into()).unwrap()).await;
    }
    let mails = service.mails().await;
    assert!(!mails.is_empty());
    for mail in mails {
        assert!(link(&mail).starts_with("/u/reset?token="));
        assert!(!mail.contains("evil.example") && !mail.contains("1234"), "{mail}");
    }
}

#[tokio::test]
async fn a_link_ends_with_time_with_the_next_one_and_with_the_address() {
    let service = Service::start().await;
    let status = async |path: &str| service.browser().get(path).await.status;
    let first = asked(&service).await;
    let second = asked(&service).await;
    assert_eq!(status(&first).await, StatusCode::BAD_REQUEST, "a newer one was asked for");
    assert_eq!(status(&second).await, StatusCode::OK);
    let ada = service.ada().await;
    let moved = UserChange { email: Some(Some("ada@elsewhere.example".to_owned())), ..UserChange::default() };
    let tenant = TenantId::default();
    service
        .store
        .change_user(&tenant, &ADA_ID.into(), ada.version, &moved, &Author::User, service.app.now())
        .await
        .unwrap();
    assert_eq!(status(&second).await, StatusCode::BAD_REQUEST, "the address is another");
    let back = UserChange { email: Some(Some(ADA.to_owned())), ..UserChange::default() };
    let version = service.ada().await.version;
    service.store.change_user(&tenant, &ADA_ID.into(), version, &back, &Author::User, service.app.now()).await.unwrap();
    assert_eq!(status(&second).await, StatusCode::OK);
    service.clock.advance(3_601);
    assert_eq!(status(&second).await, StatusCode::BAD_REQUEST, "its time is over");
}

/// HS-32: a token of one kind is nothing to another; nor is a guess.
#[tokio::test]
async fn a_token_is_of_one_kind() {
    let service = Service::start().await;
    let path = asked(&service).await;
    let token = path.split_once('=').unwrap().1;
    assert!(token.len() >= 43, "at least 128 bits, in fact 256");
    let browser = service.browser();
    assert_eq!(browser.get(&format!("/u/verify?token={token}")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.get(&format!("/u/login?state={token}")).await.status, StatusCode::BAD_REQUEST);
    for guess in ["", "x", &token[..42], &format!("{token}x"), &token.to_uppercase()] {
        assert_eq!(browser.get(&format!("/u/reset?token={guess}")).await.status, StatusCode::BAD_REQUEST);
    }
    let exchanged = service.exchange(token).await;
    assert_eq!(exchanged.error(), "403 invalid_grant");
}

/// HS-15: who is blocked may not come back in by mail either.
#[tokio::test]
async fn a_new_password_does_not_unblock() {
    let service = Service::start().await;
    let ada = service.ada().await;
    let block = UserChange { blocked: Some(true), ..UserChange::default() };
    let tenant = TenantId::default();
    service.store.change_user(&tenant, &ada.id, ada.version, &block, &Author::User, service.app.now()).await.unwrap();
    let path = asked(&service).await;
    let browser = service.browser();
    let page = browser.get(&path).await;
    fill_in(&browser, &page, "/u/reset", &[("password", NEW), ("again", NEW)]).await;
    assert!(!lets_in(&service, NEW).await);
}

/// A mail server that takes nothing.
async fn nobody() -> (MailRoute, TcpListener) {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (MailRoute::Smtp(format!("smtp://{}", nobody.local_addr().unwrap()).into()), nobody)
}

/// A service whose mail server takes nothing.
pub(super) async fn without_mail(store: TestStore) -> (Service, TcpListener) {
    let (route, nobody) = nobody().await;
    (Service::made(store, |_| (), |accounts| accounts.mail.route = route).await, nobody)
}

/// Lets a process end that could not send its mail; what the next one sends, when it looks for what nobody sent.
pub(super) async fn sent_by_the_next(service: Service, nobody: TcpListener) -> Vec<String> {
    drop(timeout(Duration::from_secs(30), nobody.accept()).await.expect("it is to be sent").unwrap());
    drop(nobody);
    let service = service.again();
    service.clock.advance(121);
    letters::send_due(&service.app).await.unwrap();
    service.mails().await
}

#[tokio::test]
async fn the_notice_of_a_new_password_outlives_the_process_that_set_it() {
    let service = Service::start().await;
    let path = asked(&service).await;
    let (route, nobody) = nobody().await;
    let service = service.again_with(|accounts| accounts.mail.route = route);
    let browser = service.browser();
    let page = browser.get(&path).await;
    let done = fill_in(&browser, &page, "/u/reset", &[("password", NEW), ("again", NEW)]).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    let mails = sent_by_the_next(service, nobody).await;
    assert!(mails.len() == 1 && mails[0].contains("Subject: Your password for Example was changed"), "{mails:?}");
}

/// Asks for a link, until its letter is kept: the server is spoken to after that, and says nothing.
async fn ask_in_vain(service: &Service, nobody: &TcpListener) -> TcpStream {
    let body = json!({"connection": CONNECTION, "email": ADA});
    assert_eq!(post_json(service, "/dbconnections/change_password", &body).await.status, StatusCode::OK);
    timeout(Duration::from_secs(30), nobody.accept()).await.expect("it is to be sent").unwrap().0
}

/// Nobody takes mail, and the process that promised one ends.
async fn a_mail_outlives_its_process(store: TestStore) {
    let (service, nobody) = without_mail(store).await;
    drop(ask_in_vain(&service, &nobody).await);
    drop(nobody);

    // Whoever promised it has some minutes to send it; here they are over.
    let (tenant, now) = (TenantId::default(), service.app.now());
    let later = now.plus(Duration::from_secs(600));
    assert_eq!(service.store.take_letters(&tenant, now, later, 9).await.unwrap(), [], "it is nobody else's yet");
    assert_eq!(service.store.take_letters(&tenant, later, now, 9).await.unwrap().len(), 1);

    let service = service.again();
    letters::send_due(&service.app).await.unwrap();
    let mails = service.mails().await;
    assert_eq!(service.browser().get(&link(&mails[0])).await.status, StatusCode::OK, "its link is good");
    service.clock.advance(121);
    letters::send_due(&service.app).await.unwrap();
    assert_eq!(service.mails().await.len(), 1, "what was sent is not kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_outlives_its_process_on_sqlite() {
    a_mail_outlives_its_process(TestStore::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_outlives_its_process_on_postgresql() {
    a_mail_outlives_its_process(TestStore::postgres().await).await;
}

#[tokio::test]
async fn when_mail_is_back_only_the_link_that_is_good_is_sent() {
    let (service, nobody) = without_mail(TestStore::sqlite().await).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(ask_in_vain(&service, &nobody).await);
    }
    drop((nobody, waiting));
    let service = service.again();
    service.clock.advance(121);
    letters::send_due(&service.app).await.unwrap();
    let mails = service.mails().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(service.browser().get(&link(&mails[0])).await.status, StatusCode::OK, "its link is good");
}
