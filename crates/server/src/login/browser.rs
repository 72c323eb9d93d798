//! A login in a browser: begun at `/authorize`, gone on with after a page or a redirect, ended at the client.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::CookieJar;
use serde_json::{Map, Value};
use vestibule_store::{
    Alone, Client, Connection, ConnectionName, Event, LoginId, OneTimeToken, Purpose, Session, TokenDigest, UserId,
    Wait,
};

use super::{
    BrowserFlow, Counting, Decided, Flow, LoginTransaction, Method, Principal, Rules, Sent,
    parked::{self, NextLeg, Pending, Stage},
    refusal, run,
};
use crate::{
    app::App,
    clock::Token,
    error::{ApiError, Fault, PageError, Refused},
    oauth::{
        request::{AuthorizationRequest, Prompt},
        respond::{Answer, respond, see_other},
    },
    request::Caller,
    session::{self, CookieKind},
};

/// How long a browser is remembered.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Begins a login: by the session if it is good for this request, else on the login page.
///
/// # Errors
/// Faults only: whatever is wrong with the request is told to the client.
pub(crate) async fn begin(
    app: &App,
    caller: &Caller,
    jar: CookieJar,
    client: Client,
    request: AuthorizationRequest,
) -> Result<Response, PageError> {
    let (browser, jar) = session::browser(app, jar);
    let session = session::current(app, caller, &jar).await?;
    let good = session.filter(|session| is_good_for(app, caller, session, &request));
    match good {
        Some(session) => {
            let principal = principal_of(&session)?;
            let sent = Sent { query: request.query.clone(), body: Map::new() };
            let flow = BrowserFlow { request, browser, session: Some(session), is_silent: true, is_remembered: false };
            let leg = NextLeg {
                leg: 0,
                principal,
                is_silent: true,
                counting: Counting::Never,
                generation: None,
                is_after_redirect: false,
                sent,
                user_changes: Map::new(),
            };
            go(app, caller, jar, Begun { client, flow, leg, id: parked::new_login(app), is_resumed: false }).await
        }
        None if request.prompt == Prompt::None => {
            let refused = refusal("login_required", "The user is not logged in.");
            let response = respond(&request.destination, &Answer::Error(&refused), &caller.issuer)?;
            Ok((jar, response).into_response())
        }
        None => {
            app.accounts.limits.start(caller.address)?;
            let handle = parked::start(app, caller, request, browser).await?;
            page(caller, jar, "u/login", handle.as_str())
        }
    }
}

/// Goes on with a login whose user has just authenticated; `pending` is what waited for it.
///
/// # Errors
/// A page: the login is gone, or a fault of ours.
pub async fn authenticated(
    app: &App,
    caller: &Caller,
    jar: CookieJar,
    pending: &Pending,
    principal: Principal,
) -> Result<Response, PageError> {
    let taken = parked::take(app, caller, &jar, pending.handle(), Wait::Credentials).await?;
    let request = taken.waiting.request;
    let leg = NextLeg {
        leg: 0,
        principal,
        is_silent: false,
        counting: Counting::First,
        generation: None,
        is_after_redirect: false,
        sent: Sent { query: request.query.clone(), body: Map::new() },
        user_changes: Map::new(),
    };
    let flow = flow(app, caller, &jar, (request, taken.parked.browser), &leg).await?;
    go(app, caller, jar, Begun { client: taken.client, flow, leg, id: taken.parked.login, is_resumed: false }).await
}

/// Goes on with a login whose user has just passed a second factor, or enrolled one.
///
/// # Errors
/// As [`authenticated`].
pub async fn factor_passed(
    app: &App,
    caller: &Caller,
    jar: CookieJar,
    pending: &Pending,
    remember: Remember,
) -> Result<Response, PageError> {
    let taken = parked::take(app, caller, &jar, pending.handle(), Wait::SecondFactor).await?;
    let Stage::SecondFactor { mut leg, may_remember } = taken.waiting.stage else {
        return Err(Fault::broken("a login that waits for a second factor is in another stage").into());
    };
    leg.principal.methods.push(Method::second_factor(app.now()));
    let mut flow = flow(app, caller, &jar, (taken.waiting.request, taken.parked.browser), &leg).await?;
    if let Some(refused) = not_in_session(&flow, &leg.principal) {
        let request = flow.request;
        return conclude(app, caller, jar, &request, Decided::Refused(refused));
    }
    flow.is_silent = false; // Somebody proved who they are: a new session, with the factor in it.
    let jar = match remember {
        Remember::Yes if may_remember => remember_browser(app, caller, jar, &leg.principal).await?,
        Remember::Yes | Remember::No => jar,
    };
    go(app, caller, jar, Begun { client: taken.client, flow, leg, id: taken.parked.login, is_resumed: true }).await
}

/// Whether the person wants this browser to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remember {
    /// They do.
    Yes,
    /// They do not.
    No,
}

/// Goes on with a login whose browser is back from where a rule sent it.
///
/// # Errors
/// As [`authenticated`].
pub(crate) async fn resumed(
    app: &App,
    caller: &Caller,
    jar: CookieJar,
    handle: &str,
    query: Map<String, Value>,
) -> Result<Response, PageError> {
    let handle = Token::presented(handle).digest();
    let taken = parked::take(app, caller, &jar, &handle, Wait::Redirect).await?;
    let Stage::Redirected { mut leg, posted } = taken.waiting.stage else {
        return Err(Fault::broken("a login that waits for a redirect is in another stage").into());
    };
    leg.is_after_redirect = true;
    leg.sent = Sent { query, body: posted.unwrap_or_default() };
    let flow = flow(app, caller, &jar, (taken.waiting.request, taken.parked.browser), &leg).await?;
    go(app, caller, jar, Begun { client: taken.client, flow, leg, id: taken.parked.login, is_resumed: true }).await
}

/// A leg that is about to run.
struct Begun {
    client: Client,
    flow: BrowserFlow,
    leg: NextLeg,
    id: LoginId,
    /// Whether it was parked before, by rules of the generation that is named in the leg.
    is_resumed: bool,
}

/// The browser of a login that goes on.
async fn flow(
    app: &App,
    caller: &Caller,
    jar: &CookieJar,
    (request, browser): (AuthorizationRequest, TokenDigest),
    leg: &NextLeg,
) -> Result<BrowserFlow, ApiError> {
    let session = session::current(app, caller, jar).await?;
    Ok(BrowserFlow { request, browser, session, is_silent: leg.is_silent, is_remembered: false })
}

/// Runs a leg, and answers the browser with what it came to.
async fn go(app: &App, caller: &Caller, jar: CookieJar, begun: Begun) -> Result<Response, PageError> {
    let Begun { client, mut flow, mut leg, id, is_resumed } = begun;
    let request = flow.request.clone();
    let connection = connection(app, caller, &client, &leg.principal.connection).await?;
    let connection = match (connection, not_in_session(&flow, &leg.principal)) {
        (Some(connection), None) => connection,
        (None, _) => {
            let refused = refusal("access_denied", "The client may not use this connection.");
            return conclude(app, caller, jar, &request, Decided::Refused(refused));
        }
        (Some(_), Some(refused)) => return conclude(app, caller, jar, &request, Decided::Refused(refused)),
    };
    flow.is_remembered = session::is_remembered(app, caller, &jar, &leg.principal.user).await?;
    let rules = rules(app, caller, &flow, &mut leg, is_resumed).await?;
    let login = LoginTransaction {
        id,
        leg: leg.leg,
        at: app.now(),
        caller,
        client,
        connection,
        principal: leg.principal,
        flow: Flow::Browser(Box::new(flow)),
        counting: leg.counting,
        rules,
        sent: leg.sent,
        is_after_redirect: leg.is_after_redirect,
        user_changes: leg.user_changes,
    };
    let (is_break_glass, user) = (login.rules.are_skipped(), login.principal.user.clone());
    let decided = run(app, login).await?;
    if is_break_glass {
        raise_alarm(app, caller, &user, &decided).await?;
    }
    conclude(app, caller, jar, &request, decided)
}

/// Why the session does not say who this is: one that ended, or was exchanged for another one, says nothing any more.
fn not_in_session(flow: &BrowserFlow, principal: &Principal) -> Option<Refused> {
    let session_user = flow.session.as_ref().map(|session| &session.user);
    let is_over = flow.is_silent && session_user != Some(&principal.user);
    is_over.then(|| refusal("login_required", "The session has ended."))
}

/// The rules of a leg: those it is pinned to, the active ones, or none in a break-glass window.
async fn rules(
    app: &App,
    caller: &Caller,
    flow: &BrowserFlow,
    leg: &mut NextLeg,
    is_resumed: bool,
) -> Result<Rules, ApiError> {
    if flow.request.audience.is_management(&caller.issuer) {
        let windows = app.store.tokens(&caller.tenant, Purpose::BreakGlass, app.now()).await?;
        if let Some(window) = windows.into_iter().find(|window| window.user == leg.principal.user) {
            return Ok(Rules::BreakGlass { until: window.expires_at });
        }
    }
    let active = app.generations.active(&caller.tenant);
    if !is_resumed || active.number == leg.generation {
        return Ok(Rules::Of(active));
    }
    match leg.generation.and_then(|number| app.generations.pinned(&caller.tenant, number)) {
        Some(pinned) => Ok(Rules::Of(pinned)),
        None => {
            // What revoked rules left on the user, and what they sent the browser away for, counts for nothing.
            leg.user_changes = Map::new();
            leg.is_after_redirect = false;
            leg.sent = Sent { query: flow.request.query.clone(), body: Map::new() };
            Ok(Rules::Of(active))
        }
    }
}

/// Sends the browser on, with its cookies.
fn conclude(
    app: &App,
    caller: &Caller,
    jar: CookieJar,
    request: &AuthorizationRequest,
    decided: Decided,
) -> Result<Response, PageError> {
    let to = &request.destination;
    let (jar, response) = match decided {
        Decided::Allowed(issued) => {
            let Some(code) = &issued.code else { return Err(Fault::broken("a browser login issued no code").into()) };
            let response = respond(to, &Answer::Code(code.as_str()), &caller.issuer)?;
            let jar = match &issued.session {
                Some(cookie) => CookieKind::Session.set(app, jar, cookie, Some(app.settings.lifetimes.session)),
                None => jar,
            };
            (jar, response)
        }
        Decided::Refused(refused) => (jar, respond(to, &Answer::Error(&refused), &caller.issuer)?),
        Decided::Redirect(url) => (jar, see_other(&url)?),
        Decided::SecondFactor(handle) => return page(caller, jar, "u/mfa", handle.as_str()),
        Decided::MfaRequired => {
            return Err(Fault::broken("a browser login cannot be answered with an MFA token").into());
        }
    };
    Ok((jar, response).into_response())
}

/// One of our own pages, for the login under this handle.
fn page(caller: &Caller, jar: CookieJar, path: &str, handle: &str) -> Result<Response, PageError> {
    let mut url = url::Url::parse(&caller.issuer).map_err(Fault::from)?.join(path).map_err(Fault::from)?;
    url.query_pairs_mut().append_pair("state", handle);
    Ok((jar, see_other(url.as_str())?).into_response())
}

/// Whether a session answers this request without anybody being asked.
fn is_good_for(app: &App, caller: &Caller, session: &Session, request: &AuthorizationRequest) -> bool {
    let age = Duration::from_millis((app.now().0 - session.authenticated_at.0).max(0).cast_unsigned());
    let subject = session.document.get("subject").and_then(Value::as_str).unwrap_or(session.user.as_str());
    let is_expected = request.expects.as_deref().is_none_or(|expected| expected == subject);
    let connection = session.document.get("connection").and_then(Value::as_str);
    let is_of_connection = request.connection.as_deref().is_none_or(|wanted| Some(wanted) == connection);
    // Nobody gets at the management API by having been here before.
    let is_management = request.audience.is_management(&caller.issuer);
    request.is_satisfied_by_age(age) && is_expected && is_of_connection && !is_management
}

fn principal_of(session: &Session) -> Result<Principal, Fault> {
    let connection = session.document.get("connection").and_then(Value::as_str);
    let connection = connection.ok_or_else(|| Fault::broken("a session does not say which connection it is of"))?;
    let methods = session.methods.iter().map(|method| serde_json::from_value(method.clone()));
    Ok(Principal {
        user: session.user.clone(),
        connection: connection.into(),
        methods: methods.collect::<Result<_, _>>()?,
        at: session.authenticated_at,
    })
}

/// A connection, if it exists and the client may use it.
///
/// # Errors
/// [`ApiError`] for faults.
pub(crate) async fn connection(
    app: &App,
    caller: &Caller,
    client: &Client,
    name: &ConnectionName,
) -> Result<Option<Connection>, ApiError> {
    let is_allowed = client.settings.connections.is_empty() || client.settings.connections.contains(name);
    let connection = app.store.connection(&caller.tenant, name).await?;
    Ok(connection.filter(|_| is_allowed))
}

async fn remember_browser(
    app: &App,
    caller: &Caller,
    jar: CookieJar,
    principal: &Principal,
) -> Result<CookieJar, ApiError> {
    let (token, now) = (app.entropy.token(), app.now());
    let remembered = OneTimeToken {
        digest: token.digest(),
        purpose: Purpose::RememberedBrowser,
        user: principal.user.clone(),
        client: None,
        document: Map::new(),
        at: now,
        expires_at: now.plus(REMEMBERED),
        attempts: 0,
    };
    app.store.put_token(&caller.tenant, &remembered, Alone::No).await?;
    Ok(CookieKind::Remembered.set(app, jar, &token, Some(REMEMBERED)))
}

/// Somebody got in, or tried to, past the rules: everybody is to see it.
async fn raise_alarm(app: &App, caller: &Caller, user: &UserId, decided: &Decided) -> Result<(), ApiError> {
    let outcome = match decided {
        Decided::Allowed(_) => "allow",
        Decided::Refused(_) => "refused",
        Decided::Redirect(_) | Decided::SecondFactor(_) | Decided::MfaRequired => "second_factor",
    };
    tracing::warn!(outcome, "break-glass login: the rules were skipped");
    let event = Event {
        kind: "break_glass_login".to_owned(),
        user: Some(user.clone()),
        by: user.to_string(),
        summary: Map::from_iter([
            ("outcome".to_owned(), outcome.into()),
            ("ip".to_owned(), caller.address.to_string().into()),
        ]),
        at: app.now(),
    };
    Ok(app.store.record(&caller.tenant, &event).await?)
}
