//! `vestibule config`: the configuration values of rules.

use crate::{exit::Done, values};

/// Sets, lists and removes values.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: values::Action,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    values::run(&args.action, "configuration", json)
}
