//! The `vestibule` command: write, build, check, run, test and measure login rules.
//!
//! One file a verb. Rules run through the same engine, meter and pipeline as in a server; nothing here decides what a
//! rule may do. Exit codes are in [`exit`].

mod bench;
mod build;
mod check;
mod completions;
mod doctor;
mod import;
mod new;
mod run;
mod schema;
mod test;

mod case;
mod event;
mod exit;
mod installation;
mod local;
mod progress;
mod project;
mod story;
mod toolchain;
mod workbench;

use std::{fmt::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::exit::{Done, Exit, Fault};

/// Write, build, check, run, test and measure login rules.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, after_help = exit_codes(), arg_required_else_help = true)]
struct Cli {
    /// Print one JSON object for machines, errors included
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a new rule that builds and passes its cases as it is
    New(new::Args),
    /// Build rules from source
    Build(build::Args),
    /// Examine rules as a deploy would: imports, grants, writes, conflicts
    Check(check::Args),
    /// Run one login through a rule or a pipeline
    Run(Box<run::Args>),
    /// Run the cases of rules
    Test(test::Args),
    /// Measure what rules cost
    Bench(bench::Args),
    /// Make a pipeline of rules exported from another product
    Import(import::Args),
    /// Show which toolchains are here, which are missing and how to get them
    Doctor,
    /// Print the JSON schema of a file people write
    Schema(schema::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

fn main() -> ExitCode {
    vestibule_engine::worker::serve_if_asked();
    let cli = Cli::parse();
    match cli.verb.run(cli.json) {
        Ok(exit) => exit.into(),
        Err(fault) => {
            report(&fault, cli.json);
            fault.exit().into()
        }
    }
}

impl Verb {
    fn run(&self, json: bool) -> Done {
        match self {
            Self::New(args) => new::run(args),
            Self::Build(args) => build::run(args),
            Self::Check(args) => check::run(args, json),
            Self::Run(args) => run::run(args, json),
            Self::Test(args) => test::run(args, json),
            Self::Bench(args) => bench::run(args, json),
            Self::Import(args) => import::run(args, json),
            Self::Doctor => doctor::run(json),
            Self::Schema(args) => schema::run(args),
            Self::Completions(args) => completions::run(args),
        }
    }
}

fn report(fault: &Fault, json: bool) {
    if json {
        println!("{}", fault.to_json());
    } else {
        eprintln!("error: {fault}");
    }
}

fn exit_codes() -> String {
    let mut text = String::from("Exit codes:");
    for (exit, meaning) in Exit::TABLE {
        let _ = write!(text, "\n  {}  {meaning}", *exit as u8);
    }
    text
}
