//! People's accounts: signup, passwords, second factors, mails, and the pages around them (spec HS-01 to HS-28).

mod enumeration;
mod factor;
mod forms;
mod hostile_text;
mod limits;
mod reset;
mod signup;
mod visit;

pub(crate) use limits::generous;
use serde_json::Value;
use vestibule_store::{TenantId, User};

use crate::service::{Answer, Browser, CONNECTION, Service, hidden};

/// What an answer shows the outside, but for its time and what is new in every answer.
fn face(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| name != "set-cookie" && name != "date")
        .collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.body.clone())
}

/// The only user with this address.
async fn user(service: &Service, email: &str) -> Option<User> {
    let identifier = vestibule_store::Identifier::Email(email);
    service.store.user_by_identifier(&TenantId::default(), &CONNECTION.into(), identifier).await.unwrap()
}

/// Posts JSON, as a program would.
async fn post_json(service: &Service, path: &str, body: &Value) -> Answer {
    let request = crate::service::request("POST", path).header("content-type", "application/json");
    service.send(request.body(body.to_string().into()).unwrap()).await
}

/// Fills in a form of a page: what it carries by itself, and these fields.
async fn fill_in(browser: &Browser<'_>, page: &Answer, path: &str, fields: &[(&str, &str)]) -> Answer {
    let (state, csrf) = (hidden(&page.body, "state"), hidden(&page.body, "csrf"));
    browser.post(path, &[&[("state", state.as_str()), ("csrf", csrf.as_str())], fields].concat()).await
}

/// The link in a mail.
fn link(mail: &str) -> String {
    let line = mail.lines().find(|line| line.starts_with("https://login.example.com/")).expect("a link in the mail");
    line.trim().replacen("https://login.example.com", "", 1)
}
