//! Guests that are not random: small ones for each part of WebAssembly that a rule lives on, and the example rules, once
//! they are built.

use std::{fs, path::Path};

/// The small guests, by name. Each answers; none depends on the bits of a NaN.
#[must_use]
pub fn guests() -> Vec<(&'static str, Vec<u8>)> {
    GUESTS
        .iter()
        .map(|(name, body)| (*name, wat::parse_str(format!("{PRELUDE}{body})")).expect("the text is a module")))
        .collect()
}

/// The example rules, all of them: `rules-examples/*/target/rule.wasm`, as `vestibule build` makes them.
///
/// # Panics
/// When one has not been built: a test that tried nothing would pass.
#[must_use]
pub fn built_rules() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-examples");
    let rules = fs::read_dir(folder).expect("the example rules").map(|rule| rule.expect("a rule").path());
    let modules = rules.filter(|rule| {
        let manifest = fs::read_to_string(rule.join("rule.toml")).unwrap_or_default();
        manifest.lines().any(|line| line == "module = \"target/rule.wasm\"")
    });
    let mut built: Vec<_> = modules
        .map(|rule| {
            let name = rule.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let wasm = fs::read(rule.join("target/rule.wasm"));
            (name, wasm.expect("an example rule is not built: `vestibule build rules-examples`"))
        })
        .collect();
    assert!(built.len() >= 10, "only {} example rules have modules", built.len());
    built.sort();
    built
}

const PRELUDE: &str = r#"(module
    (import "vestibule_v1" "event_len" (func $event_len (param i32) (result i32)))
    (import "vestibule_v1" "event_read" (func $event_read (param i32 i32)))
    (import "vestibule_v1" "answer" (func $answer (param i32 i32)))
    (import "vestibule_v1" "log" (func $log (param i32 i32 i32)))
    (import "vestibule_file_v1" "open" (func $open (param i32 i32) (result i32)))
    (import "vestibule_file_v1" "size" (func $size (param i32) (result i32)))
    (import "vestibule_file_v1" "read" (func $read (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
"#;

const GUESTS: &[(&str, &str)] = &[
    (
        "integers",
        r#"(func (export "run") (local $i i32) (local $x i64)
            (local.set $x (i64.const 0x123456789abcdef))
            (loop $next
                (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
                (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
                (local.set $x (i64.xor (local.get $x) (i64.rotl (local.get $x) (i64.const 17))))
                (local.set $x (i64.add (local.get $x) (i64.rem_s (local.get $x) (i64.const -977))))
                (local.set $x (i64.add (local.get $x) (i64.div_u (local.get $x) (i64.const 31))))
                (local.set $x (i64.mul (local.get $x) (i64.extend_i32_s (i32.wrap_i64 (local.get $x)))))
                (local.set $x (i64.add (local.get $x) (i64.clz (local.get $x))))
                (local.set $x (i64.sub (local.get $x) (i64.ctz (local.get $x))))
                (local.set $x (i64.xor (local.get $x) (i64.popcnt (local.get $x))))
                (local.set $x (i64.add (local.get $x) (i64.extend8_s (local.get $x))))
                (i64.store (i32.shl (local.get $i) (i32.const 3)) (local.get $x))
                (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
            (call $answer (i32.const 0) (i32.const 8000)))"#,
    ),
    (
        "floats",
        r#"(func (export "run") (local $i i32) (local $x f64) (local $y f32)
            (local.set $x (f64.const 0.1)) (local.set $y (f32.const 3.3))
            (loop $next
                (local.set $x (f64.add (f64.mul (local.get $x) (f64.const 1.0000001)) (f64.const 1e-9)))
                (local.set $x (f64.sqrt (f64.abs (f64.sub (local.get $x) (f64.const 1234.5678)))))
                (local.set $x (f64.max (local.get $x) (f64.promote_f32 (local.get $y))))
                (local.set $y (f32.demote_f64 (f64.div (local.get $x) (f64.const 3))))
                (local.set $y (f32.add (local.get $y) (f32.nearest (local.get $y))))
                (local.set $x (f64.copysign (f64.floor (local.get $x)) (f64.neg (local.get $x))))
                (local.set $x (f64.add (local.get $x) (f64.convert_i64_s (i64.trunc_sat_f64_s (f64.const 1e300)))))
                (local.set $x (f64.add (f64.const 0.3) (f64.min (f64.const 7e3) (f64.abs (local.get $x)))))
                (f64.store (i32.shl (local.get $i) (i32.const 4)) (local.get $x))
                (f32.store offset=8 (i32.shl (local.get $i) (i32.const 4)) (local.get $y))
                (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 500))))
            (call $answer (i32.const 0) (i32.const 8000)))"#,
    ),
    (
        "memory",
        r#"(data $passive "passive data") (data (i32.const 65000) "active data")
        (func (export "run") (local $old i32)
            (local.set $old (memory.grow (i32.const 3)))
            (i32.store (i32.const 0) (local.get $old))
            (i32.store (i32.const 4) (memory.size))
            (memory.init $passive (i32.const 200000) (i32.const 2) (i32.const 7))
            (data.drop $passive)
            (memory.copy (i32.const 16) (i32.const 65000) (i32.const 11))
            (memory.copy (i32.const 18) (i32.const 16) (i32.const 11))
            (memory.copy (i32.const 64) (i32.const 200000) (i32.const 7))
            (memory.fill (i32.const 80) (i32.const 0x17f) (i32.const 9))
            (i32.store8 (i32.const 90) (i32.const 0x1ff)) (i64.store32 (i32.const 92) (i64.const -2))
            (i32.store offset=96 (i32.const 0) (i32.load8_s (i32.const 90)))
            (call $answer (i32.const 0) (i32.const 128)))"#,
    ),
    (
        "strings",
        r#"(func (export "run") (local $len i32) (local $i i32) (local $c i32)
            (local.set $len (call $event_len (i32.const 0)))
            (call $event_read (i32.const 0) (i32.const 1024))
            (loop $next
                (local.set $c (i32.load8_u (i32.add (i32.const 1024) (local.get $i))))
                (if (i32.lt_u (i32.sub (local.get $c) (i32.const 97)) (i32.const 26))
                    (then (local.set $c (i32.and (local.get $c) (i32.const 0xdf)))))
                (i32.store8 (i32.sub (i32.add (i32.const 65536) (local.get $len)) (local.get $i)) (local.get $c))
                (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $len))))
            (call $log (i32.const 1) (i32.const 1024) (i32.const 40))
            (call $answer (i32.const 65537) (local.get $len)))"#,
    ),
    (
        "document",
        r#"(func (export "run")
            (call $event_read (i32.const 1) (i32.const 64))
            (call $answer (i32.const 64) (call $event_len (i32.const 1))))"#,
    ),
    (
        "tables",
        r#"(type $unary (func (param i32) (result i32)))
        (table $t 4 funcref) (elem (i32.const 0) $twice $plus $twice)
        (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
        (func $plus (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func (export "run") (local $i i32) (local $x i32)
            (drop (table.grow $t (ref.func $plus) (i32.const 3)))
            (table.set $t (i32.const 3) (table.get $t (i32.const 5)))
            (loop $next
                (local.set $x (call_indirect $t (type $unary)
                    (local.get $x) (i32.rem_u (local.get $i) (table.size $t))))
                (i32.store (i32.shl (local.get $i) (i32.const 2)) (local.get $x))
                (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 60))))
            (call $answer (i32.const 0) (i32.const 240)))"#,
    ),
    (
        "files",
        r#"(data (i32.const 8) "sub/b.bin") (data (i32.const 32) "absent")
        (func (export "run") (local $h i32)
            (local.set $h (call $open (i32.const 8) (i32.const 9)))
            (i32.store (i32.const 64) (call $open (i32.const 32) (i32.const 6)))
            (i32.store (i32.const 68) (call $size (local.get $h)))
            (i32.store (i32.const 72) (call $read (local.get $h) (i32.const 1) (i32.const 80) (i32.const 100)))
            (i32.store (i32.const 76) (call $read (local.get $h) (i32.const 9) (i32.const 90) (i32.const 100)))
            (call $answer (i32.const 64) (i32.const 64)))"#,
    ),
    (
        "vectors",
        r#"(func (export "run") (local $v v128)
            (local.set $v (v128.const i32x4 1 -2 3 0x7fffffff))
            (local.set $v (i32x4.add (local.get $v) (i32x4.shl (local.get $v) (i32.const 3))))
            (v128.store (i32.const 0) (local.get $v))
            (v128.store (i32.const 16) (i8x16.add_sat_s (local.get $v) (v128.const i64x2 -1 0x7f7f7f7f7f7f7f7f)))
            (v128.store (i32.const 32) (i8x16.shuffle 3 2 1 0 19 18 17 16 7 7 7 7 31 0 31 0
                (local.get $v) (v128.const i64x2 0x0102030405060708 0x1112131415161718)))
            (v128.store (i32.const 48) (f32x4.mul (f32x4.convert_i32x4_s (local.get $v)) (f32x4.splat (f32.const 0.1))))
            (v128.store (i32.const 64) (i16x8.narrow_i32x4_u (local.get $v) (local.get $v)))
            (call $answer (i32.const 0) (i32.const 80)))"#,
    ),
];
