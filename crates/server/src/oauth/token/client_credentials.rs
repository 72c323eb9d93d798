//! The client credentials grant: a program acts for itself, and no rule runs (R-16; RFC 6749 §4.4).

use http::StatusCode;

use super::Asked;
use crate::{
    error::{ApiError, Refused},
    oauth::{parameters::words, scope::Audience},
    tokens::{ACCESS_TOKEN, TokenResponse, client_claims, lifetime},
};

/// Gives a client a token for one of its audiences.
pub(super) fn exchange(asked: &Asked<'_>) -> Result<TokenResponse, ApiError> {
    let Asked { app, caller, client, parameters } = asked;
    if client.secret.is_none() {
        let description = "A public client cannot act for itself.";
        return Err(Refused::new(StatusCode::FORBIDDEN, "unauthorized_client", description).into());
    }
    let Audience::Api(audience) = Audience::parse(parameters.get("audience"), client)? else {
        return Err(Refused::invalid_request("Missing required parameter: audience").into());
    };
    let allowed = client.settings.audiences.get(&audience).map(Vec::as_slice).unwrap_or_default();
    let mut scope = words(parameters.get("scope"));
    if scope.is_empty() {
        scope = allowed.to_vec();
    }
    if scope.iter().any(|scope| !allowed.contains(scope)) {
        let description = "The client may not ask for this scope.";
        return Err(Refused::new(StatusCode::FORBIDDEN, "access_denied", description).into());
    }
    let now = app.now();
    let life = lifetime(client.settings.access_token_seconds, app.settings.lifetimes.access_token);
    let id = app.entropy.token().as_str().to_owned();
    let claims = client_claims(&caller.issuer, client, &audience, &scope, (id, now, life));
    Ok(TokenResponse {
        access_token: app.keys.signing.sign(ACCESS_TOKEN, &claims, now)?,
        id_token: None,
        refresh_token: None,
        scope: (!scope.is_empty()).then(|| scope.join(" ")),
        expires_in: life.as_secs(),
        token_type: "Bearer",
    })
}
