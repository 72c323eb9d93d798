//! Who is compared: how its process is started, what it can do, and what a reader has to know about its figures.

use std::path::PathBuf;

use vestibule_contest::rule::Rule;

use self::{
    Isolation::{Fresh, None as Nothing, Process, Reused},
    Start::{Node, Ours, Program},
};

/// Whether one login can find what another left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// It runs in the host, trusted wholly.
    None,
    /// A sandbox that logins share.
    Reused,
    /// A sandbox of its own for each login.
    Fresh,
    /// Another process, which logins share.
    Process,
}

impl Isolation {
    /// How a table calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Reused => "shared sandbox",
            Self::Fresh => "fresh sandbox",
            Self::Process => "other process",
        }
    }
}

/// How its process is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// This program again: `--serve NAME`.
    Ours,
    /// A program of the workspace `peers`, with a word.
    Program(&'static str, &'static str),
    /// `peers/node/peer.mjs` with a word.
    Node(&'static str),
}

/// One row of the tables.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name on the command line and in results.
    pub id: &'static str,
    /// Its name in tables.
    pub name: &'static str,
    /// What stands between two logins.
    pub isolation: Isolation,
    /// How it is started.
    pub start: Start,
    /// What it can do.
    pub rules: &'static [Rule],
    /// It only decides: claims and metadata are beyond it.
    pub is_decision_only: bool,
    /// It is a part of what a login costs, not the whole.
    pub is_part: bool,
    /// What is and what is not comparable.
    pub about: &'static str,
}

const EVERYTHING: &[Rule] = &Rule::ALL;

const fn row(id: &'static str, name: &'static str, isolation: Isolation, start: Start, about: &'static str) -> Row {
    Row { id, name, isolation, start, rules: EVERYTHING, is_decision_only: false, is_part: false, about }
}

const fn part(row: Row) -> Row {
    Row { is_part: true, ..row }
}

/// All of them, in the order of the tables.
pub const ROWS: [Row; 28] = [
    row(
        "native-typed",
        "native Rust, typed",
        Nothing,
        Ours,
        "Parses only the fields it needs from JSON text into borrowing types, merges its changes into nothing: what a rule costs that is \
         compiled into the server and trusted wholly. It is the least that the work can cost, not something rule authors can have.",
    ),
    row(
        "native-tree",
        "native Rust, tree",
        Nothing,
        Ours,
        "Parses the JSON text of the event into `serde_json::Value`, runs the function, merges its changes, drops the tree. It is \
         trusted wholly.",
    ),
    part(row(
        "floor-fast",
        "bare wasmtime, pooled",
        Fresh,
        Ours,
        "wasmtime itself with the settings of profile `fast`: instantiates the Rust module, calls an empty `run`, drops the store. No event, no \
         answer, no merge: the least that any sandbox on this wasmtime can cost.",
    )),
    part(row(
        "floor-hardened",
        "bare wasmtime, on demand",
        Fresh,
        Ours,
        "The same with the settings of profile `hardened`: fresh mappings for every instance.",
    )),
    part(row(
        "sandbox-rust-fast",
        "Vestibule, Rust: sandbox alone",
        Fresh,
        Ours,
        "One run of the rule on the document that a login gives it, which is ready: instantiate, read, answer, reset. Neither encoding the \
         event nor merging the answer.",
    )),
    row(
        "rust-fast",
        "Vestibule, Rust, fast",
        Fresh,
        Ours,
        "The whole of a login: the event taken in, what the rule's `reads` names encoded as a document, a fresh instance from the pool, \
         fuel, memory, time and output metered, answer checked against `rule.toml` and reserved names, changes staged and merged, all \
         dropped and reset. It checks more than any other row does: nobody else here validates what a rule answers.",
    ),
    row(
        "rust-fast-whole",
        "Vestibule, Rust, without `reads`",
        Fresh,
        Ours,
        "The same rule when its `rule.toml` does not say what it reads: all of the event is encoded and copied.",
    ),
    row(
        "rust-hardened",
        "Vestibule, Rust, hardened",
        Fresh,
        Ours,
        "The same on fresh memory mappings instead of pooled ones.",
    ),
    row(
        "assemblyscript-fast",
        "Vestibule, AssemblyScript, fast",
        Fresh,
        Ours,
        "The same rule in AssemblyScript, compiled by its own compiler.",
    ),
    row(
        "assemblyscript-hardened",
        "Vestibule, AssemblyScript, hardened",
        Fresh,
        Ours,
        "The same on fresh memory mappings.",
    ),
    row(
        "javascript-fast",
        "Vestibule, JavaScript, fast",
        Fresh,
        Ours,
        "An unmodified Auth0-style function in QuickJS inside the sandbox, from a heap snapshot made at deploy. It is given what `vestibule import` \
         finds that its text reads. Its rule that computes runs with more fuel \
         and time than an operator allows unasked.",
    ),
    row(
        "javascript-fast-whole",
        "Vestibule, JavaScript, without `reads`",
        Fresh,
        Ours,
        "The same script when its `rule.toml` does not say what it reads, as where its text does not tell: all of the event is encoded, \
         copied and there to be looked at.",
    ),
    part(row(
        "sandbox-javascript-fast",
        "Vestibule, JavaScript: sandbox alone",
        Fresh,
        Ours,
        "One run of the script on a document that is ready, as the sandbox alone in Rust.",
    )),
    row("javascript-hardened", "Vestibule, JavaScript, hardened", Fresh, Ours, "The same on fresh memory mappings."),
    row(
        "extism-fresh",
        "Extism, fresh plug-in",
        Fresh,
        Program("peer-extism", "fresh"),
        "The plug-in is compiled once and instantiated for each login, which isolates as Vestibule does. JSON goes in and out, as its development kit \
         for Rust has it; fuel and time are limited. Extism also instantiates its kernel module each time, and gives plug-ins variables and \
         host functions that the rule here does not use.",
    ),
    row(
        "extism-reused",
        "Extism, reused plug-in",
        Reused,
        Program("peer-extism", "reused"),
        "One plug-in for all logins of a thread: what one login leaves in its memory the next can read, so it is not isolated as Vestibule is.",
    ),
    row(
        "vm-fresh",
        "Node `vm`, fresh context",
        Fresh,
        Node("vm-fresh"),
        "What servers do that run scripts in process: a script compiled once, run in a new context for each login, without a limit of time or memory, which \
         is the fastest way to use it. The context shares heap and process with the host; Node's documentation says it is no security mechanism, and \
         escapes are a recurring source of advisories. Compiled code is V8's: once warm, long computing is as fast as native.",
    ),
    row(
        "vm-limited",
        "Node `vm`, fresh context, time-out",
        Fresh,
        Node("vm-limited"),
        "The same with the `timeout` that Node offers, for which it starts a watchdog thread each time. Without it a rule that spins stops the server.",
    ),
    row(
        "ivm-context",
        "isolated-vm, fresh context",
        Fresh,
        Node("ivm-context"),
        "A V8 isolate that stays, with a new context for each login: separate heap from the host, but logins share the isolate's.",
    ),
    row(
        "ivm-isolate",
        "isolated-vm, fresh isolate",
        Fresh,
        Node("ivm-isolate"),
        "A V8 isolate for each login, code cache included: of the JavaScript rows the one that isolates as Vestibule does.",
    ),
    row(
        "ivm-reused",
        "isolated-vm, reused context",
        Reused,
        Node("ivm-reused"),
        "One context for all logins: fast, and everything a rule leaves in its global object is there for the next login.",
    ),
    row(
        "quickjs",
        "QuickJS (rquickjs), fresh context",
        Fresh,
        Program("peer-quickjs", ""),
        "Native QuickJS in the host's process, with the rule evaluated anew in each context; memory, stack and time are limited. Memory safety rests \
         on an interpreter in C.",
    ),
    row(
        "boa",
        "Boa, fresh context",
        Fresh,
        Program("peer-boa", ""),
        "A JavaScript engine in Rust, all built-ins made anew for each context. It can limit loops and recursion, not time or memory.",
    ),
    Row {
        rules: &[Rule::Fields, Rule::Groups],
        ..row(
            "rego",
            "Rego (regorus)",
            Reused,
            Program("peer-rego", ""),
            "A policy language: it can express two of the three rules, as an object that the host merges. It cannot compute step by step. Rules cannot do \
         harm in it, so it needs no sandbox; the engine keeps its input between logins.",
        )
    },
    Row {
        rules: &[Rule::Fields],
        is_decision_only: true,
        ..row(
            "cedar",
            "Cedar",
            Reused,
            Program("peer-cedar", ""),
            "A policy language that permits or forbids: it does the decision of the first rule, and sets neither claims nor metadata. Its figure is that of \
         less work, with the profile made into its values for each login.",
        )
    },
    row(
        "webhook",
        "webhook, keep-alive",
        Process,
        Program("peer-webhook", ""),
        "The native function behind axum in another process on the same machine, over one open connection: no TLS, no signature, no retry, no network. \
         A real one adds all of these. Its throughput uses a connection for each thread and one core for the server.",
    ),
    part(row(
        "ready-rust-fast",
        "Vestibule, Rust: instance ready",
        Fresh,
        Ours,
        "The sandbox when its single-use instance was made before the login: read and answer; the reset comes afterwards.",
    )),
    part(row(
        "ready-floor-fast",
        "Vestibule, empty rule: instance ready",
        Fresh,
        Ours,
        "The same with a rule that does nothing: what the sandbox adds to the rule's own work on the critical path. The \
         instance is reset, and the next one made, while the login waits for something else.",
    )),
];

/// The folder of the peers' workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The row of that id.
#[must_use]
pub fn of(id: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.id == id)
}

impl Row {
    /// How to get it, when it could not be started.
    #[must_use]
    pub fn how_to_get(&self) -> String {
        match self.start {
            Start::Ours => "`cargo xtask bench --peers` builds its rules".to_owned(),
            Start::Program(package, _) => {
                format!("`cargo build --release -p {package}` in benches/peers (Extism needs Rust 1.96)")
            }
            Start::Node(_) => "Node 20, and `npm ci` in benches/peers/node with a C++ compiler and Node's headers (`npm_config_nodedir`)".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_an_id_of_its_own_and_can_do_something() {
        for (position, row) in ROWS.iter().enumerate() {
            assert!(ROWS.iter().skip(position + 1).all(|other| other.id != row.id && other.name != row.name));
            assert!(!row.rules.is_empty() && !row.about.is_empty() && !row.how_to_get().is_empty());
        }
    }
}
