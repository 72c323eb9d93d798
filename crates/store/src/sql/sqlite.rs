//! SQLite: one file, one writer, and a witness beside it.
//!
//! - The write-ahead log is synced at every commit (`synchronous=FULL`), and a line of the [`witness`] after it; only then
//!   is a commit acknowledged.
//! - There is one writing connection. Whoever writes holds its [`Writer`]; the line of a commit is handed in before the
//!   next one may begin, so both orders are the same.
//! - Every row carries its checksum ([`rows`]).
//! - A lock file keeps other processes out.

mod backup;
mod private;
mod rows;
mod schema;
mod witness;

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Row as _, Sqlite as Driver, SqliteConnection, SqlitePool, TypeInfo as _,
    ValueRef as _,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};
use tokio::{
    sync::{OwnedMutexGuard, watch},
    time::timeout,
};

pub(super) use self::backup::{Backup, Restored, restore};
use self::{
    rows::Touched,
    witness::{Head, RING, Testimony, Witness},
};
use super::{
    backend::{Backend, Link, Transaction},
    fault,
    value::{Row, Value, args},
};
use crate::{Damage, OpenError, Result, StoreError, Verification};

/// Older ones can corrupt their log (<https://www.sqlite.org/wal.html#walresetbug>).
const OLDEST: (u32, u32, u32) = (3, 51, 3);
const OLDEST_TEXT: &str = "3.51.3";

/// How long one waits for the writer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many connections read.
const READERS: u32 = 4;

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
    /// Opens a file, or makes it. Damage that its witness tells of does not keep it from being read.
    pub(super) async fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        for suffix in ["", "-wal", "-shm", "-witness", "-lock"] {
            let file = beside(path, suffix);
            let closed = private::close(&file);
            closed.map_err(|source| StoreError::File { path: file, action: "made private", source })?;
        }
        let witness_path = beside(path, "-witness");
        let told = witness::read(&witness_path)?;
        refuse_absence(path, told.as_ref())?;

        let made = private::writing().create(true).truncate(false).open(path);
        made.map_err(|source| StoreError::File { path: path.to_owned(), action: "made", source })?;
        let pool = |connections, options| {
            let pool = SqlitePoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None);
            pool.connect_lazy_with(options)
        };
        let writing = pool(1, options(path).create_if_missing(true));
        let readers = pool(READERS, options(path).pragma("query_only", "ON"));
        let opened = Self {
            path: path.to_owned(),
            readers,
            writing,
            writer: Arc::new(tokio::sync::Mutex::new(Writer { head: None, witness: None })),
            damage: Mutex::new(None),
            changes: watch::Sender::new(()),
            lock: Mutex::new(Some(lock)),
        };
        match opened.begin_work(&witness_path, told).await {
            Ok(()) => Ok(opened),
            Err(error) => {
                opened.close().await; // Whoever opens it next finds nobody at its files.
                Err(error)
            }
        }
    }

    /// Brings the schema up to this version, and goes on where the database and its witness stand.
    async fn begin_work(&self, path: &Path, told: Option<Result<Testimony, Damage>>) -> Result<(), OpenError> {
        let mut connection = self.writing.acquire().await.map_err(fault::of)?;
        assert_version(&mut connection).await?;
        schema::migrate(&mut connection).await?;
        let ring = ring(&mut connection).await?;
        drop(connection);
        drop(self.readers.acquire().await.map_err(fault::of)?); // If it cannot be read, that is said now.

        let head = head(&ring);
        let mut writer = self.writer.lock().await;
        writer.head = Some(head);
        match reconcile(head, &ring, told) {
            Ok(Reconciled::Begin) => writer.witness = Some(Witness::begin(path, head, Default::default())?),
            Ok(Reconciled::Resume(testimony, missing)) => {
                writer.witness = Some(Witness::resume(path, testimony, missing)?);
            }
            Err(damage) => self.found(damage),
        }
        Ok(())
    }
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

    /// A transaction on the writing connection. SQLite ends a transaction by itself when the disk fails it; the driver takes
    /// the connection for being in it still, and begins no other. Such a connection is given up for a new one.
    async fn begin_writing(&self) -> Result<sqlx::Transaction<'static, Driver>> {
        let begin = || self.writing.begin_with("BEGIN IMMEDIATE");
        match begin().await {
            Err(sqlx::Error::InvalidSavePointStatement) => {
                let spoilt = self.writing.acquire().await.map_err(fault::of)?;
                let _gone = spoilt.close().await; // Whatever it says.
                begin().await.map_err(fault::of)
            }
            begun => begun.map_err(fault::of),
        }
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

/// Keeps other processes out for as long as the file is held.
fn lock(path: &Path) -> Result<File, OpenError> {
    let lock = beside(path, "-lock");
    let fault = |source| StoreError::File { path: lock.clone(), action: "locked", source };
    let file = private::writing().create(true).truncate(false).open(&lock).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(fault(source).into()),
    }
}

/// A database that has vanished is not made anew under the eyes of its witness.
fn refuse_absence(path: &Path, told: Option<&Result<Testimony, Damage>>) -> Result<(), OpenError> {
    let empty = fs::metadata(path).map_or(true, |file| file.len() == 0);
    match told {
        Some(Ok(testimony)) if empty && testimony.head.number > 0 => {
            Err(StoreError::Damaged(Damage::RolledBack { database: 0, witness: testimony.head.number }).into())
        }
        _ => Ok(()),
    }
}

async fn assert_version(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let found: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await.map_err(fault::of)?;
    let mut parts = found.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next(), next()) < OLDEST {
        return Err(OpenError::Sqlite { found, required: OLDEST_TEXT });
    }
    Ok(())
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

enum Reconciled {
    /// There is nothing to compare with yet.
    Begin,
    /// The file goes on after these lines, which a crash kept from it.
    Resume(Testimony, Vec<String>),
}

/// Compares what the database and its witness know.
fn reconcile(
    head: Head,
    ring: &[(i64, String)],
    told: Option<Result<Testimony, Damage>>,
) -> Result<Reconciled, Damage> {
    let database = head.number;
    let Some(testimony) = told.transpose()? else {
        return if database == 0 { Ok(Reconciled::Begin) } else { Err(Damage::WitnessMissing { database }) };
    };
    let witness = testimony.head.number;
    if witness > database {
        return Err(Damage::RolledBack { database, witness });
    }
    let mut end = testimony.head;
    let mut missing = Vec::new();
    for (_, line) in ring.iter().filter(|(number, _)| *number > witness) {
        (end, _) = witness::follow(end, line).ok_or(Damage::WitnessLost { database, witness })?;
        missing.push(line.clone());
    }
    match end == head {
        true => Ok(Reconciled::Resume(testimony, missing)),
        false => Err(Damage::Diverged { commit: witness }),
    }
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
        let mut writer = writer.await.map_err(|_| StoreError::Unavailable(sqlx::Error::PoolTimedOut))?;
        match &writer.witness {
            Some(witness) => witness.catch_up().await?,
            None => return Err(StoreError::Unavailable(sqlx::Error::PoolClosed)),
        }
        let mut tx = self.begin_writing().await?;
        let head = match writer.head {
            Some(head) => head,
            None => *writer.head.insert(head(&ring(&mut tx).await?)),
        };
        let changes = self.changes.clone();
        Ok(Box::new(Writing {
            tx,
            writer,
            head,
            touched: Touched::new(),
            wrote: None,
            link: None,
            changes,
            announced: false,
        }))
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

/// A transaction that may write. Whoever has it is the only one.
struct Writing {
    tx: sqlx::Transaction<'static, Driver>,
    writer: OwnedMutexGuard<Writer>,
    head: Head,
    touched: Touched,
    /// What it wrote, statement by statement; `None` as long as it is nothing.
    wrote: Option<Sha256>,
    link: Option<Link>,
    changes: watch::Sender<()>,
    announced: bool,
}

#[async_trait]
impl Transaction for Writing {
    async fn read(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        read(&mut self.tx, sql, args).await
    }

    async fn lock(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        self.read(sql, args).await // There is no other writer.
    }

    async fn write(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64> {
        Ok(self.write_returning(sql, "", args).await?.len() as u64)
    }

    async fn write_returning(
        &mut self,
        sql: &'static str,
        columns: &'static str,
        args: Vec<Value>,
    ) -> Result<Vec<Row>> {
        let wrote = self.wrote.get_or_insert_default();
        Value::from(sql).feed(wrote);
        args.iter().for_each(|value| value.feed(wrote));
        let comma = if columns.is_empty() { "" } else { ", " };
        let returning = AssertSqlSafe(format!("{sql} RETURNING rowid{comma}{columns}")); // Both are our own text.
        let rows = sqlx::query_with(returning, arguments(args)?).fetch_all(&mut *self.tx).await.map_err(fault::of)?;
        let touched = (!sql.starts_with("DELETE")).then(|| self.touched.entry(table(sql)).or_default());
        let mut ids = Vec::with_capacity(rows.len());
        let mut answer = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut row = Row::new(cells(row)?);
            ids.push(row.next::<i64>()?);
            answer.push(row);
        }
        if let Some(touched) = touched {
            touched.extend(ids);
        }
        Ok(answer)
    }

    async fn announce(&mut self) -> Result<()> {
        self.announced = true;
        Ok(())
    }

    fn linked(&mut self, link: &Link) {
        self.link = Some(link.clone());
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        // A task of its own: who asked may go away at any moment.
        let durable = tokio::spawn(self.make_durable()).await;
        durable.unwrap_or(Err(StoreError::Unknown(sqlx::Error::WorkerCrashed)))
    }
}

impl Writing {
    async fn make_durable(mut self: Box<Self>) -> Result<()> {
        let Some(wrote) = self.wrote.take() else {
            return self.tx.rollback().await.map_err(fault::of);
        };
        rows::seal(&mut self.tx, &self.touched).await?;
        let (line, head) = self.head.next(&wrote.finalize().into(), self.link.as_ref());
        let keep = "INSERT INTO witnessed (slot, number, line) VALUES ($1, $2, $3) \
                    ON CONFLICT (slot) DO UPDATE SET number = excluded.number, line = excluded.line";
        let kept = args![head.number % RING, head.number, line.as_str()];
        sqlx::query_with(keep, arguments(kept)?).execute(&mut *self.tx).await.map_err(fault::of)?;

        self.writer.head = None;
        self.tx.commit().await.map_err(fault::of_commit)?;
        self.writer.head = Some(head);
        let told = self.writer.witness.as_ref().map(|witness| witness.tell(line));
        drop(self.writer); // The next one may begin.
        if self.announced {
            self.changes.send_replace(());
        }
        match told {
            Some(told) => told.synced().await.map_err(|error| StoreError::Unknown(error.into())),
            None => Err(StoreError::Unknown(sqlx::Error::PoolClosed)),
        }
    }
}

/// A transaction that reads one state.
struct Reading {
    tx: sqlx::Transaction<'static, Driver>,
}

#[async_trait]
impl Transaction for Reading {
    async fn read(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        read(&mut self.tx, sql, args).await
    }

    async fn lock(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        self.read(sql, args).await
    }

    async fn write(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64> {
        let done = sqlx::query_with(sql, arguments(args)?).execute(&mut *self.tx).await.map_err(fault::of)?;
        Ok(done.rows_affected()) // It is refused: the connection may only read.
    }

    async fn write_returning(&mut self, sql: &'static str, _: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        self.write(sql, args).await.map(|_| Vec::new())
    }

    async fn announce(&mut self) -> Result<()> {
        Ok(())
    }

    fn linked(&mut self, _: &Link) {}

    async fn commit(self: Box<Self>) -> Result<()> {
        self.tx.rollback().await.map_err(fault::of)
    }
}

async fn read(connection: &mut SqliteConnection, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
    let rows = sqlx::query_with(sql, arguments(args)?).fetch_all(connection).await.map_err(fault::of)?;
    rows.iter().map(|row| cells(row).map(Row::new)).collect()
}

/// The table that a statement of ours writes.
fn table(sql: &'static str) -> &'static str {
    let words = sql.trim_start_matches("INSERT INTO ").trim_start_matches("UPDATE ");
    words.split_whitespace().next().unwrap_or_default()
}

fn arguments(values: Vec<Value>) -> Result<SqliteArguments> {
    use sqlx::Arguments as _;
    Value::check(&values)?;
    let mut arguments = SqliteArguments::default();
    for value in values {
        let added = match value {
            Value::Int(number) => arguments.add(number),
            Value::Bool(truth) => arguments.add(truth),
            Value::Text(text) => arguments.add(text),
            Value::Bytes(bytes) => arguments.add(bytes),
        };
        added.map_err(|error| StoreError::Database(sqlx::Error::Encode(error)))?;
    }
    Ok(arguments)
}

/// The cells of a row, by the kind of what is in them.
fn cells(row: &SqliteRow) -> Result<Vec<Value>> {
    let cell = |position: usize| -> Result<Value, sqlx::Error> {
        let raw = row.try_get_raw(position)?;
        let kind = if raw.is_null() { "NULL".to_owned() } else { raw.type_info().name().to_owned() };
        let decoded = match kind.as_str() {
            "NULL" => Ok(Value::Text(None)),
            "INTEGER" => <i64 as sqlx::Decode<Driver>>::decode(raw).map(Value::from),
            "BLOB" => <Vec<u8> as sqlx::Decode<Driver>>::decode(raw).map(|bytes| Value::Bytes(Some(bytes))),
            _ => <String as sqlx::Decode<Driver>>::decode(raw).map(Value::from),
        };
        decoded.map_err(sqlx::Error::Decode)
    };
    (0..row.len()).map(|position| cell(position).map_err(fault::of)).collect()
}
