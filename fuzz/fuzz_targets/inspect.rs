//! See `vestibule_fuzz::uploads::inspect`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vestibule_fuzz::uploads::inspect(bytes));
