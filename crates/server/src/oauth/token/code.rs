//! The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.5; HS-30, HS-31).

use http::StatusCode;
use vestibule_store::{Redeem, Redeemed};

use super::Asked;
use crate::{
    clock::Token,
    error::{ApiError, Refused},
    login::family,
    oauth::pkce::Challenge,
    tokens::{Grant, TokenResponse, lifetime},
};

/// Exchanges a code for tokens, exactly once.
pub(super) async fn exchange(asked: &Asked<'_>) -> Result<TokenResponse, ApiError> {
    let Asked { app, caller, client, parameters } = asked;
    let verifier = parameters.require("code_verifier")?;
    let challenge = Challenge::of_verifier(verifier).ok_or_else(invalid_code)?;
    let refresh = app.entropy.token();
    let life = lifetime(client.settings.access_token_seconds, app.settings.lifetimes.access_token);
    let redeem = Redeem {
        digest: Token::presented(parameters.require("code")?).digest(),
        client: client.id.clone(),
        redirect_uri: parameters.require("redirect_uri")?.to_owned(),
        challenge: challenge.as_str().to_owned(),
        refresh: family(app, client, &refresh),
        revoked_until: app.now().plus(life),
        now: app.now(),
    };
    match app.store.redeem_code(&caller.tenant, &redeem).await? {
        Redeemed::Code(code) => {
            let grant = Grant::from_document(code.document)?;
            let refresh = code.offline.then(|| refresh.as_str().to_owned());
            Ok(grant.issue(app, &caller.issuer, client, refresh)?)
        }
        Redeemed::Replayed(login) => {
            tracing::warn!(%login, client = %client.id, "a code was presented again; what came of it is revoked");
            Err(invalid_code().into())
        }
        Redeemed::Refused => Err(invalid_code().into()),
    }
}

fn invalid_code() -> Refused {
    Refused::new(StatusCode::FORBIDDEN, "invalid_grant", "Invalid authorization code")
}
