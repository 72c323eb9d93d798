//! What differs between the two databases, and nothing else.
//!
//! The SQL is written once, in the words both understand, with `$1` placeholders. A backend runs statements, makes
//! transactions that lose nothing they have acknowledged, and knows how its own files are checked and copied.

use std::{fmt::Debug, path::Path};

use async_trait::async_trait;
use tokio::sync::watch;

use super::value::{Row, Value};
use crate::{Damage, Result, Verification};

/// A database.
#[async_trait]
pub(crate) trait Backend: Debug + Send + Sync + 'static {
    /// Runs one statement that reads.
    async fn read(&self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>>;
    /// Begins a transaction that may write.
    async fn begin(&self) -> Result<Box<dyn Transaction>>;
    /// Begins a transaction that reads one state of the database, whatever is written meanwhile.
    async fn snapshot(&self) -> Result<Box<dyn Transaction>>;
    /// In how many journal chains one node may write at the same time.
    fn lanes(&self) -> usize;
    /// Hears of every change that this or another node announces.
    fn changes(&self) -> watch::Receiver<()>;

    /// Whether something could be committed now, as far as that can be told without doing it.
    async fn can_commit(&self) -> Result<()>;
    /// What was found to be wrong when the database was opened. Until it is accepted, nothing can be written.
    fn damage(&self) -> Option<Damage>;
    /// Something was found to be wrong.
    fn found(&self, damage: Damage);
    /// The operator goes on with the database as it is.
    async fn accept_damage(&self) -> Result<()>;
    /// Checks what is the database's own: its structure, its rows, its witness.
    async fn check(&self, report: &mut Verification) -> Result<()>;
    /// Copies everything, as of one moment, into a SQLite file that does not exist yet.
    async fn backup(&self, to: &Path) -> Result<()>;
    /// Lets go of everything.
    async fn close(&self);
}

/// A transaction. Dropped, it leaves nothing behind.
#[async_trait]
pub(crate) trait Transaction: Send {
    /// Runs a `SELECT`.
    async fn read(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>>;
    /// Runs a `SELECT` whose rows nobody else can change until the end of this transaction.
    async fn lock(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>>;
    /// Runs an `INSERT`, `UPDATE` or `DELETE`; how many rows it wrote.
    async fn write(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64>;
    /// As [`Transaction::write`], and returns these columns of the rows it wrote.
    async fn write_returning(&mut self, sql: &'static str, columns: &'static str, args: Vec<Value>)
    -> Result<Vec<Row>>;
    /// Tells all nodes, once this is committed, that something they keep in memory has changed.
    async fn announce(&mut self) -> Result<()>;
    /// A journal entry was written: its link is witnessed with the commit, where there is a witness.
    fn linked(&mut self, link: &Link);
    /// Makes it durable. Once begun, it goes on even if nobody waits for it any more.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// A place in a journal chain, and what it was linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) chain: String,
    pub(crate) sequence: i64,
    pub(crate) link: [u8; 32],
}
