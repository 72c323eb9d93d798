//! One adversarial guest whose behaviour is data: which host functions it calls, in which order, with which pointers
//! and lengths, and from how deep a stack.
//!
//! Its event is `{"p": program}`; it reads the program from the document's bytes and carries it out. Random programs
//! reach far more of the host than random modules do.

use vestibule_abi::document;

use crate::Random;

/// Bytes of one instruction: operation, depth, and four operands of a kind and a value each. All are below 128, so that
/// a program is a string.
const INSTRUCTION: usize = 10;
/// Where the guest finds the program in the event.
const PROGRAM_AT: usize = 48;
/// Where the guest puts the event.
const EVENT_AT: usize = 65_536;

/// What the guest can do; the numbers are its operations.
const HOST_OPERATIONS: &[&str] = &[
    "(global.set $last (call $event_len (global.get $a)))",
    "(call $event_read (global.get $a) (global.get $b))",
    "(call $answer (global.get $a) (global.get $b))",
    "(call $fail (global.get $a) (global.get $b))",
    "(call $log (global.get $a) (global.get $b) (global.get $c))",
    "(global.set $last (call $open (global.get $a) (global.get $b)))",
    "(global.set $last (call $size (global.get $a)))",
    "(global.set $last (call $read (global.get $a) (global.get $b) (global.get $c) (global.get $d)))",
    "(global.set $last (memory.grow (i32.and (global.get $a) (i32.const 1023))))",
    "(i32.store (global.get $a) (global.get $b))",
    "(memory.fill (global.get $a) (global.get $b) (global.get $c))",
    "(memory.copy (global.get $a) (global.get $b) (global.get $c))",
    "(global.set $last (i32.load8_u (global.get $a)))",
    "(call $spin (i32.and (global.get $a) (i32.const 0xffff)))",
    "(call $answer (i32.const 1024) (i32.const 15))",
];
const HTTP_OPERATIONS: &[&str] = &[
    "(global.set $last (call $start (global.get $a) (global.get $b) (global.get $c) (global.get $d)))",
    "(global.set $last (call $wait (global.get $a) (global.get $b)))",
    "(global.set $last (call $result_len (global.get $a)))",
    "(call $result_read (global.get $a) (global.get $b))",
    "(global.set $last (call $body_read (global.get $a) (global.get $b) (global.get $c) (global.get $d)))",
];

/// What an operand means: `$v` is its value, below 128.
const OPERANDS: &[&str] = &[
    "(local.get $v)",
    "(i32.mul (local.get $v) (i32.const 1021))",
    "(i32.sub (i32.const 0) (local.get $v))",
    "(i32.sub (i32.mul (memory.size) (i32.const 65536)) (local.get $v))",
    "(i32.add (i32.mul (memory.size) (i32.const 65536)) (local.get $v))",
    "(i32.sub (i32.const 0x7fffffff) (local.get $v))",
    "(i32.add (i32.const 0x80000000) (local.get $v))",
    "(global.get $last)",
    "(i32.add (global.get $last) (local.get $v))",
    "(i32.add (i32.const 65536) (i32.mul (local.get $v) (i32.const 16)))",
    "(i32.shl (i32.const 1) (local.get $v))",
    "(i32.add (i32.const 1024) (i32.mul (local.get $v) (i32.const 128)))",
];

/// What lies in the guest's memory, every 128 bytes from 1024 on: answers, heads of requests, paths, texts.
const TEXTS: &[&str] = &[
    r#"{"continue":{}}"#,
    r#"{"deny":{"code":"no","reason":"not today"}}"#,
    r#"{"continue":{"user_metadata":{"k":[1,2.5,null,"x"]}}}"#,
    r#"{"method":"GET","url":"https://api.example.com/a"}"#,
    r#"{"method":"GET","url":"https://api.example.com/b","headers":[["x-key","{{secret:TOKEN}}"]],"timeout_ms":5}"#,
    r#"{"method":"GET","url":"https://api.example.com/unknown"}"#,
    r#"{"method":"GET","url":"http://169.254.169.254/latest"}"#,
    r#"{"method":"POST","url":"https://api.example.com/a","headers":[["host","x"]]}"#,
    "a.txt",
    "sub/b.bin",
    "empty",
    "../etc/passwd",
    "\u{1b}[31mred\u{202e}\u{0}\t\u{7f}",
];

/// The guest, with or without the HTTP capability.
#[must_use]
pub fn guest(with_http: bool) -> Vec<u8> {
    let mut operations = HOST_OPERATIONS.to_vec();
    let mut imports = String::new();
    if with_http {
        operations.extend(HTTP_OPERATIONS);
    }
    for function in vestibule_abi::host::FUNCTIONS {
        let is_used = match function.namespace {
            vestibule_abi::host::HASH => false, // No program hashes.
            vestibule_abi::host::HTTP => with_http,
            _ => true,
        };
        if is_used {
            let result = if function.returns { "(result i32)" } else { "" };
            let params = "i32 ".repeat(function.params.len());
            let (namespace, name) = (function.namespace, function.name);
            imports += &format!("(import {namespace:?} {name:?} (func ${name} (param {params}) {result}))\n");
        }
    }
    let data: String = TEXTS
        .iter()
        .enumerate()
        .map(|(place, text)| format!("(data (i32.const {}) \"{}\")\n", 1024 + 128 * place, text.escape_default()))
        .collect();
    let text = format!(
        r#"(module
            {imports}
            (memory (export "memory") 4)
            {data}
            (global $a (mut i32) (i32.const 0)) (global $b (mut i32) (i32.const 0))
            (global $c (mut i32) (i32.const 0)) (global $d (mut i32) (i32.const 0))
            (global $last (mut i32) (i32.const 0))
            (func (export "run") (local $pc i32) (local $end i32)
                (drop (call $event_len (i32.const 1)))
                (call $event_read (i32.const 1) (i32.const {EVENT_AT}))
                (local.set $pc (i32.const {program}))
                (local.set $end (i32.add (local.get $pc) (i32.load (i32.const {length}))))
                (block $done
                    (loop $next
                        (br_if $done (i32.gt_u (i32.add (local.get $pc) (i32.const {INSTRUCTION})) (local.get $end)))
                        (global.set $a (call $operand (i32.load16_u offset=2 (local.get $pc))))
                        (global.set $b (call $operand (i32.load16_u offset=4 (local.get $pc))))
                        (global.set $c (call $operand (i32.load16_u offset=6 (local.get $pc))))
                        (global.set $d (call $operand (i32.load16_u offset=8 (local.get $pc))))
                        (drop (call $descend (i32.mul (i32.load8_u offset=1 (local.get $pc))
                                                      (i32.load8_u offset=1 (local.get $pc)))
                                             (i32.load8_u (local.get $pc))))
                        (local.set $pc (i32.add (local.get $pc) (i32.const {INSTRUCTION})))
                        (br $next))))
            (func $descend (param $n i32) (param $op i32) (result i32)
                (if (result i32) (local.get $n)
                    (then (i32.add (local.get $n)
                                   (call $descend (i32.sub (local.get $n) (i32.const 1)) (local.get $op))))
                    (else (call $act (local.get $op)) (i32.const 0))))
            (func $spin (param $n i32)
                (loop $again
                    (br_if $again (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0)))))
            (func $operand (param $encoded i32) (result i32) (local $v i32)
                (local.set $v (i32.shr_u (local.get $encoded) (i32.const 8)))
                {operand})
            (func $act (param $op i32)
                {act}))"#,
        program = EVENT_AT + PROGRAM_AT,
        length = EVENT_AT + PROGRAM_AT - 4,
        operand = switch(OPERANDS, "(i32.and (local.get $encoded) (i32.const 0xff))", "(result i32)"),
        act = switch(&operations, "(local.get $op)", ""),
    );
    wat::parse_str(text).expect("the text is a module")
}

/// A chain of `if`s that runs one of `arms`, by `selector` modulo their number.
fn switch(arms: &[&str], selector: &str, result: &str) -> String {
    let selected = format!("(i32.rem_u {selector} (i32.const {}))", arms.len());
    let last = arms.len() - 1;
    arms[..last].iter().enumerate().rev().fold(arms[last].to_owned(), |otherwise, (place, arm)| {
        format!("(if {result} (i32.eq {selected} (i32.const {place})) (then {arm}) (else {otherwise}))")
    })
}

/// The event that makes the guest carry out a program.
#[must_use]
pub fn event_of(program: &[u8]) -> Vec<u8> {
    let text: String = program.iter().map(|byte| char::from(byte & 0x7f)).collect();
    document::encode(&serde_json::json!({"p": text})).expect("the event is canonical")
}

/// A random program: scenes of calls that make sense, in a random order, with noise between them and mistakes in them.
#[must_use]
pub fn program(random: &mut Random) -> Vec<u8> {
    let is_careful = random.one_in(2);
    let mut program = Vec::new();
    for _ in 0..=random.below(6) {
        if !is_careful && random.one_in(8) {
            program.push(noise(random));
        }
        program.extend(scene(random));
    }
    if random.one_in(2) {
        program.push(instruction(14, [CONST; 4])); // The answer that is always right.
    }
    for instruction in &mut program {
        if random.one_in(60) {
            instruction[1] = random.below(128) as u8; // From deep down, sometimes from the very end of the stack.
        }
        if !is_careful && random.one_in(16) {
            instruction[random.below(INSTRUCTION)] = random.below(128) as u8;
        }
    }
    program.concat()
}

/// An operand that is just a number.
const fn exact(value: usize) -> [u8; 2] {
    [0, value as u8]
}

const CONST: [u8; 2] = exact(0);
const LAST: [u8; 2] = [7, 0];
const BUFFER: [u8; 2] = [9, 127];

fn instruction(operation: u8, operands: [[u8; 2]; 4]) -> [u8; INSTRUCTION] {
    let [[a, av], [b, bv], [c, cv], [d, dv]] = operands;
    [operation, 0, a, av, b, bv, c, cv, d, dv]
}

fn noise(random: &mut Random) -> [u8; INSTRUCTION] {
    let bytes = random.bytes(INSTRUCTION);
    let mut noise: [u8; INSTRUCTION] = std::array::from_fn(|at| bytes[at] & 0x7f);
    noise[1] = 0;
    noise
}

/// A few calls as a well-behaved guest makes them.
fn scene(random: &mut Random) -> Vec<[u8; INSTRUCTION]> {
    let some_text = |random: &mut Random, from: usize, to: usize| {
        let place = from + random.below(to - from);
        ([11, place as u8], exact(TEXTS[place].len()))
    };
    let form = exact(random.below(2));
    let amount = exact(random.below(128));
    match random.below(12) {
        0..2 => {
            vec![instruction(0, [form, CONST, CONST, CONST]), instruction(1, [form, BUFFER, CONST, CONST])]
        }
        2..4 => {
            let (text, len) = some_text(random, 0, TEXTS.len());
            vec![instruction(4, [exact(random.below(4)), text, len, CONST])]
        }
        4..6 => {
            let (path, len) = some_text(random, 8, 12);
            vec![
                instruction(5, [path, len, CONST, CONST]),
                instruction(6, [LAST, CONST, CONST, CONST]),
                instruction(7, [CONST, amount, BUFFER, amount]),
            ]
        }
        6..8 => {
            let end = if random.one_in(4) { 8 } else { 5 };
            let (head, len) = some_text(random, 3, end);
            vec![
                instruction(15, [head, len, CONST, CONST]),
                instruction(16, [CONST, exact(1), CONST, CONST]),
                instruction(17, [CONST; 4]),
                instruction(18, [CONST, BUFFER, CONST, CONST]),
                instruction(19, [CONST, exact(random.below(4)), BUFFER, amount]),
            ]
        }
        8 => {
            let (text, len) = some_text(random, 0, 3);
            vec![instruction(2, [text, len, CONST, CONST])]
        }
        9 if random.one_in(3) => {
            let (text, len) = some_text(random, 0, TEXTS.len());
            vec![instruction(3, [text, len, CONST, CONST])]
        }
        _ => {
            let operation = 8 + random.below(6) as u8;
            vec![instruction(
                operation,
                [if operation == 8 { exact(random.below(9)) } else { BUFFER }, amount, amount, LAST],
            )]
        }
    }
}
