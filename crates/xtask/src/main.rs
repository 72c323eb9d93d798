//! `cargo xtask`: the commands the README names. Each does what a person would type, and says what it does.
//!
//! Nothing here knows how rules work: it builds the `vestibule` command and calls it as everybody does.

mod bench;
mod browser;
mod chromium;
mod clients;
mod counts;
mod demo;
mod fuzz;
mod peers;
mod prove;
mod service;
mod shell;
mod test;
mod test262;

use std::process::ExitCode;

use clap::Parser;

/// The commands behind the README.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Build the example rules, show what they do to logins, and let people log in to a server of your own
    Demo,
    /// Build the guests and run every test; the last line counts them all
    Test,
    /// Run Test262 in the sandbox, or those of its tests whose path has these words
    Test262(test262::Args),
    /// Run the benchmarks
    Bench(bench::Args),
    /// Fuzz the parsers of guest and author bytes (needs cargo-fuzz and a nightly compiler)
    Fuzz(fuzz::Args),
    /// Check that concurrent logins and metadata writes are serial, on both databases; goes on where it was interrupted
    ProveAtomic(prove::AtomicArgs),
    /// Kill a serving node under live logins, again and again, and PostgreSQL; goes on where it was interrupted
    ProveCrash(prove::CrashArgs),
    /// Offer a server ten times what it can do, then half of it for hours, and look at what it does
    ProveLoad(bench::LoadArgs),
    /// Send random modules through inspection, compilation and a run
    Smith(fuzz::SmithArgs),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Demo => demo::run(),
        Command::Test => test::run(),
        Command::Test262(args) => test262::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::ProveAtomic(args) => prove::atomic(&args),
        Command::ProveCrash(args) => prove::crash(&args),
        Command::ProveLoad(args) => bench::load(&args),
        Command::Smith(args) => fuzz::smith(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
