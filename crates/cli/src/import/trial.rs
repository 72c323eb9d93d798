//! What each imported rule does with the sample login: its first case expects that, and the report says it.
//!
//! Runs as `vestibule test` does: nothing is sent, and no configuration is filled in.

use std::path::Path;

use serde_json::{Map, Value, json};
use vestibule_engine::{Report, RuleReport};
use vestibule_javascript_analysis::Program;
use vestibule_pipeline::pipeline::Digest;

use super::plan::Plan;
use crate::{
    event::login_input,
    exit::Fault,
    local::LocalRule,
    project::RuleFolder,
    story,
    workbench::{Outside, ProfileName, Workbench},
};

/// What a case of a login that went well expects, where there is something of it.
const EXPECTED: &[&str] = &["deny", "second_factor", "user_metadata", "app_metadata", "id_token", "access_token"];
const SHOWN_CHARS: usize = 300;

/// Tries rules, with one engine for all.
pub(super) struct Trials {
    workbench: Workbench,
    event: Value,
    /// Why none can be tried here.
    missing: Option<String>,
}

/// What came of one.
#[derive(Debug)]
pub(super) struct Trial {
    /// What its first case expects.
    pub(super) expect: Value,
    /// What it did, as the report says it.
    pub(super) did: String,
    /// Whether somebody has to look at that.
    pub(super) is_broken: bool,
}

impl Trials {
    /// Sets up the engine.
    ///
    /// # Errors
    /// As [`Workbench::new`].
    pub(super) fn new(event: Value) -> Result<Self, Fault> {
        Ok(Self { workbench: Workbench::new(ProfileName::Fast)?, event, missing: None })
    }

    /// Runs the rule that was written to a folder.
    pub(super) fn of(&mut self, plan: &Plan, folder: &Path) -> Trial {
        if let Some(missing) = &self.missing {
            return Trial::unknown(plan, format!("not tried: {missing}"));
        }
        match self.run(folder) {
            Ok(report) => self.judged(plan, &report),
            Err(fault) => {
                if let Fault::Toolchain(missing) = &fault {
                    self.missing = Some(missing.clone());
                }
                Trial::unknown(plan, format!("not tried: {fault}"))
            }
        }
    }

    fn run(&self, folder: &Path) -> Result<Report, Fault> {
        let local = LocalRule::read(&RuleFolder::read(folder)?)?;
        let outside = Outside::sealed(None)?;
        let loaded = self.workbench.load(vec![local], &outside)?;
        let seed = Digest::of(self.event.to_string().as_bytes()).0;
        self.workbench.run(&loaded, login_input(self.event.clone(), Map::new(), None, seed)?, &outside)
    }

    fn judged(&self, plan: &Plan, report: &Report) -> Trial {
        let trouble = report.rules.iter().find_map(|rule| threw(rule).or_else(|| failure(rule)));
        let needs_more = |program: &Program| program.needs_http || !program.configuration.is_empty();
        match trouble {
            // Without its configuration and the answers of services it could do no better.
            Some(trouble) if plan.program.as_ref().is_some_and(needs_more) => {
                Trial::unknown(plan, format!("{trouble}; write what it needs into cases/loads.json"))
            }
            Some(did) => Trial { expect: json!({ "outcome": "allow" }), did, is_broken: true },
            None => self.came(report),
        }
    }

    /// What came is what the case expects.
    fn came(&self, report: &Report) -> Trial {
        let came = serde_json::to_value(report).unwrap_or_default();
        let outcome = report.outcome.as_str();
        let mut expect = Map::from_iter([("outcome".to_owned(), json!(outcome))]);
        let mut did = vec![outcome.to_owned()];
        for name in EXPECTED {
            let before = self.event.pointer(&format!("/user/{name}"));
            let changed = came.get(*name).filter(|value| Some(*value) != before);
            if let Some(value) = changed.filter(|value| value.as_object().is_some_and(|value| !value.is_empty())) {
                expect.insert((*name).to_owned(), value.clone());
                did.push(format!("{name} {value}"));
            }
        }
        let did: String = did.join(", ").chars().take(SHOWN_CHARS).collect();
        Trial {
            expect: Value::Object(expect),
            did: format!("what it did with the sample login: {did}"),
            is_broken: false,
        }
    }
}

impl Trial {
    /// A case can only expect that it loads.
    fn unknown(plan: &Plan, did: String) -> Self {
        Self { expect: json!({ "rules": [{ "name": plan.name }] }), did, is_broken: false }
    }
}

fn threw(rule: &RuleReport) -> Option<String> {
    let innermost: Vec<&str> = story::mistake(rule)?.split(" | ").take(2).collect();
    Some(format!("with the sample login it threw {}", innermost.join(" ")))
}

fn failure(rule: &RuleReport) -> Option<String> {
    let failure = rule.failure.as_ref()?;
    Some(format!("with the sample login it failed: {}: {}", failure.code, failure.message))
}
