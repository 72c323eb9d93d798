//! `cargo xtask bench`: every bar the benchmarks measure, with its figure; `benches/README.md` keeps the table.

use std::process::{Command, ExitCode, Stdio};

use crate::shell::{self, cargo, heading, root};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `--quick` for a look, `--strict` to fail on a missed bar, `--only GROUP` for one group
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    bars: Vec<String>,
}

/// Builds the measured rules, then measures.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    shell::loud(cargo(root()).args(["build", "--quiet", "--profile", "ci", "--bin", "vestibule"]))?;
    let guests = root().join("benches/guests");
    shell::loud(Command::new(shell::vestibule()?).arg("build").arg(guests).stdin(Stdio::null()))?;
    install_isolated_vm();
    let mut bench = cargo(root());
    // The whole workspace, so that features are unified, and Cranelift built, as for the tests.
    bench.args(["bench", "--profile", "ci", "--workspace", "--bench", "bars", "--"]).args(&args.bars);
    shell::loud(&mut bench)?;
    Ok(ExitCode::SUCCESS)
}

/// A peer that is compiled against the Node that is here. Without it the bars that need it say that they were not measured.
fn install_isolated_vm() {
    let folder = root().join("benches/javascript");
    if folder.join("node_modules/isolated-vm").is_dir() {
        return;
    }
    heading("installing isolated-vm, to measure beside it");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--foreground-scripts"]).current_dir(&folder).stdin(Stdio::null());
    if let Err(error) = shell::loud(&mut npm) {
        println!(
            "isolated-vm could not be built ({error}): it needs a C++ compiler, Python, and the headers of this Node"
        );
    }
}
