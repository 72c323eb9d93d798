//! See `vestibule_fuzz::rules::rule_toml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vestibule_fuzz::rules::rule_toml(bytes));
