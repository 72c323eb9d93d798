//! What `vestibule secret` and `vestibule config` share: values are set, listed and removed, and never shown.

use std::{
    io::{IsTerminal as _, Read as _, stdin},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Subcommand;
use http::Method;
use serde_json::json;
use vestibule_server::admin::values::ValueNote;

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    event::configuration_in,
    exit::{Done, Exit, Fault},
    output::{self, say},
    times,
};

/// What to do with values.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Set a value: read from standard input, unless it is on the command line
    Set {
        /// Its name
        name: String,
        /// The value; better left out, because command lines are seen by others and kept in histories
        value: Option<String>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Set every value of a JSON file, {"KEY": "value"}; empty ones are left out
    Load {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// List names, and when they were set
    List {
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Remove a value
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

/// Does it to the values of one kind, by the name of their resource.
pub(crate) fn run(action: &Action, kind: &str, json: bool) -> Done {
    match action {
        Action::Set { name, value, admin } => {
            let client = admin.client()?;
            let value = value.clone().map_or_else(|| read(name), Ok)?;
            let note: ValueNote = client.send(Method::PUT, &["v1", kind, name], &json!({"value": value}))?;
            if json { print_json(&note)? } else { say!("`{name}` is set; every node takes it up.") }
        }
        Action::Load { file, admin } => {
            let values = configuration_in(file)?;
            let client = admin.client()?;
            for (name, value) in &values {
                let _: ValueNote = client.send(Method::PUT, &["v1", kind, name], &json!({ "value": value }))?;
            }
            let names: Vec<&String> = values.keys().collect();
            if json {
                print_json(&json!({ "set": names }))?;
            } else {
                say!("{} values are set; every node takes them up.", names.len());
            }
        }
        Action::List { admin } => {
            let notes: Vec<ValueNote> = admin.client()?.get(&["v1", kind], &[])?;
            if json {
                print_json(&notes)?;
            } else if notes.is_empty() {
                say!("There are none.");
            }
            for note in notes.iter().filter(|_| !json) {
                say!("{}  (set {}, the {}. time)", note.name, times::told(note.at), note.version);
            }
        }
        Action::Remove { name, admin } => {
            admin.client()?.delete(&["v1", kind, name])?;
            if json { print_json(&json!({"removed": name}))? } else { say!("`{name}` is gone.") }
        }
    }
    Ok(Exit::Reached)
}

/// The value as it comes in, without the end of its line.
fn read(name: &str) -> Result<String, Fault> {
    let mut value = String::new();
    if stdin().is_terminal() {
        output::print_aside(format_args!("Value of `{name}`, then Enter: "));
        stdin().read_line(&mut value).context("cannot read the value")?;
    } else {
        stdin().read_to_string(&mut value).context("cannot read the value")?;
    }
    let value = value.strip_suffix('\n').unwrap_or(&value);
    Ok(value.strip_suffix('\r').unwrap_or(value).to_owned())
}
