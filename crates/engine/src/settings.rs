//! What an operator may choose, and the one function that sets wasmtime's knobs.

use std::time::Duration;

use vestibule_abi::limits;
use wasmparser::WasmFeatures;

use crate::{Tier, engine::EngineError};

/// How instances get their memory. Both give the same answers; they differ in speed and attack surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Slots made ahead and reset after each run: microseconds.
    Fast,
    /// Fresh mappings for each run: nothing of a previous run is ever mapped again, at the cost of system calls.
    Hardened,
}

/// Rules that stay warm on each core: those of the longest pipeline, and of as many others.
const WARM_RULES: u32 = 2 * limits::RULES_PER_PIPELINE as u32;

/// The parts the pool is divided into: one for each core, 16 at most.
fn shards() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)).min(16)
}

/// How an [`Engine`](crate::Engine) is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Pooled or fresh mappings.
    pub profile: Profile,
    /// The most runs at one time; more wait their turn, in order.
    pub concurrent_runs: u32,
    /// Memories that stay with the rule that used them last. The pool divides them among the cores, and a thread that
    /// finds none of its own for a rule pays for new mappings and page faults: more than for the rule many times over.
    pub warm_memories: u32,
    /// The most instances that wait ready for a login that has not come yet, beside the runs; one for each rule.
    pub ready_runs: u32,
    /// How much of a slot's memory is reset by copying and stays resident, in bytes. It should cover what rules touch:
    /// a page fault costs more than a rule.
    pub resident_bytes: usize,
    /// How often running rules look at the clock while long runs take turns; a fourth as often while all runs are short.
    pub tick: Duration,
}

impl Settings {
    /// The settings for a profile that suit most installations.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            concurrent_runs: 128,
            warm_memories: WARM_RULES * shards(),
            ready_runs: limits::RULES_PER_PIPELINE as u32,
            resident_bytes: 512 * 1024, // The interpreter, warmed, and a JavaScript rule of some kilobytes: all of its memory.
            tick: Duration::from_micros(500),
        }
    }

    /// The most runs of one rule at one time: a rule whose network is slow leaves most slots to others.
    pub(crate) fn runs_of_a_rule(&self) -> usize {
        (self.concurrent_runs as usize / 4).max(1)
    }
}

/// What compiling one upload may cost. Both attempts together stay under 10 s (`hostile-rules` §4).
#[derive(Debug, Clone, Copy)]
pub struct CompileLimits {
    /// Wall-clock and CPU time of the attempt with optimisation.
    pub optimised: Duration,
    /// The same for the attempt without.
    pub baseline: Duration,
    /// Address space of the worker, in bytes.
    pub memory_bytes: u64,
    /// Fuel of a start function or initialiser.
    pub init_fuel: u64,
    /// The largest artifact taken from a worker, in bytes.
    pub artifact_bytes: u64,
}

impl CompileLimits {
    /// The limits of `hostile-rules` §4.
    pub const STANDARD: Self = Self {
        optimised: Duration::from_secs(6),
        baseline: Duration::from_millis(3_500),
        memory_bytes: 1024 * 1024 * 1024,
        init_fuel: 100_000_000,
        artifact_bytes: 24 * 1024 * 1024,
    };

    /// The limits for the interpreter of JavaScript rules: it is ours, large, and compiled once.
    pub const INTERPRETER: Self = Self {
        optimised: Duration::from_secs(120),
        baseline: Duration::from_secs(60),
        memory_bytes: 4 * 1024 * 1024 * 1024,
        ..Self::STANDARD
    };
}

/// Address space of a worker that evaluates source: the code it runs needs the whole reservation of a memory, of which a
/// rule may use [`Budget::CEILING`](vestibule_abi::limits::Budget::CEILING).
pub(crate) const EVALUATION_ADDRESS_SPACE: u64 = 12 * 1024 * 1024 * 1024;

/// The WebAssembly proposals a rule may use: what LLVM and binaryen emit, frozen with the ABI.
pub(crate) const ALLOWED_FEATURES: WasmFeatures = WasmFeatures::WASM1
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::SIMD)
    .difference(WasmFeatures::GC_TYPES); // `externref`: nothing of ours gives one, and no collector is compiled in.

/// The part of the configuration that decides what code is compiled: the same in the worker and where it is loaded.
pub(crate) fn compile_config(tier: Tier) -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config.consume_fuel(true); // The deterministic limit: same input, same cost.
    config.epoch_interruption(true); // The wall-clock limit, and where a rule yields to other logins.
    config.cranelift_nan_canonicalization(true); // NaN bits must not differ by CPU, nor carry messages.
    for refused in WasmFeatures::all().difference(ALLOWED_FEATURES).iter() {
        config.wasm_features(refused, false); // Threads, memory64, GC, exceptions, tail calls, relaxed SIMD, …
    }
    config.max_wasm_stack(limits::WASM_STACK_BYTES);
    config.async_stack_size(limits::FIBER_STACK_BYTES); // Host functions need room above the deepest guest.
    config.memory_may_move(false); // Pooled memories never move; code may rely on the base.
    config.native_unwind_info(false); // wasm backtraces do not need it, and registering it is quadratic.
    config.wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable); // Set, not read from the environment.
    match tier {
        Tier::Optimised => config.cranelift_opt_level(wasmtime::OptLevel::Speed),
        Tier::Baseline => config
            .cranelift_opt_level(wasmtime::OptLevel::None)
            .cranelift_regalloc_algorithm(wasmtime::RegallocAlgorithm::SinglePass), // Linear, for compile bombs.
    };
    config
}

/// The configuration of an engine that runs rules.
pub(crate) fn run_config(settings: &Settings) -> wasmtime::Config {
    let mut config = compile_config(Tier::Optimised);
    config.async_stack_zeroing(false); // The guest cannot read the host's part of a stack; a fresh page costs more.
    match settings.profile {
        Profile::Fast => config.allocation_strategy(wasmtime::InstanceAllocationStrategy::Pooling(pool(settings))),
        Profile::Hardened => config.allocation_strategy(wasmtime::InstanceAllocationStrategy::OnDemand),
    };
    config
}

fn pool(settings: &Settings) -> wasmtime::PoolingAllocationConfig {
    let mut pool = wasmtime::PoolingAllocationConfig::new();
    let instances = settings.concurrent_runs + settings.ready_runs;
    pool.total_core_instances(instances);
    let memories = instances.max(settings.warm_memories);
    pool.total_memories(memories); // Address space, 4 GiB each; only what a rule touched is resident.
    pool.total_tables(instances);
    pool.total_stacks(instances + 1); // An instance keeps the stack it was made on; one is for the next.
    pool.max_memories_per_module(1);
    pool.max_tables_per_module(1);
    pool.max_memory_size(crate::inspect::MEMORY_BYTES as usize);
    pool.table_elements(crate::inspect::TABLE_ELEMENTS as usize);
    pool.max_unused_warm_slots(memories); // A slot that returns to its rule needs no remapping.
    pool.linear_memory_keep_resident(settings.resident_bytes);
    pool.table_keep_resident(16 * 1024);
    pool.pagemap_scan(wasmtime::Enabled::No); // On 48 and 49 it can leave a previous login's bytes behind.
    pool
}

/// Makes the engine in which a start function runs once, at deploy: small reservations, because the worker's address
/// space is limited, and no optimisation, because it runs once.
pub(crate) fn preinit_engine() -> Result<wasmtime::Engine, EngineError> {
    let mut config = compile_config(Tier::Baseline);
    config.epoch_interruption(false); // The worker's own CPU and wall limits hold here.
    config.max_wasm_stack(4 * limits::WASM_STACK_BYTES); // Frames of code without optimisation are large.
    config.memory_reservation(0);
    config.memory_reservation_for_growth(0);
    config.memory_guard_size(0); // Safe without pooling: every access is checked in code.
    config.memory_may_move(true);
    config.memory_init_cow(false);
    wasmtime::Engine::new(&config).map_err(EngineError::from)
}
