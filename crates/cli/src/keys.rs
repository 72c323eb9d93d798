//! `vestibule keys`: the keys that sign tokens.

use clap::Subcommand;
use serde_json::json;
use vestibule_server::admin::keys::KeyNote;

use crate::{
    admin::AdminArgs,
    deploy::print_json,
    exit::{Done, Exit},
    output::say,
    times,
};

/// Lists and rotates keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List keys
    List {
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Make a new key: published at once, it signs in an hour, when every client can have seen it
    Rotate {
        #[command(flatten)]
        admin: AdminArgs,
    },
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let keys: Vec<KeyNote> = match &args.action {
        Action::List { admin } => admin.client()?.get(&["v1", "keys"], &[])?,
        Action::Rotate { admin } => admin.client()?.send(http::Method::POST, &["v1", "keys", "rotate"], &json!({}))?,
    };
    if json {
        print_json(&keys)?;
    }
    for key in keys.iter().filter(|_| !json) {
        say!("{}  signs from {}{}", key.kid, times::told(key.from), if key.signs { "  (now)" } else { "" });
    }
    Ok(Exit::Reached)
}
