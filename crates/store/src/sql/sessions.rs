//! Sessions, codes and refresh tokens: reading, using up, ending. `logins` makes them.

use async_trait::async_trait;

use super::{
    Sql, Tx, one_time, users,
    value::{FromRow, Object, Row, args, json},
};
use crate::{
    Alone, ClientId, Code, Family, FamilyId, Issued, LoginId, NewFamily, OneTimeToken, Presented, Purpose, Redeem,
    Redeemed, Result, Session, SessionId, Sessions, TenantId, Timestamp, TokenDigest, UserId,
};

macro_rules! session_columns {
    () => {
        "id, cookie, user_id, login, authenticated_at, methods, document, clients, created_at, seen_at, idle_until, \
         expires_at"
    };
}

/// What has not ended, belongs to a user who may log in, and was not resurrected by a restore.
macro_rules! alive {
    () => {
        "created_at >= (SELECT not_before FROM installation) \
         AND EXISTS (SELECT 1 FROM users AS u WHERE u.tenant = $1 AND u.id = user_id AND NOT u.blocked)"
    };
}
pub(super) use alive;

#[async_trait]
impl Sessions for Sql {
    async fn session(&self, tenant: &TenantId, cookie: &TokenDigest, now: Timestamp) -> Result<Option<Session>> {
        let select = concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions WHERE tenant = $1 AND cookie = $2 AND idle_until > $3 AND expires_at > $3 AND ",
            alive!()
        );
        self.first(select, args![tenant, cookie, now]).await
    }

    async fn touch_session(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        now: Timestamp,
        idle_until: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let touched = touch(&mut tx, tenant, id, now, idle_until).await?;
        tx.commit().await?;
        Ok(touched)
    }

    async fn end_session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<Session>> {
        let mut tx = self.begin().await?;
        let ended = end(&mut tx, tenant, id).await?;
        tx.commit().await?;
        Ok(ended)
    }

    async fn end_sessions_of(&self, tenant: &TenantId, user: &UserId) -> Result<u64> {
        let mut tx = self.begin().await?;
        let select = "SELECT count(*) FROM sessions WHERE tenant = $1 AND user_id = $2";
        let (sessions,) = tx.first::<(i64,)>(select, args![tenant, user]).await?.unwrap_or_default();
        users::end_everything(&mut tx, tenant, user).await?;
        tx.commit().await?;
        Ok(sessions.unsigned_abs())
    }

    async fn sessions_of(&self, tenant: &TenantId, user: &UserId, now: Timestamp) -> Result<Vec<Session>> {
        let select = concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions WHERE tenant = $1 AND user_id = $2 AND idle_until > $3 AND expires_at > $3 AND ",
            alive!(),
            " ORDER BY created_at DESC, id"
        );
        self.all(select, args![tenant, user, now]).await
    }

    async fn redeem_code(&self, tenant: &TenantId, redeem: &Redeem) -> Result<Redeemed> {
        let mut tx = self.begin().await?;
        let update = concat!(
            "UPDATE codes SET redeemed_at = $3 WHERE tenant = $1 AND digest = $2 AND redeemed_at IS NULL \
             AND expires_at > $3 AND client = $4 AND redirect_uri = $5 AND challenge = $6 AND ",
            alive!()
        );
        let args = args![
            tenant,
            &redeem.digest,
            redeem.now,
            &redeem.client,
            redeem.redirect_uri.as_str(),
            redeem.challenge.as_str(),
        ];
        let columns = "client, user_id, login, session, document, offline";
        let Some(code) = tx.write_first::<Code>(update, columns, args).await? else {
            return replayed(tx, tenant, redeem).await;
        };
        if code.offline {
            let origin = FamilyOrigin {
                client: &code.client,
                user: &code.user,
                login: &code.login,
                session: code.session.as_ref(),
                code: Some(&redeem.digest),
                document: &code.document,
                now: redeem.now,
            };
            found_family(&mut tx, tenant, &redeem.refresh, &origin).await?;
        }
        tx.commit().await?;
        Ok(Redeemed::Code(Box::new(code)))
    }

    async fn refresh_token(
        &self,
        tenant: &TenantId,
        token: &TokenDigest,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Presented> {
        let select = concat!(
            "SELECT id, client, user_id, login, session, document, f.created_at, expires_at \
             FROM families AS f JOIN (SELECT family, idle_until, rotated_at FROM refresh_tokens \
             WHERE tenant = $1 AND digest = $2) AS t ON t.family = f.id \
             WHERE f.tenant = $1 AND client = $3 AND revoked_at IS NULL AND rotated_at IS NULL \
             AND idle_until > $4 AND expires_at > $4 AND ",
            alive!()
        );
        if let Some(family) = self.first(select, args![tenant, token, client, now]).await? {
            return Ok(Presented::Current(Box::new(family)));
        }
        Ok(match self.revoke_reused(tenant, token, client, now).await? {
            Some(family) => Presented::Reused(family),
            None => Presented::Refused,
        })
    }

    async fn revoke_token(
        &self,
        tenant: &TenantId,
        token: &TokenDigest,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<()> {
        let update = "UPDATE families SET revoked_at = $4 WHERE tenant = $1 AND client = $3 AND revoked_at IS NULL \
                      AND id = (SELECT family FROM refresh_tokens WHERE tenant = $1 AND digest = $2)";
        self.write(update, args![tenant, token, client, now]).await.map(|_| ())
    }

    async fn is_revoked(&self, tenant: &TenantId, issued: &Issued) -> Result<bool> {
        let select = "SELECT count(*) FROM families WHERE tenant = $1 AND revoked_at IS NOT NULL \
                      AND (code = $2 OR id IN (SELECT family FROM refresh_tokens WHERE tenant = $1 AND digest = $3))";
        let row = self.first::<(i64,)>(select, args![tenant, issued.code.as_ref(), issued.refresh.as_ref()]).await?;
        Ok(row.is_some_and(|(revoked,)| revoked > 0))
    }

    async fn not_before(&self) -> Result<Timestamp> {
        let row = self.first::<(Timestamp,)>("SELECT not_before FROM installation", args![]).await?;
        Ok(row.map_or(Timestamp(0), |(not_before,)| not_before))
    }
}

impl Sql {
    /// Revokes the family of a token that was rotated away, if it is that.
    pub(super) async fn revoke_reused(
        &self,
        tenant: &TenantId,
        token: &TokenDigest,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Option<FamilyId>> {
        let select = "SELECT t.family FROM refresh_tokens AS t JOIN families AS f \
                      ON f.tenant = t.tenant AND f.id = t.family \
                      WHERE t.tenant = $1 AND t.digest = $2 AND f.client = $3 AND t.rotated_at IS NOT NULL";
        let Some((family,)) = self.first::<(FamilyId,)>(select, args![tenant, token, client]).await? else {
            return Ok(None);
        };
        let update = "UPDATE families SET revoked_at = $3 WHERE tenant = $1 AND id = $2 AND revoked_at IS NULL";
        self.write(update, args![tenant, &family, now]).await?;
        Ok(Some(family))
    }
}

/// The code was not redeemed. If it had been before, what came of it is revoked, whoever presents it now.
async fn replayed(mut tx: Tx, tenant: &TenantId, redeem: &Redeem) -> Result<Redeemed> {
    let select = "SELECT login, user_id, client FROM codes \
                  WHERE tenant = $1 AND digest = $2 AND redeemed_at IS NOT NULL";
    let found = tx.first::<(LoginId, UserId, ClientId)>(select, args![tenant, &redeem.digest]).await?;
    let Some((login, user, client)) = found else {
        return Ok(Redeemed::Refused);
    };
    let update = "UPDATE families SET revoked_at = $3 WHERE tenant = $1 AND code = $2 AND revoked_at IS NULL";
    tx.write(update, args![tenant, &redeem.digest, redeem.now]).await?;
    let mark = OneTimeToken {
        digest: TokenDigest::of(login.as_str()),
        purpose: Purpose::RevokedLogin,
        user,
        client: Some(client),
        document: Object::new(),
        at: redeem.now,
        expires_at: redeem.revoked_until,
        attempts: 0,
    };
    one_time::put_token(&mut tx, tenant, &mark, Alone::No).await?;
    tx.commit().await?;
    Ok(Redeemed::Replayed(login))
}

/// Where a family comes from.
pub(super) struct FamilyOrigin<'a> {
    pub(super) client: &'a ClientId,
    pub(super) user: &'a UserId,
    pub(super) login: &'a LoginId,
    pub(super) session: Option<&'a SessionId>,
    pub(super) code: Option<&'a TokenDigest>,
    pub(super) document: &'a Object,
    pub(super) now: Timestamp,
}

/// Makes a family, with its first token.
pub(super) async fn found_family(
    tx: &mut Tx,
    tenant: &TenantId,
    family: &NewFamily,
    origin: &FamilyOrigin<'_>,
) -> Result<()> {
    let insert = "INSERT INTO families (tenant, id, client, user_id, login, session, code, document, created_at, \
                  expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let args = args![
        tenant,
        &family.id,
        origin.client,
        origin.user,
        origin.login,
        origin.session,
        origin.code,
        json(origin.document)?,
        origin.now,
        family.expires_at,
    ];
    tx.write(insert, args).await?;
    put_refresh_token(tx, tenant, &family.id, &family.token, origin.now, family.idle_until).await
}

/// Makes the next token of a family.
pub(super) async fn put_refresh_token(
    tx: &mut Tx,
    tenant: &TenantId,
    family: &FamilyId,
    token: &TokenDigest,
    now: Timestamp,
    idle_until: Timestamp,
) -> Result<()> {
    let insert = "INSERT INTO refresh_tokens (tenant, digest, family, created_at, idle_until) \
                  VALUES ($1, $2, $3, $4, $5)";
    tx.write(insert, args![tenant, token, family, now, idle_until]).await?;
    Ok(())
}

/// Whether the session goes on.
pub(super) async fn touch(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &SessionId,
    now: Timestamp,
    idle_until: Timestamp,
) -> Result<bool> {
    let update = concat!(
        "UPDATE sessions SET seen_at = $3, idle_until = $4 \
         WHERE tenant = $1 AND id = $2 AND idle_until > $3 AND expires_at > $3 AND ",
        alive!()
    );
    Ok(tx.write(update, args![tenant, id, now, idle_until]).await? > 0)
}

/// Ends a session, and codes of it that were not redeemed.
pub(super) async fn end(tx: &mut Tx, tenant: &TenantId, id: &SessionId) -> Result<Option<Session>> {
    let delete = "DELETE FROM codes WHERE tenant = $1 AND session = $2 AND redeemed_at IS NULL";
    tx.write(delete, args![tenant, id]).await?;
    let delete = "DELETE FROM sessions WHERE tenant = $1 AND id = $2";
    tx.write_first(delete, session_columns!(), args![tenant, id]).await
}

impl FromRow for Session {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.next()?,
            cookie: row.next()?,
            user: row.next()?,
            login: row.next()?,
            authenticated_at: row.next()?,
            methods: row.json()?,
            document: row.json()?,
            clients: row.json()?,
            created_at: row.next()?,
            seen_at: row.next()?,
            idle_until: row.next()?,
            expires_at: row.next()?,
        })
    }
}

impl FromRow for Code {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            client: row.next()?,
            user: row.next()?,
            login: row.next()?,
            session: row.next()?,
            document: row.json()?,
            offline: row.next()?,
        })
    }
}

impl FromRow for Family {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.next()?,
            client: row.next()?,
            user: row.next()?,
            login: row.next()?,
            session: row.next()?,
            document: row.json()?,
            created_at: row.next()?,
            expires_at: row.next()?,
        })
    }
}
