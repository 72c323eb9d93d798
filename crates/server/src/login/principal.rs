//! Who authenticated. It is made where credentials are verified, and rules see it in `context.authentication`.

use serde::{Deserialize, Serialize};
use vestibule_store::{ConnectionName, Timestamp, UserId};

/// Who authenticated, how and when. The host's word; no rule changes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The user.
    pub user: UserId,
    /// The connection they came through.
    pub connection: ConnectionName,
    /// How (C-2).
    pub methods: Vec<Method>,
    /// When credentials were verified. A password that is set later makes this nothing.
    pub at: Timestamp,
}

/// One way in which somebody proved who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// `pwd`, `mfa` (C-2).
    pub name: String,
    /// When.
    pub timestamp: Timestamp,
}

impl Method {
    /// A password, now.
    #[must_use]
    pub fn password(now: Timestamp) -> Self {
        Self { name: "pwd".to_owned(), timestamp: now }
    }

    /// A second factor, now.
    #[must_use]
    pub fn second_factor(now: Timestamp) -> Self {
        Self { name: "mfa".to_owned(), timestamp: now }
    }

    pub(crate) fn is_second_factor(&self) -> bool {
        self.name == "mfa"
    }
}

impl Principal {
    pub(crate) fn has_second_factor(&self) -> bool {
        self.methods.iter().any(Method::is_second_factor)
    }
}
