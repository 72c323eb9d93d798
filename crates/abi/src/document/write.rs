//! Writing: anything that serialises becomes a document; encoded subtrees can be put together without encoding again.

mod serialize;

use alloc::{string::ToString, vec::Vec};
use core::fmt;

use serde::ser::{self, Serialize};

use super::{FLAG_ASCII, HEAD_BYTES, HEADER_BYTES, MAGIC, padded, tag};
use crate::{limits, symbols};

/// A value has no place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncodeError {
    /// A number outside the canonical profile.
    Number,
    /// Nested deeper than [`limits::JSON_DEPTH`].
    Depth,
    /// A document of more than 4 GiB.
    TooLarge,
    /// An object key that is not a string.
    Key,
    /// What the value itself said.
    Other(alloc::string::String),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number => f.write_str("a number is outside ±(2^53 − 1) or not finite"),
            Self::Depth => write!(f, "nested deeper than {}", limits::JSON_DEPTH),
            Self::TooLarge => f.write_str("longer than 4 GiB"),
            Self::Key => f.write_str("an object key is not a string"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl core::error::Error for EncodeError {}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }
}

/// Encodes one value as a whole document.
///
/// # Errors
/// [`EncodeError`] when the value is outside the canonical JSON profile.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::document();
    writer.value(value)?;
    writer.finish()
}

/// Builds a document, or a piece of one, from front to back.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    depth: usize,
}

/// An open array or object: where its head stands and how many children it has.
#[derive(Debug)]
#[must_use = "an open node has to be ended"]
pub struct Open {
    head: usize,
    children: usize,
}

impl Writer {
    /// Starts a document: the header is filled in by [`Writer::finish`].
    #[must_use]
    pub fn document() -> Self {
        Self::document_into(Vec::new())
    }

    /// As [`Writer::document`], in a buffer whose memory is used again.
    #[must_use]
    pub fn document_into(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        bytes.resize(HEADER_BYTES, 0);
        Self { bytes, depth: 0 }
    }

    /// Starts a piece: nodes without a header, to be put into documents by [`Writer::encoded`].
    #[must_use]
    pub fn piece() -> Self {
        Self::default()
    }

    /// As [`Writer::piece`], behind what `bytes` already holds, for nodes that will stand `depth` levels deep.
    #[must_use]
    pub fn piece_after(bytes: Vec<u8>, depth: usize) -> Self {
        Self { bytes, depth }
    }

    /// Bytes written so far, the header of a document included.
    #[must_use]
    pub fn position(&self) -> usize {
        self.bytes.len()
    }

    /// What was written from a position on.
    #[must_use]
    pub fn written_since(&self, position: usize) -> &[u8] {
        self.bytes.get(position..).unwrap_or_default()
    }

    /// Forgets what was written from a position on, where whole nodes stand: what was open then is open still.
    pub fn rewind(&mut self, position: usize) {
        self.bytes.truncate(position);
    }

    /// Ends a document: fills in its header.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] when the length does not fit the header.
    pub fn finish(mut self) -> Result<Vec<u8>, EncodeError> {
        let total = u32::try_from(self.bytes.len()).map_err(|_| EncodeError::TooLarge)?;
        if let Some((header, _)) = self.bytes.split_first_chunk_mut::<HEADER_BYTES>() {
            let (magic, rest) = header.split_at_mut(4);
            magic.copy_from_slice(&MAGIC);
            let (_flags, rest) = rest.split_at_mut(4);
            let (total_field, root) = rest.split_at_mut(4);
            total_field.copy_from_slice(&total.to_le_bytes());
            root.copy_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        }
        Ok(self.bytes)
    }

    /// Ends a piece.
    #[must_use]
    pub fn into_piece(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes any value.
    ///
    /// # Errors
    /// [`EncodeError`] when the value is outside the canonical JSON profile.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    /// Copies nodes that a [`Writer::piece`] encoded.
    pub fn encoded(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Writes an object key.
    pub fn key(&mut self, key: &str) {
        match symbols::lookup(key) {
            Some(id) => self.head(tag::SYMBOL, 0, id, 0),
            None => self.string(key),
        }
    }

    /// Opens an object; its members follow as key, value, key, value.
    ///
    /// # Errors
    /// [`EncodeError::Depth`] when it would nest too deep.
    pub fn open_object(&mut self) -> Result<Open, EncodeError> {
        self.open(tag::OBJECT)
    }

    /// Opens an array; its elements follow.
    ///
    /// # Errors
    /// [`EncodeError::Depth`] when it would nest too deep.
    pub fn open_array(&mut self) -> Result<Open, EncodeError> {
        self.open(tag::ARRAY)
    }

    /// Counts one member of an open object or one element of an open array.
    pub fn count(open: &mut Open) {
        open.children += 1;
    }

    /// Closes what [`Writer::open_object`] or [`Writer::open_array`] opened.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] when its length does not fit its head.
    pub fn close(&mut self, open: Open) -> Result<(), EncodeError> {
        self.depth = self.depth.saturating_sub(1);
        let payload = self.bytes.len().saturating_sub(open.head + HEAD_BYTES);
        let len = u32::try_from(payload).map_err(|_| EncodeError::TooLarge)?;
        let aux = u16::try_from(open.children).unwrap_or(u16::MAX);
        if let Some(head) = self.bytes.get_mut(open.head..open.head + HEAD_BYTES) {
            let (front, back) = head.split_at_mut(4);
            if let [_tag, _flags, low, high] = front {
                [*low, *high] = aux.to_le_bytes();
            }
            back.copy_from_slice(&len.to_le_bytes());
        }
        Ok(())
    }

    /// Opens the object that stands for an enum variant: its one member's key is the variant's name.
    fn open_variant(&mut self, variant: &str) -> Result<Open, EncodeError> {
        let mut open = self.open_object()?;
        Self::count(&mut open);
        self.key(variant);
        Ok(open)
    }

    fn open(&mut self, tag: u8) -> Result<Open, EncodeError> {
        if self.depth >= limits::JSON_DEPTH {
            return Err(EncodeError::Depth);
        }
        self.depth += 1;
        let head = self.bytes.len();
        self.head(tag, 0, 0, 0);
        Ok(Open { head, children: 0 })
    }

    fn head(&mut self, tag: u8, flags: u8, aux: u16, len: u32) {
        let [low, high] = aux.to_le_bytes();
        let [a, b, c, d] = len.to_le_bytes();
        self.bytes.extend_from_slice(&[tag, flags, low, high, a, b, c, d]);
    }

    fn string(&mut self, text: &str) {
        const PADDING: [u8; 8] = [0; 8];
        let flags = if text.is_ascii() { FLAG_ASCII } else { 0 };
        self.bytes.reserve(HEAD_BYTES + text.len() + PADDING.len());
        // A string of 4 GiB does not fit any limit; `finish` refuses the document that holds it.
        self.head(tag::STRING, flags, 0, text.len() as u32);
        self.bytes.extend_from_slice(text.as_bytes());
        let end = self.bytes.len() + padded(text.len()) - text.len();
        self.bytes.extend_from_slice(&PADDING); // All of it, and then less: a length known here is a single store.
        self.bytes.truncate(end);
    }

    fn integer(&mut self, value: i64) -> Result<(), EncodeError> {
        if !(-limits::JSON_INTEGER..=limits::JSON_INTEGER).contains(&value) {
            return Err(EncodeError::Number);
        }
        self.head(tag::INTEGER, 0, 0, 8);
        self.bytes.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn float(&mut self, value: f64) -> Result<(), EncodeError> {
        if !value.is_finite() {
            return Err(EncodeError::Number);
        }
        let integral = value as i64;
        if integral as f64 == value {
            return self.integer(integral); // 2.0 and −0.0 are integers in the canonical profile.
        }
        if value.abs() > limits::JSON_INTEGER as f64 {
            return Err(EncodeError::Number);
        }
        self.head(tag::FLOAT, 0, 0, 8);
        self.bytes.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }
}
