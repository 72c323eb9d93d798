//! `vestibule import auth0`: makes a pipeline of what people exported from Auth0.
//!
//! Every source goes in byte for byte. What a rule asks for is proposed in its `rule.toml`, never granted beyond what
//! its text names; what needs a person is said in the report. Each rule is tried with a sample login, and nothing is sent;
//! no folder that holds something is touched.

mod export;
mod folder;
mod plan;
mod trial;

pub(crate) use plan::IN_VAIN;

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    exit::{Done, Exit, Fault},
    import::plan::{Plan, Verdict},
    output::{self, say},
};

/// Where the report is kept.
const REPORT: &str = "REPORT.md";

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
    /// Whether the export says of some rules no order, so that they run in that of their names.
    is_ordered_by_name: bool,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let From::Auth0(Auth0 { export, out }) = &args.from;
    let found = export::read(export)?;
    let mut plans = plan::plans(&found, vestibule_javascript::table());
    folder::write(out, &mut plans)?;
    let report = Report {
        pipeline: out.join(crate::project::PIPELINE_FILE),
        configuration: plan::configuration(&plans),
        rules: &plans,
        left_out: &found.left_out,
        is_ordered_by_name: found.scripts.iter().any(|script| script.order.is_none() && !script.is_action),
    };
    let told = tell(&report, out);
    let file = out.join(REPORT);
    fs::write(&file, &told).with_context(|| format!("cannot write {}", file.display()))?;
    if json {
        say!("{}", serde_json::to_string(&report).context("cannot write the report")?);
    } else {
        output::print(format_args!("{told}"));
    }
    Ok(Exit::Reached)
}

/// The report as a person reads it. Writing to a string cannot fail.
fn tell(report: &Report<'_>, out: &std::path::Path) -> String {
    let mut told = String::new();
    for verdict in Verdict::ALL {
        let of_verdict: Vec<&Plan> = report.rules.iter().filter(|plan| plan.verdict == *verdict).collect();
        if of_verdict.is_empty() {
            continue;
        }
        let _ = writeln!(told, "{} ({})", verdict.title(), of_verdict.len());
        for plan in of_verdict {
            let disabled = if plan.enabled { "" } else { " (disabled)" };
            let _ = writeln!(told, "  {:>4}  {}{disabled}", plan.order, plan.name);
            for finding in &plan.findings {
                let _ = writeln!(told, "        {finding}");
            }
            if let Some(tried) = &plan.tried {
                let _ = writeln!(told, "        {tried}");
            }
        }
        told.push('\n');
    }
    if report.is_ordered_by_name {
        told.push_str(
            "the export does not say in which order its rules ran, so they run by the names of their files: compare with \
             what your tenant shows, and set `order` in each rule.toml\n",
        );
    }
    for left_out in report.left_out {
        let _ = writeln!(told, "left out: {left_out}");
    }
    let in_pipeline: Vec<&Plan> = report.rules.iter().filter(|plan| plan.is_in_pipeline()).collect();
    let (out, pipeline) = (out.display(), report.pipeline.display());
    let _ = writeln!(told, "{} of {} rules are in {pipeline}\nNext:", in_pipeline.len(), report.rules.len());
    if !report.configuration.is_empty() {
        let _ = writeln!(told, "  fill in {out}/{}: {}", folder::CONFIGURATION, report.configuration.join(", "));
    }
    for undecided in in_pipeline.iter().filter(|plan| plan.verdict == Verdict::NeedsDecision) {
        let _ = writeln!(told, "  decide in {out}/{}/rule.toml what is said of it above", undecided.name);
    }
    if in_pipeline.is_empty() {
        told.push_str("  see above why none of them can run\n");
    } else {
        let _ = writeln!(told, "  vestibule test {out}");
        let _ = writeln!(told, "  vestibule run --pipeline {pipeline} --event {out}/events/login.json");
    }
    told
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
