//! `GET` and `POST /userinfo` (OpenID Connect Core §5.3; RFC 6750).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value};
use vestibule_store::{LoginId, Purpose, TokenDigest, User};

use super::{parameters::Parameters, scope};
use crate::{
    app::App,
    error::{ApiError, Refused},
    request::Caller,
    tokens::{ACCESS_TOKEN, AccessClaims, Person, stored_claims},
};

/// `GET /userinfo`, and `POST` with the token in the header or the form.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let token = presented(&method, &headers, &body)?;
    let person = person(&app, &caller, &token).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(person)).into_response())
}

/// The token, in one of the ways of RFC 6750 §2.1 and §2.2; never in the query.
fn presented(method: &Method, headers: &HeaderMap, body: &[u8]) -> Result<String, Refused> {
    let in_header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    let in_body = match *method == Method::POST && !body.is_empty() {
        true => Parameters::of_body(headers, body)?.get("access_token").map(str::to_owned),
        false => None,
    };
    match (in_header, in_body) {
        (Some(_), Some(_)) => Err(Refused::invalid_request("The token was presented twice")),
        (Some(token), None) | (None, Some(token)) => Ok(token),
        (None, None) => Err(Refused {
            authenticate: Some("Bearer"),
            ..Refused::new(StatusCode::UNAUTHORIZED, "invalid_token", "There is no access token.")
        }),
    }
}

fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// What the token's client is told about the person: as they are now, and as the rules of the login said.
async fn person(app: &App, caller: &Caller, token: &str) -> Result<Map<String, Value>, ApiError> {
    let claims: AccessClaims = app.keys.signing.verify(ACCESS_TOKEN, token).map_err(|_| invalid_token())?;
    if !claims.is_good_for(&scope::userinfo(&caller.issuer), &caller.issuer, app.now()) {
        return Err(invalid_token().into());
    }
    let scope = super::parameters::words(Some(&claims.scope));
    if !crate::tokens::has_scope(&scope, "openid") {
        let refused = Refused::new(StatusCode::FORBIDDEN, "insufficient_scope", "The token has no openid scope.");
        return Err(Refused { authenticate: Some(r#"Bearer error="insufficient_scope""#), ..refused }.into());
    }
    let tenant = &caller.tenant;
    let is_old = claims.iat.saturating_mul(1_000) < app.store.not_before().await?.0;
    let login: LoginId = claims.jti.as_str().into();
    let record = app.store.login(tenant, &login).await?.ok_or_else(invalid_token)?;
    let revoked = app.store.token(tenant, Purpose::RevokedLogin, &TokenDigest::of(&claims.jti), app.now()).await?;
    if is_old || revoked.is_some() || app.store.is_revoked(tenant, &record.issued).await? {
        return Err(invalid_token().into());
    }
    let user = app.store.user(tenant, &record.user.ok_or_else(invalid_token)?).await?;
    // A new password ends what the old one began.
    let began = record.at;
    let is_superseded = |user: &User| user.last_password_reset.is_some_and(|reset| began < reset);
    let user = user.filter(|user| !user.blocked && !is_superseded(user)).ok_or_else(invalid_token)?;
    let custom = record.summary.get("id_token").and_then(Value::as_object).cloned().unwrap_or_default();
    Ok(Person { subject: &claims.sub, scope: &scope, profile: &stored_claims(&user), custom: &custom }.claims())
}

fn invalid_token() -> Refused {
    let refused = Refused::new(StatusCode::UNAUTHORIZED, "invalid_token", "The access token is not valid.");
    Refused { authenticate: Some(r#"Bearer error="invalid_token""#), ..refused }
}
