//! `POST /oauth/token`: one file a grant (RFC 6749 §3.2; spec §7.3).

mod client_credentials;
mod code;
mod mfa;
mod password;
mod refresh;

use axum::{
    Json,
    extract::{RawQuery, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use vestibule_store::Client;

use super::{client_auth, parameters::Parameters};
use crate::{
    app::App,
    error::{ApiError, Refused},
    request::Caller,
    tokens::TokenResponse,
};

/// The grants, by the name under which a client is registered for them (RFC 7591); also what discovery says.
pub(crate) const GRANT_TYPES: &[&str] = &[
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "password",
    PASSWORD_REALM,
    MFA_OTP,
    MFA_RECOVERY_CODE,
];
const PASSWORD_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";
const MFA_OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
const MFA_RECOVERY_CODE: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

/// What all grants begin with.
struct Asked<'a> {
    app: &'a App,
    caller: &'a Caller,
    client: Client,
    parameters: Parameters,
}

/// `POST /oauth/token`.
pub(crate) async fn post(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    if query.is_some_and(|query| !query.is_empty()) {
        // Whatever stands there has been written to somebody's log by now (HS-38).
        return Err(Refused::invalid_request("Parameters belong into the body").into());
    }
    let parameters = Parameters::of_body(&headers, &body)?;
    if matches!(parameters.get("grant_type"), Some("password" | PASSWORD_REALM)) {
        // Under ten times the load, nine of ten get no further: not even the client is read for them (HS-63).
        app.accounts.hasher.has_room().map_err(Refused::from)?;
    }
    let client = client_auth::authenticate(&app, &caller, &headers, &parameters).await?;
    let asked = Asked { app: &app, caller: &caller, client, parameters };
    let response = grant(asked).await?;
    Ok(([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(response)).into_response())
}

/// Another method than the endpoint has (S-12).
pub(crate) async fn method_not_allowed() -> Refused {
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This endpoint has no such method.")
}

async fn grant(asked: Asked<'_>) -> Result<TokenResponse, ApiError> {
    let grant_type = asked.parameters.require("grant_type")?.to_owned();
    if !GRANT_TYPES.contains(&grant_type.as_str()) {
        let refused = Refused::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Unsupported grant type.");
        return Err(refused.into());
    }
    // A second factor goes on with the grant that asked for it.
    let needed =
        if matches!(grant_type.as_str(), MFA_OTP | MFA_RECOVERY_CODE) { None } else { Some(grant_type.as_str()) };
    if needed.is_some_and(|grant_type| !asked.client.may_use(grant_type)) {
        let description = format!("Grant type '{grant_type}' not allowed for the client.");
        return Err(Refused::new(StatusCode::FORBIDDEN, "unauthorized_client", description).into());
    }
    match grant_type.as_str() {
        "authorization_code" => code::exchange(&asked).await,
        "refresh_token" => refresh::exchange(asked).await,
        "client_credentials" => client_credentials::exchange(&asked),
        "password" | PASSWORD_REALM => password::exchange(asked).await,
        _ => mfa::exchange(asked).await,
    }
}
