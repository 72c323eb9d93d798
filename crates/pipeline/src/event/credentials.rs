//! What never reaches a rule: the credentials of a request, and those of other systems in an identity (DESIGN §2).

use serde_json::{Map, Value};
use vestibule_abi::document::Node;

use crate::manifest::ReadTree;

/// What a request may carry that no rule sees; compared without case.
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

/// Members of `user.identities[]` that are credentials of another system.
const IDP_CREDENTIALS: Names = Names::of(&["access_token", "access_token_secret", "id_token", "refresh_token"]);

/// The parts of a request in which a browser or client sends what it likes.
const SENT: [&str; 2] = ["query", "body"];

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

/// Whether there is anything that [`hide_credentials`] would take out.
pub(super) fn may_stand_in_request(request: Node<'_>) -> bool {
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
            Some(members @ Value::Object(_)) => scrub(members, &CREDENTIALS),
            Some(_) => {
                request.shift_remove(part);
            }
        }
    }
}

/// Whether there is anything that [`without_idp_credentials`] would take out.
pub(super) fn stand_in_identities(identities: Node<'_>) -> bool {
    holds_any(identities, &IDP_CREDENTIALS)
}

/// The identities as rules see them that do not name their credentials.
pub(super) fn without_idp_credentials(mut identities: Value) -> Value {
    scrub(&mut identities, &IDP_CREDENTIALS);
    identities
}

/// The identities of a rule whose `reads` name credentials in them; `None` for every other rule.
pub(super) fn named_identities(full: &Value, user: &ReadTree) -> Option<Value> {
    let reads = user.child("identities")?;
    let named = |key: &str| reads.child(key).is_some();
    if !IDP_CREDENTIALS.all.iter().any(|key| named(key)) {
        return None;
    }
    let identities = full.as_array()?.iter().map(|identity| {
        let mut seen = Map::new();
        for (key, value) in identity.as_object().into_iter().flatten() {
            if named(key) {
                seen.insert(key.clone(), value.clone());
            } else if reads.whole && !IDP_CREDENTIALS.hold(key) {
                seen.insert(key.clone(), without_idp_credentials(value.clone()));
            }
        }
        Value::Object(seen)
    });
    Some(identities.collect())
}

/// Whether a key stands anywhere below a node; compared without case.
fn holds_any(node: Node<'_>, names: &Names) -> bool {
    match (node.as_object(), node.as_array()) {
        (Some(mut members), _) => members.any(|(key, value)| names.hold(key) || holds_any(value, names)),
        (_, Some(mut elements)) => elements.any(|element| holds_any(element, names)),
        (None, None) => false,
    }
}

/// Takes the members of these names out, at every level.
fn scrub(value: &mut Value, names: &Names) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| !names.hold(key));
            members.values_mut().for_each(|value| scrub(value, names));
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| scrub(element, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
