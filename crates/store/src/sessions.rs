//! What a login leaves in the client's hands: browser sessions, authorization codes, refresh tokens.
//!
//! Sessions, codes and refresh tokens are *made* in the transaction that commits a login ([`crate::Logins::commit_login`])
//! or redeems a code, and nowhere else. Here they are read, used up and ended.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{ClientId, FamilyId, Issued, LoginId, Result, SessionId, TenantId, Timestamp, TokenDigest, UserId};

/// A browser session.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id, public.
    pub id: SessionId,
    /// The digest of its cookie.
    pub cookie: TokenDigest,
    /// The user.
    pub user: UserId,
    /// The login that opened it.
    pub login: LoginId,
    /// When credentials were last verified (`auth_time`).
    pub authenticated_at: Timestamp,
    /// How, in the caller's words: `context.authentication.methods`.
    pub methods: Vec<Value>,
    /// Everything else, the caller's own.
    pub document: Map<String, Value>,
    /// The clients that used it, in order of first use.
    pub clients: Vec<ClientId>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
    /// When it ends if it is not used.
    pub idle_until: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

/// A session to be opened by a login's commit.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id; a new one at every authentication (HS-16).
    pub id: SessionId,
    /// The digest of its cookie.
    pub cookie: TokenDigest,
    /// The session of the same browser that this one replaces; it ends.
    pub replaces: Option<SessionId>,
    /// When credentials were verified.
    pub authenticated_at: Timestamp,
    /// How.
    pub methods: Vec<Value>,
    /// Everything else.
    pub document: Map<String, Value>,
    /// When it ends if it is not used.
    pub idle_until: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

/// An authorization code to be issued by a login's commit.
#[derive(Debug, Clone)]
pub struct NewCode {
    /// The digest of the code.
    pub digest: TokenDigest,
    /// The client it is for.
    pub client: ClientId,
    /// Where it is sent: must be repeated at the token endpoint.
    pub redirect_uri: String,
    /// The PKCE `code_challenge` (S256).
    pub challenge: String,
    /// Whether a refresh token may come of it (`offline_access` was granted).
    pub offline: bool,
    /// What tokens are made of: scope, audience, nonce, claims, profile. The caller's own.
    pub document: Map<String, Value>,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// A code that was redeemed.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    /// The client.
    pub client: ClientId,
    /// The user.
    pub user: UserId,
    /// The login it came of.
    pub login: LoginId,
    /// The session, if the login had one.
    pub session: Option<SessionId>,
    /// What tokens are made of.
    pub document: Map<String, Value>,
    /// Whether a refresh token was issued with it: the one offered in [`Redeem`].
    pub offline: bool,
}

/// What a client presents at the token endpoint.
#[derive(Debug, Clone)]
pub struct Redeem {
    /// The digest of the code.
    pub digest: TokenDigest,
    /// The client, authenticated.
    pub client: ClientId,
    /// As it was at the authorization endpoint.
    pub redirect_uri: String,
    /// The S256 challenge computed from the verifier.
    pub challenge: String,
    /// The refresh token to issue if the code allows one.
    pub refresh: NewFamily,
    /// If the code was redeemed before: until when its login is marked ([`crate::Purpose::RevokedLogin`]), which is as
    /// long as an access token that came of it may live.
    pub revoked_until: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// What became of a code.
#[derive(Debug, Clone, PartialEq)]
pub enum Redeemed {
    /// This call, and no other, redeemed it.
    Code(Box<Code>),
    /// It was redeemed before: refresh tokens that came of it are revoked now, and its login is marked, so that access
    /// tokens that came of it are known (RFC 9700, 4.5).
    Replayed(LoginId),
    /// Unknown, expired, ended, or of another client, redirect URI or verifier. It was not used up.
    Refused,
}

/// A refresh-token family to be made, with its first token.
#[derive(Debug, Clone)]
pub struct NewFamily {
    /// Its id.
    pub id: FamilyId,
    /// The digest of its first token.
    pub token: TokenDigest,
    /// When that token is over if it is not used.
    pub idle_until: Timestamp,
    /// When the whole family is over.
    pub expires_at: Timestamp,
}

/// A refresh-token family, as its current token sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its id.
    pub id: FamilyId,
    /// The client it is bound to.
    pub client: ClientId,
    /// The user.
    pub user: UserId,
    /// The login that made it.
    pub login: LoginId,
    /// The session of that login.
    pub session: Option<SessionId>,
    /// What tokens are made of: as the code's, or as the commit that made it said.
    pub document: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// What a presented refresh token is.
#[derive(Debug, Clone, PartialEq)]
pub enum Presented {
    /// The current one of its family.
    Current(Box<Family>),
    /// It was rotated away before: the whole family is revoked now (HS-33).
    Reused(FamilyId),
    /// Unknown, expired, revoked, of another client, or its user is blocked.
    Refused,
}

/// Sessions, codes and refresh tokens that exist. Nothing here outlives its user, or a restore ([`crate::Operations`]).
#[async_trait]
pub trait Sessions: Send + Sync {
    /// The session of a cookie, if it has not ended and its user is not blocked.
    async fn session(&self, tenant: &TenantId, cookie: &TokenDigest, now: Timestamp) -> Result<Option<Session>>;
    /// Notes that a session was used: `seen_at`, and a later `idle_until`. Whether it still exists.
    async fn touch_session(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        now: Timestamp,
        idle_until: Timestamp,
    ) -> Result<bool>;
    /// Ends a session and its unredeemed codes; refresh tokens outlive it, they were issued for offline use. The session
    /// as it was, for its clients.
    async fn end_session(&self, tenant: &TenantId, id: &SessionId) -> Result<Option<Session>>;
    /// Ends all sessions, codes and refresh tokens of a user; how many sessions there were.
    async fn end_sessions_of(&self, tenant: &TenantId, user: &UserId) -> Result<u64>;
    /// The sessions of a user, newest first.
    async fn sessions_of(&self, tenant: &TenantId, user: &UserId, now: Timestamp) -> Result<Vec<Session>>;

    /// Redeems a code: exactly once (HS-31).
    async fn redeem_code(&self, tenant: &TenantId, redeem: &Redeem) -> Result<Redeemed>;

    /// Looks at a refresh token that a client presents. It is rotated by the commit of the login that it begins, so that
    /// a denied run leaves it valid.
    async fn refresh_token(
        &self,
        tenant: &TenantId,
        token: &TokenDigest,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Presented>;
    /// Revokes the family of a token, if it belongs to the client (RFC 7009).
    async fn revoke_token(
        &self,
        tenant: &TenantId,
        token: &TokenDigest,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<()>;

    /// Whether the refresh tokens that came of what a login issued were revoked: by a code or a token that was used again,
    /// or by its client. What else came of that login is not to be believed any more.
    async fn is_revoked(&self, tenant: &TenantId, issued: &Issued) -> Result<bool>;

    /// Tokens, sessions and codes issued before are dead: the time of the last restore (HS-71). Access tokens that are
    /// checked here should be refused when they are older.
    async fn not_before(&self) -> Result<Timestamp>;
}
