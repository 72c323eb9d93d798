//! `GET` and `POST /authorize` (OpenID Connect Core §3.1.2).

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::CookieJar;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use vestibule_store::{Client, ClientId};

use super::{
    parameters::Parameters,
    request::{AuthorizationRequest, Destination},
    respond::{Answer, respond},
};
use crate::{
    app::App,
    error::{PageError, Refused},
    login::browser,
    request::Caller,
    tokens::{HintClaims, ID_TOKEN},
};

/// `GET /authorize`.
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    jar: CookieJar,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    authorize(&app, &caller, jar, Parameters::parse(query.unwrap_or_default().as_bytes())).await
}

/// `POST /authorize`: the same, in a form.
pub(crate) async fn post(
    State(app): State<App>,
    caller: Caller,
    jar: CookieJar,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, PageError> {
    authorize(&app, &caller, jar, Parameters::of_body(&headers, &body)?).await
}

/// The largest authorization request, in bytes: it is kept while somebody logs in, and nobody has said who they are yet.
const REQUEST_BYTES: usize = 8 * 1024;

async fn authorize(app: &App, caller: &Caller, jar: CookieJar, parameters: Parameters) -> Result<Response, PageError> {
    if parameters.bytes() > REQUEST_BYTES {
        let told = format!("The authorization request is larger than {REQUEST_BYTES} bytes.");
        return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", told).into());
    }
    parameters.check_text()?;
    // Until both are known to belong together, nobody is sent anywhere.
    let client = client(app, caller, &parameters).await?;
    let destination = Destination::parse(&parameters, &client)?;
    let request = expected_subject(app, caller, &client, &parameters)
        .and_then(|expects| AuthorizationRequest::parse(&parameters, &client, destination.clone(), expects));
    match request {
        Ok(request) => browser::begin(app, caller, jar, client, request).await,
        Err(refused) => Ok((jar, respond(&destination, &Answer::Error(&refused), &caller.issuer)?).into_response()),
    }
}

async fn client(app: &App, caller: &Caller, parameters: &Parameters) -> Result<Client, PageError> {
    let id: ClientId = parameters.require("client_id")?.into();
    let unknown = || Refused::new(StatusCode::BAD_REQUEST, "invalid_request", "Unknown client.");
    Ok(app.store.client(&caller.tenant, &id).await?.ok_or_else(unknown)?)
}

/// Who an `id_token_hint` says is logged in. It may have expired; it has to be ours, and this client's.
fn expected_subject(
    app: &App,
    caller: &Caller,
    client: &Client,
    parameters: &Parameters,
) -> Result<Option<String>, Refused> {
    let Some(hint) = parameters.get("id_token_hint") else { return Ok(None) };
    let hint = app.keys.signing.verify::<HintClaims>(ID_TOKEN, hint).ok();
    let hint = hint.filter(|hint| hint.iss == caller.issuer && hint.aud == client.id);
    hint.map(|hint| Some(hint.sub))
        .ok_or_else(|| Refused::invalid_request("id_token_hint is not an ID token of this client"))
}
