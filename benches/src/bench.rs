//! The engine that things are measured on, set up as an embedder would.

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::{Context as _, bail};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use vestibule_abi::{
    document,
    limits::{Budget, LoginBudget},
};
use vestibule_engine::{
    CompiledRule, Compiler, Engine, Grants, Inspected, LoadedPipeline, Profile, Run, SandboxedRule, Settings,
    cache::{Cache, InstallationKey},
    drive,
    http::Source,
    inspect,
};
use vestibule_pipeline::{
    CanonicalText, Login, LoginInput, Manifest, Outcome, Pipeline, Rule, ScopePolicy, Step, manifest::Limits,
    pipeline::Digest,
};

use crate::rounds::Samples;

/// An engine, the compiler for it, and the runtime that its rules run on.
pub struct Bench {
    /// The runtime of the measuring thread.
    pub runtime: Runtime,
    /// The engine.
    pub engine: Engine,
    compiler: Compiler,
    _cache: Option<TempDir>,
}

impl Bench {
    /// Sets up an engine of a profile, with an empty cache.
    ///
    /// # Errors
    /// When the machine cannot give what it asks for.
    pub fn new(profile: Profile) -> anyhow::Result<Self> {
        Self::with(Settings::new(profile))
    }

    /// Sets up an engine with these settings, with an empty cache.
    ///
    /// # Errors
    /// When the machine cannot give what they ask for.
    pub fn with(settings: Settings) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let bench = Self::cached(settings, folder.path())?;
        Ok(Self { _cache: Some(folder), ..bench })
    }

    /// Sets up an engine with these settings and a cache that stays.
    ///
    /// # Errors
    /// When the machine cannot give what they ask for.
    pub fn cached(settings: Settings, folder: &Path) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let cache = Cache::open(folder, InstallationKey::new([7; 32]))?;
        let compiler = Compiler::new(Some(cache))?;
        Ok(Self { runtime, engine: Engine::new(settings)?, compiler, _cache: None })
    }

    /// Inspects and compiles a module, or takes it from the cache.
    ///
    /// # Errors
    /// When it is refused.
    pub fn compile(&self, wasm: &[u8]) -> anyhow::Result<CompiledRule> {
        Ok(self.runtime.block_on(self.compiler.compile(&self.engine, &inspect(wasm)?))?)
    }

    /// Compiles what was inspected, or takes it from the cache.
    ///
    /// # Errors
    /// When it is refused.
    pub fn compile_inspected(&self, inspected: &Inspected) -> anyhow::Result<CompiledRule> {
        Ok(self.runtime.block_on(self.compiler.compile(&self.engine, inspected))?)
    }

    /// Compiles and loads a module without capabilities.
    ///
    /// # Errors
    /// When it is refused.
    pub fn load(&self, wasm: &[u8]) -> anyhow::Result<SandboxedRule> {
        Ok(self.engine.load(&self.compile(wasm)?, Grants::default())?)
    }

    /// Compiles, or takes from the cache, and loads what was inspected, without capabilities.
    ///
    /// # Errors
    /// When it is refused.
    pub fn load_inspected(&self, inspected: &Inspected) -> anyhow::Result<SandboxedRule> {
        let compiled = self.runtime.block_on(self.compiler.compile(&self.engine, inspected))?;
        Ok(self.engine.load(&compiled, Grants::default())?)
    }

    /// Makes a pipeline of rules that declare nothing: they receive the whole event, and every write is allowed to them.
    ///
    /// # Errors
    /// When there are too many.
    pub fn pipeline(&self, rules: Vec<SandboxedRule>) -> anyhow::Result<LoadedPipeline> {
        self.pipeline_of(rules, &Manifest::permissive("rule"), &Budget::STANDARD)
    }

    /// Makes a pipeline of rules that each declare the same, and may spend so much.
    ///
    /// # Errors
    /// When there are too many.
    pub fn pipeline_of(
        &self,
        rules: Vec<SandboxedRule>,
        declared: &Manifest,
        budget: &Budget,
    ) -> anyhow::Result<LoadedPipeline> {
        let manifest = |position: usize| -> anyhow::Result<Rule> {
            let mut manifest = declared.clone();
            manifest.name = format!("rule-{position:03}").parse().map_err(anyhow::Error::msg)?;
            manifest.order = i64::try_from(position)?;
            manifest.limits = Limits { fuel: Some(budget.fuel), wall: Some(budget.wall), ..Limits::default() };
            Ok(Rule::new(manifest, Digest::of(&position.to_le_bytes()), budget)?)
        };
        let pipeline = Pipeline::new((0..rules.len()).map(manifest).collect::<Result<_, _>>()?)?;
        Ok(LoadedPipeline { pipeline: Arc::new(pipeline), rules })
    }
}

/// What arrives with a login: the event as text, as native code would get it, and what the host knows beside it.
pub struct Arrival {
    text: Box<RawValue>,
    scopes: ScopePolicy,
    budget: LoginBudget,
}

impl Arrival {
    /// What arrives with an event.
    ///
    /// # Errors
    /// None that can happen: a value has a text.
    pub fn of(event: &Value) -> anyhow::Result<Self> {
        Ok(Self { text: to_raw_value(event)?, scopes: ScopePolicy::of_event(event), budget: LoginBudget::STANDARD })
    }

    /// The same for a login that may spend so much.
    #[must_use]
    pub fn within(self, budget: LoginBudget) -> Self {
        Self { budget, ..self }
    }

    /// What the host brings to a login.
    #[must_use]
    pub fn input(&self) -> LoginInput<CanonicalText<'_>> {
        LoginInput {
            event: CanonicalText(&self.text),
            scopes: self.scopes.clone(),
            seed: [9; 32],
            now_ms: 1_795_500_000_000,
            budget: self.budget,
        }
    }
}

/// An event as a rule gets it: with what the host adds.
#[must_use]
pub fn completed(mut event: Value) -> Value {
    if let Some(context) = event.get_mut("context").and_then(Value::as_object_mut) {
        context.insert("now".to_owned(), json!(1_795_500_000_000_i64));
        context.insert("seed".to_owned(), json!("5e".repeat(32)));
    }
    if let Some(event) = event.as_object_mut() {
        event.entry("configuration").or_insert_with(|| json!({}));
        event.entry("shared").or_insert_with(|| json!({}));
    }
    event
}

/// The document of a whole event, as a rule gets it that declares no `reads`.
///
/// # Errors
/// When the event is none.
pub fn document_of(event: &Value) -> anyhow::Result<Arc<Vec<u8>>> {
    Ok(Arc::new(document::encode(event)?))
}

/// The document that the first rule of a pipeline gets.
///
/// # Errors
/// When the event is none, or the rule does not run.
pub fn document_for(loaded: &LoadedPipeline, arrival: &Arrival) -> anyhow::Result<Arc<Vec<u8>>> {
    let mut login = Login::begin(Arc::clone(&loaded.pipeline), arrival.input())?;
    let Step::Run { event, .. } = login.next() else { bail!("the rule does not run") };
    Ok(Arc::clone(event))
}

/// Runs a rule once, fresh sandbox and reset included.
///
/// # Errors
/// When the engine fails; what the rule did is in the result.
pub async fn run(rule: &SandboxedRule, document: &Arc<Vec<u8>>) -> anyhow::Result<Run> {
    Ok(rule.run_shared(Arc::clone(document), Budget::STANDARD, Source::Denied).await?)
}

/// Runs a whole login: the event is encoded, the rules run, their answers are merged.
///
/// # Errors
/// When the engine fails; how the login ended is in the result.
pub async fn login(loaded: &LoadedPipeline, input: LoginInput<CanonicalText<'_>>) -> anyhow::Result<(Login, Outcome)> {
    let mut login = Login::begin(Arc::clone(&loaded.pipeline), input)?;
    let report = drive(&mut login, &loaded.rules, |_| Source::Denied).await?;
    Ok((login, report.outcome))
}

/// Makes so many runs of one rule, and adds what each took.
///
/// # Errors
/// When the engine fails.
pub fn sample_runs(
    bench: &Bench,
    rule: &SandboxedRule,
    document: &Arc<Vec<u8>>,
    runs: usize,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    bench.runtime.block_on(async {
        for _ in 0..runs {
            let began = Instant::now();
            drop(run(rule, document).await?);
            samples.push(began.elapsed());
        }
        Ok(())
    })
}

/// As [`sample_runs`], with an instance that was made ready before the clock starts and is reset after it stops, as for
/// logins that do not come one upon the other.
///
/// # Errors
/// When the engine fails, or makes no instance ready.
pub fn sample_ready_runs(
    bench: &Bench,
    rule: &SandboxedRule,
    document: &Arc<Vec<u8>>,
    runs: usize,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    bench.runtime.block_on(async {
        drop(run(rule, document).await?); // Whoever runs a rule asks for its next instance.
        for _ in 0..runs {
            let patience = Instant::now();
            while !rule.is_ready() {
                anyhow::ensure!(patience.elapsed().as_secs() < 10, "no instance was made ready");
                tokio::task::yield_now().await; // As a login that waits for its database.
            }
            let began = Instant::now();
            let ended = run(rule, document).await?;
            samples.push(began.elapsed());
            drop(ended);
        }
        Ok(())
    })
}

/// Makes so many logins, and adds what each took: from the event's text to the outcome, and all that is left is dropped.
///
/// # Errors
/// When the engine fails.
pub fn sample_logins(
    bench: &Bench,
    loaded: &LoadedPipeline,
    arrival: &Arrival,
    runs: usize,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    bench.runtime.block_on(async {
        for _ in 0..runs {
            let input = arrival.input();
            let began = Instant::now();
            drop(login(loaded, input).await?);
            samples.push(began.elapsed());
        }
        Ok(())
    })
}

/// Proves that a pipeline does what the native function does, before anything is measured.
///
/// # Errors
/// When it does something else.
pub fn assert_does_the_same(bench: &Bench, loaded: &LoadedPipeline, event: &Value) -> anyhow::Result<()> {
    let (_, outcome) = bench.runtime.block_on(login(loaded, Arrival::of(event)?.input()))?;
    let Outcome::Allow(allow) = outcome else { bail!("the measured login ended in {outcome:?}") };
    let native = crate::native::with_tree(event.to_string().as_bytes()).context("the native rule failed")?;
    let sandboxed = crate::native::Merged { app_metadata: allow.profile.app_metadata(), id_token: allow.id_token };
    anyhow::ensure!(sandboxed == native, "the sandboxed rule came to {sandboxed:?}, the native one to {native:?}");
    Ok(())
}
