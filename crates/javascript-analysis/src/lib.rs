//! Reads the source of JavaScript rules before anything runs them: which modules they require, which names they take
//! from nowhere, where they send requests, what they can never have.
//!
//! Pure: no files, no network, no engine. What it finds in a source is a proposal for whoever grants; what it refuses
//! would have failed at a login. [`Program::code`] is the author's text at its own lines and columns.

mod enough;
mod findings;
mod hosts;
mod instead;
mod members;
mod modules;
mod names;
mod nesting;
mod place;
mod receivers;
mod source;
mod types;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, thread};

pub use modules::{InvalidTable, ModuleTable};
pub use place::{Diagnostic, Place};
use serde::Serialize;

/// Which contract a source keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `function (user, context, callback) { … }`: an Auth0 Rule.
    Rule,
    /// `exports.onExecutePostLogin = async (event, api) => { … }`: an Auth0 Action.
    Action,
}

/// What there is to know about a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Which contract it keeps to.
    pub kind: Kind,
    /// What is evaluated: the source with its types blanked, character for character.
    #[serde(skip)]
    pub code: String,
    /// The modules to evaluate before it, in order, those that others need included.
    pub modules: Vec<String>,
    /// The names it requires, as it writes them, each with the place of its first `require`.
    pub requires: Vec<(String, Place)>,
    /// Whether it can send requests, and so needs a grant.
    pub needs_http: bool,
    /// The origins of URLs that it names: what it may want to send requests to.
    pub origins: BTreeSet<String>,
    /// The origins that it sends the browser to.
    pub redirects: BTreeSet<String>,
    /// Whether it sends the browser somewhere at all.
    pub may_redirect: bool,
    /// The keys of `configuration` that it reads.
    pub configuration: BTreeSet<String>,
    /// What it sets that says who the user is: granted by name only, such as `user.email` and `id_token.email_verified`.
    pub sets_by_name: BTreeSet<String>,
    /// The members of the event that it reads, as far as their names stand in it: `user.app_metadata.plan`.
    pub reads: BTreeSet<String>,
    /// The paths of the event that are enough for it, as `reads` of a manifest takes them; none where its text does not
    /// tell, and it has to be given everything.
    pub enough: Option<BTreeSet<String>>,
    /// The members of the event that it sets.
    pub sets: BTreeSet<String>,
    /// Those of them that are the host's: what is set there is dropped, and no later rule sees it.
    pub hosts: BTreeSet<String>,
    /// The keys of `configuration` that seem to hold an address it sends requests to.
    pub addresses: BTreeSet<String>,
    /// The keys of `configuration` that hold an address it sends the browser to.
    pub redirect_keys: BTreeSet<String>,
    /// What may surprise, though it runs.
    pub warnings: Vec<Diagnostic>,
}

/// The longest source of a rule, in bytes. The engine takes no longer one.
pub const SOURCE_BYTES: usize = 256 * 1024;

/// Reads a source. The file's name decides whether it is TypeScript (`.ts`).
///
/// What it recurses through is the author's: it does so in a thread of its own, whose stack is enough for it.
///
/// # Errors
/// What makes it impossible to run, each with its place: a syntax error, a length or a depth alone, or every module, global
/// and method that a rule cannot have.
pub fn analyse(file: &str, source: &str, table: &ModuleTable) -> Result<Program, Vec<Diagnostic>> {
    let refused =
        |message: String| Err(vec![Diagnostic { file: file.to_owned(), place: Place { line: 1, column: 1 }, message }]);
    if source.len() > SOURCE_BYTES {
        return refused(format!("the source has {} bytes, allowed are {SOURCE_BYTES}", source.len()));
    }
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(nesting::stack_for(source.len()));
        match reader.spawn_scoped(scope, || source::analyse(file, source, table)) {
            Ok(reading) => reading.join().unwrap_or_else(|_| {
                refused("it cannot be read, which is a fault of Vestibule: please report it with the source".to_owned())
            }),
            Err(error) => refused(format!("there is no room to read it: {error}; try again")),
        }
    })
}
