//! SQLite: one file, one writer, and a witness beside it.
//!
//! - The write-ahead log is synced at every commit (`synchronous=FULL`), and a line of the [`witness`] after it; only then
//!   is a commit acknowledged.
//! - There is one writing connection. Whoever writes holds its [`Writer`]; the line of a commit is handed in before the
//!   next one may begin, so both orders are the same.
//! - Every row carries its checksum ([`rows`]).
//! - A lock file keeps other processes out.

mod opening;
mod transactions;

mod backup;
mod cells;
mod private;
mod rows;
mod schema;
mod witness;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{sync::watch, time::timeout};

pub(super) use self::backup::{Backup, Restored, restore};
use self::{
    cells::{arguments, cells},
    transactions::{Reading, Writing},
    witness::{Head, Witness},
};
use super::{
    backend::{Backend, Transaction},
    fault,
    value::{Row, Value},
};
use crate::{Damage, Result, StoreError, Verification};

/// How long one waits for the writer.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open database file.
#[derive(Debug)]
pub(super) struct Sqlite {
    path: PathBuf,
    readers: SqlitePool,
    writing: SqlitePool,
    writer: Arc<tokio::sync::Mutex<Writer>>,
    damage: Mutex<Option<Damage>>,
    changes: watch::Sender<()>,
    /// Locked until it is closed.
    lock: Mutex<Option<File>>,
}

/// What whoever writes holds.
#[derive(Debug)]
struct Writer {
    /// Where the commits stand; `None` when one came to an unknown end, and the database is to be asked.
    head: Option<Head>,
    /// There is none while damage was not accepted, and after the end.
    witness: Option<Witness>,
}

impl Sqlite {
    /// Whether the witness file tells of all commits up to this one. While it is open, its absence would go unnoticed until
    /// the next start.
    async fn check_witness(&self, database: i64, report: &mut Verification) -> Result<()> {
        if let Some(witness) = &self.writer.lock().await.witness {
            witness.written().await?;
        }
        match witness::read(&beside(&self.path, "-witness"))? {
            Some(Ok(testimony)) => {
                report.witnessed = testimony.lines;
                let witness = testimony.head.number;
                if witness < database {
                    report.damage.push(Damage::WitnessLost { database, witness });
                }
            }
            Some(Err(damage)) => report.damage.push(damage),
            None => report.damage.push(Damage::WitnessMissing { database }),
        }
        Ok(())
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full) // A commit that was acknowledged survives a power cut.
        .busy_timeout(PATIENCE)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON") // Malformed pages are noticed when they are read.
        .pragma("journal_size_limit", (64 << 20).to_string())
        .disable_statement_logging()
}

/// Another file of the same database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The last lines that the database knows, in order.
async fn ring(connection: &mut SqliteConnection) -> Result<Vec<(i64, String)>> {
    let select = "SELECT number, line FROM witnessed ORDER BY number";
    sqlx::query_as(select).fetch_all(connection).await.map_err(fault::of)
}

fn head(ring: &[(i64, String)]) -> Head {
    let mark = |line: &str| line.rsplit('\t').next().and_then(witness::unhex).unwrap_or_default();
    ring.last().map_or(Head::START, |(number, line)| Head { number: *number, mark: mark(line) })
}

#[async_trait]
impl Backend for Sqlite {
    async fn read(&self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        let rows = sqlx::query_with(sql, arguments(args)?).fetch_all(&self.readers).await.map_err(fault::of)?;
        rows.iter().map(|row| cells(row).map(Row::new)).collect()
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        if let Some(damage) = self.damage() {
            return Err(damage.into());
        }
        let writer = timeout(PATIENCE, Arc::clone(&self.writer).lock_owned());
        let writer = writer.await.map_err(|_| StoreError::Unavailable(sqlx::Error::PoolTimedOut))?;
        match &writer.witness {
            Some(witness) => witness.catch_up().await?,
            None => return Err(StoreError::Unavailable(sqlx::Error::PoolClosed)),
        }
        Ok(Box::new(Writing::begin(&self.writing, writer, self.changes.clone()).await?))
    }

    async fn snapshot(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(Reading { tx: self.readers.begin().await.map_err(fault::of)? }))
    }

    fn lanes(&self) -> usize {
        1 // There is one writer.
    }

    fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    async fn can_commit(&self) -> Result<()> {
        if let Some(damage) = self.damage() {
            return Err(damage.into());
        }
        let writer = timeout(PATIENCE, self.writer.lock());
        let writer = writer.await.map_err(|_| StoreError::Unavailable(sqlx::Error::PoolTimedOut))?;
        let asked = writer.witness.as_ref().map(Witness::asked);
        drop(writer);
        match asked {
            Some(asked) => asked.await,
            None => Err(StoreError::Unavailable(sqlx::Error::PoolClosed)),
        }
    }

    fn damage(&self) -> Option<Damage> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn found(&self, damage: Damage) {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(damage);
    }

    async fn accept_damage(&self) -> Result<()> {
        let mut writer = self.writer.lock().await;
        let mut connection = self.writing.acquire().await.map_err(fault::of)?;
        let ring = ring(&mut connection).await?;
        let head = head(&ring);
        writer.head = Some(head);
        if let Some(before) = writer.witness.take() {
            before.end().await; // Two would write into one file.
        }
        writer.witness = Some(Witness::begin(&beside(&self.path, "-witness"), head, Default::default())?);
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    async fn check(&self, report: &mut Verification) -> Result<()> {
        let mut snapshot = self.readers.begin().await.map_err(fault::of)?;
        rows::check(&mut snapshot, report).await?;
        let ring = ring(&mut snapshot).await?;
        self.check_witness(head(&ring).number, report).await?;
        for pair in ring.windows(2) {
            if let [(_, before), (number, line)] = pair
                && witness::follow(head(&[(number - 1, before.clone())]), line).is_none()
            {
                report.damage.push(Damage::Diverged { commit: *number });
            }
        }
        report.damage.extend(self.damage().filter(|damage| !report.damage.contains(damage)));
        Ok(())
    }

    async fn backup(&self, to: &Path) -> Result<()> {
        backup::copy(&self.path, to).await
    }

    async fn close(&self) {
        let mut writer = self.writer.lock().await;
        if let Some(witness) = writer.witness.take() {
            witness.end().await;
        }
        self.readers.close().await;
        self.writing.close().await;
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_its_witness_cannot_tell_of_it_cannot_commit() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("vestibule.db")).await.unwrap();
        store.can_commit().await.unwrap();
        let unwritable = witness::tests::unwritable(&folder.path().join("other-witness"));
        unwritable.tell("a commit".to_owned()).synced().await.unwrap_err();
        store.writer.lock().await.witness = Some(unwritable);
        assert!(matches!(store.can_commit().await, Err(StoreError::File { .. })));
        store.writer.lock().await.witness = Some(witness::tests::without_a_thread());
        assert!(matches!(store.can_commit().await, Err(StoreError::File { .. })));
        store.close().await;
        assert!(matches!(store.can_commit().await, Err(StoreError::Unavailable(_))));
    }
}
