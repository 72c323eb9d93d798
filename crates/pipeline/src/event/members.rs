//! The members of one object of the event: what they were, what they are, who changed them, and their encoding.

use std::ops::Range;

use serde_json::{Map, Value};
use vestibule_abi::document::{EncodeError, Open, Writer};

use crate::{json, manifest::ReadTree};

/// An object whose first-level keys rules set and delete, one rule at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    members: Vec<Member>,
    /// Whether the object was there before any rule ran.
    existed: bool,
    /// Levels above its members.
    depth: usize,
    /// The encoded members, those that were replaced included.
    encoded: Vec<u8>,
    has_changes: bool,
}

/// One key, with what it was before the rules ran.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) key: String,
    /// What it is now; `None`: deleted, or not yet there.
    value: Option<Value>,
    change: Option<Change>,
    /// Its place in `encoded`; `None`: changed since.
    encoded: Option<Range<usize>>,
    /// Bytes of its canonical text, once somebody asked.
    text_bytes: Option<usize>,
}

#[derive(Debug, Clone)]
struct Change {
    before: Option<Value>,
    /// The position of the rule that changed it last.
    rule: usize,
}

impl Members {
    pub(crate) fn new(object: Option<Map<String, Value>>, depth: usize) -> Self {
        let existed = object.is_some();
        let member = |(key, value)| Member { key, value: Some(value), change: None, encoded: None, text_bytes: None };
        let members = object.into_iter().flatten().map(member).collect();
        Self { members, existed, depth, encoded: Vec::new(), has_changes: true }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.members.iter().find(|member| member.key == key)?.value.as_ref()
    }

    /// Whether there is an object at all: one that nobody ever set is absent, not empty (U-1).
    pub(crate) fn exists(&self) -> bool {
        self.existed || self.live().next().is_some()
    }

    /// Sets a key, or deletes it.
    pub(crate) fn put(&mut self, key: String, value: Option<Value>, rule: usize) {
        self.has_changes = true;
        match self.members.iter_mut().find(|member| member.key == key) {
            Some(member) => {
                let now = std::mem::replace(&mut member.value, value);
                let before = member.change.take().map_or(now, |change| change.before);
                member.change = Some(Change { before, rule });
                member.encoded = None;
                member.text_bytes = None;
            }
            None if value.is_none() => {} // Nothing to delete.
            None => self.members.push(Member {
                key,
                value,
                change: Some(Change { before: None, rule }),
                encoded: None,
                text_bytes: None,
            }),
        }
    }

    /// Bytes of canonical text, each member with its colon and comma: now, and after these changes.
    pub(crate) fn text_bytes<'c>(&mut self, changes: impl Iterator<Item = (&'c str, Option<&'c Value>)>) -> Sizes {
        let now: usize = self.members.iter_mut().map(Member::text_bytes).sum();
        let mut after = now;
        for (key, value) in changes {
            let old = self.members.iter_mut().find(|member| member.key == key).map_or(0, Member::text_bytes);
            after = after.saturating_sub(old) + value.map_or(0, |value| member_text_bytes(key, value));
        }
        Sizes { now, after }
    }

    /// The keys a rule changed, with the rule's position.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.members.iter().filter_map(|member| Some((member.key.as_str(), member.change.as_ref()?.rule)))
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.members.iter().filter_map(|member| Some((member.key.as_str(), member.value.as_ref()?)))
    }

    /// Forgets every change: what the object was before any rule ran.
    pub(crate) fn restore(&mut self) {
        for member in &mut self.members {
            if let Some(change) = member.change.take() {
                member.value = change.before;
                member.encoded = None;
                member.text_bytes = None;
                self.has_changes = true;
            }
        }
    }

    /// The object as it is now.
    pub(crate) fn to_object(&self) -> Map<String, Value> {
        self.live().map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }

    /// What rules set; `null` where they deleted.
    pub(crate) fn changes_to_object(&self) -> Map<String, Value> {
        let changed = self.members.iter().filter(|member| member.change.is_some());
        changed.map(|member| (member.key.clone(), member.value.clone().unwrap_or_default())).collect()
    }

    /// Encodes what has no encoding yet, and tells how many bytes that were.
    pub(crate) fn encode(&mut self) -> Result<usize, EncodeError> {
        if !self.has_changes {
            return Ok(0);
        }
        let before = self.encoded.len();
        let mut writer = Writer::piece_after(std::mem::take(&mut self.encoded), self.depth);
        for member in &mut self.members {
            if let (None, Some(value)) = (&member.encoded, &member.value) {
                let start = writer.position();
                writer.key(&member.key);
                writer.value(value)?;
                member.encoded = Some(start..writer.position());
            }
        }
        self.encoded = writer.into_piece();
        self.has_changes = false;
        Ok(self.encoded.len() - before)
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
        for member in self.members.iter().filter(|member| member.value.is_some() && wanted(&member.key)) {
            let Some(place) = &member.encoded else { continue };
            Writer::count(open);
            if place.start != run.end {
                self.copy(writer, &run);
                run.start = place.start;
            }
            run.end = place.end;
        }
        self.copy(writer, &run);
    }

    fn copy(&self, writer: &mut Writer, run: &Range<usize>) {
        writer.encoded(self.encoded.get(run.clone()).unwrap_or_default());
    }
}

/// Bytes of canonical text of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) now: usize,
    pub(crate) after: usize,
}

impl Member {
    fn text_bytes(&mut self) -> usize {
        let Some(value) = &self.value else { return 0 };
        *self.text_bytes.get_or_insert_with(|| member_text_bytes(&self.key, value))
    }
}

/// `"key":value,` — each member's colon and comma are its own, the braces take the place of a comma and add one byte.
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
