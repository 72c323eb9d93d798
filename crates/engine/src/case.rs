//! A case file: one login of a rule's tests, and what must come of it.
//!
//! It is read here, beside the recording it can hold; whoever tries a rule runs it and compares.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use vestibule_pipeline::Outcome;

use crate::http::Recording;

/// What `vestibule run --json` prints, and so what can be expected.
const MEMBERS: &[&str] = &[
    "outcome",
    "deny",
    "failure",
    "redirect",
    "second_factor",
    "user",
    "user_metadata",
    "app_metadata",
    "id_token",
    "access_token",
    "scope",
    "rules",
];

/// A case of a rule: `cases/NAME.json`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The login: `{"user", "context"}`, with `shared` where earlier rules left something.
    #[schemars(with = "Map<String, Value>")]
    pub event: Value,
    /// The configuration values that the rule is granted, by key.
    #[serde(default)]
    pub configuration: Map<String, Value>,
    /// The HTTP answers it gets; anything it asks for besides fails as `http_not_recorded`.
    #[serde(default)]
    pub http: Option<Recording>,
    /// A part of what `vestibule run --json` must print; `null` means absent or null.
    pub expect: Map<String, Value>,
}

/// Why a case cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// It is not JSON of that form.
    #[error(transparent)]
    Malformed(#[from] serde_json::Error),
    /// Whatever came of the login, it would pass.
    #[error("`expect` is empty, so the case could not fail; say what must come of it")]
    ExpectsNothing,
    /// It expects what is never printed.
    #[error("`expect` has `{}`, which never comes; there are {}", .0.escape_debug(), MEMBERS.join(", "))]
    Unknown(String),
    /// It expects an outcome that no login has.
    #[error("`outcome` is never {}; it is one of {}", .0, Outcome::WORDS.join(", "))]
    Outcome(Value),
}

impl Case {
    /// Reads the JSON of a case; unknown keys are errors.
    ///
    /// # Errors
    /// [`CaseError`] names what is wrong, and where.
    pub fn parse(json: &[u8]) -> Result<Self, CaseError> {
        let case: Self = serde_json::from_slice(json)?;
        if case.expect.is_empty() {
            return Err(CaseError::ExpectsNothing);
        }
        if let Some(unknown) = case.expect.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
            return Err(CaseError::Unknown(unknown.clone()));
        }
        let is_known = |word: &Value| word.as_str().is_some_and(|word| Outcome::WORDS.contains(&word));
        match case.expect.get("outcome") {
            Some(outcome) if !is_known(outcome) => Err(CaseError::Outcome(outcome.clone())),
            Some(_) | None => Ok(case),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use vestibule_abi::limits::LoginBudget;
    use vestibule_pipeline::{Login, LoginInput, Pipeline, ScopePolicy, Step};

    use super::*;
    use crate::Report;

    #[test]
    fn every_member_of_a_report_can_be_expected_and_no_other() {
        let event = json!({"user": {"user_id": "auth0|1"}, "context": {}});
        let scopes = ScopePolicy::of_event(&event);
        let input = LoginInput { event: &event, seed: [7; 32], now_ms: 0, scopes, budget: LoginBudget::STANDARD };
        let mut login = Login::begin(Arc::new(Pipeline::new(Vec::new()).unwrap()), input).unwrap();
        let Step::Done(outcome) = login.next() else { panic!("no rule, no step") };
        let report = serde_json::to_value(Report { outcome, rules: Vec::new() }).unwrap();
        let printed: Vec<&String> = report.as_object().unwrap().keys().collect();
        assert_eq!(printed, MEMBERS);
    }
}
