//! See `vestibule_fuzz::rules::answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vestibule_fuzz::rules::answer(bytes));
