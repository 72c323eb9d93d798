//! `vestibule run`: one login through a rule or a pipeline, with what each rule did and what it cost.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use vestibule_pipeline::LoginInput;

use crate::{
    event::{EventArgs, key_value, once},
    exit::{Done, Exit, Fault},
    local::LocalRule,
    notes,
    output::{remark, say},
    project::{self, CONFIGURATION_FILE, RULE_FILE, RuleFolder},
    reads, story,
    workbench::{Loaded, Outside, ProfileName, Workbench},
};

/// Runs one login.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    event: EventArgs,
    /// HTTP answers: [{"request": {"method", "url"}, "response": {"status", "body"}}]; nothing is sent
    #[arg(long, value_name = "FILE")]
    http_recording: Option<PathBuf>,
    /// The value of a secret that a rule is granted
    #[arg(long = "secret", value_name = "NAME=VALUE", value_parser = key_value)]
    secrets: Vec<(String, String)>,
    /// How instances get their memory; the answers are the same
    #[arg(long, value_enum, default_value_t)]
    profile: ProfileName,
    /// A private address that granted requests may reach, such as a service on this machine
    #[arg(long, value_name = "ADDRESS:PORT")]
    allow_net: Vec<SocketAddr>,
}

/// What runs: a pipeline or one rule.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Rules {
    /// The rules of a pipeline.toml, or of the one in a folder
    #[arg(long, value_name = "FILE|DIR")]
    pipeline: Option<PathBuf>,
    /// A rule's folder, or a module or JavaScript file without a manifest: every write allowed, no capabilities
    #[arg(long, value_name = "DIR|FILE")]
    rule: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let configuration = args.rules.configuration();
    let input = args.event.read(configuration.as_deref())?;
    let locals = args.locals()?;
    let recording = args.http_recording.as_deref().map(Outside::recording).transpose()?;
    let secrets = once("--secret", &args.secrets)?;
    let outside = Outside { recording, secrets, allow_net: args.allow_net.clone() };
    let workbench = Workbench::new(args.profile)?;
    let loaded = workbench.load(locals, &outside)?;
    for note in notes(&loaded, args, &input, configuration.as_deref()) {
        remark!("note: {note}");
    }
    let report = workbench.run(&loaded, input.clone(), &outside).map_err(|fault| args.event.file().about(fault))?;
    for note in reads::withheld(&report, loaded.pipeline.rules(), &input.event) {
        remark!("note: {note}");
    }
    if json {
        say!("{}", serde_json::to_string(&report).context("cannot write the report")?);
    } else {
        let typical = workbench.typical(&loaded, &input, &outside)?;
        story::tell(&input.event, &report, &typical, &loaded.pipeline);
    }
    Ok(Exit::Reached)
}

/// What the configuration and the secrets of the command line miss, and what of them no rule gets.
fn notes(loaded: &Loaded, args: &Args, input: &LoginInput, configuration: Option<&Path>) -> Vec<String> {
    let all = || loaded.pipeline.rules().iter().map(|rule| &rule.manifest.capabilities);
    let keys: BTreeSet<&str> = all().flat_map(|granted| &granted.configuration).map(String::as_str).collect();
    let secrets: BTreeSet<&str> = all().flat_map(|granted| granted.secrets.keys()).map(String::as_str).collect();
    let is_set = |key: &str| input.event.get("configuration").is_some_and(|values| values.get(key).is_some());
    let file = configuration.map(|file| format!(", or write it into {}", file.display())).unwrap_or_default();
    let unset = keys.iter().filter(|key| !is_set(key)).map(|key| {
        format!("the configuration key `{key}` is granted and has no value: add --config {key}=VALUE{file}")
    });
    let unasked = notes::unasked(loaded.pipeline.rules(), args.event.configuration_keys());
    let unknown = args
        .secrets
        .iter()
        .filter(|(name, _)| !secrets.contains(name.as_str()))
        .map(|(name, _)| format!("no rule is granted the secret `{name}`: name it in `secrets` of [capabilities]"));
    let nowhere = loaded.pipeline.rules().iter().flat_map(|rule| {
        let paths = reads::nowhere(&rule.manifest, &[&input.event]);
        paths
            .into_iter()
            .map(move |path| format!("rule `{}` reads {path}, which this event does not have", rule.name()))
    });
    unset.chain(unasked).chain(unknown).chain(nowhere).collect()
}

impl Rules {
    /// The configuration file of the pipeline, or of the pipeline that the rule's folder lies in.
    fn configuration(&self) -> Option<PathBuf> {
        let is_bare = |path: &Path| path.is_file() && path.file_name().is_none_or(|name| name != RULE_FILE);
        match (&self.pipeline, &self.rule) {
            (Some(pipeline), _) => {
                let file = project::pipeline_file(pipeline).with_file_name(CONFIGURATION_FILE);
                file.is_file().then_some(file)
            }
            (None, Some(rule)) if !is_bare(rule) => {
                let folder = if rule.is_dir() { rule.as_path() } else { rule.parent()? };
                project::configuration_beside(folder)
            }
            (None, Some(_) | None) => None,
        }
    }
}

impl Args {
    fn locals(&self) -> Result<Vec<LocalRule>, Fault> {
        match (&self.rules.pipeline, &self.rules.rule) {
            (Some(pipeline), _) => {
                let rules = project::rules_of_pipeline(&project::pipeline_file(pipeline))?;
                rules.iter().map(LocalRule::read).collect()
            }
            (None, Some(rule)) => Ok(vec![self.local(rule)?]),
            (None, None) => Err(Fault::Usage("name --pipeline FILE or --rule DIR|FILE".into())),
        }
    }

    fn local(&self, path: &Path) -> Result<LocalRule, Fault> {
        if path.is_dir() {
            return LocalRule::read(&RuleFolder::read(path)?);
        }
        if path.file_name().is_some_and(|name| name == RULE_FILE) {
            return LocalRule::read(&RuleFolder::read(path.parent().unwrap_or(Path::new(".")))?);
        }
        LocalRule::bare(path, self.event.configuration_keys())
    }
}
