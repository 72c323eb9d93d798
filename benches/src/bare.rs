//! wasmtime itself, with the settings of a profile and nothing of ours around it: the least a fresh instance can cost.
//!
//! What decides the cost is repeated here from `vestibule_engine`'s settings, which are its own: fuel and epochs compiled
//! in, the same stacks and reservations, the same pool.

use vestibule_abi::limits;
use vestibule_engine::{Profile, Settings};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, ModuleExport, PoolingAllocationConfig,
    Store, StoreLimits, StoreLimitsBuilder,
};

/// A module that is ready to be instantiated.
pub struct Bare {
    engine: Engine,
    pre: InstancePre<StoreLimits>,
    run: ModuleExport,
}

impl Bare {
    /// Compiles a module. Its imports are linked to functions that trap: it must not call them.
    ///
    /// # Errors
    /// When wasmtime refuses it.
    pub fn new(profile: Profile, wasm: &[u8]) -> wasmtime::Result<Self> {
        let settings = Settings::new(profile);
        let mut config = Config::new();
        config.consume_fuel(true).epoch_interruption(true).cranelift_nan_canonicalization(true);
        config.max_wasm_stack(limits::WASM_STACK_BYTES).async_stack_size(limits::FIBER_STACK_BYTES);
        config.memory_may_move(false).native_unwind_info(false);
        if settings.profile == Profile::Fast {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_core_instances(settings.concurrent_runs).total_stacks(settings.concurrent_runs);
            pool.total_tables(settings.concurrent_runs).total_memories(settings.warm_memories);
            pool.max_unused_warm_slots(settings.warm_memories).max_memory_size(16 << 20);
            pool.linear_memory_keep_resident(settings.resident_bytes).table_keep_resident(16 * 1024);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, wasm)?;
        module.initialize_copy_on_write_image()?;
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&module)?;
        let pre = linker.instantiate_pre(&module)?;
        let run = module.get_export_index("run").ok_or_else(|| wasmtime::Error::msg("the module exports no `run`"))?;
        Ok(Self { engine, pre, run })
    }

    /// Instantiates, calls `run`, drops the store.
    ///
    /// # Errors
    /// When it traps.
    pub async fn run(&self) -> wasmtime::Result<()> {
        let limits = StoreLimitsBuilder::new().memory_size(16 << 20).build();
        let mut store = Store::new(&self.engine, limits);
        store.limiter(|limits| limits);
        store.set_fuel(10_000_000)?;
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let run = instance.get_module_export(&mut store, &self.run).and_then(wasmtime::Extern::into_func);
        let run = run.ok_or_else(|| wasmtime::Error::msg("`run` is no function"))?.typed::<(), ()>(&store)?;
        run.call_async(&mut store, ()).await
    }
}
