//! `vestibule doctor`: which tools are here, which are missing, and how to get them.
//!
//! Looks only: it installs nothing.

use std::process::Command;

use serde_json::json;
use vestibule_javascript::tools::{self, CTools};

use crate::{
    exit::{Done, Exit},
    output::say,
    toolchain::{self, Missing, Node, RustGuests, first_line_of},
};

/// One thing the doctor looked at.
struct Finding {
    what: &'static str,
    /// What is there, or how to get it.
    state: Result<String, String>,
}

/// Runs the verb. Its exit code is [`Exit::Toolchain`] when a language cannot be built here.
pub(crate) fn run(json: bool) -> Done {
    let findings = [
        Finding { what: "vestibule", state: Ok(env!("CARGO_PKG_VERSION").into()) },
        Finding { what: "cargo", state: cargo() },
        Finding { what: "Rust rules", state: rust_guests() },
        Finding { what: "AssemblyScript rules", state: node() },
        Finding { what: "JavaScript rules", state: c_tools() },
    ];
    if json {
        print_json(&findings)
    } else {
        print_table(&findings)
    }
    let healthy = findings.iter().all(|finding| finding.state.is_ok());
    Ok(if healthy { Exit::Reached } else { Exit::Toolchain })
}

fn cargo() -> Result<String, String> {
    first_line_of(Command::new("cargo").arg("--version")).ok_or_else(|| "install Rust from https://rustup.rs".into())
}

fn rust_guests() -> Result<String, String> {
    RustGuests::find().map(|found| found.describe()).map_err(|missing| match missing {
        Missing::DebianPackages => {
            format!(
                "`vestibule build` installs Debian's packages on first use; {}",
                toolchain::how_to_get_rust_guests()
            )
        }
        Missing::RustupTarget => {
            format!("`vestibule build` adds the target on first use; {}", toolchain::how_to_get_rust_guests())
        }
        Missing::Everything => toolchain::how_to_get_rust_guests(),
    })
}

fn node() -> Result<String, String> {
    Node::find().map(|node| format!("Node {} with npm", node.version)).map_err(|fault| fault.to_string())
}

/// JavaScript itself needs nothing; the interpreter is built once, with a C compiler.
fn c_tools() -> Result<String, String> {
    match (CTools::find(), tools::can_install_debian_packages()) {
        (Some(tools), _) => Ok(format!("the interpreter is built with {}", tools.clang.display())),
        (None, true) => Err(format!("installed on first use; {}", CTools::how_to_get())),
        (None, false) => Err(CTools::how_to_get()),
    }
}

fn print_table(findings: &[Finding]) {
    for Finding { what, state } in findings {
        match state {
            Ok(found) => say!("found    {what:<21} {found}"),
            Err(remedy) => say!("missing  {what:<21} {remedy}"),
        }
    }
}

fn print_json(findings: &[Finding]) {
    let checks: Vec<_> = findings
        .iter()
        .map(|Finding { what, state }| match state {
            Ok(found) => json!({ "name": what, "found": true, "detail": found }),
            Err(remedy) => json!({ "name": what, "found": false, "detail": remedy }),
        })
        .collect();
    say!("{}", json!({ "checks": checks }));
}
