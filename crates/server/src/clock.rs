//! Time and randomness. Both are arguments everywhere else; only the server owns them (STYLE P15).

use std::{fmt, process, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use vestibule_store::{Timestamp, TokenDigest};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970, UTC.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Gives randomness that nobody can tell in advance.
pub trait Entropy: Send + Sync {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// The randomness of aws-lc, seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if aws_lc_rs::rand::fill(buffer).is_err() {
            // Whatever is made without randomness can be guessed; nothing this process could still do is safe.
            tracing::error!("the operating system gives no randomness");
            process::abort();
        }
    }
}

impl dyn Entropy + '_ {
    /// So many random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A new id of so many random bytes, as hexadecimal digits.
    pub fn id<const N: usize>(&self) -> String {
        self.bytes::<N>().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A new opaque token of 256 bits.
    pub fn token(&self) -> Token {
        Token(BASE64_URL_SAFE_NO_PAD.encode(self.bytes::<32>()))
    }
}

/// Something opaque that proves a right by being known: a code, a refresh token, a session cookie, a handle.
///
/// 43 characters of base64url. It is stored as its SHA-256 only, and is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// What somebody presented; anything longer than a token of ours is cut off before it is hashed.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        const LONGEST: usize = 128;
        Self(text.chars().take(LONGEST).collect())
    }

    /// The text, for the answer or cookie that carries it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
