//! Who may ask by script from another origin (HS-24): the origins that clients are registered with, to the letter.
//!
//! No answer here depends on a cookie, and none ever allows credentials.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use vestibule_store::StoreError;

use crate::{app::App, error::ApiError, request::Caller};

/// Answers preflights, and says on every answer whether the page that asked may read it.
pub(crate) async fn allow(
    State(app): State<App>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else { return Ok(next.run(request).await) };
    let is_public = request.uri().path().starts_with("/.well-known/");
    let is_allowed = is_public || is_registered(&app, &caller, &origin).await?;
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response = match is_preflight {
        true => StatusCode::NO_CONTENT.into_response(),
        false => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if is_allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let readable = HeaderValue::from_static("retry-after, www-authenticate");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    }
    if is_allowed && is_preflight {
        headers.extend([
            (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("authorization, content-type, auth0-client"),
            ),
            (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
        ]);
    }
    Ok(response)
}

/// Whether a client of the tenant is registered with this origin. `null`, which anybody can have, never is.
async fn is_registered(app: &App, caller: &Caller, origin: &HeaderValue) -> Result<bool, StoreError> {
    let Some(origin) = origin.to_str().ok().filter(|origin| *origin != "null") else { return Ok(false) };
    let clients = app.store.clients(&caller.tenant).await?;
    Ok(clients.iter().any(|client| client.settings.origins.iter().any(|registered| registered == origin)))
}
