//! Secrets: put into a header on the way out, blanked on the way back.
//!
//! A rule names a secret and never holds it. A peer may echo it, as it is or encoded; the usual encodings are found.
//! A peer that wants to hand the secret over can still disguise it: it is the one that was granted it.

use std::{fmt, ops::Range};

use aho_corasick::{AhoCorasick, BuildError};
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

/// Finds a rule's secrets in what comes back, and blanks them: in one pass, whatever the secrets and the bytes are.
pub(super) struct Blank(Option<Finders>);

struct Finders {
    /// Finds them as they are, and what base64 makes of them wherever in a longer text they stand.
    literal: AhoCorasick,
    /// Finds them in [`Folded`] bytes: percent-encoded and as JSON escapes, in any mixture and any case.
    folded: AhoCorasick,
}

/// Whoever prints it sees no secret.
impl fmt::Debug for Blank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blank").finish_non_exhaustive()
    }
}

impl Blank {
    /// Blanks nothing.
    pub(super) const fn nothing() -> Self {
        Self(None)
    }

    pub(super) fn new(secrets: &[&SecretString]) -> Result<Self, BuildError> {
        if secrets.is_empty() {
            return Ok(Self::nothing());
        }
        let secrets = || secrets.iter().map(|secret| secret.expose_secret().as_bytes());
        let literal = secrets().flat_map(|secret| std::iter::once(secret.to_vec()).chain(base64_forms(secret)));
        // A secret may itself hold what looks like an escape, and be echoed with it or without.
        let folded = secrets().flat_map(|secret| [Folded::of(secret).bytes, without_case(secret)]);
        let folded = folded.filter(|form| !form.is_empty());
        Ok(Self(Some(Finders { literal: AhoCorasick::new(literal)?, folded: AhoCorasick::new(folded)? })))
    }

    /// `text` without secrets.
    pub(super) fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes().to_vec())).into_owned()
    }

    /// `bytes` without secrets.
    pub(super) fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let Self(Some(finders)) = self else { return bytes };
        let found = finders.find(&bytes);
        if found.is_empty() {
            return bytes;
        }
        let mut kept = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for Range { start, end } in found {
            kept.extend_from_slice(bytes.get(from..start).unwrap_or_default());
            kept.extend_from_slice(BLANK);
            from = end;
        }
        kept.extend_from_slice(bytes.get(from..).unwrap_or_default());
        kept
    }
}

impl Finders {
    /// Where secrets stand, in order; what overlaps is one place.
    fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let folded = Folded::of(bytes);
        let literal = self.literal.find_overlapping_iter(bytes).map(|found| found.range());
        let escaped = self.folded.find_overlapping_iter(&folded.bytes).map(|found| folded.came_from(found.range()));
        let mut places: Vec<Range<usize>> = literal.chain(escaped).collect();
        places.sort_unstable_by_key(|place| place.start);
        places.dedup_by(|next, place| {
            let overlaps = next.start < place.end;
            if overlaps {
                place.end = place.end.max(next.end);
            }
            overlaps
        });
        places
    }
}

/// Bytes as they are meant: `%2F`, `\/` and `\u002f` are `/`, a `+` is a space, upper case is lower case, and there are
/// no backslashes.
struct Folded {
    bytes: Vec<u8>,
    /// For each of `bytes`, and for their end, where in the original it begins.
    starts: Vec<usize>,
}

impl Folded {
    fn of(original: &[u8]) -> Self {
        let mut folded = Self { bytes: Vec::with_capacity(original.len()), starts: Vec::new() };
        let (mut start, mut at) = (0, 0);
        while let Some(rest) = original.get(at..).filter(|rest| !rest.is_empty()) {
            let (byte, len) = unescaped(rest);
            at += len;
            if byte != b'\\' {
                folded.bytes.push(without_case_of(byte));
                folded.starts.push(start);
                start = at;
            }
        }
        folded.starts.push(start);
        folded
    }

    fn came_from(&self, range: Range<usize>) -> Range<usize> {
        let start = |at: usize| self.starts.get(at).copied().unwrap_or_default();
        start(range.start)..start(range.end)
    }
}

/// The byte that stands at the start, and how many bytes stand for it.
fn unescaped(bytes: &[u8]) -> (u8, usize) {
    let hex = |digits: Option<&[u8]>| u8::from_str_radix(str::from_utf8(digits?).ok()?, 16).ok();
    match bytes {
        [b'%', ..] => hex(bytes.get(1..3)).map_or((b'%', 1), |byte| (byte, 3)),
        [b'\\', b'u', b'0', b'0', ..] => hex(bytes.get(4..6)).map_or((b'\\', 1), |byte| (byte, 6)),
        [byte, ..] => (*byte, 1),
        [] => (0, 1),
    }
}

fn without_case(secret: &[u8]) -> Vec<u8> {
    secret.iter().filter(|byte| **byte != b'\\').map(|byte| without_case_of(*byte)).collect()
}

const fn without_case_of(byte: u8) -> u8 {
    if byte == b' ' { b'+' } else { byte.to_ascii_lowercase() }
}

/// What base64 makes of `secret` at each of the three places it can stand in a group, without the characters that its
/// neighbours have bits in.
fn base64_forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for place in 0..3_usize {
        let mut bytes = vec![0; place];
        bytes.extend_from_slice(secret);
        let (from, to) = ((place * 8).div_ceil(6), bytes.len() * 8 / 6);
        for alphabet in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let encoded = alphabet.encode(&bytes);
            forms.extend(
                encoded.get(from..to).filter(|form| form.len() >= BASE64_AT_LEAST).map(|form| form.as_bytes().to_vec()),
            );
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blanked(secrets: &[&str], text: &str) -> String {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        Blank::new(&secrets.iter().collect::<Vec<_>>()).unwrap().text(text)
    }

    #[test]
    fn escapes_are_found_in_any_mixture() {
        for echo in ["a%41/b c", r"a%41\/b+c", "A%2541%2Fb%20C", r"\u0061%41\u002fb c", "a%2541/b%20c"] {
            assert_eq!(blanked(&["a%41/b c"], &format!("<{echo}>")), "<***>", "{echo}");
        }
        assert_eq!(blanked(&[r"back\slash"], r"<back\\slash> <back%5Cslash> <back\u005cslash>"), "<***> <***> <***>");
    }

    #[test]
    fn secrets_that_overlap_leave_nothing() {
        assert_eq!(blanked(&["abcd", "cdef", "abcdefg"], "abcdef abcdefgh abcde"), "*** ***h ***e");
        assert_eq!(blanked(&[r"\\", "x"], r"y\\y x"), "y***y ***");
    }

    #[test]
    fn what_is_not_whole_is_kept() {
        for text in ["", "%", "%4", r"\", r"\u00", "sec", "ret%", "s%65cre"] {
            assert_eq!(blanked(&["secret"], text), text);
        }
    }

    #[test]
    fn a_secret_made_to_be_costly_is_found_in_one_pass() {
        // 16 secrets of 512 equal bytes in a megabyte of them: compared place by place, 8 000 000 000 steps.
        let longest = "a".repeat(512);
        let secrets: Vec<String> = ('b'..='q').map(|last| format!("{}{last}", &longest[1..])).collect();
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let hostile = "a".repeat(1024 * 1024);
        assert!(blanked(&secrets, &hostile) == hostile, "something was blanked");
        assert!(blanked(&[&longest], &hostile) == "***", "something was left");
    }
}
