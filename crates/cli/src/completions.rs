//! `vestibule completions`: a script that completes commands and options in a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{
    exit::{Done, Exit},
    output,
};

/// Prints a completion script.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell to complete in
    shell: Shell,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "vestibule", &mut script);
    output::print_file(&script);
    Ok(Exit::Reached)
}
