//! What a rule answers, parsed strictly: `{"continue": {…}}` or `{"deny": {"code", "reason"}}`.
//!
//! A rule answers with data; nothing here changes the login. Each violation has its own code (HR-67 … HR-92), and an
//! answer that is wrong in one place is wrong as a whole. What depends on the login (sizes after the merge, the scope
//! it may be granted) is checked in [`crate::login`].

mod checks;
pub(crate) mod owned;
mod redirect;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value};
use vestibule_abi::{answer as names, codes::FailureCode, limits};

use crate::{
    failure::RuleFailure,
    json::{self, Problem},
    manifest::{Bag, Manifest, ReservedClaims, WriteGrant},
};

/// The longest answer; the engine refuses longer ones before they get here.
const ANSWER_BYTES: usize = limits::Budget::STANDARD.answer_bytes as usize;

/// What one run of a rule answers. To refuse and to change exclude each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Go on, with these changes.
    Continue(Patch),
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
pub struct Patch {
    /// First-level keys set or deleted; no two for the same key.
    pub changes: Vec<Change>,
    /// The scope that replaces what was granted.
    pub scope: Option<Vec<String>>,
    /// A demand for a second factor.
    pub second_factor: Option<SecondFactor>,
    /// Where to send the browser first: a checked, normalised URL.
    pub redirect: Option<String>,
    /// Reserved claims that were dropped, where the manifest says so.
    pub dropped: Vec<(Bag, String)>,
}

/// One first-level key set or deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where.
    pub bag: Bag,
    /// The key.
    pub key: String,
    /// The value; `None` deletes.
    pub value: Option<Value>,
}

/// A demand for a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SecondFactor {
    /// Whether a browser that passed it before may be remembered; absent in an answer means no.
    pub allow_remember_browser: bool,
}

impl Patch {
    /// What counts against [`limits::MUTATIONS_PER_RULE`]: each key, the scope, the redirect, the second factor.
    #[must_use]
    pub fn mutations(&self) -> usize {
        let whole = [self.scope.is_some(), self.second_factor.is_some(), self.redirect.is_some()];
        self.changes.len() + self.dropped.len() + whole.iter().filter(|asked| **asked).count()
    }
}

impl Answer {
    /// Parses an answer, and checks it against what the rule's manifest grants.
    ///
    /// # Errors
    /// [`RuleFailure`] with the code of the first violation; never panics, whatever the bytes.
    pub fn parse(bytes: &[u8], manifest: &Manifest) -> Result<Self, RuleFailure> {
        if bytes.len() > ANSWER_BYTES {
            let message = format!("the answer is longer than {ANSWER_BYTES} bytes");
            return Err(RuleFailure::new(FailureCode::OutputTooLarge, message));
        }
        let (member, value) = only_member(document(bytes)?)?;
        match (member.as_str(), value) {
            (names::CONTINUE, Value::Object(members)) => patch(members, manifest).map(Self::Continue),
            (names::DENY, Value::Object(members)) => refusal(members, manifest).map(Self::Deny),
            (names::CONTINUE | names::DENY, _) => Err(schema(format!("`{member}` is no object"))),
            _ => Err(schema(format!("the answer has an unknown member `{}`", member.escape_debug()))),
        }
    }
}

/// Whether an answer asks for anything on which the security of a login may rest: a rule that may be skipped on
/// failure and does so all the same is a failed login, never a skip (DESIGN §2).
pub(crate) fn touches_security(bytes: &[u8]) -> bool {
    let Ok(Value::Object(answer)) = json::parse(bytes) else { return false };
    let Some(Value::Object(members)) = answer.get(names::CONTINUE) else { return answer.contains_key(names::DENY) };
    let holds_any = |bag: &str| members.get(bag).is_some_and(|bag| bag.as_object().is_none_or(|keys| !keys.is_empty()));
    let holds = |bag: &str, keys: &[&str]| {
        members.get(bag).and_then(Value::as_object).is_some_and(|bag| keys.iter().any(|key| bag.contains_key(*key)))
    };
    answer.contains_key(names::DENY)
        || [names::SCOPE, names::SECOND_FACTOR].iter().any(|name| members.contains_key(*name))
        || [names::APP_METADATA, names::ID_TOKEN, names::ACCESS_TOKEN].iter().any(|bag| holds_any(bag))
        || holds(names::USER, owned::USER_LITERAL_ONLY)
        || holds(names::CONTEXT, owned::CONTEXT_OUTPUTS)
}

fn document(bytes: &[u8]) -> Result<Value, RuleFailure> {
    json::parse(bytes).map_err(|error| {
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

fn only_member(answer: Value) -> Result<(String, Value), RuleFailure> {
    let Value::Object(members) = answer else { return Err(schema("the answer is no object")) };
    let mut members = members.into_iter();
    match (members.next(), members.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(schema(format!("the answer needs exactly one member, `{}` or `{}`", names::CONTINUE, names::DENY))),
    }
}

fn refusal(mut members: Map<String, Value>, manifest: &Manifest) -> Result<Refusal, RuleFailure> {
    let code = members.swap_remove(names::DENY_CODE);
    let reason = members.swap_remove(names::DENY_REASON);
    no_more(names::DENY, &members)?;
    let Some(Value::String(code)) = code else { return Err(schema("`deny` needs a `code` that is a string")) };
    if !checks::is_deny_code(&code) {
        return Err(schema("the `code` of `deny` is not `[a-z][a-z0-9_]*` of at most 64 bytes"));
    }
    let reason = match reason {
        None => String::new(),
        Some(Value::String(reason)) => checks::one_line(&reason),
        Some(_) => return Err(schema("the `reason` of `deny` is no string")),
    };
    granted(manifest, &WriteGrant::Deny, names::DENY)?;
    Ok(Refusal { code, reason })
}

fn patch(members: Map<String, Value>, manifest: &Manifest) -> Result<Patch, RuleFailure> {
    let keys = |value: &Value| value.as_object().map_or(1, Map::len);
    let is_bag = |name: &str| Bag::ALL.iter().any(|bag| bag.as_str() == name);
    mutation_limit(members.iter().map(|(name, value)| if is_bag(name) { keys(value) } else { 1 }).sum())?;
    let mut patch = Patch::default();
    for (name, value) in members {
        match (Bag::ALL.iter().find(|bag| bag.as_str() == name), value) {
            (Some(bag), Value::Object(keys)) => {
                for (key, value) in keys {
                    change(*bag, key, value, manifest, &mut patch)?;
                }
            }
            (Some(bag), _) => return Err(schema(format!("`{bag}` is no object"))),
            (None, value) => match name.as_str() {
                names::SCOPE => patch.scope = Some(scope_of(&value, manifest)?),
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

fn mutation_limit(asked: usize) -> Result<(), RuleFailure> {
    if asked <= limits::MUTATIONS_PER_RULE {
        return Ok(());
    }
    let message = format!("the answer asks for {asked} changes, at most {} are allowed", limits::MUTATIONS_PER_RULE);
    Err(RuleFailure::new(FailureCode::MutationLimit, message))
}

fn change(bag: Bag, key: String, value: Value, manifest: &Manifest, patch: &mut Patch) -> Result<(), RuleFailure> {
    if bag.is_token() && manifest.reserved_claims == ReservedClaims::Drop && checks::is_reserved_claim(&key) {
        patch.dropped.push((bag, key));
        return Ok(());
    }
    checks::key(bag, &key, manifest)?;
    if !checks::is_granted(bag, &key, manifest) {
        return Err(undeclared(&format!("{bag}.{}", key.escape_debug())));
    }
    checks::value(bag, &key, &value)?;
    let value = if value.is_null() { None } else { Some(value) };
    patch.changes.push(Change { bag, key, value });
    Ok(())
}

fn scope_of(value: &Value, manifest: &Manifest) -> Result<Vec<String>, RuleFailure> {
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

fn second_factor_of(value: Value, manifest: &Manifest) -> Result<SecondFactor, RuleFailure> {
    let Value::Object(mut members) = value else { return Err(schema("`second_factor` is no object")) };
    let remember = members.swap_remove(names::ALLOW_REMEMBER_BROWSER);
    no_more(names::SECOND_FACTOR, &members)?;
    let allow_remember_browser = match remember {
        None => false,
        Some(Value::Bool(allow)) => allow,
        Some(_) => return Err(schema("`allow_remember_browser` is neither true nor false")),
    };
    granted(manifest, &WriteGrant::SecondFactor, names::SECOND_FACTOR)?;
    Ok(SecondFactor { allow_remember_browser })
}

fn redirect_of(value: Value, manifest: &Manifest) -> Result<String, RuleFailure> {
    let Value::Object(mut members) = value else { return Err(schema("`redirect` is no object")) };
    let url = members.swap_remove(names::REDIRECT_URL);
    no_more(names::REDIRECT, &members)?;
    let Some(Value::String(url)) = url else { return Err(schema("`redirect` needs a `url` that is a string")) };
    granted(manifest, &WriteGrant::Redirect, names::REDIRECT)?;
    redirect::checked(&url, &manifest.capabilities.redirect)
}

fn no_more(place: &str, members: &Map<String, Value>) -> Result<(), RuleFailure> {
    match members.keys().next() {
        None => Ok(()),
        Some(key) => Err(schema(format!("`{place}` has an unknown member `{}`", key.escape_debug()))),
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
