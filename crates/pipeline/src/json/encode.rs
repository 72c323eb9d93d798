//! From what a deserialiser reads to an event document in one pass, without a tree between: each value is checked as it
//! is written.

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

pub(super) fn document(bytes: &[u8], most_keys: usize) -> Result<Vec<u8>, NotCanonical> {
    let text = text_of(bytes)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut pass = Pass { most_keys, ..Pass::of_text(text.len()) };
    let read = Node(&mut pass).deserialize(&mut reader).and_then(|()| reader.end());
    let Pass { writer, refused, .. } = pass;
    read.and_then(|()| writer.finish().map_err(|error| refuse(&refused, error)))
        .map_err(|error| refused.explain(&error))
}

/// One pass over what a deserialiser reads.
pub(crate) struct Pass<'t> {
    pub(crate) writer: Writer,
    /// The keys so far of all objects that are open, each with its print, the innermost object's last.
    keys: Vec<(u64, Cow<'t, str>)>,
    /// Members seen so far, of all objects, and how many there may be.
    members: usize,
    most_keys: usize,
    pub(crate) refused: Refused,
}

/// The keys of one object.
pub(crate) struct Keys<'t> {
    /// Where they begin among the keys of all open objects.
    first: usize,
    /// Those beyond the first few. A set that no choice of keys makes slow.
    many: Option<HashSet<Cow<'t, str>>>,
}

fn refuse<E: Error>(refused: &Refused, error: EncodeError) -> E {
    refused.because(match error {
        EncodeError::Number => Problem::Number,
        EncodeError::Depth => Problem::Depth,
        EncodeError::TooLarge | EncodeError::Key | EncodeError::Other(_) => Problem::Syntax(error.to_string()),
    })
}

impl<'t> Pass<'t> {
    /// A pass over a text of so many bytes.
    pub(crate) fn of_text(bytes: usize) -> Self {
        Self {
            writer: Writer::document_into(Vec::with_capacity(bytes * BYTES_PER_TEXT)),
            keys: Vec::with_capacity(FEW_KEYS),
            members: 0,
            most_keys: usize::MAX,
            refused: Refused::default(),
        }
    }

    /// What the writer said, as the deserialiser's error.
    pub(crate) fn said<T, E: Error>(&self, result: Result<T, EncodeError>) -> Result<T, E> {
        result.map_err(|error| refuse(&self.refused, error))
    }

    pub(crate) fn open_object<E: Error>(&mut self) -> Result<(Open, Keys<'t>), E> {
        let open = self.writer.open_object();
        Ok((self.said(open)?, Keys { first: self.keys.len(), many: None }))
    }

    pub(crate) fn close_object<E: Error>(&mut self, open: Open, keys: &Keys<'t>) -> Result<(), E> {
        self.keys.truncate(keys.first);
        let closed = self.writer.close(open);
        self.said(closed)
    }

    /// Notes a key of an object, which has none like it.
    pub(crate) fn note<E: Error>(&mut self, keys: &mut Keys<'t>, key: Cow<'t, str>) -> Result<(), E> {
        self.members += 1;
        if self.members > self.most_keys {
            return Err(self.refused.because(Problem::Keys(self.most_keys)));
        }
        let print = print_of(&key);
        let few = self.keys.get(keys.first..).unwrap_or_default();
        let is_few = few.iter().any(|(known, text)| *known == print && *text == key);
        if is_few || keys.many.as_ref().is_some_and(|many| many.contains(&key)) {
            return Err(self.refused.because(Problem::DuplicateKey(key.into_owned())));
        }
        if few.len() < FEW_KEYS {
            self.keys.push((print, key));
        } else {
            keys.many.get_or_insert_default().insert(key);
        }
        Ok(())
    }

    fn write<E: Error>(&mut self, value: &(impl serde::Serialize + ?Sized)) -> Result<(), E> {
        let written = self.writer.value(value);
        self.said(written)
    }
}

/// One value, on its way into the document.
pub(crate) struct Node<'p, 't>(pub(crate) &'p mut Pass<'t>);

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
        let open = pass.writer.open_array();
        let mut open = pass.said(open)?;
        while elements.next_element_seed(Node(pass))?.is_some() {
            Writer::count(&mut open);
        }
        let closed = pass.writer.close(open);
        pass.said(closed)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<(), A::Error> {
        let Self(pass) = self;
        let (mut open, mut keys) = pass.open_object()?;
        while let Some(key) = members.next_key_seed(Key(&pass.refused))? {
            Writer::count(&mut open);
            pass.writer.key(&key);
            pass.note(&mut keys, key)?;
            members.next_value_seed(Node(pass))?;
        }
        pass.close_object(open, &keys)
    }
}

/// A key; borrowed from the text where it holds no escapes.
pub(crate) struct Key<'p>(pub(crate) &'p Refused);

impl<'t> DeserializeSeed<'t> for Key<'_> {
    type Value = Cow<'t, str>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Cow<'t, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Key<'_> {
    type Value = Cow<'t, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    /// Without escapes, and so without NUL.
    fn visit_borrowed_str<E: Error>(self, key: &'t str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Cow<'t, str>, E> {
        self.0.unless_storable(key)?;
        Ok(Cow::Owned(key.to_owned()))
    }
}
