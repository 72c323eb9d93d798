//! The checks of one key, value or name in an answer.

use vestibule_abi::{
    codes::FailureCode,
    document::{Kind, Node},
    limits,
    owned::{CLAIMS_LITERAL_ONLY, USER_LITERAL_ONLY},
};

use super::{owned, schema};
use crate::{
    claim::{self, ClaimName, InvalidClaimName},
    failure::RuleFailure,
    manifest::{Bag, Manifest},
};

/// Names that a script's objects are made of: in a bag they would be a trap for whoever reads it (HR-73).
const PROTOTYPES: &[&str] = &["__proto__", "constructor", "prototype"];

/// Checks a first-level key, whoever asks for it.
pub(super) fn key(bag: Bag, key: &str, manifest: &Manifest) -> Result<(), RuleFailure> {
    if bag.is_token() {
        return ClaimName::parse(key).map(drop).map_err(|error| {
            let code = match error {
                InvalidClaimName::Reserved(_) => FailureCode::ClaimReserved,
                InvalidClaimName::Empty | InvalidClaimName::TooLong => FailureCode::OutputSchema,
            };
            RuleFailure::new(code, error.to_string())
        });
    }
    if key.len() > limits::KEY_BYTES {
        return Err(schema(format!("a key of `{bag}` is longer than {} bytes", limits::KEY_BYTES)));
    }
    let is_unnamed = is_unnamed(bag, key, manifest);
    if is_unnamed || owned::is_hosts(bag, key) {
        let next = if is_unnamed { "name it in `writes` to the letter" } else { "no rule can change it" };
        let message = format!("`{bag}.{}` belongs to the host; {next}", key.escape_debug());
        return Err(RuleFailure::new(FailureCode::MutationForbidden, message));
    }
    key_text(bag, key)
}

/// Whether a key says who the user is, and the manifest does not name it to the letter.
pub(super) fn is_unnamed(bag: Bag, key: &str, manifest: &Manifest) -> bool {
    bag == Bag::User && USER_LITERAL_ONLY.contains(&key) && !manifest.writes.names_key(bag, key)
}

/// Whether the manifest grants a first-level key. What says who the user is has to be named to the letter.
pub(super) fn is_granted(bag: Bag, key: &str, manifest: &Manifest) -> bool {
    let is_literal = bag.is_token() && CLAIMS_LITERAL_ONLY.contains(&claim::folded(key).as_ref());
    if is_literal { manifest.writes.names_key(bag, key) } else { manifest.writes.allows_key(bag, key) }
}

/// Checks what is set: keys and texts at every level.
pub(super) fn value(bag: Bag, key: &str, value: Node<'_>) -> Result<(), RuleFailure> {
    if bag.is_token() {
        return Ok(()); // Nested names are values there (HR-80), and no database reads them.
    }
    nested(bag, value).map_err(|failure| {
        RuleFailure::new(failure.code, format!("{} (in `{bag}.{}`)", failure.message, key.escape_debug()))
    })
}

fn nested(bag: Bag, value: Node<'_>) -> Result<(), RuleFailure> {
    match value.kind() {
        None => Err(RuleFailure::new(FailureCode::HostInternal, "a document of ours cannot be read")),
        Some(Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_)) => Ok(()),
        Some(Kind::String(text)) => text_of(bag, text),
        Some(Kind::Array(mut elements)) => elements.try_for_each(|element| nested(bag, element)),
        Some(Kind::Object(mut members)) => members.try_for_each(|(key, value)| {
            key_text(bag, key)?;
            nested(bag, value)
        }),
    }
}

fn key_text(bag: Bag, key: &str) -> Result<(), RuleFailure> {
    if PROTOTYPES.contains(&key) {
        return Err(schema(format!("`{bag}` cannot have a key `{key}`")));
    }
    if !bag.is_metadata() {
        return Ok(());
    }
    if key.contains(['.', '$']) {
        return Err(schema(format!("`{bag}` cannot have a key with `.` or `$`: `{}`", key.escape_debug())));
    }
    if key.len() > limits::KEY_BYTES {
        return Err(schema(format!("a key of `{bag}` is longer than {} bytes", limits::KEY_BYTES)));
    }
    text_of(bag, key)
}

/// In metadata no control character but tab and line ends: databases and terminals disagree about the rest (HR-72).
fn text_of(bag: Bag, text: &str) -> Result<(), RuleFailure> {
    let forbidden = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if bag.is_metadata() && text.chars().any(forbidden) {
        return Err(schema(format!("`{bag}` cannot hold control characters")));
    }
    Ok(())
}

pub(super) fn is_reserved_claim(name: &str) -> bool {
    matches!(ClaimName::parse(name), Err(InvalidClaimName::Reserved(_)))
}

pub(super) fn is_deny_code(code: &str) -> bool {
    code.len() <= limits::DENY_CODE_BYTES
        && code.starts_with(|c: char| c.is_ascii_lowercase())
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// One scope name of RFC 6749.
pub(super) fn is_scope(scope: &str) -> bool {
    !scope.is_empty()
        && scope.len() <= limits::KEY_BYTES
        && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// A reason as it may stand in a log line or an error page: cut, without control characters and text direction marks
/// (HR-77). Escaping for HTML is for whoever writes HTML.
pub(super) fn one_line(reason: &str) -> String {
    let shown = |c: char| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
    let is_mark = |c: &char| matches!(*c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    reason.chars().map(shown).filter(|c| !c.is_control() && !is_mark(c)).take(limits::REASON_CHARS).collect()
}
