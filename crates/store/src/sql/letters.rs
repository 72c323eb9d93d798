//! Mails until they are sent.

use async_trait::async_trait;

use super::{
    Sql,
    value::{FromRow, Row, args},
};
use crate::{Letter, Letters, NewLetter, Result, TenantId, Timestamp};

#[async_trait]
impl Letters for Sql {
    async fn put_letter(&self, tenant: &TenantId, new: &NewLetter) -> Result<()> {
        let insert = "INSERT INTO letters (tenant, id, user_id, sealed, due_at, expires_at) \
                      VALUES ($1, $2, $3, $4, $5, $6)";
        let NewLetter { id, user, sealed, due_at, expires_at } = new;
        self.write(insert, args![tenant, id.as_str(), user, sealed.as_slice(), *due_at, *expires_at]).await?;
        Ok(())
    }

    async fn take_letters(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<Letter>> {
        let due = "SELECT id FROM letters WHERE tenant = $1 AND due_at <= $2 AND expires_at > $2 LIMIT 1";
        if self.first::<(String,)>(due, args![tenant, now]).await?.is_none() {
            return Ok(Vec::new()); // Nearly always: then nothing is written.
        }
        let mut tx = self.begin().await?;
        let take = "UPDATE letters SET due_at = $3 WHERE tenant = $1 AND due_at <= $2 AND id IN \
                    (SELECT id FROM letters WHERE tenant = $1 AND due_at <= $2 AND expires_at > $2 \
                    ORDER BY due_at, id LIMIT $4)";
        let taken = tx.write_all(take, "id, sealed", args![tenant, now, until, most]).await?;
        tx.commit().await?;
        Ok(taken)
    }

    async fn remove_letter(&self, tenant: &TenantId, id: &str) -> Result<()> {
        self.write("DELETE FROM letters WHERE tenant = $1 AND id = $2", args![tenant, id]).await?;
        Ok(())
    }
}

impl FromRow for Letter {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { id: row.next()?, sealed: row.next()? })
    }
}
