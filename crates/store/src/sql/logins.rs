//! The commit of a login: one transaction, read from top to bottom.

use async_trait::async_trait;

use super::{
    Sql, Tx, journal,
    journal::Record,
    one_time,
    sessions::{self, FamilyOrigin, alive},
    users,
    value::{FromRow, Row, args, json},
};
use crate::{
    Allowed, Author, Bag, ClientId, CommitError, Committed, Facts, FamilyId, Issued, LoginCommit, LoginId, LoginQuery,
    LoginRecord, Logins, NewCode, NewSession, RefreshUse, Result, SessionId, SessionUse, TenantId, Timestamp,
    TokenDigest, User, UserId, Verdict, Version,
};

#[async_trait]
impl Logins for Sql {
    async fn commit_login(&self, tenant: &TenantId, commit: &LoginCommit) -> Result<Committed, CommitError> {
        let mut tx = self.begin().await?;
        let user = users::lock(&mut tx, tenant, &commit.user).await?;
        if let Some(known) = known(&mut tx, tenant, commit).await? {
            return Ok(Committed::Known(known));
        }
        let before = user.ok_or(CommitError::Gone)?;
        if read(&commit.verdict).is_some_and(|read| read != before.version)
            || users::turn_of_another(&mut tx, tenant, &before.id, commit.login.as_str(), commit.now).await?
        {
            return Err(CommitError::Conflict);
        }

        let counted = self.count(&mut tx, tenant, commit).await?;
        write_user(&mut tx, commit, before, counted).await?;
        let issued = match &commit.verdict {
            Verdict::Allow(allowed) => match issue(&mut tx, tenant, commit, allowed).await {
                Err(CommitError::Spent) => {
                    drop(tx);
                    return Err(self.spent(tenant, commit, allowed).await?);
                }
                issued => issued?,
            },
            Verdict::Park { parked, .. } => {
                one_time::park(&mut tx, tenant, parked).await?;
                Issued { parked: Some(parked.handle), ..Issued::default() }
            }
            Verdict::Refuse { .. } => Issued::default(),
        };
        end_turn(&mut tx, tenant, &commit.user, &commit.login).await?;
        let record = Record::of_login(tenant, commit, counted.is_some(), &issued)?;
        self.append(&mut tx, &record).await?;
        tx.commit().await?;
        Ok(Committed::Done)
    }

    async fn login(&self, tenant: &TenantId, login: &LoginId) -> Result<Option<LoginRecord>> {
        let select = concat!(
            "SELECT ",
            journal::login_columns!(),
            " FROM journal WHERE tenant = $1 AND login = $2 ORDER BY leg DESC LIMIT 1"
        );
        self.first(select, args![tenant, login]).await
    }

    async fn logins(&self, tenant: &TenantId, query: &LoginQuery) -> Result<Vec<LoginRecord>> {
        macro_rules! asked {
            () => {
                " FROM journal WHERE tenant = $1 AND kind = 'login' AND NOT redacted AND at < $2 \
                 AND ($3 = '' OR user_id = $3) AND ($4 = '' OR $4 LIKE '%,' || outcome || ',%') "
            };
        }
        // As far as the moment of the last one, and all of that moment: who goes on before it misses none.
        let select = concat!(
            "SELECT ",
            journal::login_columns!(),
            asked!(),
            "AND at >= COALESCE((SELECT at",
            asked!(),
            "ORDER BY at DESC LIMIT 1 OFFSET $5), 0) ORDER BY at DESC, login, leg DESC"
        );
        let before = query.before.unwrap_or(Timestamp(i64::MAX));
        let user = query.user.as_ref().map_or("", |user| user.as_str());
        let outcomes =
            if query.outcomes.is_empty() { String::new() } else { format!(",{},", query.outcomes.join(",")) };
        let last = query.limit.saturating_sub(1);
        self.all(select, args![tenant, before, user, outcomes.as_str(), last]).await
    }

    async fn take_turn(
        &self,
        tenant: &TenantId,
        user: &UserId,
        login: &LoginId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        let upsert = "INSERT INTO turns (tenant, user_id, login, until) VALUES ($1, $2, $3, $4) \
                      ON CONFLICT (tenant, user_id) DO UPDATE SET login = excluded.login, until = excluded.until \
                      WHERE turns.login = excluded.login OR turns.until <= $5";
        Ok(self.write(upsert, args![tenant, user, login, until, now]).await? > 0)
    }

    async fn end_turn(&self, tenant: &TenantId, user: &UserId, login: &LoginId) -> Result<()> {
        let mut tx = self.begin().await?;
        end_turn(&mut tx, tenant, user, login).await?;
        tx.commit().await
    }
}

impl Sql {
    /// The facts to count, if no earlier leg of this login counted.
    async fn count<'c>(&self, tx: &mut Tx, tenant: &TenantId, commit: &'c LoginCommit) -> Result<Option<&'c Facts>> {
        let Some(facts) = &commit.counts else {
            return Ok(None);
        };
        let select = "SELECT leg FROM journal WHERE tenant = $1 AND login = $2 AND counted LIMIT 1";
        let counted = tx.first::<(i64,)>(select, args![tenant, &commit.login]).await?;
        Ok(counted.is_none().then_some(facts))
    }

    /// Why the refresh token could not be used; one that was rotated away costs its family its life.
    async fn spent(&self, tenant: &TenantId, commit: &LoginCommit, allowed: &Allowed) -> Result<CommitError> {
        match &allowed.refresh {
            RefreshUse::Rotate { presented, .. } | RefreshUse::Keep { presented, .. } => {
                self.revoke_reused(tenant, presented, &commit.client, commit.now).await?;
            }
            RefreshUse::None | RefreshUse::Issue { .. } => {}
        }
        Ok(CommitError::Spent)
    }
}

/// What an earlier commit of the same leg made durable.
async fn known(tx: &mut Tx, tenant: &TenantId, commit: &LoginCommit) -> Result<Option<LoginRecord>> {
    let select =
        concat!("SELECT ", journal::login_columns!(), " FROM journal WHERE tenant = $1 AND login = $2 AND leg = $3");
    tx.first(select, args![tenant, &commit.login, commit.leg]).await
}

/// The version that the rules saw.
fn read(verdict: &Verdict) -> Option<Version> {
    match verdict {
        Verdict::Allow(allowed) => Some(allowed.read),
        Verdict::Park { read, .. } => Some(*read),
        Verdict::Refuse { read } => *read,
    }
}

/// Writes what the login changes of its user: host-owned facts, and the bags if it is allowed.
async fn write_user(tx: &mut Tx, commit: &LoginCommit, before: User, counted: Option<&Facts>) -> Result<()> {
    let mut user = before.clone();
    if let Some(facts) = counted {
        user.logins_count += 1;
        user.last_login = Some(facts.at);
        user.last_ip.clone_from(&facts.ip);
    }
    if let Verdict::Allow(allowed) = &commit.verdict {
        if let Some(bag) = &allowed.user_metadata {
            user.user_metadata.clone_from(bag);
        }
        if let Some(bag) = &allowed.app_metadata {
            user.app_metadata.clone_from(bag);
        }
        attribute(tx, commit, allowed, &user).await?;
    }
    if user == before {
        return Ok(());
    }
    user.version = Version(before.version.0 + 1);
    user.updated_at = commit.now;
    users::write(tx, &user).await
}

/// Writes which rule wrote which key.
async fn attribute(tx: &mut Tx, commit: &LoginCommit, allowed: &Allowed, user: &User) -> Result<()> {
    for written in &allowed.written {
        let bag = match written.bag {
            Bag::UserMetadata => &user.user_metadata,
            Bag::AppMetadata => &user.app_metadata,
        };
        let deleted = !bag.as_ref().is_some_and(|bag| bag.contains_key(&written.key));
        let by = Author::Rule {
            rule: written.rule.clone(),
            revision: written.revision.clone(),
            login: commit.login.clone(),
        };
        let key = (written.bag, written.key.as_str());
        users::attribute_key(tx, &user.tenant, &user.id, key, &by, commit.now, deleted).await?;
    }
    Ok(())
}

/// Makes session, code and refresh token; what was made.
async fn issue(tx: &mut Tx, tenant: &TenantId, commit: &LoginCommit, allowed: &Allowed) -> Result<Issued, CommitError> {
    let mut issued = Issued::default();
    let session = match &allowed.session {
        SessionUse::None => None,
        SessionUse::Open(session) => {
            open_session(tx, tenant, commit, session).await?;
            issued.session = Some(session.cookie);
            Some(&session.id)
        }
        SessionUse::Join { id, idle_until } => {
            join_session(tx, tenant, commit, id, *idle_until).await?;
            Some(id)
        }
    };
    if let Some(code) = &allowed.code {
        put_code(tx, tenant, commit, session, code).await?;
        issued.code = Some(code.digest);
    }
    issued.refresh = refresh(tx, tenant, commit, session, &allowed.refresh).await?;
    Ok(issued)
}

async fn open_session(tx: &mut Tx, tenant: &TenantId, commit: &LoginCommit, session: &NewSession) -> Result<()> {
    if let Some(replaced) = &session.replaces {
        sessions::end(tx, tenant, replaced).await?;
    }
    let insert = "INSERT INTO sessions (tenant, id, cookie, user_id, login, authenticated_at, methods, document, \
                  clients, created_at, seen_at, idle_until, expires_at) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12)";
    let args = args![
        tenant,
        &session.id,
        &session.cookie,
        &commit.user,
        &commit.login,
        session.authenticated_at,
        json(&session.methods)?,
        json(&session.document)?,
        json(&[&commit.client])?,
        commit.now,
        session.idle_until,
        session.expires_at,
    ];
    tx.write(insert, args).await?;
    Ok(())
}

/// Goes on in a session of this user, which knows its clients.
async fn join_session(
    tx: &mut Tx,
    tenant: &TenantId,
    commit: &LoginCommit,
    id: &SessionId,
    idle_until: Timestamp,
) -> Result<(), CommitError> {
    let select = "SELECT clients FROM sessions WHERE tenant = $1 AND id = $2 AND user_id = $3";
    let clients: Option<Clients> = tx.lock(select, args![tenant, id, &commit.user]).await?;
    let Clients(mut clients) = clients.ok_or(CommitError::Ended)?;
    if !sessions::touch(tx, tenant, id, commit.now, idle_until).await? {
        return Err(CommitError::Ended);
    }
    if !clients.contains(&commit.client) {
        clients.push(commit.client.clone());
        let update = "UPDATE sessions SET clients = $3 WHERE tenant = $1 AND id = $2";
        tx.write(update, args![tenant, id, json(&clients)?]).await?;
    }
    Ok(())
}

struct Clients(Vec<ClientId>);

impl FromRow for Clients {
    fn from_row(row: &mut Row) -> Result<Self> {
        row.json().map(Self)
    }
}

async fn put_code(
    tx: &mut Tx,
    tenant: &TenantId,
    commit: &LoginCommit,
    session: Option<&SessionId>,
    code: &NewCode,
) -> Result<()> {
    let insert = "INSERT INTO codes (tenant, digest, client, user_id, login, session, redirect_uri, challenge, \
                  offline, document, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let args = args![
        tenant,
        &code.digest,
        &code.client,
        &commit.user,
        &commit.login,
        session,
        code.redirect_uri.as_str(),
        code.challenge.as_str(),
        code.offline,
        json(&code.document)?,
        commit.now,
        code.expires_at,
    ];
    tx.write(insert, args).await?;
    Ok(())
}

/// Makes, swaps or keeps a refresh token; the new one, if there is one.
async fn refresh(
    tx: &mut Tx,
    tenant: &TenantId,
    commit: &LoginCommit,
    session: Option<&SessionId>,
    refresh: &RefreshUse,
) -> Result<Option<TokenDigest>, CommitError> {
    match refresh {
        RefreshUse::None => Ok(None),
        RefreshUse::Issue { family, document } => {
            let origin = FamilyOrigin {
                client: &commit.client,
                user: &commit.user,
                login: &commit.login,
                session,
                code: None,
                document,
                now: commit.now,
            };
            sessions::found_family(tx, tenant, family, &origin).await?;
            Ok(Some(family.token))
        }
        RefreshUse::Rotate { presented, next, idle_until } => {
            let family = use_refresh_token(tx, tenant, commit, presented, Some(commit.now), None).await?;
            sessions::put_refresh_token(tx, tenant, &family, next, commit.now, *idle_until).await?;
            Ok(Some(*next))
        }
        RefreshUse::Keep { presented, idle_until } => {
            use_refresh_token(tx, tenant, commit, presented, None, Some(*idle_until)).await?;
            Ok(None)
        }
    }
}

/// Uses the current token of a family of this user and client: one statement, so that one of many wins.
async fn use_refresh_token(
    tx: &mut Tx,
    tenant: &TenantId,
    commit: &LoginCommit,
    presented: &TokenDigest,
    rotated_at: Option<Timestamp>,
    idle_until: Option<Timestamp>,
) -> Result<FamilyId, CommitError> {
    let update = concat!(
        "UPDATE refresh_tokens SET rotated_at = $6, idle_until = COALESCE($7, idle_until) \
         WHERE tenant = $1 AND digest = $2 AND rotated_at IS NULL AND idle_until > $3 \
         AND family IN (SELECT id FROM families WHERE tenant = $1 AND client = $4 AND user_id = $5 \
         AND revoked_at IS NULL AND expires_at > $3 AND ",
        alive!(),
        ")"
    );
    let args = args![tenant, presented, commit.now, &commit.client, &commit.user, rotated_at, idle_until];
    let family = tx.write_first::<(FamilyId,)>(update, "family", args).await?;
    family.map(|(family,)| family).ok_or(CommitError::Spent)
}

async fn end_turn(tx: &mut Tx, tenant: &TenantId, user: &UserId, login: &LoginId) -> Result<()> {
    let delete = "DELETE FROM turns WHERE tenant = $1 AND user_id = $2 AND login = $3";
    tx.write(delete, args![tenant, user, login]).await?;
    Ok(())
}
