//! Taking an event in: what it has to be, and what never reaches a rule.

use std::{collections::BTreeSet, sync::Arc};

use hmac::{Hmac, Mac};
use serde_json::{Map, Value};

use super::{Event, IDP_CREDENTIALS, Members};

/// What a request may carry that no rule sees (DESIGN §2); compared without case.
const CREDENTIALS: &[&str] = &[
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
];

/// Levels above a member of `user`, `context`, `configuration` and `shared`.
const MEMBER: usize = 2;

impl Event {
    /// Takes the event apart. `now` and `seed` come from the host, whatever the event says.
    pub(crate) fn new(event: Value, seed: &[u8; 32], now_ms: i64) -> Result<Self, InvalidEvent> {
        let Value::Object(mut roots) = event else { return Err(InvalidEvent::NoObject) };
        let user = required(&mut roots, "user")?;
        let context = required(&mut roots, "context")?;
        let configuration = optional(&mut roots, "configuration")?;
        let shared = optional(&mut roots, "shared")?;
        if let Some(unknown) = roots.keys().next() {
            return Err(InvalidEvent::Unknown(unknown.clone()));
        }
        let mut user = Members::new(Some(user), MEMBER);
        let mut context = Members::new(Some(context), MEMBER);
        let user_metadata = bag(&mut user, "user_metadata")?;
        let app_metadata = bag(&mut user, "app_metadata")?;
        let identities_in_full = user.get_mut("identities").and_then(hide_idp_credentials);
        for host_owned in ["now", "seed"] {
            context.take_out(host_owned);
        }
        if let Some(request) = context.get_mut("request") {
            hide_credentials(request);
        }
        let mut login = Self {
            user,
            user_metadata: Members::new(user_metadata, MEMBER + 1),
            app_metadata: Members::new(app_metadata, MEMBER + 1),
            context,
            shared: Members::new(Some(shared.unwrap_or_default()), MEMBER),
            configuration: Members::new(configuration, MEMBER),
            identities_in_full,
            seed: Hmac::new_from_slice(seed).map_err(|error| InvalidEvent::NotCanonical(error.to_string()))?,
            now_ms,
            document: Arc::default(),
            encoded_bytes: 0,
        };
        login.encode_changes().map_err(|error| InvalidEvent::NotCanonical(error.to_string()))?;
        Ok(login)
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
    /// A root or a metadata bag of another type.
    #[error("`{0}` of the event is no object; write `{{…}}`")]
    WrongType(&'static str),
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

fn required(roots: &mut Map<String, Value>, name: &'static str) -> Result<Map<String, Value>, InvalidEvent> {
    optional(roots, name)?.ok_or(InvalidEvent::Missing(name))
}

fn optional(roots: &mut Map<String, Value>, name: &'static str) -> Result<Option<Map<String, Value>>, InvalidEvent> {
    object(roots.swap_remove(name), name)
}

/// A metadata bag; `null` is one that was never set.
fn bag(user: &mut Members, name: &'static str) -> Result<Option<Map<String, Value>>, InvalidEvent> {
    object(user.take_out(name).filter(|bag| !bag.is_null()), name)
}

fn object(value: Option<Value>, name: &'static str) -> Result<Option<Map<String, Value>>, InvalidEvent> {
    match value {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(InvalidEvent::WrongType(name)),
    }
}

/// Takes the credentials out of identities; gives the identities as they were, where there were any.
fn hide_idp_credentials(identities: &mut Value) -> Option<Value> {
    let is_secret = |key: &String| IDP_CREDENTIALS.contains(&key.as_str());
    let elements = identities.as_array()?;
    if !elements.iter().filter_map(Value::as_object).any(|identity| identity.keys().any(is_secret)) {
        return None;
    }
    let full = identities.clone();
    for identity in identities.as_array_mut()?.iter_mut().filter_map(Value::as_object_mut) {
        identity.retain(|key, _| !is_secret(key));
    }
    Some(full)
}

/// Takes the credentials out of `context.request`, at every level; a body that is no object cannot be searched and goes
/// as a whole. Rules never see them; whoever keeps an event calls this first.
pub fn hide_credentials(request: &mut Value) {
    let Some(request) = request.as_object_mut() else { return };
    for part in ["query", "body"] {
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
            members.retain(|key, _| !CREDENTIALS.iter().any(|credential| key.eq_ignore_ascii_case(credential)));
            members.values_mut().for_each(scrub);
        }
        Value::Array(elements) => elements.iter_mut().for_each(scrub),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
