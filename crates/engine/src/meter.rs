//! The meter: it enforces the memory budget of a run and measures what the run used.
//!
//! Fuel and time are enforced by the runtime and by the loop that polls the run; the meter only counts here.

use vestibule_abi::{
    codes::FailureCode,
    limits::{Budget, Spent},
};
use vestibule_pipeline::RuleFailure;

use crate::{failure::Stop, inspect::TABLE_ELEMENTS};

/// Base price of a host call, in fuel.
const CALL_FUEL: u64 = 50;
/// Bytes a host function moves for one unit of fuel.
const BYTES_PER_FUEL: u64 = 8;

#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) budget: Budget,
    pub(crate) spent: Spent,
}

impl Meter {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, spent: Spent::default() }
    }

    /// Sets what is left to spend for an instance that was made with another budget.
    pub(crate) fn grant(&mut self, budget: Budget) -> Result<(), Stop> {
        self.budget = budget;
        self.within_memory(self.spent.peak_memory_bytes)
    }

    fn within_memory(&self, bytes: u64) -> Result<(), Stop> {
        if bytes > self.budget.memory_bytes {
            let message = format!("{bytes} bytes of memory asked for, allowed are {}", self.budget.memory_bytes);
            return Err(Stop(RuleFailure::new(FailureCode::MemoryLimit, message)));
        }
        Ok(())
    }

    /// Counts a host call that moves `bytes`, and says what it costs in fuel (HR-59).
    pub(crate) fn host_call(&mut self, bytes: u32) -> Result<u64, Stop> {
        self.spent.host_calls += 1;
        if self.spent.host_calls > self.budget.host_calls {
            let message = format!("more than {} host calls", self.budget.host_calls);
            return Err(Stop(RuleFailure::new(FailureCode::HostcallLimit, message)));
        }
        Ok(CALL_FUEL + u64::from(bytes) / BYTES_PER_FUEL)
    }
}

impl wasmtime::ResourceLimiter for Meter {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let desired = desired as u64;
        self.within_memory(desired)?;
        self.spent.peak_memory_bytes = self.spent.peak_memory_bytes.max(desired);
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired as u64 > TABLE_ELEMENTS {
            let message = format!("a table of {desired} elements asked for, allowed are {TABLE_ELEMENTS}");
            return Err(Stop(RuleFailure::new(FailureCode::MemoryLimit, message)).into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }
}
