//! Links what was granted and nothing else: each host function, and how it reads and writes the guest's memory.
//!
//! Nothing here parses, logs or formats for the good case: bytes are copied and the guest goes on. Every range is
//! checked in `u64` before it is used (HR-51, HR-52, HR-58).

use std::sync::Arc;

use vestibule_abi::{
    codes::FailureCode,
    host::{self, CORE, Capability, FILE, FILE_ABSENT, FORM_DOCUMENT, FORM_JSON, HASH, HTTP, HostFunction, Level},
    limits,
};
use wasmtime::{Caller, ExternType, FuncType, Linker, Module, Trap, Val, ValType};

use crate::{
    desk::{Ask, Desk},
    failure::Stop,
    hash::{Call, Place},
    rule::Guest,
};

type Linked = wasmtime::Result<()>;

/// Offers the functions of the granted capabilities to a module.
pub(crate) fn link(linker: &mut Linker<Guest>, granted: &[Capability]) -> Linked {
    for capability in granted {
        match capability {
            Capability::Core => link_core(linker)?,
            Capability::Http => link_http(linker)?,
            Capability::Files => link_files(linker)?,
            Capability::Hash => link_hash(linker)?,
        }
    }
    Ok(())
}

/// Puts a refusal in the place of every import that was not granted.
pub(crate) fn link_denials(linker: &mut Linker<Guest>, module: &Module, granted: &[Capability]) -> Linked {
    for import in module.imports() {
        let (namespace, name) = (import.module().to_owned(), import.name().to_owned());
        let Some(capability) = Capability::of_namespace(&namespace).filter(|capability| !granted.contains(capability))
        else {
            continue;
        };
        let ExternType::Func(ty) = import.ty() else { continue };
        linker.func_new(&namespace, &name, ty, move |_, _, _| {
            let message = format!("not granted: add `{}` to [capabilities] of rule.toml", capability.grant_line());
            Err(Stop::new(FailureCode::CapabilityDenied, message).into())
        })?;
    }
    Ok(())
}

fn link_core(linker: &mut Linker<Guest>) -> Linked {
    linker.func_wrap_async(CORE, "event_len", |mut caller: Caller<'_, Guest>, (form,): (i32,)| {
        Box::new(async move {
            charge(&mut caller, 0)?;
            let desk = Arc::clone(&caller.data().desk);
            match form {
                FORM_DOCUMENT => length(desk.papers().event().len()),
                FORM_JSON => Ok(desk.ask(Ask::EventText).await?),
                _ => Err(bad_args("event_len: the form is neither 0 nor 1").into()),
            }
        })
    })?;
    linker.func_wrap(CORE, "event_read", |mut caller: Caller<'_, Guest>, form: i32, ptr: i32| -> Linked {
        let desk = Arc::clone(&caller.data().desk);
        let papers = desk.papers();
        let event = match form {
            FORM_DOCUMENT => papers.event(),
            FORM_JSON => papers
                .prepared_text()
                .ok_or_else(|| Stop::new(FailureCode::AbiProtocol, "event_read before event_len of the same form"))?,
            _ => return Err(bad_args("event_read: the form is neither 0 nor 1").into()),
        };
        write(&mut caller, ptr, event)
    })?;
    linker.func_wrap(CORE, "answer", |mut caller: Caller<'_, Guest>, ptr: i32, len: i32| -> Linked {
        answer(&mut caller, ptr, len)
    })?;
    linker.func_wrap(CORE, "fail", |mut caller: Caller<'_, Guest>, ptr: i32, len: i32| -> Linked {
        // Four bytes hold any character; what is over the limit is not even copied.
        let most = limits::REASON_CHARS * 4;
        let message = read(&mut caller, ptr, (len as u32 as usize).min(most) as i32)?.to_vec();
        caller.data_mut().failed_with = Some(message);
        Err(Stop::new(FailureCode::GuestError, String::new()).into())
    })?;
    linker.func_wrap(CORE, "log", |mut caller: Caller<'_, Guest>, level: i32, ptr: i32, len: i32| -> Linked {
        let level = Level::from_wire(level).ok_or_else(|| bad_args("log: the level is not 0, 1, 2 or 3"))?;
        charge_range(&mut caller, ptr, len)?;
        let (memory, guest) = parts(&mut caller)?;
        let text = range(memory, ptr, len)?;
        let budget = guest.meter.budget;
        guest.log.push(level, text, budget.log_lines, budget.log_bytes, &mut guest.meter.spent);
        Ok(())
    })?;
    Ok(())
}

/// Takes the one answer of a run.
fn answer(caller: &mut Caller<'_, Guest>, ptr: i32, len: i32) -> Linked {
    let length = len as u32;
    let allowed = caller.data().meter.budget.answer_bytes;
    // Before the price is asked: what can never be an answer is said to be too large, not too expensive (HR-52).
    if length > allowed {
        let message = format!("the answer has {length} bytes, allowed are {allowed}");
        return Err(Stop::new(FailureCode::OutputTooLarge, message).into());
    }
    charge(caller, length)?;
    let (memory, guest) = parts(caller)?;
    if guest.answer.is_some() {
        return Err(Stop::new(FailureCode::AbiProtocol, "the rule answered twice").into());
    }
    let bytes = range(memory, ptr, len)
        .map_err(|_| Stop::new(FailureCode::AbiBadPointer, "the answer lies outside the guest's memory"))?;
    guest.answer = Some(bytes.to_vec());
    Ok(())
}

fn link_http(linker: &mut Linker<Guest>) -> Linked {
    linker.func_wrap_async(
        HTTP,
        "start",
        |mut caller: Caller<'_, Guest>, (head_ptr, head_len, body_ptr, body_len): (i32, i32, i32, i32)| {
            Box::new(async move {
                if head_len as u32 > limits::HTTP_HEAD_BYTES || body_len as u32 > limits::HTTP_BODY_BYTES {
                    return Err(bad_args("start: the head or the body is too large").into());
                }
                let head = read(&mut caller, head_ptr, head_len)?.to_vec();
                let body = read(&mut caller, body_ptr, body_len)?.to_vec();
                caller.data_mut().meter.spent.http_requests += 1;
                let desk = Arc::clone(&caller.data().desk);
                Ok(desk.ask(Ask::HttpStart { head, body }).await?)
            })
        },
    )?;
    linker.func_wrap_async(HTTP, "wait", |mut caller: Caller<'_, Guest>, (ptr, count): (i32, i32)| {
        Box::new(async move {
            let most = caller.data().meter.budget.http_requests;
            if count as u32 == 0 || count as u32 > most {
                return Err(bad_args("wait: no handles, or more than there can be requests").into());
            }
            let handles = read(&mut caller, ptr, count.saturating_mul(4))?
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| u32::from_le_bytes(*bytes))
                .collect();
            let desk = Arc::clone(&caller.data().desk);
            Ok(desk.ask(Ask::HttpWait { handles }).await?)
        })
    })?;
    linker.func_wrap(HTTP, "result_len", |mut caller: Caller<'_, Guest>, handle: i32| -> wasmtime::Result<i32> {
        charge(&mut caller, 0)?;
        let desk = Arc::clone(&caller.data().desk);
        let mut papers = desk.papers();
        let requests = papers.requests().map_err(Stop)?;
        length(requests.result(handle as u32).map_err(Stop)?.len())
    })?;
    linker.func_wrap(HTTP, "result_read", |mut caller: Caller<'_, Guest>, handle: i32, ptr: i32| -> Linked {
        let desk = Arc::clone(&caller.data().desk);
        let mut papers = desk.papers();
        let requests = papers.requests().map_err(Stop)?;
        write(&mut caller, ptr, requests.result(handle as u32).map_err(Stop)?)
    })?;
    linker.func_wrap(
        HTTP,
        "body_read",
        |mut caller: Caller<'_, Guest>, handle: i32, offset: i32, ptr: i32, len: i32| -> wasmtime::Result<i32> {
            let desk = Arc::clone(&caller.data().desk);
            let mut papers = desk.papers();
            let requests = papers.requests().map_err(Stop)?;
            write_slice(&mut caller, requests.body(handle as u32).map_err(Stop)?, offset, ptr, len)
        },
    )?;
    Ok(())
}

fn link_files(linker: &mut Linker<Guest>) -> Linked {
    linker.func_wrap(FILE, "open", |mut caller: Caller<'_, Guest>, ptr: i32, len: i32| -> wasmtime::Result<i32> {
        if len as u32 > limits::FILE_PATH_BYTES {
            return Err(bad_args("open: the path is too long").into());
        }
        charge(&mut caller, len as u32)?;
        let (memory, guest) = parts(&mut caller)?;
        let path = str::from_utf8(range(memory, ptr, len)?).map_err(|_| bad_args("open: the path is not UTF-8"))?;
        let Some(file) = guest.files.as_ref().and_then(|files| files.get(path)) else { return Ok(FILE_ABSENT) };
        if guest.open_files.len() == limits::OPEN_FILES {
            return Err(Stop::new(FailureCode::HostcallLimit, "too many files opened").into());
        }
        guest.open_files.push(Arc::clone(file));
        length(guest.open_files.len() - 1)
    })?;
    linker.func_wrap(FILE, "size", |mut caller: Caller<'_, Guest>, handle: i32| -> wasmtime::Result<i32> {
        charge(&mut caller, 0)?;
        length(open_file(&caller, handle)?.len())
    })?;
    linker.func_wrap(
        FILE,
        "read",
        |mut caller: Caller<'_, Guest>, handle: i32, offset: i32, ptr: i32, len: i32| -> wasmtime::Result<i32> {
            let file = open_file(&caller, handle)?;
            write_slice(&mut caller, &file, offset, ptr, len)
        },
    )?;
    Ok(())
}

fn link_hash(linker: &mut Linker<Guest>) -> Linked {
    for function in host::functions_of(HASH) {
        let ty = function_type(linker.engine(), function);
        linker.func_new_async(HASH, function.name, ty, move |mut caller, arguments, results| {
            Box::new(async move {
                let length = hash(&mut caller, Call::read(function, &numbers(arguments))?).await?;
                results.iter_mut().for_each(|result| *result = Val::I32(length));
                Ok(())
            })
        })?;
    }
    Ok(())
}

/// The type of a host function.
pub(crate) fn function_type(engine: &wasmtime::Engine, function: &HostFunction) -> FuncType {
    let params = function.params.iter().map(|_| ValType::I32);
    FuncType::new(engine, params, function.returns.then_some(ValType::I32))
}

/// Arguments of a host function: all are `i32`.
pub(crate) fn numbers(arguments: &[Val]) -> Vec<i32> {
    arguments.iter().map(|argument| argument.i32().unwrap_or_default()).collect()
}

/// Has something hashed away from the guest's stack, and copies what comes of it; says how many bytes that are.
async fn hash(caller: &mut Caller<'_, Guest>, call: Call) -> wasmtime::Result<i32> {
    let Call { hashing, to_ptr } = call;
    let (price, bytes) = (hashing.price()?, hashing.length());
    let paid = charge(caller, 0).and_then(|()| pay(caller, price));
    let (memory, _) = parts(caller)?;
    for Place(ptr, len) in hashing.places().into_iter().chain([Place(to_ptr, bytes as i32)]) {
        range(memory, ptr, len)?; // A bad argument, whatever it would have cost (HR-58).
    }
    paid?;
    let hashing = hashing.copied(|Place(ptr, len)| range(memory, ptr, len))?;
    let desk = Arc::clone(&caller.data().desk);
    let ask = desk.papers().hashing(hashing, price)?;
    desk.ask(ask).await?;
    let (memory, _) = parts(caller)?;
    let papers = desk.papers();
    range_mut(memory, to_ptr, papers.hashed().len())?.copy_from_slice(papers.hashed());
    length(papers.hashed().len())
}

fn open_file(caller: &Caller<'_, Guest>, handle: i32) -> Result<Arc<[u8]>, Stop> {
    let file = usize::try_from(handle).ok().and_then(|handle| caller.data().open_files.get(handle));
    file.cloned().ok_or_else(|| bad_args("the handle names no open file"))
}

/// Takes the price of a host call off the guest's fuel, before anything is done for it.
fn charge(caller: &mut Caller<'_, Guest>, bytes: u32) -> wasmtime::Result<()> {
    let price = caller.data_mut().meter.host_call(bytes)?;
    pay(caller, price)
}

/// Takes fuel off the guest.
fn pay(caller: &mut Caller<'_, Guest>, price: u64) -> wasmtime::Result<()> {
    let left = caller.get_fuel()?.checked_sub(price).ok_or(Trap::OutOfFuel)?;
    caller.set_fuel(left)
}

/// As [`charge`], for a range of the guest's memory: one that lies outside is a bad argument, whatever it would have
/// cost (HR-58). Only a guest that cannot pay is asked, so that the others do not wait for the answer.
fn charge_range(caller: &mut Caller<'_, Guest>, ptr: i32, len: i32) -> wasmtime::Result<()> {
    let charged = charge(caller, len as u32);
    if charged.is_err() {
        range(parts(caller)?.0, ptr, len)?;
    }
    charged
}

/// Charges for and reads a range of the guest's memory.
fn read<'c>(caller: &'c mut Caller<'_, Guest>, ptr: i32, len: i32) -> wasmtime::Result<&'c [u8]> {
    charge_range(caller, ptr, len)?;
    let (memory, _) = parts(caller)?;
    Ok(range(memory, ptr, len)?)
}

/// Charges for and copies bytes into the guest's memory.
fn write(caller: &mut Caller<'_, Guest>, ptr: i32, bytes: &[u8]) -> wasmtime::Result<()> {
    charge(caller, u32::try_from(bytes.len()).unwrap_or(u32::MAX))?;
    let (memory, _) = parts(caller)?;
    range_mut(memory, ptr, bytes.len())?.copy_from_slice(bytes);
    Ok(())
}

/// Copies as much of `bytes[offset..]` as fits `len`, and says how much that was.
fn write_slice(caller: &mut Caller<'_, Guest>, bytes: &[u8], offset: i32, ptr: i32, len: i32) -> wasmtime::Result<i32> {
    let rest = bytes.get(offset as u32 as usize..).unwrap_or_default();
    let wanted = rest.get(..(len as u32 as usize).min(rest.len())).unwrap_or_default();
    write(caller, ptr, wanted)?;
    length(wanted.len())
}

fn parts<'c>(caller: &'c mut Caller<'_, Guest>) -> Result<(&'c mut [u8], &'c mut Guest), Stop> {
    let export = caller.data().memory;
    let memory = caller
        .get_module_export(&export)
        .and_then(wasmtime::Extern::into_memory)
        .ok_or_else(|| Stop::new(FailureCode::HostInternal, "the guest has no memory"))?;
    Ok(memory.data_and_store_mut(caller))
}

fn range(memory: &[u8], ptr: i32, len: i32) -> Result<&[u8], Stop> {
    let start = u64::from(ptr as u32);
    let end = start + u64::from(len as u32);
    // Both fit: a 32-bit memory has at most 2^32 bytes.
    memory.get(start as usize..end as usize).ok_or_else(out_of_range)
}

fn range_mut(memory: &mut [u8], ptr: i32, len: usize) -> Result<&mut [u8], Stop> {
    let start = u64::from(ptr as u32);
    let end = start + len as u64;
    memory.get_mut(start as usize..end as usize).ok_or_else(out_of_range)
}

fn out_of_range() -> Stop {
    bad_args("a pointer and length lie outside the guest's memory")
}

fn bad_args(message: &str) -> Stop {
    Stop::new(FailureCode::HostcallBadArgs, message)
}

fn length(length: usize) -> wasmtime::Result<i32> {
    i32::try_from(length).map_err(|_| Stop::new(FailureCode::HostInternal, "a length over 2 GiB").into())
}

/// The desk is shared with the loop that polls the guest; store data must be `Send`.
const _: fn() = || {
    fn assert_send<T: Send>() {}
    assert_send::<Arc<Desk>>();
    assert_send::<Guest>();
};
