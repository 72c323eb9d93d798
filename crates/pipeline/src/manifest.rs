//! What a rule declares and is granted: `rule.toml`, and `pipeline.toml` that puts rules together.
//!
//! Everything is parsed once, here, into types that cannot hold anything else; the rest of the house never sees a raw
//! string of a manifest. Every error names the key and the next step.

mod grants;
mod names;
mod pipeline_toml;
mod protocol;
mod reads;
mod rule_toml;
mod units;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vestibule_abi::limits::Budget;

pub use grants::{Bag, KeyPattern, WriteGrant, Writes};
pub(crate) use names::is_browsable;
pub use names::{Origin, RedirectTarget, RuleName};
pub use pipeline_toml::{PipelineFile, pipeline_schema};
pub use protocol::Protocol;
pub(crate) use reads::EVERYTHING;
pub use reads::{ReadPath, ReadTree};
pub use rule_toml::rule_schema;

/// A parsed `rule.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The rule's name, unique in its pipeline.
    pub name: RuleName,
    /// The language it is written in.
    pub language: Language,
    /// Where its code is, relative to the manifest.
    pub code: Code,
    /// Its place: ascending, no two alike in a pipeline.
    pub order: i64,
    /// What its failure does to the login.
    pub on_failure: FailurePolicy,
    /// The subtrees it receives; `None`: all that rules receive.
    pub reads: Option<Vec<ReadPath>>,
    /// What it may change or ask for.
    pub writes: Writes,
    /// The logins it runs on.
    pub when: When,
    /// What the host does for it.
    pub capabilities: Capabilities,
    /// What it asks for instead of the standard budget.
    pub limits: Limits,
    /// What a reserved claim does.
    pub reserved_claims: ReservedClaims,
    /// INVARIANT: made of `reads`.
    read_tree: Option<ReadTree>,
}

impl Manifest {
    /// What it receives of an event.
    pub(crate) fn read_tree(&self) -> &ReadTree {
        self.read_tree.as_ref().unwrap_or(&EVERYTHING)
    }

    /// Parses a `rule.toml`.
    ///
    /// # Errors
    /// [`ManifestError`], naming the key and the next step.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        rule_toml::parse(text)
    }

    /// The manifest of a module that has none, for trying it out: every write allowed, no capabilities.
    ///
    /// Characters that a rule's name cannot have become `-`.
    #[must_use]
    pub fn permissive(name: &str) -> Self {
        Self {
            name: RuleName::lossy(name),
            language: Language::Rust,
            code: Code::Module(String::new()),
            order: 0,
            on_failure: FailurePolicy::Deny,
            reads: None,
            writes: Writes::everything(),
            when: When::default(),
            capabilities: Capabilities { redirect: Redirects::Anywhere, ..Capabilities::default() },
            limits: Limits::default(),
            reserved_claims: ReservedClaims::Refuse,
            read_tree: None,
        }
    }

    /// The same for a rule that receives these subtrees and nothing else.
    #[must_use]
    pub fn reading(self, paths: Vec<ReadPath>) -> Self {
        Self { read_tree: Some(ReadTree::of(&paths)), reads: Some(paths), ..self }
    }

    /// The budget of one run: that of the language, with `[limits]` over it.
    ///
    /// # Errors
    /// [`ManifestError`] when a limit is above the operator's ceiling.
    pub fn budget(&self, ceiling: &Budget) -> Result<Budget, ManifestError> {
        let usual = match self.language {
            Language::Rust | Language::AssemblyScript => Budget::STANDARD,
            Language::JavaScript => Budget::JAVASCRIPT,
        };
        self.limits.over(usual, ceiling)
    }
}

/// The language of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, compiled to a core module.
    Rust,
    /// AssemblyScript, compiled to a core module.
    AssemblyScript,
    /// JavaScript, run by our engine.
    JavaScript,
}

/// Where a rule's code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// A WebAssembly module.
    Module(String),
    /// A JavaScript source file.
    Source(String),
}

/// What a rule's failure does to the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailurePolicy {
    /// The login is denied.
    #[default]
    Deny,
    /// The rule's own effects are dropped and the login goes on; only for rules nothing secure depends on.
    Skip,
}

/// What a reserved claim in an answer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReservedClaims {
    /// The rule fails with `claim_reserved`.
    #[default]
    Refuse,
    /// The claim is dropped with a line in the journal, as the host of imported rules did.
    Drop,
}

/// The logins a rule runs on; an absent list means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct When {
    /// Ids of clients.
    pub clients: Option<BTreeSet<String>>,
    /// Names of connections.
    pub connections: Option<BTreeSet<String>>,
    /// Protocols that the login began with.
    pub protocols: Option<BTreeSet<Protocol>>,
}

/// What the host does for a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// The origins it may send requests to.
    pub http: Vec<Origin>,
    /// Secrets by name, each with the one origin it may be sent to.
    pub secrets: BTreeMap<String, Origin>,
    /// The configuration keys it receives.
    pub configuration: BTreeSet<String>,
    /// Where it may send the browser.
    pub redirect: Redirects,
    /// Whether it may read its own `data/` folder.
    pub files: bool,
}

/// Where a rule may send the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirects {
    /// To these places only.
    To(Vec<RedirectTarget>),
    /// To any acceptable URL: only for a module without a manifest, on a developer's machine.
    Anywhere,
}

impl Default for Redirects {
    fn default() -> Self {
        Self::To(Vec::new())
    }
}

/// What a rule asks for instead of the standard budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Fuel of one run.
    pub fuel: Option<u64>,
    /// Linear memory, in bytes: a whole number of wasm pages.
    pub memory_bytes: Option<u64>,
    /// Time the guest itself may run.
    pub wall: Option<std::time::Duration>,
}

/// A manifest that is not acceptable (`manifest_invalid`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, or a key that does not exist or holds another type; the text shows the line.
    #[error("{0}")]
    Toml(String),
    /// A value that cannot be.
    #[error("`{key}`: {problem}; {next}")]
    Value {
        /// The key, with its table.
        key: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        next: String,
    },
}

impl ManifestError {
    fn value(key: impl Into<String>, problem: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Value { key: key.into(), problem: problem.into(), next: next.into() }
    }
}
