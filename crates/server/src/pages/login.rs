//! `/u/login`: address or username, and password.

use askama::Template;
use axum::{body::Bytes, extract::Query, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use vestibule_store::{Connection, Wait};

use super::{Form, Frame, Posted, Problem, State, Visit, leads_to};
use crate::{
    accounts::{self, Authenticated, Claim, Unauthenticated},
    clock::Token,
    error::PageError,
    login::{
        self, Method, Principal,
        parked::{self, Pending},
    },
    password::Password,
    session::CookieKind,
    signup,
};

/// How long a browser that logged in has a bucket of its own.
const KNOWN: std::time::Duration = std::time::Duration::from_secs(90 * 24 * 60 * 60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginForm {
    state: String,
    csrf: String,
    identifier: String,
    password: String,
}

impl Posted for LoginForm {
    fn purpose(&self) -> &'static str {
        "login"
    }

    fn about(&self) -> &str {
        &self.state
    }

    fn csrf(&self) -> &str {
        &self.csrf
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame,
    form: Form,
    client: &'a str,
    identifier_label: &'static str,
    identifier: &'a str,
    signup: bool,
}

/// `GET /u/login?state=`
pub(crate) async fn show(visit: Visit, Query(query): Query<State>) -> Result<Response, PageError> {
    let pending = open(&visit, &query.state).await?;
    let connection = visit.connection(Some(&pending)).await?;
    let hint = pending.login_hint().unwrap_or_default().to_owned();
    Ok(page(visit, &pending, &connection, Shown { state: &query.state, identifier: &hint, problem: None }))
}

/// `POST /u/login`
pub(crate) async fn submit(visit: Visit, body: Bytes) -> Result<Response, PageError> {
    let posted: LoginForm = visit.posted(&body)?;
    let pending = open(&visit, &posted.state).await?;
    let connection = visit.connection(Some(&pending)).await?;
    let password = Password::parse(posted.password).ok();
    let claim = Claim {
        connection: &connection.name,
        identifier: &posted.identifier,
        password: password.as_ref(),
        cookies: Some(&visit.jar),
    };
    let now = visit.app.now(); // Before the password is looked at: one that is set meanwhile is later.
    match accounts::authenticate(&visit.app, &visit.caller, claim).await {
        Ok(Authenticated { user, known }) => {
            let app = &visit.app;
            let jar = CookieKind::Known.set(app, visit.jar, &Token::presented(&known), Some(KNOWN));
            let methods = vec![Method::password(now)];
            let principal = Principal { user: user.id, connection: connection.name, methods, at: now };
            login::authenticated(app, &visit.caller, jar, &pending, principal).await
        }
        Err(why) => {
            let (status, text, retry_after) = explain(why)?;
            let problem = Some((status, Problem::new("identifier", text)));
            let shown = Shown { state: &posted.state, identifier: &posted.identifier, problem };
            let mut response = page(visit, &pending, &connection, shown);
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Ok(response)
        }
    }
}

/// What somebody who was not let in is told. Whether the account exists, or is blocked, is not.
pub(super) fn explain(why: Unauthenticated) -> Result<(StatusCode, String, Option<u64>), PageError> {
    match why {
        Unauthenticated::Wrong | Unauthenticated::Blocked => Ok((
            StatusCode::BAD_REQUEST,
            "Your address or your password is not right. Please try again.".to_owned(),
            None,
        )),
        Unauthenticated::TooMany(too_many) => {
            let seconds = too_many.seconds();
            let text = format!("This was tried too often. Please wait {seconds} seconds, then try again.");
            Ok((StatusCode::TOO_MANY_REQUESTS, text, Some(seconds)))
        }
        Unauthenticated::Overloaded(overloaded) => {
            let text = "Too many people are logging in right now. Please try again in a moment.".to_owned();
            Ok((StatusCode::SERVICE_UNAVAILABLE, text, Some(overloaded.retry_after.as_secs().max(1))))
        }
        Unauthenticated::Fault(fault) => Err(fault.into()),
    }
}

async fn open(visit: &Visit, state: &str) -> Result<Pending, PageError> {
    parked::open(&visit.app, &visit.caller, &visit.jar, state, Wait::Credentials).await
}

struct Shown<'a> {
    state: &'a str,
    identifier: &'a str,
    problem: Option<(StatusCode, Problem)>,
}

fn page(visit: Visit, pending: &Pending, connection: &Connection, shown: Shown<'_>) -> Response {
    let (status, problems) = match shown.problem {
        Some((status, problem)) => (status, vec![problem]),
        None => (StatusCode::OK, Vec::new()),
    };
    let has_usernames = signup::asks_username(connection);
    let leads_to = leads_to(&visit.app, &visit.caller, pending);
    let page = LoginPage {
        frame: visit.frame_with(problems),
        form: visit.form("login", shown.state),
        client: pending.client_name(),
        identifier_label: if has_usernames { "E-mail address or username" } else { "E-mail address" },
        identifier: shown.identifier,
        signup: visit.app.accounts.signup.open && signup::is_open(connection),
    };
    visit.show(status, &page, &leads_to)
}
