//! What a caller is told, and what we keep for ourselves: the two part ways here (STYLE P11).
//!
//! A login service must not explain itself to attackers. [`Fault`] is ours: it is logged once, here, and the caller sees
//! `server_error`. [`ApiError`] is the caller's, as `{"error", "error_description"}` (RFC 6749 §5.2; spec S-12).
//! [`PageError`] is the same for a person in a browser: a page, never a redirect.

use std::{borrow::Cow, fmt};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use vestibule_store::StoreError;

use crate::pages;

/// A fault of ours: no detail of it leaves the process but through the log.
pub struct Fault(anyhow::Error);

impl Fault {
    /// What caused it, for whoever started the process.
    #[must_use]
    pub fn into_cause(self) -> anyhow::Error {
        self.0
    }

    /// A fault that needs no cause: something that cannot be, was.
    pub fn broken(what: &'static str) -> Self {
        Self(anyhow::Error::msg(what))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Fault {
    fn from(cause: E) -> Self {
        Self(cause.into())
    }
}

/// Why a request gets no answer that it hoped for.
#[derive(Debug)]
pub enum ApiError {
    /// The caller's doing.
    Refused(Refused),
    /// Ours.
    Fault(Fault),
}

/// What a caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable word (RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6, spec S-12).
    pub error: Cow<'static, str>,
    /// For the caller's developer; nothing in it helps an attacker.
    pub description: Cow<'static, str>,
    /// Seconds after which it may be tried again.
    pub retry_after: Option<u64>,
    /// The `WWW-Authenticate` of the answer.
    pub authenticate: Option<&'static str>,
    /// Further members of the body, such as `mfa_token`.
    pub extra: Vec<(&'static str, Value)>,
}

impl Refused {
    /// A refusal.
    pub fn new(
        status: StatusCode,
        error: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (error, description) = (error.into(), description.into());
        Self { status, error, description, retry_after: None, authenticate: None, extra: Vec::new() }
    }

    /// `400 invalid_request`.
    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// `429 too_many_requests`, to be tried again after so many seconds.
    pub fn too_many(seconds: u64) -> Self {
        let refused = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests.");
        Self { retry_after: Some(seconds), ..refused }
    }
}

impl ApiError {
    /// A refusal.
    pub fn refused(
        status: StatusCode,
        error: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Refused(Refused::new(status, error, description))
    }

    /// What the caller is told. A fault is logged here, and nowhere else.
    pub fn into_refused(self) -> Refused {
        match self {
            Self::Refused(refused) => refused,
            Self::Fault(Fault(cause)) => {
                let error =
                    Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Something went wrong here.");
                match cause.downcast_ref::<StoreError>() {
                    Some(StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Full(_)) => {
                        tracing::warn!(cause = format!("{cause:#}"), "the store is not available");
                        let (status, retry_after) = (StatusCode::SERVICE_UNAVAILABLE, Some(1));
                        Refused { status, error: "temporarily_unavailable".into(), retry_after, ..error }
                    }
                    // However it came, in a path, a form or a header: nobody is asked for by such a name.
                    Some(StoreError::Nul) => Refused::invalid_request("A text in the request has a NUL in it."),
                    Some(_) | None => {
                        tracing::error!(cause = format!("{cause:#}"), "a request failed");
                        error
                    }
                }
            }
        }
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.into_refused().into_response()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut body = json!({"error": self.error, "error_description": self.description});
        if let Some(body) = body.as_object_mut() {
            body.extend(self.extra.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        let mut response = (self.status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
        retry_after(&mut response, self.retry_after);
        if let Some(challenge) = self.authenticate {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// The same for a person: a page that says so, and nothing that leads elsewhere.
#[derive(Debug)]
pub struct PageError(pub ApiError);

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let refused = self.0.into_refused();
        let mut response = pages::error_page(refused.status, &refused.error, &refused.description);
        retry_after(&mut response, refused.retry_after);
        response
    }
}

fn retry_after(response: &mut Response, seconds: Option<u64>) {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}
