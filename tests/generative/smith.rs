//! Random modules from a seed, by wasm-smith: such as the product could be sent.
//!
//! Most are held to the product's imports and exports, so that they are accepted and really call host functions; the
//! rest may use anything, so that refusing is tried too.

use std::sync::LazyLock;

use vestibule_abi::host;
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};

use crate::{Random, fingerprint::fingerprinted};

/// What a module is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The product's imports and exports, the proposals it allows.
    Acceptable,
    /// The same, and it neither traps nor loops by itself, so that it comes further.
    Calm,
    /// The same as calm, with results that no engine may disagree on: canonical NaNs, an end that is not fuel's.
    Comparable,
    /// Any imports, exports and proposals.
    Anything,
}

/// The module of a seed. The same seed gives the same bytes.
#[must_use]
pub fn module(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let kind = match random.below(10) {
        0..5 => Kind::Acceptable,
        5..8 => Kind::Calm,
        _ => Kind::Anything,
    };
    let module = module_of(kind, &mut random);
    // Hardly any random module answers by itself; half of them get an end that does.
    let answering = if random.one_in(2) { fingerprinted(&module) } else { None };
    answering.unwrap_or(module)
}

/// The module of the next random bytes.
#[must_use]
pub fn module_of(kind: Kind, random: &mut Random) -> Vec<u8> {
    let config = match kind {
        Kind::Anything => Config { available_imports: random.one_in(2).then(all_imports), ..Config::default() },
        Kind::Acceptable => acceptable(random),
        Kind::Calm => Config { disallow_traps: true, ..acceptable(random) },
        Kind::Comparable => Config {
            allow_start_export: false,
            canonicalize_nans: true,
            disallow_traps: random.one_in(2),
            max_table_elements: 1_000,
            reference_types_enabled: false,
            // The second engine has no network, and does not hash.
            available_imports: Some(imports(|function| ![host::HTTP, host::HASH].contains(&function.namespace))),
            ..acceptable(random)
        },
    };
    // Out of bytes, wasm-smith goes on with zeros; out of luck, it takes the next.
    loop {
        let count = 128 << random.below(4);
        let bytes = random.bytes(count);
        let Ok(mut module) = Module::new(config.clone(), &mut arbitrary::Unstructured::new(&bytes)) else { continue };
        if kind == Kind::Comparable && module.ensure_termination(1_000).is_err() {
            continue;
        }
        return module.to_bytes();
    }
}

fn acceptable(random: &mut Random) -> Config {
    // Among fewer kinds of instructions there are more calls.
    let talkative = [InstructionKind::Control, InstructionKind::Variable, InstructionKind::NumericInt];
    let allowed_instructions =
        if random.one_in(2) { InstructionKinds::new(&talkative) } else { InstructionKinds::all() };
    Config {
        allowed_instructions,
        available_imports: Some(all_imports()),
        exports: Some(exports(random)),
        allow_start_export: random.one_in(24),
        max_imports: 20,
        max_funcs: 5,
        max_instructions: 100,
        max_memories: 0, // The exported one is the only one.
        max_table_elements: if random.one_in(16) { 20_000 } else { 1_000 },
        max_data_segments: 8,
        custom_page_sizes_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        reference_types_enabled: random.one_in(32), // They come with host references, which are refused.
        relaxed_simd_enabled: false,
        simd_enabled: random.one_in(3),
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// A module that imports the host functions that are wanted.
fn imports(wanted: fn(&host::HostFunction) -> bool) -> Vec<u8> {
    let import = |function: &host::HostFunction| {
        let params = "i32 ".repeat(function.params.len());
        let result = if function.returns { "(result i32)" } else { "" };
        format!("(import {:?} {:?} (func (param {params}) {result}))", function.namespace, function.name)
    };
    wat(&host::FUNCTIONS.iter().filter(|function| wanted(function)).map(import).collect::<String>())
}

/// A module that imports every host function there is.
fn all_imports() -> Vec<u8> {
    static IMPORTS: LazyLock<Vec<u8>> = LazyLock::new(|| imports(|_| true));
    IMPORTS.clone()
}

/// A module that exports what the product asks for.
fn exports(random: &mut Random) -> Vec<u8> {
    let memory = random.pick(&["1", "0", "1 1", "2 8", "17 300"]);
    wat(&format!(r#"(memory (export "memory") {memory}) (func (export "run"))"#))
}

fn wat(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).expect("the text is a module")
}
