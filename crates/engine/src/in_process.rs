//! Compiling in the running process: for tests and benchmarks that need a thousand modules a second.
//!
//! NEVER FOR UPLOADS. Nothing here bounds the time or the memory that compiling takes, and a module made for it can take
//! minutes or gigabytes; the product compiles in a killable child, see [`Compiler`](crate::Compiler). The file is only
//! there with the feature `in-process-compile`, which no shipped binary switches on. What it makes is what the worker
//! makes: the same steps, the same configuration.

use std::panic::{AssertUnwindSafe, catch_unwind};

use vestibule_abi::codes::RefusalCode;

use crate::{CompiledRule, Engine, EngineError, Inspected, Refusal, Tier, settings::compile_config, worker};

/// Compiles modules in the running process, unbounded. For tests and benchmarks only.
#[derive(Debug)]
pub struct InProcessCompiler {
    optimised: wasmtime::Engine,
    baseline: wasmtime::Engine,
    init_fuel: u64,
}

impl InProcessCompiler {
    /// A compiler that gives start functions and initialisers this much fuel.
    ///
    /// # Errors
    /// [`EngineError::Runtime`] when the compiler cannot be set up.
    pub fn new(init_fuel: u64) -> Result<Self, EngineError> {
        let engine = |tier| wasmtime::Engine::new(&compile_config(tier));
        Ok(Self { optimised: engine(Tier::Optimised)?, baseline: engine(Tier::Baseline)?, init_fuel })
    }

    /// Compiles a module for an engine.
    ///
    /// # Errors
    /// As [`Compiler::compile`](crate::Compiler::compile), but for its limits; a panic of the compiler, which would end
    /// a worker, is `compile_crashed`.
    pub fn compile(&self, engine: &Engine, inspected: &Inspected, tier: Tier) -> Result<CompiledRule, Refusal> {
        let compiling = match tier {
            Tier::Optimised => &self.optimised,
            Tier::Baseline => &self.baseline,
        };
        let init_fuel = inspected.needs_init.then_some(self.init_fuel);
        let compiled = catch_unwind(AssertUnwindSafe(|| worker::compile_with(compiling, &inspected.bytes, init_fuel)));
        let code = compiled
            .unwrap_or_else(|_| Err(Refusal::new(RefusalCode::CompileCrashed, "compiling the module panicked")))?;
        Ok(CompiledRule::compiled_here(engine, inspected, tier, code))
    }
}
