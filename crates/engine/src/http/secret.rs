//! Secrets: put into a header on the way out, blanked on the way back.
//!
//! A rule names a secret and never holds it. A peer may echo it, as it is or encoded; the usual encodings are found.
//! A peer that wants to hand the secret over can still disguise it: it is the one that was granted it.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use secrecy::{ExposeSecret, SecretString};

/// What stands where a secret was.
const BLANK: &[u8] = b"***";
/// How a placeholder begins: `{{secret:NAME}}`.
const OPEN: &str = "{{secret:";
const CLOSE: &str = "}}";
/// Shorter pieces of base64 would blank innocent text.
const BASE64_AT_LEAST: usize = 6;

/// Whether a placeholder stands in `bytes`.
pub(super) fn names_secret(bytes: &[u8]) -> bool {
    bytes.windows(OPEN.len()).any(|window| window == OPEN.as_bytes())
}

/// Puts the value of each secret where its placeholder stands; the name of the first that `lookup` does not know, or
/// the rest of a placeholder that does not end, is the error.
pub(super) fn put_in<'a>(
    text: &str,
    lookup: impl Fn(&str) -> Option<&'a SecretString>,
) -> Result<SecretString, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (name, after) = after.split_once(CLOSE).ok_or(after)?;
        filled.push_str(before);
        filled.push_str(lookup(name).ok_or(name)?.expose_secret());
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled.into())
}

/// Finds a rule's secrets in what comes back, and blanks them.
#[derive(Debug, Default)]
pub(super) struct Blank {
    /// Matched as they are, percent-encoded and as JSON escapes, in any mixture and any case.
    plain: Vec<SecretString>,
    /// Matched as they are: what base64 makes of the secret wherever in a longer text it stands.
    base64: Vec<SecretString>,
}

impl Blank {
    pub(super) fn new<'a>(secrets: impl Iterator<Item = &'a SecretString>) -> Self {
        let mut blank = Self::default();
        for secret in secrets {
            blank.base64.extend(base64_forms(secret.expose_secret()));
            blank.plain.push(secret.clone());
        }
        // The longest first: one secret may begin with another.
        blank.plain.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        blank
    }

    /// `text` without secrets.
    pub(super) fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes().to_vec())).into_owned()
    }

    /// `bytes` without secrets.
    pub(super) fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.plain.is_empty() {
            return bytes;
        }
        let mut kept = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while let Some((first, after)) = rest.split_first() {
            match self.found_at_start(rest) {
                Some(len) => {
                    kept.extend_from_slice(BLANK);
                    rest = rest.get(len..).unwrap_or_default();
                }
                None => {
                    kept.push(*first);
                    rest = after;
                }
            }
        }
        kept
    }

    /// The length of the secret that `bytes` begin with, in whatever form.
    fn found_at_start(&self, bytes: &[u8]) -> Option<usize> {
        let plain = self.plain.iter().find_map(|secret| {
            let secret = secret.expose_secret().as_bytes();
            let literal = bytes.get(..secret.len()).is_some_and(|start| start.eq_ignore_ascii_case(secret));
            if literal { Some(secret.len()) } else { encoded_len(bytes, secret) }
        });
        plain.or_else(|| {
            let mut forms = self.base64.iter().map(|form| form.expose_secret().as_bytes());
            forms.find(|form| bytes.starts_with(form)).map(<[u8]>::len)
        })
    }
}

/// The length of `secret` at the start of `bytes`, if each of its bytes stands there as itself or escaped.
fn encoded_len(bytes: &[u8], secret: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    for wanted in secret {
        let len = escape_len(rest, *wanted)
            .or_else(|| rest.first().filter(|byte| byte.eq_ignore_ascii_case(wanted)).map(|_| 1))?;
        rest = rest.get(len..)?;
    }
    Some(bytes.len() - rest.len())
}

/// The length of an escape for `wanted` at the start of `bytes`: `%2F`, `\/`, `\u002f`, or `+` for a space.
fn escape_len(bytes: &[u8], wanted: u8) -> Option<usize> {
    let is = |digits: Option<&[u8]>| hex_byte(digits).is_some_and(|byte| byte.eq_ignore_ascii_case(&wanted));
    match bytes {
        [b'%', ..] if is(bytes.get(1..3)) => Some(3),
        [b'\\', b'u', b'0', b'0', ..] if is(bytes.get(4..6)) => Some(6),
        [b'\\', byte, ..] if *byte == wanted => Some(2),
        [b'+', ..] if wanted == b' ' => Some(1),
        _ => None,
    }
}

fn hex_byte(digits: Option<&[u8]>) -> Option<u8> {
    u8::from_str_radix(str::from_utf8(digits?).ok()?, 16).ok()
}

/// What base64 makes of `secret` at each of the three places it can stand in a group, without the characters that its
/// neighbours have bits in.
fn base64_forms(secret: &str) -> Vec<SecretString> {
    let mut forms = Vec::new();
    for place in 0..3_usize {
        let mut bytes = vec![0; place];
        bytes.extend_from_slice(secret.as_bytes());
        let (from, to) = ((place * 8).div_ceil(6), bytes.len() * 8 / 6);
        for alphabet in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let encoded = alphabet.encode(&bytes);
            forms.extend(encoded.get(from..to).filter(|form| form.len() >= BASE64_AT_LEAST).map(SecretString::from));
        }
    }
    forms
}
