//! See `vestibule_fuzz::rules::event`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vestibule_fuzz::rules::event(bytes));
