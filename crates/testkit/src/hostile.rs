//! The corpus of hostile rules, as data: each case of spec `hostile-rules` §5 that needs no store, with the outcome it
//! must have. Cases that are more than one module and one outcome stand in the tests themselves.
//!
//! Where the design decides otherwise than the spec (one answer instead of an allocator, start functions that run once
//! at deploy, a typed failure instead of a refused growth), the expectation here is the design's.

pub mod answers;
pub mod calls;
pub mod effects;
pub mod imports;
pub mod running;
pub mod structure;

use vestibule_abi::codes::{FailureCode, RefusalCode};

/// One hostile rule and what must become of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The case of the catalogue: `HR-35`.
    pub id: &'static str,
    /// Which of its forms this is.
    pub name: String,
    /// What is uploaded.
    pub guest: Guest,
    /// The lines of its manifest after the mandatory ones; `None` allows every write.
    pub manifest: Option<&'static str>,
    /// What must become of it, under every profile.
    pub expect: Expect,
}

/// What is uploaded.
#[derive(Debug, Clone)]
pub enum Guest {
    /// A module of its own.
    Module(Vec<u8>),
    /// A rule that does nothing but answer these bytes.
    Answers(Vec<u8>),
}

/// What must become of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// It is not accepted at deploy.
    Refused(RefusalCode),
    /// It runs and fails, and the login with it.
    Failed(FailureCode),
    /// It traps, with these words in the message.
    Traps(&'static str),
    /// It fails with one of these: which limit is hit first depends on the machine.
    FailedWithOneOf(&'static [FailureCode]),
    /// It runs, and the login ends so: `allow`, `deny`, `redirect` …
    Outcome(&'static str),
    /// Refused, failed or allowed: whatever it is, it is contained.
    Contained,
}

/// A spinning guest runs into whichever of the two is reached first.
pub const SPENT: &[FailureCode] = &[FailureCode::FuelExhausted, FailureCode::DeadlineExceeded];

impl Case {
    fn new(id: &'static str, name: impl Into<String>, guest: Guest, expect: Expect) -> Self {
        Self { id, name: name.into(), guest, manifest: None, expect }
    }

    /// The same under a manifest with these lines.
    #[must_use]
    pub fn under(self, manifest: &'static str) -> Self {
        Self { manifest: Some(manifest), ..self }
    }
}

fn module(id: &'static str, name: impl Into<String>, wasm: Vec<u8>, expect: Expect) -> Case {
    Case::new(id, name, Guest::Module(wasm), expect)
}

fn refused(id: &'static str, name: impl Into<String>, wasm: Vec<u8>, code: RefusalCode) -> Case {
    module(id, name, wasm, Expect::Refused(code))
}

fn failed(id: &'static str, name: impl Into<String>, wasm: Vec<u8>, code: FailureCode) -> Case {
    module(id, name, wasm, Expect::Failed(code))
}

fn answer(id: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>, expect: Expect) -> Case {
    Case::new(id, name, Guest::Answers(bytes.into()), expect)
}

/// The text of a module, for cases that are wrong in ways the fixtures do not allow.
fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("the fixture is no module: {error}\n{text}"))
}
