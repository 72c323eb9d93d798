//! PostgreSQL, for more than one node; every engine that speaks its protocol will do.
//!
//! Compare-and-set and row locks make transactions correct at READ COMMITTED; nothing relies on SERIALIZABLE. A node
//! hears of changes by `LISTEN`, on a connection of its own.

mod copy;
mod schema;

use std::{path::Path, str::FromStr as _, time::Duration};

use async_trait::async_trait;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, PgPool, Postgres as Driver, Row as _, TypeInfo as _, ValueRef as _,
    postgres::{PgArguments, PgConnectOptions, PgListener, PgPoolOptions, PgRow},
};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    backend::{Backend, Link, Transaction},
    fault,
    sqlite::Restored,
    value::{Row, Value},
};
use crate::{Damage, OpenError, Result, StoreError, Verification};

/// Where changes are announced.
const CHANNEL: &str = "vestibule_changes";

/// How long one waits for a connection before the request is shed.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a lost listener waits before it connects again.
const RECONNECT: Duration = Duration::from_millis(500);

/// How many transactions of one node may append to the journal at the same time.
const LANES: usize = 8;

/// How many connections one node opens, the listener's apart.
const CONNECTIONS: u32 = 16;

/// A database server.
#[derive(Debug)]
pub(super) struct Postgres {
    pool: PgPool,
    changes: watch::Sender<()>,
    listener: JoinHandle<()>,
    /// Found in the journal when it was opened.
    damage: std::sync::Mutex<Option<Damage>>,
}

impl Postgres {
    /// A transaction that reads one state of the database.
    async fn one_state(&self) -> Result<sqlx::Transaction<'static, Driver>> {
        self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(fault::of)
    }

    /// Fills the database, which must be empty, with a backup.
    pub(super) async fn restore(&self, backup: &Path) -> Result<(), OpenError> {
        copy::from_file(Restored::open(backup).await?, &self.pool).await
    }

    /// Whether any version of the schema is there.
    pub(super) async fn has_schema(address: &str) -> Result<bool, OpenError> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let pool = pool.connect_with(options(address)?).await.map_err(fault::of)?;
        let has = schema::exists(&mut *pool.acquire().await.map_err(fault::of)?).await.map_err(fault::of);
        pool.close().await;
        Ok(has?)
    }

    /// Connects, and brings the schema up to this version.
    pub(super) async fn open(address: &str) -> Result<Self, OpenError> {
        let options = options(address)?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
        let pool = pool.connect_with(options).await.map_err(fault::of)?;
        schema::migrate(&mut *pool.acquire().await.map_err(fault::of)?).await?;
        let changes = watch::Sender::new(());
        let listener = tokio::spawn(listen(pool.clone(), changes.clone()));
        Ok(Self { pool, changes, listener, damage: Default::default() })
    }
}

fn options(address: &str) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(address).map_err(|_| OpenError::Address("postgres://…".to_owned()))?;
    let options = options.application_name("vestibule").disable_statement_logging();
    Ok(options.options([
        ("default_transaction_isolation", "read committed"),
        ("synchronous_commit", "on"), // A commit that was acknowledged survives a power cut.
        ("statement_timeout", "10s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "10s"),
    ]))
}

/// Passes announcements on, for ever.
async fn listen(pool: PgPool, changes: watch::Sender<()>) {
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            changes.send_replace(()); // What was announced while nobody listened.
            while let Ok(Some(_)) = listener.try_recv().await {
                changes.send_replace(());
            }
        }
        if pool.is_closed() {
            return;
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[async_trait]
impl Backend for Postgres {
    async fn read(&self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        let rows = sqlx::query_with(sql, arguments(args)?).fetch_all(&self.pool).await.map_err(fault::of)?;
        rows.iter().map(|row| cells(row).map(Row::new)).collect()
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        if let Some(damage) = self.damage() {
            return Err(damage.into());
        }
        Ok(Box::new(Open { tx: self.pool.begin().await.map_err(fault::of)? }))
    }

    async fn snapshot(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(Open { tx: self.one_state().await? }))
    }

    fn lanes(&self) -> usize {
        LANES
    }

    fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    async fn can_commit(&self) -> Result<()> {
        match self.damage() {
            Some(damage) => Err(damage.into()),
            None => Ok(()), // That it answers was asked already.
        }
    }

    fn damage(&self) -> Option<Damage> {
        self.damage.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn found(&self, damage: Damage) {
        self.damage.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(damage);
    }

    async fn accept_damage(&self) -> Result<()> {
        *self.damage.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        Ok(())
    }

    async fn check(&self, report: &mut Verification) -> Result<()> {
        let checksums: (String,) =
            sqlx::query_as("SHOW data_checksums").fetch_one(&self.pool).await.map_err(fault::of)?;
        if checksums.0 != "on" {
            report.remarks.push(
                "PostgreSQL runs without data checksums: it does not notice a flipped bit on disk \
                 (`pg_checksums --enable`)"
                    .to_owned(),
            );
        }
        report.damage.extend(self.damage());
        Ok(())
    }

    async fn backup(&self, to: &Path) -> Result<()> {
        copy::to_file(self.one_state().await?, to).await
    }

    async fn close(&self) {
        self.listener.abort();
        self.pool.close().await;
    }
}

struct Open {
    tx: sqlx::Transaction<'static, Driver>,
}

impl Open {
    async fn rows(&mut self, sql: String, args: Vec<Value>) -> Result<Vec<Row>> {
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments(args)?); // Pieces of our own text.
        let rows = query.fetch_all(&mut *self.tx).await.map_err(fault::of)?;
        rows.iter().map(|row| cells(row).map(Row::new)).collect()
    }
}

#[async_trait]
impl Transaction for Open {
    async fn read(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        let rows = sqlx::query_with(sql, arguments(args)?).fetch_all(&mut *self.tx).await.map_err(fault::of)?;
        rows.iter().map(|row| cells(row).map(Row::new)).collect()
    }

    async fn lock(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        self.rows(format!("{sql} FOR UPDATE"), args).await
    }

    async fn write(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64> {
        let done = sqlx::query_with(sql, arguments(args)?).execute(&mut *self.tx).await.map_err(fault::of)?;
        Ok(done.rows_affected())
    }

    async fn write_returning(
        &mut self,
        sql: &'static str,
        columns: &'static str,
        args: Vec<Value>,
    ) -> Result<Vec<Row>> {
        self.rows(format!("{sql} RETURNING {columns}"), args).await
    }

    async fn announce(&mut self) -> Result<()> {
        let notify = sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL);
        notify.execute(&mut *self.tx).await.map(|_| ()).map_err(fault::of)
    }

    fn linked(&mut self, _: &Link) {}

    async fn commit(self: Box<Self>) -> Result<()> {
        // A task of its own: who asked may go away at any moment.
        let durable = tokio::spawn(self.tx.commit()).await;
        durable.unwrap_or(Err(sqlx::Error::WorkerCrashed)).map_err(fault::of_commit)
    }
}

fn arguments(values: Vec<Value>) -> Result<PgArguments> {
    use sqlx::Arguments as _;
    Value::check(&values)?;
    let mut arguments = PgArguments::default();
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

/// The cells of a row, by the types of its columns.
fn cells(row: &PgRow) -> Result<Vec<Value>> {
    let cell = |position: usize| -> Result<Value, sqlx::Error> {
        let raw = row.try_get_raw(position)?;
        let kind = raw.type_info().name().to_owned();
        Ok(match kind.as_str() {
            "INT8" => Value::Int(row.try_get(position)?),
            "BYTEA" => Value::Bytes(row.try_get(position)?),
            "BOOL" => row.try_get::<Option<bool>, _>(position)?.map_or(Value::Int(None), Value::Bool),
            _ => Value::Text(row.try_get(position)?),
        })
    };
    (0..row.len()).map(|position| cell(position).map_err(fault::of)).collect()
}
