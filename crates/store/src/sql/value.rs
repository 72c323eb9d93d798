//! The four kinds of values that both databases store alike, going in and coming out.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Map;
use sha2::{Digest as _, Sha256};

use crate::{
    ClientId, ConnectionName, FactorId, FamilyId, GenerationNumber, LoginId, NodeId, Result, RevisionDigest, SessionId,
    StoreError, TenantId, Timestamp, TokenDigest, UserId, Version,
};

/// A value in a statement or a row. An absent one knows its kind, because PostgreSQL asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Int(Option<i64>),
    Bool(bool),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// The arguments of a statement, in the order of its placeholders.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::value::Value::from($value)),*] };
}
pub(crate) use args;

/// A document, as the text that is stored.
pub(crate) fn json(document: &impl Serialize) -> Result<String> {
    serde_json::to_string(document).map_err(StoreError::Document)
}

/// A document that may be absent.
pub(crate) fn json_or_none(document: Option<&impl Serialize>) -> Result<Option<String>> {
    document.map(json).transpose()
}

/// The SHA-256 of values, each with its kind and length, so that no two sequences have the same text.
pub(crate) fn digest_of<'v>(values: impl IntoIterator<Item = &'v Value>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for value in values {
        value.feed(&mut hash);
    }
    hash.finalize().into()
}

impl Value {
    /// That no text among them has a NUL in it: every statement of both databases passes here.
    pub(crate) fn check(values: &[Self]) -> Result<()> {
        let has_nul = |value: &Self| matches!(value, Self::Text(Some(text)) if text.contains('\0'));
        if values.iter().any(has_nul) { Err(StoreError::Nul) } else { Ok(()) }
    }

    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self, Self::Int(None) | Self::Text(None) | Self::Bytes(None))
    }

    /// Feeds kind, length and content. A truth value counts as the number that SQLite makes of it.
    pub(crate) fn feed(&self, hash: &mut Sha256) {
        let mut bytes = |kind: u8, content: &[u8]| {
            hash.update([kind]);
            hash.update((content.len() as u64).to_be_bytes());
            hash.update(content);
        };
        match self {
            Self::Int(None) | Self::Text(None) | Self::Bytes(None) => bytes(b'-', &[]),
            Self::Int(Some(number)) => bytes(b'i', &number.to_be_bytes()),
            Self::Bool(truth) => bytes(b'i', &i64::from(*truth).to_be_bytes()),
            Self::Text(Some(text)) => bytes(b't', text.as_bytes()),
            Self::Bytes(Some(content)) => bytes(b'b', content),
        }
    }
}

/// A row, read from left to right: each [`Row::next`] is the next column.
#[derive(Debug)]
pub(crate) struct Row {
    cells: std::vec::IntoIter<Value>,
    position: usize,
}

impl Row {
    pub(crate) fn new(cells: Vec<Value>) -> Self {
        Self { cells: cells.into_iter(), position: 0 }
    }

    /// The next column, as whatever it is to become.
    pub(crate) fn next<T: Column>(&mut self) -> Result<T> {
        self.position += 1;
        let undecodable = StoreError::Undecodable { column: self.position, wanted: std::any::type_name::<T>() };
        self.cells.next().and_then(T::of).ok_or(undecodable)
    }

    /// The next column, a document.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        serde_json::from_str(&self.next::<String>()?).map_err(StoreError::Document)
    }

    /// The next column, a document that may be absent.
    pub(crate) fn json_or_none<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let text: Option<String> = self.next()?;
        text.map(|text| serde_json::from_str(&text).map_err(StoreError::Document)).transpose()
    }

    /// What is left.
    pub(crate) fn rest(&mut self) -> Vec<Value> {
        self.cells.by_ref().collect()
    }
}

/// What a row can be read as.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &mut Row) -> Result<Self>;
}

/// What a column can be read as.
pub(crate) trait Column: Sized {
    fn of(value: Value) -> Option<Self>;
}

impl<T: Column> FromRow for (T,) {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok((row.next()?,))
    }
}

impl<A: Column, B: Column> FromRow for (A, B) {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok((row.next()?, row.next()?))
    }
}

impl<A: Column, B: Column, C: Column> FromRow for (A, B, C) {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok((row.next()?, row.next()?, row.next()?))
    }
}

impl Column for i64 {
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Int(number) => number,
            _ => None,
        }
    }
}

impl Column for u32 {
    fn of(value: Value) -> Option<Self> {
        i64::of(value).and_then(|number| Self::try_from(number).ok())
    }
}

impl Column for bool {
    /// SQLite has numbers for truth values.
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Bool(truth) => Some(truth),
            Value::Int(Some(0)) => Some(false),
            Value::Int(Some(1)) => Some(true),
            _ => None,
        }
    }
}

impl Column for String {
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => text,
            _ => None,
        }
    }
}

impl Column for Vec<u8> {
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => bytes,
            _ => None,
        }
    }
}

impl Column for [u8; 32] {
    fn of(value: Value) -> Option<Self> {
        Vec::<u8>::of(value).and_then(|bytes| bytes.try_into().ok())
    }
}

impl Column for TokenDigest {
    fn of(value: Value) -> Option<Self> {
        <[u8; 32]>::of(value).map(Self)
    }
}

impl<T: Column> Column for Option<T> {
    fn of(value: Value) -> Option<Self> {
        if value.is_absent() { Some(None) } else { T::of(value).map(Some) }
    }
}

macro_rules! numbers {
    ($($name:ident)*) => {$(
        impl Column for $name {
            fn of(value: Value) -> Option<Self> {
                i64::of(value).map(Self)
            }
        }
        impl From<$name> for Value {
            fn from(number: $name) -> Self {
                Self::Int(Some(number.0))
            }
        }
        impl From<Option<$name>> for Value {
            fn from(number: Option<$name>) -> Self {
                Self::Int(number.map(|number| number.0))
            }
        }
    )*};
}
numbers!(Timestamp Version GenerationNumber);

macro_rules! names {
    ($($name:ident)*) => {$(
        impl Column for $name {
            fn of(value: Value) -> Option<Self> {
                String::of(value).map(Self::from)
            }
        }
        impl From<&$name> for Value {
            fn from(name: &$name) -> Self {
                Self::Text(Some(name.as_str().to_owned()))
            }
        }
        impl From<Option<&$name>> for Value {
            fn from(name: Option<&$name>) -> Self {
                Self::Text(name.map(|name| name.as_str().to_owned()))
            }
        }
    )*};
}
names!(ClientId ConnectionName FactorId FamilyId LoginId NodeId RevisionDigest SessionId TenantId UserId);

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(Some(i64::from(number)))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Some(bytes.to_vec()))
    }
}

impl From<Option<&[u8]>> for Value {
    fn from(bytes: Option<&[u8]>) -> Self {
        Self::Bytes(bytes.map(<[u8]>::to_vec))
    }
}

impl From<[u8; 32]> for Value {
    fn from(digest: [u8; 32]) -> Self {
        Self::Bytes(Some(digest.to_vec()))
    }
}

impl From<&TokenDigest> for Value {
    fn from(digest: &TokenDigest) -> Self {
        Self::from(digest.0)
    }
}

impl From<Option<&TokenDigest>> for Value {
    fn from(digest: Option<&TokenDigest>) -> Self {
        Self::Bytes(digest.map(|digest| digest.0.to_vec()))
    }
}

/// The document type of most columns.
pub(crate) type Object = Map<String, serde_json::Value>;
