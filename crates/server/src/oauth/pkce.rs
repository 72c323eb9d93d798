//! Proof Key for Code Exchange (RFC 7636), by SHA-256 only (RFC 9700 §2.1.1; HS-30).

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// `code_challenge` of the method `S256`: 32 bytes as 43 characters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Challenge(String);

impl Challenge {
    /// Reads a challenge; `None` if it is not the base64url of 32 bytes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The challenge that somebody who knows this verifier made; `None` if it is no verifier (RFC 7636 §4.1, §4.6).
    pub(crate) fn of_verifier(verifier: &str) -> Option<Self> {
        let is_verifier = (43..=128).contains(&verifier.len())
            && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        is_verifier.then(|| Self(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))))
    }

    /// Its text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    #[test]
    fn the_example_of_the_rfc_holds() {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(Challenge::of_verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), challenge);
        assert_ne!(Challenge::of_verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"), challenge);
    }

    #[test]
    fn what_is_too_short_too_long_or_in_other_characters_is_neither() {
        for other in ["", &"a".repeat(42), &"a".repeat(129), &"ä".repeat(30), &"a b".repeat(20)] {
            assert_eq!(Challenge::of_verifier(other), None, "{other}");
        }
        for other in ["too-short", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="] {
            assert_eq!(Challenge::parse(other), None, "{other}");
        }
    }
}
