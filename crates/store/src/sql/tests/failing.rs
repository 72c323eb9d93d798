//! A database that refuses to write when it is told to.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    Damage, Result, StoreError, Verification,
    sql::{
        backend::{Backend, Link, Transaction},
        value::{Row, Value},
    },
};

/// Refuses one of the things that are written next; commits are among them.
#[derive(Debug, Clone)]
pub(super) struct Failing {
    inner: Arc<dyn Backend>,
    fuse: Fuse,
}

/// How many writes are let through before one is refused; below zero, that one was.
#[derive(Debug, Clone)]
struct Fuse(Arc<AtomicI64>);

impl Fuse {
    fn burn(&self) -> Result<()> {
        let was = self.0.fetch_sub(1, Ordering::SeqCst);
        if was == 0 { Err(StoreError::Unavailable(sqlx::Error::PoolClosed)) } else { Ok(()) }
    }
}

impl Failing {
    pub(super) fn new(inner: Box<dyn Backend>) -> Self {
        Self { inner: inner.into(), fuse: Fuse(Arc::new(AtomicI64::new(i64::MAX))) }
    }

    /// Lets so many writes through, and refuses the next.
    pub(super) fn refuse(&self, after: i64) {
        self.fuse.0.store(after, Ordering::SeqCst);
    }

    /// Whether one was refused.
    pub(super) fn stop_refusing(&self) -> bool {
        self.fuse.0.swap(i64::MAX, Ordering::SeqCst) < 0
    }
}

#[async_trait]
impl Backend for Failing {
    async fn read(&self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        self.inner.read(sql, args).await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(FailingTransaction { inner: self.inner.begin().await?, fuse: self.fuse.clone() }))
    }

    async fn snapshot(&self) -> Result<Box<dyn Transaction>> {
        self.inner.snapshot().await
    }

    fn lanes(&self) -> usize {
        self.inner.lanes()
    }

    fn changes(&self) -> watch::Receiver<()> {
        self.inner.changes()
    }

    async fn can_commit(&self) -> Result<()> {
        self.inner.can_commit().await
    }

    fn damage(&self) -> Option<Damage> {
        self.inner.damage()
    }

    fn found(&self, damage: Damage) {
        self.inner.found(damage);
    }

    async fn accept_damage(&self) -> Result<()> {
        self.inner.accept_damage().await
    }

    async fn check(&self, report: &mut Verification) -> Result<()> {
        self.inner.check(report).await
    }

    async fn backup(&self, to: &Path) -> Result<()> {
        self.inner.backup(to).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

struct FailingTransaction {
    inner: Box<dyn Transaction>,
    fuse: Fuse,
}

#[async_trait]
impl Transaction for FailingTransaction {
    async fn read(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        self.inner.read(sql, args).await
    }

    async fn lock(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>> {
        self.inner.lock(sql, args).await
    }

    async fn write(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64> {
        self.fuse.burn()?;
        self.inner.write(sql, args).await
    }

    async fn write_returning(
        &mut self,
        sql: &'static str,
        columns: &'static str,
        args: Vec<Value>,
    ) -> Result<Vec<Row>> {
        self.fuse.burn()?;
        self.inner.write_returning(sql, columns, args).await
    }

    async fn announce(&mut self) -> Result<()> {
        self.fuse.burn()?;
        self.inner.announce().await
    }

    fn linked(&mut self, link: &Link) {
        self.inner.linked(link);
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.fuse.burn()?;
        self.inner.commit().await
    }
}
