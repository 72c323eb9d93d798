//! `vestibule import auth0`: makes a pipeline of what people exported from Auth0.
//!
//! Every source goes in byte for byte. What a rule asks for is proposed in its `rule.toml`, never granted beyond what
//! its text names; what needs a person is said in the report. Nothing is run, and no folder that holds something is
//! touched.

mod export;
mod folder;
mod plan;

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    exit::{Done, Exit, Fault},
    import::plan::{Plan, Verdict},
};

/// Makes a pipeline of what another product exported.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    /// Auth0 Rules and post-login Actions, unmodified
    Auth0(Auth0),
}

#[derive(Debug, clap::Args)]
struct Auth0 {
    /// A deploy-CLI directory or its tenant.yaml, a rules.json of the Management API, or a folder of .js files
    #[arg(value_name = "DIR|FILE")]
    export: PathBuf,
    /// The folder to make
    #[arg(long, value_name = "DIR", default_value = "imported")]
    out: PathBuf,
}

/// What became of an export; printed with `--json`.
#[derive(Debug, Serialize)]
struct Report<'p> {
    /// The pipeline that was made.
    pipeline: PathBuf,
    /// The configuration keys that rules read: to be filled in.
    configuration: Vec<&'p str>,
    rules: &'p [Plan],
    /// What was found beside rules and could not be taken.
    left_out: &'p [String],
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let From::Auth0(Auth0 { export, out }) = &args.from;
    let found = export::read(export)?;
    let plans = plan::plans(&found, vestibule_javascript::table());
    folder::write(out, &plans)?;
    let report = Report {
        pipeline: out.join(crate::project::PIPELINE_FILE),
        configuration: plan::configuration(&plans),
        rules: &plans,
        left_out: &found.left_out,
    };
    if json {
        println!("{}", serde_json::to_string(&report).context("cannot write the report")?);
    } else {
        print(&report, out);
    }
    Ok(Exit::Reached)
}

fn print(report: &Report<'_>, out: &std::path::Path) {
    for verdict in Verdict::ALL {
        let of_verdict: Vec<&Plan> = report.rules.iter().filter(|plan| plan.verdict == *verdict).collect();
        if of_verdict.is_empty() {
            continue;
        }
        println!("{} ({})", verdict.title(), of_verdict.len());
        for plan in of_verdict {
            let disabled = if plan.enabled { "" } else { " (disabled)" };
            println!("  {:>4}  {}{disabled}", plan.order, plan.name);
            for finding in &plan.findings {
                println!("        {finding}");
            }
        }
        println!();
    }
    for left_out in report.left_out {
        println!("left out: {left_out}");
    }
    let out = out.display();
    let in_pipeline = report.rules.iter().filter(|plan| plan.is_in_pipeline());
    println!("{} of {} rules are in {}", in_pipeline.clone().count(), report.rules.len(), report.pipeline.display());
    println!("Next:");
    if !report.configuration.is_empty() {
        println!("  fill in {out}/configuration.json: {}", report.configuration.join(", "));
    }
    for undecided in in_pipeline.filter(|plan| plan.verdict == Verdict::NeedsDecision) {
        println!("  decide in {out}/{}/rule.toml what is said of it above", undecided.name);
    }
    println!("  vestibule test {out}");
    println!("  vestibule run --pipeline {} --event {out}/events/login.json", report.pipeline.display());
}

/// Where something went wrong in an export.
fn malformed(path: &std::path::Path, problem: impl std::fmt::Display) -> Fault {
    let message = format!(
        "`{}`: {problem}; an export is a directory or tenant.yaml of the Auth0 Deploy CLI, a rules.json of the Management \
         API, or a folder of .js files",
        path.display()
    );
    Fault::bad_input(crate::exit::BadInput::ExportInvalid, message)
}
