//! An ordered set of rule revisions with one digest, its generation.

use std::{collections::BTreeSet, fmt};

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use vestibule_abi::limits::{self, Budget};

use crate::manifest::{Manifest, ManifestError, ReadTree, RuleName};

/// A SHA-256: of a rule's revision, or of a pipeline's generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One revision of a rule, as the pipeline needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it declares and was granted.
    pub manifest: Manifest,
    /// Of the revision: code, manifest, data.
    pub digest: Digest,
    /// What one run may spend.
    pub budget: Budget,
}

impl Rule {
    /// A revision with the budget its manifest asks for.
    ///
    /// # Errors
    /// [`ManifestError`] when a limit is above the operator's ceiling.
    pub fn new(manifest: Manifest, digest: Digest, ceiling: &Budget) -> Result<Self, ManifestError> {
        let budget = manifest.budget(ceiling)?;
        Ok(Self { manifest, digest, budget })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.manifest.name.as_str()
    }
}

/// The rules of a trigger, in the order they run. It never changes: a deploy makes another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    rules: Vec<Rule>, // INVARIANT: ascending by `order`; orders and names are unique.
    /// INVARIANT: what any of the rules receives.
    reads: ReadTree,
    generation: Digest,
}

impl Pipeline {
    /// Puts rules in their order.
    ///
    /// # Errors
    /// [`InvalidPipeline`]: two rules with one order or one name, or too many.
    pub fn new(mut rules: Vec<Rule>) -> Result<Self, InvalidPipeline> {
        if rules.len() > limits::RULES_PER_PIPELINE {
            return Err(InvalidPipeline::TooMany(rules.len()));
        }
        rules.sort_by_key(|rule| rule.manifest.order);
        if let Some([first, second]) = rules.array_windows().find(|[a, b]| a.manifest.order == b.manifest.order) {
            let (first, second, order) = (&first.manifest, &second.manifest, first.manifest.order);
            return Err(InvalidPipeline::SameOrder { first: first.name.clone(), second: second.name.clone(), order });
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = rules.iter().find(|rule| !names.insert(rule.name())) {
            return Err(InvalidPipeline::SameName(twice.manifest.name.clone()));
        }
        let reads = ReadTree::union(rules.iter().map(|rule| rule.manifest.read_tree()));
        let generation = generation(&rules);
        Ok(Self { rules, reads, generation })
    }

    /// The digest of the rules in their order.
    #[must_use]
    pub const fn generation(&self) -> Digest {
        self.generation
    }

    /// What its rules read of an event: no more than that has to be encoded.
    pub(crate) const fn reads(&self) -> &ReadTree {
        &self.reads
    }

    /// The rules in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// Rules that make no pipeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPipeline {
    /// Nobody could say which runs first.
    #[error("the rules `{first}` and `{second}` have the same order {order}; change `order` in one of them")]
    SameOrder {
        /// One of them.
        first: RuleName,
        /// The other.
        second: RuleName,
        /// The order both have.
        order: i64,
    },
    /// Journal and provenance could not tell them apart.
    #[error("two rules are called `{0}`; change `name` in one of them")]
    SameName(RuleName),
    /// More than [`limits::RULES_PER_PIPELINE`].
    #[error("a pipeline of {0} rules has more than {most}; put fewer into it", most = limits::RULES_PER_PIPELINE)]
    TooMany(usize),
}

fn generation(rules: &[Rule]) -> Digest {
    let mut hash = Sha256::new_with_prefix(b"vestibule pipeline 1");
    for rule in rules {
        hash.update((rule.name().len() as u64).to_le_bytes());
        hash.update(rule.name());
        hash.update(rule.manifest.order.to_le_bytes());
        hash.update(rule.digest.0);
    }
    Digest(hash.finalize().into())
}
