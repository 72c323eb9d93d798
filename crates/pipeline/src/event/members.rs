//! The members of one object of the event: what they were, what they are, who changed them.
//!
//! They stay where they came in, encoded or as text, and are decoded only where somebody looks: a login that changes
//! little copies bytes once for each rule, and builds no tree.

mod write;

use std::{borrow::Cow, ops::Range, sync::Arc};

use serde::Deserialize as _;
use serde_json::{Map, Value};
use vestibule_abi::document::{EncodeError, Node, Object, Writer};

use crate::json;

/// No byte stands for more bytes of canonical text: a control character takes one of them and six of text.
const TEXT_PER_BYTE: usize = 6;

/// An event as it came: what is read of it encoded, the rest as the text it was.
#[derive(Debug, Default)]
pub(crate) struct Came {
    /// A document of what rules read, and of identities and configuration.
    pub(crate) encoded: Vec<u8>,
    /// The keys and values that no rule reads, one after the other.
    pub(crate) unread: String,
}

/// An object whose first-level keys rules set and delete, one rule at a time.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    /// The event that the members came in, shared by all its objects.
    came: Arc<Came>,
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
pub(crate) struct Place {
    origin: Origin,
    bytes: Range<u32>,
    is_absent: bool,
}

/// Which bytes hold a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// [`Came::encoded`].
    Came,
    /// [`Came::unread`]: the key, and from here on the value.
    Unread { value: u32 },
    /// What was put in since.
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

impl Came {
    /// Where a member stands that was encoded from this position on.
    pub(crate) fn encoded_from(start: usize, end: usize) -> Result<Place, EncodeError> {
        Ok(Place { origin: Origin::Came, bytes: range(start, end)?, is_absent: false })
    }

    /// Keeps a member as text.
    pub(crate) fn keep_text(&mut self, key: &str, value: &str) -> Result<Place, EncodeError> {
        let start = self.unread.len();
        self.unread.push_str(key);
        let middle = offset(self.unread.len())?;
        self.unread.push_str(value);
        Ok(Place {
            origin: Origin::Unread { value: middle },
            bytes: range(start, self.unread.len())?,
            is_absent: false,
        })
    }
}

impl Members {
    /// The members of an object that came in an event; `None`: it was not there, until a rule puts something into it.
    pub(crate) fn of(came: &Arc<Came>, places: Option<Vec<Place>>, depth: usize) -> Self {
        let (came, existed) = (Arc::clone(came), places.is_some());
        Self { came, put: Vec::new(), places: places.unwrap_or_default(), changes: Vec::new(), existed, depth }
    }

    /// Leaves an object behind that is not there.
    pub(crate) fn take(&mut self) -> Self {
        let absent = Self::of(&self.came, None, self.depth);
        std::mem::replace(self, absent)
    }

    /// The value of a key.
    pub(crate) fn value_of(&self, key: &str) -> Option<Value> {
        let place = self.places.get(self.position(key)?)?;
        (!place.is_absent).then(|| self.value(place))
    }

    /// Whether a key has this value already.
    pub(crate) fn holds(&self, key: &str, value: Node<'_>) -> bool {
        self.value_of(key).is_some_and(|known| known == decoded(value))
    }

    /// Whether there is an object at all: one that nobody ever set is absent, not empty (U-1).
    pub(crate) fn exists(&self) -> bool {
        self.existed || self.live().next().is_some()
    }

    /// Sets a key, or deletes it, and tells how many bytes had to be encoded.
    pub(crate) fn put(&mut self, key: &str, value: Option<Node<'_>>, rule: usize) -> Result<usize, EncodeError> {
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
    pub(crate) fn outgrows<'c>(
        &self,
        most: usize,
        changes: impl Iterator<Item = (&'c str, Option<Node<'c>>)> + Clone,
    ) -> Option<usize> {
        let text = |(key, value)| Some(member_text_bytes(key, json::node_text_len(value?)));
        let added: usize = changes.clone().filter_map(text).sum();
        if self.bytes() * TEXT_PER_BYTE + added <= most {
            return None; // No need to look closer.
        }
        let text = |place: &Place| member_text_bytes(self.key(place), self.text_len(place));
        let now: usize = self.live().map(text).sum();
        let is_replaced = |place: &&Place| changes.clone().any(|(key, _)| key == self.key(place));
        let replaced: usize = self.live().filter(is_replaced).map(text).sum();
        let after = now + added - replaced;
        (after > most && after > now).then_some(after)
    }

    /// The keys a rule changed, with the rule's position.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.changed().map(|(place, rule)| (self.key(place), rule))
    }

    fn changed(&self) -> impl Iterator<Item = (&Place, usize)> {
        self.changes.iter().filter_map(|change| Some((self.places.get(change.at)?, change.rule)))
    }

    fn live(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| !place.is_absent)
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
        self.live().map(|place| (self.key(place).to_owned(), self.value(place))).collect()
    }

    /// What rules set; `null` where they deleted.
    pub(crate) fn changes_to_object(&self) -> Map<String, Value> {
        let value = |place: &Place| if place.is_absent { Value::Null } else { self.value(place) };
        self.changed().map(|(place, _)| (self.key(place).to_owned(), value(place))).collect()
    }

    /// What rules set and did not delete again.
    pub(crate) fn set_to_object(&self) -> Map<String, Value> {
        let set = self.changed().filter(|(place, _)| !place.is_absent);
        set.map(|(place, _)| (self.key(place).to_owned(), self.value(place))).collect()
    }

    /// Bytes of all members, deleted ones included.
    pub(crate) fn bytes(&self) -> usize {
        self.places.iter().map(|place| place.bytes.len()).sum()
    }

    fn encode(&mut self, key: &str, value: Node<'_>) -> Result<Place, EncodeError> {
        let start = self.put.len();
        let mut writer = Writer::piece_after(std::mem::take(&mut self.put), self.depth);
        writer.key(key);
        let written = writer.value(&value);
        self.put = writer.into_piece();
        if written.is_err() {
            self.put.truncate(start);
        }
        written?;
        Ok(Place { origin: Origin::Put, bytes: range(start, self.put.len())?, is_absent: false })
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.places.iter().position(|place| self.key(place) == key)
    }

    fn key(&self, place: &Place) -> &str {
        let key = match place.origin {
            Origin::Unread { value } => self.came.unread.get(place.bytes.start as usize..value as usize),
            Origin::Came | Origin::Put => self.member(place).map(|(key, _)| key),
        };
        key.unwrap_or_default()
    }

    fn value(&self, place: &Place) -> Value {
        match place.origin {
            Origin::Unread { value } => parsed(self.came.unread.get(value as usize..place.bytes.end as usize)),
            Origin::Came | Origin::Put => self.node(place).map(decoded).unwrap_or_default(),
        }
    }

    fn text_len(&self, place: &Place) -> usize {
        match place.origin {
            Origin::Unread { .. } => json::text_len(&self.value(place)),
            Origin::Came | Origin::Put => self.node(place).map(json::node_text_len).unwrap_or_default(),
        }
    }

    fn node(&self, place: &Place) -> Option<Node<'_>> {
        self.member(place).map(|(_, value)| value)
    }

    fn member(&self, place: &Place) -> Option<(&str, Node<'_>)> {
        Object::of_piece(self.stored(place), self.depth).next()
    }

    /// A member as [`Writer::encoded`] takes it.
    fn encoded(&self, place: &Place) -> Result<Cow<'_, [u8]>, EncodeError> {
        match place.origin {
            Origin::Unread { .. } => {
                let mut writer = Writer::piece_after(Vec::new(), self.depth);
                writer.key(self.key(place));
                writer.value(&self.value(place))?;
                Ok(Cow::Owned(writer.into_piece()))
            }
            Origin::Came | Origin::Put => Ok(Cow::Borrowed(self.stored(place))),
        }
    }

    /// The bytes of a member that is encoded; none of one that is not.
    fn stored(&self, place: &Place) -> &[u8] {
        let all: &[u8] = match place.origin {
            Origin::Came => &self.came.encoded,
            Origin::Put => &self.put,
            Origin::Unread { .. } => &[],
        };
        all.get(place.bytes.start as usize..place.bytes.end as usize).unwrap_or_default()
    }
}

fn range(start: usize, end: usize) -> Result<Range<u32>, EncodeError> {
    Ok(offset(start)?..offset(end)?)
}

fn offset(at: usize) -> Result<u32, EncodeError> {
    u32::try_from(at).map_err(|_| EncodeError::TooLarge)
}

/// The value of a text that came in an event. It came as JSON, and nothing more was looked at: what is outside the profile is
/// given back as JSON has it.
fn parsed(text: Option<&str>) -> Value {
    let text = text.unwrap_or_default();
    json::parse_event(text.as_bytes()).ok().or_else(|| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The tree of a node. It was written from one, or from text of the same profile, so there is nothing to fail.
pub(super) fn decoded(node: Node<'_>) -> Value {
    Value::deserialize(node).unwrap_or_default()
}

/// `"key":value,`: each member's colon and comma count as its own.
fn member_text_bytes(key: &str, value_bytes: usize) -> usize {
    json::key_text_len(key) + value_bytes + 2
}
