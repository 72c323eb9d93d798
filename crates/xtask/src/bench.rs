//! `cargo xtask bench`: the benchmarks, optimised as a release is.

use std::process::ExitCode;

use crate::shell::{self, cargo, root};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only benchmarks whose name holds this; `--save-baseline` and the like of criterion follow
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    criterion: Vec<String>,
}

/// Runs the benchmarks; they print their table, which `benches/README.md` keeps.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut bench = cargo(root());
    bench.args(["bench", "--package", "vestibule-benches"]);
    if !args.criterion.is_empty() {
        bench.arg("--").args(&args.criterion);
    }
    shell::loud(&mut bench)?;
    Ok(ExitCode::SUCCESS)
}
