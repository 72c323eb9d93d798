//! The members of one object of the event: what they were, what they are, who changed them.
//!
//! They stay where the event's document holds them, and are decoded only where somebody looks: a login that changes
//! little copies bytes once for each rule, and builds no tree.

use std::{ops::Range, sync::Arc};

use serde::Deserialize as _;
use serde_json::{Map, Value};
use vestibule_abi::document::{EncodeError, Kind, Member, Node, Object, Open, Writer};

use crate::{json, manifest::ReadTree};

/// No encoded byte stands for more bytes of text: a control character takes one of them and six of text.
const TEXT_PER_ENCODED: usize = 6;

/// An object whose first-level keys rules set and delete, one rule at a time.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    /// The document that the members came in, with all others of the event.
    came: Arc<Vec<u8>>,
    /// Members that were put in since, one after the other: what was replaced stays.
    put: Vec<u8>,
    /// Where each member stands, in the order a rule sees them; a deleted one keeps its place.
    places: Vec<Place>,
    /// One for each key that a rule changed.
    changes: Vec<Change>,
    /// Whether the object was there before any rule ran.
    existed: bool,
    /// Levels above its members.
    depth: usize,
}

/// A member. INVARIANT: its key and its value stand there.
#[derive(Debug, Clone)]
struct Place {
    origin: Origin,
    encoded: Range<u32>,
    is_absent: bool,
}

/// Which bytes hold a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Came,
    Put,
}

/// A change by a rule, with what was there before any rule ran.
#[derive(Debug, Clone)]
struct Change {
    /// The position of the member.
    at: usize,
    before: Option<Place>,
    /// The position of the rule that changed it last.
    rule: usize,
}

impl Members {
    /// An object that is not there until a rule puts something into it, of an event that came in this document.
    pub(crate) fn absent(came: &Arc<Vec<u8>>, depth: usize) -> Self {
        let came = Arc::clone(came);
        Self { came, put: Vec::new(), places: Vec::new(), changes: Vec::new(), existed: false, depth }
    }

    /// An object that is there, and empty.
    pub(crate) fn empty(came: &Arc<Vec<u8>>, depth: usize) -> Self {
        Self { existed: true, ..Self::absent(came, depth) }
    }

    /// The members of an object of the document.
    pub(crate) fn of(came: &Arc<Vec<u8>>, object: Object<'_>, depth: usize) -> Result<Self, EncodeError> {
        let mut members = Self::empty(came, depth);
        members.places.reserve(object.size_hint());
        let mut rest = object;
        while let Some(member) = rest.take_member() {
            members.add(&member)?;
        }
        Ok(members)
    }

    /// Leaves an object behind that is not there.
    pub(crate) fn take(&mut self) -> Self {
        let absent = Self::absent(&self.came, self.depth);
        std::mem::replace(self, absent)
    }

    /// Adds a member of the document. Its key is no other member's.
    pub(crate) fn add(&mut self, member: &Member<'_>) -> Result<(), EncodeError> {
        let encoded = member.range_in(&self.came).ok_or(EncodeError::TooLarge)?;
        self.places.push(Place { origin: Origin::Came, encoded, is_absent: false });
        Ok(())
    }

    /// As [`Members::add`], with another value than it came with.
    pub(crate) fn add_value(&mut self, key: &str, value: &Value) -> Result<(), EncodeError> {
        let place = self.encode(key, value)?;
        self.places.push(place);
        Ok(())
    }

    pub(crate) fn get(&self, key: &str) -> Option<Node<'_>> {
        let place = self.places.get(self.position(key)?)?;
        self.member(place).filter(|_| !place.is_absent).map(|member| member.value)
    }

    /// Whether a key has this value already.
    pub(crate) fn holds(&self, key: &str, value: &Value) -> bool {
        self.get(key).is_some_and(|node| decoded(node) == *value)
    }

    /// Whether there is an object at all: one that nobody ever set is absent, not empty (U-1).
    pub(crate) fn exists(&self) -> bool {
        self.existed || self.live().next().is_some()
    }

    /// Sets a key, or deletes it, and tells how many bytes had to be encoded.
    pub(crate) fn put(&mut self, key: &str, value: Option<&Value>, rule: usize) -> Result<usize, EncodeError> {
        let known = self.position(key);
        let was = known.and_then(|at| self.places.get(at)).cloned();
        let before = was.clone().filter(|place| !place.is_absent);
        let length = self.put.len();
        let place = match (value, was) {
            (Some(value), _) => self.encode(key, value)?,
            (None, Some(was)) if !was.is_absent => Place { is_absent: true, ..was },
            (None, _) => return Ok(0), // Nothing to delete.
        };
        let at = known.unwrap_or(self.places.len());
        match self.places.get_mut(at) {
            Some(known) => *known = place,
            None => self.places.push(place),
        }
        match self.changes.iter_mut().find(|change| change.at == at) {
            Some(change) => change.rule = rule,
            None => self.changes.push(Change { at, before, rule }),
        }
        Ok(self.put.len() - length)
    }

    /// Whether the object would have more than `most` bytes of canonical text after these changes, each member with its
    /// colon and comma, and how many. One that had too many before may shrink.
    pub(crate) fn outgrows(&self, most: usize, changes: &[(&str, Option<&Value>)]) -> Option<usize> {
        let text = |key: &str, value: &Value| member_text_bytes(key, json::text_len(value));
        let added: usize = changes.iter().filter_map(|(key, value)| Some(text(key, (*value)?))).sum();
        if self.encoded_bytes() * TEXT_PER_ENCODED + added <= most {
            return None; // No need to look closer.
        }
        let text = |key: &str, value: Node<'_>| member_text_bytes(key, json::node_text_len(value));
        let now: usize = self.live().map(|member| text(member.key, member.value)).sum();
        let replaced: usize = changes.iter().filter_map(|(key, _)| Some(text(key, self.get(key)?))).sum();
        let after = now + added - replaced;
        (after > most && after > now).then_some(after)
    }

    /// The keys a rule changed, with the rule's position.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.changes.iter().filter_map(|change| Some((self.member(self.places.get(change.at)?)?.key, change.rule)))
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = Member<'_>> {
        self.places.iter().filter(|place| !place.is_absent).filter_map(|place| self.member(place))
    }

    /// Forgets every change: what the object was before any rule ran.
    pub(crate) fn restore(&mut self) {
        for Change { at, before, .. } in std::mem::take(&mut self.changes) {
            if let Some(place) = self.places.get_mut(at) {
                *place = before.unwrap_or(Place { is_absent: true, ..place.clone() });
            }
        }
    }

    /// The object as it is now.
    pub(crate) fn to_object(&self) -> Map<String, Value> {
        self.live().map(|member| (member.key.to_owned(), decoded(member.value))).collect()
    }

    /// What rules set; `null` where they deleted.
    pub(crate) fn changes_to_object(&self) -> Map<String, Value> {
        let value = |key: &str| self.get(key).map(decoded).unwrap_or_default();
        self.changes().map(|(key, _)| (key.to_owned(), value(key))).collect()
    }

    /// What rules set and did not delete again.
    pub(crate) fn set_to_object(&self) -> Map<String, Value> {
        self.changes().filter_map(|(key, _)| Some((key.to_owned(), decoded(self.get(key)?)))).collect()
    }

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
            self.copy_where(writer, open, |_| true);
            return Ok(0);
        }
        let is_read_whole = |key: &str| reads.part(key).is_some_and(|reads| reads.whole);
        self.write_only(writer, open, |key| is_read_whole(key) && !except.contains(&key));
        let before = writer.position();
        for member in self.live().filter(|member| !is_read_whole(member.key) && !except.contains(&member.key)) {
            if let Some(reads) = reads.child(member.key).filter(|reads| has_part(member.value, reads)) {
                Writer::count(open);
                writer.key(member.key);
                write_part(writer, member.value, reads)?;
            }
        }
        Ok(writer.position() - before)
    }

    /// Copies the members with these keys into an open object.
    pub(crate) fn write_only(&self, writer: &mut Writer, open: &mut Open, wanted: impl Fn(&str) -> bool) {
        self.copy_where(writer, open, |place| self.member(place).is_some_and(|member| wanted(member.key)));
    }

    /// Bytes of all members, deleted ones included.
    pub(crate) fn encoded_bytes(&self) -> usize {
        self.places.iter().map(|place| place.encoded.len()).sum()
    }

    /// Copies members into an open object, neighbours in one go.
    fn copy_where(&self, writer: &mut Writer, open: &mut Open, wanted: impl Fn(&Place) -> bool) {
        let mut run = Place { origin: Origin::Came, encoded: 0..0, is_absent: false };
        for place in self.places.iter().filter(|place| !place.is_absent && wanted(place)) {
            Writer::count(open);
            if place.origin != run.origin || place.encoded.start != run.encoded.end {
                writer.encoded(self.bytes(&run));
                run = place.clone();
            }
            run.encoded.end = place.encoded.end;
        }
        writer.encoded(self.bytes(&run));
    }

    fn encode(&mut self, key: &str, value: &Value) -> Result<Place, EncodeError> {
        let start = self.put.len();
        let mut writer = Writer::piece_after(std::mem::take(&mut self.put), self.depth);
        writer.key(key);
        let written = writer.value(value);
        self.put = writer.into_piece();
        if written.is_err() {
            self.put.truncate(start);
        }
        let offset = |at: usize| u32::try_from(at).map_err(|_| EncodeError::TooLarge);
        written?;
        Ok(Place { origin: Origin::Put, encoded: offset(start)?..offset(self.put.len())?, is_absent: false })
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.places.iter().position(|place| self.member(place).is_some_and(|member| member.key == key))
    }

    fn member(&self, place: &Place) -> Option<Member<'_>> {
        Object::of_piece(self.bytes(place), self.depth).take_member()
    }

    fn bytes(&self, place: &Place) -> &[u8] {
        let all = match place.origin {
            Origin::Came => &self.came,
            Origin::Put => &self.put,
        };
        all.get(place.encoded.start as usize..place.encoded.end as usize).unwrap_or_default()
    }
}

/// The tree of a node. It was written from one, or from text of the same profile, so there is nothing to fail.
pub(super) fn decoded(node: Node<'_>) -> Value {
    Value::deserialize(node).unwrap_or_default()
}

/// `"key":value,`: each member's colon and comma count as its own.
fn member_text_bytes(key: &str, value_bytes: usize) -> usize {
    json::key_text_len(key) + value_bytes + 2
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
