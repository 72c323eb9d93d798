//! Mails until they are sent.

use async_trait::async_trait;

use super::{
    Sql, Tx,
    value::{FromRow, Row, args},
};
use crate::{Letter, Letters, NewLetter, Result, TenantId, Timestamp};

#[async_trait]
impl Letters for Sql {
    async fn put_letter(&self, tenant: &TenantId, new: &NewLetter) -> Result<()> {
        let mut tx = self.begin().await?;
        keep(&mut tx, tenant, new).await?;
        tx.commit().await
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
                    ORDER BY due_at, at, id LIMIT $4)";
        let mut taken: Vec<Taken> = tx.write_all(take, "at, id, sealed", args![tenant, now, until, most]).await?;
        tx.commit().await?;
        taken.sort_by(|Taken(a, one), Taken(b, other)| (a, &one.id).cmp(&(b, &other.id)));
        Ok(taken.into_iter().map(|Taken(_, letter)| letter).collect())
    }

    async fn remove_letter(&self, tenant: &TenantId, id: &str) -> Result<()> {
        self.write("DELETE FROM letters WHERE tenant = $1 AND id = $2", args![tenant, id]).await?;
        Ok(())
    }
}

/// Keeps a letter, if the transaction comes to its end.
pub(super) async fn keep(tx: &mut Tx, tenant: &TenantId, new: &NewLetter) -> Result<()> {
    let NewLetter { id, user, sealed, only_one, at, due_at, expires_at } = new;
    if let Some(only_one) = only_one {
        let delete = "DELETE FROM letters WHERE tenant = $1 AND user_id = $2 AND only_one = $3";
        tx.write(delete, args![tenant, user, only_one.as_str()]).await?;
    }
    let insert = "INSERT INTO letters (tenant, id, user_id, sealed, due_at, expires_at, only_one, at) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (id, sealed, only_one) = (id.as_str(), sealed.as_slice(), only_one.as_deref());
    tx.write(insert, args![tenant, id, user, sealed, *due_at, *expires_at, only_one, *at]).await?;
    Ok(())
}

/// A letter, and when it was written: `None` by those of older versions.
struct Taken(Option<Timestamp>, Letter);

impl FromRow for Taken {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self(row.next()?, Letter { id: row.next()?, sealed: row.next()? }))
    }
}
