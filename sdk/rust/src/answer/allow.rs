//! Going on, with changes.

use alloc::{format, string::String, vec::Vec};

use serde::Serialize;
use vestibule_abi::answer;

use super::{close, name, open};
use crate::{
    Error, Result,
    json::{self, Unwritable},
};

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

    pub(super) fn into_json(self) -> Result<Vec<u8>> {
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
