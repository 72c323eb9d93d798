//! `cargo xtask bench`: every bar the benchmarks measure, with its figure; `benches/README.md` keeps the table.

use std::process::{Command, ExitCode, Stdio};

use crate::{
    peers,
    shell::{self, cargo, root},
};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `--quick` for a look, `--strict` to fail on a missed bar, `--only GROUP` for one group, `--peers` to compare with
    /// what others use
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    bars: Vec<String>,
}

/// For how long to load a server.
#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    /// How long ten times the load goes on
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    overload: u64,
    /// How long half the load goes on afterwards
    #[arg(long, value_name = "MINUTES", default_value_t = 120)]
    soak: u64,
}

/// Builds the measured rules, then measures.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.bars.iter().any(|argument| argument == "--peers") {
        return peers::run(&args.bars);
    }
    build_rules()?;
    measure("bars", &args.bars)
}

/// Offers a server more than it can do, then half of it for a long time.
pub(crate) fn load(args: &LoadArgs) -> anyhow::Result<ExitCode> {
    build_rules()?;
    measure("load", &["--overload".to_owned(), args.overload.to_string(), "--soak".to_owned(), args.soak.to_string()])
}

fn build_rules() -> anyhow::Result<()> {
    shell::loud(cargo(root()).args(["build", "--quiet", "--profile", "ci", "--bin", "vestibule"]))?;
    let guests = root().join("benches/guests");
    shell::loud(Command::new(shell::vestibule()?).arg("build").arg(guests).stdin(Stdio::null()))
}

fn measure(program: &str, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut bench = cargo(root());
    // The whole workspace, so that features are unified, and Cranelift built, as for the tests.
    bench.args(["bench", "--profile", "ci", "--workspace", "--bench", program, "--"]).args(arguments);
    shell::loud(&mut bench)?;
    Ok(ExitCode::SUCCESS)
}
