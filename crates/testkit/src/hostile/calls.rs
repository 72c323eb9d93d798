//! 5.4: pointers, lengths, handles and order of host calls.

use vestibule_abi::{
    codes::FailureCode::{
        AbiBadPointer, AbiProtocol, FuelExhausted, GuestError, HostcallBadArgs, HostcallLimit, OutputTooLarge, Trap,
    },
    host::Capability,
};

use super::{Case, Expect, SPENT, failed, module};
use crate::guests;

/// Answers from nowhere: HR-51, HR-52, HR-53, HR-65, and the order of answers.
#[must_use]
pub fn answers() -> Vec<Case> {
    let answer = |ptr: i64, len: i64| guests::rule("", &format!("(call $answer (i32.const {ptr}) (i32.const {len}))"));
    let bad = |name: &str, ptr, len| failed("HR-51", name, answer(ptr, len), AbiBadPointer);
    vec![
        bad("the end is behind the memory", 65_530, 15),
        bad("a pointer of 2^32 - 1", -1, 2),
        bad("pointer and length wrap", -15, 30),
        bad("a pointer behind the memory", 65_537, 0),
        bad("a length as large as allowed, from the second byte on", 1, 65_536),
        failed("HR-52", "a length of 2^32 - 1", answer(8, -1), OutputTooLarge),
        failed("HR-52", "a length of 2^31", answer(8, 0x8000_0000), OutputTooLarge),
        failed("HR-52", "one byte more than allowed", answer(0, 65_537), OutputTooLarge),
        module(
            "HR-53",
            "an answer where the event lies",
            guests::rule(
                "",
                "(drop (call $event_len (i32.const 1))) (call $event_read (i32.const 1) (i32.const 1024))
                 (memory.copy (i32.const 1030) (i32.const 8) (i32.const 15)) (call $answer (i32.const 1030) (i32.const 15))",
            ),
            Expect::Outcome("allow"),
        ),
        module(
            "HR-54",
            "an answer changed after it was given",
            guests::rule("", "(call $ok) (memory.fill (i32.const 0) (i32.const 255) (i32.const 100))"),
            Expect::Outcome("allow"),
        ),
        failed("HR-57", "two answers", guests::rule("", "(call $ok) (call $ok)"), AbiProtocol),
        failed("HR-57", "run calls itself", guests::rule(r#"(func $again (export "again") (call $ok) (call $ok))"#, "(call $again)"), AbiProtocol),
        failed("HR-57", "no answer", guests::rule("", ""), AbiProtocol),
        failed("HR-65", "an answer, then a trap", guests::rule("", "(call $ok) unreachable"), Trap),
        failed("HR-65", "an answer, then a failure", guests::rule("", "(call $ok) (call $fail (i32.const 8) (i32.const 15))"), GuestError),
    ]
}

/// Ranges, forms and handles that are none: HR-58, HR-61, HR-62.
#[must_use]
pub fn arguments() -> Vec<Case> {
    let bad = |name: &str, run: &str| failed("HR-58", name, guests::rule("", run), HostcallBadArgs);
    let file = |name: &str, run: &str| {
        let wasm =
            guests::rule_of(&[Capability::Core, Capability::Files], 1, r#"(data (i32.const 64) "answer\ff")"#, run);
        failed("HR-62", name, wasm, HostcallBadArgs).under(FILES)
    };
    let hash = |name: &str, call: &str| failed("HR-58", name, hasher(call), HostcallBadArgs);
    const OPEN: &str = "(drop (call $file_open (i32.const 64) (i32.const 6)))";
    vec![
        bad("event_len of form 2", "(drop (call $event_len (i32.const 2)))"),
        bad("event_len of form -1", "(drop (call $event_len (i32.const -1)))"),
        bad("event_read of form 7", "(call $event_read (i32.const 7) (i32.const 0))"),
        bad("event_read to the end of memory", "(call $event_read (i32.const 1) (i32.const 65500))"),
        bad("event_read to 2^32 - 1", "(call $event_read (i32.const 1) (i32.const -1))"),
        bad("log beyond the memory", "(call $log (i32.const 1) (i32.const 65530) (i32.const 100))"),
        bad("log from 2^32 - 1", "(call $log (i32.const 1) (i32.const -1) (i32.const 2))"),
        bad("log of 2^32 - 1 bytes", "(call $log (i32.const 1) (i32.const 0) (i32.const -1))"),
        bad("log of 2^31 bytes", "(call $log (i32.const 1) (i32.const 0) (i32.const 0x80000000))"),
        bad("log at level 4", "(call $log (i32.const 4) (i32.const 0) (i32.const 1))"),
        bad("log at level -1", "(call $log (i32.const -1) (i32.const 0) (i32.const 1))"),
        bad("fail beyond the memory", "(call $fail (i32.const 65530) (i32.const 100))"),
        bad("fail from 2^32 - 1", "(call $fail (i32.const -1) (i32.const 2))"),
        failed("HR-58", "the event as text before its length", guests::rule("", "(call $event_read (i32.const 0) (i32.const 0))"), AbiProtocol),
        failed("HR-58", "fail with 2^32 - 1 bytes", guests::rule("", "(call $fail (i32.const 0) (i32.const -1))"), GuestError),
        file("open beyond the memory", "(drop (call $file_open (i32.const 65530) (i32.const 100)))"),
        file("open with a path of 2^32 - 1 bytes", "(drop (call $file_open (i32.const 0) (i32.const -1)))"),
        file("open with a path that is not UTF-8", "(drop (call $file_open (i32.const 64) (i32.const 7)))"),
        file("the size of a guessed handle", "(drop (call $file_size (i32.const 0)))"),
        file("the size of handle -1", "(drop (call $file_size (i32.const -1)))"),
        file("a read of a guessed handle", &format!("{OPEN} (drop (call $file_read (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 1)))")),
        file("a read to beyond the memory", &format!("{OPEN} (drop (call $file_read (i32.const 0) (i32.const 0) (i32.const 65530) (i32.const 100)))")),
        file("a read to 2^32 - 1", &format!("{OPEN} (drop (call $file_read (i32.const 0) (i32.const 0) (i32.const -1) (i32.const -1)))")),
        module(
            "HR-62",
            "a read from behind the file, of everything",
            guests::rule_of(
                &[Capability::Core, Capability::Files],
                1,
                r#"(data (i32.const 64) "answer")"#,
                &format!("{OPEN} (if (call $file_read (i32.const 0) (i32.const -1) (i32.const 0) (i32.const -1)) (then unreachable)) (call $ok)"),
            ),
            Expect::Outcome("allow"),
        )
        .under(FILES),
        hash("a digest by algorithm 7", "(drop (call $hash_digest (i32.const 7) (i32.const 8) (i32.const 15) (i32.const 64)))"),
        hash("an HMAC by algorithm -1", "(drop (call $hash_hmac (i32.const -1) (i32.const 8) (i32.const 1) (i32.const 8) (i32.const 15) (i32.const 64)))"),
        hash("a digest of what lies beyond the memory", "(drop (call $hash_digest (i32.const 0) (i32.const 65530) (i32.const 100) (i32.const 64)))"),
        hash("a digest of 2^32 - 1 bytes", "(drop (call $hash_digest (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 64)))"),
        hash("a digest to the end of memory", "(drop (call $hash_digest (i32.const 5) (i32.const 8) (i32.const 15) (i32.const 65473)))"),
        hash("a digest to 2^32 - 1", "(drop (call $hash_digest (i32.const 5) (i32.const 8) (i32.const 15) (i32.const -1)))"),
        hash("an HMAC with a key from beyond the memory", "(drop (call $hash_hmac (i32.const 3) (i32.const -1) (i32.const 2) (i32.const 8) (i32.const 15) (i32.const 64)))"),
        hash("pbkdf2 without rounds", &pbkdf2(0, 64)),
        hash("pbkdf2 for a key of nothing", &pbkdf2(1, 0)),
        hash("pbkdf2 for a key of 1 025 bytes", &pbkdf2(1, 1_025)),
        hash("pbkdf2 for a key of 2^32 - 1 bytes", &pbkdf2(1, -1)),
        hash("bcrypt at cost 3", &bcrypt(3)),
        hash("bcrypt at cost 15", &bcrypt(15)),
        hash("bcrypt at cost -1", &bcrypt(-1)),
        hash("bcrypt with a salt from the end of memory", "(call $hash_bcrypt (i32.const 8) (i32.const 15) (i32.const 65521) (i32.const 4) (i32.const 64))"),
    ]
}

/// A rule that may hash.
fn hasher(run: &str) -> Vec<u8> {
    guests::rule_of(&[Capability::Core, Capability::Hash], 1, "", run)
}

fn pbkdf2(rounds: i32, length: i32) -> String {
    format!(
        "(call $hash_pbkdf2 (i32.const 5) (i32.const 8) (i32.const 15) (i32.const 8) (i32.const 15) (i32.const {rounds})
         (i32.const 64) (i32.const {length}))"
    )
}

fn bcrypt(cost: i32) -> String {
    format!("(call $hash_bcrypt (i32.const 8) (i32.const 15) (i32.const 8) (i32.const {cost}) (i32.const 64))")
}

/// Storms of host calls: HR-59, HR-62, HR-93.
#[must_use]
pub fn storms() -> Vec<Case> {
    let storm = |name: &str, call: &str| {
        failed("HR-59", name, guests::rule("", &format!("(loop {call} (br 0))")), HostcallLimit)
    };
    let counted = |pages, calls: u32, call: &str| {
        let run = format!(
            "(local $n i32) (local.set $n (i32.const {calls})) (loop {call}
             (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (call $ok)"
        );
        guests::rule_of(&[Capability::Core], pages, "", &run)
    };
    vec![
        storm("log for ever", "(call $log (i32.const 1) (i32.const 8) (i32.const 15))"),
        storm("empty lines for ever", "(call $log (i32.const 1) (i32.const 8) (i32.const 0))"),
        storm("event_len for ever", "(drop (call $event_len (i32.const 1)))"),
        storm("event_len of the text for ever", "(drop (call $event_len (i32.const 0)))"),
        storm("event_read for ever", "(call $event_read (i32.const 1) (i32.const 64))"),
        failed(
            "HR-59",
            "lines of 1 MiB, paid by the byte",
            counted(16, 100, "(call $log (i32.const 1) (i32.const 0) (i32.const 1048576))"),
            FuelExhausted,
        ),
        failed(
            "HR-59",
            "1 000 calls and one more",
            counted(1, 1_000, "(drop (call $event_len (i32.const 1)))"),
            HostcallLimit,
        ),
        module(
            "HR-59",
            "1 000 calls",
            counted(1, 999, "(drop (call $event_len (i32.const 1)))"),
            Expect::Outcome("allow"),
        ),
        module(
            "HR-93",
            "999 lines",
            counted(1, 999, "(call $log (i32.const 1) (i32.const 8) (i32.const 15))"),
            Expect::Outcome("allow"),
        ),
        module(
            "HR-93",
            "one line of 16 MiB",
            counted(256, 1, "(call $log (i32.const 1) (i32.const 0) (i32.const 16777216))"),
            Expect::Outcome("allow"),
        ),
        module(
            "HR-59",
            "bcrypt for ever",
            hasher(&format!("(loop {} (br 0))", bcrypt(4))),
            Expect::FailedWithOneOf(SPENT),
        ),
        failed("HR-59", "bcrypt at the highest cost", hasher(&bcrypt(14)), FuelExhausted),
        failed(
            "HR-59",
            "pbkdf2 with a salt that each digest of the key takes in",
            guests::rule_of(
                &[Capability::Core, Capability::Hash],
                16,
                "",
                "(call $hash_pbkdf2 (i32.const 0) (i32.const 8) (i32.const 15) (i32.const 0) (i32.const 1000000) (i32.const 1)
                 (i32.const 64) (i32.const 1024))",
            ),
            FuelExhausted,
        ),
        failed("HR-59", "pbkdf2 with 2^32 - 1 rounds", hasher(&pbkdf2(-1, 1_024)), FuelExhausted),
        failed(
            "HR-59",
            "digests for ever",
            hasher(
                "(loop (drop (call $hash_digest (i32.const 6) (i32.const 0) (i32.const 65536) (i32.const 0))) (br 0))",
            ),
            FuelExhausted,
        ),
        failed(
            "HR-62",
            "17 open files",
            guests::rule_of(
                &[Capability::Core, Capability::Files],
                1,
                r#"(data (i32.const 64) "answer")"#,
                "(loop (drop (call $file_open (i32.const 64) (i32.const 6))) (br 0))",
            ),
            HostcallLimit,
        )
        .under(FILES),
    ]
}

/// A manifest that grants the data files.
pub const FILES: &str = "[capabilities]\nfiles = true";
