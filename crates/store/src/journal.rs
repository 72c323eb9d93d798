//! The journal: what happened, in order, in chains that notice what is lost or altered.
//!
//! An entry's link is the SHA-256 of the link before it, its sequence number and the *digest* of what it tells. So what
//! it tells can be dropped (retention, or because its person is erased), and the chain stays valid.

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    ClientId, ConnectionName, GenerationNumber, LoginId, LoginRecord, Result, RevisionDigest, StoreError, TenantId,
    Timestamp, UserId,
};

/// What an operator does, who they are, and when.
///
/// The verb that does it takes it, and writes it into the journal in its own transaction: neither the change nor its
/// entry is ever there without the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// What.
    pub what: OperatorAct,
    /// Who: the name of an admin token, or what made the installation.
    pub by: String,
    /// Now.
    pub at: Timestamp,
}

/// The acts of operators, with what the journal tells of each; no secret. Its kind there is the variant's name in
/// `snake_case`, its summary the members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "a variant and its members are what the journal calls them")]
pub enum OperatorAct {
    InstallationBegun,
    TenantPut {
        tenant: TenantId,
    },
    ConnectionPut {
        connection: ConnectionName,
    },
    ClientPut {
        client: ClientId,
    },
    ClientRemoved {
        client: ClientId,
    },
    /// Told with the version that it got, as `configuration_set` is.
    SecretSet {
        name: String,
    },
    SecretRemoved {
        name: String,
    },
    ConfigurationSet {
        name: String,
    },
    ConfigurationRemoved {
        name: String,
    },
    KeyMade {
        kid: String,
        from: Timestamp,
    },
    AdminTokenMade {
        token: String,
        name: String,
        scopes: Vec<String>,
    },
    AdminTokenRevoked {
        token: String,
    },
    Deploy {
        generation: GenerationNumber,
        digest: RevisionDigest,
        before: Option<GenerationNumber>,
    },
    Rollback {
        generation: GenerationNumber,
        digest: RevisionDigest,
        before: Option<GenerationNumber>,
    },
    GenerationRevoked {
        generation: GenerationNumber,
    },
    BreakGlassOpened {
        /// The entry is about them, and is redacted with them.
        #[serde(skip)]
        user: UserId,
        until: Timestamp,
        reason: String,
    },
    FactorsReset {
        /// As of `break_glass_opened`.
        #[serde(skip)]
        user: UserId,
    },
    /// Written before the copy is made: no copy of everything leaves without a trace.
    Backup,
}

impl Act {
    /// The entry that tells of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Document`], in theory.
    pub fn event(&self) -> Result<Event> {
        let mut summary = match serde_json::to_value(&self.what).map_err(StoreError::Document)? {
            Value::Object(told) => told,
            _ => Map::new(),
        };
        let kind = match summary.remove("kind") {
            Some(Value::String(kind)) => kind,
            _ => String::new(),
        };
        let user = match &self.what {
            OperatorAct::BreakGlassOpened { user, .. } | OperatorAct::FactorsReset { user } => Some(user.clone()),
            _ => None,
        };
        Ok(Event { kind, user, by: self.by.clone(), summary, at: self.at })
    }
}

/// Something that happened beside logins: what an operator did ([`Act`]), or an alarm.
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
    /// Writes down something that happened and changed nothing; what changes something has an [`Act`] to take.
    async fn record(&self, tenant: &TenantId, event: &Event) -> Result<()>;
    /// Entries, newest first.
    async fn journal(&self, tenant: &TenantId, query: &JournalQuery) -> Result<Vec<Entry>>;
    /// Drops what entries older than that tell; how many. Their digests stay in the chain.
    async fn forget(&self, tenant: &TenantId, before: Timestamp) -> Result<u64>;
    /// Drops what a person's entries tell; how many.
    async fn redact_user(&self, tenant: &TenantId, user: &UserId) -> Result<u64>;
}
