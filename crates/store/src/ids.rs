//! Names and numbers: one type each, so that no two can be swapped.
//!
//! None of them checks its text. What comes from outside is parsed where it comes in (the server's rim); here a name is
//! a bound parameter, never a piece of SQL.

use std::{borrow::Borrow, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

macro_rules! name {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    )*};
}

name! {
    /// One isolated set of users, clients, rules and keys. Every row belongs to one.
    TenantId;
    /// A user of a tenant: `auth0|<24 hexadecimal digits>` for a database connection.
    UserId;
    /// An OAuth client of a tenant.
    ClientId;
    /// A connection of a tenant: where its users' identities come from.
    ConnectionName;
    /// One login transaction, first request to verdict; its idempotency key. At least 128 random bits.
    LoginId;
    /// A browser session. It names the session in tokens and logs (`sid`); the cookie holds another secret.
    SessionId;
    /// A refresh-token family: all tokens that descend from one grant.
    FamilyId;
    /// A factor that a user has enrolled.
    FactorId;
    /// A process that serves logins; it keeps its name over restarts.
    NodeId;
    /// The digest of a rule revision or of a pipeline, as [`vestibule_pipeline::Digest`] prints it.
    RevisionDigest;
}

impl TenantId {
    /// The tenant that always exists.
    pub const DEFAULT: &'static str = "default";
}

impl Default for TenantId {
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}

/// The version of a user: what a writer must have read to be allowed to write. It grows by one with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version(pub i64);

/// The number of a pipeline generation, counted from 1 in each tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GenerationNumber(pub i64);

/// Milliseconds since 1970. The store is given the time, it never asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// That much later; never beyond the end of time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// That much earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// The SHA-256 of a secret that a browser or client holds. The secret itself is never stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// The digest of a secret, as the client presents it.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

impl fmt::Debug for TokenDigest {
    /// The first four bytes: enough to tell two apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "TokenDigest({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}
