//! What operators do with a store: check it, tidy it, copy it.

use std::path::Path;

use async_trait::async_trait;

use crate::{Damage, Result, Timestamp};

/// What a full check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// How many journal entries were checked.
    pub entries: u64,
    /// How many rows were checked against their checksums (SQLite; PostgreSQL has checksums of its own pages).
    pub rows: u64,
    /// How many commits the witness file tells of (SQLite).
    pub witnessed: u64,
    /// What is wrong; empty when all is well.
    pub damage: Vec<Damage>,
    /// What could not be checked here, and why, for people: `PostgreSQL runs without data checksums`.
    pub remarks: Vec<String>,
}

/// What tidying up removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// Sessions that had ended.
    pub sessions: u64,
    /// Codes that were over.
    pub codes: u64,
    /// Refresh-token families that were over.
    pub families: u64,
    /// Parked logins and one-time tokens that were over.
    pub one_time: u64,
    /// Letters that nobody could send in time.
    pub letters: u64,
}

/// Checking, tidying, copying.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Whether the database answers and would commit: what `/health/ready` asks.
    async fn ping(&self) -> Result<()>;
    /// What was found to be wrong when the store was opened: until it is accepted, nothing can be written (HR-125).
    fn damage(&self) -> Option<Damage>;
    /// The operator goes on with the database as it is: the witness begins anew with it.
    async fn accept_damage(&self, now: Timestamp) -> Result<()>;
    /// Checks everything that was ever committed and is still kept.
    async fn verify(&self) -> Result<Verification>;
    /// Removes what is over. To be called every few minutes.
    async fn tidy(&self, now: Timestamp) -> Result<Tidied>;
    /// Copies the database, as of one moment, to a new file, while it is in use. The file is restored by
    /// `vestibule restore`.
    async fn backup(&self, to: &Path) -> Result<()>;
    /// Writes out what is in memory and lets go of the files. Further calls fail.
    async fn close(&self);
}
