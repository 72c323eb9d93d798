//! One leg of a login, and what can be asked about it before and after its rules.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vestibule_pipeline::Outcome;
use vestibule_store::{Client, Connection, Family, LoginId, Session, Timestamp, TokenDigest};

use super::{Principal, Rules};
use crate::{
    oauth::{request::AuthorizationRequest, scope, scope::Audience},
    request::Caller,
};

/// One leg of a login: what stays the same, however often its rules run.
#[derive(Debug, Clone)]
pub(crate) struct LoginTransaction<'c> {
    pub(crate) id: LoginId,
    /// Counted from 0; a redirect and a second factor begin another one.
    pub(crate) leg: u32,
    /// What rules see as now.
    pub(crate) at: Timestamp,
    pub(crate) caller: &'c Caller,
    pub(crate) client: Client,
    pub(crate) connection: Connection,
    pub(crate) principal: Principal,
    pub(crate) flow: Flow,
    pub(crate) counting: Counting,
    pub(crate) rules: Rules,
    /// What the endpoint lets rules see of the request.
    pub(crate) sent: Sent,
    /// Set on every leg after a redirect.
    pub(crate) is_after_redirect: bool,
    /// Root properties that rules put on the user before the login was parked (U-4).
    pub(crate) user_changes: Map<String, Value>,
}

/// How somebody came here, and what is to come of it.
#[derive(Debug, Clone)]
pub(crate) enum Flow {
    /// A browser at `/authorize`: a code is to come of it.
    Browser(Box<BrowserFlow>),
    /// The password grant: tokens.
    Password { scope: Vec<String>, audience: Audience },
    /// A refresh token: new tokens, and the next refresh token.
    Refresh { presented: TokenDigest, family: Box<Family>, scope: Vec<String>, audience: Audience },
}

/// A login in a browser.
#[derive(Debug, Clone)]
pub(crate) struct BrowserFlow {
    pub(crate) request: AuthorizationRequest,
    /// The digest of the browser's own cookie.
    pub(crate) browser: TokenDigest,
    /// The session the browser has.
    pub(crate) session: Option<Session>,
    /// Whether the session alone says who it is: nobody authenticated just now.
    pub(crate) is_silent: bool,
    /// Whether the user passed a second factor in this browser, and asked to be remembered.
    pub(crate) is_remembered: bool,
}

/// Whether this is a login that counts: by credentials, once per login id (U-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Counting {
    /// It does, and its first leg has not been committed: the stored count does not know of it.
    First,
    /// It was counted by an earlier leg.
    Counted,
    /// A session or a refresh token said who it is.
    Never,
}

/// What rules see of a request: `context.request.query` and `.body`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent {
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) query: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) body: Map<String, Value>,
}

impl LoginTransaction<'_> {
    /// What was granted before the rules, and for whom.
    pub(crate) fn granted(&self) -> (&[String], &Audience) {
        match &self.flow {
            Flow::Browser(flow) => (&flow.request.scope, &flow.request.audience),
            Flow::Password { scope, audience } | Flow::Refresh { scope, audience, .. } => (scope, audience),
        }
    }

    /// What scope rules may grant.
    pub(crate) fn scopes(&self) -> vestibule_pipeline::ScopePolicy {
        let (granted, audience) = self.granted();
        scope::policy(granted, audience, &self.client, &self.caller.issuer)
    }

    /// The protocol the login began with (C-1).
    pub(crate) const fn protocol(&self) -> &'static str {
        match &self.flow {
            Flow::Browser(_) => "oidc-basic-profile",
            Flow::Password { .. } => "oauth2-password",
            Flow::Refresh { .. } => "oauth2-refresh-token",
        }
    }

    /// Whether a second factor is needed whatever the rules say (R-42; DESIGN §2 for break-glass).
    pub(crate) fn needs_second_factor(&self) -> bool {
        let is_asked_for = match &self.flow {
            Flow::Browser(flow) => flow.request.wants_second_factor,
            Flow::Password { .. } | Flow::Refresh { .. } => false,
        };
        (is_asked_for || self.rules.are_skipped()) && !self.principal.has_second_factor()
    }

    /// Whether the client expects this subject, or nobody in particular (`id_token_hint`). It is asked when the rules have
    /// run, because they may say that an account linked to another one logs in as that (C-6).
    pub(crate) fn is_expected(&self, subject: &str) -> bool {
        match &self.flow {
            Flow::Browser(flow) => flow.request.expects.as_deref().is_none_or(|expected| expected == subject),
            Flow::Password { .. } | Flow::Refresh { .. } => true,
        }
    }

    /// Whether this outcome leads to a second factor.
    pub(super) fn wants_second_factor_after(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::SecondFactor { .. } => true,
            Outcome::Allow(_) => self.needs_second_factor(),
            Outcome::Deny { .. } | Outcome::Redirect { .. } | Outcome::Failed { .. } => false,
        }
    }

    /// Whether the demand of the rules is met because the user passed a second factor in this browser before.
    pub(super) fn is_met_by_remembered_browser(&self, outcome: &Outcome) -> bool {
        let Outcome::SecondFactor { demand, .. } = outcome else { return false };
        let Flow::Browser(flow) = &self.flow else { return false };
        let is_new = !self.principal.has_second_factor();
        demand.allow_remember_browser && flow.is_remembered && is_new && !self.needs_second_factor()
    }
}
