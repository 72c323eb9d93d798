//! `GET` and `POST /continue`: the browser is back from where a rule sent it.
//!
//! A POST from another site carries no cookie (`SameSite=Lax`), so it cannot prove whose browser it is. What it brings is
//! kept under `state`, and the browser is told to come again with a GET, which carries the cookie; that one goes on.

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use axum_extra::extract::CookieJar;
use bytes::Bytes;
use http::HeaderMap;
use url::Url;

use super::{parameters::Parameters, respond::see_other};
use crate::{
    app::App,
    clock::Token,
    error::{Fault, PageError, Refused},
    login::{browser, parked},
    request::Caller,
};

/// The largest body that is kept, in bytes.
const POSTED_BYTES: usize = 16 * 1024;

/// `GET /continue?state=…`.
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    jar: CookieJar,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes());
    parameters.check()?;
    let state = parameters.require("state")?;
    browser::resumed(&app, &caller, jar, state, parameters.to_object()).await
}

/// `POST /continue`, `state` in the query or the form.
pub(crate) async fn post(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, PageError> {
    if body.len() > POSTED_BYTES {
        return Err(Refused::invalid_request("The form is too large.").into());
    }
    let (query, form) =
        (Parameters::parse(query.unwrap_or_default().as_bytes()), Parameters::of_body(&headers, &body)?);
    query.check()?;
    form.check()?;
    let state = match query.get("state") {
        Some(state) => state,
        None => form.require("state")?,
    };
    if !parked::keep_posted(&app, &caller, &Token::presented(state).digest(), form.to_object()).await? {
        return Err(Refused::invalid_request("Nothing waits for this state.").into());
    }
    let mut url = Url::parse(&caller.issuer).and_then(|base| base.join("continue")).map_err(Fault::from)?;
    url.query_pairs_mut().append_pair("state", state);
    Ok(see_other(url.as_str())?)
}
