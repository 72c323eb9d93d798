//! What one rule may do over HTTP: the origins it may ask, and the secrets the host puts in for it.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use vestibule_abi::limits;
use vestibule_pipeline::manifest::Origin;

use super::{breaker::Breaker, outgoing::header_value, secret::Blank};

/// The HTTP grants of one rule. Never shared between rules.
#[derive(Debug)]
pub struct HttpGrants {
    origins: Granted,
    /// For each origin it may ask, whether that is worth a try.
    breakers: Vec<(Origin, Breaker)>,
    secrets: BTreeMap<String, Secret>,
    blank: Blank,
}

#[derive(Debug)]
enum Granted {
    These(Vec<Origin>),
    WhatIsRecorded,
}

#[derive(Debug)]
struct Secret {
    value: SecretString,
    origin: Origin,
}

/// Secrets that no rule can be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// A header cannot carry it.
    #[error("the value of secret `{0}` cannot be sent in a header; it must be visible ASCII and not empty")]
    NotSendable(String),
    /// Longer than [`limits::SECRET_BYTES`].
    #[error("the value of secret `{name}` is longer than {} bytes", limits::SECRET_BYTES)]
    TooLong {
        /// Its name.
        name: String,
    },
    /// More than [`limits::SECRETS_PER_RULE`].
    #[error("a rule has at most {} secrets", limits::SECRETS_PER_RULE)]
    TooMany,
    /// What finds them in responses cannot be made.
    #[error("the secrets cannot be searched for in responses: {0}")]
    NotSearchable(String),
}

impl HttpGrants {
    /// Grants requests to these origins, with these secrets, each for its own origin.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret`] for a value that is empty, too long or has characters a header cannot carry, and for too many.
    pub fn new(origins: Vec<Origin>, secrets: BTreeMap<String, (SecretString, Origin)>) -> Result<Self, InvalidSecret> {
        if secrets.len() > limits::SECRETS_PER_RULE {
            return Err(InvalidSecret::TooMany);
        }
        for (name, (value, _)) in &secrets {
            let value = value.expose_secret();
            if value.trim().is_empty() || header_value(value).is_none() {
                return Err(InvalidSecret::NotSendable(name.clone()));
            }
            if value.len() > limits::SECRET_BYTES {
                return Err(InvalidSecret::TooLong { name: name.clone() });
            }
        }
        let values: Vec<&SecretString> = secrets.values().map(|(value, _)| value).collect();
        let blank = Blank::new(&values).map_err(|error| InvalidSecret::NotSearchable(error.to_string()))?;
        let secrets = secrets.into_iter().map(|(name, (value, origin))| (name, Secret { value, origin })).collect();
        let breakers = origins.iter().map(|origin| (origin.clone(), Breaker::default())).collect();
        Ok(Self { origins: Granted::These(origins), breakers, secrets, blank })
    }

    /// Grants nothing.
    #[must_use]
    pub fn none() -> Self {
        Self {
            origins: Granted::These(Vec::new()),
            breakers: Vec::new(),
            secrets: BTreeMap::new(),
            blank: Blank::nothing(),
        }
    }

    /// Grants what a [`Recording`](super::Recording) holds, so that anything else is `http_not_recorded` and not
    /// `http_blocked`: for a module without a manifest. Over the network it grants nothing.
    #[must_use]
    pub fn of_recording() -> Self {
        Self { origins: Granted::WhatIsRecorded, ..Self::none() }
    }

    pub(super) fn allows(&self, origin: &Origin, from_recording: bool) -> bool {
        match &self.origins {
            Granted::These(origins) => origins.contains(origin),
            Granted::WhatIsRecorded => from_recording,
        }
    }

    /// The value of a secret, if it is granted for this origin.
    pub(super) fn secret(&self, name: &str, origin: &Origin) -> Option<&SecretString> {
        self.secrets.get(name).filter(|secret| secret.origin == *origin).map(|secret| &secret.value)
    }

    /// The breaker of an origin that was granted.
    pub(super) fn breaker(&self, origin: &Origin) -> Option<&Breaker> {
        self.breakers.iter().find(|(granted, _)| granted == origin).map(|(_, breaker)| breaker)
    }

    pub(super) const fn blank(&self) -> &Blank {
        &self.blank
    }
}
