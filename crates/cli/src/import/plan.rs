//! What becomes of each script: its name and place, what it would be granted, and what a person has to decide.

use std::collections::BTreeSet;

use serde::Serialize;
use vestibule_javascript_analysis::{Kind, ModuleTable, Program, analyse};

use super::{
    export::{Export, Script},
    trial::Trial,
};

/// What a login here never has, by its name below `context`: why, and what to do instead.
const ABSENT: &[(&str, &str)] = &[
    ("request.geoip", "a login here is never located; look up `context.request.ip` in a file or at a service of yours"),
    (
        "authorization.roles",
        "roles are always empty here; keep them in app_metadata, or get them from a service of yours",
    ),
    ("samlConfiguration", "there is no SAML here, so what is set of it is dropped"),
];
/// Between two rules, so that one can be put in later.
const STEP: i64 = 10;
/// What to do about a rule that sets what is the host's.
pub(crate) const IN_VAIN: &str =
    "it is dropped, and no later rule sees it; hand it on in `global`, or under a name of your own in `context`";
const NAME_BYTES: usize = 56;

/// What there is to do about a rule before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Nothing.
    RunsAsIs,
    /// Somebody has to agree to what its `rule.toml` proposes.
    NeedsGrant,
    /// Something cannot be told from its text.
    NeedsDecision,
    /// It asks for what no rule can have.
    CannotRun,
}

impl Verdict {
    pub(super) const ALL: &'static [Self] = &[Self::RunsAsIs, Self::NeedsGrant, Self::NeedsDecision, Self::CannotRun];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::RunsAsIs => "runs as is",
            Self::NeedsGrant => "needs a grant: look at what its rule.toml proposes",
            Self::NeedsDecision => "needs a decision",
            Self::CannotRun => "cannot run; not in the pipeline",
        }
    }
}

/// A rule to be written.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    /// Its folder and its name here.
    pub(super) name: String,
    /// Its name there.
    pub(super) title: String,
    pub(super) order: i64,
    pub(super) enabled: bool,
    pub(super) verdict: Verdict,
    /// What there is to say about it, one sentence each.
    pub(super) findings: Vec<String>,
    /// What it did with the sample login, where it could be tried.
    pub(super) tried: Option<String>,
    #[serde(skip)]
    pub(super) source: String,
    #[serde(skip)]
    pub(super) file: String,
    /// Absent where it cannot run.
    #[serde(skip)]
    pub(super) program: Option<Program>,
}

impl Plan {
    /// Takes up what came of trying it.
    pub(super) fn tried(&mut self, trial: Trial) {
        if trial.is_broken {
            self.verdict = self.verdict.max(Verdict::NeedsDecision);
            self.findings.push(trial.did);
        } else {
            self.tried = Some(trial.did);
        }
    }

    pub(super) const fn is_in_pipeline(&self) -> bool {
        self.enabled && !matches!(self.verdict, Verdict::CannotRun)
    }
}

/// Plans every script of an export.
pub(super) fn plans(export: &Export, table: &ModuleTable) -> Vec<Plan> {
    let mut names = BTreeSet::new();
    let mut last = 0;
    let mut plans = Vec::new();
    for script in &export.scripts {
        let order = script.order.filter(|order| *order > last).unwrap_or((last / STEP + 1) * STEP);
        last = order;
        plans.push(plan(script, unique(&script.name, &mut names), order, table));
    }
    plans
}

/// The configuration keys of all rules.
pub(super) fn configuration(plans: &[Plan]) -> Vec<&str> {
    let programs = plans.iter().filter_map(|plan| plan.program.as_ref());
    let keys: BTreeSet<&str> = programs.flat_map(|program| program.configuration.iter().map(String::as_str)).collect();
    keys.into_iter().collect()
}

fn plan(script: &Script, name: String, order: i64, table: &ModuleTable) -> Plan {
    let file = format!("rule.{}", script.extension);
    let (verdict, findings, program) = match analyse(&file, &script.source, table) {
        Ok(program) => {
            let (verdict, findings) = judged(&program);
            (verdict, findings, Some(program))
        }
        Err(diagnostics) => (Verdict::CannotRun, diagnostics.iter().map(ToString::to_string).collect(), None),
    };
    let (title, enabled, source) = (script.name.clone(), script.enabled, script.source.clone());
    Plan { name, title, order, enabled, verdict, findings, tried: None, source, file, program }
}

fn judged(program: &Program) -> (Verdict, Vec<String>) {
    let mut verdict = Verdict::RunsAsIs;
    let mut findings = Vec::new();
    let mut say = |asks: Verdict, finding: String| {
        verdict = verdict.max(asks);
        findings.push(finding);
    };
    let list = |texts: &BTreeSet<String>| texts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    if program.kind == Kind::Action {
        say(Verdict::RunsAsIs, "an Action: after a redirect all rules run again, not this one alone".to_owned());
    }
    if !program.configuration.is_empty() {
        say(Verdict::NeedsGrant, format!("reads the configuration {}", list(&program.configuration)));
    }
    if !program.origins.is_empty() {
        say(Verdict::NeedsGrant, format!("sends requests to {}", list(&program.origins)));
    }
    if !program.addresses.is_empty() {
        say(
            Verdict::NeedsDecision,
            format!("sends requests to where {} points: add its origin to `http`", keys(&program.addresses)),
        );
    } else if program.needs_http && program.origins.is_empty() {
        say(
            Verdict::NeedsDecision,
            "sends requests to an address that its source does not name: add its origin to `http`".to_owned(),
        );
    }
    if program.may_redirect && program.redirects.is_empty() {
        let to = match program.redirect_keys.is_empty() {
            true => "an address that its source does not name".to_owned(),
            false => format!("where {} points", keys(&program.redirect_keys)),
        };
        say(
            Verdict::NeedsDecision,
            format!("sends the browser to {to}: add its origin to `redirect`, and `\"redirect\"` to `writes`"),
        );
    } else if program.may_redirect {
        let others = match program.redirect_keys.is_empty() {
            true => String::new(),
            false => format!(
                ", and to where {} points, if you set that: add its origin to `redirect` then",
                keys(&program.redirect_keys)
            ),
        };
        say(Verdict::NeedsGrant, format!("sends the browser to {}{others}", list(&program.redirects)));
    }
    let (of_user, claims): (BTreeSet<String>, _) =
        program.sets_by_name.iter().cloned().partition(|path| path.starts_with("user."));
    for (what, or_else) in [(claims, "it fails the login"), (of_user, "no later rule sees it")] {
        if !what.is_empty() {
            let what = list(&what);
            say(
                Verdict::NeedsDecision,
                format!(
                    "sets {what}, which says who the user is: add it to `writes` by name if you trust it, or else {or_else}"
                ),
            );
        }
    }
    if !program.hosts.is_empty() {
        let what = list(&program.hosts);
        say(Verdict::NeedsDecision, format!("sets {what}, which is the host's: {IN_VAIN}"));
    }
    for (member, why) in ABSENT {
        let is_of = |path: &&String| {
            let below = path.strip_prefix("context.").or_else(|| path.strip_prefix("event."));
            below
                .and_then(|below| below.strip_prefix(member))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if let Some(path) = program.reads.iter().chain(&program.sets).find(is_of) {
            say(Verdict::NeedsDecision, format!("uses {path}: {why}"));
        }
    }
    for warning in &program.warnings {
        say(Verdict::NeedsDecision, warning.to_string());
    }
    (verdict, findings)
}

/// Keys of the configuration as a source names them.
pub(super) fn keys(keys: &BTreeSet<String>) -> String {
    keys.iter().map(|key| format!("configuration.{key}")).collect::<Vec<_>>().join(", ")
}

/// A name for a folder and a manifest: letters, digits and `-`.
fn unique(title: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = String::new();
    for c in title.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => name.push(c.to_ascii_lowercase()),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name.truncate(NAME_BYTES);
    let name = name.trim_end_matches('-');
    let name = if name.is_empty() { "rule" } else { name };
    let mut unique = name.to_owned();
    let mut next = 2;
    while !taken.insert(unique.clone()) {
        unique = format!("{name}-{next}");
        next += 1;
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(body: &str, verdict: Verdict, findings: &[&str]) {
        let source = format!("function (user, context, callback) {{\n  {body}\n  callback(null, user, context);\n}}");
        let program = analyse("rule.js", &source, vestibule_javascript::table()).unwrap();
        let (judged, said) = judged(&program);
        assert_eq!((judged, said), (verdict, findings.iter().map(ToString::to_string).collect()), "{body}");
    }

    #[test]
    fn where_the_browser_goes_is_said_as_far_as_the_source_names_it() {
        says(
            "context.redirect = { url: configuration.FORM || 'https://consent.example.com/form' };",
            Verdict::NeedsGrant,
            &[
                "reads the configuration FORM",
                "sends the browser to https://consent.example.com, and to where configuration.FORM points, if you set that: \
                 add its origin to `redirect` then",
            ],
        );
        says(
            "context.redirect = { url: configuration.FORM };",
            Verdict::NeedsDecision,
            &[
                "reads the configuration FORM",
                "sends the browser to where configuration.FORM points: add its origin to `redirect`, and `\"redirect\"` to `writes`",
            ],
        );
    }

    #[test]
    fn what_is_set_in_vain_needs_a_decision() {
        says(
            "user.email = 'x'; context.stats.loginsCount = 0;",
            Verdict::NeedsDecision,
            &[
                "sets user.email, which says who the user is: add it to `writes` by name if you trust it, or else no later rule sees it",
                &format!("sets context.stats.loginsCount, which is the host's: {IN_VAIN}"),
            ],
        );
        says(
            "context.idToken.day = new Date().toLocaleDateString('de-DE');",
            Verdict::NeedsDecision,
            &[
                "rule.js:2:36: `toLocaleDateString` with a language or options throws, there is no `Intl` in a rule: format \
                 dates with `moment-timezone`, numbers with `toFixed`",
            ],
        );
    }

    #[test]
    fn a_title_becomes_a_name_that_nobody_else_has() {
        let mut taken = BTreeSet::new();
        for (title, name) in [
            ("Enrich Profile", "enrich-profile"),
            ("enrich - profile", "enrich-profile-2"),
            ("Ünïcode!", "n-code"),
            ("***", "rule"),
            ("", "rule-2"),
        ] {
            assert_eq!(unique(title, &mut taken), name, "{title}");
        }
    }
}
