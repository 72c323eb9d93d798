//! Why a rule gave no answer that counts: a stable code and a message for its author.
//!
//! Guest text may stand in the message, never in the code. What a failure means for the login is decided in
//! [`crate::login`].

use serde::Serialize;
use vestibule_abi::codes::FailureCode;

/// The longest message, in characters.
const MESSAGE_CHARS: usize = 1_024;

/// A rule's run that gave nothing: it trapped, ran out of something, or answered what it may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct RuleFailure {
    /// The stable word tests, dashboards and runbooks match on.
    pub code: FailureCode,
    /// For the rule's author: what happened and, where there is one, the next step.
    pub message: String,
}

impl RuleFailure {
    /// A failure with this code.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // It may quote the guest, and it is kept in the journal.
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS) {
            message.truncate(end);
            message.push('…');
        }
        Self { code, message }
    }

    /// Whether the fault lies with the host or its stores, so that no failure policy may skip it (class A of HR §3).
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(
            self.code,
            FailureCode::ArtifactIntegrity
                | FailureCode::ConflictExhausted
                | FailureCode::StoreUnavailable
                | FailureCode::StoreFull
                | FailureCode::Cancelled
                | FailureCode::Draining
                | FailureCode::Overloaded
                | FailureCode::HttpNotRecorded
                | FailureCode::HostInternal
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_quotes_is_bounded() {
        let long = RuleFailure::new(FailureCode::OutputSchema, "é".repeat(64 * 1024));
        assert_eq!(long.message.chars().count(), MESSAGE_CHARS + 1);
        let short = RuleFailure::new(FailureCode::OutputSchema, "é".repeat(MESSAGE_CHARS));
        assert_eq!(short.message.chars().count(), MESSAGE_CHARS);
    }
}
