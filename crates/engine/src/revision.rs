//! One upload of a rule: its manifest, its module and its data files, under one digest.
//!
//! The command line reads it from a folder, a server from a bundle or from its store; from here on it is the same thing,
//! judged by the same checks. Nothing here compiles or runs anything.

use std::{collections::BTreeMap, sync::Arc};

use secrecy::SecretString;
use vestibule_abi::limits::Budget;
use vestibule_pipeline::{
    Digest, Manifest, ManifestError, Rule,
    manifest::{Language, Origin, ReservedClaims},
};

use crate::{
    DataFiles, Grants, Inspected, Refusal,
    http::{HttpGrants, InvalidSecret},
    inspect,
};

/// A rule that passed inspection.
#[derive(Debug, Clone)]
pub struct Revision {
    /// The rule as the pipeline sees it.
    pub rule: Rule,
    /// Its module.
    pub inspected: Inspected,
    /// Its `data/` folder, if that is granted.
    pub files: Option<Arc<DataFiles>>,
}

/// Why an upload is no revision.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// The manifest is not acceptable.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The module is not acceptable.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Why a rule cannot be given what its manifest grants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// A secret that has no value.
    #[error("it is granted the secret `{0}`, which has no value")]
    SecretMissing(String),
    /// A secret whose value no header can carry.
    #[error(transparent)]
    SecretInvalid(#[from] InvalidSecret),
}

impl Revision {
    /// Judges an upload: its manifest as it is written, what the module inspects to, and its data folder, which counts
    /// only where the manifest grants it. The digest covers all three.
    ///
    /// # Errors
    /// [`RevisionError`] with the manifest's or the module's fault.
    pub fn inspect(text: &str, module: &[u8], files: Option<Arc<DataFiles>>) -> Result<Self, RevisionError> {
        Self::new(text, inspect(module)?, files)
    }

    /// As [`Revision::inspect`], of what was inspected already: JavaScript is, with the interpreter it runs on.
    ///
    /// # Errors
    /// [`RevisionError::Manifest`] with the manifest's fault.
    pub fn new(text: &str, inspected: Inspected, files: Option<Arc<DataFiles>>) -> Result<Self, RevisionError> {
        let manifest = Manifest::parse(text)?;
        let files = files.filter(|_| manifest.capabilities.files);
        let mut revision = text.as_bytes().to_vec();
        revision.extend_from_slice(&inspected.digest);
        revision.extend(files.iter().flat_map(|files| files.digest()));
        let rule = Rule::new(manifest, Digest::of(&revision), &Budget::CEILING)?;
        Ok(Self { rule, inspected, files })
    }

    /// Code without a manifest, for trying it out: every write allowed, no capability but these configuration keys.
    ///
    /// # Errors
    /// [`RevisionError::Manifest`] when the standard limits are above the ceiling, which they are not.
    pub fn bare(
        name: &str,
        inspected: Inspected,
        configuration: impl Iterator<Item = String>,
    ) -> Result<Self, RevisionError> {
        let mut manifest = Manifest::permissive(name);
        if inspected.interpreter.is_some() {
            manifest.language = Language::JavaScript;
            manifest.reserved_claims = ReservedClaims::Drop; // As the host it was written for did.
        }
        manifest.capabilities.configuration = configuration.collect();
        let rule = Rule::new(manifest, Digest(inspected.digest), &Budget::CEILING)?;
        Ok(Self { rule, inspected, files: None })
    }

    /// The rule's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.rule.name()
    }

    /// What the manifest grants, with the values of its secrets.
    ///
    /// # Errors
    /// [`GrantError`] for a secret without a value that can be sent.
    pub fn grants(&self, value: impl Fn(&str) -> Option<SecretString>) -> Result<Grants, GrantError> {
        let capabilities = &self.rule.manifest.capabilities;
        let secret = |(name, origin): (&String, &Origin)| {
            let value = value(name).ok_or_else(|| GrantError::SecretMissing(name.clone()))?;
            Ok((name.clone(), (value, origin.clone())))
        };
        let secrets = capabilities.secrets.iter().map(secret).collect::<Result<BTreeMap<_, _>, GrantError>>()?;
        let http = if capabilities.http.is_empty() && secrets.is_empty() {
            None
        } else {
            Some(Arc::new(HttpGrants::new(capabilities.http.clone(), secrets)?))
        };
        Ok(Grants { http, files: self.files.clone() })
    }
}
