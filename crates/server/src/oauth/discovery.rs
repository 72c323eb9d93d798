//! `/.well-known/openid-configuration` and `/.well-known/jwks.json` (OpenID Connect Discovery §3, RFC 8414, RFC 7517).
//!
//! Everything is derived from the configured URL, never from the request (HS-41).

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::header;
use serde_json::{Value, json};
use vestibule_store::StoreError;

use super::{client_auth, request::MULTI_FACTOR, scope, token::GrantType};
use crate::{app::App, error::ApiError, request::Caller};

/// How long clients may keep the keys. A new key is published for at least that long before it signs.
pub const JWKS_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// `GET /.well-known/openid-configuration`.
pub(crate) async fn configuration(caller: Caller) -> Response {
    cacheable(configuration_of(&caller.issuer), Duration::from_secs(15 * 60))
}

fn configuration_of(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    json!({
        "issuer": issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("oauth/token"),
        "userinfo_endpoint": at("userinfo"),
        "jwks_uri": at(".well-known/jwks.json"),
        "revocation_endpoint": at("oauth/revoke"),
        "end_session_endpoint": at("oidc/logout"),
        "scopes_supported": scope::STANDARD,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "acr_values_supported": [MULTI_FACTOR],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": client_auth::METHODS,
        "revocation_endpoint_auth_methods_supported": client_auth::METHODS,
        "claim_types_supported": ["normal"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid", "name", "given_name",
            "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "email",
            "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified",
            "address", "updated_at",
        ],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "select_account"],
    })
}

/// `GET /.well-known/jwks.json`.
pub(crate) async fn keys(State(app): State<App>, caller: Caller) -> Result<Response, ApiError> {
    let longest = longest_token(&app, &caller).await?;
    Ok(cacheable(app.keys.signing.jwks(app.now(), longest), JWKS_LIFETIME))
}

/// The longest life of any token that a client of this tenant can have.
async fn longest_token(app: &App, caller: &Caller) -> Result<Duration, StoreError> {
    let lifetimes = &app.settings.lifetimes;
    let clients = app.store.clients(&caller.tenant).await?;
    let own =
        clients.iter().flat_map(|client| [client.settings.access_token_seconds, client.settings.id_token_seconds]);
    let own = own.flatten().map(|seconds| Duration::from_secs(seconds.into()));
    Ok(own.chain([lifetimes.access_token, lifetimes.id_token]).max().unwrap_or_default())
}

fn cacheable(body: Value, life: Duration) -> Response {
    let life = format!("public, max-age={}", life.as_secs());
    ([(header::CACHE_CONTROL, life)], Json(body)).into_response()
}
