//! Pages that the service shows by itself.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// The page that says why something did not work; it leads nowhere.
pub(crate) fn error_page(status: StatusCode, error: &str, description: &str) -> Response {
    (status, format!("{error}: {description}\n")).into_response()
}

/// A page whose form the browser posts to a client at once (OAuth 2.0 Form Post Response Mode).
pub(crate) fn form_post(action: &str, parameters: &[(&str, &str)]) -> Response {
    (StatusCode::OK, format!("{action} {parameters:?}")).into_response()
}
