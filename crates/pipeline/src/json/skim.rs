//! Skimming: the members of objects told apart by quotes, colons, commas and brackets alone, in a text that is known to be
//! JSON.
//!
//! What a value holds is not looked at, which is what makes it cheap: most of an event is read by no rule. A text that is
//! no JSON may be taken apart wrongly, but always ends and never panics.

use std::{borrow::Cow, mem};

use serde::de::DeserializeSeed as _;

use super::{Key, brackets::nested_end, parse::Refused};

/// A text that is known to be JSON, from a position on.
#[derive(Debug)]
pub(crate) struct Skim<'t> {
    text: &'t str,
    at: usize,
    /// Whether the object that was entered last has given no key yet.
    is_at_first: bool,
}

/// Where a text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no JSON at byte {0}")]
pub(crate) struct NoJson(usize);

impl<'t> Skim<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        Self { text, at: 0, is_at_first: false }
    }

    /// Enters the object that begins here, if one does.
    pub(crate) fn enter_object(&mut self) -> bool {
        self.is_at_first = self.peek() == Some(b'{');
        self.at += usize::from(self.is_at_first);
        self.is_at_first
    }

    /// The next key of the innermost object that was entered and not left; leaves it where there is none.
    pub(crate) fn key(&mut self, refused: &Refused) -> Result<Option<Cow<'t, str>>, NoJson> {
        match (self.peek(), mem::take(&mut self.is_at_first)) {
            (Some(b'}'), _) => {
                self.at += 1;
                return Ok(None);
            }
            (Some(b','), false) => self.at += 1,
            (Some(b'"'), true) => {}
            _ => return Err(NoJson(self.at)),
        }
        let is_string = self.peek() == Some(b'"');
        let start = self.at;
        let quoted = self.pass(if is_string { string_end(self.bytes(), start + 1) } else { None })?;
        if self.peek() != Some(b':') {
            return Err(NoJson(self.at));
        }
        self.at += 1;
        let plain = quoted.get(1..quoted.len() - 1).filter(|key| !key.as_bytes().contains(&b'\\'));
        match plain {
            Some(key) => Ok(Some(Cow::Borrowed(key))),
            None => Key(refused)
                .deserialize(&mut serde_json::Deserializer::from_str(quoted))
                .map(Some)
                .map_err(|_| NoJson(start)),
        }
    }

    /// Passes the value that begins here, and gives its text.
    pub(crate) fn value(&mut self) -> Result<&'t str, NoJson> {
        let begin = self.peek();
        let (text, at) = (self.bytes(), self.at);
        self.pass(match begin {
            Some(b'"') => string_end(text, at + 1),
            Some(b'{' | b'[') => nested_end(text, at),
            _ => word_end(text, at),
        })
    }

    /// That nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), NoJson> {
        if self.peek().is_none() { Ok(()) } else { Err(NoJson(self.at)) }
    }

    /// The byte that comes next, after white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes().get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Passes what ends there, if it does.
    fn pass(&mut self, end: Option<usize>) -> Result<&'t str, NoJson> {
        let passed = end.and_then(|end| self.text.get(self.at..end)).ok_or(NoJson(self.at))?;
        self.at += passed.len();
        Ok(passed)
    }

    fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }
}

/// Where the string ends whose opening quote stands before `at`: behind its closing one.
///
/// Eight bytes are looked at at a time: most strings are too short for a search that has to be set up.
#[inline]
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH_BITS: u64 = ONES << 7;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGH_BITS; // The lowest is one; those above may not be.
    loop {
        let rest = text.get(at..)?;
        let Some(word) = rest.first_chunk::<8>() else { return short_string_end(text, at) };
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ (ONES * b'"' as u64)) | zero_bytes(word ^ (ONES * b'\\' as u64));
        at += found.trailing_zeros() as usize / 8; // All eight, where there is none.
        if found != 0 {
            if text.get(at) == Some(&b'"') {
                return Some(at + 1);
            }
            at += 2; // The backslash, and whatever it escapes.
        }
    }
}

/// The same at the end of a text.
fn short_string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Where the number, `true`, `false` or `null` ends that begins here.
fn word_end(text: &[u8], at: usize) -> Option<usize> {
    let is_of_word = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
    let length = text.get(at..)?.iter().take_while(is_of_word).count();
    (length > 0).then_some(at + length)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;
    use crate::json::tests::value;

    /// The members of an object, or where the text is none.
    fn members(text: &str) -> Result<Vec<(String, &str)>, NoJson> {
        let mut skim = Skim::of(text);
        assert!(skim.enter_object(), "{text}");
        let mut members = Vec::new();
        while let Some(key) = skim.key(&Refused::default())? {
            members.push((key.into_owned(), skim.value()?));
        }
        skim.end().map(|()| members)
    }

    #[test]
    fn members_are_told_apart_whatever_stands_in_them() {
        let text = r#" {"a" : "}\"]," , "b\u0041\\":[{"c":"]"},[]] ,"":-1.5e+3,"d":{"e":{}},"f":null } "#;
        let expected =
            [("a", r#""}\"],""#), ("bA\\", r#"[{"c":"]"},[]]"#), ("", "-1.5e+3"), ("d", r#"{"e":{}}"#), ("f", "null")];
        assert_eq!(members(text), Ok(expected.map(|(key, value)| (key.to_owned(), value)).to_vec()));
        assert_eq!(members("{}"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_json_is_an_error_or_ends() {
        for (text, at) in [
            ("{", 1),
            ("{\"a\"", 4),
            ("{\"a\":", 5),
            ("{\"a\":}", 5),
            ("{\"a\":1,}", 7),
            ("{,\"a\":1}", 1),
            ("{\"a\":1 \"b\":2}", 7),
            ("{\"a\":[1,{}", 5),
            ("{\"a\":\"\\\"}", 5),
            ("{\"a\":1}x", 7),
            ("{\"a\\x\":1}", 1),
        ] {
            assert_eq!(members(text), Err(NoJson(at)), "{text}");
        }
        assert!(!Skim::of("[]").enter_object());
    }

    proptest! {
        #[test]
        fn members_are_told_apart_as_by_a_parser(
            object in prop::collection::btree_map("[^\u{0}]{0,8}", value(), 0..6),
            is_pretty: bool,
        ) {
            let write = if is_pretty { serde_json::to_string_pretty } else { serde_json::to_string };
            let text = write(&object).unwrap();
            let parsed: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap();
            let parsed = parsed.into_iter().map(|(key, value)| (key, value.get()));
            prop_assert_eq!(members(&text), Ok(parsed.collect()));
        }

        #[test]
        fn no_text_makes_it_panic_or_go_on_forever(text in "\\{[\"\\\\{}\\[\\]:, a1é]{0,200}") {
            let _ = members(&text);
        }
    }
}
