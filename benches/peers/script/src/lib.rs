//! The measured rules in JavaScript, and the versions of what is measured.

use vestibule_contest::rule::Rule;

/// The script of a rule: an expression that is a function from JSON to JSON. The number makes it one of its kind.
#[must_use]
pub fn source(rule: Rule, number: usize) -> String {
    let function = match rule {
        Rule::Fields => include_str!("../fields.js"),
        Rule::Groups => include_str!("../groups.js"),
        Rule::Compute => include_str!("../compute.js"),
    };
    format!("/* {number} */ {}", function.trim_end())
}

/// The version of a package, from the lock file of this workspace.
#[must_use]
pub fn version(package: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let found = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).map(|(_, rest)| rest);
    found.and_then(|rest| rest.split_once('"')).map_or("?", |(version, _)| version)
}
