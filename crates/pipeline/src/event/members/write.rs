//! How members are written into an event: those that are read, and of each what is read.

use std::borrow::Cow;

use vestibule_abi::document::{EncodeError, Kind, Node, Object, Open, Writer};

use super::{Members, Origin, Place};
use crate::manifest::{EVERYTHING, ReadTree};

impl Members {
    /// Writes what is read into an open object, and tells how many bytes had to be encoded for it.
    pub(crate) fn write(&self, writer: &mut Writer, open: &mut Open, reads: &ReadTree) -> Result<usize, EncodeError> {
        self.write_except(&[], writer, open, reads)
    }

    /// As [`Members::write`], without some keys.
    pub(crate) fn write_except(
        &self,
        except: &[&str],
        writer: &mut Writer,
        open: &mut Open,
        reads: &ReadTree,
    ) -> Result<usize, EncodeError> {
        if reads.whole && except.is_empty() {
            return self.write_all(writer, open);
        }
        let mut encoded = 0;
        for place in self.live() {
            let key = self.key(place);
            match reads.part(key) {
                Some(part) if !except.contains(&key) => encoded += self.write_one(place, writer, open, part)?,
                Some(_) | None => {}
            }
        }
        Ok(encoded)
    }

    /// Writes the members with these keys into an open object, and tells how many bytes had to be encoded for it.
    pub(crate) fn write_only(
        &self,
        writer: &mut Writer,
        open: &mut Open,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<usize, EncodeError> {
        let wanted = self.live().filter(|place| wanted(self.key(place)));
        wanted.map(|place| self.write_one(place, writer, open, &EVERYTHING)).sum()
    }

    /// Writes all members, neighbours in one go.
    fn write_all(&self, writer: &mut Writer, open: &mut Open) -> Result<usize, EncodeError> {
        let mut encoded = 0;
        let mut run = Place { origin: Origin::Came, bytes: 0..0, is_absent: false };
        for place in self.live() {
            if place.origin == run.origin && place.bytes.start == run.bytes.end {
                Writer::count(open);
                run.bytes.end = place.bytes.end;
                continue;
            }
            writer.encoded(self.stored(&run));
            run = Place { bytes: 0..0, ..run };
            match place.origin {
                Origin::Unread { .. } => encoded += self.write_one(place, writer, open, &EVERYTHING)?,
                Origin::Came | Origin::Put => {
                    Writer::count(open);
                    run = place.clone();
                }
            }
        }
        writer.encoded(self.stored(&run));
        Ok(encoded)
    }

    /// Writes what is read of one member.
    fn write_one(
        &self,
        place: &Place,
        writer: &mut Writer,
        open: &mut Open,
        reads: &ReadTree,
    ) -> Result<usize, EncodeError> {
        let member = self.encoded(place)?;
        let before = writer.position();
        if reads.whole {
            Writer::count(open);
            writer.encoded(&member);
            return Ok(if matches!(member, Cow::Owned(_)) { member.len() } else { 0 });
        }
        let member = Object::of_piece(&member, self.depth).next();
        if let Some((key, value)) = member.filter(|(_, value)| has_part(*value, reads)) {
            Writer::count(open);
            writer.key(key);
            write_part(writer, value, reads)?;
        }
        Ok(writer.position() - before)
    }
}

/// Whether anything of a value is read.
fn has_part(value: Node<'_>, reads: &ReadTree) -> bool {
    reads.whole || matches!(value.kind(), Some(Kind::Object(_) | Kind::Array(_)))
}

/// Writes the part of a value that is read; arrays are gone through.
fn write_part(writer: &mut Writer, value: Node<'_>, reads: &ReadTree) -> Result<(), EncodeError> {
    match value.kind() {
        Some(Kind::Object(members)) if !reads.whole => {
            let mut open = writer.open_object()?;
            for (key, value) in members {
                if let Some(reads) = reads.child(key).filter(|reads| has_part(value, reads)) {
                    Writer::count(&mut open);
                    writer.key(key);
                    write_part(writer, value, reads)?;
                }
            }
            writer.close(open)
        }
        Some(Kind::Array(elements)) if !reads.whole => {
            let mut open = writer.open_array()?;
            for element in elements.filter(|element| has_part(*element, reads)) {
                Writer::count(&mut open);
                write_part(writer, element, reads)?;
            }
            writer.close(open)
        }
        _ => writer.value(&value),
    }
}
