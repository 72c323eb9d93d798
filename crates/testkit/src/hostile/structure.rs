//! 5.1: structure, parsing and compilation.

use std::fmt::Write as _;

use vestibule_abi::codes::RefusalCode::{
    FeatureNotAllowed, ModuleMalformed, ModuleTooLarge, StructureLimit, TableLimitDeclared,
};
use wasm_encoder::{
    CodeSection, CustomSection, Encode as _, ExportKind, ExportSection, Function, FunctionSection, MemorySection,
    MemoryType, Module, TypeSection,
};

use super::{Case, Expect, module, refused, text};
use crate::guests;

/// The largest module that may be uploaded.
const MODULE_BYTES: usize = 512 * 1024;

/// Files that are no modules: HR-01, HR-03, HR-05, HR-06.
#[must_use]
pub fn not_modules() -> Vec<Case> {
    let noise = |seed: u64, len: usize| {
        let mut state = seed;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        std::iter::repeat_with(next).take(len).collect::<Vec<u8>>()
    };
    let malformed = |name: &str, bytes: &[u8]| refused("HR-03", name, bytes.to_vec(), ModuleMalformed);
    vec![
        refused("HR-01", "an empty file", Vec::new(), ModuleMalformed),
        refused("HR-01", "one byte", vec![0], ModuleMalformed),
        refused("HR-01", "the magic alone", b"\0asm".to_vec(), ModuleMalformed),
        malformed("random bytes", &noise(1, 4_096)),
        malformed("random bytes behind a header", &[b"\0asm\x01\0\0\0".as_slice(), &noise(2, 4_096)].concat()),
        malformed("the text format", br#"(module (memory (export "memory") 1) (func (export "run")))"#),
        malformed("a gzip", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x63, 0x60, 0x60]),
        malformed("an ELF file", &[b"\x7fELF\x02\x01\x01\0".as_slice(), &[0; 120]].concat()),
        refused("HR-05", "a module of one byte more than allowed", padded(MODULE_BYTES + 1), ModuleTooLarge),
        module("HR-05", "a module as large as allowed", padded(MODULE_BYTES), Expect::Outcome("allow")),
        refused("HR-06", "a component", text("(component)"), FeatureNotAllowed),
        refused("HR-06", "a component with a module in it", text("(component (core module))"), FeatureNotAllowed),
    ]
}

/// One module for each proposal that is switched off: HR-07.
#[must_use]
pub fn proposals() -> Vec<Case> {
    let fields: &[(&str, &str)] = &[
        ("memory64", r#"(memory (export "memory") i64 1) (func (export "run"))"#),
        ("shared memory", r#"(memory (export "memory") 1 1 shared) (func (export "run"))"#),
        ("atomics", r#"(memory (export "memory") 1) (func (export "run") (drop (i32.atomic.load (i32.const 0))))"#),
        ("multi-memory", r#"(memory (export "memory") 1) (memory 1) (func (export "run"))"#),
        ("GC types", r#"(type (struct)) (memory (export "memory") 1) (func (export "run"))"#),
        ("exceptions", r#"(tag) (memory (export "memory") 1) (func (export "run"))"#),
        ("tail calls", r#"(memory (export "memory") 1) (func $run (export "run") (return_call $run))"#),
        (
            "typed references",
            r#"(type $t (func)) (memory (export "memory") 1) (func (export "run") (param) (call_ref $t (ref.null $t)))"#,
        ),
        ("stack switching", r#"(type $f (func)) (type (cont $f)) (memory (export "memory") 1) (func (export "run"))"#),
        (
            "relaxed SIMD",
            r#"(memory (export "memory") 1) (func (export "run") (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0))))"#,
        ),
        ("custom page sizes", r#"(memory (export "memory") 1 (pagesize 1)) (func (export "run"))"#),
        (
            "wide arithmetic",
            r#"(memory (export "memory") 1) (func (export "run") (i64.add128 (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)) drop drop)"#,
        ),
    ];
    fields
        .iter()
        .map(|(name, fields)| refused("HR-07", *name, text(&format!("(module {fields})")), FeatureNotAllowed))
        .collect()
}

/// Binary forms that are odd or wrong: HR-08.
#[must_use]
pub fn binary_forms() -> Vec<Case> {
    let malformed = |name: &str, wasm: Vec<u8>| refused("HR-08", name, wasm, ModuleMalformed);
    let body = guests::empty();
    let with = |tail: &[u8]| [body.as_slice(), tail].concat();
    vec![
        module(
            "HR-08",
            "a long but legal LEB128",
            with(&[0, 0x82, 0x80, 0x80, 0x80, 0x00, 1, b'x']),
            Expect::Outcome("allow"),
        ),
        malformed("a LEB128 of six bytes", with(&[0, 0x82, 0x80, 0x80, 0x80, 0x80, 0x00, 1, b'x'])),
        malformed("a section out of order", with(&[1, 1, 0])),
        malformed("a section twice", [b"\0asm\x01\0\0\0".as_slice(), &[1, 1, 0, 1, 1, 0], &body[8..]].concat()),
        malformed("a second global section that counts to 2^32 - 1", with(&[6, 5, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        malformed("a data count without data", with(&[12, 1, 1])),
        malformed("an unknown section", with(&[99, 0])),
        malformed("a section longer than the file", with(&[0, 0x7f, 1])),
        refused("HR-08", "100 000 custom sections", with(&[0, 1, 0].repeat(100_000)), StructureLimit),
        refused("HR-08", "a million custom sections", with(&[0, 1, 0].repeat(1_000_000)), ModuleTooLarge),
        module("HR-08", "a name section of 400 000 bytes", with(&custom(400_000)), Expect::Outcome("allow")),
    ]
}

/// Structures over a bound: HR-13, HR-14, HR-15, HR-17.
#[must_use]
pub fn structures() -> Vec<Case> {
    let over = |id, name: &str, wasm: Vec<u8>| refused(id, name, wasm, StructureLimit);
    let items = |item: &str, count: usize| text(&format!("(module {})", item.repeat(count)));
    let claims = |section: u8| {
        // A section that counts to a million and ends there.
        [b"\0asm\x01\0\0\0".as_slice(), &[section, 3, 0xc0, 0x84, 0x3d]].concat()
    };
    let mut exports = String::new();
    for number in 0..1_001 {
        write!(exports, r#"(export "e{number}" (memory 0))"#).expect("memory");
    }
    vec![
        refused("HR-13", "a function of 7 654 322 bytes", one_function(&[], &vec![0x01; 7_654_322]), ModuleTooLarge),
        over("HR-13", "50 001 locals", one_function(&[(50_001, wasm_encoder::ValType::I32)], &[])),
        over("HR-13", "1 001 locals", one_function(&[(1_001, wasm_encoder::ValType::I32)], &[])),
        refused(
            "HR-13",
            "1 001 parameters",
            items(&format!("(type (func (param{})))", " i32".repeat(1_001)), 1),
            ModuleMalformed,
        ),
        refused(
            "HR-13",
            "1 001 results",
            items(&format!("(type (func (result{})))", " i32".repeat(1_001)), 1),
            ModuleMalformed,
        ),
        over("HR-14", "5 001 functions", items("(func)", 5_001)),
        over("HR-14", "1 001 types", types(1_001)),
        over("HR-14", "501 globals", items("(global i32 (i32.const 0))", 501)),
        over("HR-14", "1 001 data segments", items("(data \"x\")", 1_001)),
        over("HR-14", "1 001 element segments", items("(elem func)", 1_001)),
        over("HR-14", "1 001 exports", text(&format!("(module (memory 1) {exports})"))),
        over("HR-14", "a million functions, said and not there", claims(3)),
        over("HR-14", "a million types, said and not there", claims(1)),
        over("HR-14", "a million globals, said and not there", claims(6)),
        over("HR-14", "a million exports, said and not there", claims(7)),
        over("HR-14", "a million elements, said and not there", claims(9)),
        over("HR-14", "a million data segments, said and not there", claims(11)),
        refused("HR-14", "a million tables, said and not there", claims(4), TableLimitDeclared),
        over("HR-15", "30 000 trivial functions", items("(func)", 30_000)),
        over("HR-16", "3 000 loops in each other", nested("loop", 3_000)),
        over("HR-17", "257 blocks in each other", nested("block", 257)),
        over("HR-17", "65 536 blocks in each other", nested_bytes(65_536)),
    ]
}

/// Modules just within every bound: each is compiled and runs.
#[must_use]
pub fn within_bounds() -> Vec<Case> {
    let fine = |id, name: &str, wasm| module(id, name, wasm, Expect::Outcome("allow"));
    let arms = format!("(func (param i32) (block (block (br_table {} 1 (local.get 0)))))", "0 ".repeat(60_000));
    vec![
        fine("HR-15", "4 900 trivial functions", guests::rule(&"(func)".repeat(4_900), "(call $ok)")),
        fine("HR-16", "a table of 60 000 branches", guests::rule(&arms, "(call $ok)")),
        fine(
            "HR-16",
            "250 loops in each other",
            guests::rule(&format!("(func {}{})", "loop ".repeat(250), "end ".repeat(250)), "(call $ok)"),
        ),
        fine(
            "HR-18",
            "one function of 60 000 loads",
            guests::rule(&format!("(func {})", "(drop (i32.load (i32.const 8)))".repeat(60_000)), "(call $ok)"),
        ),
    ]
}

/// Blocks one after another, each a join of the one before: quadratic for the optimiser (HR-09, HR-10).
#[must_use]
pub fn chained_blocks(bytes: usize) -> Vec<u8> {
    // (block (br_if 0 (local.get 0)) (local.set 0 (i32.add (local.get 0) (i32.const 1))))
    const LINK: &[u8] = &[0x02, 0x40, 0x20, 0, 0x0d, 0, 0x20, 0, 0x41, 1, 0x6a, 0x21, 0, 0x0b];
    one_function(&[(1, wasm_encoder::ValType::I32)], &LINK.repeat(bytes / LINK.len()))
}

/// Calls whose results all live until the end (HR-11).
#[must_use]
pub fn live_results(calls: usize) -> Vec<u8> {
    let body = format!("{}{}", "(call $one)".repeat(calls), "i32.add ".repeat(calls - 1));
    guests::rule(&format!("(func $one (result i32) (i32.const 1)) (func {body} drop)"), "(call $ok)")
}

/// Loads one after another in one function (HR-12), with the sum kept.
#[must_use]
pub fn loads(count: usize) -> Vec<u8> {
    let body = "(i32.load (i32.const 8)) i32.add ".repeat(count);
    guests::rule(&format!("(func (i32.const 0) {body} drop)"), "(call $ok)")
}

/// A module with `memory` and `run`, whose only function has these locals and instructions.
fn one_function(locals: &[(u32, wasm_encoder::ValType)], instructions: &[u8]) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("run", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    let mut body = Function::new(locals.iter().copied());
    body.raw(instructions.iter().copied());
    body.instructions().end();
    code.function(&body);
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
    module.finish()
}

fn types(count: u32) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    for _ in 0..count {
        types.ty().function([], []);
    }
    module.section(&types);
    module.finish()
}

fn nested(block: &str, depth: usize) -> Vec<u8> {
    let body = format!("{}{}", format!("{block} ").repeat(depth), "end ".repeat(depth));
    guests::rule(&format!("(func {body})"), "(call $ok)")
}

/// As bytes: the text parser has a limit of its own.
fn nested_bytes(depth: usize) -> Vec<u8> {
    one_function(&[], &[[0x02, 0x40].repeat(depth), [0x0b].repeat(depth)].concat())
}

/// The smallest rule with a custom section that makes it this long.
fn padded(bytes: usize) -> Vec<u8> {
    let mut wasm = guests::empty();
    let wanted = bytes - wasm.len();
    // Section id, a length of four bytes, a name of one byte and its length.
    let len = wanted - 5;
    let mut section = vec![0];
    for shift in [0, 7, 14] {
        section.push((len >> shift) as u8 & 0x7f | 0x80);
    }
    section.push((len >> 21) as u8);
    section.extend([1, b'p']);
    section.resize(wanted, 0);
    wasm.extend(section);
    assert_eq!(wasm.len(), bytes);
    wasm
}

fn custom(bytes: usize) -> Vec<u8> {
    let mut encoded = Vec::new();
    let data = vec![0xff; bytes];
    encoded.push(0);
    CustomSection { name: "name".into(), data: data.as_slice().into() }.encode(&mut encoded);
    encoded
}

/// A module that is cut short at every byte, and flipped at every bit: small, and without a custom section.
#[must_use]
pub fn small() -> Vec<u8> {
    text(
        r#"(module
            (import "vestibule_v1" "answer" (func (param i32 i32)))
            (memory (export "memory") 1)
            (global (mut i32) (i32.const 0))
            (table 2 funcref)
            (elem (i32.const 0) func 1)
            (func (export "run") (local i32)
                (global.set 0 (i32.add (global.get 0) (i32.const 1)))
                (if (i32.eqz (local.get 0)) (then (call 0 (i32.const 8) (i32.const 15)))))
            (data (i32.const 8) "{\22continue\22:{}}"))"#,
    )
}
