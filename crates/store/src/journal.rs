//! The journal: what happened, in order, in chains that notice what is lost or altered.
//!
//! An entry's link is the SHA-256 of the link before it, its sequence number and the *digest* of what it tells. So what
//! it tells can be dropped (retention, or because its person is erased), and the chain stays valid.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{LoginId, LoginRecord, Result, TenantId, Timestamp, UserId};

/// Something that happened beside logins: a deploy, a new secret, a break-glass window, a changed password.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened, a stable word: `deploy`, `rollback`, `secret_set`, `break_glass_opened` …
    pub kind: String,
    /// Whom it is about.
    pub user: Option<UserId>,
    /// Who did it.
    pub by: String,
    /// What there is to tell; no secret.
    pub summary: Map<String, Value>,
    /// When.
    pub at: Timestamp,
}

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its chain.
    pub chain: String,
    /// Its place in it, counted from 1.
    pub sequence: i64,
    /// What it tells.
    pub what: EntryKind,
}

/// What an entry tells.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryKind {
    /// A leg of a login.
    Login(LoginRecord),
    /// Something else.
    Event(Event),
    /// What it told was dropped.
    Redacted,
}

/// Which entries to read.
#[derive(Debug, Clone, Default)]
pub struct JournalQuery {
    /// Only of this user.
    pub user: Option<UserId>,
    /// Only of this login.
    pub login: Option<LoginId>,
    /// Only what happened before.
    pub before: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
}

/// The journal.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes down something that happened.
    async fn record(&self, tenant: &TenantId, event: &Event) -> Result<()>;
    /// Entries, newest first.
    async fn journal(&self, tenant: &TenantId, query: &JournalQuery) -> Result<Vec<Entry>>;
    /// Drops what entries older than that tell; how many. Their digests stay in the chain.
    async fn forget(&self, tenant: &TenantId, before: Timestamp) -> Result<u64>;
    /// Drops what a person's entries tell; how many.
    async fn redact_user(&self, tenant: &TenantId, user: &UserId) -> Result<u64>;
}
