//! What a rule sees: one event per login, read in once, encoded once, then changed in place by what rules do.
//!
//! A rule gets only what it was granted: its configuration keys, the subtrees of `reads`, its own seed. Credentials
//! never enter (DESIGN §2): not those of the request, and a token of an identity provider only where `reads` names it.
//! Each first-level member is encoded when first needed and again only after a change, so that the bytes encoded grow
//! with what rules change, not with how many rules there are.

mod intake;
mod members;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use vestibule_abi::{
    codes::FailureCode,
    document::{EncodeError, Open, Writer},
    limits,
};

pub use intake::{AllowedScopes, InvalidEvent, ScopePolicy, hide_credentials};
pub(crate) use members::Members;

use crate::{
    failure::RuleFailure,
    manifest::{Manifest, ReadTree},
};

/// What a rule without `reads` receives.
static EVERYTHING: ReadTree = ReadTree::everything();

/// Members of `user.identities[]` that are credentials of another system.
const IDP_CREDENTIALS: &[&str] = &["access_token", "access_token_secret", "id_token", "refresh_token"];

/// The event of one login, as its next rule would see it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) user: Members,
    pub(crate) user_metadata: Members,
    pub(crate) app_metadata: Members,
    pub(crate) context: Members,
    pub(crate) shared: Members,
    configuration: Members,
    /// `user.identities` with the credentials that the member of `user` lacks; only where there are any.
    identities_in_full: Option<Value>,
    seed: Hmac<Sha256>,
    now_ms: i64,
    /// Shared with the run that reads it; used again once that run is over.
    document: Arc<Vec<u8>>,
    encoded_bytes: u64,
}

impl Event {
    /// A text the host put into the context.
    pub(crate) fn context_text(&self, key: &str) -> Option<&str> {
        self.context.get(key)?.as_str()
    }

    /// Whether this login passed a second factor already.
    pub(crate) fn has_second_factor(&self) -> bool {
        let methods = self.context.get("authentication").and_then(|authentication| authentication.get("methods"));
        let methods = methods.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        methods.iter().any(|method| method.get("name").and_then(Value::as_str) == Some("mfa"))
    }

    /// Whether an id, `provider|id`, is this user or linked to them.
    pub(crate) fn is_linked(&self, id: &str) -> bool {
        let identities = self.user.get("identities").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let is = |identity: &Value| {
            let text = |key| identity.get(key).and_then(Value::as_str);
            let (Some(provider), Some(user_id)) = (text("provider"), text("user_id")) else { return false };
            id.strip_prefix(provider).and_then(|rest| rest.strip_prefix('|')) == Some(user_id)
        };
        self.user.get("user_id").and_then(Value::as_str) == Some(id) || identities.iter().any(is)
    }

    /// Bytes encoded so far for this login; copies of what was encoded before do not count.
    pub(crate) const fn encoded_bytes(&self) -> u64 {
        self.encoded_bytes
    }

    /// The document that [`Event::assemble`] made.
    pub(crate) fn document(&self) -> &Arc<Vec<u8>> {
        &self.document
    }

    /// Makes the document of one rule.
    pub(crate) fn assemble(&mut self, rule: &Manifest) -> Result<(), RuleFailure> {
        self.write_document(rule).map_err(|error| RuleFailure::new(FailureCode::HostInternal, error.to_string()))?;
        if self.document.len() > limits::EVENT_BYTES {
            let message = format!(
                "the event has {} bytes, a rule receives at most {}; declare `reads` to receive less",
                self.document.len(),
                limits::EVENT_BYTES
            );
            return Err(RuleFailure::new(FailureCode::EventTooLarge, message));
        }
        Ok(())
    }

    fn write_document(&mut self, rule: &Manifest) -> Result<(), EncodeError> {
        self.encode_changes()?;
        let reads = rule.read_tree.as_ref().unwrap_or(&EVERYTHING);
        let mut encoded = 0;
        // A run that is over has let go of it; one that is not keeps what it reads.
        let mut buffer = Arc::get_mut(&mut self.document).map(std::mem::take).unwrap_or_default();
        buffer.clear();
        buffer.reserve(self.likely_bytes());
        let mut writer = Writer::document_into(buffer);
        let mut document = writer.open_object()?;
        for root in ["user", "context", "configuration", "shared"] {
            Writer::count(&mut document);
            writer.key(root);
            let mut part = writer.open_object()?;
            encoded += match (root, reads.part(root)) {
                ("configuration", _) => self.write_configuration(&mut writer, &mut part, rule),
                (_, None) => 0, // Always an object, so that a rule need not ask.
                ("user", Some(reads)) => self.write_user(&mut writer, &mut part, reads)?,
                ("context", Some(reads)) => self.write_context(&mut writer, &mut part, reads, rule.name.as_str())?,
                (_, Some(reads)) => self.shared.write(&mut writer, &mut part, reads)?,
            };
            writer.close(part)?;
        }
        writer.close(document)?;
        self.document = Arc::new(writer.finish()?);
        self.encoded_bytes += encoded as u64;
        Ok(())
    }

    /// Encodes what changed since the last rule; at first, everything.
    fn encode_changes(&mut self) -> Result<(), EncodeError> {
        for members in [
            &mut self.user,
            &mut self.user_metadata,
            &mut self.app_metadata,
            &mut self.context,
            &mut self.shared,
            &mut self.configuration,
        ] {
            self.encoded_bytes += members.encode()? as u64;
        }
        Ok(())
    }

    /// About how long a document of everything is, so that its buffer is not moved while it grows.
    fn likely_bytes(&self) -> usize {
        const REST: usize = 1024; // Heads, the seed, the time.
        let Self { user, user_metadata, app_metadata, context, shared, configuration, .. } = self;
        let parts = [user, user_metadata, app_metadata, context, shared, configuration];
        REST + parts.map(Members::encoded_bytes).iter().sum::<usize>()
    }

    fn write_user(&self, writer: &mut Writer, user: &mut Open, reads: &ReadTree) -> Result<usize, EncodeError> {
        let identities = self.identities_in_full.as_ref().and_then(|full| named_identities(full, reads));
        let replaced = identities.as_ref().map(|_| "identities");
        let mut encoded = self.user.write_except(replaced, writer, user, reads)?;
        for (name, bag) in [("user_metadata", &self.user_metadata), ("app_metadata", &self.app_metadata)] {
            let Some(reads) = reads.part(name).filter(|_| bag.exists()) else { continue };
            Writer::count(user);
            writer.key(name);
            let mut part = writer.open_object()?;
            encoded += bag.write(writer, &mut part, reads)?;
            writer.close(part)?;
        }
        if let Some(identities) = identities {
            let before = writer.position();
            Writer::count(user);
            writer.key("identities");
            writer.value(&identities)?;
            encoded += writer.position() - before;
        }
        Ok(encoded)
    }

    fn write_context(
        &self,
        writer: &mut Writer,
        context: &mut Open,
        reads: &ReadTree,
        rule: &str,
    ) -> Result<usize, EncodeError> {
        let mut encoded = self.context.write(writer, context, reads)?;
        let before = writer.position();
        if reads.part("now").is_some() {
            Writer::count(context);
            writer.key("now");
            writer.value(&self.now_ms)?;
        }
        if reads.part("seed").is_some() {
            Writer::count(context);
            writer.key("seed");
            writer.value(&self.seed_of(rule))?;
        }
        encoded += writer.position() - before;
        Ok(encoded)
    }

    /// A granted key is received even by a rule with `reads`: the grant names it already.
    fn write_configuration(&self, writer: &mut Writer, configuration: &mut Open, rule: &Manifest) -> usize {
        self.configuration.write_only(writer, configuration, |key| rule.capabilities.configuration.contains(key));
        0
    }

    /// The randomness of one rule in this login: nobody who lacks the login's seed can tell it, another rule included.
    fn seed_of(&self, rule: &str) -> String {
        let mut mac = self.seed.clone();
        mac.update(rule.as_bytes());
        let mut text = String::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            for nibble in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(nibble.into(), 16));
            }
        }
        text
    }
}

/// The identities of a rule whose `reads` name credentials in them; `None` for every other rule.
fn named_identities(full: &Value, user: &ReadTree) -> Option<Value> {
    let reads = user.child("identities")?;
    let named = |key: &str| reads.child(key).is_some();
    if !IDP_CREDENTIALS.iter().any(|key| named(key)) {
        return None;
    }
    let visible = |key: &str| named(key) || (reads.whole && !IDP_CREDENTIALS.contains(&key));
    let identities = full.as_array()?.iter().map(|identity| {
        let members = identity.as_object().into_iter().flatten().filter(|(key, _)| visible(key));
        members.map(|(key, value)| (key.clone(), value.clone())).collect::<Value>()
    });
    Some(identities.collect())
}
