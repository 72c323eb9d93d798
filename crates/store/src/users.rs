//! Users: the stored profile, its version, and who wrote which metadata key.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ClientId, ConnectionName, LoginId, Result, RevisionDigest, TenantId, Timestamp, UserId, Version};

/// A stored profile, as of one version.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The tenant.
    pub tenant: TenantId,
    /// Its id.
    pub id: UserId,
    /// What a writer must have read.
    pub version: Version,
    /// The connection of its primary identity.
    pub connection: ConnectionName,
    /// The e-mail address, as the caller canonicalised it; unique in the connection.
    pub email: Option<String>,
    /// Whether the address was proven.
    pub email_verified: bool,
    /// The username, as the caller canonicalised it; unique in the connection.
    pub username: Option<String>,
    /// Root properties beside those that have a field here: `name`, `nickname`, `picture`, `given_name`, `phone_number` …
    pub profile: Map<String, Value>,
    /// `None` when it was never set, or unset.
    pub user_metadata: Option<Map<String, Value>>,
    /// `None` when it was never set, or unset.
    pub app_metadata: Option<Map<String, Value>>,
    /// The linked identities, the primary one first, as in Auth0's `identities`.
    pub identities: Vec<Value>,
    /// Blocked users cannot log in; their sessions and refresh tokens are dead (HS-15).
    pub blocked: bool,
    /// Logins that were counted (U-6).
    pub logins_count: i64,
    /// When the last counted login began.
    pub last_login: Option<Timestamp>,
    /// From where.
    pub last_ip: Option<String>,
    /// When the password was last changed by its owner or an administrator.
    pub last_password_reset: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A user to be made. Its identity and its password, if any, are made with it.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The id, made by the caller.
    pub id: UserId,
    /// The connection of its primary identity.
    pub connection: ConnectionName,
    /// Canonicalised by the caller: what is equal must be equal here, byte for byte (HS-10).
    pub email: Option<String>,
    /// Whether the address was proven.
    pub email_verified: bool,
    /// Canonicalised by the caller.
    pub username: Option<String>,
    /// Root properties.
    pub profile: Map<String, Value>,
    /// Metadata of the user's own.
    pub user_metadata: Option<Map<String, Value>>,
    /// Metadata of the application's.
    pub app_metadata: Option<Map<String, Value>>,
    /// The primary identity.
    pub identities: Vec<Value>,
    /// The password's PHC string.
    pub password: Option<String>,
    /// Who makes it.
    pub by: Author,
    /// Now.
    pub at: Timestamp,
}

/// What became of a user to be made.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is received")]
pub enum Created {
    /// It was made.
    User(User),
    /// There is one with this id, e-mail address or username already.
    Taken(TakenField),
}

/// What another user has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenField {
    /// The id.
    Id,
    /// The e-mail address, in this connection.
    Email,
    /// The username, in this connection.
    Username,
}

/// By what a person names themselves.
#[derive(Debug, Clone, Copy)]
pub enum Identifier<'a> {
    /// Canonicalised by the caller.
    Email(&'a str),
    /// Canonicalised by the caller.
    Username(&'a str),
}

/// What is to change. `None` leaves as it is; for what may be absent, `Some(None)` unsets.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// The address. If it changes, say whether it is verified as well.
    pub email: Option<Option<String>>,
    /// Whether the address was proven.
    pub email_verified: Option<bool>,
    /// The username.
    pub username: Option<Option<String>>,
    /// All root properties, merged by the caller.
    pub profile: Option<Map<String, Value>>,
    /// The whole bag, merged by the caller.
    pub user_metadata: Option<Option<Map<String, Value>>>,
    /// The whole bag, merged by the caller.
    pub app_metadata: Option<Option<Map<String, Value>>>,
    /// All identities.
    pub identities: Option<Vec<Value>>,
    /// Blocking ends the user's sessions, codes and refresh tokens in the same transaction (HS-15).
    pub blocked: Option<bool>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is durable; this is the new version.
    Done(Version),
    /// Somebody else changed the user meanwhile, or has the turn: read again.
    Conflict,
    /// There is no such user (any more).
    Gone,
    /// Another user has this e-mail address or username.
    Taken(TakenField),
}

/// A metadata bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bag {
    /// The user's own.
    UserMetadata,
    /// The application's.
    AppMetadata,
}

/// Who wrote something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Author {
    /// A rule, in a login.
    Rule {
        /// Its name.
        rule: String,
        /// The revision that ran.
        revision: RevisionDigest,
        /// In which login.
        login: LoginId,
    },
    /// The person, by signup or their own token.
    User,
    /// A client, by its token.
    Client {
        /// Which.
        client: ClientId,
    },
    /// An operator, by the command line or the admin listener.
    Operator {
        /// Whom they say they are.
        name: String,
    },
}

/// Who wrote a metadata key last. It stays when the key is deleted: a deletion was written too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The bag.
    pub bag: Bag,
    /// The first-level key.
    pub key: String,
    /// Who.
    pub by: Author,
    /// When.
    pub at: Timestamp,
    /// Whether the key was deleted.
    pub deleted: bool,
}

/// Users and their provenance.
#[async_trait]
pub trait Users: Send + Sync {
    /// Makes a user. Of any number of parallel attempts with one e-mail address or username, one wins (HS-10).
    async fn create_user(&self, tenant: &TenantId, new: &NewUser) -> Result<Created>;
    /// The user, with the version a writer must name.
    async fn user(&self, tenant: &TenantId, id: &UserId) -> Result<Option<User>>;
    /// The user of a connection by what they call themselves.
    async fn user_by_identifier(
        &self,
        tenant: &TenantId,
        connection: &ConnectionName,
        identifier: Identifier<'_>,
    ) -> Result<Option<User>>;
    /// Up to `limit` users with an id greater than `after`, by id.
    async fn users(&self, tenant: &TenantId, after: Option<&UserId>, limit: u32) -> Result<Vec<User>>;
    /// Changes a user if its version is still `expected` and nobody else has the turn. Keys of a bag that come, change or
    /// go get their provenance.
    async fn change_user(
        &self,
        tenant: &TenantId,
        id: &UserId,
        expected: Version,
        change: &UserChange,
        by: &Author,
        at: Timestamp,
    ) -> Result<Changed>;
    /// Erases a user: profile, credentials, sessions, codes, tokens, provenance, and what the journal tells of them. The
    /// journal's chain keeps digests only, and stays valid. Whether there was one.
    async fn delete_user(&self, tenant: &TenantId, id: &UserId, at: Timestamp) -> Result<bool>;
    /// Who wrote each metadata key last, by bag and key.
    async fn provenance(&self, tenant: &TenantId, id: &UserId) -> Result<Vec<Provenance>>;
}
