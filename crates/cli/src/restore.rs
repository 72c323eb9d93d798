//! `vestibule restore`: a backup becomes the database of a data folder that has none, or of an empty PostgreSQL database.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::json;

use crate::{
    backup::{now, place, runtime},
    deploy::print_json,
    exit::{Done, Exit, Fault},
    output::say,
    serve::SettingsArgs,
};

/// Restores a backup.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let settings = args.settings.read()?;
    let (address, node) = place(&settings)?;
    let restored = runtime()?.block_on(vestibule_store::restore(&args.file, &address, &node, now()));
    restored.context("cannot restore the backup").map_err(Fault::Host)?;
    if json {
        print_json(&json!({"restored": args.file}))?;
    } else {
        say!("Restored. What was handed out before is dead, because what was revoked since must not come back:");
        say!("sessions and refresh tokens, links in mails, remembered browsers, and all admin tokens.");
        say!("The next `vestibule serve` makes a new admin token, shows it once, and keeps it in `admin.json`.");
        say!("The data folder needs the `installation.key` of the server that made the backup.");
    }
    Ok(Exit::Reached)
}
