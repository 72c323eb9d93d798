//! An event of whatever origin: all of it is checked and encoded, in one pass of a deserialiser.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use vestibule_abi::document::Writer;

use super::{Intake, InvalidEvent, Part, Parts, USUAL_MEMBERS};
use crate::json::{Key, Node};

pub(super) fn of_text(text: &str) -> Result<Parts, InvalidEvent> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut intake = Intake::new(text.len());
    let read = Root(&mut intake).deserialize(&mut reader).and_then(|()| reader.end());
    read.map_err(|error| intake.explain(&error, true)).map(|()| intake.into_parts())
}

pub(super) fn of_tree(tree: &Value) -> Result<Parts, InvalidEvent> {
    let mut intake = Intake::new(0);
    let read = Root(&mut intake).deserialize(tree);
    read.map_err(|error| intake.explain(&error, false)).map(|()| intake.into_parts())
}

/// The event.
struct Root<'i, 't>(&'i mut Intake<'t>);

impl<'t> DeserializeSeed<'t> for Root<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Root<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<(), A::Error> {
        let Self(intake) = self;
        let (mut open, mut keys) = intake.pass.open_object()?;
        while let Some(key) = members.next_key_seed(Key(&intake.pass.refused))? {
            let part = intake.root(&key)?;
            Writer::count(&mut open);
            intake.pass.writer.key(&key);
            members.next_value_seed(PartOf { intake, part })?;
            intake.pass.note(&mut keys, key)?;
        }
        intake.pass.close_object(open, &keys)
    }
}

/// The members of one part of an event.
pub(super) struct PartOf<'i, 't> {
    pub(super) intake: &'i mut Intake<'t>,
    pub(super) part: Part,
}

impl<'t> DeserializeSeed<'t> for PartOf<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        self.intake.reading = Some(self.part);
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for PartOf<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.intake.absent(self.part)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { intake, part } = self;
        let mut places = Vec::with_capacity(USUAL_MEMBERS);
        let (mut open, mut keys) = intake.pass.open_object()?;
        while let Some(key) = members.next_key_seed(Key(&intake.pass.refused))? {
            if part.is_hosts_own(&key) {
                members.next_value::<IgnoredAny>()?;
            } else {
                let start = intake.pass.writer.position();
                Writer::count(&mut open);
                intake.pass.writer.key(&key);
                if let Some(part) = part.within(&key) {
                    members.next_value_seed(PartOf { intake, part })?;
                } else {
                    members.next_value_seed(Node(&mut intake.pass))?;
                    places.push(intake.written(part, &key, start)?);
                }
            }
            intake.pass.note(&mut keys, key)?;
        }
        *intake.places(part) = Some(places);
        intake.pass.close_object(open, &keys)
    }
}
