//! See `vestibule_fuzz::uploads::http_head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vestibule_fuzz::uploads::http_head(bytes));
