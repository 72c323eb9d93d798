//! The commit of a login: one transaction in which everything becomes durable, or nothing does.
//!
//! A login has an id, and one *leg* for each time its rules ran to an outcome: a redirect or a second factor ends a leg,
//! the next one begins when the browser is back. `(login, leg)` is the idempotency key: a commit whose answer was lost is
//! asked for again, and says [`Committed::Known`].

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{
    Bag, ClientId, GenerationNumber, LoginId, NewCode, NewFamily, NewSession, Parked, Result, RevisionDigest,
    SessionId, StoreError, TenantId, Timestamp, TokenDigest, UserId, Version,
};

/// Everything that one leg of a login makes durable.
#[derive(Debug, Clone)]
pub struct LoginCommit {
    /// The login, the same on every attempt and every leg.
    pub login: LoginId,
    /// The leg, counted from 0.
    pub leg: u32,
    /// Whom it is about.
    pub user: UserId,
    /// The client that asked.
    pub client: ClientId,
    /// The pipeline that ran; none if no generation was active, or the rules were skipped (break-glass).
    pub generation: Option<GenerationNumber>,
    /// When the leg began: what its rules saw as now.
    pub at: Timestamp,
    /// Now: what leases and expiries are compared with.
    pub now: Timestamp,
    /// Set if this is a login by credentials, which counts (U-6); not for silent logins and refreshes. It is counted once
    /// per login id, whatever the verdict, and however many legs say it.
    pub counts: Option<Facts>,
    /// What it came to.
    pub verdict: Verdict,
    /// What the journal keeps.
    pub entry: LoginEntry,
}

/// Facts about the user that the host owns and a counted login moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Becomes `last_login`.
    pub at: Timestamp,
    /// Becomes `last_ip`.
    pub ip: Option<String>,
}

/// What a leg came to. Only [`Verdict::Allow`] can change the user's documents or issue anything.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The login goes on.
    Allow(Box<Allowed>),
    /// The browser goes elsewhere first, or a second factor is needed.
    Park {
        /// The version of the user that the rules saw.
        read: Version,
        /// What waits.
        parked: Box<Parked>,
    },
    /// It was refused, or failed.
    Refuse {
        /// The version of the user that the rules saw; `None` if it was refused whatever they saw (`conflict_exhausted`).
        read: Option<Version>,
    },
}

/// What an allowed leg makes durable.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// The version of the user that the rules saw.
    pub read: Version,
    /// The bags as they are to be; `None` leaves a bag as it is.
    pub user_metadata: Option<Option<Map<String, Value>>>,
    /// As `user_metadata`.
    pub app_metadata: Option<Option<Map<String, Value>>>,
    /// Which rule changed which key.
    pub written: Vec<KeyWritten>,
    /// The session it opens or joins.
    pub session: SessionUse,
    /// The code it issues.
    pub code: Option<NewCode>,
    /// What becomes of refresh tokens.
    pub refresh: RefreshUse,
}

/// A metadata key that a rule set or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyWritten {
    /// The bag.
    pub bag: Bag,
    /// The key.
    pub key: String,
    /// The rule's name.
    pub rule: String,
    /// The revision that ran.
    pub revision: RevisionDigest,
}

/// What an allowed login does about the browser's session.
#[derive(Debug, Clone)]
pub enum SessionUse {
    /// Nothing: a grant at the token endpoint.
    None,
    /// Opens one.
    Open(NewSession),
    /// Goes on in one; fails with [`CommitError::Ended`] if it has ended.
    Join {
        /// Which.
        id: SessionId,
        /// Its new end if it is not used.
        idle_until: Timestamp,
    },
}

/// What an allowed login does about refresh tokens.
#[derive(Debug, Clone)]
pub enum RefreshUse {
    /// Nothing; a code with [`NewCode::offline`] makes its family when it is redeemed.
    None,
    /// Makes a family (password grant).
    Issue {
        /// The family.
        family: NewFamily,
        /// What tokens are made of, at this and every later refresh.
        document: Map<String, Value>,
    },
    /// Swaps the presented token for the next one. Of any number of parallel swaps one wins; the others are reuse, which
    /// revokes the family (HS-33).
    Rotate {
        /// What the client presented.
        presented: TokenDigest,
        /// The next one.
        next: TokenDigest,
        /// When the next one is over if it is not used.
        idle_until: Timestamp,
    },
    /// The presented token stays (a client without rotation): it must still be current.
    Keep {
        /// What the client presented.
        presented: TokenDigest,
        /// Its new end if it is not used.
        idle_until: Timestamp,
    },
}

/// What the journal keeps of a leg.
#[derive(Debug, Clone, Default)]
pub struct LoginEntry {
    /// The stable word of the outcome, or of its failure code: `allow`, `deny`, `redirect`, `conflict_exhausted` …
    pub outcome: String,
    /// What may be shown: codes, per-rule reports, flow, protocol. No secret.
    pub summary: Map<String, Value>,
    /// Everything a replay needs (event, seed, recorded exchanges), sealed by the caller. Dropped by redaction.
    pub replay: Option<Vec<u8>>,
}

/// What became of a commit.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is received")]
pub enum Committed {
    /// It is durable now.
    Done,
    /// It was durable already: an earlier commit of the same login and leg, whose answer may have been lost. Nothing was
    /// done; secrets of *this* attempt that are not in the record were not stored.
    Known(LoginRecord),
}

/// Why a commit did nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The user is not what the rules saw any more, or somebody else has the turn: read again, run again.
    #[error("the user was changed meanwhile")]
    Conflict,
    /// The user was deleted.
    #[error("the user was deleted")]
    Gone,
    /// The session that the login goes on in has ended.
    #[error("the session has ended")]
    Ended,
    /// The refresh token is not the current one any more; if it was rotated away, its family is revoked now.
    #[error("the refresh token was used before, or revoked")]
    Spent,
    /// The store's own trouble. After [`StoreError::Unknown`], ask [`Logins::login`], or commit the same again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is durable of a leg.
#[derive(Debug, Clone, PartialEq)]
pub struct LoginRecord {
    /// The login.
    pub login: LoginId,
    /// The leg.
    pub leg: u32,
    /// Whom it is about; none after redaction.
    pub user: Option<UserId>,
    /// The client.
    pub client: Option<ClientId>,
    /// The pipeline that ran.
    pub generation: Option<GenerationNumber>,
    /// When it began.
    pub at: Timestamp,
    /// The stable word.
    pub outcome: String,
    /// What may be shown; empty after redaction.
    pub summary: Map<String, Value>,
    /// What a replay needs; none after redaction.
    pub replay: Option<Vec<u8>>,
    /// What it issued, so that whoever asks again can tell whether their secrets are the ones that count.
    pub issued: Issued,
}

/// Which logins to read.
#[derive(Debug, Clone, Default)]
pub struct LoginQuery {
    /// Only of this user.
    pub user: Option<UserId>,
    /// Only with one of these words as their outcome; with any, where there is none.
    pub outcomes: Vec<String>,
    /// Only those that began before.
    pub before: Option<Timestamp>,
    /// So many, and all that began in the same millisecond as the last of them.
    pub limit: u32,
}

/// The digests of what a leg issued.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Issued {
    /// The session it opened, by its cookie.
    pub session: Option<TokenDigest>,
    /// The code.
    pub code: Option<TokenDigest>,
    /// The refresh token.
    pub refresh: Option<TokenDigest>,
    /// The handle of what it parked.
    pub parked: Option<TokenDigest>,
}

/// Commits logins.
#[async_trait]
pub trait Logins: Send + Sync {
    /// Makes one leg durable, in one transaction: compares the version, counts, writes the bags with their provenance,
    /// the journal entry with its link in the chain, and session, code, refresh token or parked login.
    async fn commit_login(&self, tenant: &TenantId, commit: &LoginCommit) -> Result<Committed, CommitError>;
    /// What is durable of a login: its last leg.
    async fn login(&self, tenant: &TenantId, login: &LoginId) -> Result<Option<LoginRecord>>;
    /// What the journal still tells of logins, leg by leg, newest first.
    async fn logins(&self, tenant: &TenantId, query: &LoginQuery) -> Result<Vec<LoginRecord>>;
    /// Takes the user's turn for a login until then (at most a second): until it commits, nobody else changes the user.
    /// `false` if another login has it.
    async fn take_turn(
        &self,
        tenant: &TenantId,
        user: &UserId,
        login: &LoginId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool>;
    /// Gives a turn back early.
    async fn end_turn(&self, tenant: &TenantId, user: &UserId, login: &LoginId) -> Result<()>;
}
