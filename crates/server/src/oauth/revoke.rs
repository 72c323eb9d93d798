//! `POST /oauth/revoke` (RFC 7009).

use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{client_auth, parameters::Parameters};
use crate::{app::App, clock::Token, error::ApiError, request::Caller};

/// Revokes a refresh token of the client, and its whole family. What it does not know, it need not revoke: `200`.
pub(crate) async fn post(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let parameters = Parameters::of_body(&headers, &body)?;
    let client = client_auth::authenticate(&app, &caller, &headers, &parameters).await?;
    let token = Token::presented(parameters.require("token")?).digest();
    app.store.revoke_token(&caller.tenant, &token, &client.id, app.now()).await?;
    Ok(StatusCode::OK)
}
