//! The only place that looks inside a `wasmtime::Error`: what ended a run, and whose fault it was.

use vestibule_abi::{codes::FailureCode, limits::Budget};
use vestibule_pipeline::RuleFailure;
use wasmtime::Trap;

/// A host function or the meter ends the run for a reason of its own.
#[derive(Debug)]
pub(crate) struct Stop(pub(crate) RuleFailure);

impl Stop {
    pub(crate) fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self(RuleFailure::new(code, message))
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Stop {}

/// Says why a run ended early. What is not a trap and not one of our stops is a fault of the host.
pub(crate) fn classify(error: &wasmtime::Error) -> RuleFailure {
    if let Some(Stop(failure)) = error.downcast_ref() {
        return failure.clone();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            let most = Budget::CEILING.fuel;
            let message = format!(
                "all fuel is used; `[limits] fuel` of rule.toml gives up to {most}, and a rule that has it must do less"
            );
            RuleFailure::new(FailureCode::FuelExhausted, message)
        }
        Some(Trap::StackOverflow) => RuleFailure::new(FailureCode::StackExhausted, "the wasm stack is used up"),
        Some(Trap::Interrupt) => RuleFailure::new(FailureCode::DeadlineExceeded, "interrupted"),
        Some(trap) => RuleFailure::new(FailureCode::Trap, trapped(trap, error)),
        None => RuleFailure::new(FailureCode::HostInternal, format!("{error:#}")),
    }
}

/// Whether a host function ended the run. Compiled code writes its fuel counter back before each call, so it is right then;
/// where a trap, a tick or growing memory ended it, what was used since the last call is not in it.
pub(crate) const fn is_by_host_call(code: FailureCode) -> bool {
    matches!(
        code,
        FailureCode::AbiBadPointer
            | FailureCode::AbiProtocol
            | FailureCode::CapabilityDenied
            | FailureCode::ConflictExhausted
            | FailureCode::GuestError
            | FailureCode::HostcallBadArgs
            | FailureCode::HostcallLimit
            | FailureCode::HttpBlocked
            | FailureCode::HttpNotRecorded
            | FailureCode::OutputTooLarge
    )
}

/// The kind of the trap, and the innermost function the author can recognise.
fn trapped(trap: &Trap, error: &wasmtime::Error) -> String {
    let place = error
        .downcast_ref::<wasmtime::WasmBacktrace>()
        .and_then(|backtrace| backtrace.frames().first())
        .and_then(|frame| frame.func_name())
        .map(|name| format!(" in `{}`", crate::refusal::shown(name)))
        .unwrap_or_default();
    format!("{trap}{place}")
}
