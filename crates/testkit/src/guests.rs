//! Guests in WebAssembly text: the imports every one of them needs, and a few that do one thing.

use std::fmt::Write as _;

use vestibule_abi::host::{Capability, FUNCTIONS};

/// What a guest may import here.
pub const ALL: &[Capability] = &[Capability::Core, Capability::Http, Capability::Files, Capability::Hash];

/// A module with the imports of these capabilities and these further fields.
///
/// Host functions are called `$event_len`, `$log` and so on; those of the other namespaces `$http_start`, `$file_open`.
///
/// # Panics
/// When the text is no module.
#[must_use]
pub fn module(capabilities: &[Capability], fields: &str) -> Vec<u8> {
    let text = format!("(module\n{}\n{fields}\n)", imports(capabilities));
    wat::parse_str(&text).unwrap_or_else(|error| panic!("the fixture is no module: {error}\n{text}"))
}

/// A module that imports the core functions and has one page of memory, `$ok`, which answers that the login goes on,
/// these fields, and this body of `run`.
#[must_use]
pub fn rule(fields: &str, run: &str) -> Vec<u8> {
    rule_of(&[Capability::Core], 1, fields, run)
}

/// As [`rule`], with these capabilities and pages of memory.
#[must_use]
pub fn rule_of(capabilities: &[Capability], pages: u32, fields: &str, run: &str) -> Vec<u8> {
    let fields = format!(
        r#"(memory (export "memory") {pages})
        (data (i32.const 8) "{{\22continue\22:{{}}}}")
        (func $ok (call $answer (i32.const 8) (i32.const 15)))
        {fields}
        (func (export "run") {run})"#
    );
    module(capabilities, &fields)
}

/// The imports of these capabilities.
#[must_use]
pub fn imports(capabilities: &[Capability]) -> String {
    let mut text = String::new();
    let granted = |namespace| capabilities.iter().any(|capability| capability.namespace() == namespace);
    for function in FUNCTIONS.iter().filter(|function| granted(function.namespace)) {
        let prefix = match Capability::of_namespace(function.namespace) {
            Some(Capability::Http) => "http_",
            Some(Capability::Files) => "file_",
            Some(Capability::Hash) => "hash_",
            Some(Capability::Core) | None => "",
        };
        let params = " i32".repeat(function.params.len());
        let result = if function.returns { "(result i32)" } else { "" };
        let (namespace, name) = (function.namespace, function.name);
        writeln!(text, r#"(import "{namespace}" "{name}" (func ${prefix}{name} (param{params}) {result}))"#)
            .expect("memory");
    }
    text
}

/// A rule that lets the login go on.
#[must_use]
pub fn empty() -> Vec<u8> {
    rule("", "(call $ok)")
}

/// A rule that reads its event in both forms, logs, and sets a claim and metadata.
#[must_use]
pub fn benign() -> Vec<u8> {
    let answer = r#"{"continue":{"app_metadata":{"seen":true},"id_token":{"https://example.com/plan":"gold"}}}"#;
    rule_of(
        &[Capability::Core],
        4,
        &format!(r#"(data (i32.const 64) "{}")"#, escaped(answer.as_bytes())),
        &format!(
            "(drop (call $event_len (i32.const 1)))
             (call $event_read (i32.const 1) (i32.const 1024))
             (drop (call $event_len (i32.const 0)))
             (call $event_read (i32.const 0) (i32.const 131072))
             (call $log (i32.const 1) (i32.const 131072) (i32.const 16))
             (call $answer (i32.const 64) (i32.const {}))",
            answer.len()
        ),
    )
}

/// A rule that counts: it adds one to `tally`, which it reads in the first bag that has it, and answers it for both bags and
/// as the claim [`TALLY`]. A login whose number another one got as well was lost, or half of it was.
#[must_use]
pub fn tallying() -> Vec<u8> {
    let claim = format!(r#"}},"id_token":{{"{TALLY}":"#);
    let parts = [r#"{"continue":{"user_metadata":{"tally":"#, r#"},"app_metadata":{"tally":"#, &claim, "}}}"];
    let (mut fields, mut write) = (String::new(), String::new());
    for (number, part) in parts.iter().enumerate() {
        let at = 64 + number * 64;
        writeln!(fields, r#"(data (i32.const {at}) "{}")"#, escaped(part.as_bytes())).expect("memory");
        writeln!(write, "(call $put (i32.const {at}) (i32.const {}))", part.len()).expect("memory");
        if number + 1 < parts.len() {
            write.push_str("(call $put_number)\n");
        }
    }
    fields.push_str(
        r#"(data (i32.const 32) "\22tally\22:")
           (global $tally (mut i64) (i64.const 0))
           (global $end (mut i32) (i32.const 1024))
           (func $put (param $from i32) (param $len i32)
             (memory.copy (global.get $end) (local.get $from) (local.get $len))
             (global.set $end (i32.add (global.get $end) (local.get $len))))
           (func $put_number (local $rest i64) (local $at i32)
             (local.set $rest (global.get $tally))
             (local.set $at (i32.const 512))
             (loop $digits
               (local.set $at (i32.sub (local.get $at) (i32.const 1)))
               (i32.store8 (local.get $at)
                 (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $rest) (i64.const 10)))))
               (local.set $rest (i64.div_u (local.get $rest) (i64.const 10)))
               (br_if $digits (i64.ne (local.get $rest) (i64.const 0))))
             (call $put (local.get $at) (i32.sub (i32.const 512) (local.get $at))))
           (func $count (param $at i32) (local $digit i32)
             (loop $digits
               (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
               (if (i32.lt_u (local.get $digit) (i32.const 10))
                 (then
                   (global.set $tally
                     (i64.add (i64.mul (global.get $tally) (i64.const 10)) (i64.extend_i32_u (local.get $digit))))
                   (local.set $at (i32.add (local.get $at) (i32.const 1)))
                   (br $digits)))))"#,
    );
    let run = format!(
        "(local $at i32) (local $end i32)
         (local.set $at (i32.const 65536))
         (local.set $end (i32.add (i32.const 65536) (call $event_len (i32.const 0))))
         (call $event_read (i32.const 0) (i32.const 65536))
         (block $found
           (loop $next
             (br_if $found (i32.ge_u (local.get $at) (local.get $end)))
             (if (i64.eq (i64.load (local.get $at)) (i64.load (i32.const 32)))
               (then (call $count (i32.add (local.get $at) (i32.const 8))) (br $found)))
             (local.set $at (i32.add (local.get $at) (i32.const 1)))
             (br $next)))
         (global.set $tally (i64.add (global.get $tally) (i64.const 1)))
         {write}
         (call $answer (i32.const 1024) (i32.sub (global.get $end) (i32.const 1024)))"
    );
    rule_of(&[Capability::Core], 8, &fields, &run)
}

/// The claim of [`tallying`].
pub const TALLY: &str = "https://example.com/tally";

/// A rule that answers the bytes of its data file `answer`, whatever they are.
#[must_use]
pub fn parrot() -> Vec<u8> {
    rule_of(
        &[Capability::Core, Capability::Files],
        4,
        r#"(data (i32.const 64) "answer")"#,
        "(local $size i32)
         (local.set $size (call $file_size (call $file_open (i32.const 64) (i32.const 6))))
         (drop (call $file_read (i32.const 0) (i32.const 0) (i32.const 1024) (local.get $size)))
         (call $answer (i32.const 1024) (local.get $size))",
    )
}

/// A rule that makes the request in its data file `request` and passes on what came back, in `shared`:
/// `{"result": …, "body": …}`, the body as the JSON it must be, or `null` if it is empty.
#[must_use]
pub fn caller() -> Vec<u8> {
    rule_of(
        ALL,
        8,
        r#"(data (i32.const 64) "request")
           (data (i32.const 96) "{\22continue\22:{\22shared\22:{\22result\22:")
           (data (i32.const 160) ",\22body\22:")
           (data (i32.const 192) "null")
           (data (i32.const 224) "}}}")
           (global $end (mut i32) (i32.const 196608))
           (func $put (param $from i32) (param $len i32)
             (memory.copy (global.get $end) (local.get $from) (local.get $len))
             (global.set $end (i32.add (global.get $end) (local.get $len))))"#,
        "(local $size i32) (local $handle i32)
         (local.set $size (call $file_size (call $file_open (i32.const 64) (i32.const 7))))
         (drop (call $file_read (i32.const 0) (i32.const 0) (i32.const 1024) (local.get $size)))
         (i32.store (i32.const 256) (call $http_start (i32.const 1024) (local.get $size) (i32.const 0) (i32.const 0)))
         (local.set $handle (call $http_wait (i32.const 256) (i32.const 1)))
         (call $put (i32.const 96) (i32.const 32))
         (local.set $size (call $http_result_len (local.get $handle)))
         (call $http_result_read (local.get $handle) (i32.const 65536))
         (call $put (i32.const 65536) (local.get $size))
         (call $put (i32.const 160) (i32.const 8))
         (local.set $size (call $http_body_read (local.get $handle) (i32.const 0) (i32.const 131072) (i32.const 60000)))
         (if (local.get $size)
           (then (call $put (i32.const 131072) (local.get $size)))
           (else (call $put (i32.const 192) (i32.const 4))))
         (call $put (i32.const 224) (i32.const 3))
         (call $answer (i32.const 196608) (i32.sub (global.get $end) (i32.const 196608)))",
    )
}

/// Bytes as a string of the text format.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
