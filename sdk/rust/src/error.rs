//! Why a rule gave no answer. It becomes the message of the failed run; by default that denies the login.

use alloc::{borrow::Cow, string::ToString};
use core::fmt;

use crate::Answer;

/// What a rule returns; `Result<Answer>` for most.
pub type Result<T = Answer, E = Error> = core::result::Result<T, E>;

/// A rule cannot answer. Any error converts into it with `?`; the host keeps the first 256 characters of its message.
///
/// Refusing the login is no error: see [`Answer::deny`].
pub struct Error(Cow<'static, str>);

impl Error {
    /// An error with a message for the rule's author. People who log in never see it.
    #[must_use]
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0
    }
}

// `Error` does not implement `core::error::Error` itself: that would forbid the conversion from all others below.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: core::error::Error> From<E> for Error {
    #[cold]
    fn from(error: E) -> Self {
        Self(error.to_string().into())
    }
}
