//! One pass over the sections of a module: how large its parts are, and what is needed to judge what it imports and exports.

use vestibule_abi::{codes::RefusalCode, limits::WASM_PAGE};
use wasmparser::{Encoding, ExternalKind, FuncType, MemoryType, Operator, Parser, Payload, TypeRef, WasmFeatures};

use super::{MEMORY_BYTES, StructureLimits, TABLE_ELEMENTS, malformed};
use crate::refusal::Refusal;

/// What one pass over the sections finds.
pub(super) struct Sections<'m, 'l> {
    limits: &'l StructureLimits,
    pub(super) types: Vec<Option<FuncType>>,
    pub(super) functions: Vec<u32>,
    pub(super) imports: Vec<(&'m str, &'m str, TypeRef)>,
    pub(super) imported_functions: u32,
    pub(super) exports: Vec<(&'m str, ExternalKind, u32)>,
    memories: Vec<MemoryType>,
    globals: u32,
    segments: u32,
    data_bytes: usize,
    custom_sections: u32,
    pub(super) has_start: bool,
}

impl<'m, 'l> Sections<'m, 'l> {
    /// Goes through a module.
    pub(super) fn read(wasm: &'m [u8], limits: &'l StructureLimits) -> Result<Self, Refusal> {
        let mut sections = Self {
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
        };
        let mut parser = Parser::new(0);
        parser.set_features(WasmFeatures::all());
        for payload in parser.parse_all(wasm) {
            sections.section(payload.map_err(|error| malformed(&error))?)?;
        }
        Ok(sections)
    }

    /// The memory it starts with, in bytes.
    pub(super) fn initial_memory_bytes(&self) -> u64 {
        self.memories.first().map_or(0, |memory| memory.initial.saturating_mul(WASM_PAGE))
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
            let message = format!(
                "the module declares {} imports, allowed are {}: import each host function once",
                section.count(),
                self.limits.imports
            );
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
                let message = format!(
                    "the memory starts with {bytes} bytes, allowed are {MEMORY_BYTES}: let it start small and grow, which the \
                     linker does unless it is told an initial size (`--initial-memory`; `initialMemory` of asc)"
                );
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
}

fn structure(what: &str, found: impl std::fmt::Display, allowed: impl std::fmt::Display) -> Refusal {
    Refusal::new(
        RefusalCode::StructureLimit,
        format!(
            "the module has {found} {what}, allowed are {allowed}: leave out what it does not need, or divide the rule"
        ),
    )
}
