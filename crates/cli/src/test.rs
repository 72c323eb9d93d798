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
    project::{self, RuleFolder},
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
    /// Its rules, or why they cannot be tried.
    rules: Result<Vec<LocalRule>, Fault>,
    cases: Vec<PathBuf>,
}

/// How a case went.
#[derive(Serialize)]
struct Verdict {
    subject: String,
    /// Absent for rules without cases that could not have been tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<String>,
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
    if subjects.iter().all(|subject| subject.cases.is_empty() && subject.rules.is_ok()) {
        let message = "there is no case: write cases/NAME.json, as `vestibule new` does";
        return Err(Fault::bad_input(BadInput::FileMissing, message));
    }
    let workbench = Workbench::new(ProfileName::Fast)?;
    let mut verdicts = Vec::new();
    for subject in &subjects {
        if subject.cases.is_empty() && subject.rules.is_ok() && !json {
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
    let rules = match &subject.rules {
        Ok(_) if subject.cases.is_empty() => return Ok(Vec::new()),
        Ok(rules) => rules.clone(),
        Err(fault) => return Ok(subject.untried(fault)),
    };
    match workbench.load(rules, &Outside::sealed(None)?) {
        Ok(loaded) => subject.cases.iter().map(|path| try_case(workbench, subject, &loaded, path)).collect(),
        // One that would be refused at deploy is no reason not to try the others.
        Err(fault) if fault.is_of_a_rule() => Ok(subject.untried(&fault)),
        Err(fault) => Err(fault),
    }
}

impl Subject {
    /// # Errors
    /// A fault that is not of these rules alone.
    fn of(name: &str, folders: &[RuleFolder], cases: Vec<PathBuf>) -> Result<Self, Fault> {
        let rules = match folders.iter().map(LocalRule::read).collect() {
            Err(fault) if !Fault::is_of_a_rule(&fault) => return Err(fault),
            rules => rules,
        };
        Ok(Self { name: name.to_owned(), rules, cases })
    }

    /// What becomes of the cases of rules that cannot be tried; of rules without cases too.
    fn untried(&self, fault: &Fault) -> Vec<Verdict> {
        let cases = self.cases.iter().map(|path| Some(path.as_path()));
        let none = self.cases.is_empty().then_some(None);
        cases.chain(none).map(|case| Verdict::of(self, case, Some(fault.to_string()))).collect()
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
    Ok(Verdict { notes: notes(loaded, &case), ..Verdict::of(subject, Some(path), difference) })
}

impl Verdict {
    fn of(subject: &Subject, case: Option<&Path>, difference: Option<String>) -> Self {
        let case = case.and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
        Self { subject: subject.name.clone(), case, passed: difference.is_none(), difference, notes: Vec::new() }
    }

    fn print(&self) {
        let word = if self.passed { "ok  " } else { "FAIL" };
        let case = self.case.iter().map(|case| format!(" / {case}")).collect::<String>();
        say!("{word}  {}{case}", self.subject);
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
    let (Ok(rules), false) = (&subject.rules, subject.cases.is_empty()) else { return Ok(Vec::new()) };
    let cases = subject.cases.iter().map(|path| case::read(path)).collect::<Result<Vec<_>, _>>()?;
    let events: Vec<_> = cases.iter().map(|case| &case.event).collect();
    let manifests = rules.iter().map(|local| &local.revision.rule.manifest);
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
    let mut subjects = Vec::new();
    for path in project::or_here(paths) {
        for rule in project::rules_at(std::slice::from_ref(&path))? {
            subjects.push(Subject::of(rule.name(), std::slice::from_ref(&rule), cases_in(&rule.dir)?)?);
        }
        for file in pipelines_at(&path) {
            let folder = file.parent().unwrap_or(Path::new("."));
            let cases = cases_in(folder)?;
            if !cases.is_empty() {
                let name = folder.file_name().map_or("pipeline".into(), |name| name.to_string_lossy());
                subjects.push(Subject::of(&name, &project::rules_of_pipeline(&file)?, cases)?);
            }
        }
    }
    Ok(subjects)
}

/// The pipelines at a path: this one, and those of the folders in it.
fn pipelines_at(path: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut folders: Vec<PathBuf> = below.filter(|entry| entry.is_dir()).collect();
    folders.sort();
    iter::once(path.to_owned()).chain(folders).filter_map(|path| project::pipeline_at(&path)).collect()
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
