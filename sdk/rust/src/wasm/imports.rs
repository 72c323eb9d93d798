//! The host functions as safe calls. Each passes a range of this instance's memory that is valid for the call.
#![expect(unsafe_code, reason = "the host's functions are foreign; this file is what makes them safe")]

use alloc::vec::Vec;

use vestibule_abi::host::FORM_DOCUMENT;

macro_rules! declare {
    ($($module:ident $namespace:literal { $(fn $name:ident($($param:ident: $type:ty),*) $(-> $result:ty)?;)* })*) => {
        $(mod $module {
            #[link(wasm_import_module = $namespace)]
            unsafe extern "C" {
                $(pub(super) fn $name($($param: $type),*) $(-> $result)?;)*
            }
        })*
    };
}

crate::host::imports!(declare);

/// Reads the whole event in the document form.
pub(crate) fn event() -> Vec<u8> {
    // SAFETY: no pointers are passed.
    let len = unsafe { core::event_len(FORM_DOCUMENT) } as usize;
    // SAFETY: the host writes exactly `event_len` bytes of that form.
    fill(len, |ptr| unsafe {
        core::event_read(FORM_DOCUMENT, ptr);
        len
    })
}

/// Hands over the answer; at most once.
pub(crate) fn answer(json: &[u8]) {
    // SAFETY: the range is the slice.
    unsafe { core::answer(json.as_ptr(), json.len()) }
}

/// Ends the run with a message.
pub(crate) fn fail(message: &str) -> ! {
    // SAFETY: the range is the string.
    unsafe { core::fail(message.as_ptr(), message.len()) }
    // The host does not return from `fail`; should it, the run still ends here.
    ::core::arch::wasm32::unreachable()
}

/// Writes a line to the rule's log.
pub(crate) fn log(level: i32, line: &str) {
    // SAFETY: the range is the string.
    unsafe { core::log(level, line.as_ptr(), line.len()) }
}

/// Starts a request and gives its handle.
pub(crate) fn http_start(head: &[u8], body: &[u8]) -> i32 {
    // SAFETY: the ranges are the slices.
    unsafe { http::start(head.as_ptr(), head.len(), body.as_ptr(), body.len()) }
}

/// Waits for one of the requests and gives its handle.
pub(crate) fn http_wait(handles: &[i32]) -> i32 {
    // SAFETY: the range is the slice; the host reads `n` handles of four bytes.
    unsafe { http::wait(handles.as_ptr(), handles.len()) }
}

/// The head of a response, or its error, as JSON.
pub(crate) fn http_result(handle: i32) -> Vec<u8> {
    // SAFETY: no pointers are passed.
    let len = unsafe { http::result_len(handle) } as usize;
    // SAFETY: the host writes exactly `result_len` bytes.
    fill(len, |ptr| unsafe {
        http::result_read(handle, ptr);
        len
    })
}

/// The first `len` bytes of a response's body.
pub(crate) fn http_body(handle: i32, len: usize) -> Vec<u8> {
    // SAFETY: the host writes at most `len` bytes and returns how many.
    fill(len, |ptr| unsafe { http::body_read(handle, 0, ptr, len) } as usize)
}

/// Opens a file below the rule's `data/` folder.
pub(crate) fn file_open(path: &str) -> i32 {
    // SAFETY: the range is the string.
    unsafe { file::open(path.as_ptr(), path.len()) }
}

/// The size of an open file, in bytes.
pub(crate) fn file_size(handle: i32) -> usize {
    // SAFETY: no pointers are passed.
    unsafe { file::size(handle) as usize }
}

/// Up to `len` bytes of an open file, from `offset` on.
pub(crate) fn file_read(handle: i32, offset: usize, len: usize) -> Vec<u8> {
    // SAFETY: the host writes at most `len` bytes and returns how many.
    fill(len, |ptr| unsafe { file::read(handle, offset, ptr, len) } as usize)
}

/// A vector of what `write` wrote into `len` bytes of fresh memory; it returns how many bytes that is.
fn fill(len: usize, write: impl FnOnce(*mut u8) -> usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    let written = write(bytes.as_mut_ptr());
    // SAFETY: at most `len` bytes count as written, whatever the host says.
    unsafe { bytes.set_len(written.min(len)) };
    bytes
}
