//! How nodes know of each other, and of changes.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use super::{
    Sql,
    value::{FromRow, Row, args, json},
};
use crate::{ChangeMark, Changes, Node, NodeId, Result, Timestamp};

/// How often one looks although nothing was announced: an announcement can be lost with its connection.
const POLL: Duration = Duration::from_secs(2);

#[async_trait]
impl Changes for Sql {
    async fn beat(&self, node: &Node) -> Result<()> {
        let upsert = "INSERT INTO nodes (id, ready, prepared, software, at) VALUES ($1, $2, $3, $4, $5) \
                      ON CONFLICT (id) DO UPDATE SET ready = excluded.ready, prepared = excluded.prepared, \
                      software = excluded.software, at = excluded.at";
        let Node { id, ready, prepared, software, at } = node;
        self.write(upsert, args![id, json(ready)?, json(prepared)?, software.as_str(), *at]).await.map(|_| ())
    }

    async fn leave(&self, node: &NodeId) -> Result<()> {
        self.write("DELETE FROM nodes WHERE id = $1", args![node]).await.map(|_| ())
    }

    async fn nodes(&self, since: Timestamp) -> Result<Vec<Node>> {
        let select = "SELECT id, ready, COALESCE(prepared, '[]'), software, at FROM nodes WHERE at >= $1 ORDER BY id";
        self.all(select, args![since]).await
    }

    async fn change_mark(&self) -> Result<ChangeMark> {
        let row = self.first::<(i64,)>("SELECT changes FROM installation", args![]).await?;
        Ok(ChangeMark(row.map_or(0, |(changes,)| changes)))
    }

    async fn wait_for_change(&self, seen: ChangeMark, longest: Duration) -> Result<ChangeMark> {
        let end = Instant::now() + longest;
        let mut announced = self.backend.changes(); // Before looking, so that nothing is missed in between.
        loop {
            let mark = self.change_mark().await?;
            if mark != seen || Instant::now() >= end {
                return Ok(mark);
            }
            let _ = timeout_at(end.min(Instant::now() + POLL), announced.changed()).await; // Either way: look again.
        }
    }
}

impl FromRow for Node {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { id: row.next()?, ready: row.json()?, prepared: row.json()?, software: row.next()?, at: row.next()? })
    }
}
