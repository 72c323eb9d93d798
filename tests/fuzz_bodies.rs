//! The bodies of the fuzz targets over their seeds and thousands of mutants: the same code that libFuzzer runs, on any
//! toolchain.

use std::panic::{AssertUnwindSafe, catch_unwind};

use vestibule_fuzz::{TARGETS, Target};
use vestibule_tests::{Random, examples, programs};

/// Mutants of each target's seeds.
const MUTANTS: u64 = 20_000;
/// The longest input.
const BYTES: usize = 16 * 1024;

/// Runs a target on one input; says which input broke it.
#[track_caller]
fn check(target: &Target, input: &[u8]) {
    let held = catch_unwind(AssertUnwindSafe(|| (target.body)(input)));
    let shown: String = input.escape_ascii().to_string().chars().take(2_000).collect();
    assert!(held.is_ok(), "`{}` broke on {} bytes: {shown}", target.name, input.len());
}

/// A seed, or two, changed a little, with the target's own words put in.
fn mutant(target: &Target, seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(seeds).clone();
    if random.one_in(8) {
        let other = random.pick(seeds);
        input.truncate(random.below(input.len() + 1));
        input.extend(&other[random.below(other.len() + 1)..]);
    }
    for _ in 0..random.below(3) {
        let at = random.below(input.len() + 1);
        let token = random.pick(target.tokens);
        input.splice(at..at, token.iter().copied());
    }
    if !random.one_in(4) {
        random.mutate(&mut input);
    }
    input.truncate(BYTES);
    input
}

fn seeds_of(target: &Target) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.to_vec()).collect();
    if target.name == "inspect" {
        seeds.extend(examples::guests().into_iter().map(|(_, wasm)| wasm));
        seeds.push(programs::guest(true));
    }
    seeds
}

#[test]
fn no_input_breaks_a_parser() {
    for target in TARGETS {
        let seeds = seeds_of(target);
        seeds.iter().for_each(|seed| check(target, seed));
        let mut random = Random::new(target.name.len() as u64);
        for _ in 0..MUTANTS {
            check(target, &mutant(target, &seeds, &mut random));
        }
        for _ in 0..MUTANTS / 10 {
            let count = random.below(512);
            check(target, &random.bytes(count));
        }
    }
}

/// As deep as bytes allow: a parser that recurses without a bound ends the process, not the test.
#[test]
fn no_nesting_breaks_a_parser() {
    let levels = 50_000;
    let brackets = "[".repeat(levels).into_bytes();
    let members = "{\"a\":".repeat(levels).into_bytes();
    let tables = format!("a = {}", "[".repeat(levels)).into_bytes();
    let mut nodes = b"vst1\0\0\0\0\0\0\0\0\x10\0\0\0".to_vec();
    for level in (0..levels as u32).rev() {
        nodes.extend([6, 0, 1, 0]);
        nodes.extend((level * 8).to_le_bytes());
    }
    for target in TARGETS {
        for input in [&brackets, &members, &tables, &nodes] {
            check(target, input);
        }
    }
}
