//! What comes of an upload: machine code of this installation, and what a script laid over an interpreter's memory.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};
use vestibule_abi::host::Capability;

use crate::{Engine, Inspected, cache::ArtifactId, heap::Heap};

/// How hard the compiler tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// With optimisation.
    Optimised = 0,
    /// Without, in linear time: for modules that take the optimiser too long.
    Baseline = 1,
}

impl Tier {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Optimised => "optimised",
            Self::Baseline => "baseline",
        }
    }
}

/// Machine code, made by this installation for one kind of engine.
#[derive(Debug)]
pub(crate) struct MachineCode {
    pub(crate) id: ArtifactId,
    pub(crate) bytes: Vec<u8>,
}

/// One rule, ready to be linked: its machine code, or the interpreter's and what the rule laid over its memory.
#[derive(Debug, Clone)]
pub struct CompiledRule {
    code: Arc<MachineCode>,
    heap: Option<Heap>,
    digest: [u8; 32],
    capabilities: BTreeSet<Capability>,
    from_cache: bool,
}

impl ArtifactId {
    /// Names the code of a module.
    pub(super) fn of(engine: &Engine, inspected: &Inspected, tier: Tier) -> Self {
        Self { module: inspected.digest, compatibility: engine.compatibility(), tier }
    }
}

impl CompiledRule {
    /// How hard the compiler tried.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.code.id.tier
    }

    /// SHA-256 of the upload.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What this rule takes for itself, in bytes: its machine code, or what it laid over the interpreter's memory.
    #[must_use]
    pub fn code_bytes(&self) -> usize {
        self.heap.as_ref().map_or(self.code.bytes.len(), |heap| heap.encoded().len())
    }

    /// Whether it came from the cache.
    #[must_use]
    pub fn is_from_cache(&self) -> bool {
        self.from_cache
    }

    /// Code that was compiled in this process.
    #[cfg(feature = "in-process-compile")]
    pub(crate) fn compiled_here(engine: &Engine, inspected: &Inspected, tier: Tier, code: Vec<u8>) -> Self {
        let id = ArtifactId::of(engine, inspected, tier);
        Self::new(MachineCode { id, bytes: code }, inspected, false)
    }

    pub(super) fn new(code: MachineCode, inspected: &Inspected, from_cache: bool) -> Self {
        let (digest, capabilities) = (inspected.digest, inspected.capabilities.clone());
        Self { code: Arc::new(code), heap: None, digest, capabilities, from_cache }
    }

    /// A rule that is what an upload laid over an interpreter's memory.
    pub(super) fn on_interpreter(code: Arc<MachineCode>, heap: Heap, inspected: &Inspected, from_cache: bool) -> Self {
        let (digest, capabilities) = (inspected.digest, inspected.capabilities.clone());
        Self { code, heap: Some(heap), digest, capabilities, from_cache }
    }

    pub(crate) fn code(&self) -> &Arc<MachineCode> {
        &self.code
    }

    pub(crate) fn heap(&self) -> Option<&Heap> {
        self.heap.as_ref()
    }

    pub(crate) fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.capabilities
    }
}
