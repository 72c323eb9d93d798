//! 5.3: CPU, stack, memory.

use vestibule_abi::codes::{
    FailureCode::{MemoryLimit, StackExhausted},
    RefusalCode::{FeatureNotAllowed, MemoryLimitDeclared, TableLimitDeclared},
};

use super::{Case, Expect, SPENT, failed, module, refused, text};
use crate::guests;

/// Guests that use up their CPU: HR-34, HR-38, HR-39, HR-40.
#[must_use]
pub fn cpu() -> Vec<Case> {
    let spends = |id, name: &str, fields: &str, run: &str| {
        module(id, name, guests::rule(fields, run), Expect::FailedWithOneOf(SPENT))
    };
    let whole = |id, name: &str, run: &str| {
        module(
            id,
            name,
            guests::rule_of(&[vestibule_abi::host::Capability::Core], 256, "", run),
            Expect::FailedWithOneOf(SPENT),
        )
    };
    vec![
        spends("HR-34", "an empty loop", "", "(loop (br 0))"),
        spends("HR-34", "a loop with an answer behind it", "", "(loop (br 0)) (call $ok)"),
        spends("HR-34", "a loop after the answer", "", "(call $ok) (loop (br 0))"),
        spends(
            "HR-38",
            "a computed goto",
            "",
            "(local $x i32) (loop $again (block $b (block $a (br_table $a $b $again (i32.rem_u (local.get $x) (i32.const 3))))
             (local.set $x (i32.add (local.get $x) (i32.const 1)))) (local.set $x (i32.add (local.get $x) (i32.const 2))) (br $again))",
        ),
        spends(
            "HR-38",
            "indirect ping-pong",
            "(type $f (func)) (table funcref (elem $ping $pong)) (func $ping) (func $pong)",
            "(loop (call_indirect (type $f) (i32.const 0)) (call_indirect (type $f) (i32.const 1)) (br 0))",
        ),
        whole("HR-39", "memory.fill of 16 MiB for ever", "(loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 16777216)) (br 0))"),
        whole("HR-39", "memory.copy of 8 MiB for ever", "(loop (memory.copy (i32.const 0) (i32.const 8388608) (i32.const 8388608)) (br 0))"),
        whole("HR-39", "a thousand times memory.fill of 16 MiB, without a loop", &format!("{} (call $ok)", "(memory.fill (i32.const 0) (i32.const 7) (i32.const 16777216))".repeat(1_000))),
        whole("HR-39", "memory.fill of nothing for ever", "(loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 0)) (br 0))"),
        spends("HR-40", "table.fill for ever", "(table $t 10000 funcref)", "(loop (table.fill $t (i32.const 0) (ref.null func) (i32.const 10000)) (br 0))"),
        spends("HR-40", "table.grow by nothing for ever", "(table $t 1 funcref)", "(loop (drop (table.grow $t (ref.null func) (i32.const 0))) (br 0))"),
        spends("HR-40", "ref.func churn", "(table $t 1 funcref) (elem declare func $ok)", "(loop (table.set $t (i32.const 0) (ref.func $ok)) (br 0))"),
        spends("HR-40", "memory.grow by nothing for ever", "", "(loop (drop (memory.grow (i32.const 0))) (br 0))"),
        spends("HR-45", "denormals for ever", "", "(local $x f64) (local.set $x (f64.const 0x1p-1070)) (loop (local.set $x (f64.mul (local.get $x) (f64.const 1.0))) (br 0))"),
    ]
}

/// Guests that use up their stack: HR-35, HR-36.
#[must_use]
pub fn stack() -> Vec<Case> {
    let overflows =
        |id, name: &str, fields: &str, run: &str| failed(id, name, guests::rule(fields, run), StackExhausted);
    let wide = format!(
        "(func $wide (local {}) {} (call $wide) {})",
        "i64 ".repeat(900),
        (0..900).map(|local| format!("(local.set {local} (i64.load (i32.const {})))", local * 8)).collect::<String>(),
        (0..900).map(|local| format!("(i64.store (i32.const {}) (local.get {local}))", local * 8)).collect::<String>(),
    );
    vec![
        overflows("HR-35", "self recursion", "(func $down (call $down) (call $down))", "(call $down)"),
        overflows(
            "HR-35",
            "mutual recursion",
            "(func $a (call $b) (call $b)) (func $b (call $a) (call $a))",
            "(call $a)",
        ),
        overflows(
            "HR-35",
            "indirect recursion",
            "(type $f (func)) (table funcref (elem $a)) (func $a (call_indirect (type $f) (i32.const 0)) (call_indirect (type $f) (i32.const 0)))",
            "(call $a)",
        ),
        overflows("HR-36", "frames of 900 locals", &wide, "(call $wide)"),
    ]
}

/// Guests that ask for memory: HR-41, HR-42, HR-43, HR-44.
#[must_use]
pub fn memory() -> Vec<Case> {
    let body = |memory: &str| text(&format!(r#"(module {memory} (func (export "run")))"#));
    let table =
        |tables: &str| text(&format!(r#"(module (memory (export "memory") 1) {tables} (func (export "run")))"#));
    let fine = |id, name: &str, wasm| module(id, name, wasm, Expect::Outcome("allow"));
    let bounded = |maximum: &str, run: &str| {
        guests::module(
            &[vestibule_abi::host::Capability::Core],
            &format!(
                r#"(memory (export "memory") 1 {maximum}) (data (i32.const 8) "{{\22continue\22:{{}}}}")
                (func (export "run") {run} (call $answer (i32.const 8) (i32.const 15)))"#
            ),
        )
    };
    vec![
        fine(
            "HR-41",
            "all of 16 MiB, every page touched",
            bounded(
                "",
                "(local $at i32) (if (i32.eq (memory.grow (i32.const 255)) (i32.const -1)) (then unreachable))
                 (local.set $at (i32.const 65536))
                 (loop (i32.store (local.get $at) (i32.const 1))
                   (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const 16777216))))",
            ),
        ),
        failed("HR-41", "one page more than 16 MiB", bounded("", "(drop (memory.grow (i32.const 256)))"), MemoryLimit),
        failed("HR-41", "page by page until refused", bounded("", "(loop (drop (memory.grow (i32.const 1))) (br 0))"), MemoryLimit),
        failed("HR-41", "2^32 - 1 pages", bounded("", "(drop (memory.grow (i32.const -1)))"), MemoryLimit),
        fine("HR-41", "more than its own maximum", bounded("2", "(if (i32.ne (memory.grow (i32.const 5)) (i32.const -1)) (then unreachable))")),
        refused("HR-42", "4 GiB to begin with", body(r#"(memory (export "memory") 65536)"#), MemoryLimitDeclared),
        refused("HR-42", "one page more than allowed to begin with", body(r#"(memory (export "memory") 257)"#), MemoryLimitDeclared),
        fine("HR-43", "a huge maximum", bounded("65536", "")),
        refused("HR-44", "a table of 10 000 000", table("(table 10000000 funcref)"), TableLimitDeclared),
        refused("HR-44", "a table of 10 001", table("(table 10001 funcref)"), TableLimitDeclared),
        refused("HR-44", "100 tables", table(&"(table 1 funcref)".repeat(100)), TableLimitDeclared),
        refused("HR-44", "100 memories", body(&format!(r#"(memory (export "memory") 1) {}"#, "(memory 1)".repeat(99))), FeatureNotAllowed),
        failed("HR-40", "table.grow over the limit", guests::rule("(table $t 1 funcref)", "(drop (table.grow $t (ref.null func) (i32.const 10000)))"), MemoryLimit),
        fine("HR-40", "table.grow up to the limit", guests::rule("(table $t 1 funcref)", "(drop (table.grow $t (ref.null func) (i32.const 9999))) (call $ok)")),
    ]
}

/// Every kind of trap: HR-46.
#[must_use]
pub fn traps() -> Vec<Case> {
    let fields = "(type $none (func)) (type $one (func (result i32))) (table 4 funcref) (elem (i32.const 0) func $ok)";
    let traps = |name: &str, run: &str, words| module("HR-46", name, guests::rule(fields, run), Expect::Traps(words));
    vec![
        traps("division by zero", "(drop (i32.div_s (i32.const 1) (i32.const 0)))", "integer divide by zero"),
        traps("remainder by zero", "(drop (i64.rem_u (i64.const 1) (i64.const 0)))", "integer divide by zero"),
        traps(
            "the smallest integer by minus one",
            "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
            "integer overflow",
        ),
        traps(
            "not a number as an integer",
            "(drop (i32.trunc_f64_s (f64.const nan)))",
            "invalid conversion to integer",
        ),
        traps("unreachable", "unreachable", "unreachable"),
        traps(
            "an indirect call of another type",
            "(drop (call_indirect (type $one) (i32.const 0)))",
            "indirect call type mismatch",
        ),
        traps("an indirect call of a null", "(call_indirect (type $none) (i32.const 1))", "uninitialized element"),
        traps("an indirect call behind the table", "(call_indirect (type $none) (i32.const 4))", "undefined element"),
        traps("a load behind the memory", "(drop (i32.load (i32.const 65533)))", "out of bounds memory access"),
        traps(
            "a store far behind the memory",
            "(i64.store offset=4294967295 (i32.const -1) (i64.const 0))",
            "out of bounds memory access",
        ),
        traps(
            "memory.copy behind the memory",
            "(memory.copy (i32.const 65535) (i32.const 0) (i32.const 2))",
            "out of bounds memory access",
        ),
        traps("table.get behind the table", "(drop (table.get 0 (i32.const 4)))", "out of bounds table access"),
    ]
}
