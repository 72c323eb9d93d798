//! The login transaction: from verified credentials, through the rules, to one commit (DESIGN §2).
//!
//! `run` is the heart. It reads the user, runs the rules, decides, and commits all of it in one transaction, or runs
//! again if the user was changed meanwhile. Nothing here is handed out before the commit: `Decided` exists only after.
//! - `login/event.rs`: what rules see.
//! - `login/decide.rs`: what an outcome makes durable, and what the caller gets; `issue.rs`: what an allowed one issues;
//!   `entry.rs`, `recording.rs`: what the journal keeps.
//! - `login/parked.rs`: logins that wait for a browser.
//! - `login/browser.rs`: a login at `/authorize` and after; a grant at the token endpoint is in `oauth/token/`.

pub(crate) mod browser;
mod decide;
mod entry;
mod event;
mod issue;
pub(crate) mod parked;
mod principal;
pub mod recording;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::sleep;
use tracing::Instrument as _;
use vestibule_abi::codes::FailureCode;
use vestibule_engine::{
    Report, drive,
    http::{Exchange, Source, Unrecorded},
};
use vestibule_pipeline::{Login, LoginInput, Outcome, Pipeline};
use vestibule_store::{
    Client, CommitError, Committed, Connection, Family, GenerationNumber, LoginCommit, LoginId, Session, StoreError,
    TenantId, Timestamp, TokenDigest, User, UserId,
};

pub use self::{
    browser::{Remember, authenticated, factor_passed},
    principal::{Method, Principal},
};
pub(crate) use self::{
    decide::{Decided, refresh_token_spent},
    event::date,
    issue::family,
};
use crate::{
    app::{App, Generation},
    error::{Fault, Refused},
    oauth::{request::AuthorizationRequest, scope, scope::Audience},
    request::Caller,
    telemetry,
};

/// How long the third attempt may keep everybody else from changing the user.
const TURN: Duration = Duration::from_secs(1);
/// How long it waits before it asks again for a turn that another login has.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// How often it asks: for two turns, because nobody queues.
const ASKS: u32 = 100;
/// How often a commit whose answer was lost is asked for again.
const COMMIT_TRIES: u32 = 3;

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

/// Which rules run.
#[derive(Clone)]
pub(crate) enum Rules {
    /// Those of a generation.
    Of(Arc<Generation>),
    /// None: the operator opened a window for this one account (DESIGN §2, break-glass).
    BreakGlass {
        /// When it closes.
        until: Timestamp,
    },
}

impl Rules {
    /// Whether none run, because a window is open.
    pub(crate) const fn are_skipped(&self) -> bool {
        match self {
            Self::Of(_) => false,
            Self::BreakGlass { .. } => true,
        }
    }

    /// The number of the generation that runs; none if no rules do.
    pub(crate) fn generation(&self) -> Option<GenerationNumber> {
        match self {
            Self::Of(generation) => generation.number,
            Self::BreakGlass { .. } => None,
        }
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Of(generation) => write!(f, "Of({})", generation.digest()),
            Self::BreakGlass { until } => write!(f, "BreakGlass(until {})", until.0),
        }
    }
}

/// What rules see of a request: `context.request.query` and `.body`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sent {
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) query: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) body: Map<String, Value>,
}

/// The attempts of a leg. What changes from one to the next is where the answers of host calls come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    First,
    /// With the answers recorded so far; what was not asked before is sent.
    Second,
    /// In the user's turn and without I/O: it fails closed if a rule asks for anything new.
    Last,
}

/// The exchanges of each rule, by its position, on the attempts so far.
type Recorded = Vec<Vec<Exchange>>;

/// Runs the rules of a login and commits what comes of it.
///
/// # Errors
/// [`Fault`] when no outcome was committed: nothing was changed, and nothing is handed out.
pub(crate) async fn run(app: &App, login: LoginTransaction<'_>) -> Result<Decided, Fault> {
    let span = tracing::info_span!("login", id = %login.id, leg = login.leg, protocol = login.protocol());
    attempts(app, login).instrument(span).await
}

async fn attempts(app: &App, mut login: LoginTransaction<'_>) -> Result<Decided, Fault> {
    let mut recorded = Recorded::new();
    for attempt in [Attempt::First, Attempt::Second, Attempt::Last] {
        if attempt == Attempt::Last && !take_turn(app, &login).await? {
            break;
        }
        if let Some(decided) = try_once(app, &mut login, attempt, &mut recorded).await? {
            return Ok(decided);
        }
        tracing::info!(login = %login.id, ?attempt, "the user was changed while rules ran");
    }
    give_up(app, &login).await
}

/// One attempt; `None` when somebody changed the user meanwhile.
async fn try_once(
    app: &App,
    login: &mut LoginTransaction<'_>,
    attempt: Attempt,
    recorded: &mut Recorded,
) -> Result<Option<Decided>, Fault> {
    let tenant = &login.caller.tenant;
    let Some(user) = app.store.user(tenant, &login.principal.user).await? else {
        return Ok(Some(Decided::Refused(decide::gone())));
    };
    let (outcome, (commit, decided)) = loop {
        if user.blocked {
            break ("blocked", decide::blocked(app, login, &user));
        }
        // Here, because it holds for every way of going on, and because a reset makes the commit's version another one.
        if user.last_password_reset.is_some_and(|reset| reset > login.principal.at) {
            break ("superseded", decide::superseded(app, login, &user));
        }
        let running = run_rules(app, login, &user, attempt, recorded);
        let began = Instant::now();
        let (report, event) = running.instrument(tracing::info_span!("rules")).await?;
        telemetry::ran(&report, began.elapsed());
        if login.is_met_by_remembered_browser(&report.outcome) {
            login.principal.methods.push(Method::second_factor(login.at));
            continue;
        }
        let has_factor = match login.wants_second_factor_after(&report.outcome) {
            true => has_factor(app, tenant, &user.id).await?,
            false => false,
        };
        let outcome = report.outcome.as_str();
        break (outcome, decide::decide(app, login, &user, decide::Ran { report, event, recorded, has_factor })?);
    };
    let began = Instant::now();
    let committed = commit_surely(app, login, &commit).instrument(tracing::info_span!("commit")).await;
    telemetry::committed(began.elapsed());
    match committed {
        Ok(()) => {
            telemetry::outcome(outcome);
            Ok(Some(decided))
        }
        Err(CommitError::Conflict) => Ok(None),
        Err(CommitError::Gone) => Ok(Some(Decided::Refused(decide::gone()))),
        Err(CommitError::Ended) => Ok(Some(Decided::Refused(decide::session_ended()))),
        Err(CommitError::Spent) => Ok(Some(Decided::Refused(decide::refresh_token_spent()))),
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}

/// Whether a user has enrolled a second factor.
async fn has_factor(app: &App, tenant: &TenantId, user: &UserId) -> Result<bool, StoreError> {
    Ok(app.store.factors(tenant, user).await?.iter().any(|factor| factor.confirmed_at.is_some()))
}

/// Runs all rules once. The event is given back for the journal.
async fn run_rules(
    app: &App,
    login: &LoginTransaction<'_>,
    user: &User,
    attempt: Attempt,
    recorded: &mut Recorded,
) -> Result<(Report, Value), Fault> {
    let event = event::event(login, user);
    let input = LoginInput {
        event: event.clone(),
        seed: seed(app, &login.id),
        now_ms: login.at.0,
        scopes: login.scopes(),
        budget: app.settings.budget,
    };
    let report = match &login.rules {
        Rules::BreakGlass { .. } => {
            drive(&mut Login::begin(Arc::new(Pipeline::new(Vec::new())?), input)?, &[], |_| Source::Denied).await?
        }
        Rules::Of(generation) => {
            let mut machine = Login::begin(Arc::clone(&generation.loaded.pipeline), input)?;
            let source = |position: usize| source(generation, attempt, recorded, position);
            drive(&mut machine, &generation.loaded.rules, source).await?
        }
    };
    for (position, rule) in report.rules.iter().enumerate() {
        if recorded.len() <= position {
            recorded.resize(position + 1, Vec::new());
        }
        if let Some(of_rule) = recorded.get_mut(position) {
            of_rule.clone_from(&rule.recorded);
        }
    }
    Ok((report, event))
}

/// Where the answers to a rule's requests come from.
fn source(generation: &Generation, attempt: Attempt, recorded: &Recorded, position: usize) -> Source {
    let rule = generation.loaded.pipeline.rules().get(position);
    if rule.is_none_or(|rule| rule.manifest.capabilities.http.is_empty()) {
        return Source::Denied;
    }
    let otherwise = match attempt {
        Attempt::First | Attempt::Second => Unrecorded::Send(Arc::clone(&generation.egress)),
        Attempt::Last => Unrecorded::Fail(FailureCode::ConflictExhausted),
    };
    Source::Replay { recorded: recorded.get(position).cloned().unwrap_or_default(), otherwise }
}

/// The login's own randomness: nobody without the installation's key can tell it, and it is the same on every attempt.
fn seed(app: &App, login: &LoginId) -> [u8; 32] {
    app.keys.seal.mac("login seed", login.as_str().as_bytes())
}

/// Waits for the user's turn; `false` if it did not come.
async fn take_turn(app: &App, login: &LoginTransaction<'_>) -> Result<bool, Fault> {
    for _ in 0..ASKS {
        let now = app.now();
        let (tenant, user) = (&login.caller.tenant, &login.principal.user);
        if app.store.take_turn(tenant, user, &login.id, now, now.plus(TURN)).await? {
            return Ok(true);
        }
        sleep(ASK_AGAIN).await;
    }
    Ok(false)
}

/// The login is denied because others kept changing the user. That is written down whatever the user's version.
async fn give_up(app: &App, login: &LoginTransaction<'_>) -> Result<Decided, Fault> {
    let (commit, decided) = decide::exhausted(app, login);
    match commit_surely(app, login, &commit).await {
        Ok(()) | Err(CommitError::Gone) => Ok(decided),
        Err(CommitError::Store(error)) => Err(error.into()),
        Err(CommitError::Conflict | CommitError::Ended | CommitError::Spent) => {
            tracing::warn!(login = %login.id, "a login that gave up could not be written down");
            Ok(decided)
        }
    }
}

/// Commits, and asks again when the answer was lost: the same login and leg are never done twice.
async fn commit_surely(app: &App, login: &LoginTransaction<'_>, commit: &LoginCommit) -> Result<(), CommitError> {
    let mut tries = 1;
    loop {
        match app.store.commit_login(&login.caller.tenant, commit).await {
            Ok(Committed::Done | Committed::Known(_)) => return Ok(()),
            Err(CommitError::Store(StoreError::Unknown(cause))) if tries < COMMIT_TRIES => {
                tracing::warn!(login = %login.id, %cause, "the answer to a commit was lost; asking again");
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    }
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
    fn wants_second_factor_after(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::SecondFactor { .. } => true,
            Outcome::Allow(_) => self.needs_second_factor(),
            Outcome::Deny { .. } | Outcome::Redirect { .. } | Outcome::Failed { .. } => false,
        }
    }

    /// Whether the demand of the rules is met because the user passed a second factor in this browser before.
    fn is_met_by_remembered_browser(&self, outcome: &Outcome) -> bool {
        let Outcome::SecondFactor { demand, .. } = outcome else { return false };
        let Flow::Browser(flow) = &self.flow else { return false };
        let is_new = !self.principal.has_second_factor();
        demand.allow_remember_browser && flow.is_remembered && is_new && !self.needs_second_factor()
    }
}

/// A refusal that reaches the client in the way of its flow.
pub(crate) fn refusal(error: &'static str, description: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    let status = match error {
        "unauthorized" => http::StatusCode::UNAUTHORIZED,
        "invalid_grant" | "access_denied" | "mfa_required" => http::StatusCode::FORBIDDEN,
        "temporarily_unavailable" => http::StatusCode::SERVICE_UNAVAILABLE,
        "server_error" => http::StatusCode::INTERNAL_SERVER_ERROR,
        _ => http::StatusCode::BAD_REQUEST,
    };
    Refused::new(status, error, description)
}
