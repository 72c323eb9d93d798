//! `/u/verify`: an address is proven. By a button, because mail scanners follow links.

use askama::Template;
use axum::{body::Bytes, extract::Query, response::Response};
use http::StatusCode;
use serde::Deserialize;

use super::{Form, Frame, Link, Posted, Visit, reset::TokenQuery};
use crate::{error::PageError, verification};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyForm {
    /// The token of the link.
    state: String,
    csrf: String,
}

impl Posted for VerifyForm {
    fn purpose(&self) -> &'static str {
        "verify"
    }

    fn about(&self) -> &str {
        &self.state
    }

    fn csrf(&self) -> &str {
        &self.csrf
    }
}

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage<'a> {
    frame: Frame,
    form: Form,
    email: &'a str,
}

/// `GET /u/verify?token=`
pub(crate) async fn show(visit: Visit, Query(query): Query<TokenQuery>) -> Result<Response, PageError> {
    let email = verification::look(&visit.app, &visit.caller, &query.token).await?;
    let page = VerifyPage { frame: visit.frame(), form: visit.form("verify", &query.token), email: &email };
    Ok(visit.show(StatusCode::OK, &page, &[]))
}

/// `POST /u/verify`
pub(crate) async fn submit(visit: Visit, body: Bytes) -> Result<Response, PageError> {
    let posted: VerifyForm = visit.posted(&body)?;
    verification::confirm(&visit.app, &visit.caller, &posted.state).await?;
    Ok(visit.notice("Thank you", "Your e-mail address is confirmed.", &Link::NONE))
}
