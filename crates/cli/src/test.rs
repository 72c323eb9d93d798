//! `vestibule test`: runs the cases of rules and of pipelines, each login twice.
//!
//! Once as it is, where what the case expects must come; once with a single unit of fuel, where no rule may get
//! anything through: whoever starves a rule must not get past it.

use std::{
    fs, iter,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;
use vestibule_engine::{Case, Report};
use vestibule_pipeline::{LoginInput, pipeline::Digest};

use crate::{
    case::{self, mismatch},
    event::login_input,
    exit::{BadInput, Done, Exit, Fault},
    local::LocalRule,
    notes,
    output::{remark, say},
    project::{self, PIPELINE_FILE, RULE_FILE},
    reads,
    workbench::{Loaded, Outside, ProfileName, Workbench},
};

/// Lines of a rule's log that are shown of a case that failed.
const LAST_WORDS: usize = 4;

/// Runs the cases of rules.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rule folders, or folders of rules and pipelines; the current folder when none is named
    #[arg(value_name = "DIR")]
    paths: Vec<PathBuf>,
}

/// What has cases: a rule, or a pipeline with a `cases` folder beside its `pipeline.toml`.
struct Subject {
    name: String,
    rules: Vec<LocalRule>,
    cases: Vec<PathBuf>,
}

/// How a case went.
#[derive(Serialize)]
struct Verdict {
    subject: String,
    case: String,
    passed: bool,
    /// What was expected and what came.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
    /// What does not fail it and is hardly meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let subjects = subjects_at(&args.paths)?;
    if subjects.iter().all(|subject| subject.cases.is_empty()) {
        let message = "there is no case: write cases/NAME.json, as `vestibule new` does";
        return Err(Fault::bad_input(BadInput::FileMissing, message));
    }
    let workbench = Workbench::new(ProfileName::Fast)?;
    let mut verdicts = Vec::new();
    for subject in &subjects {
        if subject.cases.is_empty() && !json {
            say!("none  {} has no cases", subject.name);
        }
        for note in nowhere(subject)? {
            remark!("note: {note}");
        }
        for verdict in try_cases(&workbench, subject)? {
            if !json {
                verdict.print();
            }
            verdicts.push(verdict);
        }
    }
    let passed = verdicts.iter().filter(|verdict| verdict.passed).count();
    let failed = verdicts.len() - passed;
    if json {
        say!("{}", json!({ "passed": passed, "failed": failed, "cases": verdicts }));
    } else {
        say!("{passed} passed, {failed} failed");
    }
    Ok(if failed == 0 { Exit::Reached } else { Exit::CasesFailed })
}

fn try_cases(workbench: &Workbench, subject: &Subject) -> Result<Vec<Verdict>, Fault> {
    if subject.cases.is_empty() {
        return Ok(Vec::new());
    }
    match workbench.load(subject.rules.clone(), &Outside::sealed(None)?) {
        Ok(loaded) => subject.cases.iter().map(|path| try_case(workbench, subject, &loaded, path)).collect(),
        // One that would be refused at deploy is no reason not to try the others.
        Err(Fault::Refused { message, .. }) => {
            let refused = |path: &PathBuf| Verdict::of(subject, path, Some(message.clone()));
            Ok(subject.cases.iter().map(refused).collect())
        }
        Err(fault) => Err(fault),
    }
}

fn try_case(workbench: &Workbench, subject: &Subject, loaded: &Loaded, path: &Path) -> Result<Verdict, Fault> {
    let case = case::read(path)?;
    let outside = Outside::sealed(case.http.clone())?;
    let input = input(&case).map_err(|fault| fault.about(path.display()))?;
    let run = workbench.run(loaded, input.clone(), &outside).map_err(|fault| fault.about(path.display()))?;
    let came = serde_json::to_value(&run).context("cannot write the report")?;
    let difference = match mismatch(&case.expect, &came) {
        Some(difference) => {
            let withheld = reads::withheld(&run, loaded.pipeline.rules(), &case.event);
            Some(explained(difference, &run) + &withheld.join("\n"))
        }
        None => getting_past(&workbench.run_starved(loaded, input, &outside)?),
    };
    Ok(Verdict { notes: notes(loaded, &case), ..Verdict::of(subject, path, difference) })
}

impl Verdict {
    fn of(subject: &Subject, path: &Path, difference: Option<String>) -> Self {
        let case = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Self { subject: subject.name.clone(), case, passed: difference.is_none(), difference, notes: Vec::new() }
    }

    fn print(&self) {
        let word = if self.passed { "ok  " } else { "FAIL" };
        say!("{word}  {} / {}", self.subject, self.case);
        for line in self.difference.iter().flat_map(|difference| difference.lines()) {
            say!("      {line}");
        }
        for note in &self.notes {
            say!("      note: {note}");
        }
    }
}

fn input(case: &Case) -> Result<LoginInput, Fault> {
    let seed = Digest::of(case.event.to_string().as_bytes()).0;
    login_input(case.event.clone(), case.configuration.clone(), None, seed)
}

/// What rules declare to read and no case has.
fn nowhere(subject: &Subject) -> Result<Vec<String>, Fault> {
    if subject.cases.is_empty() {
        return Ok(Vec::new());
    }
    let cases = subject.cases.iter().map(|path| case::read(path)).collect::<Result<Vec<_>, _>>()?;
    let events: Vec<_> = cases.iter().map(|case| &case.event).collect();
    let manifests = subject.rules.iter().map(|local| &local.revision.rule.manifest);
    let notes = manifests.flat_map(|manifest| {
        let paths = reads::nowhere(manifest, &events).into_iter();
        paths.map(move |path| format!("rule `{}` reads {path}, which no case has", manifest.name.as_str()))
    });
    Ok(notes.collect())
}

/// Configuration that a case gives and no rule gets.
fn notes(loaded: &Loaded, case: &Case) -> Vec<String> {
    notes::unasked(loaded.pipeline.rules(), case.configuration.keys().map(String::as_str)).collect()
}

/// A difference with what `run` would have told of the rules, which is why it is there more often than not.
fn explained(mut difference: String, run: &Report) -> String {
    for rule in &run.rules {
        let name = &rule.name;
        if let Some(why) = &rule.skipped {
            let why = serde_json::to_string(why).unwrap_or_default();
            difference.push_str(&format!("rule `{name}` did not run, not for this login: {why}\n"));
        }
        if let Some(failure) = &rule.failure {
            difference.push_str(&format!("rule `{name}` failed with {failure}\n"));
        }
        // Where a rule ended the login, its last words say why, with the place of what it threw.
        let ended = matches!(rule.outcome, "denied" | "failed");
        for line in rule.logs.iter().rev().take(LAST_WORDS).rev().filter(|_| ended) {
            difference.push_str(&format!("rule `{name}` {}: {}\n", line.level, line.text));
        }
    }
    difference
}

/// What is wrong when a rule that had no fuel got something through all the same.
fn getting_past(starved: &Report) -> Option<String> {
    let stopped = ["failed", "skipped", "skipped_after_failure"];
    let through = starved.rules.iter().find(|rule| !stopped.contains(&rule.outcome))?;
    Some(format!("with 1 unit of fuel, rule `{}` still `{}`", through.name, through.outcome))
}

fn subjects_at(paths: &[PathBuf]) -> Result<Vec<Subject>, Fault> {
    let here = [PathBuf::from(".")];
    let paths = if paths.is_empty() { &here } else { paths };
    let mut subjects = Vec::new();
    for path in paths {
        for rule in project::rules_at(std::slice::from_ref(path))? {
            let cases = cases_in(&rule.dir)?;
            subjects.push(Subject { name: rule.name().to_owned(), rules: vec![LocalRule::read(&rule)?], cases });
        }
        for folder in pipelines_at(path) {
            let rules = project::rules_of_pipeline(&folder.join(PIPELINE_FILE))?;
            let rules = rules.iter().map(LocalRule::read).collect::<Result<_, _>>()?;
            let name = folder.file_name().map_or("pipeline".into(), |name| name.to_string_lossy());
            subjects.push(Subject { name: name.into_owned(), rules, cases: cases_in(&folder)? });
        }
    }
    Ok(subjects)
}

/// The folders that hold a pipeline with cases: this one, or those in it.
fn pipelines_at(path: &Path) -> Vec<PathBuf> {
    let has_cases = |folder: &PathBuf| {
        folder.join(PIPELINE_FILE).is_file() && folder.join("cases").is_dir() && !folder.join(RULE_FILE).is_file()
    };
    let below = fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut folders: Vec<PathBuf> = iter::once(path.to_owned()).chain(below).filter(has_cases).collect();
    folders.sort();
    folders
}

fn cases_in(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let cases = folder.join("cases");
    if !cases.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&cases).with_context(|| format!("cannot read {}", cases.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}
