//! The login transaction: from verified credentials, through the rules, to one commit (DESIGN §2).
//!
//! `run` is the heart. It reads the user, runs the rules, decides, and commits all of it in one transaction, or runs
//! again if the user was changed meanwhile. Nothing here is handed out before the commit: `Decided` exists only after.
//! - `login/transaction.rs`: one leg of a login; `rules.rs`: a run of its rules; `event.rs`: what they see.
//! - `login/decide.rs`: what an outcome makes durable, and what the caller gets; `issue.rs`: what an allowed one issues;
//!   `entry.rs`, `recording.rs`: what the journal keeps; `end.rs`: what the log tells.
//! - `login/parked.rs`: logins that wait for a browser.
//! - `login/browser.rs`: a login at `/authorize` and after; a grant at the token endpoint is in `oauth/token/`.

pub(crate) mod browser;
mod decide;
mod end;
mod entry;
mod event;
mod issue;
pub(crate) mod parked;
mod principal;
pub mod recording;
mod rules;
mod transaction;

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::Instrument as _;
use vestibule_store::{CommitError, Committed, LoginCommit, StoreError, TenantId, UserId};

pub use self::{
    browser::{Remember, authenticated, factor_passed},
    principal::{Method, Principal},
};
pub(crate) use self::{
    decide::{Decided, refresh_token_spent},
    event::date,
    issue::family,
    rules::Rules,
    transaction::{BrowserFlow, Counting, Flow, LoginTransaction, Sent},
};
use self::{
    end::End,
    rules::{Attempt, Recorded, run_rules},
};
use crate::{
    app::App,
    error::{Fault, Refused},
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
    let (end, (commit, decided)) = loop {
        if user.blocked {
            break (End::of("blocked"), decide::blocked(app, login, &user));
        }
        // Here, because it holds for every way of going on, and because a reset makes the commit's version another one.
        if user.last_password_reset.is_some_and(|reset| reset > login.principal.at) {
            break (End::of("superseded"), decide::superseded(app, login, &user));
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
        let end = End::by_rules(&report);
        break (end, decide::decide(app, login, &user, decide::Ran { report, event, recorded, has_factor })?);
    };
    let began = Instant::now();
    let committed = commit_surely(app, login, &commit).instrument(tracing::info_span!("commit")).await;
    telemetry::committed(began.elapsed());
    match committed {
        Ok(()) => {
            telemetry::outcome(end.outcome);
            end.log(login, &decided);
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
        Ok(()) | Err(CommitError::Gone) => {
            let end = End::exhausted();
            telemetry::outcome(end.outcome);
            end.log(login, &decided);
            Ok(decided)
        }
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
