//! Users and their provenance.

use async_trait::async_trait;

use super::{
    Sql, Tx,
    value::{FromRow, Object, Row, args, json, json_or_none},
};
use crate::{
    Author, Bag, Changed, ConnectionName, Created, Identifier, NewUser, Provenance, Result, TakenField, TenantId,
    Timestamp, User, UserChange, UserId, Users, Version,
};

/// The columns of a user, in the order in which one is read.
macro_rules! columns {
    () => {
        "tenant, id, version, connection, email, email_verified, username, profile, user_metadata, app_metadata, \
         identities, blocked, logins_count, last_login, last_ip, last_password_reset, created_at, updated_at"
    };
}

#[async_trait]
impl Users for Sql {
    async fn create_user(&self, tenant: &TenantId, new: &NewUser) -> Result<Created> {
        let mut tx = self.begin().await?;
        let user = User {
            tenant: tenant.clone(),
            id: new.id.clone(),
            version: Version(1),
            connection: new.connection.clone(),
            email: new.email.clone(),
            email_verified: new.email_verified,
            username: new.username.clone(),
            profile: new.profile.clone(),
            user_metadata: new.user_metadata.clone(),
            app_metadata: new.app_metadata.clone(),
            identities: new.identities.clone(),
            blocked: false,
            logins_count: 0,
            last_login: None,
            last_ip: None,
            last_password_reset: None,
            created_at: new.at,
            updated_at: new.at,
        };
        if !insert(&mut tx, &user).await? {
            return Ok(Created::Taken(TakenField::Id));
        }
        if let Some(taken) = name(&mut tx, &user).await? {
            return Ok(Created::Taken(taken));
        }
        if let Some(phc) = &new.password {
            let insert = "INSERT INTO passwords (tenant, user_id, phc, set_at) VALUES ($1, $2, $3, $4)";
            tx.write(insert, args![tenant, &user.id, phc.as_str(), new.at]).await?;
        }
        attribute(&mut tx, &user, (None, None), &new.by, new.at).await?;
        tx.commit().await?;
        Ok(Created::User(user))
    }

    async fn user(&self, tenant: &TenantId, id: &UserId) -> Result<Option<User>> {
        self.first(concat!("SELECT ", columns!(), " FROM users WHERE tenant = $1 AND id = $2"), args![tenant, id]).await
    }

    async fn user_by_identifier(
        &self,
        tenant: &TenantId,
        connection: &ConnectionName,
        identifier: Identifier<'_>,
    ) -> Result<Option<User>> {
        let (kind, value) = match identifier {
            Identifier::Email(value) => (EMAIL, value),
            Identifier::Username(value) => (USERNAME, value),
        };
        let select = concat!(
            "SELECT ",
            columns!(),
            " FROM users WHERE tenant = $1 AND id = (SELECT user_id FROM identifiers \
             WHERE tenant = $1 AND connection = $2 AND kind = $3 AND value = $4)"
        );
        self.first(select, args![tenant, connection, kind, value]).await
    }

    async fn users(&self, tenant: &TenantId, after: Option<&UserId>, limit: u32) -> Result<Vec<User>> {
        let select = concat!("SELECT ", columns!(), " FROM users WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3");
        self.all(select, args![tenant, after.map_or("", UserId::as_str), limit]).await
    }

    async fn change_user(
        &self,
        tenant: &TenantId,
        id: &UserId,
        expected: Version,
        change: &UserChange,
        by: &Author,
        at: Timestamp,
    ) -> Result<Changed> {
        let mut tx = self.begin().await?;
        let Some(before) = lock(&mut tx, tenant, id).await? else {
            return Ok(Changed::Gone);
        };
        if before.version != expected || turn_of_another(&mut tx, tenant, id, "", at).await? {
            return Ok(Changed::Conflict);
        }
        let mut user = before.clone();
        apply(&mut user, change);
        user.version = Version(before.version.0 + 1);
        user.updated_at = at;
        if (&user.email, &user.username) != (&before.email, &before.username) {
            tx.write("DELETE FROM identifiers WHERE tenant = $1 AND user_id = $2", args![tenant, id]).await?;
            if let Some(taken) = name(&mut tx, &user).await? {
                return Ok(Changed::Taken(taken));
            }
        }
        write(&mut tx, &user).await?;
        attribute(&mut tx, &user, (before.user_metadata.as_ref(), before.app_metadata.as_ref()), by, at).await?;
        if user.blocked && !before.blocked {
            end_everything(&mut tx, tenant, id).await?;
        }
        tx.commit().await?;
        Ok(Changed::Done(user.version))
    }

    async fn delete_user(&self, tenant: &TenantId, id: &UserId, _at: Timestamp) -> Result<bool> {
        let mut tx = self.begin().await?;
        if lock(&mut tx, tenant, id).await?.is_none() {
            return Ok(false);
        }
        end_everything(&mut tx, tenant, id).await?;
        for delete in [
            "DELETE FROM one_time_tokens WHERE tenant = $1 AND user_id = $2",
            "DELETE FROM letters WHERE tenant = $1 AND user_id = $2",
            "DELETE FROM identifiers WHERE tenant = $1 AND user_id = $2",
            "DELETE FROM provenance WHERE tenant = $1 AND user_id = $2",
            "DELETE FROM turns WHERE tenant = $1 AND user_id = $2",
            "DELETE FROM passwords WHERE tenant = $1 AND user_id = $2",
            "DELETE FROM factors WHERE tenant = $1 AND user_id = $2",
            "DELETE FROM recovery_codes WHERE tenant = $1 AND user_id = $2",
            "DELETE FROM users WHERE tenant = $1 AND id = $2",
        ] {
            tx.write(delete, args![tenant, id]).await?;
        }
        super::journal::redact_user(&mut tx, tenant, id).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn provenance(&self, tenant: &TenantId, id: &UserId) -> Result<Vec<Provenance>> {
        let select = "SELECT bag, key, author, at, deleted FROM provenance WHERE tenant = $1 AND user_id = $2 \
                      ORDER BY bag DESC, key";
        self.all(select, args![tenant, id]).await
    }
}

const EMAIL: &str = "email";
const USERNAME: &str = "username";

/// The user, whom nobody else can change until the transaction ends.
pub(super) async fn lock(tx: &mut Tx, tenant: &TenantId, id: &UserId) -> Result<Option<User>> {
    tx.lock(concat!("SELECT ", columns!(), " FROM users WHERE tenant = $1 AND id = $2"), args![tenant, id]).await
}

/// Whether another login than this has the user's turn.
pub(super) async fn turn_of_another(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &UserId,
    login: &str,
    now: Timestamp,
) -> Result<bool> {
    let select = "SELECT login FROM turns WHERE tenant = $1 AND user_id = $2 AND login <> $3 AND until > $4";
    Ok(tx.first::<(String,)>(select, args![tenant, id, login, now]).await?.is_some())
}

/// Whether there was none with this id.
async fn insert(tx: &mut Tx, user: &User) -> Result<bool> {
    let insert = concat!(
        "INSERT INTO users (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
         ON CONFLICT DO NOTHING"
    );
    let args = args![
        &user.tenant,
        &user.id,
        user.version,
        &user.connection,
        user.email.as_deref(),
        user.email_verified,
        user.username.as_deref(),
        json(&user.profile)?,
        json_or_none(user.user_metadata.as_ref())?,
        json_or_none(user.app_metadata.as_ref())?,
        json(&user.identities)?,
        user.blocked,
        user.logins_count,
        user.last_login,
        user.last_ip.as_deref(),
        user.last_password_reset,
        user.created_at,
        user.updated_at,
    ];
    Ok(tx.write(insert, args).await? > 0)
}

/// Writes what of a user can change.
pub(super) async fn write(tx: &mut Tx, user: &User) -> Result<()> {
    let update = "UPDATE users SET version = $3, email = $4, email_verified = $5, username = $6, profile = $7, \
                  user_metadata = $8, app_metadata = $9, identities = $10, blocked = $11, logins_count = $12, \
                  last_login = $13, last_ip = $14, last_password_reset = $15, updated_at = $16 \
                  WHERE tenant = $1 AND id = $2";
    let args = args![
        &user.tenant,
        &user.id,
        user.version,
        user.email.as_deref(),
        user.email_verified,
        user.username.as_deref(),
        json(&user.profile)?,
        json_or_none(user.user_metadata.as_ref())?,
        json_or_none(user.app_metadata.as_ref())?,
        json(&user.identities)?,
        user.blocked,
        user.logins_count,
        user.last_login,
        user.last_ip.as_deref(),
        user.last_password_reset,
        user.updated_at,
    ];
    tx.write(update, args).await?;
    Ok(())
}

/// Enters the e-mail address and the username; which of them somebody has already.
async fn name(tx: &mut Tx, user: &User) -> Result<Option<TakenField>> {
    let insert = "INSERT INTO identifiers (tenant, connection, kind, value, user_id) VALUES ($1, $2, $3, $4, $5) \
                  ON CONFLICT DO NOTHING";
    for (kind, value, field) in
        [(EMAIL, &user.email, TakenField::Email), (USERNAME, &user.username, TakenField::Username)]
    {
        if let Some(value) = value {
            let args = args![&user.tenant, &user.connection, kind, value.as_str(), &user.id];
            if tx.write(insert, args).await? == 0 {
                return Ok(Some(field));
            }
        }
    }
    Ok(None)
}

fn apply(user: &mut User, change: &UserChange) {
    fn put<T: Clone>(place: &mut T, new: &Option<T>) {
        if let Some(new) = new {
            place.clone_from(new);
        }
    }
    put(&mut user.email, &change.email);
    put(&mut user.email_verified, &change.email_verified);
    put(&mut user.username, &change.username);
    put(&mut user.profile, &change.profile);
    put(&mut user.user_metadata, &change.user_metadata);
    put(&mut user.app_metadata, &change.app_metadata);
    put(&mut user.identities, &change.identities);
    put(&mut user.blocked, &change.blocked);
}

/// Writes who wrote each key that came, changed or went since the bags were `before`.
async fn attribute(
    tx: &mut Tx,
    user: &User,
    before: (Option<&Object>, Option<&Object>),
    by: &Author,
    at: Timestamp,
) -> Result<()> {
    let empty = Object::new();
    let bags = [
        (Bag::UserMetadata, before.0, user.user_metadata.as_ref()),
        (Bag::AppMetadata, before.1, user.app_metadata.as_ref()),
    ];
    for (bag, old, new) in bags {
        let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
        let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(value)).map(|(key, _)| (key, false));
        let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key, true));
        for (key, deleted) in changed.chain(gone).collect::<Vec<_>>() {
            attribute_key(tx, &user.tenant, &user.id, (bag, key), by, at, deleted).await?;
        }
    }
    Ok(())
}

/// Writes who wrote a key.
pub(super) async fn attribute_key(
    tx: &mut Tx,
    tenant: &TenantId,
    user: &UserId,
    (bag, key): (Bag, &str),
    by: &Author,
    at: Timestamp,
    deleted: bool,
) -> Result<()> {
    let upsert = "INSERT INTO provenance (tenant, user_id, bag, key, author, at, deleted) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, user_id, bag, key) \
                  DO UPDATE SET author = excluded.author, at = excluded.at, deleted = excluded.deleted";
    tx.write(upsert, args![tenant, user, bag.word(), key, json(by)?, at, deleted]).await?;
    Ok(())
}

/// Ends sessions, codes, refresh tokens, parked logins and one-time tokens of a user (HS-15). Marks of what was revoked
/// stay: they let nobody in, and keep out.
pub(super) async fn end_everything(tx: &mut Tx, tenant: &TenantId, user: &UserId) -> Result<()> {
    for delete in [
        "DELETE FROM sessions WHERE tenant = $1 AND user_id = $2",
        "DELETE FROM codes WHERE tenant = $1 AND user_id = $2",
        "DELETE FROM refresh_tokens WHERE tenant = $1 AND family IN \
         (SELECT id FROM families WHERE tenant = $1 AND user_id = $2)",
        "DELETE FROM families WHERE tenant = $1 AND user_id = $2",
        "DELETE FROM parked WHERE tenant = $1 AND user_id = $2",
        "DELETE FROM one_time_tokens WHERE tenant = $1 AND user_id = $2 AND purpose <> 'revoked_login'",
    ] {
        tx.write(delete, args![tenant, user]).await?;
    }
    Ok(())
}

super::words! {
    Bag {
        UserMetadata = "user_metadata",
        AppMetadata = "app_metadata",
    }
}

impl FromRow for User {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            tenant: row.next()?,
            id: row.next()?,
            version: row.next()?,
            connection: row.next()?,
            email: row.next()?,
            email_verified: row.next()?,
            username: row.next()?,
            profile: row.json()?,
            user_metadata: row.json_or_none()?,
            app_metadata: row.json_or_none()?,
            identities: row.json()?,
            blocked: row.next()?,
            logins_count: row.next()?,
            last_login: row.next()?,
            last_ip: row.next()?,
            last_password_reset: row.next()?,
            created_at: row.next()?,
            updated_at: row.next()?,
        })
    }
}

impl FromRow for Provenance {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { bag: row.next()?, key: row.next()?, by: row.json()?, at: row.next()?, deleted: row.next()? })
    }
}
