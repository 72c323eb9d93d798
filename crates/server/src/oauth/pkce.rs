//! Proof Key for Code Exchange (RFC 7636), by SHA-256 only (RFC 9700 §2.1.1; HS-30).

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

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

    /// Whether somebody who knows this verifier made the challenge (RFC 7636 §4.6).
    pub(crate) fn is_met_by(&self, verifier: &str) -> bool {
        let is_verifier = (43..=128).contains(&verifier.len())
            && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        let computed = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        is_verifier && bool::from(computed.as_bytes().ct_eq(self.0.as_bytes()))
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
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        for other in ["", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", &"a".repeat(129), &"ä".repeat(30)] {
            assert!(!challenge.is_met_by(other), "{other}");
        }
        assert_eq!(Challenge::parse("too-short"), None);
        assert_eq!(Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="), None);
    }
}
