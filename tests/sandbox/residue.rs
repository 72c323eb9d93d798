//! HR-63, HR-64: nothing of one tenant's run can be read by the next, in the same slot.
//!
//! `VESTIBULE_RESIDUE_RUNS` sets the number of alternations for each profile (1 000 unless it is set). Memory compaction,
//! which moves pages between two runs, is forced where this user may; whoever sets the variable wants the proof, and gets
//! none without it.

use std::{fs, time::Duration};

use vestibule_abi::{host::Capability, limits::Budget};
use vestibule_engine::{Engine, Grants, Profile, SandboxedRule, Settings, http::Source};
use vestibule_pipeline::RuleFailure;
use vestibule_testkit::{
    deploy::PROFILES,
    events::{self, Size},
    guests,
    oracle::alone,
};

use super::harness::{runtime, workshop};

const COMPACT: &str = "/proc/sys/vm/compact_memory";

/// Fills and scans 16 MiB 1 000 times: about 20 s, most of it page faults.
#[test]
fn nothing_of_a_run_can_be_read_by_the_next_tenant_in_its_slot() {
    let _alone = alone();
    alternate(Settings { concurrent_runs: 1, warm_memories: 1, ..Settings::new(Profile::Fast) }, runs());
}

/// As above: about 20 s.
#[test]
fn nothing_of_a_run_can_be_read_by_the_next_tenant_in_fresh_mappings() {
    let _alone = alone();
    alternate(Settings { concurrent_runs: 1, warm_memories: 1, ..Settings::new(Profile::Hardened) }, runs());
}

fn runs() -> u32 {
    std::env::var("VESTIBULE_RESIDUE_RUNS").map_or(1_000, |runs| runs.parse().expect("a number of runs"))
}

/// A slot that stays resident is reset by copying, which is another path: 50 alternations.
#[test]
fn nothing_is_left_in_a_slot_that_stays_resident() {
    let _alone = alone();
    alternate(
        Settings { concurrent_runs: 1, warm_memories: 1, resident_bytes: 16 << 20, ..Settings::new(Profile::Fast) },
        50,
    );
}

/// HR-64: exported globals, tables and memory are new on every login.
#[test]
fn a_rule_finds_its_own_state_as_it_was_compiled_on_every_login() {
    let _alone = alone();
    let counter = guests::rule(
        r#"(global $count (export "count") (mut i32) (i32.const 0))
           (table $t (export "t") 2 funcref)
           (elem declare func $ok)"#,
        "(if (i32.or (i32.or (global.get $count) (i32.load (i32.const 4096))) (i32.eqz (ref.is_null (table.get $t (i32.const 1)))))
           (then (call $fail (i32.const 8) (i32.const 15))))
         (global.set $count (i32.const 1)) (i32.store (i32.const 4096) (i32.const 1)) (table.set $t (i32.const 1) (ref.func $ok))
         (call $ok)",
    );
    for profile in PROFILES {
        let engine = Engine::new(Settings { concurrent_runs: 1, warm_memories: 1, ..Settings::new(profile) })
            .expect("an engine");
        let rule = deployed(&engine, &counter);
        for run in 0..200 {
            assert!(finished(&rule), "{profile:?}: run {run} met an earlier one");
        }
    }
}

/// One tenant's rule fills everything it can reach and ends in one of three ways; another's reads everything.
fn alternate(settings: Settings, runs: u32) {
    let compacts = fs::write(COMPACT, "1").is_ok();
    if !compacts {
        assert!(
            std::env::var_os("VESTIBULE_RESIDUE_RUNS").is_none(),
            "memory compaction cannot be forced here: {COMPACT} is not writable; run the proof as root"
        );
        println!("{:?}: memory compaction cannot be forced here: {COMPACT} is not writable", settings.profile);
    }
    let engine = Engine::new(settings.clone()).expect("an engine");
    let [answers, traps, spins] =
        ["(call $ok)", "unreachable", "(loop (br 0))"].map(|end| deployed(&engine, &hoarder(end)));
    let reader = deployed(&engine, &reader());
    for run in 0..runs {
        match run % 25 {
            7 => assert!(!finished(&traps), "it traps"),
            19 => cancelled(&spins),
            _ => assert_eq!(ended(&answers), Ok(()), "the hoarder fills its memory"),
        }
        if compacts && run % 100 == 0 {
            fs::write(COMPACT, "1").expect("it was writable");
        }
        let read = runtime().block_on(reader.run(&event(), budget(), Source::Denied)).expect("the engine is sound");
        assert!(read.answer.is_ok(), "{:?}: alternation {run}: {:?}", settings.profile, read.answer);
    }
    println!("{:?}: {runs} alternations, compaction forced: {compacts}", settings.profile);
}

/// Fills 16 MiB of memory, eight globals and a whole table, then ends.
fn hoarder(end: &str) -> Vec<u8> {
    let globals: String = (0..8).map(|number| format!("(global $g{number} (mut i64) (i64.const 0))")).collect();
    let fill: String =
        (0..8).map(|number| format!("(global.set $g{number} (i64.const -6510615555426900571))")).collect();
    guests::rule(
        &format!(
            "{globals} (table $t 10000 funcref) (elem declare func $ok) (data $answer \"{{\\22continue\\22:{{}}}}\")"
        ),
        &format!(
            "(drop (memory.grow (i32.const 255))) (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 16777216))
             (memory.init $answer (i32.const 8) (i32.const 0) (i32.const 15))
             (table.fill $t (i32.const 0) (ref.func $ok) (i32.const 10000)) {fill} {end}"
        ),
    )
}

/// Reads 16 MiB of memory, its globals and its whole table, and fails if anything is not as it was compiled.
fn reader() -> Vec<u8> {
    let globals: String = (0..8).map(|number| format!("(global $g{number} (mut i64) (i64.const {number}))")).collect();
    let look: String = (0..8)
        .map(|number| format!("(if (i64.ne (global.get $g{number}) (i64.const {number})) (then (call $fail (i32.const 32) (i32.const 6))))"))
        .collect();
    let eight: String =
        (0..8).map(|word| format!("(i64.load offset={} (local.get $at))", word * 8)).collect::<String>()
            + &"i64.or ".repeat(7);
    guests::module(
        &[Capability::Core],
        &format!(
            r#"(memory (export "memory") 1) (data (i32.const 8) "{{\22continue\22:{{}}}}") (data (i32.const 32) "globaltable\00memory")
            {globals} (table $t 10000 funcref)
            (func (export "run") (local $at i32)
              {look}
              (loop
                (if (i32.eqz (ref.is_null (table.get $t (local.get $at)))) (then (call $fail (i32.const 38) (i32.const 5))))
                (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 10000))))
              (drop (memory.grow (i32.const 255)))
              (local.set $at (i32.const 64))
              (loop
                {eight}
                (if (i64.ne (i64.const 0)) (then (call $fail (i32.const 44) (i32.const 6))))
                (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 64))) (i32.const 16777216))))
              (call $answer (i32.const 8) (i32.const 15)))"#
        ),
    )
}

fn deployed(engine: &Engine, wasm: &[u8]) -> SandboxedRule {
    runtime().block_on(workshop().deploy(engine, wasm, Grants::default())).expect("the fixture is a rule")
}

fn finished(rule: &SandboxedRule) -> bool {
    ended(rule).is_ok()
}

fn ended(rule: &SandboxedRule) -> Result<(), RuleFailure> {
    let run = runtime().block_on(rule.run(&event(), budget(), Source::Denied)).expect("the engine is sound");
    run.answer.map(drop)
}

/// Starts a run and drops it in its middle, as when a client goes away.
fn cancelled(rule: &SandboxedRule) {
    let gone = runtime().block_on(async {
        tokio::time::timeout(Duration::from_millis(30), rule.run(&event(), budget(), Source::Denied)).await
    });
    assert!(gone.is_err(), "it spins until it is dropped");
}

fn event() -> Vec<u8> {
    events::document(&events::event(Size::Small))
}

fn budget() -> Budget {
    Budget { fuel: 1_000_000_000_000, wall: Duration::from_secs(30), ..Budget::STANDARD }
}
