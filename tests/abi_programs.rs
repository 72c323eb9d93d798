//! The host's side of the ABI under random programs of one adversarial guest: every order of calls, every pointer and
//! length, any depth of stack before a call.

use vestibule_abi::limits::Budget;
use vestibule_tests::{Random, Rig, Tally, programs, wasmi::SecondEngine};

/// Programs tried with all capabilities, on both profiles.
const PROGRAMS: u64 = 20_000;
/// Programs tried on both engines.
const ON_BOTH_ENGINES: u64 = 10_000;
/// Enough for any program that ends, so that fuel never decides.
const BUDGET: Budget = Budget { fuel: 20_000_000, ..Budget::STANDARD };

#[test]
fn no_program_breaks_a_promise_and_both_profiles_agree() {
    let rig = Rig::new(BUDGET);
    let [fast, hardened] = rig.load(&programs::guest(true)).unwrap();
    let mut tally = Tally::default();
    for seed in 0..PROGRAMS {
        let event = programs::event_of(&programs::program(&mut Random::new(seed)));
        let tried = rig.run(&fast, &event).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        let again = rig.run(&hardened, &event).unwrap_or_else(|broken| panic!("seed {seed}, hardened: {broken}"));
        tried.agrees_with(&again).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        // Reading the event takes two calls; a program only adds to them.
        assert!(tried.spent.host_calls >= 2, "seed {seed}: {tried:?}");
        tally.count(&tried.ended, tried.spent.host_calls);
    }
    println!("{PROGRAMS} programs\n{tally}");
    assert!(tally.of("answered") > PROGRAMS / 20, "hardly a program answers any more\n{tally}");
    for code in [
        "abi_bad_pointer",
        "abi_protocol",
        "guest_error",
        "hostcall_bad_args",
        "http_blocked",
        "http_not_recorded",
        "memory_limit",
        "output_too_large",
        "stack_exhausted",
        "trap",
    ] {
        assert!(tally.of_code("failed", code) > 0, "no program fails with {code} any more\n{tally}");
    }
}

#[test]
fn a_second_engine_carries_out_every_program_alike() {
    let rig = Rig::new(BUDGET);
    let wasm = programs::guest(false);
    let [fast, _] = rig.load(&wasm).unwrap();
    let second = SecondEngine::new(BUDGET);
    let mut compared = Tally::default();
    for seed in 0..ON_BOTH_ENGINES {
        let event = programs::event_of(&programs::program(&mut Random::new(seed)));
        let tried = rig.run(&fast, &event).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        let other = second.run(&wasm, &event);
        if !other.is_comparable_to(&tried) {
            continue;
        }
        other.agrees_with(&tried).unwrap_or_else(|differs| panic!("seed {seed}: {differs}"));
        compared.count(&tried.ended, tried.spent.host_calls);
    }
    println!("compared\n{compared}");
    assert!(compared.all() > ON_BOTH_ENGINES * 3 / 4, "too few could be compared\n{compared}");
}
