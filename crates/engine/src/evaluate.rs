//! Evaluating an author's source on the warmed interpreter, once, at deploy.
//!
//! It runs in the compile worker, under fuel and a memory limit, in code that this installation compiled. The script
//! sees no event, no clock, no network; what it leaves behind in memory is the rule.

use vestibule_abi::{
    codes::{FailureCode, RefusalCode},
    host::{CORE, HASH, MEMORY_EXPORT, functions_of},
    limits::Budget,
};
use wasmtime::{
    Caller, Engine, Instance, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder, Trap, Val, WasmParams,
    WasmResults,
};

use crate::{
    Refusal,
    failure::Stop,
    hash::{Call, Place},
    heap::Heap,
    javascript::{JavaScriptUpload, ScriptKind, export},
    link::{function_type, numbers},
    logs::printable,
};

/// How the interpreter is told what a script is: `enum Kind` of `vestibule.c`.
const KIND_MODULE: i32 = 0;
const KIND_RULE: i32 = 1;
const KIND_ACTION: i32 = 2;

/// How much of a module's fuel for its start a source and its modules get: reading a script takes about 1 500 units a
/// byte, and the modules of one rule can have 500 KiB. The worker's clock ends it after seconds in any case.
const LOADING: u64 = 20;

/// The longest message of an author's script that is shown, in characters.
const MESSAGE_CHARS: usize = 1_000;

/// Evaluates an upload and returns what it laid over the interpreter's memory.
///
/// # Errors
/// `init_failed` with the author's line when the source does not parse, throws, or exceeds its fuel or memory.
pub(crate) fn evaluate(engine: &Engine, interpreter: &Module, upload: &[u8], fuel: u64) -> Result<Heap, Refusal> {
    let upload = JavaScriptUpload::parse(upload)?;
    let mut evaluation = Evaluation::begin(engine, interpreter, fuel).map_err(|error| init_failed(&error))?;
    evaluation.scripts(&upload).map_err(|error| match evaluation.store.data().said.clone() {
        Some(said) => Refusal::new(RefusalCode::InitFailed, said),
        None => init_failed(&error),
    })
}

fn init_failed(error: &wasmtime::Error) -> Refusal {
    let cause = match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => "it runs too long while it is loaded; a rule does its work inside the function".into(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    Refusal::new(RefusalCode::InitFailed, format!("the source could not be evaluated: {cause}"))
}

/// What the host knows of an evaluation.
struct Host {
    limits: StoreLimits,
    memory: Option<Memory>,
    /// What the interpreter said when it gave up.
    said: Option<String>,
}

/// Hashing, for what a script makes of constants. It is done where it is asked for: nobody else waits in a worker.
fn link_hash(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    for function in functions_of(HASH) {
        let ty = function_type(linker.engine(), function);
        linker.func_new(HASH, function.name, ty, move |mut caller, arguments, results| {
            let Call { hashing, to_ptr } = Call::read(function, &numbers(arguments))?;
            let price = hashing.price()?;
            let left = caller.get_fuel()?.checked_sub(price).ok_or(Trap::OutOfFuel)?;
            caller.set_fuel(left)?;
            let outside = || Stop::new(FailureCode::HostcallBadArgs, "outside the memory");
            let memory = caller.data().memory.ok_or_else(outside)?;
            let place = |ptr: i32, len: usize| ptr as u32 as usize..(ptr as u32 as usize).saturating_add(len);
            let bytes = memory.data(&caller);
            let hashing =
                hashing.copied(|Place(ptr, len)| bytes.get(place(ptr, len as u32 as usize)).ok_or_else(outside))?;
            let hashed = hashing.done().map_err(Stop)?;
            memory
                .data_mut(&mut caller)
                .get_mut(place(to_ptr, hashed.len()))
                .ok_or_else(outside)?
                .copy_from_slice(&hashed);
            results.iter_mut().for_each(|result| *result = Val::I32(hashed.len() as i32));
            Ok(())
        })?;
    }
    Ok(())
}

struct Evaluation {
    store: Store<Host>,
    instance: Instance,
    memory: Memory,
    warmed: Vec<u8>,
}

impl Evaluation {
    fn begin(engine: &Engine, interpreter: &Module, fuel: u64) -> wasmtime::Result<Self> {
        let most = Budget::CEILING.memory_bytes as usize;
        let limits = StoreLimitsBuilder::new().memory_size(most).trap_on_grow_failure(true).build();
        let mut store = Store::new(engine, Host { limits, memory: None, said: None });
        store.limiter(|host| &mut host.limits);
        store.set_fuel(fuel.saturating_mul(LOADING))?;
        store.set_epoch_deadline(u64::MAX / 2); // The worker watches the clock.
        let mut linker = Linker::new(engine);
        linker.func_wrap(CORE, "log", |_: i32, _: i32, _: i32| {})?;
        linker.func_wrap(CORE, "fail", |mut caller: Caller<'_, Host>, ptr: i32, len: i32| -> wasmtime::Result<()> {
            let memory = caller.data().memory;
            let range = ptr as u32 as usize..(ptr as u32 as usize).saturating_add(len as u32 as usize);
            let bytes = memory.and_then(|memory| memory.data(&caller).get(range)).unwrap_or_default();
            let said = printable(&String::from_utf8_lossy(bytes)).chars().take(MESSAGE_CHARS).collect();
            caller.data_mut().said = Some(said);
            Err(wasmtime::Error::msg("the script failed"))
        })?;
        link_hash(&mut linker)?;
        linker.define_unknown_imports_as_traps(interpreter)?; // No event, no network.
        let instance = linker.instantiate(&mut store, interpreter)?;
        let memory = instance
            .get_memory(&mut store, MEMORY_EXPORT)
            .ok_or_else(|| wasmtime::Error::msg("the interpreter has no memory"))?;
        store.data_mut().memory = Some(memory);
        let warmed = memory.data(&store).to_vec();
        Ok(Self { store, instance, memory, warmed })
    }

    fn scripts(&mut self, upload: &JavaScriptUpload) -> wasmtime::Result<Heap> {
        for module in &upload.modules {
            self.script(KIND_MODULE, &format!("vestibule:{}", module.name), &module.source)?;
        }
        let kind = match upload.kind {
            ScriptKind::Rule => KIND_RULE,
            ScriptKind::Action => KIND_ACTION,
        };
        self.script(kind, &upload.file, &upload.source)?;
        let kept_from: i32 = self.call(export::SETTLE, ())?;
        Ok(Heap::between(&self.warmed, self.memory.data(&self.store), kept_from as u32 as usize))
    }

    fn script(&mut self, kind: i32, name: &str, source: &str) -> wasmtime::Result<()> {
        let length = i32::try_from(source.len()).map_err(|_| wasmtime::Error::msg("a script of more than 2 GiB"))?;
        let name = self.put(name)?;
        let source = self.put(source)?;
        self.call(export::EVALUATE, (kind, name, source, length))
    }

    /// Writes a text into the interpreter's memory, with a zero byte behind it.
    fn put(&mut self, text: &str) -> wasmtime::Result<i32> {
        let bytes = [text.as_bytes(), &[0]].concat();
        let length = i32::try_from(bytes.len()).map_err(|_| wasmtime::Error::msg("a text of more than 2 GiB"))?;
        let ptr: i32 = self.call(export::TAKE, length)?;
        self.memory.write(&mut self.store, ptr as u32 as usize, &bytes)?;
        Ok(ptr)
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> wasmtime::Result<R> {
        self.instance.get_typed_func::<P, R>(&mut self.store, name)?.call(&mut self.store, params)
    }
}
