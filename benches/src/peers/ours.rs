//! The process that measures Vestibule, what it stands on, and native code.

mod part;

use std::{
    fs,
    hint::black_box,
    path::Path,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};
use vestibule_abi::limits::{Budget, LoginBudget};
use vestibule_contest::{
    host::{self, Contestant, Deployed, Lane, Outcome},
    protocol::Task,
    rule::{self, Answer, Changes, Rule},
};
use vestibule_engine::{
    Inspected, LoadedPipeline, Profile, Settings, inspect, inspect_interpreter, inspect_javascript,
};

use vestibule_javascript_analysis::analyse;
use vestibule_pipeline::{Login, Manifest};

use self::part::Part;
use super::rows::workspace;
use crate::{
    bare::Bare,
    bench::{self, Arrival, Bench},
    guests,
    measure::profile::Subject,
};

/// What a login may spend: more than an operator would allow unasked, so that a script can compute as long as native code
/// does in a millisecond. It is counted all the same.
const RAISED: LoginBudget = LoginBudget { fuel: 2_000_000_000, wall: Duration::from_secs(5), ..LoginBudget::STANDARD };

/// The contestant of an id that [`super::rows`] starts with `Start::Ours`.
///
/// # Errors
/// When there is none of that name, or this machine cannot run it.
pub fn contestant(id: &str) -> anyhow::Result<Box<dyn Contestant>> {
    Ok(match id {
        "native-typed" => Box::new(Native::Typed),
        "native-tree" => Box::new(Native::Tree),
        "floor-fast" => Box::new(Floor(Profile::Fast)),
        "floor-hardened" => Box::new(Floor(Profile::Hardened)),
        "sandbox-rust-fast" => Box::new(Part::of("rust", false)?),
        "sandbox-javascript-fast" => Box::new(Part::of("javascript", false)?),
        "ready-rust-fast" => Box::new(Part::of("rust", true)?),
        "ready-floor-fast" => Box::new(Part::ready_floor("rust")?),
        _ => {
            let (id, reads_all) = id.strip_suffix("-whole").map_or((id, false), |id| (id, true));
            let (language, profile) = id.split_once('-').context("no such contestant")?;
            let profile = match profile {
                "fast" => Profile::Fast,
                "hardened" => Profile::Hardened,
                _ => bail!("no such profile"),
            };
            let language = Language::of(language)?;
            Box::new(Vestibule { language, bench: engine(profile)?, reads_all })
        }
    })
}

/// The rule that reads three fields, in every language: its engine, and what is taken apart on it.
///
/// # Errors
/// When it was not built, or the engine refuses it.
pub fn taken_apart(event: &Value) -> anyhow::Result<(Arc<Bench>, Vec<Subject>)> {
    let bench = engine(Profile::Fast)?;
    let of_module = |(language, folder): (&'static str, &str)| {
        let (module, declared) = (module(folder, Rule::Fields)?, declared(folder, Rule::Fields)?);
        Subject::of_module(&bench, language, &module, declared, event)
    };
    let mut subjects = guests::LANGUAGES.into_iter().map(of_module).collect::<anyhow::Result<Vec<_>>>()?;
    let source = script(Rule::Fields)?;
    subjects.push(Subject::of_script(&bench, &interpreter()?, &source, imported(&source)?)?);
    Ok((bench, subjects))
}

fn interpreter() -> anyhow::Result<Vec<u8>> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/javascript");
    Ok(vestibule_javascript::interpreter(&kept)?)
}

fn engine(profile: Profile) -> anyhow::Result<Arc<Bench>> {
    let cache = workspace().join("target/vestibule-cache");
    fs::create_dir_all(&cache)?;
    Ok(Arc::new(Bench::cached(Settings::new(profile), &cache)?))
}

/// The module of a rule, as `vestibule build` left it.
fn module(language: &str, rule: Rule) -> anyhow::Result<Vec<u8>> {
    let path = workspace().join(format!("guests/{language}-{}/target/rule.wasm", rule.name()));
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// What a module declares.
fn declared(language: &str, rule: Rule) -> anyhow::Result<Manifest> {
    let path = workspace().join(format!("guests/{language}-{}/rule.toml", rule.name()));
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Manifest::parse(&text).with_context(|| path.display().to_string())
}

/// The source of a rule, as it was written for Auth0.
fn script(rule: Rule) -> anyhow::Result<String> {
    let path = workspace().join(format!("guests/javascript/{}.js", rule.name()));
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// What an import says of a script that it can tell the reads of.
fn imported(source: &str) -> anyhow::Result<Manifest> {
    let program = analyse("rule.js", source, vestibule_javascript::table())
        .map_err(|diagnostics| anyhow::anyhow!("{diagnostics:?}"))?;
    let enough = program.enough.context("its text does not tell what it reads")?;
    let reads = enough.iter().map(|path| path.parse().map_err(anyhow::Error::msg)).collect::<anyhow::Result<_>>()?;
    Ok(Manifest::permissive("rule").reading(reads))
}

/// What a rule is written in.
enum Language {
    /// A module that `vestibule build` made, in the folders of this name.
    Module(&'static str),
    /// A script, on this interpreter.
    JavaScript(Arc<Inspected>),
}

impl Language {
    fn of(name: &str) -> anyhow::Result<Self> {
        Ok(match name {
            "rust" => Self::Module("rust"),
            "assemblyscript" => Self::Module("assemblyscript"),
            "javascript" => Self::JavaScript(inspect_interpreter(&interpreter()?)?),
            _ => bail!("no such language"),
        })
    }

    /// What a rule may spend: the standard, or for long computing the most that a manifest may ask for, and in an
    /// interpreter more.
    fn budget(&self, rule: Rule) -> Budget {
        match (self, rule) {
            (Self::Module(_), Rule::Compute) => Budget::CEILING,
            (Self::JavaScript(_), Rule::Fields | Rule::Groups) => Budget::JAVASCRIPT,
            (Self::JavaScript(_), Rule::Compute) => Budget { fuel: RAISED.fuel, wall: RAISED.wall, ..Budget::CEILING },
            _ => Budget::STANDARD,
        }
    }

    /// What a rule declares: a script, what an import finds in its text.
    fn declared(&self, rule: Rule) -> anyhow::Result<Manifest> {
        match self {
            Self::Module(folder) => declared(folder, rule),
            Self::JavaScript(_) => imported(&script(rule)?),
        }
    }

    /// A rule that is told from others of its kind by a number.
    fn inspected(&self, rule: Rule, number: usize) -> anyhow::Result<Inspected> {
        Ok(match self {
            Self::Module(folder) => inspect(&guests::distinct(&module(folder, rule)?, number))?,
            Self::JavaScript(interpreter) => {
                let upload = vestibule_javascript::upload("rule.js", &format!("{}\n// {number}\n", script(rule)?))
                    .map_err(|diagnostics| anyhow::anyhow!("{}: {diagnostics:?}", rule.name()))?;
                inspect_javascript(&upload.to_bytes(), interpreter)?
            }
        })
    }
}

/// The native function.
#[derive(Clone, Copy)]
enum Native {
    /// On types that borrow from the text.
    Typed,
    /// On a tree parsed from the text.
    Tree,
}

impl Contestant for Native {
    fn described(&self) -> String {
        "serde_json 1, compiled into this program".to_owned()
    }

    fn deploy(&self, task: &Task, _: usize) -> anyhow::Result<Box<dyn Deployed>> {
        Ok(Box::new(NativeRules { native: *self, task: *task }))
    }
}

struct NativeRules {
    native: Native,
    task: Task,
}

impl Deployed for NativeRules {
    fn lane(&self) -> anyhow::Result<Box<dyn Lane>> {
        Ok(Box::new(NativeLane { native: self.native, task: self.task, event: String::new() }))
    }
}

struct NativeLane {
    native: Native,
    task: Task,
    event: String,
}

impl Lane for NativeLane {
    fn arrive(&mut self, event: &str) -> anyhow::Result<()> {
        event.clone_into(&mut self.event);
        Ok(())
    }

    fn outcome(&mut self) -> anyhow::Result<Outcome> {
        let rules = 0..self.task.rules;
        match self.native {
            Native::Tree => {
                let event = serde_json::from_str(&self.event)?;
                host::on_tree(event, rules.map(|_| |event: &Value| rule::on_tree(self.task.rule, event)))
            }
            Native::Typed => {
                let mut merged = Changes::default();
                for _ in rules {
                    match rule::on_text(self.task.rule, self.event.as_bytes())? {
                        Answer::Deny(code) => return Ok(Outcome::Deny { code }),
                        Answer::Continue(changes) => {
                            merged.id_token.extend(changes.id_token);
                            merged.app_metadata.extend(changes.app_metadata);
                        }
                    }
                }
                host::on_text(&self.event, std::iter::once(|_: &str| Ok(Answer::Continue(merged))))
            }
        }
    }
}

fn described() -> String {
    format!("vestibule {}, wasmtime {}", env!("CARGO_PKG_VERSION"), crate::machine::wasmtime_version())
}

/// Vestibule: whole logins through its pipeline.
struct Vestibule {
    language: Language,
    bench: Arc<Bench>,
    /// Its rules say nothing of what they read.
    reads_all: bool,
}

impl Contestant for Vestibule {
    fn described(&self) -> String {
        described()
    }

    fn deploy(&self, task: &Task, tenant: usize) -> anyhow::Result<Box<dyn Deployed>> {
        let rules = (0..task.rules).map(|position| {
            let number = tenant * task.rules + position;
            self.bench.load_inspected(&self.language.inspected(task.rule, number)?)
        });
        let rules = rules.collect::<anyhow::Result<_>>()?;
        let declared = if self.reads_all { Manifest::permissive("rule") } else { self.language.declared(task.rule)? };
        let budget = self.language.budget(task.rule);
        Ok(Box::new(DeployedPipeline(self.bench.pipeline_of(rules, &declared, &budget)?)))
    }
}

struct DeployedPipeline(LoadedPipeline);

impl Deployed for DeployedPipeline {
    fn lane(&self) -> anyhow::Result<Box<dyn Lane>> {
        let loaded = LoadedPipeline { pipeline: Arc::clone(&self.0.pipeline), rules: self.0.rules.clone() };
        Ok(Box::new(PipelineLane { loaded, runtime: runtime()?, arrival: None }))
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Does what a task of the runtime would await: a server has no `block_on` for each login.
fn awaited<T>(runtime: &Runtime, login: impl Future<Output = T>) -> T {
    let _entered = runtime.enter();
    let mut login = pin!(login);
    match login.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => runtime.block_on(login),
    }
}

struct PipelineLane {
    loaded: LoadedPipeline,
    runtime: Runtime,
    arrival: Option<Arrival>,
}

impl PipelineLane {
    fn run(&self) -> anyhow::Result<(Login, vestibule_pipeline::Outcome)> {
        let arrival = self.arrival.as_ref().context("no login has arrived")?;
        awaited(&self.runtime, bench::login(&self.loaded, arrival.input()))
    }
}

impl Lane for PipelineLane {
    fn arrive(&mut self, event: &str) -> anyhow::Result<()> {
        self.arrival = Some(Arrival::of(&serde_json::from_str(event)?)?.within(RAISED));
        Ok(())
    }

    fn outcome(&mut self) -> anyhow::Result<Outcome> {
        use vestibule_pipeline::Outcome as Ended;
        match self.run()?.1 {
            Ended::Allow(allow) => {
                Ok(Outcome::Allow { app_metadata: allow.profile.app_metadata(), id_token: allow.id_token })
            }
            // A rule written for Auth0 has no codes, only words.
            Ended::Deny { refusal, .. } if refusal.code == "unauthorized" => Ok(Outcome::Deny { code: refusal.reason }),
            Ended::Deny { refusal, .. } => Ok(Outcome::Deny { code: refusal.code }),
            Ended::Failed { failure, .. } => bail!("the rule failed: {failure}"),
            Ended::Redirect { .. } | Ended::SecondFactor { .. } => bail!("the login is not over"),
        }
    }

    fn login(&mut self) -> anyhow::Result<()> {
        self.run().map(|ended| drop(black_box(ended)))
    }
}

/// wasmtime itself, with the settings of a profile.
struct Floor(Profile);

impl Contestant for Floor {
    fn described(&self) -> String {
        format!("wasmtime {}", crate::machine::wasmtime_version())
    }

    fn deploy(&self, task: &Task, tenant: usize) -> anyhow::Result<Box<dyn Deployed>> {
        let floor = guests::floor(&guests::distinct(&module("rust", task.rule)?, tenant))?;
        Ok(Box::new(DeployedFloor(Arc::new(Bare::new(self.0, &floor).map_err(readable)?))))
    }
}

fn readable(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

struct DeployedFloor(Arc<Bare>);

impl Deployed for DeployedFloor {
    fn lane(&self) -> anyhow::Result<Box<dyn Lane>> {
        Ok(Box::new(FloorLane { bare: Arc::clone(&self.0), runtime: runtime()? }))
    }
}

struct FloorLane {
    bare: Arc<Bare>,
    runtime: Runtime,
}

impl Lane for FloorLane {
    fn arrive(&mut self, _: &str) -> anyhow::Result<()> {
        Ok(())
    }

    fn outcome(&mut self) -> anyhow::Result<Outcome> {
        self.login()?;
        Ok(Outcome::Allow { id_token: Map::new(), app_metadata: Map::new() })
    }

    fn login(&mut self) -> anyhow::Result<()> {
        awaited(&self.runtime, self.bare.run()).map_err(readable)
    }
}
