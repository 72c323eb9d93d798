//! From what was uploaded, and what the store keeps, to rules that can run.

use std::{collections::HashMap, sync::Arc};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use vestibule_engine::{CompileError, DataFiles, GrantError, LoadedPipeline};
use vestibule_pipeline::{Digest, Manifest, ManifestError};
use vestibule_store::{GenerationNumber, RevisionDigest, SealedKind, StoreError, TenantId};

use super::{StoredGenerations, Workshop};
use crate::{
    app::Generation,
    bundle::{Bundle, BundleError, Rules, Upload},
};

/// Why rules cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// What was uploaded is not acceptable.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A rule that cannot be compiled or linked.
    #[error("rule `{rule}`: {source}")]
    Compile {
        /// Its name.
        rule: String,
        /// Why.
        #[source]
        source: CompileError,
    },
    /// A rule that cannot be given what its manifest grants.
    #[error("rule `{rule}`: {source}")]
    Grant {
        /// Its name.
        rule: String,
        /// Why.
        #[source]
        source: GrantError,
    },
    /// The store did not answer, or what it holds does not fit together.
    #[error("the rules cannot be read from the store: {0}")]
    Store(#[from] StoreError),
    /// A revision that the store names and does not have, or that is not what its digest says.
    #[error("revision {0} is not in the store as it was put there")]
    Revision(RevisionDigest),
    /// A stored manifest that this version does not take, where the one that stored it did.
    #[error(
        "rule `{rule}`, as it is stored, is not acceptable to this version: {source}; correct its rule.toml and deploy again"
    )]
    Manifest {
        /// Its name.
        rule: String,
        /// What is wrong with it.
        #[source]
        source: ManifestError,
    },
    /// A sealed value that does not open.
    #[error("`{0}` was sealed by another installation: start this node with the installation key of the others")]
    Sealed(String),
}

/// The values that rules are granted, opened.
pub(crate) struct Values {
    configuration: Map<String, Value>,
    secrets: HashMap<String, SecretString>,
}

impl StoredGenerations {
    /// Reads a bundle, inspects what was uploaded and puts it in its order.
    ///
    /// # Errors
    /// [`BundleError`], naming the rule.
    pub fn inspect(&self, bundle: &[u8]) -> Result<Rules, BundleError> {
        // Up to 128 MiB to unpack, and modules to parse: logins on this thread move to another.
        tokio::task::block_in_place(|| {
            let uploads = Bundle::parse(bundle)?.uploads()?;
            Rules::inspect(uploads, &self.workshop.interpreter)
        })
    }

    /// Compiles and links rules as they would be served, and serves nobody with them.
    ///
    /// # Errors
    /// [`LoadError`], naming the rule.
    pub(crate) async fn load(
        &self,
        number: Option<GenerationNumber>,
        rules: &Rules,
        values: Values,
    ) -> Result<Arc<Generation>, LoadError> {
        let mut ready = Vec::with_capacity(rules.revisions.len());
        for (_, revision) in &rules.revisions {
            let rule = || revision.name().to_owned();
            let grants = revision.grants(|name| values.secrets.get(name).cloned());
            let grants = grants.map_err(|source| LoadError::Grant { rule: rule(), source })?;
            let Workshop { engine, compiler, .. } = &self.workshop;
            let loaded = compiler.ready(engine, &revision.inspected, grants).await;
            ready.push(loaded.map_err(|source| LoadError::Compile { rule: rule(), source })?.0);
        }
        Ok(Arc::new(Generation {
            number,
            loaded: LoadedPipeline { pipeline: Arc::clone(&rules.pipeline), rules: ready },
            configuration: values.configuration,
            egress: Arc::clone(&self.workshop.egress),
        }))
    }

    /// The rules of a stored generation, as they were uploaded.
    ///
    /// # Errors
    /// [`LoadError`] when a revision is gone or altered, or this version does not take it.
    pub(crate) async fn stored_rules(
        &self,
        tenant: &TenantId,
        generation: &vestibule_store::Generation,
    ) -> Result<Rules, LoadError> {
        let mut uploads = Vec::with_capacity(generation.rules.len());
        for (rule, digest) in &generation.rules {
            let revision = self.store.revision(tenant, digest).await?;
            let revision = revision.ok_or_else(|| LoadError::Revision(digest.clone()))?;
            is_taken(rule, &revision.manifest)?;
            let files = (!revision.files.is_empty()).then(|| DataFiles::of(revision.files).map(Arc::new)).transpose();
            let files = files.map_err(|_| LoadError::Revision(digest.clone()))?;
            let upload = Upload { manifest: revision.manifest, module: revision.module, files };
            uploads.push(upload);
        }
        let rules = tokio::task::block_in_place(|| Rules::inspect(uploads, &self.workshop.interpreter))?;
        let altered = rules.revisions.iter().zip(&generation.rules).find(|((_, revision), (_, digest))| {
            digest_of(revision.rule.digest) != *digest // Both are in the order of the pipeline.
        });
        altered.map_or(Ok(rules.clone()), |(_, (_, digest))| Err(LoadError::Revision(digest.clone())))
    }

    /// All secrets and configuration values of a tenant, opened.
    ///
    /// # Errors
    /// [`LoadError::Sealed`] for one that another installation sealed.
    pub(crate) async fn values(&self, tenant: &TenantId) -> Result<Values, LoadError> {
        let mut values = Values { configuration: Map::new(), secrets: HashMap::new() };
        for (kind, is_secret) in [(SealedKind::Configuration, false), (SealedKind::Secret, true)] {
            for sealed in self.store.all_sealed(tenant, kind).await? {
                let name = sealed.note.name;
                let opened = self.seal.open(&purpose(kind, tenant, &name), &sealed.sealed);
                let text = opened.ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let text = SecretString::from(text.ok_or_else(|| LoadError::Sealed(name.clone()))?);
                if is_secret {
                    values.secrets.insert(name, text);
                } else {
                    values.configuration.insert(name, Value::from(text.expose_secret()));
                }
            }
        }
        Ok(values)
    }

    pub(super) async fn load_stored(
        &self,
        tenant: &TenantId,
        generation: &vestibule_store::Generation,
    ) -> Result<Arc<Generation>, LoadError> {
        let rules = self.stored_rules(tenant, generation).await?;
        let values = self.values(tenant).await?;
        self.load(Some(generation.number), &rules, values).await
    }
}

/// Names the rule whose stored manifest is not acceptable: its own name may be what cannot be read.
fn is_taken(rule: &str, manifest: &str) -> Result<(), LoadError> {
    let parsed = Manifest::parse(manifest).map_err(|source| LoadError::Manifest { rule: rule.to_owned(), source });
    parsed.map(drop)
}

/// What a rule's secret or configuration value is sealed for.
pub(crate) fn purpose(kind: SealedKind, tenant: &TenantId, name: &str) -> String {
    let kind = match kind {
        SealedKind::Configuration => "configuration",
        SealedKind::Secret => "secret",
        SealedKind::SigningKey => "signing-key",
        SealedKind::Internal => "internal",
    };
    format!("{kind}/{tenant}/{name}")
}

/// A digest as the store has it.
pub(crate) fn digest_of(digest: Digest) -> RevisionDigest {
    RevisionDigest::new(digest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_rule_that_is_no_longer_taken_is_named_with_its_key() {
        let head = "name = \"plan\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\norder = 1\n[when]\n";
        is_taken("plan", &format!("{head}protocols = [\"samlp\"]")).unwrap();
        let said = is_taken("plan", &format!("{head}protocols = [\"odic\"]")).unwrap_err().to_string();
        assert!(
            said.starts_with("rule `plan`, as it is stored, is not acceptable to this version: `when.protocols`: "),
            "{said}"
        );
        assert!(said.ends_with("; correct its rule.toml and deploy again"), "{said}");
    }
}
