//! Transactions: one at a time that writes, and any number that read one state.

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Sqlite as Driver, SqlitePool};
use tokio::sync::{OwnedMutexGuard, watch};

use super::{
    Writer,
    cells::{arguments, cells, read},
    head, ring,
    rows::{self, Touched},
    witness::{Head, RING},
};
use crate::{
    Result, StoreError,
    sql::{
        backend::{Link, Transaction},
        fault,
        value::{Row, Value, args},
    },
};

/// A transaction that may write. Whoever has it is the only one.
pub(super) struct Writing {
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

impl Writing {
    /// Begins it; where the commits stand is asked of the database, if that is not known.
    pub(super) async fn begin(
        pool: &SqlitePool,
        mut writer: OwnedMutexGuard<Writer>,
        changes: watch::Sender<()>,
    ) -> Result<Self> {
        let mut tx = begin_writing(pool).await?;
        let head = match writer.head {
            Some(head) => head,
            None => *writer.head.insert(head(&ring(&mut tx).await?)),
        };
        let touched = Touched::new();
        Ok(Self { tx, writer, head, touched, wrote: None, link: None, changes, announced: false })
    }
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

/// A transaction on the writing connection. SQLite ends a transaction by itself when the disk fails it; the driver takes
/// the connection for being in it still, and begins no other. Such a connection is given up for a new one.
async fn begin_writing(pool: &SqlitePool) -> Result<sqlx::Transaction<'static, Driver>> {
    let begin = || pool.begin_with("BEGIN IMMEDIATE");
    match begin().await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            let spoilt = pool.acquire().await.map_err(fault::of)?;
            let _gone = spoilt.close().await; // Whatever it says.
            begin().await.map_err(fault::of)
        }
        begun => begun.map_err(fault::of),
    }
}

/// A transaction that reads one state.
pub(super) struct Reading {
    pub(super) tx: sqlx::Transaction<'static, Driver>,
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

/// The table that a statement of ours writes.
fn table(sql: &'static str) -> &'static str {
    let words = sql.trim_start_matches("INSERT INTO ").trim_start_matches("UPDATE ");
    words.split_whitespace().next().unwrap_or_default()
}
