//! See `vestibule_fuzz::rules::pipeline_toml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vestibule_fuzz::rules::pipeline_toml(bytes));
