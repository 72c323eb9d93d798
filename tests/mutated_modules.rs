//! Real modules, changed a little: what comes of them is refused, or obeys every limit (HR-04).

use vestibule_engine::Tier;
use vestibule_tests::{Random, Rig, Tally, examples, programs, rig::event};
use wasm_mutate::WasmMutate;

/// Mutants of all modules together.
const MUTANTS: u64 = 2_500;
/// Flips of every byte of the smallest module.
const FLIPS_PER_BYTE: usize = 3;

/// One in so many mutants is of an example rule: they are large, and most of the time goes into compiling them.
const ONE_RULE_IN: usize = 16;

/// The small modules that are changed: guests, and the adversarial one.
fn small() -> Vec<(String, Vec<u8>)> {
    let guests = examples::guests().into_iter().map(|(name, wasm)| (name.to_owned(), wasm));
    guests.chain([("adversarial".to_owned(), programs::guest(true))]).collect()
}

/// Changes a module up to four times, each time as wasm-mutate likes: valid modules with another meaning.
fn mutant(original: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut wasm = original.to_vec();
    for _ in 0..=random.below(4) {
        let mut mutate = WasmMutate::default();
        mutate.seed(random.word()).preserve_semantics(false).fuel(200);
        // Some modules cannot be changed further in the way that was drawn.
        let Ok(mut mutants) = mutate.run(&wasm) else { continue };
        let Some(Ok(next)) = mutants.next() else { continue };
        drop(mutants);
        wasm = next;
    }
    wasm
}

#[test]
fn mutants_of_real_modules_are_refused_or_obey() {
    let (rig, event) = (Rig::new(Rig::BUDGET), event());
    let (small, rules) = (small(), examples::built_rules());
    let (mut tally, mut of_rules) = (Tally::default(), 0);
    for seed in 0..MUTANTS {
        let mut random = Random::new(!seed);
        let is_rule = random.one_in(ONE_RULE_IN);
        let (name, original) = random.pick(if is_rule { &rules } else { &small });
        of_rules += u64::from(is_rule);
        let tier = if is_rule { Tier::Baseline } else { Tier::Optimised };
        let wasm = mutant(original, seed);
        let tried = rig
            .try_module(&wasm, &event, tier, seed % 8 == 0)
            .unwrap_or_else(|broken| panic!("`{name}` with seed {seed}: {broken}"));
        tally.count(&tried.ended, tried.spent.host_calls);
    }
    println!("{MUTANTS} mutants of {} modules and {} rules\n{tally}", small.len(), rules.len());
    assert!(of_rules > MUTANTS / 32, "only {of_rules} mutants of example rules");
    for class in ["refused", "failed", "answered"] {
        assert!(tally.of(class) > MUTANTS / 100, "hardly a mutant is {class} any more\n{tally}");
    }
}

#[test]
fn every_byte_of_a_module_can_be_flipped() {
    let (rig, event) = (Rig::new(Rig::BUDGET), event());
    let mut tally = Tally::default();
    for (name, original) in examples::guests() {
        let mut random = Random::new(original.len() as u64);
        for at in 0..original.len() {
            for _ in 0..FLIPS_PER_BYTE {
                let mut wasm = original.clone();
                let bits = 1 + random.below(255) as u8;
                wasm[at] ^= bits;
                let tried = rig
                    .try_module(&wasm, &event, Tier::Baseline, false)
                    .unwrap_or_else(|broken| panic!("`{name}`, byte {at} changed by {bits:#x}: {broken}"));
                tally.count(&tried.ended, tried.spent.host_calls);
            }
        }
    }
    println!("{} flips\n{tally}", tally.all());
    assert!(tally.of("refused") > 0 && tally.of("answered") > 0, "{tally}");
}
