//! The parser: serde_json's reader, with a visitor that sees what `Value`'s own forgives.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map::Entry};
use vestibule_abi::limits;

use super::{NotCanonical, Problem};

pub(super) fn document(bytes: &[u8], most_keys: usize) -> Result<Value, NotCanonical> {
    let text = text_of(bytes)?;
    let state = State { most_keys, keys_left: Cell::new(most_keys), refused: Refused::default() };
    let mut reader = serde_json::Deserializer::from_str(text);
    Node { state: &state, levels_left: limits::JSON_DEPTH }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| state.refused.explain(&error))
}

/// What a visitor of ours refused: serde carries only text.
#[derive(Default)]
pub(crate) struct Refused(Cell<Option<Problem>>);

impl Refused {
    pub(crate) fn is_told(&self) -> bool {
        let problem = self.0.take();
        let is_told = problem.is_some();
        self.0.set(problem);
        is_told
    }

    pub(super) fn because<E: Error>(&self, problem: Problem) -> E {
        self.0.set(Some(problem));
        E::custom("outside the canonical profile")
    }

    pub(super) fn unless_storable<E: Error>(&self, text: &str) -> Result<(), E> {
        if text.as_bytes().contains(&0) { Err(self.because(Problem::Nul)) } else { Ok(()) }
    }

    pub(crate) fn explain(&self, error: &serde_json::Error) -> NotCanonical {
        let problem = self.0.take().unwrap_or_else(|| {
            let message = error.to_string();
            let what = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _place)| what);
            Problem::Syntax(what.to_owned())
        });
        NotCanonical { problem, line: error.line(), column: error.column() }
    }
}

/// What all nodes of one document share.
struct State {
    most_keys: usize,
    keys_left: Cell<usize>,
    refused: Refused,
}

/// One value, with the levels that may still open below it.
#[derive(Clone, Copy)]
struct Node<'s> {
    state: &'s State,
    levels_left: usize,
}

impl<'s> Node<'s> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.levels_left.checked_sub(1) {
            Some(levels_left) => Ok(Self { state: self.state, levels_left }),
            None => Err(self.state.refused.because(Problem::Depth)),
        }
    }

    fn integer<E: Error>(self, number: i64) -> Result<Value, E> {
        if (-limits::JSON_INTEGER..=limits::JSON_INTEGER).contains(&number) {
            Ok(Value::from(number))
        } else {
            Err(self.state.refused.because(Problem::Number))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        self.integer(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        self.integer(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        if number.fract() == 0.0 {
            return self.integer(number as i64); // Saturates: what does not fit is outside the profile anyway.
        }
        if number.is_finite() { Ok(Value::from(number)) } else { Err(self.state.refused.because(Problem::Number)) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.state.refused.unless_storable(text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        self.state.refused.unless_storable(&text)?;
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let element = self.deeper()?;
        let mut array = Vec::new();
        while let Some(value) = elements.next_element_seed(element)? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let member = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.state.refused.unless_storable(&key)?;
            let Some(keys_left) = self.state.keys_left.get().checked_sub(1) else {
                return Err(self.state.refused.because(Problem::Keys(self.state.most_keys)));
            };
            self.state.keys_left.set(keys_left);
            match object.entry(key) {
                Entry::Vacant(place) => place.insert(members.next_value_seed(member)?),
                Entry::Occupied(place) => {
                    return Err(self.state.refused.because(Problem::DuplicateKey(place.key().clone())));
                }
            };
        }
        Ok(Value::Object(object))
    }
}

/// The text of a document.
pub(crate) fn text_of(bytes: &[u8]) -> Result<&str, NotCanonical> {
    std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))
}

fn not_utf8(bytes: &[u8], offset: usize) -> NotCanonical {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    NotCanonical { problem: Problem::NotUtf8, line, column }
}
