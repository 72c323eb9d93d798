//! Checking, tidying, copying.

use std::path::Path;

use async_trait::async_trait;

use super::{Sql, value::args};
use crate::{Damage, Operations, Result, Tidied, Timestamp, Verification};

#[async_trait]
impl Operations for Sql {
    async fn ping(&self) -> Result<()> {
        self.first::<(i64,)>("SELECT changes FROM installation", args![]).await?;
        self.backend.can_commit().await
    }

    fn damage(&self) -> Option<Damage> {
        self.backend.damage()
    }

    async fn accept_damage(&self, now: Timestamp) -> Result<()> {
        self.backend.accept_damage().await?;
        self.furnish(now).await
    }

    async fn verify(&self) -> Result<Verification> {
        let mut report = Verification::default();
        self.backend.check(&mut report).await?;
        self.check_journal(&mut report).await?;
        Ok(report)
    }

    async fn tidy(&self, now: Timestamp) -> Result<Tidied> {
        let mut tx = self.begin().await?;
        let over = args![now];
        let sessions =
            tx.write("DELETE FROM sessions WHERE expires_at <= $1 OR idle_until <= $1", over.clone()).await?;
        let codes = tx.write("DELETE FROM codes WHERE expires_at <= $1", over.clone()).await?;
        let delete = "DELETE FROM refresh_tokens WHERE family IN (SELECT id FROM families AS f \
                      WHERE f.tenant = refresh_tokens.tenant AND expires_at <= $1)";
        tx.write(delete, over.clone()).await?;
        let families = tx.write("DELETE FROM families WHERE expires_at <= $1", over.clone()).await?;
        let parked = tx.write("DELETE FROM parked WHERE expires_at <= $1", over.clone()).await?;
        let tokens = tx.write("DELETE FROM one_time_tokens WHERE expires_at <= $1", over.clone()).await?;
        let letters = tx.write("DELETE FROM letters WHERE expires_at <= $1", over.clone()).await?;
        tx.write("DELETE FROM turns WHERE until <= $1", over).await?;
        tx.commit().await?;
        Ok(Tidied { sessions, codes, families, one_time: parked + tokens, letters })
    }

    async fn backup(&self, to: &Path) -> Result<()> {
        self.backend.backup(to).await
    }

    async fn close(&self) {
        self.backend.close().await;
    }
}

impl Sql {
    /// Ends everything that clients, browsers and mailboxes hold: what was revoked or used up since the backup must not
    /// come back (HS-71).
    pub(crate) async fn begin_epoch(&self, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        tx.write("UPDATE installation SET not_before = $1, changes = changes + 1", args![now]).await?;
        tx.write("DELETE FROM parked", args![]).await?;
        tx.write("DELETE FROM one_time_tokens", args![]).await?;
        tx.write("DELETE FROM letters", args![]).await?;
        tx.commit().await
    }
}
