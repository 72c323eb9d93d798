//! The `vestibule` command: write, build, check, run, test and measure login rules, and serve logins with them.
//!
//! One file a verb. Rules run through the same engine, meter and pipeline as in a server; nothing here decides what a
//! rule may do. Exit codes are in [`exit`].

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads: see `output`")]

mod bench;
mod build;
mod check;
mod completions;
mod doctor;
mod import;
mod new;
mod notes;
mod run;
mod schema;
mod test;

mod serve;
mod settings;

mod deploy;
mod rollback;
mod versions;

mod client;
mod config;
mod keys;
mod secret;
mod token;

mod explain;
mod logins;
mod replay;

mod backup;
mod break_glass;
mod factor;
mod restore;
mod verify;

mod admin;
mod case;
mod event;
mod exit;
mod installation;
mod interpreter;
mod local;
mod output;
mod progress;
mod project;
mod reads;
mod stale;
mod story;
mod times;
mod toolchain;
mod values;
mod workbench;

use std::{env, fmt::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    exit::{Done, Exit, Fault},
    output::{remark, say},
};

/// Write, build, check, run, test and measure login rules; serve logins with them.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, after_help = exit_codes(), arg_required_else_help = true)]
struct Cli {
    /// Print JSON for machines, errors included: one object, or the list that was asked for
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
    /// Build what JavaScript rules run on, for a server
    Interpreter(interpreter::Args),
    /// Show which toolchains are here, which are missing and how to get them
    Doctor,
    /// Serve logins: OpenID Connect, signup and hosted pages, with the rules that were deployed
    Serve(serve::Args),
    /// Print every setting of a server with its default: a file for `serve --config`
    Settings,
    /// Deploy rules to a server: show what they ask for, then let every node take them up
    Deploy(deploy::Args),
    /// List what was deployed
    Versions(versions::Args),
    /// Go back to what was live before
    Rollback(rollback::Args),
    /// Set, list and remove the secrets of rules; they are never shown again
    Secret(secret::Args),
    /// Set, list and remove the configuration values of rules
    Config(config::Args),
    /// Register, list and remove the clients of the login service
    Client(client::Args),
    /// Make, list and revoke admin tokens
    Token(token::Args),
    /// List and rotate the keys that sign tokens
    Keys(keys::Args),
    /// Tell who wrote a user's metadata, when and in which login
    Explain(explain::Args),
    /// List logins and what they came to, newest first
    Logins(logins::Args),
    /// Run the rules of a recorded login again, on what is live or on a candidate, and show the difference
    Replay(replay::Args),
    /// Check everything that was ever committed and is still kept
    Verify(verify::Args),
    /// Copy the database, while it is in use, to a new file
    Backup(backup::Args),
    /// Restore a backup; sessions and refresh tokens of before end
    Restore(restore::Args),
    /// Let one account in without rules for a while, when rules keep everybody out
    BreakGlass(break_glass::Args),
    /// Take a second factor away that was lost
    Factor(factor::Args),
    /// Print the JSON schema of a file people write
    Schema(schema::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

fn main() -> ExitCode {
    vestibule_engine::worker::serve_if_asked();
    let exit = called();
    let exit = output::finish().map_or_else(
        |error| {
            remark!("error: cannot print: {error}");
            Exit::Host
        },
        |()| exit,
    );
    exit.into()
}

/// Does what the command line asks for.
fn called() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_called(&error),
    };
    cli.verb.run(cli.json).unwrap_or_else(|fault| {
        report(&fault, cli.json);
        fault.exit()
    })
}

/// What clap has to say of a command line: help where it was asked for, else what is not understood.
fn not_called(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        output::print(format_args!("{}", error.render().ansi()));
        return Exit::Reached;
    }
    if env::args_os().skip(1).take_while(|argument| argument != "--").any(|argument| argument == "--json") {
        let said = error.render().to_string();
        report(&Fault::Usage(said.trim_start_matches("error: ").trim_end().to_owned()), true);
    } else {
        output::print_aside(format_args!("{}", error.render().ansi()));
    }
    Exit::Usage
}

impl Verb {
    fn run(&self, json: bool) -> Done {
        match self {
            Self::New(args) => new::run(args, json),
            Self::Build(args) => build::run(args, json),
            Self::Check(args) => check::run(args, json),
            Self::Run(args) => run::run(args, json),
            Self::Test(args) => test::run(args, json),
            Self::Bench(args) => bench::run(args, json),
            Self::Import(args) => import::run(args, json),
            Self::Interpreter(args) => interpreter::run(args, json),
            Self::Doctor => doctor::run(json),
            Self::Serve(args) => serve::run(args, json),
            Self::Settings => settings::run(),
            Self::Deploy(args) => deploy::run(args, json),
            Self::Versions(args) => versions::run(args, json),
            Self::Rollback(args) => rollback::run(args, json),
            Self::Secret(args) => secret::run(args, json),
            Self::Config(args) => config::run(args, json),
            Self::Client(args) => client::run(args, json),
            Self::Token(args) => token::run(args, json),
            Self::Keys(args) => keys::run(args, json),
            Self::Explain(args) => explain::run(args, json),
            Self::Logins(args) => logins::run(args, json),
            Self::Replay(args) => replay::run(args, json),
            Self::Verify(args) => verify::run(args, json),
            Self::Backup(args) => backup::run(args, json),
            Self::Restore(args) => restore::run(args, json),
            Self::BreakGlass(args) => break_glass::run(args, json),
            Self::Factor(args) => factor::run(args, json),
            Self::Schema(args) => schema::run(args),
            Self::Completions(args) => completions::run(args),
        }
    }
}

fn report(fault: &Fault, json: bool) {
    if json {
        say!("{}", fault.to_json());
    } else {
        remark!("error: {fault}");
    }
}

fn exit_codes() -> String {
    let mut text = String::from("Exit codes:");
    for (exit, meaning) in Exit::TABLE {
        let _ = write!(text, "\n  {}  {meaning}", *exit as u8);
    }
    text
}
