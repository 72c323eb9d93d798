//! Taking an event in: what it has to be, and what never reaches a rule.

use std::{collections::BTreeSet, fmt::Display, sync::Arc};

use hmac::{Hmac, Mac};
use serde_json::Value;
use vestibule_abi::document::{self, Document, Kind, Member, Node, Object};

use super::{ACCESS_TOKEN, Event, ID_TOKEN, IDP_CREDENTIALS, Members, members::decoded};
use crate::json;

/// What a request may carry that no rule sees (DESIGN §2); compared without case.
const CREDENTIALS: Names = Names::of(&[
    "access_token",
    "actor_token",
    "assertion",
    "binding_code",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "id_token",
    "id_token_hint",
    "mfa_token",
    "new_password",
    "oob_code",
    "otp",
    "password",
    "recovery_code",
    "refresh_token",
    "SAMLResponse",
    "subject_token",
]);

/// Names that are looked for among many keys; compared without case.
struct Names {
    all: &'static [&'static str],
    /// A bit for each length that a name has: most keys have none of them.
    lengths: u64,
}

impl Names {
    #[expect(clippy::indexing_slicing, reason = "evaluated at compile time: an index out of range would not build")]
    const fn of(all: &'static [&'static str]) -> Self {
        let (mut lengths, mut at) = (0, 0);
        while at < all.len() {
            assert!(all[at].len() < u64::BITS as usize);
            lengths |= 1 << all[at].len();
            at += 1;
        }
        Self { all, lengths }
    }

    fn hold(&self, key: &str) -> bool {
        let may_be = key.len() < u64::BITS as usize && self.lengths >> key.len() & 1 == 1;
        may_be && self.all.iter().any(|name| key.eq_ignore_ascii_case(name))
    }
}

/// [`IDP_CREDENTIALS`], as they are looked for.
const IDP_NAMES: Names = Names::of(IDP_CREDENTIALS);

/// Levels above a member of `user`, `context`, `configuration` and `shared`.
const MEMBER: usize = 2;

/// What a host can bring an event as: `{"user", "context", "configuration"?, "shared"?}` in the canonical profile.
///
/// INVARIANT: no object of the document has the same key twice.
pub trait EventSource {
    /// Encodes the event as a document (form 1).
    ///
    /// # Errors
    /// [`InvalidEvent::NotCanonical`].
    fn to_document(&self) -> Result<Vec<u8>, InvalidEvent>;
}

/// An event as text: encoded in one pass, without a tree of values.
#[derive(Debug, Clone, Copy)]
pub struct EventText<'t>(pub &'t [u8]);

impl EventSource for EventText<'_> {
    fn to_document(&self) -> Result<Vec<u8>, InvalidEvent> {
        json::document_of_text(self.0).map_err(not_canonical)
    }
}

impl EventSource for Value {
    fn to_document(&self) -> Result<Vec<u8>, InvalidEvent> {
        document::encode(self).map_err(not_canonical)
    }
}

impl<S: EventSource> EventSource for &S {
    fn to_document(&self) -> Result<Vec<u8>, InvalidEvent> {
        (*self).to_document()
    }
}

impl Event {
    /// Takes the event apart. `now` and `seed` come from the host, whatever the event says.
    pub(crate) fn new(event: &impl EventSource, seed: &[u8; 32], now_ms: i64) -> Result<Self, InvalidEvent> {
        let came = Arc::new(event.to_document()?);
        let root = Document::parse(&came).map_err(not_canonical)?.root();
        let roots = Roots::of(root.as_object().ok_or(InvalidEvent::NoObject)?)?;
        let members = |object| Members::of(&came, object, MEMBER).map_err(not_canonical);
        let mut login = Self {
            user: Members::empty(&came, MEMBER),
            user_metadata: Members::absent(&came, MEMBER + 1),
            app_metadata: Members::absent(&came, MEMBER + 1),
            context: Members::empty(&came, MEMBER),
            id_token: Members::absent(&came, MEMBER + 1),
            access_token: Members::absent(&came, MEMBER + 1),
            shared: roots.shared.map_or_else(|| Ok(Members::empty(&came, MEMBER)), members)?,
            configuration: roots.configuration.map_or_else(|| Ok(Members::absent(&came, MEMBER)), members)?,
            identities_in_full: None,
            seed: Hmac::new_from_slice(seed).map_err(not_canonical)?,
            now_ms,
            document: Arc::default(),
            encoded_bytes: came.len() as u64,
        };
        login.take_in_user(&came, roots.user)?;
        login.take_in_context(&came, roots.context)?;
        Ok(login)
    }

    fn take_in_user(&mut self, came: &Arc<Vec<u8>>, mut user: Object<'_>) -> Result<(), InvalidEvent> {
        while let Some(member) = user.take_member() {
            match member.key {
                "user_metadata" => take_in_bag(&mut self.user_metadata, came, &member)?,
                "app_metadata" => take_in_bag(&mut self.app_metadata, came, &member)?,
                "identities" if holds_any(member.value, &IDP_NAMES) => {
                    let full = decoded(member.value);
                    self.user.add_value(member.key, &without_idp_credentials(full.clone())).map_err(not_canonical)?;
                    self.identities_in_full = Some(full);
                }
                _ => self.user.add(&member).map_err(not_canonical)?,
            }
        }
        Ok(())
    }

    fn take_in_context(&mut self, came: &Arc<Vec<u8>>, mut context: Object<'_>) -> Result<(), InvalidEvent> {
        while let Some(member) = context.take_member() {
            match member.key {
                "now" | "seed" => {} // The host's own.
                ID_TOKEN => take_in_bag(&mut self.id_token, came, &member)?,
                ACCESS_TOKEN => take_in_bag(&mut self.access_token, came, &member)?,
                "request" if may_hold_credentials(member.value) => {
                    let mut request = decoded(member.value);
                    hide_credentials(&mut request);
                    self.context.add_value(member.key, &request).map_err(not_canonical)?;
                }
                _ => self.context.add(&member).map_err(not_canonical)?,
            }
        }
        Ok(())
    }
}

/// The roots of an event.
struct Roots<'e> {
    user: Object<'e>,
    context: Object<'e>,
    configuration: Option<Object<'e>>,
    shared: Option<Object<'e>>,
}

impl<'e> Roots<'e> {
    fn of(event: Object<'e>) -> Result<Self, InvalidEvent> {
        let names = ["user", "context", "configuration", "shared"];
        if let Some((unknown, _)) = event.clone().find(|(key, _)| !names.contains(key)) {
            return Err(InvalidEvent::Unknown(unknown.to_owned()));
        }
        let object = |name: &'static str| match event.get(name.into()) {
            None => Ok(None),
            Some(root) => root.as_object().map(Some).ok_or_else(|| InvalidEvent::WrongType(name.to_owned())),
        };
        let required = |name| object(name)?.ok_or(InvalidEvent::Missing(name));
        Ok(Self {
            user: required("user")?,
            context: required("context")?,
            configuration: object("configuration")?,
            shared: object("shared")?,
        })
    }
}

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
    WrongType(String),
    /// A root that does not exist.
    #[error("the event has an unknown member `{}`; it has `user`, `context`, `configuration` and `shared`", .0.escape_debug())]
    Unknown(String),
    /// A value outside the canonical profile.
    #[error("the event is outside the canonical JSON profile: {0}")]
    NotCanonical(String),
}

/// What the access token of this login may be good for; the host's word, never a rule's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopePolicy {
    /// The scope that was granted before the rules ran.
    pub granted: Vec<String>,
    /// What a rule may put in its place.
    pub allowed: AllowedScopes,
    /// Whether the access token is for the host's own management API: then no rule changes its scope, and its claims
    /// need a namespace.
    pub is_management: bool,
}

/// The scopes a rule may grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedScopes {
    /// What is registered for the audience and allowed to the client.
    Only(BTreeSet<String>),
    /// Any: for trying rules out without a registry.
    Any,
}

impl ScopePolicy {
    /// What an event by itself says: the scope its request asked for, and no registry.
    #[must_use]
    pub fn of_event(event: &Value) -> Self {
        let asked = event.pointer("/context/request/query/scope").and_then(Value::as_str).unwrap_or_default();
        let granted = asked.split_ascii_whitespace().map(str::to_owned).collect();
        Self { granted, allowed: AllowedScopes::Any, is_management: false }
    }

    /// Whether a rule may put this scope into the answer. `openid` and `offline_access` are never added.
    pub(crate) fn permits(&self, scope: &str) -> bool {
        let is_granted = self.granted.iter().any(|granted| granted == scope);
        let is_allowed = match &self.allowed {
            AllowedScopes::Only(allowed) => allowed.contains(scope),
            AllowedScopes::Any => true,
        };
        is_granted || (is_allowed && !matches!(scope, "openid" | "offline_access"))
    }
}

/// Takes in an object within a root; `null` is one that was never set.
fn take_in_bag(bag: &mut Members, came: &Arc<Vec<u8>>, member: &Member<'_>) -> Result<(), InvalidEvent> {
    match member.value.kind() {
        Some(Kind::Null) => {}
        Some(Kind::Object(object)) => *bag = Members::of(came, object, MEMBER + 1).map_err(not_canonical)?,
        _ => return Err(InvalidEvent::WrongType(member.key.to_owned())),
    }
    Ok(())
}

/// Whether a key stands anywhere below a node; compared without case.
fn holds_any(node: Node<'_>, names: &Names) -> bool {
    match (node.as_object(), node.as_array()) {
        (Some(mut members), _) => members.any(|(key, value)| names.hold(key) || holds_any(value, names)),
        (_, Some(mut elements)) => elements.any(|element| holds_any(element, names)),
        (None, None) => false,
    }
}

/// The identities as rules see them that do not name their credentials.
fn without_idp_credentials(mut identities: Value) -> Value {
    for identity in identities.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        identity.retain(|key, _| !IDP_CREDENTIALS.contains(&key.as_str()));
    }
    identities
}

/// The parts of a request in which a browser or client sends what it likes.
const SENT: [&str; 2] = ["query", "body"];

/// Whether there is anything that [`hide_credentials`] would take out.
fn may_hold_credentials(request: Node<'_>) -> bool {
    SENT.iter()
        .filter_map(|part| request.get(*part))
        .any(|part| part.as_object().is_none() || holds_any(part, &CREDENTIALS))
}

/// Takes the credentials out of `context.request`, at every level; a body that is no object cannot be searched and goes
/// as a whole. Rules never see them; whoever keeps an event calls this first.
pub fn hide_credentials(request: &mut Value) {
    let Some(request) = request.as_object_mut() else { return };
    for part in SENT {
        match request.get_mut(part) {
            None => {}
            Some(members @ Value::Object(_)) => scrub(members),
            Some(_) => {
                request.shift_remove(part);
            }
        }
    }
}

fn scrub(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| !CREDENTIALS.hold(key));
            members.values_mut().for_each(scrub);
        }
        Value::Array(elements) => elements.iter_mut().for_each(scrub),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn not_canonical(error: impl Display) -> InvalidEvent {
    InvalidEvent::NotCanonical(error.to_string())
}
