//! What an outcome makes durable, and what the caller gets once it is: on one page, every variant by name.
//!
//! This is pure but for randomness. Only [`Outcome::Allow`] becomes [`Verdict::Allow`], and only that carries changes, a
//! session, a code or a refresh token.

use serde_json::{Map, Value, value::RawValue};
use vestibule_engine::Report;
use vestibule_pipeline::{
    Outcome, RuleFailure,
    answer::{Refusal, SecondFactor},
};
use vestibule_store::{Facts, LoginCommit, LoginEntry, Parked, User, Verdict, Wait};

use super::{
    BrowserFlow, Counting, Flow, LoginTransaction, Recorded,
    entry::{entry, summary, word},
    issue::{Issued, issue},
    parked::{NextLeg, Stage, Waiting},
    recording::Recording,
    refusal,
};
use crate::{
    app::{App, Enrolment},
    clock::Token,
    error::{Fault, Refused},
    oauth::request::Prompt,
};

/// What a leg came to. It exists only after its commit.
#[derive(Debug)]
pub(crate) enum Decided {
    /// The login goes on with what was issued.
    Allowed(Box<Issued>),
    /// It is over; the client is told this.
    Refused(Refused),
    /// It is parked; the browser goes to this URL, which carries its handle.
    Redirect(String),
    /// It is parked until a second factor is passed, or enrolled.
    SecondFactor(Token),
    /// A grant without a browser needs a second factor first: nothing is parked yet.
    MfaRequired,
}

/// A run of all rules, and what it ran on.
pub(super) struct Ran<'r> {
    pub(super) report: Report,
    pub(super) event: Box<RawValue>,
    pub(super) recorded: &'r Recorded,
    pub(super) has_factor: bool,
}

/// Decides a leg.
///
/// # Errors
/// [`Fault`] when something of it cannot be written down.
pub(super) fn decide(
    app: &App,
    login: &LoginTransaction<'_>,
    user: &User,
    ran: Ran<'_>,
) -> Result<(LoginCommit, Decided), Fault> {
    let summary = summary(login, &ran.report);
    let replay = Recording::of(login, &ran).seal(&app.keys.seal, &login.id, login.leg)?;
    let rules_ended_it = word(&ran.report.outcome);
    let (verdict, decided) = verdict(app, login, user, ran.report.outcome, ran.has_factor)?;
    let outcome = match (&decided, rules_ended_it) {
        (_, Some(word)) => word,
        (Decided::Refused(refused), None) => refused.error.clone().into_owned(),
        (Decided::Allowed(_), None) => "allow".to_owned(),
        (Decided::Redirect(_), None) => "redirect".to_owned(),
        (Decided::SecondFactor(_) | Decided::MfaRequired, None) => "second_factor".to_owned(),
    };
    let entry = LoginEntry { outcome, summary, replay: Some(replay) };
    Ok((commit(app, login, verdict, entry), decided))
}

fn verdict(
    app: &App,
    login: &LoginTransaction<'_>,
    user: &User,
    outcome: Outcome,
    has_factor: bool,
) -> Result<(Verdict, Decided), Fault> {
    let refuse = |refused: Refused| (Verdict::Refuse { read: Some(user.version) }, Decided::Refused(refused));
    match outcome {
        Outcome::Allow(_) if login.needs_second_factor() => {
            second_factor(app, login, user, &SecondFactor { allow_remember_browser: false }, Map::new(), has_factor)
        }
        Outcome::Allow(allow) => {
            if login.scopes().is_management && !login.rules.are_skipped() {
                return Ok(refuse(refusal("access_denied", "No login has access to this audience.")));
            }
            let (allowed, issued) = issue(app, login, user, allow)?;
            if !login.is_expected(&issued.grant.subject) {
                return Ok(refuse(refusal("login_required", "The client expects somebody else.")));
            }
            Ok((Verdict::Allow(Box::new(allowed)), Decided::Allowed(Box::new(issued))))
        }
        Outcome::Deny { refusal, .. } => Ok(refuse(denied(&refusal))),
        Outcome::Failed { failure, .. } => Ok(refuse(failed(login, &failure))),
        Outcome::Redirect { url, rest, .. } => redirect(app, login, user, &url, rest.user_changes),
        Outcome::SecondFactor { demand, rest, .. } => {
            second_factor(app, login, user, &demand, rest.user_changes, has_factor)
        }
    }
}

/// Sends the browser elsewhere, where there is one that may be sent.
fn redirect(
    app: &App,
    login: &LoginTransaction<'_>,
    user: &User,
    url: &str,
    user_changes: Map<String, Value>,
) -> Result<(Verdict, Decided), Fault> {
    let Some(flow) = may_interact(login) else { return Ok(interaction_required(user)) };
    let handle = app.entropy.token();
    let mut url = url::Url::parse(url)?;
    url.query_pairs_mut().append_pair("state", handle.as_str());
    let stage: fn(NextLeg) -> Stage = |leg| Stage::Redirected { leg, posted: None };
    let parked = park(app, login, flow, &handle, (Wait::Redirect, stage), user_changes)?;
    Ok((Verdict::Park { read: user.version, parked: Box::new(parked) }, Decided::Redirect(url.into())))
}

/// Asks for a second factor, where there is somebody to ask.
fn second_factor(
    app: &App,
    login: &LoginTransaction<'_>,
    user: &User,
    demand: &SecondFactor,
    user_changes: Map<String, Value>,
    has_factor: bool,
) -> Result<(Verdict, Decided), Fault> {
    let may_enrol = app.settings.enrolment == Enrolment::OnDemand && !login.rules.are_skipped();
    let read = Some(user.version);
    if !has_factor && !may_enrol {
        let refused = refusal("access_denied", "This login needs a second factor, and none is enrolled.");
        return Ok((Verdict::Refuse { read }, Decided::Refused(refused)));
    }
    match &login.flow {
        Flow::Browser(_) => {
            let Some(flow) = may_interact(login) else { return Ok(interaction_required(user)) };
            let handle = app.entropy.token();
            let stage: fn(NextLeg) -> Stage = match demand.allow_remember_browser {
                true => |leg| Stage::SecondFactor { leg, may_remember: true },
                false => |leg| Stage::SecondFactor { leg, may_remember: false },
            };
            let parked = park(app, login, flow, &handle, (Wait::SecondFactor, stage), user_changes)?;
            let verdict = Verdict::Park { read: user.version, parked: Box::new(parked) };
            Ok((verdict, Decided::SecondFactor(handle)))
        }
        Flow::Password { .. } if has_factor => Ok((Verdict::Refuse { read }, Decided::MfaRequired)),
        Flow::Password { .. } | Flow::Refresh { .. } => Ok((
            Verdict::Refuse { read },
            Decided::Refused(refusal("mfa_required", "Multifactor authentication required")),
        )),
    }
}

/// The browser of this login, if it may be shown something.
fn may_interact<'l>(login: &'l LoginTransaction<'_>) -> Option<&'l BrowserFlow> {
    match &login.flow {
        Flow::Browser(flow) if flow.request.prompt != Prompt::None => Some(flow),
        Flow::Browser(_) | Flow::Password { .. } | Flow::Refresh { .. } => None,
    }
}

fn interaction_required(user: &User) -> (Verdict, Decided) {
    let refused = refusal("interaction_required", "This login needs the user's interaction.");
    (Verdict::Refuse { read: Some(user.version) }, Decided::Refused(refused))
}

fn park(
    app: &App,
    login: &LoginTransaction<'_>,
    flow: &BrowserFlow,
    handle: &Token,
    (wait, stage): (Wait, fn(NextLeg) -> Stage),
    user_changes: Map<String, Value>,
) -> Result<Parked, Fault> {
    let now = app.now();
    let next = NextLeg {
        leg: login.leg + 1,
        principal: login.principal.clone(),
        is_silent: flow.is_silent,
        counting: match login.counting {
            Counting::First | Counting::Counted => Counting::Counted,
            Counting::Never => Counting::Never,
        },
        generation: login.rules.generation(),
        is_after_redirect: login.is_after_redirect,
        sent: login.sent.clone(),
        user_changes: login.user_changes.clone().into_iter().chain(user_changes).collect(),
    };
    Ok(Parked {
        handle: handle.digest(),
        wait,
        browser: flow.browser,
        client: login.client.id.clone(),
        login: login.id.clone(),
        user: Some(login.principal.user.clone()),
        document: Waiting { request: flow.request.clone(), stage: stage(next) }.to_document()?,
        at: now,
        expires_at: now.plus(app.settings.lifetimes.redirect),
        attempts: 0,
    })
}

/// A refusal by a rule. Only `unauthorized` keeps its name (§3.5); the reason is for the client and the person.
fn denied(said: &Refusal) -> Refused {
    let error = if said.code == "unauthorized" { "unauthorized" } else { "access_denied" };
    let description = if said.reason.is_empty() { said.code.clone() } else { said.reason.clone() };
    refusal(error, description)
}

/// A failure: the client hears its code and where to ask, never its message.
fn failed(login: &LoginTransaction<'_>, failure: &RuleFailure) -> Refused {
    let error = if failure.is_ours() { "temporarily_unavailable" } else { "access_denied" };
    refusal(error, format!("A rule of this login failed ({}); its login id is {}.", failure.code, login.id))
}

/// Others kept changing the user.
pub(super) fn exhausted(app: &App, login: &LoginTransaction<'_>) -> (LoginCommit, Decided) {
    let refused = refusal("temporarily_unavailable", "The account is being changed; try again.");
    let entry = entry(login, "conflict_exhausted");
    (commit(app, login, Verdict::Refuse { read: None }, entry), Decided::Refused(refused))
}

/// The user is blocked: no rule runs (HS-15).
pub(super) fn blocked(app: &App, login: &LoginTransaction<'_>, user: &User) -> (LoginCommit, Decided) {
    let refused = refusal("unauthorized", "user is blocked");
    let verdict = Verdict::Refuse { read: Some(user.version) };
    (commit(app, login, verdict, entry(login, "blocked")), Decided::Refused(refused))
}

/// The password was set anew after this person had proved who they are: no rule runs, and what they proved is nothing now.
pub(super) fn superseded(app: &App, login: &LoginTransaction<'_>, user: &User) -> (LoginCommit, Decided) {
    let refused = match &login.flow {
        Flow::Browser(_) => refusal("login_required", "The password was changed; log in again."),
        Flow::Password { .. } => refusal("invalid_grant", "Wrong email or password."),
        Flow::Refresh { .. } => refresh_token_spent(),
    };
    let verdict = Verdict::Refuse { read: Some(user.version) };
    (commit(app, login, verdict, entry(login, "superseded")), Decided::Refused(refused))
}

/// The user was deleted meanwhile.
pub(super) fn gone() -> Refused {
    refusal("access_denied", "The user does not exist any more.")
}

pub(super) fn session_ended() -> Refused {
    refusal("login_required", "The session has ended.")
}

pub(crate) fn refresh_token_spent() -> Refused {
    refusal("invalid_grant", "Unknown or invalid refresh token.")
}

fn commit(app: &App, login: &LoginTransaction<'_>, verdict: Verdict, entry: LoginEntry) -> LoginCommit {
    let facts = Facts { at: login.at, ip: Some(login.caller.address.to_string()) };
    LoginCommit {
        login: login.id.clone(),
        leg: login.leg,
        user: login.principal.user.clone(),
        client: login.client.id.clone(),
        generation: login.rules.generation(),
        at: login.at,
        now: app.now(),
        counts: match login.counting {
            Counting::First | Counting::Counted => Some(facts),
            Counting::Never => None,
        },
        verdict,
        entry,
    }
}
