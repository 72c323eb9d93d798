//! The second engine: the core and file capabilities of the contract over an interpreter that shares no code with
//! wasmtime.
//!
//! It is written from the contract (`vestibule_abi` and DESIGN §3), not from the engine, so that a mistake has to be
//! made twice to go unseen. Fuel differs between engines: answers, failures, logs and host calls are compared.

use std::fmt;

use vestibule_abi::{
    codes::FailureCode,
    document::Document,
    host::{CORE, FILE, FILE_ABSENT, FORM_DOCUMENT, FORM_JSON, Level},
    limits::{self, Budget},
};
use wasmi::{
    Caller, Config, Engine, Error, Linker, Module, Store, StoreLimits, StoreLimitsBuilder, TrapCode, errors::HostError,
};

use crate::{Ended, Tried, rig::FILES};

/// What the interpreter came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreted {
    /// The end.
    pub ended: Ended,
    /// Calls of host functions.
    pub host_calls: u32,
    /// The log.
    pub logs: Vec<(&'static str, String)>,
}

/// A module that the interpreter runs.
pub struct SecondEngine {
    engine: Engine,
    linker: Linker<Guest>,
    budget: Budget,
}

/// More fuel than anything needs that ends within the first engine's.
const FUEL: u64 = 1 << 32;

struct Guest {
    event: Vec<u8>,
    event_text: Option<Vec<u8>>,
    answer: Option<Vec<u8>>,
    logs: Vec<(&'static str, String)>,
    log_bytes: usize,
    log_left_out: u32,
    files: Vec<&'static [u8]>,
    host_calls: u32,
    budget: Budget,
    limits: StoreLimits,
}

impl SecondEngine {
    /// Sets up the interpreter.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        let mut config = Config::default();
        config.consume_fuel(true).set_max_recursion_depth(20_000).set_max_stack_height(16 << 20);
        config.wasm_tail_call(false).wasm_multi_memory(false).wasm_custom_page_sizes(false);
        config.wasm_wide_arithmetic(false).wasm_relaxed_simd(false);
        let engine = Engine::new(&config);
        let mut linker = Linker::new(&engine);
        link(&mut linker);
        Self { engine, linker, budget }
    }

    /// Runs a module on an event in document form.
    ///
    /// # Panics
    /// When the interpreter does not accept what the first engine accepted.
    #[must_use]
    pub fn run(&self, wasm: &[u8], event: &[u8]) -> Interpreted {
        let module = Module::new(&self.engine, wasm).expect("the second engine accepts what the first accepts");
        let mut store = Store::new(&self.engine, Guest::new(event, self.budget));
        store.limiter(|guest| &mut guest.limits);
        store.set_fuel(FUEL).expect("fuel is on");
        let ran = self.linker.instantiate_and_start(&mut store, &module).map_err(|error| (true, error)).and_then(
            |instance| {
                let run = instance.get_typed_func::<(), ()>(&store, "run").expect("`run` was inspected");
                run.call(&mut store, ()).map_err(|error| (false, error))
            },
        );
        let guest = store.into_data();
        let ended = match ran {
            // Segments that do not fit trap, but the interpreter has words of its own for them.
            Err((true, _)) => Ended::NotStarted(FailureCode::Trap),
            Err((false, error)) => Ended::Failed(code_of(&error)),
            Ok(()) => guest.answer.map_or(Ended::Failed(FailureCode::AbiProtocol), Ended::Answered),
        };
        let mut logs = guest.logs;
        if guest.log_left_out > 0 {
            logs.push(("warn", format!("[truncated: {} lines over the limit]", guest.log_left_out)));
        }
        Interpreted { ended, host_calls: guest.host_calls, logs }
    }
}

impl Interpreted {
    /// Whether the two can be compared. Fuel and stacks differ between engines; and where the first ends a run that
    /// grows over its memory limit, the interpreter's limiter only says no.
    #[must_use]
    pub fn is_comparable_to(&self, first: &Tried) -> bool {
        let codes = [FailureCode::StackExhausted, FailureCode::FuelExhausted, FailureCode::MemoryLimit];
        let by_limit =
            |ended: &Ended| matches!(ended, Ended::Failed(code) | Ended::NotStarted(code) if codes.contains(code));
        !by_limit(&self.ended) && !by_limit(&first.ended) && !first.depends_on_the_machine()
    }

    /// Whether the first engine came to the same. Which of two traps comes first is not compared: version 2.0.0 of the
    /// interpreter moves some forward (`Kind::Comparable`, seed 1960, where V8 sides with the first engine).
    ///
    /// # Errors
    /// What differs.
    pub fn agrees_with(&self, first: &Tried) -> Result<(), String> {
        if self.ended != first.ended {
            return Err(format!("ends differ: {self:?} and {first:?}"));
        }
        if self.host_calls != first.spent.host_calls && !matches!(self.ended, Ended::NotStarted(_)) {
            return Err(format!("host calls differ: {self:?} and {first:?}"));
        }
        if self.logs != first.logs {
            return Err(format!("logs differ: {self:?} and {first:?}"));
        }
        Ok(())
    }
}

impl Guest {
    fn new(event: &[u8], budget: Budget) -> Self {
        Self {
            event: event.to_vec(),
            event_text: None,
            answer: None,
            logs: Vec::new(),
            log_bytes: 0,
            log_left_out: 0,
            files: Vec::new(),
            host_calls: 0,
            limits: StoreLimitsBuilder::new()
                .memory_size(usize::try_from(budget.memory_bytes).unwrap_or(usize::MAX))
                .table_elements(10_000)
                .build(),
            budget,
        }
    }
}

/// A host function ends the run.
#[derive(Debug)]
struct Stop(FailureCode);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl HostError for Stop {}

fn stop(code: FailureCode) -> Error {
    Error::host(Stop(code))
}

fn code_of(error: &Error) -> FailureCode {
    if let Some(Stop(code)) = error.downcast_ref() {
        return *code;
    }
    match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => FailureCode::FuelExhausted,
        Some(TrapCode::StackOverflow) => FailureCode::StackExhausted,
        Some(_) => FailureCode::Trap,
        None => FailureCode::HostInternal,
    }
}

type Called<T> = Result<T, Error>;

fn link(linker: &mut Linker<Guest>) {
    let mut linked = || -> Result<(), wasmi::errors::LinkerError> {
        linker.func_wrap(CORE, "event_len", |mut caller: Caller<'_, Guest>, form: i32| event_len(&mut caller, form))?;
        linker.func_wrap(CORE, "event_read", |mut caller: Caller<'_, Guest>, form: i32, ptr: i32| {
            event_read(&mut caller, form, ptr)
        })?;
        linker.func_wrap(CORE, "answer", |mut caller: Caller<'_, Guest>, ptr: i32, len: i32| {
            answer(&mut caller, ptr, len)
        })?;
        linker.func_wrap(CORE, "fail", |mut caller: Caller<'_, Guest>, ptr: i32, len: i32| -> Called<()> {
            count(&mut caller)?;
            let most = (limits::REASON_CHARS * 4) as u32;
            at(&caller, ptr, (len as u32).min(most))?;
            Err(stop(FailureCode::GuestError))
        })?;
        linker.func_wrap(CORE, "log", |mut caller: Caller<'_, Guest>, level: i32, ptr: i32, len: i32| {
            log(&mut caller, level, ptr, len)
        })?;
        linker
            .func_wrap(FILE, "open", |mut caller: Caller<'_, Guest>, ptr: i32, len: i32| open(&mut caller, ptr, len))?;
        linker.func_wrap(FILE, "size", |mut caller: Caller<'_, Guest>, handle: i32| -> Called<i32> {
            count(&mut caller)?;
            Ok(file(&caller, handle)?.len() as i32)
        })?;
        linker.func_wrap(
            FILE,
            "read",
            |mut caller: Caller<'_, Guest>, handle: i32, offset: i32, ptr: i32, len: i32| -> Called<i32> {
                let bytes = file(&caller, handle)?;
                count(&mut caller)?;
                let rest = bytes.get(offset as u32 as usize..).unwrap_or_default();
                let part = &rest[..rest.len().min(len as u32 as usize)];
                put(&mut caller, ptr, part)?;
                Ok(part.len() as i32)
            },
        )?;
        Ok(())
    };
    linked().expect("each function is linked once");
}

fn event_len(caller: &mut Caller<'_, Guest>, form: i32) -> Called<i32> {
    count(caller)?;
    match form {
        FORM_DOCUMENT => Ok(caller.data().event.len() as i32),
        FORM_JSON => {
            let document = Document::parse(&caller.data().event).expect("the event is a document");
            let value: serde_json::Value =
                serde::Deserialize::deserialize(document.root()).expect("the event is a document");
            let text = value.to_string().into_bytes();
            let length = text.len() as i32;
            caller.data_mut().event_text = Some(text);
            Ok(length)
        }
        _ => Err(stop(FailureCode::HostcallBadArgs)),
    }
}

fn event_read(caller: &mut Caller<'_, Guest>, form: i32, ptr: i32) -> Called<()> {
    let event = match form {
        FORM_DOCUMENT => Some(caller.data().event.clone()),
        FORM_JSON => caller.data().event_text.clone(),
        _ => return Err(stop(FailureCode::HostcallBadArgs)),
    };
    let event = event.ok_or_else(|| stop(FailureCode::AbiProtocol))?;
    count(caller)?;
    put(caller, ptr, &event)
}

fn answer(caller: &mut Caller<'_, Guest>, ptr: i32, len: i32) -> Called<()> {
    count(caller)?;
    if caller.data().answer.is_some() {
        return Err(stop(FailureCode::AbiProtocol));
    }
    if len as u32 > caller.data().budget.answer_bytes {
        return Err(stop(FailureCode::OutputTooLarge));
    }
    let answer = at(caller, ptr, len as u32).map_err(|_| stop(FailureCode::AbiBadPointer))?;
    caller.data_mut().answer = Some(answer);
    Ok(())
}

fn log(caller: &mut Caller<'_, Guest>, level: i32, ptr: i32, len: i32) -> Called<()> {
    let level = Level::from_wire(level).ok_or_else(|| stop(FailureCode::HostcallBadArgs))?;
    count(caller)?;
    let bytes = at(caller, ptr, len as u32)?;
    let guest = caller.data_mut();
    let room = guest.budget.log_bytes as usize - guest.log_bytes;
    let kept = &bytes[..bytes.len().min(room)];
    let is_full = guest.logs.len() == guest.budget.log_lines as usize || (kept.is_empty() && !bytes.is_empty());
    if is_full || kept.len() < bytes.len() {
        guest.log_left_out += 1;
    }
    if !is_full {
        guest.log_bytes += kept.len();
        let text = String::from_utf8_lossy(kept).chars().map(shown).collect();
        guest.logs.push((level.as_str(), text));
    }
    Ok(())
}

/// A character as a log shows it (HR-94).
fn shown(character: char) -> char {
    let is_bidi = ('\u{202a}'..='\u{202e}').contains(&character) || ('\u{2066}'..='\u{2069}').contains(&character);
    if character == '\t' {
        ' '
    } else if character.is_control() || is_bidi {
        char::REPLACEMENT_CHARACTER
    } else {
        character
    }
}

fn open(caller: &mut Caller<'_, Guest>, ptr: i32, len: i32) -> Called<i32> {
    if len as u32 > limits::FILE_PATH_BYTES {
        return Err(stop(FailureCode::HostcallBadArgs));
    }
    count(caller)?;
    let path = String::from_utf8(at(caller, ptr, len as u32)?).map_err(|_| stop(FailureCode::HostcallBadArgs))?;
    let Some((_, bytes)) = FILES.iter().find(|(name, _)| *name == path) else { return Ok(FILE_ABSENT) };
    let files = &mut caller.data_mut().files;
    if files.len() == limits::OPEN_FILES {
        return Err(stop(FailureCode::HostcallLimit));
    }
    files.push(bytes);
    Ok(files.len() as i32 - 1)
}

fn file(caller: &Caller<'_, Guest>, handle: i32) -> Called<&'static [u8]> {
    let file = usize::try_from(handle).ok().and_then(|handle| caller.data().files.get(handle)).copied();
    file.ok_or_else(|| stop(FailureCode::HostcallBadArgs))
}

fn count(caller: &mut Caller<'_, Guest>) -> Called<()> {
    let guest = caller.data_mut();
    guest.host_calls += 1;
    if guest.host_calls > guest.budget.host_calls { Err(stop(FailureCode::HostcallLimit)) } else { Ok(()) }
}

fn memory(caller: &Caller<'_, Guest>) -> wasmi::Memory {
    caller.get_export("memory").and_then(wasmi::Extern::into_memory).expect("`memory` was inspected")
}

/// The bytes of a range of the guest's memory.
fn at(caller: &Caller<'_, Guest>, ptr: i32, len: u32) -> Called<Vec<u8>> {
    let memory = memory(caller);
    if u64::from(ptr as u32) + u64::from(len) > memory.data_size(caller) as u64 {
        return Err(stop(FailureCode::HostcallBadArgs));
    }
    let mut bytes = vec![0; len as usize];
    memory.read(caller, ptr as u32 as usize, &mut bytes).expect("the range was checked");
    Ok(bytes)
}

fn put(caller: &mut Caller<'_, Guest>, ptr: i32, bytes: &[u8]) -> Called<()> {
    memory(caller).write(caller, ptr as u32 as usize, bytes).map_err(|_| stop(FailureCode::HostcallBadArgs))
}
