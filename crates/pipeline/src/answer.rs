//! What a rule answers, parsed strictly: `{"continue": {…}}` or `{"deny": {"code", "reason"}}`.
//!
//! A rule answers with data; nothing here changes the login. Each violation has its own code (HR-67 … HR-92), and an
//! answer that is wrong in one place is wrong as a whole. What depends on the login (sizes after the merge, the scope
//! it may be granted) is checked in [`crate::login`].

mod checks;
pub(crate) mod owned;
mod redirect;
mod scripts;

#[cfg(test)]
mod tests;

use serde::Serialize;
use vestibule_abi::{
    answer as names,
    codes::FailureCode,
    document::{Document, Node, Object},
    limits,
    owned::USER_LITERAL_ONLY,
};

use crate::{
    failure::RuleFailure,
    json::{self, Problem},
    manifest::{Bag, Language, Manifest, ReservedClaims, WriteGrant},
    outcome::Note,
};

/// The longest answer; the engine refuses longer ones before they get here.
const ANSWER_BYTES: usize = limits::Budget::STANDARD.answer_bytes as usize;

/// An answer as it was given: in the canonical profile, and nothing more is known of it.
#[derive(Debug)]
pub struct Given(Vec<u8>); // INVARIANT: a document.

/// What one run of a rule answers. To refuse and to change exclude each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<'g> {
    /// Go on, with these changes.
    Continue(Patch<'g>),
    /// Refuse the login.
    Deny(Refusal),
}

/// Why a rule refuses a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// `[a-z][a-z0-9_]*`, at most [`limits::DENY_CODE_BYTES`].
    pub code: String,
    /// One line for people, at most [`limits::REASON_CHARS`] characters, without control characters; may be empty.
    pub reason: String,
}

/// The changes one answer asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Patch<'g> {
    /// First-level keys set or deleted; no two for the same key.
    pub changes: Vec<Change<'g>>,
    /// The scope that replaces what was granted.
    pub scope: Option<Vec<String>>,
    /// A demand for a second factor.
    pub second_factor: Option<SecondFactor>,
    /// Where to send the browser first: a checked, normalised URL.
    pub redirect: Option<String>,
    /// What was dropped: reserved claims, where the manifest says so, and what a script made of who the user is, where
    /// the manifest does not name it.
    pub dropped: Vec<Note>,
}

/// One first-level key set or deleted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change<'g> {
    /// Where.
    pub bag: Bag,
    /// The key.
    pub key: &'g str,
    /// The value; `None` deletes.
    pub value: Option<Node<'g>>,
}

/// A demand for a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SecondFactor {
    /// Whether a browser that passed it before may be remembered; absent in an answer means no.
    pub allow_remember_browser: bool,
}

impl Patch<'_> {
    /// What counts against [`limits::MUTATIONS_PER_RULE`]: each key, the scope, the redirect, the second factor.
    #[must_use]
    pub fn mutations(&self) -> usize {
        let whole = [self.scope.is_some(), self.second_factor.is_some(), self.redirect.is_some()];
        self.changes.len() + self.dropped.len() + whole.iter().filter(|asked| **asked).count()
    }
}

impl Given {
    /// Takes an answer in.
    ///
    /// # Errors
    /// [`RuleFailure`] when it is too large, or outside the canonical profile; never panics, whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, RuleFailure> {
        if bytes.len() > ANSWER_BYTES {
            let message = format!("the answer is longer than {ANSWER_BYTES} bytes");
            return Err(RuleFailure::new(FailureCode::OutputTooLarge, message));
        }
        json::document(bytes).map(Self).map_err(|error| {
            let code = match error.problem {
                Problem::NotUtf8 => FailureCode::OutputNotUtf8,
                Problem::Nul => FailureCode::OutputSchema, // HR-72: it is JSON, but nothing we could store.
                Problem::Syntax(_) | Problem::DuplicateKey(_) | Problem::Depth | Problem::Keys(_) | Problem::Number => {
                    FailureCode::OutputBadJson
                }
            };
            RuleFailure::new(code, format!("the answer is not canonical JSON: {error}"))
        })
    }

    /// Checks it against what the rule's manifest grants.
    ///
    /// # Errors
    /// [`RuleFailure`] with the code of the first violation.
    pub fn checked(&self, manifest: &Manifest) -> Result<Answer<'_>, RuleFailure> {
        let mut members = self.members().ok_or_else(|| schema("the answer is no object"))?;
        let (Some((member, value)), None) = (members.next(), members.next()) else {
            let expected = format!("exactly one member, `{}` or `{}`", names::CONTINUE, names::DENY);
            return Err(schema(format!("the answer needs {expected}")));
        };
        match (member, value.as_object()) {
            (names::CONTINUE, Some(members)) => patch(members, manifest).map(Answer::Continue),
            (names::DENY, Some(members)) => refusal(members, manifest).map(Answer::Deny),
            (names::CONTINUE | names::DENY, None) => Err(schema(format!("`{member}` is no object"))),
            _ => Err(schema(format!("the answer has an unknown member `{}`", member.escape_debug()))),
        }
    }

    /// Whether it asks for anything on which the security of a login may rest: a rule that may be skipped on failure and
    /// does so all the same is a failed login, never a skip (DESIGN §2).
    pub(crate) fn touches_security(&self) -> bool {
        let Some(answer) = self.members() else { return false };
        let Some(members) = answer.get(names::CONTINUE.into()).and_then(|node| node.as_object()) else {
            return answer.get(names::DENY.into()).is_some();
        };
        let holds_any = |bag: &str| {
            members.get(bag.into()).is_some_and(|bag| bag.as_object().is_none_or(|mut keys| keys.next().is_some()))
        };
        let holds = |bag: &str, keys: &[&str]| {
            members.get(bag.into()).is_some_and(|bag| keys.iter().any(|key| bag.get(*key).is_some()))
        };
        answer.get(names::DENY.into()).is_some()
            || [names::SCOPE, names::SECOND_FACTOR].iter().any(|name| members.get((*name).into()).is_some())
            || [names::APP_METADATA, names::ID_TOKEN, names::ACCESS_TOKEN].iter().any(|bag| holds_any(bag))
            || holds(names::USER, USER_LITERAL_ONLY)
            || holds(names::CONTEXT, owned::CONTEXT_OUTPUTS)
    }

    fn members(&self) -> Option<Object<'_>> {
        Document::parse(&self.0).ok()?.root().as_object()
    }
}

fn refusal(members: Object<'_>, manifest: &Manifest) -> Result<Refusal, RuleFailure> {
    let [code, reason] = members_of(names::DENY, members, [names::DENY_CODE, names::DENY_REASON])?;
    let Some(code) = code.and_then(|code| code.as_str()) else {
        return Err(schema("`deny` needs a `code` that is a string"));
    };
    if !checks::is_deny_code(code) {
        return Err(schema("the `code` of `deny` is not `[a-z][a-z0-9_]*` of at most 64 bytes"));
    }
    let reason = match reason {
        None => "",
        Some(reason) => reason.as_str().ok_or_else(|| schema("the `reason` of `deny` is no string"))?,
    };
    granted(manifest, &WriteGrant::Deny, names::DENY)?;
    Ok(Refusal { code: code.to_owned(), reason: checks::one_line(reason) })
}

fn patch<'g>(members: Object<'g>, manifest: &Manifest) -> Result<Patch<'g>, RuleFailure> {
    mutation_limit(members.map(|(name, value)| if bag_of(name).is_some() { keys(value) } else { 1 }).sum())?;
    let mut patch = Patch::default();
    for (name, value) in members {
        match (bag_of(name), value.as_object()) {
            (Some(bag), Some(keys)) => {
                for (key, value) in keys {
                    change(Change { bag, key, value: Some(value) }, manifest, &mut patch)?;
                }
            }
            (Some(bag), None) => return Err(schema(format!("`{bag}` is no object"))),
            (None, _) => match name {
                names::SCOPE => patch.scope = Some(scope_of(value, manifest)?),
                names::SECOND_FACTOR => patch.second_factor = Some(second_factor_of(value, manifest)?),
                names::REDIRECT => patch.redirect = Some(redirect_of(value, manifest)?),
                unknown => {
                    return Err(schema(format!("`continue` has an unknown member `{}`", unknown.escape_debug())));
                }
            },
        }
    }
    Ok(patch)
}

fn bag_of(name: &str) -> Option<Bag> {
    Bag::ALL.iter().copied().find(|bag| bag.as_str() == name)
}

fn keys(bag: Node<'_>) -> usize {
    bag.as_object().map_or(1, Iterator::count)
}

fn mutation_limit(asked: usize) -> Result<(), RuleFailure> {
    if asked <= limits::MUTATIONS_PER_RULE {
        return Ok(());
    }
    let message = format!("the answer asks for {asked} changes, at most {} are allowed", limits::MUTATIONS_PER_RULE);
    Err(RuleFailure::new(FailureCode::MutationLimit, message))
}

fn change<'g>(change: Change<'g>, manifest: &Manifest, patch: &mut Patch<'g>) -> Result<(), RuleFailure> {
    let Change { bag, key, value } = change;
    if bag.is_token() && manifest.reserved_claims == ReservedClaims::Drop && checks::is_reserved_claim(key) {
        patch.dropped.push(Note::ClaimDropped { token: bag, claim: key.to_owned() });
        return Ok(());
    }
    // A script changes the user it was given; whether that is an answer is its manifest's to say.
    if manifest.language == Language::JavaScript && checks::is_unnamed(bag, key, manifest) {
        patch.dropped.push(Note::ChangeDropped { key: key.to_owned() });
        return Ok(());
    }
    checks::key(bag, key, manifest)?;
    if !checks::is_granted(bag, key, manifest) {
        let meant = scripts::stores(bag, key).filter(|_| manifest.language == Language::JavaScript);
        let undeclared = || undeclared(&format!("{bag}.{}", key.escape_debug()));
        return Err(meant.map_or_else(undeclared, |method| scripts::unstored(key, method)));
    }
    let value = value.filter(|value| !value.is_null());
    value.map_or(Ok(()), |value| checks::value(bag, key, value))?;
    patch.changes.push(Change { bag, key, value });
    Ok(())
}

fn scope_of(value: Node<'_>, manifest: &Manifest) -> Result<Vec<String>, RuleFailure> {
    let wrong = || schema("`scope` is no array of scope names");
    let mut scopes = Vec::new();
    for scope in value.as_array().ok_or_else(wrong)? {
        let scope = scope.as_str().filter(|scope| checks::is_scope(scope)).ok_or_else(wrong)?;
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    granted(manifest, &WriteGrant::Scope, names::SCOPE)?;
    Ok(scopes)
}

fn second_factor_of(value: Node<'_>, manifest: &Manifest) -> Result<SecondFactor, RuleFailure> {
    let members = value.as_object().ok_or_else(|| schema("`second_factor` is no object"))?;
    let [remember] = members_of(names::SECOND_FACTOR, members, [names::ALLOW_REMEMBER_BROWSER])?;
    let allow_remember_browser = match remember.map(|remember| remember.as_bool()) {
        None => false,
        Some(Some(allow)) => allow,
        Some(None) => return Err(schema("`allow_remember_browser` is neither true nor false")),
    };
    granted(manifest, &WriteGrant::SecondFactor, names::SECOND_FACTOR)?;
    Ok(SecondFactor { allow_remember_browser })
}

fn redirect_of(value: Node<'_>, manifest: &Manifest) -> Result<String, RuleFailure> {
    let members = value.as_object().ok_or_else(|| schema("`redirect` is no object"))?;
    let [url] = members_of(names::REDIRECT, members, [names::REDIRECT_URL])?;
    let url = url.and_then(|url| url.as_str());
    let url = url.ok_or_else(|| schema("`redirect` needs a `url` that is a string"))?;
    granted(manifest, &WriteGrant::Redirect, names::REDIRECT)?;
    redirect::checked(url, &manifest.capabilities.redirect)
}

/// The members of these names of an object that has no others.
fn members_of<'g, const N: usize>(
    place: &str,
    members: Object<'g>,
    names: [&str; N],
) -> Result<[Option<Node<'g>>; N], RuleFailure> {
    match members.into_iter().find(|(key, _)| !names.contains(key)) {
        None => Ok(names.map(|name| members.get(name.into()))),
        Some((key, _)) => Err(schema(format!("`{place}` has an unknown member `{}`", key.escape_debug()))),
    }
}

fn granted(manifest: &Manifest, grant: &WriteGrant, name: &str) -> Result<(), RuleFailure> {
    if manifest.writes.allows(grant) { Ok(()) } else { Err(undeclared(name)) }
}

fn undeclared(name: &str) -> RuleFailure {
    let message =
        format!("the answer writes `{name}`, which `writes` in rule.toml does not hold; add `\"{name}\"` to it");
    RuleFailure::new(FailureCode::CapabilityDenied, message)
}

fn schema(message: impl Into<String>) -> RuleFailure {
    RuleFailure::new(FailureCode::OutputSchema, message)
}
