//! What one rule may do over HTTP: the origins it may ask, and the secrets the host puts in for it.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use vestibule_pipeline::manifest::Origin;

use super::{outgoing::header_value, secret::Blank};

/// The HTTP grants of one rule. Never shared between rules.
#[derive(Debug)]
pub struct HttpGrants {
    origins: Granted,
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

/// A secret whose value cannot be sent in a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value of secret `{0}` cannot be sent in a header; it must be visible ASCII and not empty")]
pub struct InvalidSecret(String);

impl HttpGrants {
    /// Grants requests to these origins, with these secrets, each for its own origin.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret`] for a value that is empty or has characters a header cannot carry.
    pub fn new(origins: Vec<Origin>, secrets: BTreeMap<String, (SecretString, Origin)>) -> Result<Self, InvalidSecret> {
        for (name, (value, _)) in &secrets {
            let value = value.expose_secret();
            if value.trim().is_empty() || header_value(value).is_none() {
                return Err(InvalidSecret(name.clone()));
            }
        }
        let blank = Blank::new(secrets.values().map(|(value, _)| value));
        let secrets = secrets.into_iter().map(|(name, (value, origin))| (name, Secret { value, origin })).collect();
        Ok(Self { origins: Granted::These(origins), secrets, blank })
    }

    /// Grants nothing.
    #[must_use]
    pub fn none() -> Self {
        Self { origins: Granted::These(Vec::new()), secrets: BTreeMap::new(), blank: Blank::default() }
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

    pub(super) const fn blank(&self) -> &Blank {
        &self.blank
    }
}
