//! `vestibule interpreter`: what JavaScript rules run on, built for a server. Servers only read it.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::json;
use vestibule_server::{first_start::data_folder, serve::interpreter_folder};

use crate::{
    deploy::print_json,
    exit::{Done, Exit, Fault},
    output::say,
    serve::SettingsArgs,
};

/// What JavaScript rules run on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Build it where a server looks for it; installs Debian's clang and lld if they are missing and this is root
    Build(Build),
}

#[derive(Debug, clap::Args)]
struct Build {
    /// The folder to build it into, instead of the one that the server's settings name
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let Action::Build(build) = &args.action;
    let folder = match &build.to {
        Some(folder) => folder.clone(),
        None => {
            let settings = build.settings.read()?;
            let data = data_folder(&settings.data).context("the data folder")?;
            interpreter_folder(&settings, &data)
        }
    };
    let module = vestibule_javascript::interpreter(&folder).map_err(|error| Fault::Toolchain(error.to_string()))?;
    if json {
        print_json(&json!({"folder": folder, "bytes": module.len()}))?;
    } else {
        say!("The interpreter for JavaScript rules is in {}.", folder.display());
    }
    Ok(Exit::Reached)
}
