//! Runs logins as a server does: the same engine, compile worker, cache, meter and pipeline.
//!
//! What differs is only where the outside comes from: HTTP answers from a recording, secrets from the command line.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::ValueEnum;
use secrecy::SecretString;
use tokio::runtime::{self, Runtime};
use vestibule_abi::{codes::RefusalCode, host::Capability};
use vestibule_engine::{
    CompileError, CompiledRule, Compiler, Engine, EngineError, GrantError, Grants, Profile, Refusal, Report,
    SandboxedRule, Settings, drive,
    http::{Egress, EgressSettings, HttpGrants, Recording, Source},
};
use vestibule_pipeline::{InvalidEvent, Login, LoginInput, Pipeline};

use crate::{
    exit::{BadInput, Fault},
    installation,
    local::{LocalRule, refused},
    progress::Progress,
    project,
};

/// Logins from which a typical time is taken, if they all fit into [`TYPICAL_PATIENCE`].
const TYPICAL_LOGINS: u32 = 200;
const TYPICAL_PATIENCE: Duration = Duration::from_millis(500);

/// The profiles of the sandbox by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ProfileName {
    /// Pooled memory: microseconds a rule
    #[default]
    Fast,
    /// Fresh mappings for every run
    Hardened,
}

/// What rules get from outside.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    /// HTTP answers; without them, requests go to the network.
    pub(crate) recording: Option<Recording>,
    /// Secrets by name. With a recording, one that is missing is made up: nothing is sent.
    pub(crate) secrets: BTreeMap<String, String>,
    /// Private addresses that requests may reach.
    pub(crate) allow_net: Vec<SocketAddr>,
}

impl Outside {
    /// Nothing but these HTTP answers: secrets are made up, and nothing is ever sent.
    ///
    /// # Errors
    /// None that can happen; an empty recording is a recording.
    pub(crate) fn sealed(recording: Option<Recording>) -> Result<Self, Fault> {
        let recording = match recording {
            Some(recording) => recording,
            None => Recording::parse(b"[]").context("an empty recording is a recording")?,
        };
        Ok(Self { recording: Some(recording), ..Self::default() })
    }

    /// Reads a recording from a file.
    ///
    /// # Errors
    /// [`Fault::BadInput`] when it is missing or of another shape.
    pub(crate) fn recording(file: &Path) -> Result<Recording, Fault> {
        let bytes = project::read_bytes(file, "`vestibule schema recording` prints the schema of one")?;
        let refused =
            |problem: String| Fault::bad_input(BadInput::RecordingInvalid, format!("{}: {problem}", file.display()));
        let json = project::without_mark(&bytes).map_err(|problem| refused(problem.to_owned()))?;
        Recording::parse(json).map_err(|error| refused(error.to_string()))
    }
}

/// The engine of one command.
pub(crate) struct Workbench {
    runtime: Runtime,
    engine: Engine,
    compiler: Compiler,
}

/// Rules that are ready to run.
pub(crate) struct Loaded {
    /// The rules in their order.
    pub(crate) pipeline: Arc<Pipeline>,
    /// What compiling each of them cost, in the same order.
    pub(crate) compiled: Vec<Compiled>,
    rules: Vec<SandboxedRule>,
    needs_http: bool,
}

/// What the rules of a login typically take.
#[derive(Debug, Default)]
pub(crate) struct Typical {
    /// The logins it was taken from; none when the login cannot be repeated.
    pub(crate) logins: u32,
    /// The median time of each rule, in microseconds, in order.
    pub(crate) wall_us: Vec<f64>,
}

/// What compiling a rule cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compiled {
    /// `optimised` or `baseline`.
    pub(crate) tier: &'static str,
    /// Machine code, in bytes.
    pub(crate) code_bytes: usize,
    /// Compiling or reading from the cache, in milliseconds.
    pub(crate) ms: u128,
    /// Whether the cache had it.
    pub(crate) is_from_cache: bool,
}

impl Workbench {
    /// Sets up the engine.
    ///
    /// # Errors
    /// [`Fault::Host`] when this machine cannot give what it needs.
    pub(crate) fn new(profile: ProfileName) -> Result<Self, Fault> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let profile = match profile {
            ProfileName::Fast => Profile::Fast,
            ProfileName::Hardened => Profile::Hardened,
        };
        Ok(Self {
            runtime: runtime.context("cannot start the runtime")?,
            engine: Engine::new(Settings::new(profile)).map_err(host)?,
            compiler: Compiler::new(installation::cache()?).map_err(host)?,
        })
    }

    /// Compiles and links rules.
    ///
    /// # Errors
    /// [`Fault::Refused`] for a module that is not acceptable or lacks a grant, [`Fault::BadInput`] for rules that make
    /// no pipeline.
    pub(crate) fn load(&self, mut locals: Vec<LocalRule>, outside: &Outside) -> Result<Loaded, Fault> {
        let rules = locals.iter().map(|local| local.revision.rule.clone()).collect();
        let pipeline =
            Pipeline::new(rules).map_err(|error| Fault::bad_input(BadInput::ManifestInvalid, error.to_string()))?;
        locals.sort_by_key(|local| local.revision.rule.manifest.order); // As the pipeline does.
        let needs_http = locals.iter().any(|local| !local.revision.rule.manifest.capabilities.http.is_empty());
        let mut loaded = Loaded { pipeline: Arc::new(pipeline), compiled: Vec::new(), rules: Vec::new(), needs_http };
        let progress = Progress::start("compiling");
        for local in &locals {
            progress.say(format!("compiling {}", local.name()));
            let grants = grants(local, outside)?;
            let (rule, compiled) = self.load_one(local, grants).map_err(|error| unloadable(local, outside, error))?;
            loaded.rules.push(rule);
            loaded.compiled.push(compiled);
        }
        Ok(loaded)
    }

    /// Compiles a rule and goes no further.
    ///
    /// # Errors
    /// [`Fault::Refused`] for code that is not acceptable.
    pub(crate) fn compile(&self, local: &LocalRule) -> Result<CompiledRule, Fault> {
        let compiled = self.runtime.block_on(self.compiler.compile(&self.engine, &local.revision.inspected));
        compiled.map_err(|error| classified(local.name(), error))
    }

    /// Runs one login.
    ///
    /// # Errors
    /// [`Fault::BadInput`] for an event no rule could be given, [`Fault::Host`] for a fault of ours.
    pub(crate) fn run(&self, loaded: &Loaded, input: LoginInput, outside: &Outside) -> Result<Report, Fault> {
        self.run_pipeline(&loaded.pipeline, loaded, input, outside)
    }

    /// Runs one login in which no rule may spend more than one unit of fuel.
    ///
    /// # Errors
    /// As [`Workbench::run`].
    pub(crate) fn run_starved(&self, loaded: &Loaded, input: LoginInput, outside: &Outside) -> Result<Report, Fault> {
        let mut rules = loaded.pipeline.rules().to_vec();
        rules.iter_mut().for_each(|rule| rule.budget.fuel = 1);
        let starved = Pipeline::new(rules).context("a pipeline is no pipeline without fuel")?;
        self.run_pipeline(&Arc::new(starved), loaded, input, outside)
    }

    /// What the rules of a login typically take: the first run of a process is all page faults. A login that would
    /// send requests is not repeated.
    ///
    /// # Errors
    /// As [`Workbench::run`].
    pub(crate) fn typical(&self, loaded: &Loaded, input: &LoginInput, outside: &Outside) -> Result<Typical, Fault> {
        if loaded.needs_http && outside.recording.is_none() {
            return Ok(Typical::default());
        }
        let began = Instant::now();
        let mut times: Vec<Vec<f64>> = Vec::new();
        let mut logins = 0;
        while logins < TYPICAL_LOGINS && began.elapsed() < TYPICAL_PATIENCE {
            let report = self.run(loaded, input.clone(), outside)?;
            times.resize(report.rules.len(), Vec::new());
            times.iter_mut().zip(&report.rules).for_each(|(times, rule)| times.push(rule.wall_us));
            logins += 1;
        }
        Ok(Typical { logins, wall_us: times.into_iter().map(median).collect() })
    }

    fn run_pipeline(
        &self,
        pipeline: &Arc<Pipeline>,
        loaded: &Loaded,
        input: LoginInput,
        outside: &Outside,
    ) -> Result<Report, Fault> {
        let source = source(loaded, outside)?;
        let mut login = Login::begin(Arc::clone(pipeline), input).map_err(|error| bad_event(&error))?;
        let report = self.runtime.block_on(drive(&mut login, &loaded.rules, |_| source.clone()));
        report.map_err(host)
    }

    fn load_one(&self, local: &LocalRule, grants: Grants) -> Result<(SandboxedRule, Compiled), CompileError> {
        self.runtime.block_on(async {
            let began = Instant::now();
            let ready = self.compiler.ready(&self.engine, &local.revision.inspected, grants).await;
            ready.map(|(rule, compiled)| (rule, Compiled::of(&compiled, began)))
        })
    }
}

impl Compiled {
    fn of(compiled: &CompiledRule, began: Instant) -> Self {
        Self {
            tier: compiled.tier().as_str(),
            code_bytes: compiled.code_bytes(),
            ms: began.elapsed().as_millis(),
            is_from_cache: compiled.is_from_cache(),
        }
    }
}

/// What a rule is granted, by its manifest or, for a module without one, by the recording.
fn grants(local: &LocalRule, outside: &Outside) -> Result<Grants, Fault> {
    if local.is_bare && outside.recording.is_some() {
        return Ok(Grants { http: Some(Arc::new(HttpGrants::of_recording())), files: None });
    }
    let value = |name: &str| match (outside.secrets.get(name), &outside.recording) {
        (Some(value), _) => Some(SecretString::from(value.clone())),
        (None, Some(_)) => Some(SecretString::from("made-up-for-a-recording")),
        (None, None) => None,
    };
    local.revision.grants(value).map_err(|error| {
        let next_step = match &error {
            GrantError::SecretMissing(name) => format!(": add --secret {name}=VALUE"),
            GrantError::SecretInvalid(_) => String::new(),
        };
        let message = format!("rule `{}`: {error}{next_step}", local.name());
        Fault::bad_input(BadInput::OptionInvalid, message)
    })
}

/// Where HTTP answers come from. The network is set up only for rules that may use it.
fn source(loaded: &Loaded, outside: &Outside) -> Result<Source, Fault> {
    if let Some(recording) = &outside.recording {
        return Ok(Source::Recorded(recording.clone().play()));
    }
    if !loaded.needs_http {
        return Ok(Source::Denied);
    }
    let settings = EgressSettings { allow: outside.allow_net.clone(), ..EgressSettings::default() };
    Ok(Source::Live(Arc::new(Egress::new(settings).context("cannot set up outbound HTTP")?)))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A rule without a manifest has no place for the grant that it is told to add.
fn unloadable(local: &LocalRule, outside: &Outside, error: CompileError) -> Fault {
    match error {
        CompileError::Refused(Refusal { code: RefusalCode::CapabilityDenied, .. }) if local.is_bare => {
            refused(local.name(), &Refusal::new(RefusalCode::CapabilityDenied, ungranted(local, outside)))
        }
        error => classified(local.name(), error),
    }
}

/// What a rule without a manifest uses and does not get, and how it gets it.
fn ungranted(local: &LocalRule, outside: &Outside) -> String {
    let is_given = |asked: &Capability| match asked {
        Capability::Core | Capability::Hash => true,
        Capability::Http => outside.recording.is_some(),
        Capability::Files => false,
    };
    let asked: Vec<Capability> =
        local.revision.inspected.capabilities.iter().copied().filter(|asked| !is_given(asked)).collect();
    let namespaces: Vec<&str> = asked.iter().map(|asked| asked.namespace()).collect();
    let lines: Vec<String> = asked.iter().map(|asked| format!("`{}`", asked.grant_line())).collect();
    let is_script = local.revision.inspected.interpreter.is_some();
    let manifest = if is_script {
        "`vestibule import auth0 FILE` makes one for a rule of Auth0's".to_owned()
    } else {
        format!(
            "write one beside it with {} in [capabilities] (`vestibule schema rule` says what else it holds), and run the \
             folder",
            lines.join(" and ")
        )
    };
    let recording =
        if asked == [Capability::Http] { "; `--http-recording` answers its requests without one" } else { "" };
    format!("it uses {}, which a `rule.toml` has to grant: {manifest}{recording}", namespaces.join(" and "))
}

fn classified(rule: &str, error: CompileError) -> Fault {
    match error {
        CompileError::Refused(refusal) => refused(rule, &refusal),
        CompileError::Engine(error) => host(error),
    }
}

fn bad_event(error: &InvalidEvent) -> Fault {
    Fault::bad_input(BadInput::EventInvalid, error.to_string())
}

fn host(error: EngineError) -> Fault {
    Fault::Host(error.into())
}
