//! `/u/forgot` and `/u/reset`: a new password for whoever reads the account's mail.

use askama::Template;
use axum::{body::Bytes, extract::Query, response::Response};
use http::StatusCode;
use serde::Deserialize;
use vestibule_store::Wait;

use super::{Form, Frame, Link, Posted, Problem, State, Visit};
use crate::{
    change_password::{self, NotReset},
    error::PageError,
    identifier::Email,
    login::parked,
    signup,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgotForm {
    state: String,
    csrf: String,
    email: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetForm {
    /// The token of the link.
    state: String,
    csrf: String,
    password: String,
    again: String,
}

/// `?token=`, of a link in a mail.
#[derive(Deserialize)]
pub(crate) struct TokenQuery {
    #[serde(default)]
    pub(super) token: String,
}

/// `GET /u/forgot`, with `?state=` if it is for a login.
pub(crate) async fn show_forgot(visit: Visit, Query(query): Query<State>) -> Response {
    forgot_page(visit, &query.state, Vec::new())
}

/// `POST /u/forgot`. The answer is the same whether there is such an account or not (HS-03).
pub(crate) async fn forgot(visit: Visit, body: Bytes) -> Result<Response, PageError> {
    let posted: ForgotForm = visit.posted(&body)?;
    let Ok(email) = Email::parse(&posted.email) else {
        return Ok(forgot_page(visit, &posted.state, vec![Problem::new("email", "This is not an e-mail address.")]));
    };
    let pending = match posted.state.as_str() {
        "" => None,
        state => parked::open(&visit.app, &visit.caller, &visit.jar, state, Wait::Credentials).await.ok(),
    };
    let connection = visit.connection(pending.as_ref()).await?;
    change_password::ask(&visit.app, &visit.caller, connection.name, email)?;
    let back = match pending {
        Some(_) => Link { to: format!("/u/login?state={}", posted.state), text: "Back to log in" },
        None => Link::NONE,
    };
    let text = "If there is an account with this address, a mail with a link is on its way to it. It is good for a while, \
                and once.";
    Ok(visit.notice("Look into your mail", text, &back))
}

/// `GET /u/reset?token=`
pub(crate) async fn show_reset(visit: Visit, Query(query): Query<TokenQuery>) -> Result<Response, PageError> {
    reset_page(visit, &query.token, Vec::new()).await
}

/// `POST /u/reset`
pub(crate) async fn reset(visit: Visit, body: Bytes) -> Result<Response, PageError> {
    let posted: ResetForm = visit.posted(&body)?;
    if posted.password != posted.again {
        let problem = Problem::new("again", "The two passwords are not the same.");
        return reset_page(visit, &posted.state, vec![problem]).await;
    }
    let password = match signup::password(posted.password) {
        Ok(password) => password,
        Err(invalid) => {
            return reset_page(visit, &posted.state, vec![Problem::new("password", invalid.message)]).await;
        }
    };
    match change_password::reset(&visit.app, &visit.caller, &posted.state, &password).await {
        Ok(()) => {
            let text = "Everybody who was logged in to your account has been logged out. \
                        Go back to the application and log in with the new password.";
            Ok(visit.notice("Your password was changed", text, &Link::NONE))
        }
        Err(NotReset::Weak(weakness)) => {
            let problems = weakness.sentences().into_iter().map(|text| Problem::new("password", text));
            reset_page(visit, &posted.state, problems.collect()).await
        }
        Err(NotReset::Failed(error)) => Err(error.into()),
    }
}

fn forgot_page(visit: Visit, state: &str, problems: Vec<Problem>) -> Response {
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = ForgotPage { frame: visit.frame_with(problems), form: visit.form("forgot", state), email: "" };
    visit.show(status, &page, &[])
}

/// The page of a link, as long as it is good. It names the account for the browser's password manager, which would
/// otherwise keep the new password beside the old one; whoever has the link reads that address's mail.
async fn reset_page(visit: Visit, token: &str, problems: Vec<Problem>) -> Result<Response, PageError> {
    let (_, user) = change_password::look(&visit.app, &visit.caller, token).await?;
    let username = user.email.or(user.username).unwrap_or_default();
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let advice = visit.app.accounts.policy.advice();
    let page = ResetPage { frame: visit.frame_with(problems), form: visit.form("reset", token), username, advice };
    Ok(visit.show(status, &page, &[]))
}

impl Posted for ForgotForm {
    fn purpose(&self) -> &'static str {
        "forgot"
    }

    fn about(&self) -> &str {
        &self.state
    }

    fn csrf(&self) -> &str {
        &self.csrf
    }
}

impl Posted for ResetForm {
    fn purpose(&self) -> &'static str {
        "reset"
    }

    fn about(&self) -> &str {
        &self.state
    }

    fn csrf(&self) -> &str {
        &self.csrf
    }
}

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage<'a> {
    frame: Frame,
    form: Form,
    email: &'a str,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage {
    frame: Frame,
    form: Form,
    username: String,
    advice: Vec<String>,
}
