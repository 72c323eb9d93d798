//! Taking an event in: what it has to be, and how it is taken apart while it is read.
//!
//! Of a text that is known to be canonical only what a rule of the pipeline reads is encoded, and what the host itself looks
//! at. The rest is kept as the text it came as, and decoded where somebody asks for it after all.

use std::{fmt, fmt::Display, sync::Arc};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};
use vestibule_abi::document::{EncodeError, Object, Writer};

use super::{
    ACCESS_TOKEN, Event, ID_TOKEN, Members, Seed, credentials,
    members::{Came, Place, decoded},
};
use crate::{
    json::{Key, Node, Pass, text_of},
    manifest::{EVERYTHING, ReadTree},
};

/// Levels above a member of `user`, `context`, `configuration` and `shared`.
const MEMBER: usize = 2;

/// What a host can bring an event as: `{"user", "context", "configuration"?, "shared"?}` in the canonical profile.
pub trait EventSource {
    /// Takes the event apart, and encodes at least what is read of it.
    ///
    /// # Errors
    /// [`InvalidEvent`] when no rule could be given this event.
    fn parts(&self, reads: &ReadTree) -> Result<Parts, InvalidEvent>;
}

/// An event as text, of whatever origin: checked and encoded as a whole, in one pass and without a tree of values.
#[derive(Debug, Clone, Copy)]
pub struct EventText<'t>(pub &'t [u8]);

impl EventSource for EventText<'_> {
    fn parts(&self, _: &ReadTree) -> Result<Parts, InvalidEvent> {
        taken_in(text_of(self.0).map_err(not_canonical)?, &EVERYTHING)
    }
}

/// An event as text of which the host knows that it is in the canonical profile: it wrote the text from values of its own.
///
/// Only what rules read is encoded. The rest is checked for being JSON and no further, and is decoded where somebody asks
/// for it after all.
#[derive(Debug, Clone, Copy)]
pub struct CanonicalText<'t>(pub &'t str);

impl EventSource for CanonicalText<'_> {
    fn parts(&self, reads: &ReadTree) -> Result<Parts, InvalidEvent> {
        taken_in(self.0, reads)
    }
}

fn taken_in(text: &str, reads: &ReadTree) -> Result<Parts, InvalidEvent> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut intake = Intake::new(text.len(), reads);
    let read = Root { intake: &mut intake, reads }.deserialize(&mut reader).and_then(|()| reader.end());
    read.map_err(|error| intake.explain(&error, true)).map(|()| intake.into_parts())
}

impl EventSource for Value {
    /// All of it is encoded: a tree has no text to keep.
    fn parts(&self, _: &ReadTree) -> Result<Parts, InvalidEvent> {
        let mut intake = Intake::new(0, &EVERYTHING);
        let read = Root { intake: &mut intake, reads: &EVERYTHING }.deserialize(self);
        read.map_err(|error| intake.explain(&error, false)).map(|()| intake.into_parts())
    }
}

impl<S: EventSource> EventSource for &S {
    fn parts(&self, reads: &ReadTree) -> Result<Parts, InvalidEvent> {
        (*self).parts(reads)
    }
}

impl Event {
    /// Takes the event apart. `now` and `seed` come from the host, whatever the event says.
    pub(crate) fn new(
        event: &impl EventSource,
        reads: &ReadTree,
        seed: &[u8; 32],
        now_ms: i64,
    ) -> Result<Self, InvalidEvent> {
        let parts = event.parts(reads)?;
        let came = Arc::new(parts.came);
        let required = |places: Option<Vec<Place>>, name| {
            let places = places.ok_or(InvalidEvent::Missing(name))?;
            Ok(Members::of(&came, Some(places), MEMBER))
        };
        Ok(Self {
            user: required(parts.user, "user")?,
            user_metadata: Members::of(&came, parts.user_metadata, MEMBER + 1),
            app_metadata: Members::of(&came, parts.app_metadata, MEMBER + 1),
            context: required(parts.context, "context")?,
            id_token: Members::of(&came, parts.id_token, MEMBER + 1),
            access_token: Members::of(&came, parts.access_token, MEMBER + 1),
            shared: Members::of(&came, Some(parts.shared.unwrap_or_default()), MEMBER),
            configuration: Members::of(&came, parts.configuration, MEMBER),
            identities_in_full: parts.identities_in_full,
            seed: Seed::new(seed),
            now_ms,
            document: Arc::default(),
            encoded_bytes: came.encoded.len() as u64,
        })
    }
}

/// An event taken apart: where the members of each of its objects stand; `None` for an object that is not there.
#[derive(Debug, Default)]
pub struct Parts {
    came: Came,
    user: Option<Vec<Place>>,
    user_metadata: Option<Vec<Place>>,
    app_metadata: Option<Vec<Place>>,
    context: Option<Vec<Place>>,
    id_token: Option<Vec<Place>>,
    access_token: Option<Vec<Place>>,
    configuration: Option<Vec<Place>>,
    shared: Option<Vec<Place>>,
    /// `user.identities` with the credentials that the member of `user` lacks; only where there are any.
    identities_in_full: Option<Value>,
}

/// An object of the event whose members are taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    UserMetadata,
    AppMetadata,
    Context,
    IdToken,
    AccessToken,
    Configuration,
    Shared,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::UserMetadata => "user_metadata",
            Self::AppMetadata => "app_metadata",
            Self::Context => "context",
            Self::IdToken => ID_TOKEN,
            Self::AccessToken => ACCESS_TOKEN,
            Self::Configuration => "configuration",
            Self::Shared => "shared",
        }
    }

    fn of_root(name: &str) -> Option<Self> {
        [Self::User, Self::Context, Self::Configuration, Self::Shared].into_iter().find(|part| part.name() == name)
    }

    /// The part that a member of this one is.
    fn within(self, key: &str) -> Option<Self> {
        let parts: &[Self] = match self {
            Self::User => &[Self::UserMetadata, Self::AppMetadata],
            Self::Context => &[Self::IdToken, Self::AccessToken],
            Self::UserMetadata | Self::AppMetadata | Self::IdToken | Self::AccessToken => &[],
            Self::Configuration | Self::Shared => &[],
        };
        parts.iter().copied().find(|part| part.name() == key)
    }

    /// Whether `null` says that it was never set.
    const fn may_be_null(self) -> bool {
        match self {
            Self::UserMetadata | Self::AppMetadata | Self::IdToken | Self::AccessToken => true,
            Self::User | Self::Context | Self::Configuration | Self::Shared => false,
        }
    }

    /// Whether a member is the host's own, whatever the event says.
    fn is_hosts_own(self, key: &str) -> bool {
        self == Self::Context && matches!(key, "now" | "seed")
    }

    /// Whether a member that no rule reads is not kept: a request may hold credentials, and nobody asks for it later.
    fn is_dropped_unread(self, key: &str) -> bool {
        self == Self::Context && key == "request"
    }

    /// Whether the host itself looks at a member, so that it has to be encoded even where no rule reads it.
    fn is_looked_at(self, key: &str) -> bool {
        match self {
            Self::User => matches!(key, "user_id" | "identities"),
            Self::Context => {
                matches!(key, "clientID" | "connection" | "protocol" | "original_protocol" | "authentication")
            }
            Self::Configuration => true, // What a rule gets of it is granted by name.
            Self::UserMetadata | Self::AppMetadata | Self::IdToken | Self::AccessToken | Self::Shared => false,
        }
    }
}

/// An event on its way in.
struct Intake<'t> {
    pass: Pass<'t>,
    parts: Parts,
    /// Bytes of the event's text.
    text_bytes: usize,
    /// The object that was begun last.
    reading: Option<Part>,
    invalid: Option<InvalidEvent>,
}

impl<'t> Intake<'t> {
    fn new(text_bytes: usize, reads: &ReadTree) -> Self {
        let pass = Pass::of_text(if reads.whole { text_bytes } else { text_bytes / 4 });
        Self { pass, parts: Parts::default(), text_bytes, reading: None, invalid: None }
    }

    fn into_parts(self) -> Parts {
        let Self { pass, mut parts, .. } = self;
        parts.came.encoded = pass.writer.into_piece();
        parts
    }

    /// Why the event was not taken in. A text has places to tell of, a tree has not.
    fn explain(&mut self, error: &serde_json::Error, has_places: bool) -> InvalidEvent {
        if let Some(invalid) = self.invalid.take() {
            return invalid;
        }
        if error.is_data() && !self.pass.refused.is_told() {
            return self.reading.map_or(InvalidEvent::NoObject, |part| InvalidEvent::WrongType(part.name()));
        }
        let refused = self.pass.refused.explain(error);
        if has_places { not_canonical(refused) } else { not_canonical(refused.problem) }
    }

    fn refuse<E: Error>(&mut self, invalid: InvalidEvent) -> E {
        self.invalid = Some(invalid);
        E::custom("no event")
    }

    const fn places(&mut self, part: Part) -> &mut Option<Vec<Place>> {
        let parts = &mut self.parts;
        match part {
            Part::User => &mut parts.user,
            Part::UserMetadata => &mut parts.user_metadata,
            Part::AppMetadata => &mut parts.app_metadata,
            Part::Context => &mut parts.context,
            Part::IdToken => &mut parts.id_token,
            Part::AccessToken => &mut parts.access_token,
            Part::Configuration => &mut parts.configuration,
            Part::Shared => &mut parts.shared,
        }
    }

    /// The place of a member that was written from this position on; without credentials, if there are any in it.
    fn written(&mut self, part: Part, key: &str, start: usize) -> Result<Place, EncodeError> {
        let writer = &mut self.pass.writer;
        let value = Object::of_piece(writer.written_since(start), MEMBER).next().map(|(_, value)| value);
        let replaced = match (part, key) {
            (Part::User, "identities") => value.filter(|node| credentials::stand_in_identities(*node)).map(|node| {
                let full = decoded(node);
                let replaced = credentials::without_idp_credentials(full.clone());
                self.parts.identities_in_full = Some(full);
                replaced
            }),
            (Part::Context, "request") => value.filter(|node| credentials::may_stand_in_request(*node)).map(|node| {
                let mut request = decoded(node);
                credentials::hide_credentials(&mut request);
                request
            }),
            _ => None,
        };
        if let Some(replaced) = replaced {
            writer.rewind(start);
            writer.key(key);
            writer.value(&replaced)?;
        }
        Came::encoded_from(start, writer.position())
    }
}

/// The whole of an event.
struct Root<'i, 't> {
    intake: &'i mut Intake<'t>,
    reads: &'i ReadTree,
}

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
        let Self { intake, reads } = self;
        let (mut open, mut keys) = intake.pass.open_object()?;
        while let Some(key) = members.next_key_seed(Key(&intake.pass.refused))? {
            let Some(part) = Part::of_root(&key) else {
                return Err(intake.refuse(InvalidEvent::Unknown(key.into_owned())));
            };
            Writer::count(&mut open);
            intake.pass.writer.key(&key);
            members.next_value_seed(PartOf { intake, part, reads: reads.part(&key) })?;
            intake.pass.note(&mut keys, key)?;
        }
        intake.pass.close_object(open, &keys)
    }
}

/// The members of one part of an event.
struct PartOf<'i, 't> {
    intake: &'i mut Intake<'t>,
    part: Part,
    /// What is read of it.
    reads: Option<&'i ReadTree>,
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
        if !self.part.may_be_null() {
            return Err(self.intake.refuse(InvalidEvent::WrongType(self.part.name())));
        }
        let written = self.intake.pass.writer.value(&());
        self.intake.pass.said(written)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { intake, part, reads, .. } = self;
        let mut places = Vec::with_capacity(USUAL_MEMBERS);
        let (mut open, mut keys) = intake.pass.open_object()?;
        while let Some(key) = members.next_key_seed(Key(&intake.pass.refused))? {
            let read = reads.and_then(|reads| reads.part(&key));
            if part.is_hosts_own(&key) {
                members.next_value::<IgnoredAny>()?;
            } else if let Some(part) = part.within(&key) {
                Writer::count(&mut open);
                intake.pass.writer.key(&key);
                members.next_value_seed(PartOf { intake, part, reads: read })?;
            } else if read.is_some() || part.is_looked_at(&key) {
                let start = intake.pass.writer.position();
                Writer::count(&mut open);
                intake.pass.writer.key(&key);
                members.next_value_seed(Node(&mut intake.pass))?;
                let place = intake.written(part, &key, start);
                places.push(intake.pass.said(place)?);
            } else if part.is_dropped_unread(&key) {
                members.next_value::<IgnoredAny>()?;
            } else {
                let place =
                    intake.parts.came.keep_text(&key, members.next_value::<&RawValue>()?.get(), intake.text_bytes);
                places.push(intake.pass.said(place)?);
            }
            intake.pass.note(&mut keys, key)?;
        }
        *intake.places(part) = Some(places);
        intake.pass.close_object(open, &keys)
    }
}

/// As many members as most objects of an event have.
const USUAL_MEMBERS: usize = 16;

/// An event no rule can be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    /// The event is no object.
    #[error("the event is no JSON object; it needs the members `user` and `context`")]
    NoObject,
    /// A root that has to be there.
    #[error("the event has no `{0}`; add `\"{0}\": {{…}}`")]
    Missing(&'static str),
    /// A root, a metadata bag or the claims of a token, of another type.
    #[error("`{0}` of the event is no object; write `{{…}}`")]
    WrongType(&'static str),
    /// A root that does not exist.
    #[error("the event has an unknown member `{}`; it has `user`, `context`, `configuration` and `shared`", .0.escape_debug())]
    Unknown(String),
    /// A value outside the canonical profile.
    #[error("the event is outside the canonical JSON profile: {0}")]
    NotCanonical(String),
}

fn not_canonical(error: impl Display) -> InvalidEvent {
    InvalidEvent::NotCanonical(error.to_string())
}
