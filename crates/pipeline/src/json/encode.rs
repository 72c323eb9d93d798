//! From text to an event document in one pass, without a tree between: each value is checked as it is written.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use vestibule_abi::{
    document::{EncodeError, Open, Writer},
    symbols::print_of,
};

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
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut pass = Pass {
        writer: Writer::document_into(Vec::with_capacity(text.len() * BYTES_PER_TEXT)),
        keys: Vec::with_capacity(FEW_KEYS),
        refused: Refused::default(),
    };
    let read = Node(&mut pass).deserialize(&mut reader).and_then(|()| reader.end());
    let Pass { writer, refused, .. } = pass;
    read.and_then(|()| writer.finish().map_err(|error| refuse(&refused, error)))
        .map_err(|error| refused.explain(&error))
}

/// One pass over a text.
struct Pass<'t> {
    writer: Writer,
    /// The keys so far of all objects that are open, each with its print, the innermost object's last.
    keys: Vec<(u64, Cow<'t, str>)>,
    refused: Refused,
}

fn refuse<E: Error>(refused: &Refused, error: EncodeError) -> E {
    refused.because(match error {
        EncodeError::Number => Problem::Number,
        EncodeError::Depth => Problem::Depth,
        EncodeError::TooLarge | EncodeError::Key | EncodeError::Other(_) => Problem::Syntax(error.to_string()),
    })
}

impl Pass<'_> {
    fn write<E: Error>(&mut self, value: &(impl serde::Serialize + ?Sized)) -> Result<(), E> {
        self.writer.value(value).map_err(|error| refuse(&self.refused, error))
    }

    fn opened<E: Error>(&self, open: Result<Open, EncodeError>) -> Result<Open, E> {
        open.map_err(|error| refuse(&self.refused, error))
    }

    fn close<E: Error>(&mut self, open: Open) -> Result<(), E> {
        self.writer.close(open).map_err(|error| refuse(&self.refused, error))
    }
}

/// One value, on its way into the document.
struct Node<'p, 't>(&'p mut Pass<'t>);

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
        self.0.write(&())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.write(&value)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.0.write(&number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.0.write(&number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.0.write(&number)
    }

    /// A text as it stands there: without escapes, and so without NUL, which stands nowhere unescaped.
    fn visit_borrowed_str<E: Error>(self, text: &'t str) -> Result<(), E> {
        self.0.write(text)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.refused.unless_storable(text)?;
        self.0.write(text)
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut elements: A) -> Result<(), A::Error> {
        let Self(pass) = self;
        let opened = pass.writer.open_array();
        let mut open = pass.opened(opened)?;
        while elements.next_element_seed(Node(pass))?.is_some() {
            Writer::count(&mut open);
        }
        pass.close(open)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<(), A::Error> {
        let Self(pass) = self;
        let opened = pass.writer.open_object();
        let mut open = pass.opened(opened)?;
        let mut keys = Keys { first: pass.keys.len(), many: None };
        while members.next_key_seed(Key { pass, keys: &mut keys })?.is_some() {
            Writer::count(&mut open);
            members.next_value_seed(Node(pass))?;
        }
        pass.keys.truncate(keys.first);
        pass.close(open)
    }
}

/// The keys of one object.
struct Keys<'t> {
    /// Where they begin among the keys of all open objects.
    first: usize,
    /// Those beyond the first few. A set that no choice of keys makes slow.
    many: Option<HashSet<Cow<'t, str>>>,
}

/// A key, on its way into the document; borrowed from the text where it holds no escapes.
struct Key<'p, 't> {
    pass: &'p mut Pass<'t>,
    keys: &'p mut Keys<'t>,
}

impl<'t> Key<'_, 't> {
    fn write<E: Error>(self, key: Cow<'t, str>) -> Result<(), E> {
        let Self { pass, keys } = self;
        pass.writer.key(&key);
        let print = print_of(&key);
        let few = pass.keys.get(keys.first..).unwrap_or_default();
        let is_few = few.iter().any(|(known, text)| *known == print && *text == key);
        if is_few || keys.many.as_ref().is_some_and(|many| many.contains(&key)) {
            return Err(pass.refused.because(Problem::DuplicateKey(key.into_owned())));
        }
        if few.len() < FEW_KEYS {
            pass.keys.push((print, key));
        } else {
            keys.many.get_or_insert_default().insert(key);
        }
        Ok(())
    }
}

impl<'t> DeserializeSeed<'t> for Key<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Key<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    /// Without escapes, and so without NUL.
    fn visit_borrowed_str<E: Error>(self, key: &'t str) -> Result<(), E> {
        self.write(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        self.pass.refused.unless_storable(key)?;
        self.write(Cow::Owned(key.to_owned()))
    }
}
