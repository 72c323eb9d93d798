//! The writer: the one text of a value, for storage, size limits and people.

use std::io;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;
use vestibule_abi::{document::Node, limits};

/// Writes the canonical text: no spaces, keys in their order, integral doubles as integers, shortest doubles.
#[must_use]
pub fn to_text(value: &Value) -> String {
    let mut text = Vec::new();
    write(value, &mut text);
    // serde_json writes UTF-8; a replacement character could only stand for a fault of it.
    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The bytes [`to_text`] would write, without writing them.
#[must_use]
pub fn text_len(value: &Value) -> usize {
    let mut count = Count(0);
    write(value, &mut count);
    count.0
}

fn write(value: &Value, into: impl io::Write) {
    // A `Value` has only string keys and both writers take everything, so there is nothing that could fail.
    let written = serde_json::to_writer(into, &Canonical(value));
    debug_assert!(written.is_ok(), "{written:?}");
}

struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value as the profile writes it.
struct Canonical<'v>(&'v Value);

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) => match number.as_f64() {
                Some(double) if number.is_f64() && double.fract() == 0.0 && fits(double) => {
                    serializer.serialize_i64(double as i64)
                }
                _ => number.serialize(serializer),
            },
            Value::Array(elements) => {
                let mut array = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    array.serialize_element(&Self(element))?;
                }
                array.end()
            }
            Value::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    object.serialize_entry(key, &Self(value))?;
                }
                object.end()
            }
            Value::Null | Value::Bool(_) | Value::String(_) => self.0.serialize(serializer),
        }
    }
}

fn fits(double: f64) -> bool {
    double.abs() <= limits::JSON_INTEGER as f64
}

/// As [`text_len`], of an object key.
pub(crate) fn key_text_len(key: &str) -> usize {
    len_as_it_is(key)
}

/// As [`text_len`], of a node of a document: its numbers are canonical already.
pub(crate) fn node_text_len(node: Node<'_>) -> usize {
    len_as_it_is(&node)
}

fn len_as_it_is(value: &(impl Serialize + ?Sized)) -> usize {
    let mut count = Count(0);
    let written = serde_json::to_writer(&mut count, value);
    debug_assert!(written.is_ok(), "{written:?}");
    count.0
}
