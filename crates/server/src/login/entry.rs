//! What the journal keeps of a leg: what may be shown. What a replay needs is in [`super::recording`], sealed.

use serde_json::{Map, Value, json};
use vestibule_engine::Report;
use vestibule_pipeline::Outcome;
use vestibule_store::LoginEntry;

use super::LoginTransaction;

/// The entry of a leg whose rules did not come to an outcome.
pub(super) fn entry(login: &LoginTransaction<'_>, outcome: &str) -> LoginEntry {
    LoginEntry { outcome: outcome.to_owned(), summary: facts(login), replay: None }
}

/// What the journal shows of a login that ran.
pub(super) fn summary(login: &LoginTransaction<'_>, report: &Report) -> Map<String, Value> {
    let mut summary = facts(login);
    let mut put = |name: &str, value: Value| {
        summary.insert(name.to_owned(), value);
    };
    match &report.outcome {
        Outcome::Allow(allow) => {
            put("id_token", json!(allow.id_token));
            put("access_token", json!(allow.access_token));
            put("scope", json!(allow.scope));
        }
        Outcome::Deny { rule, refusal, .. } => put("deny", json!({"rule": rule, "refusal": refusal})),
        Outcome::Failed { rule, failure, .. } => put("failure", json!({"rule": rule, "failure": failure})),
        Outcome::Redirect { rule, url, .. } => {
            // The query may hold a signed token for the page.
            let page = url.split_once('?').map_or(url.as_str(), |(page, _)| page);
            put("redirect", json!({"rule": rule, "url": page}))
        }
        Outcome::SecondFactor { rule, .. } => put("second_factor", json!({"rule": rule})),
    }
    put("notes", json!(report.outcome.journal()));
    put("rules", json!(report.rules));
    summary
}

fn facts(login: &LoginTransaction<'_>) -> Map<String, Value> {
    let facts = [
        ("protocol", json!(login.protocol())),
        ("connection", json!(login.principal.connection)),
        ("methods", json!(login.principal.methods)),
        ("audience", json!(login.granted().1)),
        ("break_glass", json!(login.rules.are_skipped())),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The stable word of a login that its rules ended: `deny`, or the code of a failure.
pub(super) fn word(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Failed { failure, .. } => Some(failure.code.to_string()),
        Outcome::Deny { .. } => Some(outcome.as_str().to_owned()),
        Outcome::Allow(_) | Outcome::Redirect { .. } | Outcome::SecondFactor { .. } => None,
    }
}
