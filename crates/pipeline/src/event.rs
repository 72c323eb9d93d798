//! What a rule sees: one event per login, encoded once, then changed in place by what rules do.
//!
//! A rule gets only what it was granted: its configuration keys, the subtrees of `reads`, its own seed. Credentials
//! never enter (DESIGN §2): not those of the request, and a token of an identity provider only where `reads` names it.
//! What rules read is a document from the first moment: its first-level members are copied from rule to rule, and only what
//! a rule changes is encoded again, so that the bytes encoded grow with changes, not with how many rules there are.

mod credentials;
mod intake;
mod members;
mod scopes;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use hmac::{Hmac, Mac};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;
use vestibule_abi::{
    codes::FailureCode,
    document::{EncodeError, Open, Writer},
    limits,
};

pub use credentials::hide_credentials;
pub use intake::{CanonicalText, EventSource, EventText, InvalidEvent};
pub(crate) use members::Members;
pub use scopes::{AllowedScopes, ScopePolicy};

use crate::{
    answer::{Change, SecondFactor},
    failure::RuleFailure,
    manifest::{Bag, Manifest, ReadTree},
};

/// Where later rules see the claims that earlier ones set.
const ID_TOKEN: &str = "idToken";
const ACCESS_TOKEN: &str = "accessToken";

/// The event of one login, as its next rule would see it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) user: Members,
    pub(crate) user_metadata: Members,
    pub(crate) app_metadata: Members,
    pub(crate) context: Members,
    pub(crate) id_token: Members,
    pub(crate) access_token: Members,
    pub(crate) shared: Members,
    configuration: Members,
    /// `user.identities` with the credentials that the member of `user` lacks; only where there are any.
    identities_in_full: Option<Value>,
    seed: Seed,
    now_ms: i64,
    /// Shared with the run that reads it; used again once that run is over.
    document: Arc<Vec<u8>>,
    encoded_bytes: u64,
}

/// What earlier rules asked for beside the keys they set. Later ones see it where a script would look for it: in
/// `context.redirect`, `context.multifactor` and `context.accessToken.scope`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Demands<'s> {
    pub(crate) redirect: Option<&'s str>,
    pub(crate) second_factor: Option<&'s SecondFactor>,
    pub(crate) scope: Option<&'s [String]>,
}

impl Event {
    /// A text the host put into the context.
    pub(crate) fn context_text(&self, key: &str) -> Option<String> {
        match self.context.value_of(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this login passed a second factor already.
    pub(crate) fn has_second_factor(&self) -> bool {
        let authentication = self.context.value_of("authentication").unwrap_or_default();
        let methods = authentication.get("methods").and_then(Value::as_array);
        methods.into_iter().flatten().any(|method| method.get("name").is_some_and(|name| name == "mfa"))
    }

    /// Whether an id, `provider|id`, is this user or linked to them.
    pub(crate) fn is_linked(&self, id: &str) -> bool {
        let is = |identity: &Value| {
            let text = |key: &str| identity.get(key)?.as_str();
            let (Some(provider), Some(user_id)) = (text("provider"), text("user_id")) else { return false };
            id.strip_prefix(provider).and_then(|rest| rest.strip_prefix('|')) == Some(user_id)
        };
        let identities = self.user.value_of("identities").unwrap_or_default();
        self.user.value_of("user_id").is_some_and(|own| own == id)
            || identities.as_array().into_iter().flatten().any(is)
    }

    /// Sets a key of a bag, or deletes it. Metadata that is set to what it was stays the work of whoever wrote it before:
    /// rules that store a whole bag again would be credited with every key.
    pub(crate) fn put(&mut self, change: &Change<'_>, rule: usize) -> Result<(), EncodeError> {
        let Change { bag, key, value } = *change;
        let members = self.bag_mut(bag);
        if bag.is_metadata() && value.is_some_and(|value| members.holds(key, value)) {
            return Ok(());
        }
        let encoded = members.put(key, value, rule)?;
        self.encoded_bytes += encoded as u64;
        Ok(())
    }

    /// The members that a rule's changes go to.
    pub(crate) const fn bag(&self, bag: Bag) -> &Members {
        match bag {
            Bag::IdToken => &self.id_token,
            Bag::AccessToken => &self.access_token,
            Bag::UserMetadata => &self.user_metadata,
            Bag::AppMetadata => &self.app_metadata,
            Bag::User => &self.user,
            Bag::Context => &self.context,
            Bag::Shared => &self.shared,
        }
    }

    const fn bag_mut(&mut self, bag: Bag) -> &mut Members {
        match bag {
            Bag::IdToken => &mut self.id_token,
            Bag::AccessToken => &mut self.access_token,
            Bag::UserMetadata => &mut self.user_metadata,
            Bag::AppMetadata => &mut self.app_metadata,
            Bag::User => &mut self.user,
            Bag::Context => &mut self.context,
            Bag::Shared => &mut self.shared,
        }
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
    pub(crate) fn assemble(&mut self, rule: &Manifest, demands: Demands<'_>) -> Result<(), RuleFailure> {
        self.write_document(rule, demands)
            .map_err(|error| RuleFailure::new(FailureCode::HostInternal, error.to_string()))?;
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

    fn write_document(&mut self, rule: &Manifest, demands: Demands<'_>) -> Result<(), EncodeError> {
        let reads = rule.read_tree();
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
            match (root, reads.part(root)) {
                // A granted key is received even by a rule with `reads`: the grant names it already.
                ("configuration", _) => {
                    let granted = |key: &str| rule.capabilities.configuration.contains(key);
                    encoded += self.configuration.write_only(&mut writer, &mut part, granted)?;
                }
                (_, None) => {} // Always an object, so that a rule need not ask.
                ("user", Some(reads)) => encoded += self.write_user(&mut writer, &mut part, reads)?,
                ("context", Some(reads)) => {
                    encoded += self.write_context(&mut writer, &mut part, reads, demands)?;
                    encoded += self.write_time_and_seed(&mut writer, &mut part, reads, rule.name.as_str())?;
                }
                (_, Some(reads)) => encoded += self.shared.write(&mut writer, &mut part, reads)?,
            }
            writer.close(part)?;
        }
        writer.close(document)?;
        self.document = Arc::new(writer.finish()?);
        self.encoded_bytes += encoded as u64;
        Ok(())
    }

    /// About how long a document of everything is, so that its buffer is not moved while it grows.
    fn likely_bytes(&self) -> usize {
        const REST: usize = 1024; // Heads, the seed, the time, what was demanded.
        let Self { user, user_metadata, app_metadata, context, id_token, access_token, shared, configuration, .. } =
            self;
        let parts = [user, user_metadata, app_metadata, context, id_token, access_token, shared, configuration];
        REST + parts.map(Members::bytes).iter().sum::<usize>()
    }

    fn write_user(&self, writer: &mut Writer, user: &mut Open, reads: &ReadTree) -> Result<usize, EncodeError> {
        let identities = self.identities_in_full.as_ref().and_then(|full| credentials::named_identities(full, reads));
        let replaced: &[&str] = if identities.is_some() { &["identities"] } else { &[] };
        let mut encoded = self.user.write_except(replaced, writer, user, reads)?;
        for (name, bag) in [("user_metadata", &self.user_metadata), ("app_metadata", &self.app_metadata)] {
            encoded += write_bag(name, bag, writer, user, reads)?;
        }
        if let Some(identities) = identities {
            encoded += write_member("identities", &identities, writer, user)?;
        }
        Ok(encoded)
    }

    fn write_context(
        &self,
        writer: &mut Writer,
        context: &mut Open,
        reads: &ReadTree,
        demands: Demands<'_>,
    ) -> Result<usize, EncodeError> {
        let redirect = demands.redirect.map(|url| ("redirect", json!({ "url": url })));
        let multifactor = demands.second_factor.map(|demand| {
            ("multifactor", json!({ "provider": "any", "allowRememberBrowser": demand.allow_remember_browser }))
        });
        let demanded: Vec<_> = [redirect, multifactor].into_iter().flatten().collect();
        let replaced: Vec<&str> = demanded.iter().map(|(name, _)| *name).collect();
        let mut encoded = self.context.write_except(&replaced, writer, context, reads)?;
        for (name, value) in demanded.iter().filter(|(name, _)| reads.part(name).is_some()) {
            encoded += write_member(name, value, writer, context)?;
        }
        encoded += write_bag(ID_TOKEN, &self.id_token, writer, context, reads)?;
        let Some(scope) = demands.scope else {
            return Ok(encoded + write_bag(ACCESS_TOKEN, &self.access_token, writer, context, reads)?);
        };
        if let Some(reads) = reads.part(ACCESS_TOKEN) {
            Writer::count(context);
            writer.key(ACCESS_TOKEN);
            let mut token = writer.open_object()?;
            encoded += write_member("scope", scope, writer, &mut token)?;
            encoded += self.access_token.write_except(&["scope"], writer, &mut token, reads)?;
            writer.close(token)?;
        }
        Ok(encoded)
    }

    fn write_time_and_seed(
        &self,
        writer: &mut Writer,
        context: &mut Open,
        reads: &ReadTree,
        rule: &str,
    ) -> Result<usize, EncodeError> {
        let mut encoded = 0;
        if reads.part("now").is_some() {
            encoded += write_member("now", &self.now_ms, writer, context)?;
        }
        if reads.part("seed").is_some() {
            encoded += write_member("seed", &self.seed.of_rule(rule), writer, context)?;
        }
        Ok(encoded)
    }
}

/// The login's own randomness. It becomes a key only where a rule is given some of it.
#[derive(Clone)]
struct Seed {
    bytes: [u8; 32],
    key: OnceLock<Hmac<Sha256>>,
}

impl Seed {
    fn new(bytes: &[u8; 32]) -> Self {
        Self { bytes: *bytes, key: OnceLock::new() }
    }

    /// The randomness of one rule in this login: nobody who lacks the login's seed can tell it, another rule included.
    fn of_rule(&self, rule: &str) -> String {
        let key = self.key.get_or_init(|| {
            let mut block = [0; 64]; // Of a block's length no key can be refused; a shorter one has zeros behind it (RFC 2104).
            let (key, _) = block.split_at_mut(self.bytes.len());
            key.copy_from_slice(&self.bytes);
            <Hmac<Sha256> as Mac>::new(&block.into())
        });
        let mut mac = key.clone();
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

/// Never shows what it holds.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").finish_non_exhaustive()
    }
}

/// Writes a bag as a member of its own, and tells how many bytes had to be encoded for it.
fn write_bag(
    name: &str,
    bag: &Members,
    writer: &mut Writer,
    open: &mut Open,
    reads: &ReadTree,
) -> Result<usize, EncodeError> {
    let Some(reads) = reads.part(name).filter(|_| bag.exists()) else { return Ok(0) };
    Writer::count(open);
    writer.key(name);
    let mut part = writer.open_object()?;
    let encoded = bag.write(writer, &mut part, reads)?;
    writer.close(part)?;
    Ok(encoded)
}

/// Writes a member, and tells how many bytes its encoding has.
fn write_member<T: Serialize + ?Sized>(
    name: &str,
    value: &T,
    writer: &mut Writer,
    open: &mut Open,
) -> Result<usize, EncodeError> {
    let before = writer.position();
    Writer::count(open);
    writer.key(name);
    writer.value(value)?;
    Ok(writer.position() - before)
}
