//! `vestibule completions`: a script that completes commands and options in a shell.

use std::io::{self, Write as _};

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
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "vestibule", &mut script);
    print(&script)
}

/// Prints a long text. Whoever reads only its beginning, as `head` does, has what they wanted.
pub(crate) fn print(text: &[u8]) -> Done {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(error).context("cannot print").into())
        }
        Ok(()) | Err(_) => Ok(Exit::Reached),
    }
}
