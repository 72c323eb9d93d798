//! HR-37: a guest that recurses to the end of its stack and then calls the host must not abort the process, whichever
//! function it calls, and whichever thread it runs on.

use std::{fmt::Write as _, thread};

use tokio::runtime::Builder;
use vestibule_abi::{codes::FailureCode, host::FUNCTIONS, limits::Budget};
use vestibule_engine::{
    Grants, Profile, Run, SandboxedRule,
    http::{Recording, Source},
};
use vestibule_testkit::{
    deploy::{PROFILES, engine, files},
    events::{self, Size},
    guests,
    oracle::alone,
    peer,
};

use super::harness::{benign_login, runtime, warm_up, workshop};

/// Each host function, by its place in the table of the contract, called with arguments that are in order.
const CALLS: [(&str, &str); 17] = [
    ("event_len", "(drop (call $event_len (i32.const 0)))"),
    ("event_read", "(call $event_read (i32.const 0) (i32.const 131072))"),
    ("answer", "(call $ok)"),
    ("fail", "(call $fail (i32.const 8) (i32.const 15))"),
    ("log", "(call $log (i32.const 1) (i32.const 8) (i32.const 15))"),
    ("start", "(drop (call $http_start (i32.const 512) (i32.const 43) (i32.const 0) (i32.const 0)))"),
    ("wait", "(drop (call $http_wait (i32.const 1024) (i32.const 1)))"),
    ("result_len", "(drop (call $http_result_len (i32.const 0)))"),
    ("result_read", "(call $http_result_read (i32.const 0) (i32.const 4096))"),
    ("body_read", "(drop (call $http_body_read (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const 100)))"),
    ("open", "(drop (call $file_open (i32.const 64) (i32.const 4)))"),
    ("size", "(drop (call $file_size (i32.const 0)))"),
    ("read", "(drop (call $file_read (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const 8)))"),
    ("digest", "(drop (call $hash_digest (i32.const 5) (i32.const 512) (i32.const 43) (i32.const 4096)))"),
    (
        "hmac",
        "(drop (call $hash_hmac (i32.const 3) (i32.const 512) (i32.const 43) (i32.const 512) (i32.const 43) (i32.const 4096)))",
    ),
    (
        "pbkdf2",
        "(call $hash_pbkdf2 (i32.const 1) (i32.const 512) (i32.const 43) (i32.const 512) (i32.const 43) (i32.const 2)
         (i32.const 4096) (i32.const 64))",
    ),
    ("bcrypt", "(call $hash_bcrypt (i32.const 512) (i32.const 43) (i32.const 512) (i32.const 4) (i32.const 4096))"),
];
/// Calls nothing at the bottom.
const NOTHING: usize = CALLS.len();
/// The place of `answer`.
const ANSWER: usize = 2;

/// Frames left between the call and the end of the stack.
const FRAMES_LEFT: [u32; 9] = [0, 1, 2, 3, 4, 6, 10, 30, 100];

const REQUEST: &str = r#"{"method":"GET","url":"https://api.test/"} "#;
const RECORDING: &str = r#"[
    {"request": {"method": "GET", "url": "https://api.test/"}, "response": {"status": 200, "body": "one"}},
    {"request": {"method": "GET", "url": "https://api.test/"}, "response": {"status": 200, "body": "two"}}
]"#;

/// Some 1 800 runs: about 6 s.
#[test]
fn a_host_call_from_the_end_of_the_stack_does_not_abort_the_process() {
    assert_eq!(
        CALLS.map(|(name, _)| name).as_slice(),
        FUNCTIONS.iter().map(|f| f.name).collect::<Vec<_>>(),
        "all functions"
    );
    let _alone = alone();
    warm_up();
    let wasm = diver();
    for profile in PROFILES {
        let deepest = deepest(profile, &wasm);
        println!("{profile:?}: {deepest} frames fit the stack");
        assert!(deepest > 500, "the stack is too small to say anything: {deepest} frames");
        for (which, (name, _)) in CALLS.iter().enumerate() {
            for left in FRAMES_LEFT {
                let rule = at(profile, &wasm, deepest - left, which);
                for (place, run) in on_every_thread(&rule) {
                    assert_contained(&run, &format!("{profile:?}: {name} with {left} frames left, {place}"));
                }
            }
        }
        benign_login(profile).expect("logins go on");
    }
}

#[track_caller]
fn assert_contained(run: &Run, what: &str) {
    match &run.answer {
        Ok(answer) => assert_eq!(answer, br#"{"continue":{}}"#, "{what}"),
        Err(failure) => {
            let contained = matches!(failure.code, FailureCode::StackExhausted | FailureCode::GuestError);
            assert!(contained, "{what}: {failure}");
        }
    }
}

/// A rule that reads how deep to dive and whom to call there from its data file `plan`, having opened everything that
/// the calls need.
fn diver() -> Vec<u8> {
    let mut calls = String::new();
    for (which, (_, call)) in CALLS.iter().enumerate() {
        write!(calls, "(if (i32.eq (local.get $which) (i32.const {which})) (then {call}))").expect("memory");
    }
    let fields = format!(
        r#"(data (i32.const 64) "plan") (data (i32.const 512) "{}")
        (global $unwound (mut i32) (i32.const 0))
        (func $dive (param $depth i32) (param $which i32)
          (if (local.get $depth)
            (then (call $dive (i32.sub (local.get $depth) (i32.const 1)) (local.get $which))
                  (global.set $unwound (i32.add (global.get $unwound) (i32.const 1))))
            (else {calls})))"#,
        guests::escaped(REQUEST.as_bytes())
    );
    let run = format!(
        "(drop (call $event_len (i32.const 0)))
         (drop (call $file_open (i32.const 64) (i32.const 4)))
         (drop (call $file_read (i32.const 0) (i32.const 0) (i32.const 32) (i32.const 8)))
         (i32.store (i32.const 1024) (call $http_start (i32.const 512) (i32.const 43) (i32.const 0) (i32.const 0)))
         (drop (call $http_wait (i32.const 1024) (i32.const 1)))
         (call $dive (i32.load (i32.const 32)) (i32.load (i32.const 36)))
         (if (i32.ne (i32.load (i32.const 36)) (i32.const {ANSWER})) (then (call $ok)))"
    );
    assert_eq!(REQUEST.len(), 43);
    guests::rule_of(guests::ALL, 4, &fields, &run)
}

fn at(profile: Profile, wasm: &[u8], depth: u32, which: usize) -> SandboxedRule {
    let plan = [depth.to_le_bytes(), u32::try_from(which).expect("small").to_le_bytes()].concat();
    let grants =
        Grants { files: Some(files(&[("plan", &plan)])), http: Some(peer::grants(&["https://api.test"], None)) };
    runtime().block_on(workshop().deploy(engine(profile), wasm, grants)).expect("the diver is a rule")
}

/// The most frames that fit, found by halving.
fn deepest(profile: Profile, wasm: &[u8]) -> u32 {
    let (mut fits, mut overflows) = (1, 200_000);
    while overflows - fits > 1 {
        let middle = u32::midpoint(fits, overflows);
        let run = runtime().block_on(dive(at(profile, wasm, middle, NOTHING)));
        match run.answer {
            Ok(_) => fits = middle,
            Err(failure) if failure.code == FailureCode::StackExhausted => overflows = middle,
            Err(failure) => panic!("a dive of {middle} frames: {failure}"),
        }
    }
    fits
}

fn on_every_thread(rule: &SandboxedRule) -> [(&'static str, Run); 3] {
    let on_a_thread_of = |stack: usize| {
        let rule = rule.clone();
        let alone = move || Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(dive(rule));
        thread::Builder::new().stack_size(stack).spawn(alone).expect("a thread").join().expect("it does not panic")
    };
    let worker = runtime().block_on(runtime().spawn(dive(rule.clone()))).expect("it does not panic");
    [
        ("on a worker thread", worker),
        ("on a current-thread runtime", on_a_thread_of(2 << 20)),
        ("on a thread of 256 KiB", on_a_thread_of(256 << 10)),
    ]
}

async fn dive(rule: SandboxedRule) -> Run {
    let budget = Budget { fuel: 100_000_000, wall: std::time::Duration::from_secs(2), ..Budget::STANDARD };
    let recording = Recording::parse(RECORDING.as_bytes()).expect("a recording");
    let event = events::document(&events::event(Size::Medium));
    rule.run(&event, budget, Source::Recorded(recording.play())).await.expect("the engine is sound")
}
