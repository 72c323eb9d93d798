//! Makes a random module tell what it did: after its own `run`, it answers with a digest of its memory and globals.
//!
//! Random modules hardly ever answer by themselves, so two engines could differ and nobody would see it.

use vestibule_abi::host::{CORE, RUN_EXPORT};
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemArg,
    Module, TypeSection,
    reencode::{Error, Reencode, utils},
};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// The module with a `run` that runs the old one and answers with eight bytes of digest; `None` for a module without
/// imports or with no `run`, to which nothing can be added so simply.
#[must_use]
pub fn fingerprinted(wasm: &[u8]) -> Option<Vec<u8>> {
    let mut fingerprint = Fingerprint::of(wasm)?;
    let mut module = Module::new();
    utils::parse_core_module(&mut fingerprint, &mut module, Parser::new(0), wasm).ok()?;
    Some(module.finish())
}

/// What is known of the module before it is written again.
#[derive(Debug, Default)]
struct Fingerprint {
    types: u32,
    imported: u32,
    defined: u32,
    run: Option<u32>,
    globals: Vec<wasmparser::ValType>,
}

impl Fingerprint {
    fn of(wasm: &[u8]) -> Option<Self> {
        let (mut this, mut has_imports) = (Self::default(), false);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.ok()? {
                Payload::TypeSection(section) => {
                    for group in section {
                        this.types += group.ok()?.types().len() as u32;
                    }
                }
                Payload::ImportSection(section) => {
                    has_imports = true;
                    for import in section.into_imports() {
                        this.imported += u32::from(matches!(import.ok()?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(section) => this.defined = section.count(),
                Payload::GlobalSection(section) => {
                    for global in section {
                        this.globals.push(global.ok()?.ty.content_type);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.ok()?;
                        if export.name == RUN_EXPORT && export.kind == ExternalKind::Func {
                            this.run = Some(export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        (has_imports && this.run.is_some()).then_some(this)
    }

    /// The imported `answer` comes after the module's own imports.
    fn answer(&self) -> u32 {
        self.imported
    }

    /// The new `run` comes after everything.
    fn new_run(&self) -> u32 {
        self.imported + 1 + self.defined
    }

    fn body(&self) -> Function {
        const PRIME: i64 = 0x100_0000_01b3;
        const MOST_BYTES: i32 = 4 * 65_536;
        let word = MemArg { offset: 0, align: 0, memory_index: 0 };
        let (at, end, digest) = (0, 1, 2);
        let mut function = Function::new([(2, wasm_encoder::ValType::I32), (1, wasm_encoder::ValType::I64)]);
        let mut code = function.instructions();
        code.call(self.moved(self.run.unwrap_or_default()));
        for (index, ty) in self.globals.iter().enumerate() {
            let index = index as u32;
            match ty {
                wasmparser::ValType::I32 => code.global_get(index).i64_extend_i32_u(),
                wasmparser::ValType::I64 => code.global_get(index),
                wasmparser::ValType::F32 => code.global_get(index).i32_reinterpret_f32().i64_extend_i32_u(),
                wasmparser::ValType::F64 => code.global_get(index).i64_reinterpret_f64(),
                wasmparser::ValType::V128 | wasmparser::ValType::Ref(_) => continue,
            };
            code.local_get(digest).i64_xor().i64_const(PRIME).i64_mul().local_set(digest);
        }
        // end = min(size, most); while at < end { digest = (digest ^ memory[at]) * prime; at += 8 }
        code.memory_size(0).i32_const(65_536).i32_mul().local_tee(end);
        code.i32_const(MOST_BYTES).local_get(end).i32_const(MOST_BYTES).i32_lt_u().select().local_set(end);
        code.block(BlockType::Empty).loop_(BlockType::Empty);
        code.local_get(at).local_get(end).i32_ge_u().br_if(1);
        code.local_get(digest).local_get(at).i64_load(word).i64_xor().i64_const(PRIME).i64_mul().local_set(digest);
        code.local_get(at).i32_const(8).i32_add().local_set(at).br(0).end().end();
        // A module without memory grows some to answer from.
        code.memory_size(0).i32_eqz().if_(BlockType::Empty).i32_const(1).memory_grow(0).drop().end();
        code.i32_const(0).local_get(digest).i64_store(word);
        code.i32_const(0).i32_const(8).call(self.answer()).end();
        function
    }

    /// The index that a function of the module has now.
    fn moved(&self, function: u32) -> u32 {
        if function < self.imported { function } else { function + 1 }
    }
}

type Rewritten<T = ()> = Result<T, Error<std::convert::Infallible>>;

impl Reencode for Fingerprint {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Rewritten<u32> {
        Ok(self.moved(function))
    }

    fn parse_type_section(&mut self, types: &mut TypeSection, section: wasmparser::TypeSectionReader<'_>) -> Rewritten {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([wasm_encoder::ValType::I32; 2], []);
        types.ty().function([], []);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Rewritten {
        utils::parse_import_section(self, imports, section)?;
        imports.import(CORE, "answer", EntityType::Function(self.types));
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Rewritten {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.types + 1);
        Ok(())
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: wasmparser::Export<'_>) -> Rewritten {
        if export.name == RUN_EXPORT {
            exports.export(RUN_EXPORT, ExportKind::Func, self.new_run());
            return Ok(());
        }
        utils::parse_export(self, exports, export)
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: wasmparser::CodeSectionReader<'_>) -> Rewritten {
        utils::parse_code_section(self, code, section)?;
        code.function(&self.body());
        Ok(())
    }
}
