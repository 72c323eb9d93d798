//! `vestibule check`: what a deploy would say about rules, before anybody deploys them.
//!
//! It inspects, compiles and links as a deploy does, and runs nothing but the start-up that a deploy runs.

mod script;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::Serialize;
use vestibule_abi::{
    codes::RefusalCode,
    host::{Capability, HostFunction},
    limits::Budget,
};
use vestibule_pipeline::{
    Manifest, Pipeline, Rule,
    claim::is_namespaced,
    manifest::{KeyPattern, Redirects, WriteGrant},
    pipeline::Digest,
};

use crate::{
    exit::{Done, Exit, Fault, Told},
    local::{LocalRule, is_script},
    output::say,
    project::{self, RuleFolder},
    workbench::{Compiled, Outside, ProfileName, Workbench},
};

/// Who writes what stands in manifests alone.
const NO_CODE: Digest = Digest([0; 32]);

/// Examines rules as a deploy would.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rule folders, folders of rules, a pipeline.toml or a module; the current folder when none is named
    #[arg(value_name = "DIR|FILE.wasm")]
    paths: Vec<PathBuf>,
}

/// A rule that was looked at.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Checked {
    /// It is a rule.
    Examined(Box<Findings>),
    /// Its module or its source is missing, or would be refused; the others are looked at all the same.
    Broken {
        /// Its name.
        rule: String,
        /// What is wrong with it.
        error: Told,
    },
}

/// What there is to say about a rule.
#[derive(Debug, Serialize)]
struct Findings {
    rule: String,
    module_bytes: usize,
    /// The host functions it imports; of a script, whose engine imports all of them, those that need a grant.
    imports: Vec<String>,
    /// The namespaces it imports from: what it asks for.
    asks_for: Vec<&'static str>,
    /// The lines to add to `rule.toml` before it can be deployed.
    missing: Vec<Missing>,
    /// What it may change or ask for.
    writes: Vec<String>,
    advice: Vec<String>,
    /// What compiling cost; absent when it cannot be linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    compiled: Option<Cost>,
    #[serde(skip)]
    is_script: bool,
}

#[derive(Debug, Serialize)]
struct Missing {
    namespace: &'static str,
    table: &'static str,
    line: String,
}

#[derive(Debug, Serialize)]
struct Cost {
    tier: &'static str,
    code_bytes: usize,
    ms: u128,
    from_cache: bool,
}

/// Runs the verb. Exits with [`Exit::Refused`] when a deploy would refuse a rule.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let bench = Bench { workbench: Workbench::new(ProfileName::Fast)?, outside: Outside::sealed(None)? };
    let checked = match args.paths.as_slice() {
        [module] if is_module(module) => {
            vec![Checked::Examined(Box::new(bench.examine(&LocalRule::bare(module, std::iter::empty())?)?))]
        }
        paths => project::rules_at(paths)?.iter().map(|rule| bench.check(rule)).collect::<Result<_, _>>()?,
    };
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for file in project::or_here(&args.paths).iter().filter_map(|path| project::pipeline_at(path)) {
        match conflicts(&file) {
            Ok(conflicts) => found.extend(conflicts),
            Err(fault) if fault.is_of_a_rule() => {
                refused.push(BrokenPipeline { pipeline: file.display().to_string(), error: fault.told() });
            }
            Err(fault) => return Err(fault),
        }
    }
    if json {
        say!("{}", serde_json::json!({ "rules": checked, "pipelines": refused, "conflicts": found }));
    } else {
        checked.iter().for_each(Checked::print);
        refused.iter().for_each(BrokenPipeline::print);
        found.iter().for_each(|conflict| say!("order matters: {conflict}"));
    }
    let is_deployable = refused.is_empty() && checked.iter().all(Checked::is_deployable);
    Ok(if is_deployable { Exit::Reached } else { Exit::Refused })
}

/// Rules that are no pipeline together, though each may be one.
#[derive(Debug, Serialize)]
struct BrokenPipeline {
    /// The file that names them.
    pipeline: String,
    error: Told,
}

impl BrokenPipeline {
    fn print(&self) {
        say!("{}", self.pipeline);
        say!("  refused  {} ({})", self.error.message, self.error.code);
    }
}

/// What rules are examined with.
struct Bench {
    workbench: Workbench,
    outside: Outside,
}

impl Bench {
    fn check(&self, folder: &RuleFolder) -> Result<Checked, Fault> {
        match LocalRule::read(folder).and_then(|local| self.examine(&local)) {
            Ok(findings) => Ok(Checked::Examined(Box::new(findings))),
            Err(fault) if fault.is_of_a_rule() => {
                Ok(Checked::Broken { rule: folder.name().to_owned(), error: fault.told() })
            }
            Err(fault) => Err(fault),
        }
    }

    fn examine(&self, local: &LocalRule) -> Result<Findings, Fault> {
        let mut findings = Findings::of(local);
        if findings.missing.is_empty() {
            let loaded = self.workbench.load(vec![local.clone()], &self.outside)?;
            findings.compiled = loaded.compiled.first().copied().map(Cost::of);
        }
        Ok(findings)
    }
}

impl Checked {
    fn is_deployable(&self) -> bool {
        match self {
            Self::Examined(findings) => findings.missing.is_empty(),
            Self::Broken { .. } => false,
        }
    }

    fn print(&self) {
        match self {
            Self::Examined(findings) => findings.print(),
            Self::Broken { rule, error } => {
                say!("{rule}");
                say!("  refused  {} ({})", error.message, error.code);
            }
        }
    }
}

fn is_module(path: &Path) -> bool {
    is_script(path)
        || path.extension().is_some_and(|extension| extension == "wasm")
        || (path.is_file() && path.extension().is_none())
}

impl Findings {
    fn of(local: &LocalRule) -> Self {
        let manifest = &local.revision.rule.manifest;
        let asked = &local.revision.inspected.capabilities;
        // A module by itself has no manifest that could grant anything; what it asks for is only shown.
        let granted = if local.is_bare { asked.clone() } else { granted(manifest) };
        let is_script = local.revision.inspected.interpreter.is_some();
        let is_told = |import: &&&HostFunction| {
            let capability = Capability::of_namespace(import.namespace);
            !is_script || capability.is_some_and(|capability| !Capability::ALWAYS.contains(&capability))
        };
        let missing = asked.difference(&granted).map(|capability| Missing {
            namespace: capability.namespace(),
            table: "capabilities",
            line: grant_line(*capability, local),
        });
        Self {
            rule: local.name().to_owned(),
            module_bytes: local.revision.inspected.bytes.len(),
            imports: local.revision.inspected.imports.iter().filter(is_told).map(ToString::to_string).collect(),
            asks_for: asked.iter().map(|capability| capability.namespace()).collect(),
            missing: missing.collect(),
            writes: if local.is_bare {
                Vec::new()
            } else {
                manifest.writes.grants().iter().map(ToString::to_string).collect()
            },
            advice: if local.is_bare { script::by_itself(&local.revision.inspected.bytes) } else { advice(local) },
            compiled: None,
            is_script,
        }
    }

    fn print(&self) {
        say!("{} ({} KiB)", self.rule, self.module_bytes.div_ceil(1024));
        for import in &self.imports {
            say!("  imports  {import}");
        }
        for Missing { namespace, table, line } in &self.missing {
            say!("  missing  {namespace} is not granted: add `{line}` to [{table}] of rule.toml");
        }
        if !self.writes.is_empty() {
            say!("  writes   {}", self.writes.join(", "));
        }
        for advice in &self.advice {
            say!("  advice   {advice}");
        }
        if let Some(Cost { tier, code_bytes, ms, from_cache }) = &self.compiled {
            let how = if *from_cache { "from the cache" } else { "compiled" };
            let what = if self.is_script { "heap" } else { "machine code" };
            say!("  {how} in {ms} ms, {tier}, {} KiB of {what}", code_bytes.div_ceil(1024));
        }
    }
}

impl Cost {
    fn of(compiled: Compiled) -> Self {
        let Compiled { tier, code_bytes, ms, is_from_cache } = compiled;
        Self { tier, code_bytes, ms, from_cache: is_from_cache }
    }
}

fn granted(manifest: &Manifest) -> BTreeSet<Capability> {
    let capabilities = &manifest.capabilities;
    let http = (!capabilities.http.is_empty() || !capabilities.secrets.is_empty()).then_some(Capability::Http);
    let files = capabilities.files.then_some(Capability::Files);
    Capability::ALWAYS.into_iter().chain(http).chain(files).collect()
}

/// The line that grants a capability, with the origins that the rule's source names.
fn grant_line(capability: Capability, local: &LocalRule) -> String {
    let origins = script::origins(&local.revision.inspected.bytes);
    if capability == Capability::Http && !origins.is_empty() {
        format!("http = {}", serde_json::json!(origins))
    } else {
        capability.grant_line().to_owned()
    }
}

fn advice(local: &LocalRule) -> Vec<String> {
    let manifest = &local.revision.rule.manifest;
    let asked = &local.revision.inspected.capabilities;
    let unused = granted(manifest)
        .into_iter()
        .filter(|granted| !Capability::ALWAYS.contains(granted) && !asked.contains(granted));
    let unused = unused.map(|capability| {
        format!("{} is granted but never imported: take it out of [capabilities]", capability.namespace())
    });
    let claims = manifest.writes.grants().iter().filter_map(|grant| match grant {
        WriteGrant::Keys(bag, KeyPattern::Exact(claim)) if bag.is_token() && !is_namespaced(claim) => {
            Some(format!("claim `{claim}` has no namespace: a URL such as https://example.com/{claim} cannot collide"))
        }
        _ => None,
    });
    let of_source = script::advice(&local.revision.inspected.bytes, manifest);
    let redirects = match &manifest.capabilities.redirect {
        Redirects::To(places) => !places.is_empty() && !manifest.writes.allows(&WriteGrant::Redirect),
        Redirects::Anywhere => false,
    };
    let redirects =
        redirects.then(|| "`redirect` is granted and not among `writes`: a redirect fails the login".to_owned());
    unused.chain(claims).chain(redirects).chain(of_source).collect()
}

/// What two rules of a pipeline may both write: the later one wins.
fn conflicts(file: &Path) -> Result<Vec<String>, Fault> {
    let folders = project::rules_of_pipeline(file)?;
    // One whose limits are too high is told of as a rule.
    let rules = folders.into_iter().filter_map(|folder| Rule::new(folder.manifest, NO_CODE, &Budget::CEILING).ok());
    let pipeline = Pipeline::new(rules.collect())
        .map_err(|error| Fault::Refused { code: RefusalCode::ManifestInvalid, message: error.to_string() })?;
    let mut conflicts = Vec::new();
    for (position, first) in pipeline.rules().iter().enumerate() {
        for second in pipeline.rules().iter().skip(position + 1) {
            for grant in first.manifest.writes.grants() {
                if let Some(other) = second.manifest.writes.grants().iter().find(|other| overlap(grant, other)) {
                    conflicts.push(format!(
                        "`{}` of {} and `{}` of {}, which runs later and wins",
                        grant,
                        first.name(),
                        other,
                        second.name()
                    ));
                }
            }
        }
    }
    Ok(conflicts)
}

fn overlap(one: &WriteGrant, other: &WriteGrant) -> bool {
    let (WriteGrant::Keys(bag, one), WriteGrant::Keys(same, other)) = (one, other) else {
        // Any rule may refuse or raise the factor; scope and redirect are replaced by the later one.
        return one == other && matches!(one, WriteGrant::Scope | WriteGrant::Redirect);
    };
    bag == same
        && match (one, other) {
            (KeyPattern::Exact(one), KeyPattern::Exact(other)) => one == other,
            (KeyPattern::Exact(key), KeyPattern::Prefix(prefix))
            | (KeyPattern::Prefix(prefix), KeyPattern::Exact(key)) => key.starts_with(prefix.as_str()),
            (KeyPattern::Prefix(one), KeyPattern::Prefix(other)) => {
                one.starts_with(other.as_str()) || other.starts_with(one.as_str())
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: &str, other: &str, overlaps: bool) {
        let parse = |text: &str| text.parse::<WriteGrant>().unwrap();
        assert_eq!(overlap(&parse(one), &parse(other)), overlaps, "{one} and {other}");
        assert_eq!(overlap(&parse(other), &parse(one)), overlaps, "{other} and {one}");
    }

    #[test]
    fn two_rules_conflict_where_they_may_write_the_same() {
        check("app_metadata.plan", "app_metadata.plan", true);
        check("app_metadata.plan", "app_metadata.*", true);
        check("app_metadata.pl*", "app_metadata.plan*", true);
        check("scope", "scope", true);
        check("redirect", "redirect", true);
    }

    #[test]
    fn rules_that_write_elsewhere_do_not() {
        check("app_metadata.plan", "user_metadata.plan", false);
        check("app_metadata.plan", "app_metadata.role", false);
        check("app_metadata.a*", "app_metadata.b*", false);
        check("deny", "deny", false);
        check("second_factor", "second_factor", false);
        check("scope", "app_metadata.scope", false);
    }
}
