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
    build_rules()?;
    install_isolated_vm();
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
