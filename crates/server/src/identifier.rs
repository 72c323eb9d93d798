//! By what people name themselves, in the one form in which it is stored and compared.
//!
//! Two spellings of one address must be one account (HS-10): addresses and usernames are composed (NFC) and put into lower
//! case, a domain into its ASCII form. Dots and `+tags` in an address stay: they are different addresses to most servers.
//! Look-alikes of another script are different accounts; whatever cannot be seen at all is refused.

use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use url::Host;
use vestibule_store as store;

/// A canonical e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

/// A canonical username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

/// What somebody typed to name themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identifier {
    /// An address.
    Email(Email),
    /// A username.
    Username(Username),
}

/// Why this names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    /// No e-mail address.
    #[error("this is not an e-mail address")]
    Email,
    /// No username.
    #[error("a username has 1 to {} letters and digits, or one of {}", Username::LONGEST, Username::SIGNS)]
    Username,
}

impl Email {
    const LONGEST: usize = 254; // RFC 5321, by way of erratum 1690.
    const LONGEST_LOCAL: usize = 64;

    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        let text = text.trim_matches([' ', '\t']); // Copied with the address, as often as not.
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidIdentifier::Email)?;
        let local = folded(local);
        let Ok(Host::Domain(domain)) = Host::parse(domain) else { return Err(InvalidIdentifier::Email) };
        let is_dotted = |text: &str| text.split('.').all(|atom| !atom.is_empty());
        let is_fine = local.chars().all(is_local)
            && is_dotted(&local)
            && is_dotted(&domain)
            && domain.contains('.')
            && domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
            && local.len() <= Self::LONGEST_LOCAL
            && local.len() + domain.len() < Self::LONGEST;
        if is_fine { Ok(Self(format!("{local}@{domain}"))) } else { Err(InvalidIdentifier::Email) }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`: the nickname, until there is a better one (P-1).
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(self.as_str(), |(local, _)| local)
    }
}

impl Username {
    /// The most characters (S-6).
    pub const LONGEST: usize = 128;
    const SIGNS: &str = "@^$.!`-#+'~_";

    /// Reads a username. It must not look like an address.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        let folded = folded(text);
        let is_fine = (1..=Self::LONGEST).contains(&folded.chars().count())
            && folded.chars().all(|c| (c.is_alphanumeric() || Self::SIGNS.contains(c)) && !is_invisible(c))
            && Email::parse(&folded).is_err();
        if is_fine { Ok(Self(folded)) } else { Err(InvalidIdentifier::Username) }
    }

    /// The username.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Identifier {
    /// Reads what somebody typed at login: an address, or else a username. `None` if it can be neither, and so is nobody's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let email = Email::parse(text).map(Self::Email);
        email.or_else(|_| Username::parse(text).map(Self::Username)).ok()
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(email) => email.as_str(),
            Self::Username(username) => username.as_str(),
        }
    }

    /// As the store asks for it.
    #[must_use]
    pub fn in_store(&self) -> store::Identifier<'_> {
        match self {
            Self::Email(email) => store::Identifier::Email(email.as_str()),
            Self::Username(username) => store::Identifier::Username(username.as_str()),
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One spelling for all that differ in case or composition only.
fn folded(text: &str) -> String {
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    nfc.normalize(&nfc.normalize(text).to_lowercase()).into_owned()
}

/// What may stand before the `@`: RFC 5322 `atext` and dots, and letters and digits of all scripts (RFC 6531).
fn is_local(c: char) -> bool {
    (c.is_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c)) && !is_invisible(c)
}

/// Whether nothing is to be seen of it.
fn is_invisible(c: char) -> bool {
    c.is_control() || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

#[cfg(test)]
mod tests;
