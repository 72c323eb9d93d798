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
    factor::Presented,
    request::Caller,
    tokens::TokenResponse,
};

/// The grants of the endpoint (RFC 6749 §4, §6; Auth0's own by their URLs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantType {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    Password,
    PasswordRealm,
    MfaOtp,
    MfaRecoveryCode,
}

impl GrantType {
    /// All of them, as discovery lists them.
    pub(crate) const ALL: [Self; 7] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::Password,
        Self::PasswordRealm,
        Self::MfaOtp,
        Self::MfaRecoveryCode,
    ];

    /// The name under which a client asks for it, and is registered for it (RFC 7591).
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::PasswordRealm => "http://auth0.com/oauth/grant-type/password-realm",
            Self::MfaOtp => "http://auth0.com/oauth/grant-type/mfa-otp",
            Self::MfaRecoveryCode => "http://auth0.com/oauth/grant-type/mfa-recovery-code",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }

    /// Whether a client may use it. A second factor goes on with the grant that asked for it.
    fn is_allowed_to(self, client: &Client) -> bool {
        match self {
            Self::MfaOtp | Self::MfaRecoveryCode => true,
            Self::AuthorizationCode
            | Self::RefreshToken
            | Self::ClientCredentials
            | Self::Password
            | Self::PasswordRealm => client.may_use(self.as_str()),
        }
    }
}

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
    let asked_for = parameters.get("grant_type").and_then(GrantType::parse);
    if matches!(asked_for, Some(GrantType::Password | GrantType::PasswordRealm)) {
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
    let Some(grant) = GrantType::parse(asked.parameters.require("grant_type")?) else {
        let refused = Refused::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", "Unsupported grant type.");
        return Err(refused.into());
    };
    if !grant.is_allowed_to(&asked.client) {
        let description = format!("Grant type '{}' not allowed for the client.", grant.as_str());
        return Err(Refused::new(StatusCode::FORBIDDEN, "unauthorized_client", description).into());
    }
    let parameter = |name| asked.parameters.require(name);
    match grant {
        GrantType::AuthorizationCode => code::exchange(&asked).await,
        GrantType::RefreshToken => refresh::exchange(asked).await,
        GrantType::ClientCredentials => client_credentials::exchange(&asked),
        GrantType::Password | GrantType::PasswordRealm => password::exchange(asked).await,
        GrantType::MfaOtp => mfa::exchange(&asked, Presented::Code(parameter("otp")?)).await,
        GrantType::MfaRecoveryCode => mfa::exchange(&asked, Presented::Recovery(parameter("recovery_code")?)).await,
    }
}
