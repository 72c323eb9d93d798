//! Arrays and objects.

use alloc::vec::Vec;

use serde::{Serialize, ser};

use super::{Result, Unwritable, string, write};

/// An array or object that is being written.
pub(super) struct Members<'b> {
    into: &'b mut Vec<u8>,
    is_empty: bool,
    end: &'static str,
}

impl<'b> Members<'b> {
    pub(super) fn open(into: &'b mut Vec<u8>, bracket: u8, end: &'static str) -> Self {
        into.push(bracket);
        Self { into, is_empty: true, end }
    }

    pub(super) fn open_variant(into: &'b mut Vec<u8>, variant: &str, bracket: u8, end: &'static str) -> Self {
        into.push(b'{');
        string(variant, into);
        into.push(b':');
        Self::open(into, bracket, end)
    }

    fn comma(&mut self) {
        if !self.is_empty {
            self.into.push(b',');
        }
        self.is_empty = false;
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.comma();
        write(value, self.into)
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result {
        self.comma();
        string(name, self.into);
        self.into.push(b':');
        write(value, self.into)
    }

    pub(super) fn close(self) -> Result {
        self.into.extend_from_slice(self.end.as_bytes());
        Ok(())
    }
}

macro_rules! members {
    ($($kind:ident . $method:ident ( $($key:ident)? ) => $write:ident;)+) => {$(
        impl ser::$kind for Members<'_> {
            type Error = Unwritable;
            type Ok = ();

            fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Result {
                self.$write($($key,)? value)
            }

            fn end(self) -> Result {
                self.close()
            }
        }
    )+};
}

members! {
    SerializeSeq.serialize_element() => element;
    SerializeTuple.serialize_element() => element;
    SerializeTupleStruct.serialize_field() => element;
    SerializeTupleVariant.serialize_field() => element;
    SerializeStruct.serialize_field(name) => member;
    SerializeStructVariant.serialize_field(name) => member;
}

impl ser::SerializeMap for Members<'_> {
    type Error = Unwritable;
    type Ok = ();

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.comma();
        let start = self.into.len();
        write(key, self.into)?;
        // A key that was written with quotes is a string.
        match self.into.get(start) {
            Some(b'"') => Ok(()),
            _ => Err(ser::Error::custom("an object key has to be a string")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.into.push(b':');
        write(value, self.into)
    }

    fn end(self) -> Result {
        self.close()
    }
}
