//! What a person proves themselves with: password, second factors, recovery codes.

use async_trait::async_trait;

use crate::{Act, Author, FactorId, NewLetter, Result, SessionId, TenantId, Timestamp, TokenDigest, UserId};

/// A stored password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// Algorithm, parameters, salt and hash, as a PHC string.
    pub phc: String,
    /// When it was set.
    pub set_at: Timestamp,
}

/// A password to be set by its owner or an administrator.
#[derive(Debug, Clone)]
pub struct NewPassword {
    /// The PHC string.
    pub phc: String,
    /// Only if the current one is this; `None` sets it whatever there is.
    pub instead_of: Option<String>,
    /// The reset token that allows it: used up in the same transaction, or nothing happens.
    pub token: Option<TokenDigest>,
    /// The address the token was sent to: it is no good once the user has another one.
    pub address: Option<String>,
    /// The session that goes on, authenticated now; all others of the user end, and so do all refresh tokens, and what was
    /// remembered of browsers that need no second factor.
    pub keep: Option<SessionId>,
    /// What tells its owner; it is kept in the same transaction.
    pub notice: Option<NewLetter>,
    /// Who sets it.
    pub by: Author,
    /// Now; becomes `last_password_reset`.
    pub at: Timestamp,
}

/// What became of a password to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordSet {
    /// It counts from now on.
    Done,
    /// The current one is not what the caller read.
    Conflict,
    /// The reset token is unknown, used, expired or somebody else's, or was sent to an address they had before.
    TokenSpent,
    /// There is no such user.
    Gone,
}

/// A second factor of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// Its id, made by the caller.
    pub id: FactorId,
    /// What it is.
    pub kind: FactorKind,
    /// Its secret, sealed by the caller.
    pub sealed: Vec<u8>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was first used with success; until then it satisfies nothing.
    pub confirmed_at: Option<Timestamp>,
    /// The last time step that was accepted (RFC 6238).
    pub last_step: Option<i64>,
}

/// The kinds of second factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactorKind {
    /// RFC 6238.
    Totp,
}

/// What confirms a factor.
#[derive(Debug, Clone)]
pub struct Confirmed {
    /// The time step of the code that was presented; it is used up.
    pub step: i64,
    /// The digests of the recovery codes that are shown with it.
    pub recovery: Vec<TokenDigest>,
    /// What tells the user; it is kept in the same transaction.
    pub notice: Option<NewLetter>,
    /// Now.
    pub at: Timestamp,
}

/// Passwords, second factors and recovery codes.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The user's password, if they have one.
    async fn password(&self, tenant: &TenantId, user: &UserId) -> Result<Option<Password>>;
    /// Sets the password; see [`NewPassword`]. The user's version grows. What was begun with the old one ends: parked
    /// logins, MFA tokens, and a factor that was not confirmed.
    async fn set_password(&self, tenant: &TenantId, user: &UserId, new: &NewPassword) -> Result<PasswordSet>;
    /// The same password in another hash (stronger parameters): nothing else changes. Whether `old` was the current one.
    async fn rehash_password(&self, tenant: &TenantId, user: &UserId, old: &str, new: &str) -> Result<bool>;

    /// Begins to enrol a factor: not confirmed, and the only unconfirmed one of its kind.
    async fn begin_factor(&self, tenant: &TenantId, user: &UserId, factor: &Factor) -> Result<()>;
    /// The user's factors, confirmed or not, oldest first.
    async fn factors(&self, tenant: &TenantId, user: &UserId) -> Result<Vec<Factor>>;
    /// Confirms a factor that was begun, by its first time step: from now on it counts. The recovery codes that come with
    /// it replace all others in the same transaction, so that no factor counts without them. `false` if there is no such
    /// factor, or the user has one that counts.
    async fn confirm_factor(
        &self,
        tenant: &TenantId,
        user: &UserId,
        factor: &FactorId,
        confirmed: &Confirmed,
    ) -> Result<bool>;
    /// Accepts a time step of a confirmed factor. `false` if that step, or a later one, was used before (HS-14).
    async fn use_step(&self, tenant: &TenantId, user: &UserId, factor: &FactorId, step: i64) -> Result<bool>;
    /// Removes a factor; whether there was one.
    async fn remove_factor(&self, tenant: &TenantId, user: &UserId, factor: &FactorId) -> Result<bool>;

    /// Takes all factors away from a user who has lost them, with the recovery codes and all that was opened: sessions,
    /// refresh tokens, logins on their way, browsers that were remembered. The user's version grows. How many factors there
    /// were, confirmed or not; `None` if there is no such user.
    async fn reset_factors(&self, tenant: &TenantId, user: &UserId, act: &Act) -> Result<Option<u64>>;

    /// Uses a recovery code up; `false` if there is no such code (any more).
    async fn use_recovery_code(&self, tenant: &TenantId, user: &UserId, code: &TokenDigest) -> Result<bool>;
    /// How many are left.
    async fn recovery_codes_left(&self, tenant: &TenantId, user: &UserId) -> Result<u32>;
}
