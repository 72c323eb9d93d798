//! An event of the host's own: what rules of the pipeline read is encoded, the rest is skimmed.

use std::borrow::Cow;

use serde::de::{DeserializeSeed as _, Error as _};
use serde_json::{Deserializer, Error};
use vestibule_abi::document::Writer;

use super::{Intake, InvalidEvent, Part, Parts, USUAL_MEMBERS, not_canonical, whole::PartOf};
use crate::{
    json::{NoJson, Node, Skim},
    manifest::ReadTree,
};

/// One part in so many of an event is likely to be read.
const LIKELY_READ: usize = 4;

pub(super) fn of_text(text: &str, reads: &ReadTree) -> Result<Parts, InvalidEvent> {
    let mut intake = Intake::new(text.len() / LIKELY_READ);
    intake.parts.came.unread.reserve(text.len());
    let mut narrow = Narrow { skim: Skim::of(text), intake };
    let read = narrow.root(reads).and_then(|()| narrow.end());
    read.map_err(|error| narrow.intake.explain(&error, false)).map(|()| narrow.intake.into_parts())
}

struct Narrow<'t> {
    skim: Skim<'t>,
    intake: Intake<'t>,
}

impl<'t> Narrow<'t> {
    fn root(&mut self, reads: &ReadTree) -> Result<(), Error> {
        if !self.skim.enter_object() {
            self.value()?;
            return Err(self.intake.refuse(InvalidEvent::NoObject));
        }
        let (mut open, mut keys) = self.intake.pass.open_object()?;
        while let Some(key) = self.key()? {
            let part = self.intake.root(&key)?;
            Writer::count(&mut open);
            self.intake.pass.writer.key(&key);
            self.part(part, reads.part(&key))?;
            self.intake.pass.note(&mut keys, key)?;
        }
        self.intake.pass.close_object(open, &keys)
    }

    /// The members of one part, of which so much is read.
    fn part(&mut self, part: Part, reads: Option<&ReadTree>) -> Result<(), Error> {
        self.intake.reading = Some(part);
        if reads.is_some_and(|reads| reads.whole) {
            let mut reader = Deserializer::from_str(self.value()?);
            PartOf { intake: &mut self.intake, part }.deserialize(&mut reader)?;
            return reader.end();
        }
        if !self.skim.enter_object() {
            return match self.value()? {
                "null" => self.intake.absent(part),
                _ => Err(self.intake.refuse(InvalidEvent::WrongType(part.name()))),
            };
        }
        let mut places = Vec::with_capacity(USUAL_MEMBERS);
        let (mut open, mut keys) = self.intake.pass.open_object()?;
        while let Some(key) = self.key()? {
            let read = reads.and_then(|reads| reads.part(&key));
            if part.is_hosts_own(&key) {
                self.value()?;
            } else if let Some(part) = part.within(&key) {
                Writer::count(&mut open);
                self.intake.pass.writer.key(&key);
                self.part(part, read)?;
            } else if read.is_some() || part.is_always_encoded(&key) {
                let start = self.intake.pass.writer.position();
                Writer::count(&mut open);
                self.intake.pass.writer.key(&key);
                let mut reader = Deserializer::from_str(self.value()?);
                Node(&mut self.intake.pass).deserialize(&mut reader)?;
                reader.end()?;
                places.push(self.intake.written(part, &key, start)?);
            } else if part.is_dropped_unread(&key) {
                self.value()?;
            } else {
                let value = self.value()?;
                let place = self.intake.parts.came.keep_text(&key, value);
                places.push(self.intake.pass.said(place)?);
            }
            self.intake.pass.note(&mut keys, key)?;
        }
        *self.intake.places(part) = Some(places);
        self.intake.pass.close_object(open, &keys)
    }

    fn key(&mut self) -> Result<Option<Cow<'t, str>>, Error> {
        let key = self.skim.key(&self.intake.pass.refused);
        key.map_err(|error| self.no_json(error))
    }

    fn value(&mut self) -> Result<&'t str, Error> {
        self.skim.value().map_err(|error| self.no_json(error))
    }

    fn end(&mut self) -> Result<(), Error> {
        self.skim.end().map_err(|error| self.no_json(error))
    }

    /// As it is, unless what was wrong with a key is known already.
    fn no_json(&mut self, error: NoJson) -> Error {
        if self.intake.pass.refused.is_told() {
            return Error::custom(error);
        }
        self.intake.refuse(not_canonical(error))
    }
}
