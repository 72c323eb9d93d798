//! What every fuzz target does with its bytes, and what must hold.
//!
//! One function a target, in a library, so that `cargo test` runs the same body over the seeds and thousands of their
//! mutants on any toolchain, and `cargo +nightly fuzz run TARGET` for as long as one likes. `seeds` writes the seeds
//! where cargo-fuzz looks for a corpus. A broken promise is a panic: that is what a fuzzer looks for.

pub mod contract;
pub mod rules;
#[cfg(feature = "engine")]
pub mod uploads;

/// One fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: of the binary and of its corpus.
    pub name: &'static str,
    /// What it does with its bytes. It panics when a promise does not hold.
    pub body: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: &'static [&'static [u8]],
    /// Pieces worth putting into an input.
    pub tokens: &'static [&'static [u8]],
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "document", body: contract::document, seeds: contract::DOCUMENTS, tokens: contract::NODES },
    Target { name: "document_vs_json", body: contract::document_vs_json, seeds: JSON, tokens: JSON_TOKENS },
    Target { name: "json", body: contract::json, seeds: JSON, tokens: JSON_TOKENS },
    Target { name: "answer", body: rules::answer, seeds: rules::ANSWERS, tokens: rules::ANSWER_TOKENS },
    Target { name: "event", body: rules::event, seeds: rules::EVENTS, tokens: rules::EVENT_TOKENS },
    Target { name: "rule_toml", body: rules::rule_toml, seeds: rules::RULES, tokens: rules::TOML_TOKENS },
    Target { name: "pipeline_toml", body: rules::pipeline_toml, seeds: rules::PIPELINES, tokens: rules::TOML_TOKENS },
    #[cfg(feature = "engine")]
    Target { name: "inspect", body: uploads::inspect, seeds: uploads::MODULES, tokens: uploads::SECTIONS },
    #[cfg(feature = "engine")]
    Target { name: "recording", body: uploads::recording, seeds: uploads::RECORDINGS, tokens: JSON_TOKENS },
    #[cfg(feature = "engine")]
    Target { name: "case", body: uploads::case, seeds: uploads::CASES, tokens: uploads::CASE_TOKENS },
    #[cfg(feature = "engine")]
    Target { name: "http_head", body: uploads::http_head, seeds: uploads::HEADS, tokens: uploads::HEAD_TOKENS },
];

const JSON: &[&[u8]] = &[
    br#"{"user":{"email":"ada@example.com","n":[1,-2,0.5,1e3,-0,null,true]},"context":{}}"#,
    br#"["\u00e9\ud83d\ude00\n\"\\",{"":{"a":[[[]]]}},9007199254740991,-9007199254740991,5e-324]"#,
    b" { \"a\" : [ ] } ",
    b"1.0",
    b"\"\\u0000\"",
];

const JSON_TOKENS: &[&[u8]] = &[
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"[[[[[[[[",
    b"\"\"",
    b"\"a\":",
    b",",
    b"1e308",
    b"-0.0",
    b"1E+2",
    b"9007199254740993",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00",
    b"\xef\xbb\xbf",
    b"\xff",
    b"0.1",
    b"1e999",
    b"\"a\":1,\"a\":2",
];
