//! Passwords: what is accepted, how it is hashed, what is too weak.
//!
//! A password is never trimmed, cut, normalised or logged: what was typed is what is hashed. Its length is bounded before
//! anything is computed from it. Hashing is the dearest work of a login, so it is queued and bounded: [`Hasher`].

mod hasher;
mod memory;
mod policy;
mod stored;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

pub use hasher::{Cost, Hasher, Overloaded, Unhashed, Verified};
pub use policy::{About, Level, Policy, Weakness};
pub use stored::{HashRefused, StoredHash};

/// A password as it was typed: 1 to [`Password::LONGEST`] bytes of UTF-8.
#[derive(Clone)]
pub struct Password(SecretString);

/// Why this is no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// It is empty.
    #[error("a password must not be empty")]
    Empty,
    /// It is longer than [`Password::LONGEST`].
    #[error("a password must not be longer than {} bytes", Password::LONGEST)]
    TooLong,
}

impl Password {
    /// The most bytes a password may have. Enough for any passphrase, too few to make hashing dearer (HS-06).
    pub const LONGEST: usize = 1024;

    /// Takes a password as it is.
    pub fn parse(text: String) -> Result<Self, PasswordRefused> {
        match text.len() {
            0 => Err(PasswordRefused::Empty),
            1..=Self::LONGEST => Ok(Self(text.into())),
            _ => Err(PasswordRefused::TooLong),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    fn as_str(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
