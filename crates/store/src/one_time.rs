//! What can be used once: parked logins, and tokens sent by mail or handed to a client.
//!
//! Each has a purpose that is part of its key: a token of one purpose is nothing to another (HS-32).

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{Act, ClientId, LoginId, Result, TenantId, Timestamp, TokenDigest, UserId};

/// A login that waits for its browser.
#[derive(Debug, Clone, PartialEq)]
pub struct Parked {
    /// The digest of the handle in `state`.
    pub handle: TokenDigest,
    /// What it waits for; a handle of one wait is nothing to another.
    pub wait: Wait,
    /// The digest of the cookie of the browser it belongs to.
    pub browser: TokenDigest,
    /// The client it began with.
    pub client: ClientId,
    /// The login.
    pub login: LoginId,
    /// The user, once known.
    pub user: Option<UserId>,
    /// Everything else, the caller's own.
    pub document: Map<String, Value>,
    /// When it was parked.
    pub at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
    /// Failed attempts counted against it.
    pub attempts: u32,
}

/// What a parked login waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wait {
    /// Credentials, on the login or signup page.
    Credentials,
    /// The browser's return from where a rule sent it (`/continue`).
    Redirect,
    /// A second factor, or its enrolment.
    SecondFactor,
}

/// What a one-time token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Proves an e-mail address.
    EmailVerification,
    /// Allows a new password.
    PasswordReset,
    /// Goes on with a grant at the token endpoint after a second factor.
    MfaToken,
    /// Lets one account in while the rules are skipped.
    BreakGlass,
    /// A browser that need not be asked for the second factor again. Read, not taken.
    RememberedBrowser,
    /// A login whose code was presented twice: access tokens that came of it are refused. Read, not taken; its digest is
    /// that of the login's id.
    RevokedLogin,
}

/// A token that can be used once.
#[derive(Debug, Clone, PartialEq)]
pub struct OneTimeToken {
    /// The digest of what was handed out.
    pub digest: TokenDigest,
    /// What it is for.
    pub purpose: Purpose,
    /// Whom it is for.
    pub user: UserId,
    /// The client it was handed to, if to one.
    pub client: Option<ClientId>,
    /// Everything else, the caller's own.
    pub document: Map<String, Value>,
    /// When it was made.
    pub at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
    /// Failed attempts counted against it.
    pub attempts: u32,
}

/// Parked logins and one-time tokens. All of them: of any number of parallel uses one wins, and none after the expiry.
#[async_trait]
pub trait OneTime: Send + Sync {
    /// Parks a login.
    async fn park(&self, tenant: &TenantId, parked: &Parked) -> Result<()>;
    /// Looks at a parked login without taking it.
    async fn parked(
        &self,
        tenant: &TenantId,
        handle: &TokenDigest,
        wait: Wait,
        now: Timestamp,
    ) -> Result<Option<Parked>>;
    /// Replaces the document of a parked login that was not taken; whether there was one.
    async fn amend_parked(
        &self,
        tenant: &TenantId,
        handle: &TokenDigest,
        wait: Wait,
        document: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<bool>;
    /// Takes a parked login: exactly once, and only from the browser it belongs to.
    async fn take_parked(
        &self,
        tenant: &TenantId,
        handle: &TokenDigest,
        wait: Wait,
        browser: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<Parked>>;
    /// Counts an attempt against a parked login before it is judged; how many there are now, or `None` if it is over.
    async fn count_parked_attempt(
        &self,
        tenant: &TenantId,
        handle: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<u32>>;

    /// Stores a token; one of this purpose and digest that is there stays. `alone`: the user's other tokens of this
    /// purpose end.
    async fn put_token(&self, tenant: &TenantId, token: &OneTimeToken, alone: Alone) -> Result<()>;
    /// Opens a break-glass window: a token that nobody holds, the user's only one of its purpose, with the entry of the
    /// journal that tells of it.
    async fn open_window(&self, tenant: &TenantId, window: &OneTimeToken, act: &Act) -> Result<()>;
    /// Looks at a token without using it.
    async fn token(
        &self,
        tenant: &TenantId,
        purpose: Purpose,
        digest: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<OneTimeToken>>;
    /// Uses a token: exactly once.
    async fn take_token(
        &self,
        tenant: &TenantId,
        purpose: Purpose,
        digest: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<OneTimeToken>>;
    /// Counts an attempt against a token before it is judged; how many there are now, or `None` if it is over.
    async fn count_token_attempt(
        &self,
        tenant: &TenantId,
        purpose: Purpose,
        digest: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<u32>>;
    /// Ends all tokens of a purpose that a user has; how many there were.
    async fn drop_tokens(&self, tenant: &TenantId, purpose: Purpose, user: &UserId) -> Result<u64>;
    /// The tokens of a purpose that are not over, oldest first.
    async fn tokens(&self, tenant: &TenantId, purpose: Purpose, now: Timestamp) -> Result<Vec<OneTimeToken>>;
}

/// Whether a new token is the user's only one of its purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// The others of this user and purpose end.
    Yes,
    /// They stay.
    No,
}
