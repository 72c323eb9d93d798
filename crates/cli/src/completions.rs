//! `vestibule completions`: a script that completes commands and options in a shell.

use std::io;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::exit::{Done, Exit};

/// Prints a completion script.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell to complete in
    shell: Shell,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Done {
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "vestibule", &mut io::stdout());
    Ok(Exit::Reached)
}
