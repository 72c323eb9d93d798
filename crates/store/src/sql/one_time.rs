//! Parked logins and one-time tokens. Whoever deletes the row has taken it.

use async_trait::async_trait;

use super::{
    Sql, Tx,
    value::{FromRow, Object, Row, args, json},
};
use crate::{
    Act, Alone, OneTime, OneTimeToken, Parked, Purpose, Result, TenantId, Timestamp, TokenDigest, UserId, Wait,
};

macro_rules! parked_columns {
    () => {
        "handle, wait, browser, client, login, user_id, document, at, expires_at, attempts"
    };
}

macro_rules! token_columns {
    () => {
        "digest, purpose, user_id, client, document, at, expires_at, attempts"
    };
}

#[async_trait]
impl OneTime for Sql {
    async fn park(&self, tenant: &TenantId, parked: &Parked) -> Result<()> {
        let mut tx = self.begin().await?;
        park(&mut tx, tenant, parked).await?;
        tx.commit().await
    }

    async fn parked(
        &self,
        tenant: &TenantId,
        handle: &TokenDigest,
        wait: Wait,
        now: Timestamp,
    ) -> Result<Option<Parked>> {
        let select = concat!(
            "SELECT ",
            parked_columns!(),
            " FROM parked WHERE tenant = $1 AND handle = $2 AND wait = $3 AND expires_at > $4"
        );
        self.first(select, args![tenant, handle, wait.word(), now]).await
    }

    async fn amend_parked(
        &self,
        tenant: &TenantId,
        handle: &TokenDigest,
        wait: Wait,
        document: &Object,
        now: Timestamp,
    ) -> Result<bool> {
        let update = "UPDATE parked SET document = $5 \
                      WHERE tenant = $1 AND handle = $2 AND wait = $3 AND expires_at > $4";
        Ok(self.write(update, args![tenant, handle, wait.word(), now, json(document)?]).await? > 0)
    }

    async fn take_parked(
        &self,
        tenant: &TenantId,
        handle: &TokenDigest,
        wait: Wait,
        browser: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<Parked>> {
        let delete = "DELETE FROM parked \
                      WHERE tenant = $1 AND handle = $2 AND wait = $3 AND browser = $4 AND expires_at > $5";
        let mut tx = self.begin().await?;
        let taken = tx.write_first(delete, parked_columns!(), args![tenant, handle, wait.word(), browser, now]).await?;
        tx.commit().await?;
        Ok(taken)
    }

    async fn count_parked_attempt(
        &self,
        tenant: &TenantId,
        handle: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<u32>> {
        let update = "UPDATE parked SET attempts = attempts + 1 \
                      WHERE tenant = $1 AND handle = $2 AND expires_at > $3";
        let mut tx = self.begin().await?;
        let counted = tx.write_first::<(u32,)>(update, "attempts", args![tenant, handle, now]).await?;
        tx.commit().await?;
        Ok(counted.map(|(attempts,)| attempts))
    }

    async fn put_token(&self, tenant: &TenantId, token: &OneTimeToken, alone: Alone) -> Result<()> {
        let mut tx = self.begin().await?;
        put_token(&mut tx, tenant, token, alone).await?;
        tx.commit().await
    }

    async fn open_window(&self, tenant: &TenantId, window: &OneTimeToken, act: &Act) -> Result<()> {
        let mut tx = self.begin().await?;
        put_token(&mut tx, tenant, window, Alone::Yes).await?;
        self.append_act(&mut tx, tenant, act).await?;
        tx.commit().await
    }

    async fn token(
        &self,
        tenant: &TenantId,
        purpose: Purpose,
        digest: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<OneTimeToken>> {
        let select = concat!(
            "SELECT ",
            token_columns!(),
            " FROM one_time_tokens WHERE tenant = $1 AND purpose = $2 AND digest = $3 AND expires_at > $4"
        );
        self.first(select, args![tenant, purpose.word(), digest, now]).await
    }

    async fn take_token(
        &self,
        tenant: &TenantId,
        purpose: Purpose,
        digest: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<OneTimeToken>> {
        let mut tx = self.begin().await?;
        let taken = take_token(&mut tx, tenant, purpose, digest, now).await?;
        tx.commit().await?;
        Ok(taken)
    }

    async fn count_token_attempt(
        &self,
        tenant: &TenantId,
        purpose: Purpose,
        digest: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<u32>> {
        let update = "UPDATE one_time_tokens SET attempts = attempts + 1 \
                      WHERE tenant = $1 AND purpose = $2 AND digest = $3 AND expires_at > $4";
        let mut tx = self.begin().await?;
        let counted = tx.write_first::<(u32,)>(update, "attempts", args![tenant, purpose.word(), digest, now]).await?;
        tx.commit().await?;
        Ok(counted.map(|(attempts,)| attempts))
    }

    async fn drop_tokens(&self, tenant: &TenantId, purpose: Purpose, user: &UserId) -> Result<u64> {
        let delete = "DELETE FROM one_time_tokens WHERE tenant = $1 AND purpose = $2 AND user_id = $3";
        self.write(delete, args![tenant, purpose.word(), user]).await
    }

    async fn tokens(&self, tenant: &TenantId, purpose: Purpose, now: Timestamp) -> Result<Vec<OneTimeToken>> {
        let select = concat!(
            "SELECT ",
            token_columns!(),
            " FROM one_time_tokens WHERE tenant = $1 AND purpose = $2 AND expires_at > $3 ORDER BY at, digest"
        );
        self.all(select, args![tenant, purpose.word(), now]).await
    }
}

/// Parks a login.
pub(super) async fn park(tx: &mut Tx, tenant: &TenantId, parked: &Parked) -> Result<()> {
    let insert = concat!(
        "INSERT INTO parked (tenant, ",
        parked_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    );
    let args = args![
        tenant,
        &parked.handle,
        parked.wait.word(),
        &parked.browser,
        &parked.client,
        &parked.login,
        parked.user.as_ref(),
        json(&parked.document)?,
        parked.at,
        parked.expires_at,
        parked.attempts,
    ];
    tx.write(insert, args).await?;
    Ok(())
}

/// Stores a token; see [`OneTime::put_token`].
pub(super) async fn put_token(tx: &mut Tx, tenant: &TenantId, token: &OneTimeToken, alone: Alone) -> Result<()> {
    if alone == Alone::Yes {
        let delete = "DELETE FROM one_time_tokens WHERE tenant = $1 AND purpose = $2 AND user_id = $3";
        tx.write(delete, args![tenant, token.purpose.word(), &token.user]).await?;
    }
    let insert = concat!(
        "INSERT INTO one_time_tokens (tenant, ",
        token_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant, purpose, digest) DO NOTHING"
    );
    let args = args![
        tenant,
        &token.digest,
        token.purpose.word(),
        &token.user,
        token.client.as_ref(),
        json(&token.document)?,
        token.at,
        token.expires_at,
        token.attempts,
    ];
    tx.write(insert, args).await?;
    Ok(())
}

/// Takes a token in a transaction: if that is not committed, it was not taken.
pub(super) async fn take_token(
    tx: &mut Tx,
    tenant: &TenantId,
    purpose: Purpose,
    digest: &TokenDigest,
    now: Timestamp,
) -> Result<Option<OneTimeToken>> {
    let delete = "DELETE FROM one_time_tokens WHERE tenant = $1 AND purpose = $2 AND digest = $3 AND expires_at > $4";
    tx.write_first(delete, token_columns!(), args![tenant, purpose.word(), digest, now]).await
}

super::words! {
    Wait {
        Credentials = "credentials",
        Redirect = "redirect",
        SecondFactor = "second_factor",
    }
    Purpose {
        EmailVerification = "email_verification",
        PasswordReset = "password_reset",
        MfaToken = "mfa_token",
        BreakGlass = "break_glass",
        RememberedBrowser = "remembered_browser",
        RevokedLogin = "revoked_login",
    }
}

impl FromRow for Parked {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            handle: row.next()?,
            wait: row.next()?,
            browser: row.next()?,
            client: row.next()?,
            login: row.next()?,
            user: row.next()?,
            document: row.json()?,
            at: row.next()?,
            expires_at: row.next()?,
            attempts: row.next()?,
        })
    }
}

impl FromRow for OneTimeToken {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            digest: row.next()?,
            purpose: row.next()?,
            user: row.next()?,
            client: row.next()?,
            document: row.json()?,
            at: row.next()?,
            expires_at: row.next()?,
            attempts: row.next()?,
        })
    }
}
