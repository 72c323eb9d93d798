//! Writing JSON straight into a buffer, in the host's canonical profile.
//!
//! `serde_json` would write `null` for a number that is not finite, and `null` deletes; here it is an error.

mod members;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{Serialize, ser};
use vestibule_abi::limits::JSON_INTEGER;

use self::members::Members;

/// A value that cannot be written.
#[derive(Debug)]
pub(crate) struct Unwritable(String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Unwritable {}

impl ser::Error for Unwritable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Result<T = (), E = Unwritable> = core::result::Result<T, E>;

/// Writes one value.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T, into: &mut Vec<u8>) -> Result {
    value.serialize(Json(into))
}

/// Writes a string with its quotes. Stretches without an escape are copied as they are.
pub(crate) fn string(text: &str, into: &mut Vec<u8>) {
    into.reserve(text.len() + 2);
    into.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_bytes(rest));
        into.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else { break };
        escape(byte, into);
        rest = after;
    }
    into.push(b'"');
}

/// How many bytes at the start need no escape; eight are looked at together.
fn plain_bytes(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let has_special = |chunk: &[u8; 8]| {
        let word = u64::from_ne_bytes(*chunk);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        below(word, 0x20) | below(quote, 1) | below(backslash, 1) != 0
    };
    let (chunks, _) = text.as_chunks::<8>();
    let skipped = 8 * chunks.iter().take_while(|chunk| !has_special(chunk)).count();
    let is_special = |&byte: &u8| byte < b' ' || byte == b'"' || byte == b'\\';
    let rest = text.get(skipped..).unwrap_or_default();
    skipped + rest.iter().position(is_special).unwrap_or(rest.len())
}

#[cold]
fn escape(byte: u8, into: &mut Vec<u8>) {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
    match byte {
        b'"' | b'\\' => into.extend_from_slice(&[b'\\', byte]),
        b'\n' => into.extend_from_slice(b"\\n"),
        b'\r' => into.extend_from_slice(b"\\r"),
        b'\t' => into.extend_from_slice(b"\\t"),
        _ => into.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]),
    }
}

#[cold]
fn bad_number() -> Unwritable {
    ser::Error::custom("a number has to be finite and, if integral, within ±(2^53 − 1)")
}

struct Json<'b>(&'b mut Vec<u8>);

impl Json<'_> {
    fn text(self, text: &str) -> Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl<'b> ser::Serializer for Json<'b> {
    type Error = Unwritable;
    type Ok = ();
    type SerializeMap = Members<'b>;
    type SerializeSeq = Members<'b>;
    type SerializeStruct = Members<'b>;
    type SerializeStructVariant = Members<'b>;
    type SerializeTuple = Members<'b>;
    type SerializeTupleStruct = Members<'b>;
    type SerializeTupleVariant = Members<'b>;

    fn serialize_bool(self, value: bool) -> Result {
        self.text(if value { "true" } else { "false" })
    }

    fn serialize_i8(self, value: i8) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result {
        if value.unsigned_abs() > JSON_INTEGER.unsigned_abs() {
            return Err(bad_number());
        }
        if value < 0 {
            self.0.push(b'-');
        }
        let start = self.0.len();
        let mut left = value.unsigned_abs();
        loop {
            self.0.push(b'0' + (left % 10) as u8);
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.0.get_mut(start..).unwrap_or_default().reverse();
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result {
        self.serialize_i64(i64::try_from(value).map_err(|_| bad_number())?)
    }

    fn serialize_f32(self, value: f32) -> Result {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result {
        if value.is_finite() && value.abs() <= JSON_INTEGER as f64 && value as i64 as f64 == value {
            return self.serialize_i64(value as i64);
        }
        // Every double of that size and more is integral.
        if !value.is_finite() || value.abs() > JSON_INTEGER as f64 {
            return Err(bad_number());
        }
        // `Debug` takes an exponent for small numbers, where `Display` writes up to 300 zeros.
        self.text(&format!("{value:?}"))
    }

    fn serialize_char(self, value: char) -> Result {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result {
        string(value, self.0);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.text("null")
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        let mut outer = Members::open(self.0, b'{', "}");
        ser::SerializeStruct::serialize_field(&mut outer, variant, value)?;
        outer.close()
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Members<'b>> {
        Ok(Members::open(self.0, b'[', "]"))
    }

    fn serialize_tuple(self, _len: usize) -> Result<Members<'b>> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Members<'b>> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Members<'b>> {
        Ok(Members::open_variant(self.0, variant, b'[', "]}"))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Members<'b>> {
        Ok(Members::open(self.0, b'{', "}"))
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Members<'b>> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Members<'b>> {
        Ok(Members::open_variant(self.0, variant, b'{', "}}"))
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    enum Shape {
        Unit,
        Newtype(u8),
        Tuple(u8, u8),
        Struct { a: u8 },
    }

    #[track_caller]
    fn check<T: Serialize>(value: T) {
        let mut text = Vec::new();
        write(&value, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), serde_json::to_string(&value).unwrap());
    }

    #[test]
    fn it_writes_what_serde_json_writes() {
        check((true, false, None::<u8>, Some(1), (), 'x', "ü\u{7f}\u{1f}\"\\\n\r\t"));
        check((0, -1, i64::from(i32::MIN), JSON_INTEGER, -JSON_INTEGER, 255_u8));
        check((0.5, -12.25, 1e-7, 0.1 + 0.2));
        check((Shape::Unit, Shape::Newtype(1), Shape::Tuple(1, 2), Shape::Struct { a: 1 }));
        check((Vec::<u8>::new(), BTreeMap::<&str, u8>::new(), BTreeMap::from([("a", 1), ("b", 2)])));
        check(serde_json::json!({"a": [1, {"b": null}], "c": {}}));
    }

    #[test]
    fn an_escape_is_found_wherever_it_stands() {
        for special in ["\"", "\\", "\n", "\u{0}", "\u{1f}", " ", "!", "#", "[", "]", "\u{7f}", "ü", "\u{20ac}"] {
            for at in 0..20 {
                check(format!("{}{special}{}", "x".repeat(at), "y".repeat(19 - at)));
            }
        }
    }

    #[test]
    fn integral_doubles_become_integers() {
        let mut text = Vec::new();
        write(&(2.0, -0.0), &mut text).unwrap();
        assert_eq!(text, b"[2,0]");
    }

    #[test]
    fn what_the_profile_does_not_have_is_refused() {
        for number in [f64::NAN, f64::INFINITY, 1e300, 9_007_199_254_740_992.0] {
            assert!(write(&number, &mut Vec::new()).is_err(), "{number}");
        }
        assert!(write(&u64::MAX, &mut Vec::new()).is_err());
        assert!(write(&i64::MIN, &mut Vec::new()).is_err());
        assert!(write(&BTreeMap::from([(1, 1)]), &mut Vec::new()).is_err());
    }
}
