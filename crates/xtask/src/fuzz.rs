//! `cargo xtask fuzz` and `cargo xtask smith`: the two ways to look for inputs nobody thought of.

use std::{fs, process::ExitCode};

use anyhow::{Context as _, bail};

use crate::shell::{self, cargo, heading, root};

/// What to fuzz, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One target; every target in turn when none is named
    target: Option<String>,
    /// Time for each target
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
}

/// How many modules to make.
#[derive(Debug, clap::Args)]
pub(crate) struct SmithArgs {
    /// Random modules
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    modules: u64,
}

/// Fuzzes one target, or all.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if !cargo(root()).args(["fuzz", "--version"]).output().is_ok_and(|output| output.status.success()) {
        bail!("cargo-fuzz is not installed: `cargo install cargo-fuzz`, and a nightly compiler by `rustup`");
    }
    let targets = match &args.target {
        Some(target) => vec![target.clone()],
        None => targets()?,
    };
    for target in targets {
        heading(&format!("fuzzing {target} for {} s", args.seconds));
        let limit = format!("-max_total_time={}", args.seconds);
        shell::loud(cargo(root()).args(["+nightly", "fuzz", "run", &target, "--", &limit]))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes random modules and sends each the whole way.
pub(crate) fn smith(args: &SmithArgs) -> anyhow::Result<ExitCode> {
    let mut smith = cargo(root());
    smith.args(["run", "--quiet", "--profile", "ci", "--bin", "smith", "--", "--modules", &args.modules.to_string()]);
    shell::loud(&mut smith)?;
    Ok(ExitCode::SUCCESS)
}

fn targets() -> anyhow::Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut targets: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    targets.sort();
    Ok(targets)
}
