//! Asks the customer system who this is, keeps the answer, and puts the tier into the ID token.
//!
//! A login never waits long for it and never fails because of it: without an answer, what was kept last time is used.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use vestibule::{Answer, Result, http, log};

const LOOK_UP: &str = "https://crm.example.com/v1/look-up";
const PATIENCE: Duration = Duration::from_millis(400);
const TIER: &str = "https://example.com/tier";
/// A CRM that answers more than this for a tier has something else to say.
const MAX_TIER_BYTES: usize = 32;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    user: User<'a>,
}

#[derive(Deserialize)]
struct User<'a> {
    email: Option<&'a str>,
    #[serde(default)]
    email_verified: bool,
    #[serde(default)]
    app_metadata: AppMetadata,
}

#[derive(Default, Deserialize)]
struct AppMetadata {
    crm: Option<Customer>,
}

/// What is kept of a customer.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
struct Customer {
    id: String,
    tier: String,
}

#[derive(Serialize)]
struct Question<'a> {
    email: &'a str,
}

#[vestibule::rule]
fn enrich_over_http(event: Event<'_>) -> Result<Answer> {
    let user = event.user;
    // An address that is not verified could be anybody's: the CRM is not asked about it.
    let Some(email) = user.email.filter(|_| user.email_verified) else { return Ok(Answer::allow().into()) };
    let kept = user.app_metadata.crm;
    let answer = Answer::allow();
    Ok(match look_up(email)? {
        Found::Customer(customer) => {
            let answer = answer.id_token(TIER, &customer.tier);
            if kept.as_ref() == Some(&customer) { answer } else { answer.set_app_metadata("crm", customer) }
        }
        Found::Nobody if kept.is_some() => answer.delete_app_metadata("crm"),
        Found::Nobody => answer,
        Found::NoAnswer => kept.into_iter().fold(answer, |answer, kept| answer.id_token(TIER, kept.tier)),
    }
    .into())
}

enum Found {
    Customer(Customer),
    Nobody,
    /// Slow, down, or nonsense; the log says which.
    NoAnswer,
}

fn look_up(email: &str) -> Result<Found> {
    let request = http::post(LOOK_UP).bearer_secret("CRM_TOKEN").timeout(PATIENCE).json(&Question { email })?;
    let response = match request.send() {
        Ok(response) => response,
        Err(error) => {
            log::warn!("the CRM gave no answer: {error}");
            return Ok(Found::NoAnswer);
        }
    };
    match response.status() {
        200 => {}
        404 => return Ok(Found::Nobody),
        status => {
            log::warn!("the CRM answered {status}");
            return Ok(Found::NoAnswer);
        }
    }
    match response.json::<Customer>() {
        Ok(customer) if customer.tier.len() <= MAX_TIER_BYTES => Ok(Found::Customer(customer)),
        Ok(_) => {
            log::warn!("the CRM answered a tier that is none");
            Ok(Found::NoAnswer)
        }
        Err(error) => {
            log::warn!("the CRM answered something else: {error}");
            Ok(Found::NoAnswer)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vestibule::testing::{Host, Login, Reply, answer};

    use super::*;

    const NEW: &str = r#"{"email": "ada@example.com", "email_verified": true}"#;
    const KNOWN: &str = r#"{"email": "ada@example.com", "email_verified": true,
                            "app_metadata": {"crm": {"id": "c7", "tier": "silver"}}}"#;

    #[track_caller]
    fn check(user: &str, reply: Reply, expected: &str) -> Host {
        let host = Host::new().reply("POST", LOOK_UP, reply);
        let login = Login::from_json(&format!(r#"{{"user": {user}}}"#)).unwrap();
        assert_eq!(answer(enrich_over_http(login.event().unwrap())).to_string(), expected);
        host
    }

    #[test]
    fn a_customer_is_kept_and_told() {
        let host = check(
            NEW,
            Reply::json(200, r#"{"id": "c7", "tier": "gold", "more": [1]}"#),
            r#"{"continue":{"app_metadata":{"crm":{"id":"c7","tier":"gold"}},"id_token":{"https://example.com/tier":"gold"}}}"#,
        );
        let [request] = &host.requests()[..] else { panic!("one request") };
        assert_eq!(request.body, br#"{"email":"ada@example.com"}"#);
        assert_eq!(
            request.head["headers"],
            json!([["authorization", "Bearer {{secret:CRM_TOKEN}}"], ["content-type", "application/json"]]),
        );
        assert_eq!(request.head["timeout_ms"], 400);
    }

    #[test]
    fn what_has_not_changed_is_not_written_again() {
        let same = Reply::json(200, r#"{"id": "c7", "tier": "silver"}"#);
        drop(check(KNOWN, same, r#"{"continue":{"id_token":{"https://example.com/tier":"silver"}}}"#));
    }

    #[test]
    fn who_is_no_customer_any_more_is_forgotten() {
        drop(check(KNOWN, Reply::new(404, &[], ""), r#"{"continue":{"app_metadata":{"crm":null}}}"#));
        drop(check(NEW, Reply::new(404, &[], ""), r#"{"continue":{}}"#));
    }

    #[test]
    fn without_an_answer_the_last_one_counts() {
        let replies = [
            Reply::error("http_timeout"),
            Reply::error("http_tls"),
            Reply::new(500, &[], "oops"),
            Reply::json(200, "not json"),
            Reply::json(200, r#"{"id": "c7"}"#),
            Reply::json(200, &json!({"id": "c7", "tier": "x".repeat(33)}).to_string()),
        ];
        for reply in replies {
            let host =
                check(KNOWN, reply.clone(), r#"{"continue":{"id_token":{"https://example.com/tier":"silver"}}}"#);
            assert_eq!(host.logs().len(), 1);
            drop(check(NEW, reply, r#"{"continue":{}}"#));
        }
    }

    #[test]
    fn an_address_that_is_not_verified_is_not_asked_about() {
        let login = Login::from_json(r#"{"user": {"email": "ada@example.com", "email_verified": false}}"#).unwrap();
        assert_eq!(answer(enrich_over_http(login.event().unwrap())).to_string(), r#"{"continue":{}}"#);
    }
}
