//! The modules that are measured: our rule in two languages, their floors, and rules that misbehave.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context as _, ensure};
use vestibule_abi::{
    host::{FORM_DOCUMENT, RUN_EXPORT},
    limits,
};
use vestibule_pipeline::Manifest;
use wasm_encoder::{CodeSection, CustomSection, Encode as _, Function, RawSection};
use wasmparser::{BinaryReader, CodeSectionReader, ExternalKind, Parser, Payload, TypeRef};

/// The languages the rule of `guests/` is written in: how a report calls them, and their folder.
pub const LANGUAGES: [(&str, &str); 2] = [("Rust", "rust"), ("AssemblyScript", "assemblyscript")];

/// A module that does nothing and has one page of memory.
pub const EMPTY: &str = r#"(module (memory (export "memory") 1) (func (export "run")))"#;

/// A rule that never ends by itself.
pub const SPINNING: &str = r#"(module (memory (export "memory") 1) (func (export "run") (loop $on (br $on))))"#;

/// What the rule in a language declares.
///
/// # Errors
/// When its `rule.toml` cannot be read.
pub fn manifest(folder: &str) -> anyhow::Result<Manifest> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests").join(folder).join("rule.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Manifest::parse(&text).with_context(|| path.display().to_string())
}

/// The module of the rule in a language; built when it is not there or older than its source.
///
/// # Errors
/// When it cannot be built: the message says what to do.
pub fn built(folder: &str) -> anyhow::Result<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests").join(folder);
    let module = folder.join("target/rule.wasm");
    if changed(&module)
        .is_none_or(|built| sources(&folder).iter().filter_map(|path| changed(path)).any(|at| at > built))
    {
        build(&folder)?;
    }
    fs::read(&module).with_context(|| format!("cannot read {}", module.display()))
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    ["src/lib.rs", "assembly/index.ts", "Cargo.toml", "package.json", "asconfig.json"]
        .map(|file| folder.join(file))
        .into()
}

/// The `vestibule` command knows the compilers of rules; nothing else here does.
fn build(folder: &Path) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    // Benchmarks lie in `deps`, below the programs of the same profile.
    let beside = program.ancestors().nth(2).map(|profile| profile.join("vestibule")).filter(|path| path.is_file());
    let vestibule = std::env::var_os("VESTIBULE").map(PathBuf::from).or(beside).with_context(|| {
        format!(
            "{} is not built, and there is no `vestibule` command beside the benchmarks to build it: use `cargo xtask \
             bench`, or `vestibule build {0}`",
            folder.display()
        )
    })?;
    let status = Command::new(&vestibule).arg("build").arg(folder).stdin(Stdio::null()).status()?;
    ensure!(status.success(), "`{} build {}` failed", vestibule.display(), folder.display());
    Ok(())
}

/// The floor of a rule: the same module, byte for byte, but that its `run` returns at once. Memory, data, globals,
/// imports and all other functions stay, so that instantiating, resetting and dropping it costs the same.
///
/// # Errors
/// When the module is not one.
pub fn floor(wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    with_run(wasm, &Shape::of(wasm)?, Function::new([]))
}

/// The same module, but that its `run` fetches the event, of so many bytes, to the end of its memory, and no more.
///
/// # Errors
/// When the module is not one, does not import what it takes, or has no such memory.
pub fn fetching(wasm: &[u8], event_bytes: usize) -> anyhow::Result<Vec<u8>> {
    let shape = Shape::of(wasm)?;
    let place = shape.memory_bytes.checked_sub(event_bytes as u64 + 16).context("the memory is too small")? & !15;
    let mut run = Function::new([]);
    run.instructions().i32_const(FORM_DOCUMENT).call(shape.import("event_len")?).drop();
    run.instructions().i32_const(FORM_DOCUMENT).i32_const(i32::try_from(place)?).call(shape.import("event_read")?);
    with_run(wasm, &shape, run)
}

/// What has to be known of a module to give it another `run`.
#[derive(Default)]
struct Shape {
    /// The functions it imports, by their names.
    imports: Vec<String>,
    /// The place of `run` among the functions that it defines itself.
    run: usize,
    /// What its memory has at first.
    memory_bytes: u64,
}

impl Shape {
    fn of(wasm: &[u8]) -> anyhow::Result<Self> {
        let (mut shape, mut run) = (Self::default(), None);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if matches!(import.ty, TypeRef::Func(_)) {
                            shape.imports.push(import.name.to_owned());
                        }
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        shape.memory_bytes = memory?.initial * limits::WASM_PAGE;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func && export.name == RUN_EXPORT {
                            run = Some(usize::try_from(export.index)?);
                        }
                    }
                }
                _ => {}
            }
        }
        let run = run.and_then(|run| run.checked_sub(shape.imports.len()));
        Ok(Self { run: run.context("the module exports no `run` of its own")?, ..shape })
    }

    fn import(&self, wanted: &str) -> anyhow::Result<u32> {
        let found = self.imports.iter().position(|name| name == wanted);
        Ok(u32::try_from(found.with_context(|| format!("the module does not import `{wanted}`"))?)?)
    }
}

/// The same module with another body of `run`.
fn with_run(wasm: &[u8], shape: &Shape, mut run: Function) -> anyhow::Result<Vec<u8>> {
    run.instructions().end();
    let mut changed = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        let code = match &payload {
            Payload::CodeSectionStart { range, .. } => {
                Some(code_with(wasm.get(range.clone()).unwrap_or_default(), shape.run, &run)?)
            }
            _ => None,
        };
        match (code, payload.as_section()) {
            (Some(code), _) => changed.section(&code),
            (None, Some((id, range))) => changed.section(&RawSection { id, data: wasm.get(range).unwrap_or_default() }),
            (None, None) => &mut changed,
        };
    }
    Ok(changed.finish())
}

fn code_with(section: &[u8], changed: usize, by: &Function) -> anyhow::Result<CodeSection> {
    let mut code = CodeSection::new();
    for (position, body) in CodeSectionReader::new(BinaryReader::new(section, 0))?.into_iter().enumerate() {
        if position == changed {
            code.function(by);
        } else {
            let body = body?.range();
            code.raw(section.get(body).unwrap_or_default());
        }
    }
    Ok(code)
}

/// The same rule as another module: with another digest, code and image of its own when it is loaded.
#[must_use]
pub fn distinct(wasm: &[u8], number: usize) -> Vec<u8> {
    let mut wasm = wasm.to_vec();
    let data = number.to_le_bytes();
    let section = CustomSection { name: "bench".into(), data: (&data[..]).into() };
    wasm.push(0); // A custom section.
    section.encode(&mut wasm);
    wasm
}

/// The module of a text.
///
/// # Errors
/// When the text is wrong.
pub fn module(text: &str) -> anyhow::Result<Vec<u8>> {
    Ok(wat::parse_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_differs_in_the_body_of_run_alone() {
        let rule = module(
            r#"(module (import "vestibule_v1" "answer" (func (param i32 i32)))
                 (memory (export "memory") 1)
                 (func $other (result i32) (i32.const 7))
                 (func (export "run") (call 0 (call $other) (i32.const 1)))
                 (func (export "last") (nop))
                 (data (i32.const 8) "data"))"#,
        )
        .unwrap();
        let empty = module(
            r#"(module (import "vestibule_v1" "answer" (func (param i32 i32)))
                 (memory (export "memory") 1)
                 (func $other (result i32) (i32.const 7))
                 (func (export "run"))
                 (func (export "last") (nop))
                 (data (i32.const 8) "data"))"#,
        )
        .unwrap();
        let strip = |wasm: &[u8]| wat_of(wasm);
        assert_eq!(strip(&floor(&rule).unwrap()), strip(&empty));
    }

    #[test]
    fn a_rule_that_only_fetches_calls_what_the_module_imports() {
        let rule = module(
            r#"(module (import "vestibule_v1" "event_len" (func (param i32) (result i32)))
                 (import "vestibule_v1" "event_read" (func (param i32 i32)))
                 (memory (export "memory") 1)
                 (func (export "run") (unreachable)))"#,
        )
        .unwrap();
        let fetching_rule = module(
            r#"(module (import "vestibule_v1" "event_len" (func (param i32) (result i32)))
                 (import "vestibule_v1" "event_read" (func (param i32 i32)))
                 (memory (export "memory") 1)
                 (func (export "run")
                   (drop (call 0 (i32.const 1)))
                   (call 1 (i32.const 1) (i32.const 65520))))"#,
        )
        .unwrap();
        assert_eq!(fetching(&rule, 0).unwrap(), fetching_rule);
        assert!(fetching(&rule, 1 << 16).is_err(), "no room");
    }

    #[test]
    fn distinct_modules_are_valid_and_differ() {
        let (one, other) = (distinct(&module(EMPTY).unwrap(), 1), distinct(&module(EMPTY).unwrap(), 2));
        assert_ne!(one, other);
        assert!(Parser::new(0).parse_all(&one).all(|payload| payload.is_ok()));
    }

    /// The sections of a module without the custom ones, which name functions.
    fn wat_of(wasm: &[u8]) -> Vec<Vec<u8>> {
        let payloads = Parser::new(0).parse_all(wasm).map(|payload| payload.unwrap());
        let sections = payloads.filter_map(|payload| payload.as_section());
        sections.filter(|(id, _)| *id != 0).map(|(_, range)| wasm[range].to_vec()).collect()
    }
}
