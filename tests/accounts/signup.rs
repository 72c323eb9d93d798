//! Signing up, by program and by page.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::{fill_in, link, post_json, user};
use crate::service::{ADA, Answer, CONNECTION, Service};

const GOOD: &str = "purple-Rhubarb-9";

fn body(change: impl FnOnce(&mut Value)) -> Value {
    let mut body =
        json!({"client_id": "shop", "connection": CONNECTION, "email": "Grace@Example.com", "password": GOOD});
    change(&mut body);
    body
}

async fn sign_up(service: &Service, change: impl FnOnce(&mut Value)) -> Answer {
    post_json(service, "/dbconnections/signup", &body(change)).await
}

/// S-1, S-2.
#[tokio::test]
async fn a_program_signs_somebody_up() {
    let service = Service::start().await;
    let answer = sign_up(&service, |body| {
        body["given_name"] = json!("Grace");
        body["user_metadata"] = json!({"plan": "gold", "language": "en"});
    })
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let (shown, stored) = (answer.json(), user(&service, "grace@example.com").await.expect("an account"));
    let id = shown["_id"].as_str().unwrap();
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(stored.id.as_str(), format!("auth0|{id}"));
    assert_eq!(shown["email"], "grace@example.com");
    assert_eq!(shown["email_verified"], false);
    assert_eq!(shown["user_metadata"], json!({"plan": "gold", "language": "en"}));
    assert_eq!(stored.profile["name"], "grace@example.com");
    assert_eq!(stored.profile["nickname"], "grace");
    assert_eq!(stored.profile["given_name"], "Grace");
    assert_eq!(stored.app_metadata, None);
    assert_eq!(stored.identities[0]["user_id"], json!(id));
    assert_eq!(stored.logins_count, 0, "signing up is no login (U-6)");
    assert!(!answer.body.contains("argon2"));
}

/// HS-11: nobody makes themselves somebody.
#[tokio::test]
async fn what_a_stranger_may_not_say_is_refused_by_name_and_never_stored() {
    let service = Service::start().await;
    for member in [
        "app_metadata",
        "roles",
        "email_verified",
        "user_id",
        "_id",
        "created_at",
        "blocked",
        "identities",
        "logins_count",
        "last_ip",
        "phone_verified",
        "multifactor",
        "groups",
        "id",
        "tenant",
        "__proto__",
    ] {
        let answer = sign_up(&service, |body| body[member] = json!(true)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{member}: {}", answer.body);
        assert_eq!(answer.json()["code"], "invalid_request");
        assert!(answer.body.contains(member), "{}", answer.body);
        assert!(user(&service, "grace@example.com").await.is_none(), "{member}");
    }
}

/// HS-12, M-13, M-17.
#[tokio::test]
async fn user_metadata_at_signup_is_few_short_strings() {
    let service = Service::start().await;
    let many: serde_json::Map<String, Value> = (0..11).map(|at| (format!("k{at}"), json!("v"))).collect();
    for metadata in [
        json!("text"),
        json!([1]),
        json!({"a": 1}),
        json!({"a": null}),
        json!({"a": {"b": "c"}}),
        json!({"a": ["b"]}),
        json!({"a": "x".repeat(501)}),
        json!({"x".repeat(101): "v"}),
        json!({"": "v"}),
        json!({"a.b": "v"}),
        json!({"$set": "v"}),
        json!({"__proto__": "v"}),
        json!({"constructor": "v"}),
        Value::Object(many),
    ] {
        let answer = sign_up(&service, |body| body["user_metadata"] = metadata.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{metadata}: {}", answer.body);
    }
    assert!(user(&service, "grace@example.com").await.is_none());
    let most: serde_json::Map<String, Value> =
        (0..10).map(|at| (format!("{at}{}", "k".repeat(99)), "🔑".repeat(500).into())).collect();
    let answer = sign_up(&service, |body| body["user_metadata"] = Value::Object(most)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

/// HS-12, HS-22.
#[tokio::test]
async fn root_properties_are_checked() {
    let service = Service::start().await;
    for (name, value) in [
        ("picture", json!("javascript:alert(1)")),
        ("picture", json!("data:image/svg+xml,<svg/>")),
        ("picture", json!("http://example.com/a.png")),
        ("name", json!("")),
        ("name", json!("x".repeat(301))),
        ("given_name", json!("x".repeat(151))),
        ("nickname", json!("a\nb")),
        ("name", json!({"$gt": ""})),
        ("phone_number", json!("0301234567")),
        ("username", json!("somebody")),
        ("email", json!("nobody")),
        ("password", json!("")),
        ("connection", json!("no-such-connection")),
    ] {
        let answer = sign_up(&service, |body| body[name] = value.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}={value}: {}", answer.body);
    }
    assert!(user(&service, "grace@example.com").await.is_none());
}

/// HS-19, HS-11: only a program that says it sends JSON; never a query.
#[tokio::test]
async fn only_json_is_read() {
    let service = Service::start().await;
    let json = body(|_| ()).to_string();
    let query =
        crate::service::encoded(&[("email", "grace@example.com"), ("password", GOOD), ("connection", CONNECTION)]);
    for (kind, path, sent) in [
        ("text/plain", "/dbconnections/signup".to_owned(), json.clone()),
        ("application/x-www-form-urlencoded", "/dbconnections/signup".to_owned(), query.clone()),
        ("multipart/form-data; boundary=x", "/dbconnections/signup".to_owned(), json),
        ("application/json", format!("/dbconnections/signup?{query}"), String::new()),
        (
            "application/json",
            "/dbconnections/signup".to_owned(),
            r#"{"email":"grace@example.com","email":"eve@example.com"}"#.to_owned(),
        ),
    ] {
        let request = crate::service::request("POST", &path).header("content-type", kind);
        let answer = service.send(request.body(sent.into()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{kind} {path}: {}", answer.body);
    }
    assert!(user(&service, "grace@example.com").await.is_none());
}

/// S-4, HS-08.
#[tokio::test]
async fn a_weak_password_is_refused_with_what_is_asked() {
    let service = Service::start().await;
    for (password, name) in [
        ("short1!", "PasswordStrengthError"),
        ("Password1", "PasswordDictionaryError"),
        ("Grace-Grace-9", "PasswordNoUserInfoError"),
    ] {
        let answer = sign_up(&service, |body| body["password"] = json!(password)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json()["name"], name, "{}", answer.body);
        assert_eq!(answer.json()["code"], "invalid_password");
        assert!(!answer.body.contains(password));
    }
    assert!(user(&service, "grace@example.com").await.is_none());
}

/// HS-10: all spellings of one address are one account, and one of 64 wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_parallel_signups_with_one_address_one_wins() {
    let service =
        std::sync::Arc::new(Service::with_accounts(|accounts| accounts.limits = super::limits::generous()).await);
    let spellings = ["grace@example.com", "GRACE@example.com", "Grace@EXAMPLE.com", " grace@example.com "];
    let tries: Vec<_> = (0..64)
        .map(|at| {
            let service = std::sync::Arc::clone(&service);
            tokio::spawn(async move { sign_up(&service, |body| body["email"] = json!(spellings[at % 4])).await })
        })
        .collect();
    let mut ids = BTreeSet::new();
    let mut refused = BTreeSet::new();
    for one in tries {
        let answer = one.await.unwrap();
        match answer.status {
            StatusCode::OK => assert!(ids.insert(answer.json()["_id"].to_string())),
            _ => _ = refused.insert(answer.body),
        }
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(refused.len(), 1, "all losers read the same: {refused:?}");
    assert!(refused.first().unwrap().contains("invalid_signup"));
}

/// S-3.
#[tokio::test]
async fn whether_an_address_is_taken_is_told_only_if_the_operator_wants_it() {
    let service = Service::start().await;
    let taken = sign_up(&service, |body| body["email"] = json!(ADA)).await;
    assert_eq!(
        taken.json(),
        json!({"name": "BadRequestError", "code": "invalid_signup", "description": "Invalid sign up", "statusCode": 400})
    );
    let open = Service::with_accounts(|accounts| accounts.signup.reveal_existing = true).await;
    let taken = sign_up(&open, |body| body["email"] = json!(ADA)).await;
    assert_eq!(taken.json()["code"], "user_exists");
}

#[tokio::test]
async fn a_closed_connection_takes_nobody() {
    let service = Service::with_accounts(|accounts| accounts.signup.open = false).await;
    assert_eq!(sign_up(&service, |_| ()).await.json()["code"], "invalid_signup");
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let page = browser.follow(&asked).await;
    assert!(!page.body.contains("/u/signup"), "a closed door is not shown");
    let state = asked.sent("state").unwrap();
    assert_eq!(browser.get(&format!("/u/signup?state={state}")).await.status, StatusCode::NOT_FOUND);
}

/// The mail proves the address, by a button, once.
#[tokio::test]
async fn an_address_is_proven_by_the_link_in_the_mail_once() {
    let service = Service::start().await;
    sign_up(&service, |_| ()).await;
    let mails = service.mails().await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("To: grace@example.com"), "{}", mails[0]);
    let browser = service.browser();
    let path = link(&mails[0]);
    for _ in 0..3 {
        let page = browser.get(&path).await; // As mail scanners do.
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    }
    assert!(!user(&service, "grace@example.com").await.unwrap().email_verified);
    let page = browser.get(&path).await;
    assert_eq!(fill_in(&browser, &page, "/u/verify", &[]).await.status, StatusCode::OK);
    assert!(user(&service, "grace@example.com").await.unwrap().email_verified);
    let again = fill_in(&browser, &page, "/u/verify", &[]).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "a link is good once");
    assert_eq!(browser.get(&path).await.status, StatusCode::BAD_REQUEST);
}

/// The page, with additional fields (L-1 to L-12), and on with the login.
#[tokio::test]
async fn a_person_signs_up_on_the_page_and_is_logged_in() {
    let fields = json!([
        {"name": "company", "placeholder": "Company"},
        {"name": "size", "placeholder": "Size", "type": "select", "options": [{"label": "Small", "value": "s"}, {"label": "Large", "value": "l"}]},
        {"name": "news", "placeholder": "Send me news", "type": "checkbox", "prefill": "true"},
        {"name": "source", "type": "hidden", "value": "web"},
        {"name": "given_name", "placeholder": "First name", "storage": "root", "required": false},
    ]);
    let service = Service::with_accounts(|accounts| {
        accounts.signup.fields = serde_json::from_value(fields).unwrap();
        accounts.signup.terms = Some("https://example.com/terms".to_owned().try_into().unwrap());
    })
    .await;
    let browser = service.browser();
    let asked = browser.authorize(&[]).await;
    let state = asked.sent("state").unwrap();
    let page = browser.get(&format!("/u/signup?state={state}")).await;
    assert!(!page.body.contains("field-source"), "what is hidden is not in the page either");
    let filled = [
        ("email", "grace@example.com"),
        ("password", GOOD),
        ("field-company", "Acme <b>"),
        ("field-size", "l"),
        ("terms", "true"),
        ("field-given_name", "Grace"),
    ];
    let without = |name: &str| filled.iter().copied().filter(|(field, _)| *field != name).collect::<Vec<_>>();
    for missing in ["email", "password", "field-company", "field-size", "terms"] {
        let answer = fill_in(&browser, &page, "/u/signup", &without(missing)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{missing}");
        assert!(answer.body.contains(&format!("href=\"#{missing}\"")), "{missing}: {}", answer.body);
    }
    for extra in ["app_metadata", "field-source", "field-nothing", "user_metadata[admin]"] {
        let answer = fill_in(&browser, &page, "/u/signup", &[&filled[..], &[(extra, "x")]].concat()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body.contains("has no field"), "{extra}: {}", answer.body);
    }
    let wrong = [&without("field-size")[..], &[("field-size", "huge")]].concat();
    assert_eq!(fill_in(&browser, &page, "/u/signup", &wrong).await.status, StatusCode::BAD_REQUEST);
    assert!(user(&service, "grace@example.com").await.is_none());

    let answer = fill_in(&browser, &page, "/u/signup", &filled).await;
    answer.code();
    let user = user(&service, "grace@example.com").await.unwrap();
    let metadata = json!({"company": "Acme <b>", "size": "l", "news": "false", "source": "web"});
    assert_eq!(Value::Object(user.user_metadata.unwrap()), metadata);
    assert_eq!(user.profile["given_name"], "Grace");
    assert_eq!(user.logins_count, 1);
}
