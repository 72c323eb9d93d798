//! The store on SQL: every statement once, for both databases.
//!
//! Each part of [`crate::Store`] is implemented in the file of its name. A statement that reads goes to the database as it
//! is; what writes is a [`Tx`]. [`Sql`] holds a [`Backend`], which is all that the databases differ in.

mod backend;
mod fault;
mod migrations;
mod value;

mod postgres;
mod sqlite;

mod changes;
mod credentials;
mod journal;
mod letters;
mod logins;
mod one_time;
mod operations;
mod rules;
mod sealed;
mod sessions;
mod tenants;
mod users;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use self::{
    backend::{Backend, Transaction},
    postgres::Postgres,
    sqlite::Sqlite,
    value::{FromRow, Row, Value, args},
};
use crate::{NodeId, OpenError, Result, StoreError, TenantId, Timestamp};

/// The store on one of the two databases.
#[derive(Debug)]
pub(crate) struct Sql {
    backend: Box<dyn Backend>,
    /// The journal chains that this node writes, each by one transaction at a time.
    lanes: Vec<Lane>,
    next_lane: AtomicUsize,
}

#[derive(Debug)]
struct Lane {
    chain: String,
    busy: Arc<Mutex<()>>,
}

impl Sql {
    /// Opens the database at an address, brings its schema up to this version, and checks the end of its journal.
    pub(crate) async fn open(address: &str, node: &NodeId, now: Timestamp) -> Result<Self, OpenError> {
        let backend = Address::parse(address)?.open().await?;
        let lane = |lane| Lane { chain: format!("{node}/{lane}"), busy: Arc::default() };
        let lanes = (0..backend.lanes()).map(lane).collect();
        let store = Self { backend, lanes, next_lane: AtomicUsize::new(0) };
        match store.begin_work(now).await {
            Ok(()) => Ok(store),
            Err(error) => {
                store.backend.close().await;
                Err(error.into())
            }
        }
    }

    async fn begin_work(&self, now: Timestamp) -> Result<()> {
        if self.backend.damage().is_none() {
            self.furnish(now).await?;
            if let Some(damage) = self.check_tail().await? {
                self.backend.found(damage);
            }
        }
        Ok(())
    }

    /// Makes what always exists.
    async fn furnish(&self, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        let installation = tx.first::<(i64,)>("SELECT changes FROM installation", args![]).await?;
        if installation.is_none() {
            tx.write(
                "INSERT INTO installation (one, not_before, changes) VALUES (1, 0, 0) ON CONFLICT DO NOTHING",
                args![],
            )
            .await?;
            tx.write(
                "INSERT INTO tenants (tenant, settings, created_at) VALUES ($1, '{}', $2) ON CONFLICT DO NOTHING",
                args![&TenantId::default(), now],
            )
            .await?;
        }
        for lane in &self.lanes {
            journal::begin_chain(&mut tx, &lane.chain).await?;
        }
        tx.commit().await
    }

    /// All rows of a statement that reads.
    async fn all<T: FromRow>(&self, sql: &'static str, args: Vec<Value>) -> Result<Vec<T>> {
        read_all(self.backend.read(sql, args).await?)
    }

    /// The first row of a statement that reads.
    async fn first<T: FromRow>(&self, sql: &'static str, args: Vec<Value>) -> Result<Option<T>> {
        read_first(self.backend.read(sql, args).await?)
    }

    /// Begins a transaction that may write.
    async fn begin(&self) -> Result<Tx> {
        Ok(Tx { inner: self.backend.begin().await?, lane: None })
    }

    /// Begins a transaction that reads one state.
    async fn snapshot(&self) -> Result<Tx> {
        Ok(Tx { inner: self.backend.snapshot().await?, lane: None })
    }

    /// One statement that writes, in a transaction of its own; how many rows it wrote.
    async fn write(&self, sql: &'static str, args: Vec<Value>) -> Result<u64> {
        let mut tx = self.begin().await?;
        let written = tx.write(sql, args).await?;
        tx.commit().await?;
        Ok(written)
    }

    /// Takes a chain that nobody of this node writes at the moment, or waits for one.
    async fn lane(&self) -> (&str, OwnedMutexGuard<()>) {
        let free = self.lanes.iter().find_map(|lane| {
            let guard = Arc::clone(&lane.busy).try_lock_owned().ok()?;
            Some((lane.chain.as_str(), guard))
        });
        if let Some(free) = free {
            return free;
        }
        let turn = self.next_lane.fetch_add(1, Ordering::Relaxed) % self.lanes.len().max(1);
        match self.lanes.get(turn) {
            Some(lane) => (&lane.chain, Arc::clone(&lane.busy).lock_owned().await),
            None => ("", Arc::new(Mutex::new(())).lock_owned().await),
        }
    }
}

/// Whether there is a store at an address.
pub(crate) async fn exists(address: &str) -> Result<bool, OpenError> {
    match Address::parse(address)? {
        Address::File(path) => {
            let looked = path.try_exists();
            Ok(looked.map_err(|source| StoreError::File { path: path.to_owned(), action: "looked for", source })?)
        }
        Address::Server(url) => Postgres::has_schema(url).await,
    }
}

/// Fills the database at an address, which must be new or empty, with a backup.
pub(crate) async fn restore(backup: &Path, address: &str) -> Result<(), OpenError> {
    match Address::parse(address)? {
        Address::File(path) => sqlite::restore(backup, path).await,
        Address::Server(url) => {
            let server = Postgres::open(url).await?;
            let restored = server.restore(backup).await;
            server.close().await;
            restored
        }
    }
}

/// Which database an address means.
enum Address<'a> {
    File(&'a Path),
    Server(&'a str),
}

impl<'a> Address<'a> {
    fn parse(address: &'a str) -> Result<Self, OpenError> {
        match address.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Server(address)),
            Some(("sqlite", path)) => Ok(Self::File(Path::new(path.trim_start_matches("//")))),
            // The rest may hold a password.
            Some((scheme, rest)) if rest.starts_with("//") => Err(OpenError::Address(format!("{scheme}://…"))),
            _ if address.is_empty() => Err(OpenError::Address(String::new())),
            _ => Ok(Self::File(Path::new(address))),
        }
    }

    async fn open(&self) -> Result<Box<dyn Backend>, OpenError> {
        match self {
            Self::File(path) => Ok(Box::new(Sqlite::open(path).await?)),
            Self::Server(url) => Ok(Box::new(Postgres::open(url).await?)),
        }
    }
}

/// A transaction. Dropped, it leaves nothing behind.
struct Tx {
    inner: Box<dyn Transaction>,
    /// The journal chain that it writes to, held to its end.
    lane: Option<OwnedMutexGuard<()>>,
}

impl Tx {
    async fn all<T: FromRow>(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<T>> {
        read_all(self.inner.read(sql, args).await?)
    }

    async fn first<T: FromRow>(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Option<T>> {
        read_first(self.inner.read(sql, args).await?)
    }

    /// The first row, which nobody else can change until this transaction ends.
    async fn lock<T: FromRow>(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Option<T>> {
        read_first(self.inner.lock(sql, args).await?)
    }

    /// How many rows it wrote.
    async fn write(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64> {
        self.inner.write(sql, args).await
    }

    /// These columns of the first row it wrote.
    async fn write_first<T: FromRow>(
        &mut self,
        sql: &'static str,
        columns: &'static str,
        args: Vec<Value>,
    ) -> Result<Option<T>> {
        read_first(self.inner.write_returning(sql, columns, args).await?)
    }

    /// These columns of all rows it wrote.
    async fn write_all<T: FromRow>(
        &mut self,
        sql: &'static str,
        columns: &'static str,
        args: Vec<Value>,
    ) -> Result<Vec<T>> {
        read_all(self.inner.write_returning(sql, columns, args).await?)
    }

    /// Tells all nodes that something they keep in memory is changed by this transaction.
    async fn announce(&mut self) -> Result<()> {
        self.inner.write("UPDATE installation SET changes = changes + 1", args![]).await?;
        self.inner.announce().await
    }

    async fn commit(self) -> Result<()> {
        let Self { inner, lane } = self;
        let done = inner.commit().await;
        drop(lane);
        done
    }
}

fn read_all<T: FromRow>(rows: Vec<Row>) -> Result<Vec<T>> {
    rows.into_iter().map(|mut row| T::from_row(&mut row)).collect()
}

fn read_first<T: FromRow>(rows: Vec<Row>) -> Result<Option<T>> {
    rows.into_iter().next().map(|mut row| T::from_row(&mut row)).transpose()
}

#[cfg(test)]
mod tests;

/// A closed set of words that are stored by name.
macro_rules! words {
    ($($enum:ident { $($variant:ident = $word:literal,)* })*) => {$(
        impl $enum {
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
        impl crate::sql::value::Column for $enum {
            fn of(value: crate::sql::value::Value) -> Option<Self> {
                match String::of(value)?.as_str() {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    )*};
}
use words;
