//! What exists only in wasm: the imports, the allocator, and the life of one run.
//!
//! All `unsafe` of the SDK is in the two files below this one.

use core::fmt::Write;
use std::panic::{self, PanicHookInfo};

use vestibule_abi::document::Document;

use crate::{Answer, Error, Event};

#[cfg(feature = "allocator")]
mod allocator;
pub(crate) mod imports;

/// One run: reads the event, calls the rule, hands its answer to the host. Called by the export, once.
pub fn run(rule: impl FnOnce(Event<'_>) -> Result<Answer, Error>) {
    #[cfg(feature = "allocator")]
    allocator::begin();
    panic::set_hook(Box::new(report));
    let event = imports::event();
    match answer(&event, rule) {
        Ok(json) => imports::answer(&json),
        Err(error) => imports::fail(error.message()),
    }
}

fn answer(event: &[u8], rule: impl FnOnce(Event<'_>) -> Result<Answer, Error>) -> Result<Vec<u8>, Error> {
    rule(Event::new(Document::parse(event)?))?.into_json()
}

/// A panic ends the run as `guest_error`, with its place and its message.
fn report(panic: &PanicHookInfo<'_>) {
    let mut message = String::from("panic");
    if let Some(place) = panic.location() {
        let _ = write!(message, " at {}:{}", place.file(), place.line());
    }
    if let Some(text) = panic.payload_as_str() {
        message.push_str(": ");
        message.push_str(text);
    }
    imports::fail(&message)
}
