//! The answer of a rule: allow with changes, or deny. That both cannot be said is a matter of types.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use serde::Serialize;
use vestibule_abi::{answer, limits};

use crate::{
    Error, Result,
    json::{self, Unwritable},
};

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

/// Changes that go with an allowed login; made by [`Answer::allow`].
///
/// Values are anything that serialises. Setting the same name again replaces the earlier value, and setting `null`
/// (`None`) deletes. A value that cannot be JSON makes the rule fail, so no change is lost silently.
///
/// What is set has to be declared under `writes` in `rule.toml`.
#[derive(Debug, Clone, Default)]
#[must_use = "an answer does nothing until the rule returns it"]
pub struct Allow {
    /// `"name":value` of every change, in the order they were made.
    text: Vec<u8>,
    changes: Vec<Change>,
    problem: Option<String>,
}

/// One change: which member of the answer it belongs to, and where its text is.
#[derive(Debug, Clone, Copy)]
struct Change {
    member: Member,
    start: usize,
    /// Where the name ends; `start` for a member that is no object of names.
    name_end: usize,
    end: usize,
}

/// A member of the answer, in the order they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    UserMetadata,
    AppMetadata,
    User,
    Context,
    Shared,
    IdToken,
    AccessToken,
    Scope,
    SecondFactor,
    Redirect,
}

impl Member {
    const ALL: [Self; 10] = [
        Self::UserMetadata,
        Self::AppMetadata,
        Self::User,
        Self::Context,
        Self::Shared,
        Self::IdToken,
        Self::AccessToken,
        Self::Scope,
        Self::SecondFactor,
        Self::Redirect,
    ];

    const fn bit(self) -> u32 {
        1 << self as u32
    }

    const fn name(self) -> &'static str {
        match self {
            Self::UserMetadata => answer::USER_METADATA,
            Self::AppMetadata => answer::APP_METADATA,
            Self::User => answer::USER,
            Self::Context => answer::CONTEXT,
            Self::Shared => answer::SHARED,
            Self::IdToken => answer::ID_TOKEN,
            Self::AccessToken => answer::ACCESS_TOKEN,
            Self::Scope => answer::SCOPE,
            Self::SecondFactor => answer::SECOND_FACTOR,
            Self::Redirect => answer::REDIRECT,
        }
    }
}

impl Allow {
    /// Stores a value in the part of the profile that people may edit themselves.
    pub fn set_user_metadata(self, key: &str, value: impl Serialize) -> Self {
        self.set(Member::UserMetadata, key, &value)
    }

    /// Deletes a value from `user_metadata`.
    pub fn delete_user_metadata(self, key: &str) -> Self {
        self.set(Member::UserMetadata, key, &())
    }

    /// Stores a value in the part of the profile that belongs to the application.
    pub fn set_app_metadata(self, key: &str, value: impl Serialize) -> Self {
        self.set(Member::AppMetadata, key, &value)
    }

    /// Deletes a value from `app_metadata`.
    pub fn delete_app_metadata(self, key: &str) -> Self {
        self.set(Member::AppMetadata, key, &())
    }

    /// Sets a root property of `user` for later rules and for the profile claims; never stored.
    pub fn set_user(self, key: &str, value: impl Serialize) -> Self {
        self.set(Member::User, key, &value)
    }

    /// Removes a root property of `user` for later rules; never stored.
    pub fn delete_user(self, key: &str) -> Self {
        self.set(Member::User, key, &())
    }

    /// Sets a property of `context` for later rules.
    pub fn set_context(self, key: &str, value: impl Serialize) -> Self {
        self.set(Member::Context, key, &value)
    }

    /// Leaves a value for later rules of this login.
    pub fn set_shared(self, key: &str, value: impl Serialize) -> Self {
        self.set(Member::Shared, key, &value)
    }

    /// Sets a claim of the ID token. A name of your own namespace, such as `https://example.com/plan`, cannot clash.
    pub fn id_token(self, claim: &str, value: impl Serialize) -> Self {
        self.set(Member::IdToken, claim, &value)
    }

    /// Removes a claim that an earlier rule set in the ID token.
    pub fn delete_id_token(self, claim: &str) -> Self {
        self.set(Member::IdToken, claim, &())
    }

    /// Sets a claim of the access token.
    pub fn access_token(self, claim: &str, value: impl Serialize) -> Self {
        self.set(Member::AccessToken, claim, &value)
    }

    /// Removes a claim that an earlier rule set in the access token.
    pub fn delete_access_token(self, claim: &str) -> Self {
        self.set(Member::AccessToken, claim, &())
    }

    /// Replaces the scope that was granted.
    pub fn scope<S: AsRef<str>>(self, scope: impl IntoIterator<Item = S>) -> Self {
        self.put(Member::Scope, |text| {
            text.push(b'[');
            for (position, each) in scope.into_iter().enumerate() {
                if position > 0 {
                    text.push(b',');
                }
                json::write(each.as_ref(), text)?;
            }
            text.push(b']');
            Ok(())
        })
    }

    /// Demands a second factor, on every login.
    pub fn second_factor(self) -> Self {
        self.demand_second_factor(false)
    }

    /// Demands a second factor, except in a browser that the person chose to have remembered.
    pub fn second_factor_unless_remembered(self) -> Self {
        self.demand_second_factor(true)
    }

    /// Sends the browser to a page of yours first. The login goes on, from the first rule, when it comes back to
    /// `/continue`. The page's origin has to be granted in `rule.toml`.
    pub fn redirect(self, url: &str) -> Self {
        self.put(Member::Redirect, |text| {
            open(text, answer::REDIRECT_URL);
            text.pop();
            json::write(url, text)?;
            text.push(b'}');
            Ok(())
        })
    }

    fn demand_second_factor(self, allow_remember_browser: bool) -> Self {
        self.put(Member::SecondFactor, |text| {
            open(text, answer::ALLOW_REMEMBER_BROWSER);
            text.pop();
            json::write(&allow_remember_browser, text)?;
            text.push(b'}');
            Ok(())
        })
    }

    /// Sets one name of a member that is an object.
    fn set<T: Serialize + ?Sized>(mut self, member: Member, key: &str, value: &T) -> Self {
        let start = self.begin();
        json::string(key, &mut self.text);
        let name_end = self.text.len();
        self.text.push(b':');
        let written = json::write(value, &mut self.text);
        self.record(member, start, name_end, written);
        self
    }

    /// Sets a member that is no object of names.
    fn put(mut self, member: Member, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Unwritable>) -> Self {
        let start = self.begin();
        let written = write(&mut self.text);
        self.record(member, start, start, written);
        self
    }

    /// Where the next change starts. Most rules make a few small ones: they fit into what the first one reserves.
    fn begin(&mut self) -> usize {
        if self.changes.capacity() == 0 {
            self.changes.reserve(8);
            self.text.reserve(256);
        }
        self.text.len()
    }

    fn record(&mut self, member: Member, start: usize, name_end: usize, written: Result<(), Unwritable>) {
        let change = Change { member, start, name_end, end: self.text.len() };
        if let Err(error) = written {
            let name = String::from_utf8_lossy(self.name_of(&change));
            self.problem = Some(format!("answer: {}.{}: {error}", member.name(), name.trim_matches('"')));
        }
        let again = |earlier: &Change| earlier.member == member && self.name_of(earlier) == self.name_of(&change);
        if let Some(earlier) = self.changes.iter().position(again) {
            self.changes.remove(earlier);
        }
        self.changes.push(change);
    }

    fn name_of(&self, change: &Change) -> &[u8] {
        self.text.get(change.start..change.name_end).unwrap_or_default()
    }

    fn into_json(self) -> Result<Vec<u8>> {
        if let Some(problem) = self.problem {
            return Err(Error::new(problem));
        }
        let mut json = Vec::with_capacity(self.text.len() + 256);
        open(&mut json, answer::CONTINUE);
        let changed = self.changes.iter().fold(0_u32, |set, change| set | change.member.bit());
        for &member in &Member::ALL {
            if changed & member.bit() != 0 {
                self.write_member(member, &mut json);
            }
        }
        close(&mut json);
        json.push(b'}');
        Ok(json)
    }

    /// Writes `"member":{…},`.
    fn write_member(&self, member: Member, json: &mut Vec<u8>) {
        name(json, member.name());
        let is_object = !matches!(member, Member::Scope | Member::SecondFactor | Member::Redirect);
        if is_object {
            json.push(b'{');
        }
        for change in self.changes.iter().filter(|change| change.member == member) {
            json.extend_from_slice(self.text.get(change.start..change.end).unwrap_or_default());
            json.push(b',');
        }
        if is_object {
            close(json);
            json.push(b',');
        }
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
