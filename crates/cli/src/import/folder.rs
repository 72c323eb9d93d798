//! Writes a planned pipeline: a folder a rule, `pipeline.toml`, what has to be filled in, and a login to try it with.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};
use vestibule_javascript_analysis::Program;

use super::{
    plan::{Plan, configuration, keys},
    trial::Trials,
};
use crate::{
    exit::{BadInput, Fault},
    progress::Progress,
    project::{self, PIPELINE_FILE, RULE_FILE},
};

/// The file of the configuration values, which `vestibule run` and `vestibule config load` read.
pub(super) const CONFIGURATION: &str = project::CONFIGURATION_FILE;

const SAMPLE: &str = include_str!("../../templates/both/sample.json");

/// What every rule could do on its old host, written out (DESIGN §4).
const WRITES: &[&str] = &[
    "user_metadata.*",
    "app_metadata.*",
    "id_token.*",
    "access_token.*",
    "user.*",
    "context.*",
    "shared.*",
    "scope",
    "second_factor",
    "deny",
];

/// Writes everything, and tries each rule on the way.
///
/// # Errors
/// [`Fault::BadInput`] when the folder holds something already.
pub(super) fn write(out: &Path, plans: &mut [Plan]) -> Result<(), Fault> {
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("`{}` holds something already: name another folder with --out", out.display());
        return Err(Fault::bad_input(BadInput::AlreadyThere, message));
    }
    let event: Value = serde_json::from_str(SAMPLE).context("the sample event is broken")?;
    let mut trials = Trials::new(event.clone())?;
    let progress = Progress::start("trying the rules");
    for plan in plans.iter_mut() {
        let folder = out.join(place(plan));
        put(&folder.join(&plan.file), &plan.source)?;
        put(&folder.join(RULE_FILE), &manifest(plan))?;
        if plan.is_in_pipeline() {
            progress.say(format!("trying {}", plan.name));
            let trial = trials.of(plan, &folder);
            let case = json!({ "event": event, "http": [], "expect": trial.expect });
            let case = serde_json::to_string_pretty(&case).context("cannot write a case")?;
            put(&folder.join("cases/loads.json"), &format!("{case}\n"))?;
            plan.tried(trial);
        }
    }
    drop(progress);
    put(&out.join(PIPELINE_FILE), &pipeline(plans))?;
    let keys = configuration(plans).into_iter().map(|key| (key.to_owned(), json!("")));
    let keys = Value::Object(keys.collect());
    let keys = serde_json::to_string_pretty(&keys).context("cannot write the configuration")?;
    put(&out.join(CONFIGURATION), &format!("{keys}\n"))?;
    put(&out.join("events/login.json"), SAMPLE)?;
    Ok(())
}

/// Its folder: what cannot run lies apart, so that the others can be built and tested as they are.
fn place(plan: &Plan) -> String {
    if plan.program.is_some() { plan.name.clone() } else { format!("cannot-run/{}", plan.name) }
}

fn manifest(plan: &Plan) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# Imported from Auth0: {}", plan.title.escape_debug());
    let _ = writeln!(text, "name = {}", quoted(&plan.name));
    let _ = writeln!(text, "language = \"javascript\"");
    let _ = writeln!(text, "source = {}", quoted(&plan.file));
    let _ = writeln!(text, "order = {}", plan.order);
    let _ = writeln!(text, "on_failure = \"deny\"");
    let _ = writeln!(text, "reserved_claims = \"drop\" # As its old host did.");
    if let Some(enough) = plan.program.as_ref().and_then(|program| program.enough.as_ref()) {
        let _ = writeln!(
            text,
            "# What its source needs, with the clock and what earlier rules left. It is given nothing else: add what you make it read."
        );
        let _ = writeln!(text, "reads = [{}]", enough.iter().map(|path| quoted(path)).collect::<Vec<_>>().join(", "));
    }
    let _ = writeln!(text, "# Everything a rule could do there. Narrow it to what this one does.");
    let _ = writeln!(text, "writes = [");
    let program = plan.program.as_ref();
    let redirects = program.is_some_and(|program| !program.redirects.is_empty()).then_some("redirect");
    for write in WRITES.iter().copied().chain(redirects) {
        let _ = writeln!(text, "    {},", quoted(write));
    }
    for write in program.iter().flat_map(|program| &program.sets_by_name) {
        let _ = writeln!(
            text,
            "    # {}, # Says who the user is: uncomment it if you trust this rule with that.",
            quoted(write)
        );
    }
    let _ = writeln!(text, "]");
    if let Some(program) = program {
        capabilities(program, &mut text);
    }
    text
}

/// What the source names, proposed; what it does not name, asked for.
fn capabilities(program: &Program, text: &mut String) {
    let list = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "\n[capabilities]");
    if !program.addresses.is_empty() {
        let _ = writeln!(text, "# `http` needs the origin of where {} points too.", keys(&program.addresses));
    }
    if program.needs_http && program.origins.is_empty() {
        let _ = writeln!(text, "# It sends requests, to an address that its source does not name:");
        let _ = writeln!(text, "# http = [\"https://api.example.com\"]");
    } else if program.needs_http {
        let _ = writeln!(
            text,
            "http = [{}] # Found in its source; remove what is no service.",
            list(&mut program.origins.iter())
        );
    }
    if !program.configuration.is_empty() {
        let _ = writeln!(text, "configuration = [{}]", list(&mut program.configuration.iter()));
    }
    if !program.redirects.is_empty() {
        if !program.redirect_keys.is_empty() {
            let keys = keys(&program.redirect_keys);
            let _ = writeln!(text, "# `redirect` needs the origin of where {keys} points too, if you set that.");
        }
        let _ = writeln!(text, "redirect = [{}]", list(&mut program.redirects.iter()));
    } else if program.may_redirect {
        let _ = writeln!(
            text,
            "# It sends the browser away, to an address that its source does not name; add \"redirect\" to `writes` too:"
        );
        let _ = writeln!(text, "# redirect = [\"https://forms.example.com\"]");
    }
}

fn pipeline(plans: &[Plan]) -> String {
    let mut text = String::from("# Imported from Auth0, in the order of their `rule.toml`.\nrules = [\n");
    for plan in plans {
        let name = quoted(&place(plan));
        let _ = match (plan.is_in_pipeline(), plan.enabled) {
            (true, _) => writeln!(text, "    {name},"),
            (false, true) => writeln!(text, "    # {name}, # Cannot run: see the report."),
            (false, false) => writeln!(text, "    # {name}, # Was disabled."),
        };
    }
    text.push_str("]\n");
    text
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn put(path: &Path, text: &str) -> Result<(), Fault> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
