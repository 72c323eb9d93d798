//! What a deploy would change: what each rule asks for, and what of it is new since the generation that is live.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vestibule_pipeline::{
    Digest, Rule,
    manifest::{FailurePolicy, Redirects, ReservedClaims},
};

/// The rules of a candidate beside those that are live, in the order they would run; removed ones last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The digest of the candidate.
    pub generation: String,
    /// The digest of the generation that is live.
    pub live: Option<String>,
    /// The rules.
    pub rules: Vec<RulePlan>,
}

/// One rule of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulePlan {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub state: State,
    /// What it asks for, as `rule.toml` says it.
    pub asks: BTreeSet<String>,
    /// What of that the live revision did not ask for.
    pub more: BTreeSet<String>,
    /// What the live revision asked for, and it no longer does.
    pub less: BTreeSet<String>,
}

/// What becomes of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There was none of its name.
    New,
    /// Its code, manifest or data changed.
    Changed,
    /// It stays as it is.
    Same,
    /// It no longer runs.
    Removed,
}

impl Plan {
    /// Compares a candidate with what is live.
    #[must_use]
    pub fn compare(generation: Digest, candidate: &[Rule], live: Option<(Digest, &[Rule])>) -> Self {
        let (live_digest, live_rules) = match live {
            Some((digest, rules)) => (Some(digest), rules),
            None => (None, &[][..]),
        };
        let before: BTreeMap<&str, &Rule> = live_rules.iter().map(|rule| (rule.name(), rule)).collect();
        let names: BTreeSet<&str> = candidate.iter().map(Rule::name).collect();
        let stays = candidate.iter().map(|rule| RulePlan::of(rule, before.get(rule.name()).copied()));
        let goes = live_rules.iter().filter(|rule| !names.contains(rule.name())).map(RulePlan::removed);
        Self {
            generation: generation.to_string(),
            live: live_digest.map(|digest| digest.to_string()),
            rules: stays.chain(goes).collect(),
        }
    }

    /// Whether anything would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.as_ref() == Some(&self.generation)
    }
}

impl RulePlan {
    fn of(rule: &Rule, before: Option<&Rule>) -> Self {
        let now = asks(rule);
        let then = before.map(asks).unwrap_or_default();
        let state = match before {
            None => State::New,
            Some(before) if before.digest == rule.digest => State::Same,
            Some(_) => State::Changed,
        };
        Self {
            name: rule.name().to_owned(),
            state,
            more: now.difference(&then).cloned().collect(),
            less: then.difference(&now).cloned().collect(),
            asks: now,
        }
    }

    fn removed(rule: &Rule) -> Self {
        let less = asks(rule);
        Self { name: rule.name().to_owned(), state: State::Removed, asks: BTreeSet::new(), more: BTreeSet::new(), less }
    }
}

/// What a rule asks for, each a line that somebody can approve.
fn asks(rule: &Rule) -> BTreeSet<String> {
    let manifest = &rule.manifest;
    let capabilities = &manifest.capabilities;
    let mut asks = BTreeSet::new();
    match &manifest.reads {
        None => asks.extend(["reads everything a rule may".to_owned()]),
        Some(reads) => asks.extend(reads.iter().map(|read| format!("reads {read}"))),
    }
    asks.extend(manifest.writes.grants().iter().map(|write| format!("writes {write}")));
    asks.extend(capabilities.http.iter().map(|origin| format!("sends requests to {origin}")));
    asks.extend(capabilities.secrets.iter().map(|(name, origin)| format!("sends secret {name} to {origin}")));
    asks.extend(capabilities.configuration.iter().map(|key| format!("reads configuration {key}")));
    match &capabilities.redirect {
        Redirects::To(targets) => asks.extend(targets.iter().map(|target| format!("sends browsers to {target}"))),
        Redirects::Anywhere => asks.extend(["sends browsers anywhere".to_owned()]),
    }
    if capabilities.files {
        asks.insert("reads its own data files".to_owned());
    }
    if manifest.on_failure == FailurePolicy::Skip {
        asks.insert("is skipped when it fails".to_owned());
    }
    if manifest.reserved_claims == ReservedClaims::Drop {
        asks.insert("drops reserved claims".to_owned());
    }
    asks
}

#[cfg(test)]
mod tests {
    use vestibule_abi::limits::Budget;
    use vestibule_pipeline::{Manifest, Pipeline};

    use super::*;

    fn rule(name: &str, order: i64, lines: &str, code: &[u8]) -> Rule {
        let text = format!("name = \"{name}\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\norder = {order}\n{lines}");
        Rule::new(Manifest::parse(&text).unwrap(), Digest::of(code), &Budget::CEILING).unwrap()
    }

    fn pipeline(rules: Vec<Rule>) -> Pipeline {
        Pipeline::new(rules).unwrap()
    }

    #[test]
    fn a_first_deploy_asks_for_everything() {
        let lines = "reads = [\"user.email\"]\nwrites = [\"app_metadata.plan\", \"deny\"]\n[capabilities]\n\
                     http = [\"https://api.example.com\"]\nsecrets = { CRM = \"https://api.example.com\" }\n\
                     configuration = [\"REGION\"]\nfiles = true";
        let candidate = pipeline(vec![rule("plan", 10, lines, b"1")]);
        let plan = Plan::compare(candidate.generation(), candidate.rules(), None);
        let [rule] = plan.rules.as_slice() else { panic!("one rule") };
        assert_eq!((rule.state, &rule.more), (State::New, &rule.asks));
        for asked in [
            "reads user.email",
            "writes app_metadata.plan",
            "sends requests to https://api.example.com",
            "sends secret CRM to https://api.example.com",
            "reads configuration REGION",
            "reads its own data files",
        ] {
            assert!(rule.asks.contains(asked), "{asked}");
        }
    }

    #[test]
    fn only_what_changed_is_told_as_change() {
        let live = pipeline(vec![
            rule("same", 10, "", b"1"),
            rule("code", 20, "", b"1"),
            rule("more", 30, "writes = [\"app_metadata.a\"]", b"1"),
            rule("gone", 40, "writes = [\"scope\"]", b"1"),
        ]);
        let candidate = pipeline(vec![
            rule("same", 10, "", b"1"),
            rule("code", 20, "", b"2"),
            rule("more", 30, "writes = [\"app_metadata.b\"]", b"2"),
        ]);
        let plan = Plan::compare(candidate.generation(), candidate.rules(), Some((live.generation(), live.rules())));
        let told = plan.rules.iter().map(|rule| (rule.name.as_str(), rule.state, rule.more.len(), rule.less.len()));
        let told: Vec<_> = told.collect();
        assert_eq!(
            told,
            [
                ("same", State::Same, 0, 0),
                ("code", State::Changed, 0, 0),
                ("more", State::Changed, 1, 1),
                ("gone", State::Removed, 0, 2)
            ]
        );
        assert!(!plan.is_empty());
    }

    #[test]
    fn the_same_rules_again_change_nothing() {
        let live = pipeline(vec![rule("a", 10, "", b"1")]);
        assert!(Plan::compare(live.generation(), live.rules(), Some((live.generation(), live.rules()))).is_empty());
    }
}
