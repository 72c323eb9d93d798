//! Passwords, second factors and recovery codes.

use async_trait::async_trait;

use super::{
    Sql, letters, one_time, users,
    value::{FromRow, Row, args},
};
use crate::{
    Act, Confirmed, Credentials, Factor, FactorId, FactorKind, NewPassword, Password, PasswordSet, Purpose, Result,
    SessionId, TenantId, TokenDigest, UserId, Version,
};

#[async_trait]
impl Credentials for Sql {
    async fn password(&self, tenant: &TenantId, user: &UserId) -> Result<Option<Password>> {
        self.first("SELECT phc, set_at FROM passwords WHERE tenant = $1 AND user_id = $2", args![tenant, user]).await
    }

    async fn set_password(&self, tenant: &TenantId, user: &UserId, new: &NewPassword) -> Result<PasswordSet> {
        let mut tx = self.begin().await?;
        let Some(mut owner) = users::lock(&mut tx, tenant, user).await? else {
            return Ok(PasswordSet::Gone);
        };
        if new.address.is_some() && new.address != owner.email {
            return Ok(PasswordSet::TokenSpent);
        }
        if let Some(token) = &new.token {
            let taken = one_time::take_token(&mut tx, tenant, Purpose::PasswordReset, token, new.at).await?;
            if taken.is_none_or(|token| token.user != *user) {
                return Ok(PasswordSet::TokenSpent);
            }
        }
        if let Some(expected) = &new.instead_of {
            let select = "SELECT phc, set_at FROM passwords WHERE tenant = $1 AND user_id = $2";
            let current: Option<Password> = tx.first(select, args![tenant, user]).await?;
            if current.is_none_or(|current| current.phc != *expected) {
                return Ok(PasswordSet::Conflict);
            }
        }
        let upsert = "INSERT INTO passwords (tenant, user_id, phc, set_at) VALUES ($1, $2, $3, $4) \
                      ON CONFLICT (tenant, user_id) DO UPDATE SET phc = excluded.phc, set_at = excluded.set_at";
        tx.write(upsert, args![tenant, user, new.phc.as_str(), new.at]).await?;
        owner.version = Version(owner.version.0 + 1);
        owner.last_password_reset = Some(new.at);
        owner.updated_at = new.at;
        users::write(&mut tx, &owner).await?;
        let keep = new.keep.as_ref().map_or("", SessionId::as_str);
        for delete in [
            "DELETE FROM sessions WHERE tenant = $1 AND user_id = $2 AND id <> $3",
            "DELETE FROM codes WHERE tenant = $1 AND user_id = $2 AND (session IS NULL OR session <> $3)",
        ] {
            tx.write(delete, args![tenant, user, keep]).await?;
        }
        // Whoever sets the password in a session has just proved who they are.
        let update = "UPDATE sessions SET authenticated_at = $4 WHERE tenant = $1 AND user_id = $2 AND id = $3";
        tx.write(update, args![tenant, user, keep, new.at]).await?;
        for delete in [
            // What the old password began: logins on their way, and the factor that one of them was enrolling.
            "DELETE FROM parked WHERE tenant = $1 AND user_id = $2",
            "DELETE FROM factors WHERE tenant = $1 AND user_id = $2 AND confirmed_at IS NULL",
            "DELETE FROM one_time_tokens WHERE tenant = $1 AND user_id = $2 \
             AND purpose IN ('password_reset', 'mfa_token', 'remembered_browser')",
            "DELETE FROM refresh_tokens WHERE tenant = $1 AND family IN \
             (SELECT id FROM families WHERE tenant = $1 AND user_id = $2)",
            "DELETE FROM families WHERE tenant = $1 AND user_id = $2",
        ] {
            tx.write(delete, args![tenant, user]).await?;
        }
        if let Some(notice) = &new.notice {
            letters::keep(&mut tx, tenant, notice).await?;
        }
        tx.commit().await?;
        Ok(PasswordSet::Done)
    }

    async fn rehash_password(&self, tenant: &TenantId, user: &UserId, old: &str, new: &str) -> Result<bool> {
        let update = "UPDATE passwords SET phc = $4 WHERE tenant = $1 AND user_id = $2 AND phc = $3";
        Ok(self.write(update, args![tenant, user, old, new]).await? > 0)
    }

    async fn begin_factor(&self, tenant: &TenantId, user: &UserId, factor: &Factor) -> Result<()> {
        let mut tx = self.begin().await?;
        let delete = "DELETE FROM factors WHERE tenant = $1 AND user_id = $2 AND kind = $3 AND confirmed_at IS NULL";
        tx.write(delete, args![tenant, user, factor.kind.word()]).await?;
        let insert =
            "INSERT INTO factors (tenant, user_id, id, kind, sealed, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
        let sealed = factor.sealed.as_slice();
        tx.write(insert, args![tenant, user, &factor.id, factor.kind.word(), sealed, factor.created_at]).await?;
        tx.commit().await
    }

    async fn factors(&self, tenant: &TenantId, user: &UserId) -> Result<Vec<Factor>> {
        let select = "SELECT id, kind, sealed, created_at, confirmed_at, last_step FROM factors \
                      WHERE tenant = $1 AND user_id = $2 ORDER BY created_at, id";
        self.all(select, args![tenant, user]).await
    }

    async fn confirm_factor(
        &self,
        tenant: &TenantId,
        user: &UserId,
        factor: &FactorId,
        confirmed: &Confirmed,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        if users::lock(&mut tx, tenant, user).await?.is_none() {
            return Ok(false);
        }
        let update = "UPDATE factors SET last_step = $4, confirmed_at = $5 WHERE tenant = $1 AND user_id = $2 AND id = $3 \
                      AND NOT EXISTS (SELECT 1 FROM factors AS other WHERE other.tenant = $1 AND other.user_id = $2 \
                      AND other.confirmed_at IS NOT NULL)";
        if tx.write(update, args![tenant, user, factor, confirmed.step, confirmed.at]).await? == 0 {
            return Ok(false);
        }
        tx.write("DELETE FROM recovery_codes WHERE tenant = $1 AND user_id = $2", args![tenant, user]).await?;
        for code in &confirmed.recovery {
            let insert = "INSERT INTO recovery_codes (tenant, user_id, digest) VALUES ($1, $2, $3)";
            tx.write(insert, args![tenant, user, code]).await?;
        }
        if let Some(notice) = &confirmed.notice {
            letters::keep(&mut tx, tenant, notice).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn use_step(&self, tenant: &TenantId, user: &UserId, factor: &FactorId, step: i64) -> Result<bool> {
        let update = "UPDATE factors SET last_step = $4 WHERE tenant = $1 AND user_id = $2 AND id = $3 \
                      AND confirmed_at IS NOT NULL AND (last_step IS NULL OR last_step < $4)";
        Ok(self.write(update, args![tenant, user, factor, step]).await? > 0)
    }

    async fn remove_factor(&self, tenant: &TenantId, user: &UserId, factor: &FactorId) -> Result<bool> {
        let delete = "DELETE FROM factors WHERE tenant = $1 AND user_id = $2 AND id = $3";
        Ok(self.write(delete, args![tenant, user, factor]).await? > 0)
    }

    async fn reset_factors(&self, tenant: &TenantId, user: &UserId, act: &Act) -> Result<Option<u64>> {
        let mut tx = self.begin().await?;
        let Some(mut owner) = users::lock(&mut tx, tenant, user).await? else {
            return Ok(None);
        };
        let removed = tx.write("DELETE FROM factors WHERE tenant = $1 AND user_id = $2", args![tenant, user]).await?;
        tx.write("DELETE FROM recovery_codes WHERE tenant = $1 AND user_id = $2", args![tenant, user]).await?;
        users::end_everything(&mut tx, tenant, user).await?;
        // A login whose rules run now was begun with what is gone.
        owner.version = Version(owner.version.0 + 1);
        owner.updated_at = act.at;
        users::write(&mut tx, &owner).await?;
        self.append_act(&mut tx, tenant, act).await?;
        tx.commit().await?;
        Ok(Some(removed))
    }

    async fn use_recovery_code(&self, tenant: &TenantId, user: &UserId, code: &TokenDigest) -> Result<bool> {
        let delete = "DELETE FROM recovery_codes WHERE tenant = $1 AND user_id = $2 AND digest = $3";
        Ok(self.write(delete, args![tenant, user, code]).await? > 0)
    }

    async fn recovery_codes_left(&self, tenant: &TenantId, user: &UserId) -> Result<u32> {
        let select = "SELECT count(*) FROM recovery_codes WHERE tenant = $1 AND user_id = $2";
        Ok(self.first::<(u32,)>(select, args![tenant, user]).await?.map_or(0, |(left,)| left))
    }
}

super::words! {
    FactorKind {
        Totp = "totp",
    }
}

impl FromRow for Password {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { phc: row.next()?, set_at: row.next()? })
    }
}

impl FromRow for Factor {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.next()?,
            kind: row.next()?,
            sealed: row.next()?,
            created_at: row.next()?,
            confirmed_at: row.next()?,
            last_step: row.next()?,
        })
    }
}
