//! Reading: borrowed, without allocating, and without a panic whatever the bytes are.

mod deserialize;

use core::fmt;

use serde::ser::{self, Serialize};

pub use deserialize::DecodeError;

use super::{HEAD_BYTES, HEADER_BYTES, MAGIC, padded, tag};
use crate::{limits, symbols};

/// Levels below the root: no document of ours has more, and whoever recurses over one needs no bound of its own.
const LEVELS: u8 = limits::JSON_DEPTH as u8;

/// The bytes are not a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a document of form 1")
    }
}

impl core::error::Error for Malformed {}

/// A document: a header and its root node.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    root: Node<'a>,
}

impl<'a> Document<'a> {
    /// Checks the header and the bounds of the root node; inner nodes are checked when they are reached.
    ///
    /// # Errors
    /// [`Malformed`] when magic, total length or root do not fit the bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = bytes.get(..HEADER_BYTES).ok_or(Malformed)?;
        let total = read_u32(header, 8).ok_or(Malformed)? as usize;
        let root = read_u32(header, 12).ok_or(Malformed)? as usize;
        if header.get(..4) != Some(&MAGIC) || total != bytes.len() {
            return Err(Malformed);
        }
        let (root, _) = Node::split(bytes.get(root..).ok_or(Malformed)?, LEVELS).ok_or(Malformed)?;
        Ok(Self { root })
    }

    /// The value the document holds; for an event, the object `{user, context, configuration, shared}`.
    #[must_use]
    pub fn root(&self) -> Node<'a> {
        self.root
    }
}

/// A key to look up. By its text any key is found; by its id, a well-known one with the fewest instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'k> {
    /// A well-known key, by its id.
    Symbol(u16),
    /// Any key, by its text.
    Text(&'k str),
}

impl<'k> Key<'k> {
    /// The key for a text; `const`, so that `const EMAIL: Key = Key::of("email")` costs nothing when it runs.
    #[must_use]
    pub const fn of(text: &'k str) -> Self {
        match symbols::id_of(text) {
            Some(id) => Self::Symbol(id),
            None => Self::Text(text),
        }
    }

    /// The key's text, or `None` for an id this reader does not know.
    #[must_use]
    pub fn text(self) -> Option<&'k str> {
        match self {
            Self::Symbol(id) => symbols::name_of(id),
            Self::Text(text) => Some(text),
        }
    }
}

/// A text that is only known when it runs is compared with each key: to hash it first would cost more.
impl<'k> From<&'k str> for Key<'k> {
    fn from(text: &'k str) -> Self {
        Self::Text(text)
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind<'a> {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer within ±(2^53 − 1).
    Integer(i64),
    /// A number that is not integral.
    Float(f64),
    /// A string.
    String(&'a str),
    /// An array.
    Array(Array<'a>),
    /// An object.
    Object(Object<'a>),
}

/// What stands before the payload of a node.
#[derive(Clone, Copy)]
struct Head {
    tag: u8,
    aux: u16,
    len: usize,
}

impl Head {
    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let head = u64::from_le_bytes(*head);
        Some(Self { tag: head as u8, aux: (head >> 16) as u16, len: (head >> 32) as usize })
    }

    /// Whether this is the head of that key, whose payload `bytes` begin with. Its UTF-8 is not checked.
    #[inline]
    fn is_key(self, bytes: &[u8], key: Key<'_>) -> bool {
        match (key, self.tag) {
            (Key::Symbol(id), tag::SYMBOL) => self.aux == id,
            (Key::Text(text), tag::STRING) => self.len == text.len() && bytes.starts_with(text.as_bytes()),
            (Key::Text(text), tag::SYMBOL) => symbols::name_of(self.aux) == Some(text),
            _ => false,
        }
    }
}

/// One value in a document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node<'a> {
    tag: u8,
    /// Levels that may still open below.
    levels: u8,
    aux: u16,
    payload: &'a [u8],
}

impl<'a> Node<'a> {
    /// Takes the node at the start of `bytes`, and what follows it.
    fn split(bytes: &'a [u8], levels: u8) -> Option<(Self, &'a [u8])> {
        let Head { tag, aux, len } = Head::read(bytes)?;
        let rest = bytes.get(HEAD_BYTES..)?;
        let payload = rest.get(..len)?;
        // The last node of a document that was cut short still reads, if its payload is whole.
        let rest = rest.get(padded(len)..).unwrap_or_default();
        Some((Self { tag, levels, aux, payload }, rest))
    }

    /// What this node is; `None` for a tag or payload this reader does not know, and for an array or object that is
    /// nested deeper than [`limits::JSON_DEPTH`].
    #[must_use]
    pub fn kind(&self) -> Option<Kind<'a>> {
        Some(match self.tag {
            tag::NULL => Kind::Null,
            tag::FALSE => Kind::Bool(false),
            tag::TRUE => Kind::Bool(true),
            tag::INTEGER => Kind::Integer(i64::from_le_bytes(self.payload.try_into().ok()?)),
            tag::FLOAT => Kind::Float(f64::from_le_bytes(self.payload.try_into().ok()?)),
            tag::STRING => Kind::String(core::str::from_utf8(self.payload).ok()?),
            tag::ARRAY => Kind::Array(self.as_array()?),
            tag::OBJECT => Kind::Object(self.as_object()?),
            _ => return None,
        })
    }

    /// Whether both are the same place in the same bytes, not merely equal.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        core::ptr::eq(self.payload, other.payload)
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.tag == tag::NULL
    }

    /// The boolean, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind()? {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.kind()? {
            Kind::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// The number, integral or not.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self.kind()? {
            Kind::Integer(value) => Some(value as f64),
            Kind::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        match self.kind()? {
            Kind::String(value) => Some(value),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<Array<'a>> {
        let is_array = self.tag == tag::ARRAY;
        is_array.then_some(Array { levels: self.levels.checked_sub(1)?, size: self.aux, rest: self.payload })
    }

    /// The members, if it is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<Object<'a>> {
        let is_object = self.tag == tag::OBJECT;
        is_object.then_some(Object { levels: self.levels.checked_sub(1)?, size: self.aux, rest: self.payload })
    }

    /// The member of that name, if this is an object that has it.
    #[must_use]
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<Node<'a>> {
        self.as_object()?.get(key.into())
    }

    fn key(&self) -> Option<Key<'a>> {
        match self.tag {
            tag::SYMBOL => Some(Key::Symbol(self.aux)),
            tag::STRING => core::str::from_utf8(self.payload).ok().map(Key::Text),
            _ => None,
        }
    }
}

/// The elements of an array, in order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Array<'a> {
    levels: u8,
    size: u16,
    rest: &'a [u8],
}

impl<'a> Array<'a> {
    /// How many elements there are; at 65 535 this is a lower bound.
    #[must_use]
    pub fn size_hint(&self) -> usize {
        usize::from(self.size)
    }
}

impl<'a> Iterator for Array<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let (node, rest) = Node::split(self.rest, self.levels)?;
        self.rest = rest;
        Some(node)
    }
}

/// The members of an object, in insertion order; those with a key this reader does not know are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Object<'a> {
    levels: u8,
    size: u16,
    rest: &'a [u8],
}

impl<'a> Object<'a> {
    /// How many members there are; at 65 535 this is a lower bound.
    #[must_use]
    pub fn size_hint(&self) -> usize {
        usize::from(self.size)
    }

    /// The member of that name.
    #[must_use]
    pub fn get(&self, key: Key<'_>) -> Option<Node<'a>> {
        let mut rest = self.rest;
        loop {
            // This loop is most of what reading costs, so it looks at nothing but tags, ids and lengths.
            let name = Head::read(rest)?;
            let name_and_value = rest.get(HEAD_BYTES..)?;
            let value = name_and_value.get(padded(name.len)..)?;
            if name.is_key(name_and_value, key) {
                return Node::split(value, self.levels).map(|(node, _)| node);
            }
            let after_head = value.get(HEAD_BYTES..)?;
            rest = after_head.get(padded(Head::read(value)?.len)..)?;
        }
    }

    /// The members that a [`Writer::piece`](super::Writer::piece) wrote one after the other, `depth` levels deep; how
    /// many there are is not known.
    #[must_use]
    pub fn of_piece(piece: &'a [u8], depth: usize) -> Self {
        let levels = limits::JSON_DEPTH.saturating_sub(depth) as u8;
        Self { levels, size: 0, rest: piece }
    }

    fn split_member(&mut self) -> Option<(Node<'a>, Node<'a>)> {
        let (name, rest) = Node::split(self.rest, self.levels)?;
        let (value, rest) = Node::split(rest, self.levels)?;
        self.rest = rest;
        Some((name, value))
    }
}

impl<'a> Iterator for Object<'a> {
    type Item = (&'a str, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (name, value) = self.split_member()?;
            if let Some(key) = name.key().and_then(Key::text) {
                return Some((key, value));
            }
        }
    }
}

/// A node serialises to the value it holds.
impl Serialize for Node<'_> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.kind() {
            None => Err(ser::Error::custom(Malformed)),
            Some(Kind::Null) => serializer.serialize_unit(),
            Some(Kind::Bool(value)) => serializer.serialize_bool(value),
            Some(Kind::Integer(value)) => serializer.serialize_i64(value),
            Some(Kind::Float(value)) => serializer.serialize_f64(value),
            Some(Kind::String(value)) => serializer.serialize_str(value),
            Some(Kind::Array(elements)) => serializer.collect_seq(elements),
            Some(Kind::Object(members)) => serializer.collect_map(members),
        }
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let (word, _) = bytes.get(at..)?.split_first_chunk::<4>()?;
    Some(u32::from_le_bytes(*word))
}
