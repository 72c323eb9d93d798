//! Pre-initialisation: a start function or initialiser runs once, at deploy, and the heap becomes the module's data.
//!
//! It runs in the compile worker, in an engine of its own, with fuel and memory limits, and every import traps. The
//! deployed module has no start function and does no start-up work on a login.

use futures_util::FutureExt as _;
use vestibule_abi::{codes::RefusalCode, host::INITIALIZE_EXPORT, limits::Budget};
use wasmparser::ValType;
use wasmtime::{Instance, Linker, Module, Store, StoreLimits, StoreLimitsBuilder, Trap, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, Wizer};

use crate::{Refusal, settings::preinit_engine};

/// Runs what a module wants to run before its first login, and returns the module with its heap filled in.
///
/// # Errors
/// `init_failed` when it traps, calls the host, or exceeds its fuel or memory.
pub(crate) fn preinitialise(wasm: &[u8], fuel: u64) -> Result<Vec<u8>, Refusal> {
    initialised(wasm, fuel).map_err(|error| {
        // A trap is the cause an author can act on; the backtrace around it is of the instrumented module.
        let cause = error.downcast_ref::<Trap>().map_or_else(|| error.root_cause().to_string(), Trap::to_string);
        let message = format!(
            "the start function or initialiser, which runs once at deploy without event or host functions, failed: {cause}; \
             leave to `run` what needs the event, the host or much fuel"
        );
        Refusal::new(RefusalCode::InitFailed, message)
    })
}

fn initialised(wasm: &[u8], fuel: u64) -> wasmtime::Result<Vec<u8>> {
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument(wasm)?;
    let engine = preinit_engine().map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    let module = Module::from_binary(&engine, &instrumented)?;
    let limits =
        StoreLimitsBuilder::new().memory_size(Budget::CEILING.memory_bytes as usize).trap_on_grow_failure(true).build();
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits| limits);
    store.set_fuel(fuel)?;
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&module)?; // An initialiser sees no event, no host, nothing of a login.
    let instance = linker.instantiate(&mut store, &module)?;
    if let Some(initialize) = instance.get_func(&mut store, INITIALIZE_EXPORT) {
        initialize.typed::<(), ()>(&store)?.call(&mut store, ())?;
    }
    let mut heap = Heap { store, instance };
    wizer
        .snapshot(&context, &mut heap)
        .now_or_never()
        .unwrap_or_else(|| Err(wasmtime::Error::msg("the snapshot did not finish at once")))
}

/// The state of the initialised instance, as the snapshot reads it.
struct Heap {
    store: Store<StoreLimits>,
    instance: Instance,
}

impl InstanceState for Heap {
    #[expect(
        clippy::panic,
        reason = "the trait asks for it, and the instrumented module exports what it asks about; \
                                      in the worker a panic is a refusal"
    )]
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        match self.instance.get_global(&mut self.store, name).map(|global| global.get(&mut self.store)) {
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(bits)) => SnapshotVal::F32(bits),
            Some(Val::F64(bits)) => SnapshotVal::F64(bits),
            Some(Val::V128(value)) => SnapshotVal::V128(value.as_u128()),
            Some(_) | None => panic!("no numeric global `{name}`"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        if let Some(memory) = self.instance.get_memory(&mut self.store, name) {
            contents(memory.data(&self.store));
        }
    }
}
