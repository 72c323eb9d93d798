//! Opening a database: nobody else has it, its schema is this version's, and its witness agrees.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
    sync::{Arc, Mutex},
};

use sqlx::{SqliteConnection, sqlite::SqlitePoolOptions};
use tokio::sync::watch;

use super::{
    Sqlite, Writer, beside, head, options, private, ring, schema,
    witness::{self, Head, Testimony, Witness},
};
use crate::{
    Damage, OpenError, StoreError,
    sql::{backend::Backend as _, fault},
};

/// Older ones can corrupt their log (<https://www.sqlite.org/wal.html#walresetbug>).
const OLDEST: (u32, u32, u32) = (3, 51, 3);
const OLDEST_TEXT: &str = "3.51.3";

/// How many connections read.
const READERS: u32 = 4;

impl Sqlite {
    /// Opens a file, or makes it. Damage that its witness tells of does not keep it from being read.
    pub(in crate::sql) async fn open(path: &Path) -> Result<Self, OpenError> {
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
            let pool = pool.test_before_acquire(false); // It is tested when it is given back, and a file does not hang up.
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
