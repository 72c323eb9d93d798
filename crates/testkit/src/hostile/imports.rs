//! 5.2: imports, exports, start.

use std::fmt::Write as _;

use vestibule_abi::codes::RefusalCode::{
    AbiVersionUnsupported, CapabilityDenied, ExportMissing, ExportTypeMismatch, ImportTypeMismatch, ImportUnknown,
    InitFailed, ModuleMalformed, SmokeFailed, StructureLimit, TooManyImports,
};

use super::{Case, Expect, module, refused, text};
use crate::guests;

const BODY: &str = r#"(memory (export "memory") 1) (func (export "run"))"#;

/// What is imported: HR-22 … HR-26, HR-66, HR-97, HR-98.
#[must_use]
pub fn imports() -> Vec<Case> {
    let importing = |import: &str| text(&format!("(module {import} {BODY})"));
    let function = |namespace: &str, name: &str| importing(&format!(r#"(import "{namespace}" "{name}" (func))"#));
    let unknown = |id, name: &str, wasm| refused(id, name, wasm, ImportUnknown);
    let many = |count: usize| importing(&r#"(import "vestibule_v1" "log" (func (param i32 i32 i32)))"#.repeat(count));
    let version = |namespace: &str| refused("HR-66", namespace, function(namespace, "answer"), AbiVersionUnsupported);
    vec![
        unknown("HR-22", "env.system", function("env", "system")),
        unknown("HR-22", "WASI", function("wasi_snapshot_preview1", "fd_write")),
        unknown("HR-22", "an unknown function of ours", function("vestibule_v1", "get_secret")),
        unknown("HR-22", "a namespace that only looks like ours", function("vestibule_v1 ", "answer")),
        unknown("HR-22", "a Cyrillic look-alike", function("v\u{435}stibule_v1", "answer")),
        unknown("HR-97", "a clock", function("wasi_snapshot_preview1", "clock_time_get")),
        unknown("HR-98", "randomness", function("wasi_snapshot_preview1", "random_get")),
        refused(
            "HR-23",
            "i64 instead of i32",
            importing(r#"(import "vestibule_v1" "answer" (func (param i64 i32)))"#),
            ImportTypeMismatch,
        ),
        refused(
            "HR-23",
            "a parameter too few",
            importing(r#"(import "vestibule_v1" "answer" (func (param i32)))"#),
            ImportTypeMismatch,
        ),
        refused(
            "HR-23",
            "a result too many",
            importing(r#"(import "vestibule_v1" "answer" (func (param i32 i32) (result i32)))"#),
            ImportTypeMismatch,
        ),
        unknown(
            "HR-24",
            "a memory",
            text(
                r#"(module (import "vestibule_v1" "memory" (memory 1)) (export "memory" (memory 0)) (func (export "run")))"#,
            ),
        ),
        unknown("HR-24", "a table", importing(r#"(import "vestibule_v1" "answer" (table 1 funcref))"#)),
        unknown("HR-24", "a global", importing(r#"(import "vestibule_v1" "answer" (global i32))"#)),
        unknown("HR-24", "a mutable global", importing(r#"(import "vestibule_v1" "answer" (global (mut i32)))"#)),
        refused("HR-25", "10 000 imports", many(10_000), TooManyImports),
        unknown("HR-25", "a name of 90 000 bytes", function("env", &"x".repeat(90_000))),
        refused("HR-25", "a name of 100 001 bytes", function("env", &"x".repeat(100_001)), ModuleMalformed),
        unknown("HR-25", "a name with a line end, NUL and bidi override", function("env", r"a\0ab\00c\e2\80\ae")),
        refused("HR-26", "the same import 1 000 times", many(1_000), TooManyImports),
        module("HR-26", "the same import 64 times", importing_ok(64), Expect::Outcome("allow")),
        version("vestibule_v0"),
        version("vestibule_v2"),
        version("vestibule_v99"),
        version("vestibule_http_v2"),
        version("vestibule_file_v0"),
        refused(
            "HR-22",
            "HTTP that is not granted",
            guests::rule_of(guests::ALL, 1, "", "(call $ok)"),
            CapabilityDenied,
        ),
    ]
}

/// What is exported: HR-27, HR-28, HR-29.
#[must_use]
pub fn exports() -> Vec<Case> {
    let of = |fields: &str| text(&format!("(module {fields})"));
    let mut many = String::new();
    for number in 0..20_000 {
        write!(many, r#"(export "{number}" (memory 0))"#).expect("memory");
    }
    let missing = |name: &str, fields: &str| refused("HR-27", name, of(fields), ExportMissing);
    let wrong = |name: &str, fields: &str| refused("HR-28", name, of(fields), ExportTypeMismatch);
    vec![
        missing("no memory", r#"(func (export "run"))"#),
        missing("a memory that is not exported", r#"(memory 1) (func (export "run"))"#),
        missing("no run", r#"(memory (export "memory") 1)"#),
        missing("nothing at all", ""),
        wrong("a global called run", r#"(memory (export "memory") 1) (global (export "run") i32 (i32.const 0))"#),
        wrong(
            "a run with a result",
            r#"(memory (export "memory") 1) (func (export "run") (result f64) (f64.const 0))"#,
        ),
        wrong("a run with a parameter", r#"(memory (export "memory") 1) (func (export "run") (param i32))"#),
        wrong("a function called memory", r#"(func (export "memory")) (func (export "run"))"#),
        wrong("an initialiser with a parameter", &format!(r#"{BODY} (func (export "_initialize") (param i32))"#)),
        module(
            "HR-29",
            "exports nobody asked for",
            guests::rule(
                r#"(func (export "alloc") unreachable) (func (export "r\d1\83n") unreachable) (global (export "__heap_base") i32 (i32.const 1))"#,
                "(call $ok)",
            ),
            Expect::Outcome("allow"),
        ),
        refused("HR-29", "20 000 exports", of(&format!("(memory 1) {many}")), StructureLimit),
    ]
}

/// What runs before the first login: HR-30, HR-31, HR-32, HR-57. A start function runs once, at deploy, confined.
#[must_use]
pub fn start() -> Vec<Case> {
    let init = |id, name: &str, fields: &str| {
        refused(id, name, guests::rule(&format!("(start $go) {fields}"), "(call $ok)"), InitFailed)
    };
    let smoke = |name: &str, fields: &str| refused("HR-32", name, guests::rule(fields, "(call $ok)"), SmokeFailed);
    let fine =
        |id, name: &str, fields: &str| module(id, name, guests::rule(fields, "(call $ok)"), Expect::Outcome("allow"));
    vec![
        init("HR-30", "a start function that loops", "(func $go (loop (br 0)))"),
        init("HR-31", "a start function that traps", "(func $go unreachable)"),
        init("HR-31", "a start function that recurses", "(func $go (call $go))"),
        init(
            "HR-31",
            "a start function that takes all memory",
            "(func $go (loop (drop (memory.grow (i32.const 16))) (br 0)))",
        ),
        init("HR-57", "a start function that calls the host", "(func $go (call $ok))"),
        init("HR-57", "a start function that asks for the event", "(func $go (drop (call $event_len (i32.const 0))))"),
        refused(
            "HR-30",
            "an initialiser that loops",
            guests::rule(r#"(func (export "_initialize") (loop (br 0)))"#, "(call $ok)"),
            InitFailed,
        ),
        fine(
            "HR-31",
            "a start function that behaves",
            "(start $go) (func $go (i32.store (i32.const 64) (i32.const 7)))",
        ),
        fine(
            "HR-31",
            "a start function that fills its memory",
            "(start $go) (func $go (drop (memory.grow (i32.const 15))) (memory.fill (i32.const 64) (i32.const 1) (i32.const 1000000)))",
        ),
        smoke("a data segment behind the memory", r#"(data (i32.const 65536) "x")"#),
        smoke("a data segment at minus one", r#"(data (i32.const -1) "x")"#),
        smoke("an element segment behind the table", "(table 1 funcref) (elem (i32.const 1) func $ok)"),
    ]
}

fn importing_ok(count: usize) -> Vec<u8> {
    let again = r#"(import "vestibule_v1" "log" (func (param i32 i32 i32)))"#.repeat(count - 1);
    text(&format!(
        r#"(module (import "vestibule_v1" "answer" (func $answer (param i32 i32))) {again}
        (memory (export "memory") 1) (data (i32.const 8) "{{\22continue\22:{{}}}}")
        (func (export "run") (call $answer (i32.const 8) (i32.const 15))))"#
    ))
}
