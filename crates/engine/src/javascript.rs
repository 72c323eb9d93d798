//! JavaScript rules: what is uploaded, and what it is evaluated in.
//!
//! The upload is source and nothing else. The interpreter is ours: QuickJS as one WebAssembly module with the exports
//! below, compiled once for all rules. In the compile worker the source is evaluated in an instance of it
//! ([`evaluate`](crate::evaluate)), and what that changed of its memory is the rule ([`heap`](crate::heap)).

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use vestibule_abi::{codes::RefusalCode, host::Capability};

use crate::{Inspected, Refusal, StructureLimits, inspect_within};

/// The exports of an interpreter, beside `memory`, `run` and `_initialize`.
pub(crate) mod export {
    /// `take(length) -> ptr`: memory for what the host writes.
    pub(crate) const TAKE: &str = "take";
    /// `evaluate(kind, name_ptr, source_ptr, source_length)`: a script; both texts end with a zero byte.
    pub(crate) const EVALUATE: &str = "evaluate";
    /// `settle() -> ptr`: nothing more is evaluated; the heap begins there.
    pub(crate) const SETTLE: &str = "settle";
}

/// The longest source of one rule, in bytes.
const SOURCE_BYTES: usize = 256 * 1024;
/// The longest upload, bundled modules included, in bytes.
const UPLOAD_BYTES: usize = 4 * 1024 * 1024;

/// What the author's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptKind {
    /// An expression: `function (user, context, callback) { … }`.
    Rule,
    /// A CommonJS module with `exports.onExecutePostLogin`.
    Action,
}

/// A JavaScript rule as it is uploaded: JSON text of this shape.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JavaScriptUpload {
    /// What the author's file is.
    pub kind: ScriptKind,
    /// Its name, as errors show it.
    pub file: String,
    /// Its text, byte for byte.
    pub source: String,
    /// Bundles of the modules it requires, in the order in which they are evaluated before it.
    #[serde(default)]
    pub modules: Vec<ModuleBundle>,
    /// What it needs beyond its event, as a reading of the source found: `http`. Refused at deploy when not granted.
    #[serde(default)]
    pub capabilities: BTreeSet<ScriptCapability>,
}

/// One bundled module.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleBundle {
    /// The name it is required by.
    pub name: String,
    /// A script that makes itself known to the prelude.
    pub source: String,
}

/// What a script can need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptCapability {
    /// Requests.
    Http,
}

impl JavaScriptUpload {
    /// A rule without modules.
    #[must_use]
    pub fn rule(source: impl Into<String>) -> Self {
        Self {
            kind: ScriptKind::Rule,
            file: "rule.js".into(),
            source: source.into(),
            modules: Vec::new(),
            capabilities: BTreeSet::new(),
        }
    }

    /// The text that is uploaded.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default() // Strings and lists of strings always are JSON.
    }

    /// Reads an upload.
    ///
    /// # Errors
    /// `module_too_large` or `module_malformed`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let refused = |message: String| Refusal::new(RefusalCode::ModuleMalformed, message);
        if bytes.len() > UPLOAD_BYTES {
            let message = format!("the rule and its modules have {} bytes, allowed are {UPLOAD_BYTES}", bytes.len());
            return Err(Refusal::new(RefusalCode::ModuleTooLarge, message));
        }
        let upload: Self =
            serde_json::from_slice(bytes).map_err(|error| refused(format!("not a JavaScript upload: {error}")))?;
        if upload.source.len() > SOURCE_BYTES {
            let message = format!("the source has {} bytes, allowed are {SOURCE_BYTES}", upload.source.len());
            return Err(Refusal::new(RefusalCode::ModuleTooLarge, message));
        }
        let is_no_name = |name: &&String| name.is_empty() || name.chars().any(char::is_control);
        let names = upload.modules.iter().map(|module| &module.name).chain([&upload.file]);
        let bad = names.into_iter().find(is_no_name).map(|name| name.escape_debug().to_string());
        match bad {
            Some(name) => Err(refused(format!("`{name}` is not a name for a file"))),
            None => Ok(upload),
        }
    }
}

/// The structure an interpreter may have: it is ours, but it goes the way of every module.
const INTERPRETER_LIMITS: StructureLimits = StructureLimits {
    module_bytes: 4 * 1024 * 1024,
    functions: 10_000,
    locals: 10_000,
    nesting: 4_096,
    ..StructureLimits::STANDARD
};

/// Inspects an interpreter.
///
/// # Errors
/// As [`inspect`](crate::inspect); `export_missing` for a module that is no interpreter.
pub fn inspect_interpreter(wasm: &[u8]) -> Result<Arc<Inspected>, Refusal> {
    inspect_within(wasm, &INTERPRETER_LIMITS).map(Arc::new)
}

/// Inspects an upload of JavaScript source for an interpreter. Nothing is evaluated here.
///
/// # Errors
/// `module_too_large`, or `module_malformed` when it is not of the shape of a [`JavaScriptUpload`].
pub fn inspect_javascript(upload: &[u8], interpreter: &Arc<Inspected>) -> Result<Inspected, Refusal> {
    let parsed = JavaScriptUpload::parse(upload)?;
    let needs_http = parsed.capabilities.contains(&ScriptCapability::Http).then_some(Capability::Http);
    let capabilities: BTreeSet<_> = Capability::ALWAYS.into_iter().chain(needs_http).collect();
    let is_used = |import: &&vestibule_abi::host::HostFunction| {
        Capability::of_namespace(import.namespace).is_some_and(|capability| capabilities.contains(&capability))
    };
    Ok(Inspected {
        bytes: upload.into(),
        digest: Sha256::digest(upload).into(),
        imports: interpreter.imports.iter().copied().filter(is_used).collect(),
        capabilities,
        needs_init: true,
        initial_memory_bytes: interpreter.initial_memory_bytes,
        interpreter: Some(Arc::clone(interpreter)),
    })
}
