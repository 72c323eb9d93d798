//! `vestibule deploy`: shows what rules ask for, and lets every node of a server take them up.

use std::{
    io::{IsTerminal as _, stdin},
    path::{Path, PathBuf},
};

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use http::Method;
use vestibule_server::{
    admin::deploy::{Activation, Proposal, Rollout},
    bundle::{Bundle, Upload},
    plan::{RulePlan, State},
};

use crate::{
    admin::{AdminArgs, AdminClient},
    exit::{BadInput, Done, Exit, Fault},
    local::LocalRule,
    output::{self, remark, say},
    progress::Progress,
    project, stale,
};

const MORE: Style = AnsiColor::Green.on_default();
const LESS: Style = AnsiColor::Red.on_default();
const QUIET: Style = Style::new().dimmed();
const ODD: Style = AnsiColor::Yellow.on_default();

/// Deploys rules.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A pipeline.toml, a folder that holds one, or a rule's folder
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let (bundle, stale) = packed_quietly(&args.path)?;
    let client = args.admin.client()?;
    let proposal: Proposal = {
        let _progress = Progress::start("the server inspects and compiles");
        client.send_bundle(&["v1", "generations"], bundle)?
    };
    let configuration = project::configuration_beside(&args.path);
    if json {
        stale.iter().for_each(|warning| remark!("warning: {warning}"));
    } else {
        tell(&proposal, &stale, configuration.as_deref());
    }
    if proposal.plan.is_empty() {
        if json {
            print_json(&proposal)?;
        } else {
            say!("Nothing changes: these rules are live already.");
        }
        return Ok(Exit::Reached);
    }
    for rule in proposal.plan.rules.iter().filter(|rule| rule.state == State::Removed) {
        remark!("{LESS}lost{LESS:#}      `{}` runs now and is not among these rules: no login will run it", rule.name);
    }
    if !args.yes && !confirmed("Deploy this?")? {
        say!("Nothing was changed.");
        return Ok(Exit::Reached);
    }
    let activation = Activation { expected: proposal.live, rollback: false };
    let rollout = activate(&client, proposal.number, &activation)?;
    if json {
        print_json(&rollout)?
    } else {
        tell_rollout(&rollout)
    }
    Ok(exit(&rollout))
}

/// The bundle of the rules at a path, inspected here first; warns of modules that are older than their source.
pub(crate) fn packed(path: &Path) -> Result<Vec<u8>, Fault> {
    let (bundle, stale) = packed_quietly(path)?;
    stale.iter().for_each(|warning| remark!("warning: {warning}"));
    Ok(bundle)
}

/// The bundle, and what to warn of.
fn packed_quietly(path: &Path) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let folders = project::rules_to_deploy(path)?;
    let stale = folders.iter().filter_map(stale::warning).collect();
    let locals = folders.iter().map(LocalRule::read_quietly).collect::<Result<Vec<_>, _>>()?;
    let upload = |local: LocalRule| Upload {
        manifest: local.text,
        module: local.revision.inspected.bytes.to_vec(),
        files: local.revision.files,
    };
    let uploads: Vec<Upload> = locals.into_iter().map(upload).collect();
    let bundle =
        Bundle::of(&uploads).map_err(|error| Fault::bad_input(BadInput::ManifestInvalid, error.to_string()))?;
    Ok((bundle.to_tar().context("cannot pack the bundle")?, stale))
}

/// Activates a generation, and waits for the nodes.
pub(crate) fn activate(client: &AdminClient, number: i64, activation: &Activation) -> Result<Rollout, Fault> {
    let _progress = Progress::start("waiting for every node");
    client.send(Method::POST, &["v1", "generations", &number.to_string(), "activate"], activation)
}

/// Asks a person; without one, `--yes` has to say it.
pub(crate) fn confirmed(question: &str) -> Result<bool, Fault> {
    if !stdin().is_terminal() {
        return Err(Fault::Usage("nobody is there to be asked: add --yes".to_owned()));
    }
    output::print_aside(format_args!("{question} [y/N] "));
    let mut answer = String::new();
    stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Tells who has a generation.
pub(crate) fn tell_rollout(rollout: &Rollout) {
    say!("Generation {} is live on {}.", rollout.number, rollout.ready.join(", "));
    if !rollout.waiting.is_empty() {
        say!("{ODD}These nodes live and have not taken it up yet:{ODD:#} {}", rollout.waiting.join(", "));
    }
}

/// A node that is behind is not a success.
pub(crate) fn exit(rollout: &Rollout) -> Exit {
    if rollout.waiting.is_empty() { Exit::Reached } else { Exit::Host }
}

/// Prints an answer for machines.
pub(crate) fn print_json(answer: &impl serde::Serialize) -> Result<(), Fault> {
    say!("{}", serde_json::to_string(answer).context("cannot write the answer")?);
    Ok(())
}

fn tell(proposal: &Proposal, stale: &[String], configuration: Option<&Path>) {
    let count = |state| proposal.plan.rules.iter().filter(|rule| rule.state == state).count();
    let counts =
        [(State::New, "new"), (State::Changed, "changed"), (State::Same, "as they were"), (State::Removed, "removed")];
    let counts = counts.map(|(state, word)| (count(state), word));
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(n, word)| format!("{n} {word}")).collect();
    say!("{}", counts.join(", "));
    for rule in &proposal.plan.rules {
        tell_rule(rule);
    }
    for warning in stale.iter().chain(&proposal.warnings) {
        say!("{ODD}careful{ODD:#}  {warning}");
    }
    let is_unset = |warning: &String| warning.contains("vestibule config set");
    if let (Some(file), true) = (configuration, proposal.warnings.iter().any(is_unset)) {
        say!("         all at once, when it is filled in: `vestibule config load {}`", file.display());
    }
    say!("");
}

fn tell_rule(rule: &RulePlan) {
    let (style, word) = match rule.state {
        State::New => (MORE, "new"),
        State::Changed => (ODD, "changed"),
        State::Same => (QUIET, "as it was"),
        State::Removed => (LESS, "removed"),
    };
    say!("{style}{:<9}{style:#} {}", word, rule.name);
    if matches!(rule.state, State::Same | State::Removed) {
        return; // It gets nothing that it does not have.
    }
    for asked in &rule.asks {
        if rule.more.contains(asked) {
            say!("          {MORE}+ {asked}{MORE:#}");
        } else {
            say!("          {QUIET}  {asked}{QUIET:#}");
        }
    }
    for gone in &rule.less {
        say!("          {LESS}- {gone}{LESS:#}");
    }
}
