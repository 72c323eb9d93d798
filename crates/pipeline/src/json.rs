//! The one canonical JSON profile of every boundary: answers, cases, API bodies, imports (DESIGN §3).
//!
//! No duplicate keys, no NUL, no byte order mark, no lone surrogates, nothing after the value; at most 32 levels;
//! integers within ±(2^53 − 1), finite doubles, integral doubles as integers, −0 as 0. What is inside the profile has
//! one meaning in every parser behind us (HR-69 … HR-72, HR-78); what is outside is refused, never repaired.

mod brackets;
mod encode;
mod parse;
mod skim;
mod text;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

use serde_json::Value;
use vestibule_abi::{document::Document, limits};

pub(crate) use encode::{Key, Node, Pass};
pub(crate) use parse::text_of;
pub(crate) use skim::{NoJson, Skim};
pub(crate) use text::{key_text_len, node_text_len};
pub use text::{text_len, to_text};

/// Parses a document of the profile with at most [`limits::JSON_KEYS`] members in all.
///
/// # Errors
/// [`NotCanonical`], with the place.
pub fn parse(bytes: &[u8]) -> Result<Value, NotCanonical> {
    parse::document(bytes, limits::JSON_KEYS)
}

/// As [`parse`] without a limit on members: for events and other documents that only their size bounds.
///
/// # Errors
/// [`NotCanonical`], with the place.
pub fn parse_event(bytes: &[u8]) -> Result<Value, NotCanonical> {
    parse::document(bytes, usize::MAX)
}

/// As [`parse`], into a document (form 1), in one pass.
pub(crate) fn document(bytes: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    encode::document(bytes, limits::JSON_KEYS)
}

/// Writes the text of an event as a document (form 1), in one pass; like [`parse_event`], without a limit on members.
///
/// # Errors
/// [`NotCanonical`], with the place.
pub fn document_of_text(bytes: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    encode::document(bytes, usize::MAX)
}

/// Writes an event document (form 1) as the JSON text of form 0: the same tree, the same order.
///
/// # Errors
/// What is wrong with the document, when the bytes are none.
pub fn text_of_document(document: &[u8]) -> Result<String, String> {
    let document = Document::parse(document).map_err(|malformed| malformed.to_string())?;
    serde_json::to_string(&document.root()).map_err(|error| error.to_string())
}

/// Bytes that are no document of the profile: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line} column {column}")]
pub struct NotCanonical {
    /// What is wrong.
    pub problem: Problem,
    /// The line, from 1.
    pub line: usize,
    /// The column, in bytes from 1.
    pub column: usize,
}

/// What is wrong with a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON at all; what the parser said.
    Syntax(String),
    /// The same key twice in one object.
    DuplicateKey(String),
    /// A NUL in a string or a key.
    Nul,
    /// Nested deeper than [`limits::JSON_DEPTH`].
    Depth,
    /// More object members than allowed here.
    Keys(usize),
    /// A number outside ±(2^53 − 1), or not finite.
    Number,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::Syntax(message) => f.write_str(message),
            Self::DuplicateKey(key) => write!(f, "the key `{}` stands twice in one object", key.escape_debug()),
            Self::Nul => f.write_str("a string holds NUL"),
            Self::Depth => write!(f, "nested deeper than {}", limits::JSON_DEPTH),
            Self::Keys(most) => write!(f, "more than {most} object members"),
            Self::Number => f.write_str("a number is outside ±(2^53 − 1) or not finite"),
        }
    }
}
