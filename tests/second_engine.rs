//! A second engine, which shares no code with the first, comes to the same answers, byte for byte.

use vestibule_abi::limits::Budget;
use vestibule_engine::inspect;
use vestibule_tests::{
    Ended, Random, Rig, Tally, examples,
    fingerprint::fingerprinted,
    rig::event,
    smith::{Kind, module_of},
    wasmi::SecondEngine,
};

/// Random modules tried on both engines.
const MODULES: u64 = 2_000;
const BUDGET: Budget = Budget { fuel: 20_000_000, ..Budget::STANDARD };

/// Runs a module on both profiles of the first engine and on the second; gives its answer, if it is deterministic.
#[track_caller]
fn check(rig: &Rig, second: &SecondEngine, name: &str, wasm: &[u8]) -> Ended {
    let event = event();
    let [fast, hardened] = rig.load(wasm).unwrap_or_else(|broken| panic!("{name}: {broken}"));
    let tried = rig.run(&fast, &event).unwrap_or_else(|broken| panic!("{name}: {broken}"));
    let again = rig.run(&hardened, &event).unwrap_or_else(|broken| panic!("{name}, hardened: {broken}"));
    tried.agrees_with(&again).unwrap_or_else(|broken| panic!("{name}: {broken}"));
    second.run(wasm, &event).agrees_with(&tried).unwrap_or_else(|differs| panic!("{name}: {differs}"));
    tried.ended
}

#[test]
fn deterministic_guests_answer_alike() {
    let (rig, second) = (Rig::new(BUDGET), SecondEngine::new(BUDGET));
    for (name, wasm) in examples::guests() {
        let ended = check(&rig, &second, name, &wasm);
        assert!(matches!(&ended, Ended::Answered(answer) if !answer.is_empty()), "{name} came to {ended:?}");
    }
}

#[test]
fn built_example_rules_answer_alike() {
    let (rig, second) = (Rig::new(BUDGET), SecondEngine::new(BUDGET));
    let rules: Vec<_> = examples::built_rules().into_iter().filter(|(_, wasm)| !asks_http(wasm)).collect();
    assert!(rules.len() >= 10, "only {} example rules do without the network", rules.len());
    for (name, wasm) in rules {
        check(&rig, &second, &name, &wasm);
    }
}

#[test]
fn random_modules_leave_the_same_memory_behind() {
    let (rig, second) = (Rig::new(BUDGET), SecondEngine::new(BUDGET));
    let event = event();
    let mut compared = Tally::default();
    for seed in 0..MODULES {
        let Some(wasm) = fingerprinted(&module_of(Kind::Comparable, &mut Random::new(seed))) else { continue };
        let [fast, _] = rig.load(&wasm).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        let tried = rig.run(&fast, &event).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        let other = second.run(&wasm, &event);
        if !other.is_comparable_to(&tried) {
            continue;
        }
        other.agrees_with(&tried).unwrap_or_else(|differs| panic!("seed {seed}: {differs}"));
        compared.count(&tried.ended, tried.spent.host_calls);
    }
    println!("compared\n{compared}");
    assert!(compared.all() > MODULES / 4 && compared.of("answered") > MODULES / 20, "too few to mean much\n{compared}");
}

/// Whether a module imports functions that the second engine does not have.
fn asks_http(wasm: &[u8]) -> bool {
    inspect(wasm).unwrap().imports.iter().any(|import| import.namespace.contains("http"))
}
