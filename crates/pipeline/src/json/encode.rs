//! From text to an event document in one pass, without a tree between: each value is checked as it is written.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::HashSet,
    fmt::{self, Display},
};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use vestibule_abi::document::{EncodeError, Writer};

use super::{
    NotCanonical, Problem,
    parse::{Refused, text_of},
};

/// A text's bytes become at most about that many of its document; more only costs moving it.
const BYTES_PER_TEXT: usize = 2;

/// Keys of one object that are compared one by one before a set is worth its price.
const FEW_KEYS: usize = 32;

pub(super) fn document(bytes: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    let text = text_of(bytes)?;
    let state = State::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut writer = Writer::document_into(Vec::with_capacity(text.len() * BYTES_PER_TEXT));
    Node { state: &state, writer: &mut writer }
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .and_then(|()| writer.finish().map_err(|error| state.refuse(error)))
        .map_err(|error| state.refused.explain(&error))
}

/// What all nodes of one document share.
#[derive(Default)]
struct State<'t> {
    refused: Refused,
    /// The keys so far of all objects that are open, the innermost last.
    keys: RefCell<Vec<Cow<'t, str>>>,
}

impl State<'_> {
    fn refuse<E: Error>(&self, error: EncodeError) -> E {
        self.refused.because(match error {
            EncodeError::Number => Problem::Number,
            EncodeError::Depth => Problem::Depth,
            EncodeError::TooLarge | EncodeError::Key | EncodeError::Other(_) => Problem::Syntax(error.to_string()),
        })
    }
}

/// One value, on its way into the document.
struct Node<'s, 't> {
    state: &'s State<'t>,
    writer: &'s mut Writer,
}

impl<'t> Node<'_, 't> {
    fn write<E: Error>(self, value: &(impl serde::Serialize + ?Sized)) -> Result<(), E> {
        self.writer.value(value).map_err(|error| self.state.refuse(error))
    }

    fn inner(&mut self) -> Node<'_, 't> {
        Node { state: self.state, writer: self.writer }
    }
}

impl<'t> DeserializeSeed<'t> for Node<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Node<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.write(&())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.write(&number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.write(&number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.write(&number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.state.refused.unless_storable(text)?;
        self.write(text)
    }

    fn visit_seq<A: SeqAccess<'t>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let mut open = self.writer.open_array().map_err(|error| self.state.refuse(error))?;
        while elements.next_element_seed(self.inner())?.is_some() {
            Writer::count(&mut open);
        }
        self.writer.close(open).map_err(|error| self.state.refuse(error))
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut open = self.writer.open_object().map_err(|error| self.state.refuse(error))?;
        let mut keys = Keys::within(self.state);
        while let Some(key) = members.next_key_seed(Key)? {
            self.state.refused.unless_storable(&key)?;
            Writer::count(&mut open);
            self.writer.key(&key);
            keys.add(key)?;
            members.next_value_seed(self.inner())?;
        }
        self.writer.close(open).map_err(|error| self.state.refuse(error))
    }
}

/// The keys of one object.
struct Keys<'s, 't> {
    state: &'s State<'t>,
    /// Where they begin among the keys of all open objects.
    first: usize,
    /// All of them, once they are many.
    many: HashSet<Cow<'t, str>>,
}

impl<'s, 't> Keys<'s, 't> {
    fn within(state: &'s State<'t>) -> Self {
        Self { state, first: state.keys.borrow().len(), many: HashSet::new() }
    }

    fn add<E: Error>(&mut self, key: Cow<'t, str>) -> Result<(), E> {
        let mut open = self.state.keys.borrow_mut();
        let few = open.get(self.first..).unwrap_or_default();
        if few.contains(&key) || self.many.contains(&key) {
            return Err(self.state.refused.because(Problem::DuplicateKey(key.into_owned())));
        }
        if few.len() < FEW_KEYS {
            open.push(key);
        } else {
            self.many.insert(key);
        }
        Ok(())
    }
}

impl Drop for Keys<'_, '_> {
    fn drop(&mut self) {
        self.state.keys.borrow_mut().truncate(self.first);
    }
}

/// A key, borrowed from the text where it holds no escapes.
struct Key;

impl<'t> DeserializeSeed<'t> for Key {
    type Value = Cow<'t, str>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Key {
    type Value = Cow<'t, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        "a key".fmt(f)
    }

    fn visit_borrowed_str<E: Error>(self, key: &'t str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
