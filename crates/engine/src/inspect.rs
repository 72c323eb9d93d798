//! Reads the structure of an upload: what it imports, what it exports, how large its parts are.
//!
//! Nothing is run or compiled here, and every check is linear in the size of the module. The bounds are those of
//! `hostile-rules` §4: the parser's own are far too wide for a service that takes uploads.

use std::{collections::BTreeSet, sync::Arc};

use sha2::{Digest as _, Sha256};
use vestibule_abi::{
    codes::RefusalCode,
    host::{self, Capability, HostFunction},
    limits::{Budget, WASM_PAGE},
};
use wasmparser::{
    BinaryReaderError, Encoding, ExternalKind, FuncType, Operator, Parser, Payload, TypeRef, ValType, Validator,
    WasmFeatures,
};

use crate::{
    refusal::{Refusal, shown},
    settings::ALLOWED_FEATURES,
};

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
        let message = format!("the module has {} bytes, allowed are {}", wasm.len(), limits.module_bytes);
        return Err(Refusal::new(RefusalCode::ModuleTooLarge, message));
    }
    if !wasm.starts_with(b"\0asm") {
        let message = "not a WebAssembly binary: it does not begin with `\\0asm`; text, archives and compiled artifacts are \
                       not accepted";
        return Err(Refusal::new(RefusalCode::ModuleMalformed, message));
    }
    let mut scan = Scan::new(limits);
    scan.sections(wasm)?;
    validate(wasm)?;
    scan.into_inspected(wasm)
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
    let message = format!("not a valid WebAssembly module: {} (at byte {})", shown(error.message()), error.offset());
    Refusal::new(RefusalCode::ModuleMalformed, message)
}

fn feature_not_allowed(error: &BinaryReaderError) -> Refusal {
    let message = format!(
        "{} (at byte {}); rules may use WebAssembly 1.0 with bulk memory, reference types without externref, sign \
         extension, saturating float-to-int, multi-value, extended const and simd",
        shown(error.message()),
        error.offset()
    );
    Refusal::new(RefusalCode::FeatureNotAllowed, message)
}

fn structure(what: &str, found: impl std::fmt::Display, allowed: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalCode::StructureLimit, format!("the module has {found} {what}, allowed are {allowed}"))
}

/// What one pass over the sections finds.
struct Scan<'m, 'l> {
    limits: &'l StructureLimits,
    types: Vec<Option<FuncType>>,
    functions: Vec<u32>,
    imports: Vec<(&'m str, &'m str, TypeRef)>,
    imported_functions: u32,
    exports: Vec<(&'m str, ExternalKind, u32)>,
    memories: Vec<wasmparser::MemoryType>,
    globals: u32,
    segments: u32,
    data_bytes: usize,
    custom_sections: u32,
    has_start: bool,
}

impl<'m, 'l> Scan<'m, 'l> {
    fn new(limits: &'l StructureLimits) -> Self {
        Self {
            limits,
            types: Vec::new(),
            functions: Vec::new(),
            imports: Vec::new(),
            imported_functions: 0,
            exports: Vec::new(),
            memories: Vec::new(),
            globals: 0,
            segments: 0,
            data_bytes: 0,
            custom_sections: 0,
            has_start: false,
        }
    }

    fn sections(&mut self, wasm: &'m [u8]) -> Result<(), Refusal> {
        let mut parser = Parser::new(0);
        parser.set_features(WasmFeatures::all());
        for payload in parser.parse_all(wasm) {
            self.section(payload.map_err(|error| malformed(&error))?)?;
        }
        Ok(())
    }

    fn section(&mut self, payload: Payload<'m>) -> Result<(), Refusal> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                let message = "this is a component; a rule is a core module: build it for wasm32-unknown-unknown";
                Err(Refusal::new(RefusalCode::FeatureNotAllowed, message))
            }
            Payload::TypeSection(section) => self.type_section(section),
            Payload::ImportSection(section) => self.import_section(section),
            Payload::FunctionSection(section) => {
                self.at_most("functions", section.count(), self.limits.functions)?;
                self.functions = section.into_iter().collect::<Result<_, _>>().map_err(|error| malformed(&error))?;
                Ok(())
            }
            Payload::TableSection(section) => self.table_section(section),
            Payload::MemorySection(section) => self.memory_section(section),
            Payload::GlobalSection(section) => {
                self.globals += section.count();
                self.at_most("globals", self.globals, self.limits.globals)
            }
            Payload::ExportSection(section) => self.export_section(section),
            Payload::StartSection { .. } => {
                self.has_start = true;
                Ok(())
            }
            Payload::ElementSection(section) => {
                self.segments = self.segments.saturating_add(section.count());
                self.at_most("segments", self.segments, self.limits.segments)
            }
            Payload::DataSection(section) => self.data_section(section),
            Payload::CodeSectionEntry(body) => self.body(&body).map_err(|refused| *refused),
            Payload::CustomSection(_) => {
                self.custom_sections += 1;
                self.at_most("custom sections", self.custom_sections, self.limits.custom_sections)
            }
            // Everything else is left to the validator.
            _ => Ok(()),
        }
    }

    fn at_most(&self, what: &str, found: u32, allowed: u32) -> Result<(), Refusal> {
        if found > allowed { Err(structure(what, found, allowed)) } else { Ok(()) }
    }

    fn type_section(&mut self, section: wasmparser::TypeSectionReader<'m>) -> Result<(), Refusal> {
        self.at_most("types", section.count(), self.limits.types)?;
        for group in section {
            for sub_type in group.map_err(|error| malformed(&error))?.into_types() {
                self.types.push(match sub_type.composite_type.inner {
                    wasmparser::CompositeInnerType::Func(signature) => Some(signature),
                    _ => None,
                });
                self.at_most("types", u32::try_from(self.types.len()).unwrap_or(u32::MAX), self.limits.types)?;
            }
        }
        Ok(())
    }

    fn import_section(&mut self, section: wasmparser::ImportSectionReader<'m>) -> Result<(), Refusal> {
        if section.count() > self.limits.imports {
            let message =
                format!("the module declares {} imports, allowed are {}", section.count(), self.limits.imports);
            return Err(Refusal::new(RefusalCode::TooManyImports, message));
        }
        for import in section.into_imports() {
            let import = import.map_err(|error| malformed(&error))?;
            if matches!(import.ty, TypeRef::Func(_)) {
                self.imported_functions += 1;
            }
            self.imports.push((import.module, import.name, import.ty));
        }
        Ok(())
    }

    fn table_section(&self, section: wasmparser::TableSectionReader<'m>) -> Result<(), Refusal> {
        let refused = |message: String| Refusal::new(RefusalCode::TableLimitDeclared, message);
        if section.count() > 1 {
            return Err(refused(format!("the module declares {} tables, allowed is 1", section.count())));
        }
        for table in section {
            let table = table.map_err(|error| malformed(&error))?;
            if table.ty.initial > TABLE_ELEMENTS {
                let found = table.ty.initial;
                return Err(refused(format!("the table starts with {found} elements, allowed are {TABLE_ELEMENTS}")));
            }
        }
        Ok(())
    }

    fn memory_section(&mut self, section: wasmparser::MemorySectionReader<'m>) -> Result<(), Refusal> {
        for memory in section {
            let memory = memory.map_err(|error| malformed(&error))?;
            let bytes = memory.initial.saturating_mul(WASM_PAGE);
            if bytes > MEMORY_BYTES {
                let message = format!("the memory starts with {bytes} bytes, allowed are {MEMORY_BYTES}");
                return Err(Refusal::new(RefusalCode::MemoryLimitDeclared, message));
            }
            self.memories.push(memory);
        }
        Ok(())
    }

    fn export_section(&mut self, section: wasmparser::ExportSectionReader<'m>) -> Result<(), Refusal> {
        self.at_most("exports", section.count(), self.limits.exports)?;
        for export in section {
            let export = export.map_err(|error| malformed(&error))?;
            self.exports.push((export.name, export.kind, export.index));
        }
        Ok(())
    }

    fn data_section(&mut self, section: wasmparser::DataSectionReader<'m>) -> Result<(), Refusal> {
        self.segments = self.segments.saturating_add(section.count());
        self.at_most("segments", self.segments, self.limits.segments)?;
        for data in section {
            self.data_bytes += data.map_err(|error| malformed(&error))?.data.len();
        }
        if self.data_bytes > self.limits.data_bytes {
            return Err(structure("bytes of data", self.data_bytes, self.limits.data_bytes));
        }
        Ok(())
    }

    /// Locals and nesting, before anything recursive sees the body.
    fn body(&self, body: &wasmparser::FunctionBody<'m>) -> Result<(), Box<Refusal>> {
        let malformed = |error| Box::new(malformed(&error));
        let mut locals = 0_u32;
        for group in body.get_locals_reader().map_err(malformed)? {
            locals = locals.saturating_add(group.map_err(malformed)?.0);
        }
        self.at_most("locals in one function", locals, self.limits.locals)?;
        let mut nesting = 0_u32;
        let mut operators = body.get_operators_reader().map_err(malformed)?;
        while !operators.eof() {
            match operators.read().map_err(malformed)? {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                    nesting += 1;
                }
                Operator::End => nesting = nesting.saturating_sub(1),
                _ => {}
            }
            self.at_most("nested blocks", nesting, self.limits.nesting)?;
        }
        Ok(())
    }

    fn into_inspected(self, wasm: &[u8]) -> Result<Inspected, Refusal> {
        let imports = self.host_imports()?;
        self.export_is_memory()?;
        self.export_is_function(host::RUN_EXPORT, true)?;
        let has_initializer = self.export_is_function(host::INITIALIZE_EXPORT, false)?;
        let capabilities = imports
            .iter()
            .filter_map(|function| Capability::of_namespace(function.namespace))
            .chain([Capability::Core])
            .collect();
        Ok(Inspected {
            bytes: wasm.into(),
            digest: Sha256::digest(wasm).into(),
            imports,
            capabilities,
            needs_init: self.has_start || has_initializer,
            initial_memory_bytes: self.memories.first().map_or(0, |memory| memory.initial.saturating_mul(WASM_PAGE)),
            interpreter: None,
        })
    }

    fn host_imports(&self) -> Result<Vec<&'static HostFunction>, Refusal> {
        let mut found: Vec<&'static HostFunction> = Vec::new();
        for (namespace, name, ty) in &self.imports {
            let function = self.host_import(namespace, name, ty)?;
            if !found.contains(&function) {
                found.push(function);
            }
        }
        Ok(found)
    }

    fn host_import(&self, namespace: &str, name: &str, ty: &TypeRef) -> Result<&'static HostFunction, Refusal> {
        let import = format!("`{}.{}`", shown(namespace), shown(name));
        if Capability::of_namespace(namespace).is_none() && is_other_version(namespace) {
            let message = format!(
                "the module imports {import}, another version of the ABI; this host speaks {}, {} and {}: build the \
                 rule with the SDK that belongs to it",
                host::CORE,
                host::HTTP,
                host::FILE
            );
            return Err(Refusal::new(RefusalCode::AbiVersionUnsupported, message));
        }
        let unknown = || {
            let message = format!(
                "the module imports {import}, which no capability offers; a rule may import only functions of {}, {} \
                 and {}",
                host::CORE,
                host::HTTP,
                host::FILE
            );
            Refusal::new(RefusalCode::ImportUnknown, message)
        };
        let TypeRef::Func(index) = ty else { return Err(unknown()) };
        let function = host::lookup(namespace, name).ok_or_else(unknown)?;
        let signature = usize::try_from(*index).ok().and_then(|index| self.types.get(index)).and_then(Option::as_ref);
        if signature.is_some_and(|signature| has_type_of(signature, function)) {
            return Ok(function);
        }
        let message = format!("the module imports {import} with another type; its type is {function}");
        Err(Refusal::new(RefusalCode::ImportTypeMismatch, message))
    }

    fn export(&self, name: &str) -> Option<(ExternalKind, u32)> {
        self.exports.iter().find(|(export, ..)| *export == name).map(|&(_, kind, index)| (kind, index))
    }

    fn export_is_memory(&self) -> Result<(), Refusal> {
        match self.export(host::MEMORY_EXPORT) {
            Some((ExternalKind::Memory, _)) => Ok(()),
            Some(_) => Err(Refusal::new(RefusalCode::ExportTypeMismatch, "the export `memory` is not a memory")),
            None => Err(Refusal::new(
                RefusalCode::ExportMissing,
                "the module exports no `memory`: export its linear memory under that name",
            )),
        }
    }

    /// Whether there is such an export; an error if it is required and absent, or is not `() -> ()`.
    fn export_is_function(&self, name: &str, required: bool) -> Result<bool, Refusal> {
        let Some((kind, index)) = self.export(name) else {
            if !required {
                return Ok(false);
            }
            let message = format!("the module exports no `{name}`: export a function of that name, () -> ()");
            return Err(Refusal::new(RefusalCode::ExportMissing, message));
        };
        let signature = match kind {
            ExternalKind::Func => self.signature_of(index),
            _ => None,
        };
        if signature.is_some_and(|signature| signature.params().is_empty() && signature.results().is_empty()) {
            return Ok(true);
        }
        let message = format!("the export `{name}` is not a function of type () -> ()");
        Err(Refusal::new(RefusalCode::ExportTypeMismatch, message))
    }

    fn signature_of(&self, function: u32) -> Option<&FuncType> {
        let type_index = match function.checked_sub(self.imported_functions) {
            Some(defined) => *self.functions.get(usize::try_from(defined).ok()?)?,
            None => self
                .imports
                .iter()
                .filter_map(|(.., ty)| if let TypeRef::Func(index) = ty { Some(*index) } else { None })
                .nth(usize::try_from(function).ok()?)?,
        };
        self.types.get(usize::try_from(type_index).ok()?)?.as_ref()
    }
}

fn has_type_of(signature: &FuncType, function: &HostFunction) -> bool {
    signature.params().len() == function.params.len()
        && signature.results().len() == usize::from(function.returns)
        && signature.params().iter().chain(signature.results()).all(|ty| *ty == ValType::I32)
}

/// Whether a namespace looks like ours with another version number, such as `vestibule_v2`.
fn is_other_version(namespace: &str) -> bool {
    let Some((family, version)) = namespace.rsplit_once("_v") else { return false };
    matches!(family, "vestibule" | "vestibule_http" | "vestibule_file")
        && !version.is_empty()
        && version.bytes().all(|digit| digit.is_ascii_digit())
}
