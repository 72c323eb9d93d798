//! Reads the structure of an upload: what it imports, what it exports, how large its parts are.
//!
//! Nothing is run or compiled here, and every check is linear in the size of the module. The bounds are those of
//! `hostile-rules` §4: the parser's own are far too wide for a service that takes uploads.

use std::{collections::BTreeSet, sync::Arc};

use sha2::{Digest as _, Sha256};
use vestibule_abi::{
    codes::RefusalCode,
    host::{Capability, HostFunction},
    limits::Budget,
};
use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

use self::sections::Sections;
use crate::{
    refusal::{Refusal, shown},
    settings::ALLOWED_FEATURES,
};

mod interface;
mod sections;

/// The most linear memory a module may declare, in bytes.
pub(crate) const MEMORY_BYTES: u64 = Budget::CEILING.memory_bytes;
/// The most elements its table may have.
pub(crate) const TABLE_ELEMENTS: u64 = 10_000;

/// How large the parts of an upload may be.
#[derive(Debug, Clone, Copy)]
pub struct StructureLimits {
    /// The whole module, in bytes.
    pub module_bytes: usize,
    /// Functions defined.
    pub functions: u32,
    /// Types.
    pub types: u32,
    /// Globals.
    pub globals: u32,
    /// Data and element segments together.
    pub segments: u32,
    /// Data in all segments, in bytes.
    pub data_bytes: usize,
    /// Exports.
    pub exports: u32,
    /// Imports.
    pub imports: u32,
    /// Locals of one function, parameters apart.
    pub locals: u32,
    /// Nesting of blocks in one function.
    pub nesting: u32,
    /// Custom sections.
    pub custom_sections: u32,
}

impl StructureLimits {
    /// The limits for what authors upload.
    pub const STANDARD: Self = Self {
        module_bytes: 512 * 1024,
        functions: 5_000,
        types: 1_000,
        globals: 500,
        segments: 1_000, // AssemblyScript has two for each string; HR-14 starts at 128 and says to tune it.
        data_bytes: 4 * 1024 * 1024,
        exports: 1_000,
        imports: 64,
        locals: 1_000,
        nesting: 256,
        custom_sections: 64,
    };
}

/// An upload whose structure is acceptable. It has not been run or compiled.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The upload, byte for byte: a module, or a [`JavaScriptUpload`](crate::JavaScriptUpload).
    pub bytes: Arc<[u8]>,
    /// SHA-256 of the upload.
    pub digest: [u8; 32],
    /// The host functions it imports, each once.
    pub imports: Vec<&'static HostFunction>,
    /// What it asks for; [`Capability::Core`] is always among it.
    pub capabilities: BTreeSet<Capability>,
    /// Whether a start function or an initialiser has to run once before it is deployed.
    pub needs_init: bool,
    /// The memory it declares to start with, in bytes.
    pub initial_memory_bytes: u64,
    /// The interpreter it is evaluated in, if it is source and not a module.
    pub interpreter: Option<Arc<Inspected>>,
}

/// Inspects an upload under the standard limits.
///
/// # Errors
/// A [`Refusal`] with the code of the first thing that is wrong.
pub fn inspect(wasm: &[u8]) -> Result<Inspected, Refusal> {
    inspect_within(wasm, &StructureLimits::STANDARD)
}

/// Inspects an upload under limits of the caller.
///
/// # Errors
/// A [`Refusal`] with the code of the first thing that is wrong.
pub fn inspect_within(wasm: &[u8], limits: &StructureLimits) -> Result<Inspected, Refusal> {
    if wasm.len() > limits.module_bytes {
        let message = format!(
            "the module has {} bytes, allowed are {}: build it optimised for size and stripped, as `vestibule build` does, \
             and keep tables in `data/` files",
            wasm.len(),
            limits.module_bytes
        );
        return Err(Refusal::new(RefusalCode::ModuleTooLarge, message));
    }
    if !wasm.starts_with(b"\0asm") {
        let message = "not a WebAssembly binary: it does not begin with `\\0asm`; text, archives and compiled artifacts are \
                       not accepted; `vestibule build` makes one from source";
        return Err(Refusal::new(RefusalCode::ModuleMalformed, message));
    }
    let sections = Sections::read(wasm, limits)?;
    validate(wasm)?;
    let interface = sections.interface()?;
    Ok(Inspected {
        bytes: wasm.into(),
        digest: Sha256::digest(wasm).into(),
        capabilities: interface.capabilities(),
        imports: interface.imports,
        needs_init: sections.has_start || interface.has_initializer,
        initial_memory_bytes: sections.initial_memory_bytes(),
        interpreter: None,
    })
}

/// Full validation: types, indices, and no proposal that is switched off.
fn validate(wasm: &[u8]) -> Result<(), Refusal> {
    let Err(error) = Validator::new_with_features(ALLOWED_FEATURES).validate_all(wasm) else { return Ok(()) };
    // A module that would be valid with every proposal switched on uses one that is off.
    match Validator::new_with_features(WasmFeatures::all()).validate_all(wasm) {
        Ok(_) => Err(feature_not_allowed(&error)),
        Err(_) => Err(malformed(&error)),
    }
}

fn malformed(error: &BinaryReaderError) -> Refusal {
    let message = format!(
        "not a valid WebAssembly module: {} (at byte {}); `vestibule build` makes one from source",
        shown(error.message()),
        error.offset()
    );
    Refusal::new(RefusalCode::ModuleMalformed, message)
}

fn feature_not_allowed(error: &BinaryReaderError) -> Refusal {
    let message = format!(
        "{} (at byte {}); rules may use WebAssembly 1.0 with bulk memory, reference types without externref, sign \
         extension, saturating float-to-int, multi-value, extended const and simd; `vestibule new` sets up a compiler that \
         keeps to it",
        shown(error.message()),
        error.offset()
    );
    Refusal::new(RefusalCode::FeatureNotAllowed, message)
}
