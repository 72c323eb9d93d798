//! Why there is no new account, and how that is said.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde_json::json;
use vestibule_store::TakenField;

use crate::{
    error::{ApiError, Fault},
    password::{Unhashed, Weakness},
};

/// One member is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Which.
    pub field: String,
    /// Why, for whoever filled it in.
    pub message: String,
}

/// Why there is no new account.
#[derive(Debug)]
pub enum SignupRefused {
    /// What was sent is not what is asked for.
    Invalid(Invalid),
    /// The password is too weak.
    Weak(Weakness),
    /// Somebody has this name.
    Taken(TakenField),
    /// Nobody may sign up here.
    Closed,
    /// Too often, too much at once, or a fault of ours.
    Failed(ApiError),
}

impl Invalid {
    pub(crate) fn new(field: &str, message: &str) -> Self {
        Self { field: field.to_owned(), message: message.to_owned() }
    }
}

impl From<Invalid> for SignupRefused {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<Fault> for SignupRefused {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.into())
    }
}

impl From<Unhashed> for SignupRefused {
    fn from(unhashed: Unhashed) -> Self {
        Self::Failed(unhashed.into())
    }
}

impl IntoResponse for SignupRefused {
    /// With Auth0's words (S-3, S-4).
    fn into_response(self) -> Response {
        let bad_request = |code: &str, description: &str| json!({"name": "BadRequestError", "code": code, "description": description, "statusCode": 400});
        let body = match self {
            Self::Invalid(Invalid { field, message }) => bad_request("invalid_request", &format!("{field}: {message}")),
            Self::Weak(weakness) => weakness.body(),
            Self::Taken(TakenField::Username) => {
                bad_request("username_exists", "The username provided is in use already.")
            }
            Self::Taken(TakenField::Email | TakenField::Id) => bad_request("user_exists", "The user already exists."),
            Self::Closed => bad_request("invalid_signup", "Invalid sign up"),
            Self::Failed(error) => return error.into_response(),
        };
        (StatusCode::BAD_REQUEST, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
    }
}
