//! What an outcome makes durable, and what the caller gets once it is: on one page, every variant by name.
//!
//! This is pure but for randomness. Only [`Outcome::Allow`] becomes [`Verdict::Allow`], and only that carries changes, a
//! session, a code or a refresh token.

use serde_json::{Map, Value, json};
use vestibule_engine::Report;
use vestibule_pipeline::{
    Outcome, RuleFailure,
    answer::{Refusal, SecondFactor},
    manifest,
    outcome::Allow,
};
use vestibule_store::{
    Allowed, Bag, Facts, FamilyId, KeyWritten, LoginCommit, LoginEntry, NewCode, NewFamily, NewSession, Parked,
    RefreshUse, RevisionDigest, SessionId, SessionUse, User, Verdict, Wait,
};

use super::{
    BrowserFlow, Counting, Flow, LoginTransaction, Recorded, Rules,
    parked::{NextLeg, Stage, Waiting},
    recording::Recording,
    refusal,
};
use crate::{
    app::{App, Enrolment},
    clock::Token,
    error::{Fault, Refused},
    oauth::request::Prompt,
    tokens::{Grant, lifetime, standard_claims},
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

/// What an allowed leg issued: in clear for the one it is for, as digests in the store.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) grant: Grant,
    pub(crate) code: Option<Token>,
    /// The cookie of a session that was opened.
    pub(crate) session: Option<Token>,
    pub(crate) refresh: Option<Token>,
}

/// A run of all rules, and what it ran on.
pub(super) struct Ran<'r> {
    pub(super) report: Report,
    pub(super) event: Value,
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
    let replay = Recording::of(app, login, &ran).seal(&app.keys.seal, &login.id, login.leg)?;
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
            if login.scopes().is_management && !matches!(login.rules, Rules::BreakGlass { .. }) {
                return Ok(refuse(refusal("access_denied", "No login has access to this audience.")));
            }
            let (allowed, issued) = allow_login(app, login, user, allow)?;
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
    let may_enrol = app.settings.enrolment == Enrolment::OnDemand && !matches!(login.rules, Rules::BreakGlass { .. });
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
        generation: match &login.rules {
            Rules::Of(generation) => generation.number,
            Rules::BreakGlass { .. } => None,
        },
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

fn allow_login(app: &App, login: &LoginTransaction<'_>, user: &User, allow: Allow) -> Result<(Allowed, Issued), Fault> {
    let (session, cookie, id) = session(app, login);
    let grant = grant(login, &allow, id);
    let (refresh, refresh_token) = refresh(app, login, &grant)?;
    let (code, code_token) = code(app, login, &grant)?;
    let changes = |bag| allow.provenance.iter().any(|change| change.bag == bag);
    let bag = |bag, map: fn(&Allow) -> Map<String, Value>| {
        changes(bag).then(|| Some(map(&allow)).filter(|bag: &Map<String, Value>| !bag.is_empty()))
    };
    let allowed = Allowed {
        read: user.version,
        user_metadata: bag(manifest::Bag::UserMetadata, |allow| allow.profile.user_metadata()),
        app_metadata: bag(manifest::Bag::AppMetadata, |allow| allow.profile.app_metadata()),
        written: written(login, &allow),
        session,
        code,
        refresh,
    };
    Ok((allowed, Issued { grant, code: code_token, session: cookie, refresh: refresh_token }))
}

/// The session of an allowed login: the browser's own if nobody authenticated, else a new one (HS-16).
fn session(app: &App, login: &LoginTransaction<'_>) -> (SessionUse, Option<Token>, Option<SessionId>) {
    let now = app.now();
    let lifetimes = &app.settings.lifetimes;
    let flow = match &login.flow {
        // Whoever was let in without rules is let in here, not everywhere.
        Flow::Browser(_) if matches!(login.rules, Rules::BreakGlass { .. }) => return (SessionUse::None, None, None),
        Flow::Browser(flow) => flow,
        Flow::Password { .. } => return (SessionUse::None, None, None),
        Flow::Refresh { family, .. } => return (SessionUse::None, None, family.session.clone()),
    };
    match &flow.session {
        Some(session) if flow.is_silent => {
            let idle_until = now.plus(lifetimes.session_idle);
            let id = session.id.clone();
            (SessionUse::Join { id: id.clone(), idle_until }, None, Some(id))
        }
        replaced => {
            let (id, cookie) = (SessionId::new(app.entropy.token().as_str()), app.entropy.token());
            let new = NewSession {
                id: id.clone(),
                cookie: cookie.digest(),
                replaces: replaced.as_ref().map(|session| session.id.clone()),
                authenticated_at: login.principal.at,
                methods: login.principal.methods.iter().map(|method| json!(method)).collect(),
                document: Map::from_iter([("connection".to_owned(), json!(login.principal.connection))]),
                idle_until: now.plus(lifetimes.session_idle),
                expires_at: now.plus(lifetimes.session),
            };
            (SessionUse::Open(new), Some(cookie), Some(id))
        }
    }
}

fn grant(login: &LoginTransaction<'_>, allow: &Allow, session: Option<SessionId>) -> Grant {
    let (granted, audience) = login.granted();
    let nonce = match &login.flow {
        Flow::Browser(flow) => flow.request.nonce.clone(),
        Flow::Password { .. } | Flow::Refresh { .. } => None,
    };
    // The pipeline accepted it only for an identity that is linked to this user (C-6).
    let primary = allow.context.get("primaryUser").and_then(Value::as_str);
    Grant {
        login: login.id.clone(),
        subject: primary.unwrap_or(login.principal.user.as_str()).to_owned(),
        audience: audience.clone(),
        scope: match &login.rules {
            Rules::Of(_) => allow.scope.clone(),
            Rules::BreakGlass { .. } => {
                allow.scope.iter().filter(|scope| *scope != "offline_access").cloned().collect()
            }
        },
        granted: granted.to_vec(),
        nonce,
        authenticated_at: login.principal.at,
        methods: login.principal.methods.clone(),
        connection: login.principal.connection.as_str().to_owned(),
        session,
        grant_type: matches!(login.flow, Flow::Password { .. }).then(|| "password".to_owned()),
        not_after: match &login.rules {
            Rules::Of(_) => None,
            Rules::BreakGlass { until } => Some(*until),
        },
        profile: standard_claims(&allow.profile.user()),
        id_token: allow.id_token.clone(),
        access_token: allow.access_token.clone(),
    }
}

fn code(app: &App, login: &LoginTransaction<'_>, grant: &Grant) -> Result<(Option<NewCode>, Option<Token>), Fault> {
    let Flow::Browser(flow) = &login.flow else { return Ok((None, None)) };
    let code = app.entropy.token();
    let new = NewCode {
        digest: code.digest(),
        client: login.client.id.clone(),
        redirect_uri: flow.request.destination.redirect_uri.clone(),
        challenge: flow.request.challenge.as_str().to_owned(),
        offline: grant.has_scope("offline_access"),
        document: grant.to_document()?,
        expires_at: app.now().plus(app.settings.lifetimes.code),
    };
    Ok((Some(new), Some(code)))
}

fn refresh(app: &App, login: &LoginTransaction<'_>, grant: &Grant) -> Result<(RefreshUse, Option<Token>), Fault> {
    let next = app.entropy.token();
    match &login.flow {
        Flow::Browser(_) => Ok((RefreshUse::None, None)),
        Flow::Password { .. } if grant.has_scope("offline_access") => {
            let issue = RefreshUse::Issue { family: new_family(app, login, &next), document: grant.to_document()? };
            Ok((issue, Some(next)))
        }
        Flow::Password { .. } => Ok((RefreshUse::None, None)),
        Flow::Refresh { presented, .. } => {
            let (presented, idle_until) = (*presented, new_family(app, login, &next).idle_until);
            // A public client that kept its token could not tell that it was stolen (RFC 9700 §2.2.2).
            let rotates = login.client.settings.rotate_refresh_tokens.unwrap_or(true) || login.client.secret.is_none();
            match rotates {
                true => Ok((RefreshUse::Rotate { presented, next: next.digest(), idle_until }, Some(next))),
                false => Ok((RefreshUse::Keep { presented, idle_until }, None)),
            }
        }
    }
}

fn new_family(app: &App, login: &LoginTransaction<'_>, first: &Token) -> NewFamily {
    family(app, &login.client, first)
}

/// A new refresh-token family of a client, with its first token.
pub(crate) fn family(app: &App, client: &vestibule_store::Client, first: &Token) -> NewFamily {
    let now = app.now();
    let life = lifetime(client.settings.refresh_token_seconds, app.settings.lifetimes.refresh_token);
    NewFamily {
        id: FamilyId::new(app.entropy.token().as_str()),
        token: first.digest(),
        idle_until: now.plus(lifetime(client.settings.refresh_idle_seconds, life)),
        expires_at: now.plus(life),
    }
}

/// Which rule changed which key of the metadata, and in which revision.
fn written(login: &LoginTransaction<'_>, allow: &Allow) -> Vec<KeyWritten> {
    let Rules::Of(generation) = &login.rules else { return Vec::new() };
    let revision = |name: &manifest::RuleName| {
        let rule = generation.loaded.pipeline.rules().iter().find(|rule| rule.manifest.name == *name);
        RevisionDigest::new(rule.map(|rule| rule.digest.to_string()).unwrap_or_default())
    };
    let bag = |bag| match bag {
        manifest::Bag::UserMetadata => Some(Bag::UserMetadata),
        manifest::Bag::AppMetadata => Some(Bag::AppMetadata),
        manifest::Bag::User
        | manifest::Bag::Context
        | manifest::Bag::Shared
        | manifest::Bag::IdToken
        | manifest::Bag::AccessToken => None,
    };
    let changes = allow.provenance.iter().filter_map(|change| Some((bag(change.bag)?, change)));
    changes
        .map(|(bag, change)| KeyWritten {
            bag,
            key: change.key.clone(),
            rule: change.rule.as_str().to_owned(),
            revision: revision(&change.rule),
        })
        .collect()
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
        generation: match &login.rules {
            Rules::Of(generation) => generation.number,
            Rules::BreakGlass { .. } => None,
        },
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

fn entry(login: &LoginTransaction<'_>, outcome: &str) -> LoginEntry {
    LoginEntry { outcome: outcome.to_owned(), summary: facts(login), replay: None }
}

/// What the journal shows of a login that ran.
fn summary(login: &LoginTransaction<'_>, report: &Report) -> Map<String, Value> {
    let mut summary = facts(login);
    let mut put = |name: &str, value: Value| {
        summary.insert(name.to_owned(), value);
    };
    match &report.outcome {
        Outcome::Allow(allow) => {
            put("id_token", json!(allow.id_token));
            put("access_token", json!(allow.access_token));
            put("scope", json!(allow.scope));
        }
        Outcome::Deny { rule, refusal, .. } => put("deny", json!({"rule": rule, "refusal": refusal})),
        Outcome::Failed { rule, failure, .. } => put("failure", json!({"rule": rule, "failure": failure})),
        Outcome::Redirect { rule, url, .. } => {
            // The query may hold a signed token for the page.
            let page = url.split_once('?').map_or(url.as_str(), |(page, _)| page);
            put("redirect", json!({"rule": rule, "url": page}))
        }
        Outcome::SecondFactor { rule, .. } => put("second_factor", json!({"rule": rule})),
    }
    put("notes", json!(report.outcome.journal()));
    put("rules", json!(report.rules));
    summary
}

fn facts(login: &LoginTransaction<'_>) -> Map<String, Value> {
    let facts = [
        ("protocol", json!(login.protocol())),
        ("connection", json!(login.principal.connection)),
        ("methods", json!(login.principal.methods)),
        ("audience", json!(login.granted().1)),
        ("break_glass", json!(matches!(login.rules, Rules::BreakGlass { .. }))),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The stable word of a login that its rules ended: `deny`, or the code of a failure.
fn word(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Failed { failure, .. } => Some(failure.code.to_string()),
        Outcome::Deny { .. } => Some(outcome.as_str().to_owned()),
        Outcome::Allow(_) | Outcome::Redirect { .. } | Outcome::SecondFactor { .. } => None,
    }
}
