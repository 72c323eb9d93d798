//! `cargo xtask bench`: measures every bar of the issue, prints each with its figure, and keeps the table of `README.md`.
//!
//! `--quick` is a look of less than a minute that leaves `README.md` alone, `--strict` fails on a missed bar, `--only NAME`
//! measures one group. This program is its own compile worker.

use std::process::ExitCode;

use anyhow::bail;
use vestibule_benches::{measure::GROUPS, report::Report, rounds::Effort};

/// What was asked for.
struct Asked {
    quick: bool,
    strict: bool,
    only: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    vestibule_engine::worker::serve_if_asked();
    let asked = Asked::of(std::env::args().skip(1))?;
    let effort = if asked.quick { Effort::QUICK } else { Effort::FULL };
    let mut report = Report::default();
    for (name, measure) in GROUPS {
        if asked.only.as_deref().is_none_or(|only| only == name) {
            let (bars, tables) = measure(effort)?;
            report.add(bars, tables);
        }
    }
    println!("\n{}", report.to_markdown("cargo xtask bench"));
    if asked.only.is_none() && !asked.quick {
        report.write_readme("cargo xtask bench")?;
    }
    let missed = report.missed();
    println!("{} bars, {missed} missed", report.bars.len());
    Ok(if asked.strict && missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Asked {
    fn of(mut args: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut asked = Self { quick: false, strict: false, only: None };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => asked.quick = true,
                "--strict" => asked.strict = true,
                "--only" => asked.only = args.next(),
                "--bench" => {} // Cargo says so to every benchmark.
                _ => bail!("`{arg}` is not known; there are --quick, --strict and --only GROUP"),
            }
        }
        let known = |only: &String| GROUPS.iter().any(|(name, _)| name == only);
        if let Some(unknown) = asked.only.as_ref().filter(|only| !known(only)) {
            let names = GROUPS.map(|(name, _)| name).join(", ");
            bail!("there is no group `{unknown}`; there are {names}");
        }
        Ok(asked)
    }
}
