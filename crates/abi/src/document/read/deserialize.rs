//! How a [`Node`] is a deserializer: any serde type can be read from one.

use alloc::string::String;
use core::fmt;

use serde::{
    de::{self, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use super::{Array, Kind, Malformed, Node, Object};

/// A document did not have the shape a type asked for: `user.app_metadata.plan: expected a string, found null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    path: String,
    message: String,
}

impl DecodeError {
    /// Adds what it happened in: a key, or a path. Only errors pay for this, as it is built on the way out.
    #[cold]
    #[must_use]
    pub fn inside(mut self, outer: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = alloc::format!("{outer}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl core::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: String::new(), message: alloc::format!("{message}") }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Unit => "null",
            de::Unexpected::Bool(_) => "a boolean",
            de::Unexpected::Signed(_) | de::Unexpected::Unsigned(_) => "an integer",
            de::Unexpected::Float(_) => "a number that is not integral",
            de::Unexpected::Str(_) => "a string",
            de::Unexpected::Seq => "an array",
            de::Unexpected::Map => "an object",
            _ => "something else",
        };
        // How serde borrows is no business of a rule's author.
        let expected = alloc::format!("{expected}").replace("a borrowed string", "a string");
        Self::custom(format_args!("expected {expected}, found {found}"))
    }
}

/// Any serde type can be read from a node: fields it does not name are skipped in one step, and `&str` borrows.
impl<'de> de::Deserializer<'de> for Node<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.kind() {
            None => Err(de::Error::custom(Malformed)),
            Some(Kind::Null) => visitor.visit_unit(),
            Some(Kind::Bool(value)) => visitor.visit_bool(value),
            Some(Kind::Integer(value)) => visitor.visit_i64(value),
            Some(Kind::Float(value)) => visitor.visit_f64(value),
            Some(Kind::String(value)) => visitor.visit_borrowed_str(value),
            Some(Kind::Array(elements)) => visitor.visit_seq(Elements { elements, index: 0 }),
            Some(Kind::Object(members)) => visitor.visit_map(Members { members, member: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.kind() {
            Some(Kind::String(variant)) => visitor.visit_enum(variant.into_deserializer()),
            Some(Kind::Object(members)) => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(Members { members, member: None }))
            }
            _ => Err(de::Error::custom("expected the name of a variant")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

impl<'de> IntoDeserializer<'de, DecodeError> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Elements<'de> {
    elements: Array<'de>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some(element) = self.elements.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(element).map(Some).map_err(|error| error.inside(&alloc::format!("[{index}]")))
    }
}

struct Members<'de> {
    members: Object<'de>,
    member: Option<(&'de str, Node<'de>)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.member = self.members.next();
        let Some((name, _)) = self.member else { return Ok(None) };
        seed.deserialize(de::value::BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        let (name, value) =
            self.member.take().ok_or_else(|| DecodeError::custom("a value was asked for before its key"))?;
        seed.deserialize(value).map_err(|error| error.inside(name))
    }
}
