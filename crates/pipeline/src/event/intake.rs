//! Taking an event in: what it has to be, and how it is taken apart while it is read.
//!
//! Of a text that is known to be canonical only what a rule of the pipeline reads is encoded, and identities and configuration. The
//! rest is kept as the text it came as, and decoded where somebody asks for it after all.

mod narrow;
mod whole;

use std::{fmt::Display, sync::Arc};

use serde::de::Error;
use serde_json::{Value, value::RawValue};
use vestibule_abi::document::Object;

use super::{
    ACCESS_TOKEN, Event, ID_TOKEN, Members, Seed, credentials,
    members::{Came, Place, decoded},
};
use crate::{
    json::{Pass, text_of},
    manifest::ReadTree,
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
        whole::of_text(text_of(self.0).map_err(not_canonical)?)
    }
}

/// An event as text of which the host knows that it is in the canonical profile: it wrote the text from values of its own,
/// as `serde_json::value::to_raw_value` does.
///
/// Only what rules read is looked into. The rest is told apart by its quotes and brackets, and decoded where somebody asks
/// for it after all: a condition (`when`), or a demand for a second factor.
#[derive(Debug, Clone, Copy)]
pub struct CanonicalText<'t>(pub &'t RawValue);

impl EventSource for CanonicalText<'_> {
    fn parts(&self, reads: &ReadTree) -> Result<Parts, InvalidEvent> {
        let text = self.0.get();
        if reads.whole { whole::of_text(text) } else { narrow::of_text(text, reads) }
    }
}

impl EventSource for Value {
    /// All of it is encoded: a tree has no text to keep.
    fn parts(&self, _: &ReadTree) -> Result<Parts, InvalidEvent> {
        whole::of_tree(self)
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

    /// Whether a member is encoded even where no rule reads it.
    fn is_always_encoded(self, key: &str) -> bool {
        match self {
            Self::User => key == "identities", // To find the credentials in it.
            Self::Configuration => true,       // What a rule gets of it is granted by name.
            Self::Context | Self::UserMetadata | Self::AppMetadata => false,
            Self::IdToken | Self::AccessToken | Self::Shared => false,
        }
    }
}

/// An event on its way in.
struct Intake<'t> {
    pass: Pass<'t>,
    parts: Parts,
    /// The object that was begun last.
    reading: Option<Part>,
    invalid: Option<InvalidEvent>,
}

impl<'t> Intake<'t> {
    /// For so many bytes of text that are likely to be encoded.
    fn new(text_bytes: usize) -> Self {
        Self { pass: Pass::of_text(text_bytes), parts: Parts::default(), reading: None, invalid: None }
    }

    fn into_parts(self) -> Parts {
        let Self { pass, mut parts, .. } = self;
        parts.came.encoded = pass.writer.into_piece();
        parts
    }

    /// Why the event was not taken in. Only a text that was read in one go has places to tell of: a tree has none, and each
    /// value between others that were skimmed had a reader of its own.
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

    /// The root of this name.
    fn root<E: Error>(&mut self, name: &str) -> Result<Part, E> {
        Part::of_root(name).ok_or_else(|| self.refuse(InvalidEvent::Unknown(name.to_owned())))
    }

    /// A part that is `null`.
    fn absent<E: Error>(&mut self, part: Part) -> Result<(), E> {
        if !part.may_be_null() {
            return Err(self.refuse(InvalidEvent::WrongType(part.name())));
        }
        let written = self.pass.writer.value(&());
        self.pass.said(written)
    }

    /// The place of a member that was written from this position on; without credentials, if there are any in it.
    fn written<E: Error>(&mut self, part: Part, key: &str, start: usize) -> Result<Place, E> {
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
        let mut written = Ok(());
        if let Some(replaced) = replaced {
            writer.rewind(start);
            writer.key(key);
            written = writer.value(&replaced);
        }
        let place = written.and_then(|()| Came::encoded_from(start, writer.position()));
        self.pass.said(place)
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
