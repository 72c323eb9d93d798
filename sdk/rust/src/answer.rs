//! The answer of a rule: allow with changes, or deny. That both cannot be said is a matter of types.

mod allow;

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use vestibule_abi::{answer, limits};

pub use self::allow::Allow;
use crate::{Error, Result, json};

/// What a rule answers. Nothing in it happens unless the whole login commits.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Go on, with these changes.
    Allow(Allow),
    /// Refuse the login.
    Deny(Deny),
}

impl Answer {
    /// Lets the login go on. Changes are added to what this returns; `.into()` makes it an [`Answer`].
    pub fn allow() -> Allow {
        Allow::default()
    }

    /// Refuses the login. The code is for programs, `[a-z][a-z0-9_]*` of up to 64 bytes; the reason is for the person
    /// who logs in, and is cut to 256 characters.
    #[must_use]
    pub fn deny(code: &str, reason: &str) -> Self {
        let end = reason.char_indices().nth(limits::REASON_CHARS).map_or(reason.len(), |(end, _)| end);
        let reason = reason.get(..end).unwrap_or_default().to_owned();
        Self::Deny(Deny { code: code.to_owned(), reason })
    }

    /// The answer as the host reads it.
    pub(crate) fn into_json(self) -> Result<Vec<u8>> {
        match self {
            Self::Allow(allow) => allow.into_json(),
            Self::Deny(deny) => deny.into_json(),
        }
    }
}

impl From<Allow> for Answer {
    fn from(allow: Allow) -> Self {
        Self::Allow(allow)
    }
}

/// What a rule may return: an [`Answer`], an [`Allow`], or a `Result` of one.
pub trait IntoAnswer {
    /// The answer, or why there is none.
    ///
    /// # Errors
    /// When the rule returned an error.
    fn into_answer(self) -> Result<Answer>;
}

impl<T: Into<Answer>> IntoAnswer for T {
    fn into_answer(self) -> Result<Answer> {
        Ok(self.into())
    }
}

impl<T: Into<Answer>> IntoAnswer for Result<T> {
    fn into_answer(self) -> Result<Answer> {
        self.map(Into::into)
    }
}

/// A refusal; made by [`Answer::deny`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deny {
    code: String,
    reason: String,
}

impl Deny {
    /// The code, for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The reason, for people.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    fn into_json(self) -> Result<Vec<u8>> {
        let starts_well = self.code.starts_with(|c: char| c.is_ascii_lowercase());
        let goes_on_well = self.code.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !starts_well || !goes_on_well || self.code.len() > limits::DENY_CODE_BYTES {
            return Err(Error::new(format!("deny code `{}`: use a word like `email_not_verified`", self.code)));
        }
        let mut text = Vec::with_capacity(64 + self.code.len() + self.reason.len());
        open(&mut text, answer::DENY);
        name(&mut text, answer::DENY_CODE);
        json::write(&self.code, &mut text)?;
        text.push(b',');
        name(&mut text, answer::DENY_REASON);
        json::write(&self.reason, &mut text)?;
        text.extend_from_slice(b"}}");
        Ok(text)
    }
}

/// Writes `{"name":{`.
fn open(json: &mut Vec<u8>, member: &str) {
    json.push(b'{');
    name(json, member);
    json.push(b'{');
}

/// Writes `"name":`, for a name of the contract.
fn name(json: &mut Vec<u8>, name: &str) {
    json.push(b'"');
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":");
}

/// Ends an object whose members each left a comma.
fn close(json: &mut Vec<u8>) {
    if json.last() == Some(&b',') {
        json.pop();
    }
    json.push(b'}');
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    #[track_caller]
    fn check(answer: impl Into<Answer>, expected: &str) {
        let text = match answer.into().into_json() {
            Ok(json) => String::from_utf8(json).unwrap(),
            Err(error) => format!("{error}"),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn allowing_without_changes_is_an_empty_continue() {
        check(Answer::allow(), r#"{"continue":{}}"#);
    }

    #[test]
    fn changes_are_grouped_by_member_whatever_their_order() {
        check(
            Answer::allow()
                .id_token("https://example.com/plan", "gold")
                .set_app_metadata("plan", "gold")
                .second_factor()
                .id_token("n", 1.5)
                .delete_app_metadata("old"),
            r#"{"continue":{"app_metadata":{"plan":"gold","old":null},"id_token":{"https://example.com/plan":"gold","n":1.5},"second_factor":{"allow_remember_browser":false}}}"#,
        );
    }

    #[test]
    fn setting_a_name_again_replaces_it() {
        check(
            Answer::allow().set_shared("n", 1).set_user("n", 2).set_shared("n", 3).redirect("a").redirect("b"),
            r#"{"continue":{"user":{"n":2},"shared":{"n":3},"redirect":{"url":"b"}}}"#,
        );
    }

    #[test]
    fn names_and_values_are_escaped() {
        check(
            Answer::allow().set_user_metadata("a\"},\"deny\":{", "line\nbreak \u{1} ü"),
            "{\"continue\":{\"user_metadata\":{\"a\\\"},\\\"deny\\\":{\":\"line\\nbreak \\u0001 ü\"}}}",
        );
    }

    #[test]
    fn every_member_of_the_contract_can_be_written_and_no_other() {
        let all = Answer::allow()
            .set_user_metadata("k", 1)
            .set_app_metadata("k", 1)
            .set_user("k", 1)
            .set_context("k", 1)
            .set_shared("k", 1)
            .id_token("k", 1)
            .access_token("k", 1)
            .scope(["openid"])
            .second_factor_unless_remembered()
            .redirect("https://forms.example.com");
        let json: serde_json::Value = serde_json::from_slice(&Answer::from(all).into_json().unwrap()).unwrap();
        let written: Vec<&str> = json[answer::CONTINUE].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(written, answer::CONTINUE_MEMBERS);
    }

    #[test]
    fn a_refusal_has_a_code_and_a_reason_of_bounded_length() {
        check(Answer::deny("not_yet", "Soon."), r#"{"deny":{"code":"not_yet","reason":"Soon."}}"#);
        let long = "ü".repeat(300);
        check(Answer::deny("no", &long), &format!(r#"{{"deny":{{"code":"no","reason":"{}"}}}}"#, "ü".repeat(256)));
    }

    #[test]
    fn a_code_that_is_no_word_fails() {
        for code in ["", "No", "1st", "not-yet", "é", &"a".repeat(65)] {
            check(Answer::deny(code, ""), &format!("deny code `{code}`: use a word like `email_not_verified`"));
        }
    }

    #[test]
    fn a_value_that_is_no_json_fails_and_is_named() {
        let by_pair = BTreeMap::from([((1, 2), 3)]);
        check(
            Answer::allow().set_app_metadata("pairs", by_pair).set_app_metadata("plan", "gold"),
            "answer: app_metadata.pairs: an object key has to be a string",
        );
        check(
            Answer::allow().id_token("rate", f64::NAN),
            "answer: id_token.rate: a number has to be finite and, if integral, within ±(2^53 − 1)",
        );
    }
}
