//! See `vestibule_fuzz::contract::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vestibule_fuzz::contract::json(bytes));
