//! From bytes to a loaded rule and a login through it, the way every embedder goes.

use std::{
    fs,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use cap_std::{ambient_authority, fs::Dir};
use serde_json::Value;
use tempfile::TempDir;
use vestibule_abi::limits::{Budget, LoginBudget};
use vestibule_engine::{
    CompileError, CompileLimits, Compiler, DataFiles, Engine, Grants, Profile, Refusal, SandboxedRule, Settings,
    cache::{Cache, InstallationKey},
    inspect,
};
use vestibule_pipeline::{Digest, Login, LoginInput, Manifest, Pipeline, Rule, ScopePolicy};

/// Both ways of giving instances their memory: whatever a test sees must be the same under both.
pub const PROFILES: [Profile; 2] = [Profile::Fast, Profile::Hardened];

/// The engine of a profile, shared by all tests of a process.
#[must_use]
pub fn engine(profile: Profile) -> &'static Engine {
    static FAST: OnceLock<Engine> = OnceLock::new();
    static HARDENED: OnceLock<Engine> = OnceLock::new();
    let engine = match profile {
        Profile::Fast => &FAST,
        Profile::Hardened => &HARDENED,
    };
    engine.get_or_init(|| Engine::new(Settings { concurrent_runs: 32, ..Settings::new(profile) }).expect("an engine"))
}

/// A compiler with a cache of its own, which is gone with it.
#[derive(Debug)]
pub struct Workshop {
    compiler: Compiler,
    cache: TempDir,
}

impl Workshop {
    /// A workshop whose compile worker is this program. It is patient: what a test shows must not depend on how busy
    /// the machine is; the limits of production have tests of their own.
    #[must_use]
    pub fn new(worker: impl AsRef<Path>) -> Self {
        let cache = TempDir::new().expect("a temporary folder");
        let opened = open_cache(cache.path(), 7);
        let patience = Duration::from_secs(60);
        let limits = CompileLimits { optimised: patience, baseline: patience, ..CompileLimits::STANDARD };
        Self { compiler: Compiler::with_worker(worker.as_ref(), Some(opened)).limits(limits), cache }
    }

    /// Its compiler.
    #[must_use]
    pub fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    /// Where its compiled code lies.
    #[must_use]
    pub fn cache(&self) -> &Path {
        self.cache.path()
    }

    /// Inspects, compiles, links and proves a module.
    ///
    /// # Errors
    /// The refusal of whichever step refused it.
    ///
    /// # Panics
    /// When the host is at fault.
    pub async fn deploy(&self, engine: &Engine, wasm: &[u8], grants: Grants) -> Result<SandboxedRule, Refusal> {
        let inspected = inspect(wasm)?;
        let compiled = self.compiler.compile(engine, &inspected).await.map_err(refusal)?;
        let rule = engine.load(&compiled, grants).map_err(refusal)?;
        rule.smoke().await.map_err(refusal)?;
        Ok(rule)
    }
}

fn refusal(error: CompileError) -> Refusal {
    match error {
        CompileError::Refused(refusal) => refusal,
        CompileError::Engine(fault) => panic!("the engine is at fault: {fault}"),
    }
}

/// A cache in a folder, under a key made of one byte.
#[must_use]
pub fn open_cache(folder: &Path, key: u8) -> Cache {
    Cache::open(folder, InstallationKey::new([key; 32])).expect("a cache")
}

/// The data files of a rule: names and contents.
#[must_use]
pub fn files(files: &[(&str, &[u8])]) -> Arc<DataFiles> {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("a data file");
    }
    let folder = Dir::open_ambient_dir(folder.path(), ambient_authority()).expect("the folder");
    Arc::new(DataFiles::read(&folder).expect("readable files"))
}

/// Grants of data files and nothing else.
#[must_use]
pub fn files_only(contents: &[(&str, &[u8])]) -> Grants {
    Grants { files: Some(files(contents)), http: None }
}

/// A manifest with these lines after the mandatory ones; a line `name = …` of its own is not needed.
///
/// # Panics
/// When the lines are not a manifest.
#[must_use]
pub fn manifest(name: &str, order: i64, lines: &str) -> Manifest {
    let text = format!("name = \"{name}\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\norder = {order}\n{lines}\n");
    Manifest::parse(&text).unwrap_or_else(|error| panic!("the fixture is no manifest: {error}\n{text}"))
}

/// A pipeline of these manifests. Its rules have a second each, because a busy machine takes time from them that they
/// did not have; those that spin run out of fuel before.
#[must_use]
pub fn pipeline(manifests: Vec<Manifest>) -> Arc<Pipeline> {
    let rule = |manifest: Manifest| {
        let digest = Digest::of(manifest.name.as_str().as_bytes());
        let mut rule = Rule::new(manifest, digest, &Budget::CEILING).expect("limits below the ceiling");
        rule.budget.wall = Budget::CEILING.wall;
        rule
    };
    Arc::new(Pipeline::new(manifests.into_iter().map(rule).collect()).expect("a pipeline"))
}

/// A login that begins now, which is always the same moment.
#[must_use]
pub fn login(pipeline: Arc<Pipeline>, event: Value) -> Login {
    let scopes = ScopePolicy::of_event(&event);
    let input = LoginInput { event, seed: [9; 32], now_ms: 1_795_163_400_000, scopes, budget: LoginBudget::STANDARD };
    Login::begin(pipeline, input).expect("an event")
}
