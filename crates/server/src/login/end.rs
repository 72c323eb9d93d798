//! How a leg ended, as the log tells it: the login's id, which rule ended it and with which code. What was said, and about
//! whom, stands in the journal alone.

use vestibule_abi::codes::FailureCode;
use vestibule_engine::Report;
use vestibule_pipeline::Outcome;

use super::{Decided, LoginTransaction};

/// How a leg ended.
#[derive(Debug)]
pub(super) struct End {
    /// What its rules came to, or why they did not run.
    pub(super) outcome: &'static str,
    rule: Option<String>,
    /// The code of the refusal or the failure.
    code: Option<String>,
    /// Rules that failed and were skipped, each with its code.
    skipped: Vec<(String, String)>,
}

impl End {
    /// One that no rule brought about.
    pub(super) const fn of(outcome: &'static str) -> Self {
        Self { outcome, rule: None, code: None, skipped: Vec::new() }
    }

    /// Others kept changing the user.
    pub(super) fn exhausted() -> Self {
        Self { code: Some(FailureCode::ConflictExhausted.to_string()), ..Self::of("failed") }
    }

    pub(super) fn by_rules(report: &Report) -> Self {
        let (rule, code) = match &report.outcome {
            Outcome::Deny { rule, refusal, .. } => (Some(rule.to_string()), Some(refusal.code.clone())),
            Outcome::Failed { rule, failure, .. } => {
                (rule.as_ref().map(ToString::to_string), Some(failure.code.to_string()))
            }
            Outcome::Redirect { rule, .. } | Outcome::SecondFactor { rule, .. } => (Some(rule.to_string()), None),
            Outcome::Allow(_) => (None, None),
        };
        let skipped = report.rules.iter().filter(|rule| rule.outcome == "skipped_after_failure");
        let skipped = skipped.filter_map(|rule| Some((rule.name.clone(), rule.failure.as_ref()?.code.to_string())));
        Self { outcome: report.outcome.as_str(), rule, code, skipped: skipped.collect() }
    }

    /// One line for the leg, and one for each rule that failed and was skipped.
    pub(super) fn log(&self, login: &LoginTransaction<'_>, decided: &Decided) {
        let (login, outcome) = (login.id.as_str(), self.outcome);
        let (rule, code) = (self.rule.as_deref(), self.code.as_deref());
        for (rule, code) in &self.skipped {
            tracing::warn!(login, rule, code, "a rule failed and was skipped");
        }
        match decided {
            Decided::Refused(refused) if outcome == "failed" => {
                tracing::warn!(login, outcome, rule, code, error = %refused.error, "a login failed");
            }
            Decided::Refused(refused) => {
                tracing::info!(login, outcome, rule, code, error = %refused.error, "a login was refused");
            }
            Decided::Allowed(_) => tracing::info!(login, outcome, "a login was allowed"),
            Decided::Redirect(_) => tracing::info!(login, outcome, rule, "a login waits for a redirect"),
            Decided::SecondFactor(_) | Decided::MfaRequired => {
                tracing::info!(login, outcome, rule, "a login waits for a second factor");
            }
        }
    }
}
