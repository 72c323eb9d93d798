//! The members of one object of the event: what they were, what they are, who changed them, and their encoding.

use std::ops::Range;

use serde_json::{Map, Value};
use vestibule_abi::document::{EncodeError, Open, Writer};

use crate::{json, manifest::ReadTree};

/// Room for the encoding of a member; most take less.
const EXPECTED_MEMBER_BYTES: usize = 128;

/// No encoded byte stands for more bytes of text: a control character takes one of them and six of text.
const TEXT_PER_ENCODED: usize = 6;

/// An object whose first-level keys rules set and delete, one rule at a time.
///
/// The object itself stays as it came: a deleted member keeps its place, so that positions never move and nothing is
/// copied for a login that changes little.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    object: Map<String, Value>,
    /// INVARIANT: one for each member of `object`, in its order.
    marks: Vec<Mark>,
    /// One for each key that a rule changed.
    changes: Vec<Change>,
    /// Whether the object was there before any rule ran.
    existed: bool,
    /// Levels above its members.
    depth: usize,
    /// The encoded members, those that were replaced included.
    encoded: Vec<u8>,
    has_changes: bool,
    /// Bytes of canonical text that rules put in, those that were replaced included.
    added_text: usize,
}

/// How a member stands.
#[derive(Debug, Clone)]
enum Mark {
    /// New or changed: to be encoded.
    Changed,
    /// Encoded here.
    Encoded(Range<u32>),
    /// Deleted, or kept elsewhere.
    Absent,
}

/// A change by a rule, with what was there before any rule ran.
#[derive(Debug, Clone)]
struct Change {
    key: String,
    before: Option<Value>,
    /// The position of the rule that changed it last.
    rule: usize,
}

impl Members {
    pub(crate) fn new(object: Option<Map<String, Value>>, depth: usize) -> Self {
        let existed = object.is_some();
        let object = object.unwrap_or_default();
        let marks = vec![Mark::Changed; object.len()];
        let encoded = Vec::with_capacity(object.len() * EXPECTED_MEMBER_BYTES);
        Self { object, marks, existed, depth, encoded, has_changes: true, ..Self::default() }
    }

    /// Takes a member out without moving the others.
    pub(crate) fn take_out(&mut self, key: &str) -> Option<Value> {
        let mark = self.mark_mut(key)?;
        *mark = Mark::Absent;
        self.object.get_mut(key).map(Value::take)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.object.get_mut(key)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        // Most are not there, or are not absent: the marks are looked at last.
        let value = self.object.get(key)?;
        if value.is_null() && self.is_absent(key) { None } else { Some(value) }
    }

    /// Whether there is an object at all: one that nobody ever set is absent, not empty (U-1).
    pub(crate) fn exists(&self) -> bool {
        self.existed || self.live().next().is_some()
    }

    /// Sets a key, or deletes it.
    pub(crate) fn put(&mut self, key: String, value: Option<Value>, rule: usize) {
        let is_new = self.get(&key).is_none();
        if is_new && value.is_none() {
            return; // Nothing to delete.
        }
        self.has_changes = true;
        let mark = if value.is_some() { Mark::Changed } else { Mark::Absent };
        match self.mark_mut(&key) {
            Some(place) => *place = mark,
            None => self.marks.push(mark),
        }
        let before = self.object.insert(key.clone(), value.unwrap_or_default()).filter(|_| !is_new);
        match self.changes.iter_mut().find(|change| change.key == key) {
            Some(change) => change.rule = rule,
            None => self.changes.push(Change { key, before, rule }),
        }
    }

    /// Whether the object may have more than `most` bytes of canonical text after these changes, each member with its
    /// colon and comma. One that had too many before may shrink.
    pub(crate) fn outgrows(&mut self, most: usize, changes: &[(&str, Option<&Value>)]) -> Option<usize> {
        let text = |key: &str, value: Option<&Value>| value.map_or(0, |value| member_text_bytes(key, value));
        let added: usize = changes.iter().map(|(key, value)| text(key, *value)).sum();
        let bound = self.encoded.len() * TEXT_PER_ENCODED + self.added_text + added;
        self.added_text += added;
        if bound <= most {
            return None; // No need to look closer.
        }
        let now: usize = self.live().map(|(key, value)| member_text_bytes(key, value)).sum();
        let replaced: usize = changes.iter().map(|(key, _)| text(key, self.get(key))).sum();
        let after = now + added - replaced;
        (after > most && after > now).then_some(after)
    }

    /// The keys a rule changed, with the rule's position.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.changes.iter().map(|change| (change.key.as_str(), change.rule))
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = (&str, &Value)> {
        let members = self.object.iter().zip(&self.marks).filter(|(_, mark)| !matches!(mark, Mark::Absent));
        members.map(|((key, value), _)| (key.as_str(), value))
    }

    /// Forgets every change: what the object was before any rule ran.
    pub(crate) fn restore(&mut self) {
        for Change { key, before, .. } in std::mem::take(&mut self.changes) {
            if let Some(mark) = self.mark_mut(&key) {
                *mark = if before.is_some() { Mark::Changed } else { Mark::Absent };
            }
            self.object.insert(key, before.unwrap_or_default());
            self.has_changes = true;
        }
    }

    /// The object as it is now.
    pub(crate) fn to_object(&self) -> Map<String, Value> {
        self.live().map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }

    /// What rules set; `null` where they deleted.
    pub(crate) fn changes_to_object(&self) -> Map<String, Value> {
        let value = |key: &str| self.get(key).cloned().unwrap_or_default();
        self.changes.iter().map(|change| (change.key.clone(), value(&change.key))).collect()
    }

    /// Encodes what has no encoding yet, and tells how many bytes that were.
    pub(crate) fn encode(&mut self) -> Result<usize, EncodeError> {
        if !self.has_changes {
            return Ok(0);
        }
        let before = self.encoded.len();
        let mut writer = Writer::piece_after(std::mem::take(&mut self.encoded), self.depth);
        for ((key, value), mark) in self.object.iter().zip(&mut self.marks) {
            if matches!(mark, Mark::Changed) {
                let start = offset(&writer)?;
                writer.key(key);
                writer.value(value)?;
                *mark = Mark::Encoded(start..offset(&writer)?);
            }
        }
        self.encoded = writer.into_piece();
        self.has_changes = false;
        Ok(self.encoded.len() - before)
    }

    /// Bytes of all encodings, those that were replaced included.
    pub(crate) fn encoded_bytes(&self) -> usize {
        self.encoded.len()
    }

    /// Writes what is read into an open object, and tells how many bytes had to be encoded for it.
    pub(crate) fn write(&self, writer: &mut Writer, open: &mut Open, reads: &ReadTree) -> Result<usize, EncodeError> {
        self.write_except(None, writer, open, reads)
    }

    /// As [`Members::write`], without one key.
    pub(crate) fn write_except(
        &self,
        except: Option<&str>,
        writer: &mut Writer,
        open: &mut Open,
        reads: &ReadTree,
    ) -> Result<usize, EncodeError> {
        let is_read_whole = |key: &str| reads.part(key).is_some_and(|reads| reads.whole);
        self.write_only(writer, open, |key| is_read_whole(key) && Some(key) != except);
        if reads.whole {
            return Ok(0);
        }
        let before = writer.position();
        for (key, value) in self.live().filter(|(key, _)| !is_read_whole(key) && Some(*key) != except) {
            if let Some(part) = reads.child(key).and_then(|reads| select(value, reads)) {
                Writer::count(open);
                writer.key(key);
                writer.value(&part)?;
            }
        }
        Ok(writer.position() - before)
    }

    /// Copies encoded members into an open object, neighbours in one go.
    pub(crate) fn write_only(&self, writer: &mut Writer, open: &mut Open, wanted: impl Fn(&str) -> bool) {
        let mut run = 0..0;
        for (key, mark) in self.object.keys().zip(&self.marks) {
            let Mark::Encoded(place) = mark else { continue };
            if !wanted(key) {
                continue;
            }
            Writer::count(open);
            if place.start != run.end {
                self.copy(writer, &run);
                run.start = place.start;
            }
            run.end = place.end;
        }
        self.copy(writer, &run);
    }

    fn copy(&self, writer: &mut Writer, run: &Range<u32>) {
        writer.encoded(self.encoded.get(run.start as usize..run.end as usize).unwrap_or_default());
    }

    fn mark_mut(&mut self, key: &str) -> Option<&mut Mark> {
        self.object.keys().zip(&mut self.marks).find(|(name, _)| *name == key).map(|(_, mark)| mark)
    }

    fn is_absent(&self, key: &str) -> bool {
        self.object.keys().zip(&self.marks).any(|(name, mark)| name == key && matches!(mark, Mark::Absent))
    }
}

fn offset(writer: &Writer) -> Result<u32, EncodeError> {
    u32::try_from(writer.position()).map_err(|_| EncodeError::TooLarge)
}

/// `"key":value,`: each member's colon and comma count as its own.
fn member_text_bytes(key: &str, value: &Value) -> usize {
    json::key_text_len(key) + json::text_len(value) + 2
}

/// The part of a value that is read; arrays are gone through. `None`: there is none.
fn select(value: &Value, reads: &ReadTree) -> Option<Value> {
    if reads.whole {
        return Some(value.clone());
    }
    match value {
        Value::Object(members) => {
            let part = |(key, value): (&String, &Value)| Some((key.clone(), select(value, reads.child(key)?)?));
            Some(members.iter().filter_map(part).collect())
        }
        Value::Array(elements) => Some(elements.iter().filter_map(|element| select(element, reads)).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
