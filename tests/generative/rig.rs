//! Where modules are tried: both profiles of the engine, every capability granted, and the universal oracle.

use std::{collections::BTreeMap, fmt, fs, sync::Arc};

use cap_std::{ambient_authority, fs::Dir};
use tokio::runtime::Runtime;
use vestibule_abi::{
    codes::{FailureCode, RefusalCode},
    document,
    limits::{Budget, Spent},
};
use vestibule_engine::{
    CompiledRule, DataFiles, Engine, Grants, InProcessCompiler, Profile, Run, SandboxedRule, Settings, Tier,
    http::{HttpGrants, Recording, Source},
    inspect,
};
use vestibule_pipeline::manifest::Origin;

use crate::Random;

/// What the rig's `data/` folder holds.
pub const FILES: &[(&str, &[u8])] = &[("a.txt", b"alpha"), ("sub/b.bin", &[0, 1, 2, 3, 0xff]), ("empty", b"")];
/// What the rig's HTTP recording holds, three times each.
const URLS: &[&str] = &["https://api.example.com/a", "https://api.example.com/b"];
/// The origin that is granted.
const ORIGIN: &str = "https://api.example.com";

/// A promise of the sandbox that did not hold.
#[derive(Debug)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// How an upload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was not accepted.
    Refused(RefusalCode),
    /// It could not be instantiated.
    NotStarted(FailureCode),
    /// Its run failed.
    Failed(FailureCode),
    /// It answered this.
    Answered(Vec<u8>),
}

/// What a try came to.
#[derive(Debug)]
pub struct Tried {
    /// The end.
    pub ended: Ended,
    /// The message of a failure.
    pub message: String,
    /// What the run used.
    pub spent: Spent,
    /// The run's log.
    pub logs: Vec<(&'static str, String)>,
}

/// Everything a module needs to be tried, made once.
pub struct Rig {
    fast: Engine,
    hardened: Engine,
    compiler: InProcessCompiler,
    grants: Grants,
    runtime: Runtime,
    /// What each run may spend.
    pub budget: Budget,
}

impl Rig {
    /// What a run of a random module may spend: enough to do harm, little enough to try many.
    pub const BUDGET: Budget = Budget { fuel: 300_000, ..Budget::STANDARD };
    /// Fuel of a start function.
    const INIT_FUEL: u64 = 300_000;

    /// Sets up both engines. They are shared by threads; the runtime is the calling thread's.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        let engine = |profile| {
            let settings = Settings { concurrent_runs: 8, ..Settings::new(profile) };
            Engine::new(settings).expect("the machine runs an engine")
        };
        Self {
            fast: engine(Profile::Fast),
            hardened: engine(Profile::Hardened),
            compiler: InProcessCompiler::new(Self::INIT_FUEL).expect("the compiler is set up"),
            grants: Grants { http: Some(Arc::new(http_grants())), files: Some(Arc::new(files())) },
            runtime: runtime(),
            budget,
        }
    }

    /// The same rig for another thread.
    #[must_use]
    pub fn for_another_thread(&self) -> Self {
        Self {
            fast: self.fast.clone(),
            hardened: self.hardened.clone(),
            compiler: InProcessCompiler::new(Self::INIT_FUEL).expect("the compiler is set up"),
            grants: self.grants.clone(),
            runtime: runtime(),
            budget: self.budget,
        }
    }

    /// Tries bytes as an upload: inspects, compiles, loads and runs them, on the fast profile and, when `both`, on the
    /// hardened one, which must come to the same.
    ///
    /// # Errors
    /// [`Broken`] when the oracle does not hold.
    pub fn try_module(&self, wasm: &[u8], event: &[u8], tier: Tier, both: bool) -> Result<Tried, Broken> {
        let compiled = match self.compile(wasm, tier)? {
            Ok(compiled) => compiled,
            Err(refused) => return Ok(refused),
        };
        let tried = self.try_on(&self.fast, &compiled, event)?;
        if both {
            let again = self.try_on(&self.hardened, &compiled, event)?;
            tried.agrees_with(&again)?;
        }
        Ok(tried)
    }

    /// Compiles bytes, or says how they were refused.
    ///
    /// # Errors
    /// [`Broken`] when the oracle does not hold.
    pub fn compile(&self, wasm: &[u8], tier: Tier) -> Result<Result<CompiledRule, Tried>, Broken> {
        let inspected = match inspect(wasm) {
            Ok(inspected) => inspected,
            Err(refusal) => return Ok(Err(Tried::refused(refusal.code, refusal.message))),
        };
        match self.compiler.compile(&self.fast, &inspected, tier) {
            Ok(compiled) => Ok(Ok(compiled)),
            // Where our inspection accepts, the compiler must: anything else is a hole between the two.
            Err(refusal)
                if refusal.code == RefusalCode::ModuleMalformed || refusal.code == RefusalCode::CompileCrashed =>
            {
                Err(Broken(format!("accepted by inspect, then refused: {refusal}")))
            }
            Err(refusal) => Ok(Err(Tried::refused(refusal.code, refusal.message))),
        }
    }

    /// Loads a module on the fast and the hardened profile, to be run many times.
    ///
    /// # Errors
    /// [`Broken`] when it cannot be loaded.
    pub fn load(&self, wasm: &[u8]) -> Result<[SandboxedRule; 2], Broken> {
        let compiled = self.compile(wasm, Tier::Optimised)?.map_err(|refused| Broken(refused.message))?;
        let load = |engine: &Engine| {
            engine.load(&compiled, self.grants.clone()).map_err(|error| Broken(format!("not loaded: {error}")))
        };
        Ok([load(&self.fast)?, load(&self.hardened)?])
    }

    fn try_on(&self, engine: &Engine, compiled: &CompiledRule, event: &[u8]) -> Result<Tried, Broken> {
        match engine.load(compiled, self.grants.clone()) {
            Ok(rule) => self.run(&rule, event),
            Err(error) => Err(Broken(format!("compiled, then not loaded: {error}"))),
        }
    }

    /// Runs a rule once and holds the oracle against what it did.
    ///
    /// # Errors
    /// [`Broken`] when the oracle does not hold.
    pub fn run(&self, rule: &SandboxedRule, event: &[u8]) -> Result<Tried, Broken> {
        let source = Source::Recorded(recording().play());
        let run = self.runtime.block_on(rule.run(event, self.budget, source));
        let run = run.map_err(|error| Broken(format!("a fault of the engine: {error}")))?;
        let tried = match run.answer {
            // Whatever a guest began, it used some.
            Err(failure) if run.spent.fuel == 0 => Tried::ended(Ended::NotStarted(failure.code), failure.message),
            _ => Tried::ran(run),
        };
        self.oracle(&tried)?;
        Ok(tried)
    }

    /// What must hold of every run, whatever the guest is.
    fn oracle(&self, tried: &Tried) -> Result<(), Broken> {
        let (budget, spent) = (&self.budget, &tried.spent);
        let ours = [
            FailureCode::HostInternal,
            FailureCode::ArtifactIntegrity,
            FailureCode::ConflictExhausted,
            FailureCode::StoreUnavailable,
            FailureCode::StoreFull,
            FailureCode::Cancelled,
            FailureCode::Draining,
        ];
        let answer_bytes = if let Ended::Answered(answer) = &tried.ended { answer.len() } else { 0 };
        let code = match tried.ended {
            Ended::Failed(code) | Ended::NotStarted(code) => Some(code),
            Ended::Refused(_) | Ended::Answered(_) => None,
        };
        let promises = [
            (code.is_none_or(|code| !ours.contains(&code)), "a guest never fails with a code of ours"),
            (spent.fuel <= budget.fuel, "fuel stays within the budget"),
            (spent.peak_memory_bytes <= budget.memory_bytes, "memory stays within the budget"),
            (answer_bytes <= budget.answer_bytes as usize, "the answer stays within the budget"),
            // The call that is one too many is counted, and ends the run.
            (spent.host_calls <= budget.host_calls + 1, "host calls stay within the budget"),
            (spent.log_bytes <= budget.log_bytes, "log bytes stay within the budget"),
            (spent.log_lines <= budget.log_lines, "log lines stay within the budget"),
            (tried.logs.len() <= budget.log_lines as usize + 1, "no more lines than are counted"),
            (spent.http_requests <= budget.http_requests + 1, "requests stay within the budget"),
            (spent.wall.as_secs() < 10, "a run ends soon after its wall-clock limit"),
        ];
        match promises.into_iter().find(|(held, _)| !held) {
            None => Ok(()),
            Some((_, promise)) => Err(Broken(format!("{promise}: {tried:?}"))),
        }
    }
}

impl Tried {
    fn refused(code: RefusalCode, message: String) -> Self {
        Self::ended(Ended::Refused(code), message)
    }

    fn ended(ended: Ended, message: String) -> Self {
        Self { ended, message, spent: Spent::default(), logs: Vec::new() }
    }

    fn ran(run: Run) -> Self {
        let (ended, message) = match run.answer {
            Ok(answer) => (Ended::Answered(answer), String::new()),
            Err(failure) => (Ended::Failed(failure.code), failure.message),
        };
        let logs = run.logs.into_iter().map(|line| (line.level, line.text)).collect();
        Self { ended, message, spent: run.spent, logs }
    }

    /// Two runs of one module on one event come to the same, fuel included.
    ///
    /// # Errors
    /// [`Broken`] when they do not.
    pub fn agrees_with(&self, other: &Self) -> Result<(), Broken> {
        let alike = self.ended == other.ended
            && self.spent.fuel == other.spent.fuel
            && self.spent.host_calls == other.spent.host_calls
            && self.logs == other.logs;
        if alike || self.depends_on_the_machine() || other.depends_on_the_machine() {
            return Ok(());
        }
        Err(Broken(format!("two runs differ: {self:?} and {other:?}")))
    }

    /// Whether the end depends on the machine: how deep its stack is and how fast it runs.
    #[must_use]
    pub fn depends_on_the_machine(&self) -> bool {
        let codes = [FailureCode::StackExhausted, FailureCode::DeadlineExceeded];
        matches!(&self.ended, Ended::Failed(code) | Ended::NotStarted(code) if codes.contains(code))
    }
}

/// An event such as a login has, as a document.
#[must_use]
pub fn event() -> Vec<u8> {
    let event = serde_json::json!({
        "user": {"user_id": "auth0|1", "email": "ada@example.com", "email_verified": true, "logins_count": 7,
                 "user_metadata": {"plan": "gold"}, "app_metadata": {"roles": ["admin", "editor"]}},
        "context": {"clientID": "c1", "connection": "users", "protocol": "oidc-basic-profile",
                    "request": {"ip": "203.0.113.7", "query": {"scope": "openid profile"}}},
        "configuration": {"key": "value"},
        "shared": {},
    });
    document::encode(&event).expect("the event is canonical")
}

/// A seed's choice of how hard to compile. Both tiers are shipped, and most of the time goes into compiling.
#[must_use]
pub fn tier(random: &mut Random) -> Tier {
    if random.one_in(2) { Tier::Baseline } else { Tier::Optimised }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the machine runs a runtime")
}

fn recording() -> Recording {
    let entries: Vec<_> = URLS
        .iter()
        .cycle()
        .take(URLS.len() * 3)
        .map(|url| {
            serde_json::json!({"request": {"method": "GET", "url": url},
                               "response": {"status": 200, "headers": {"x": "y"}, "body": "hello"}})
        })
        .collect();
    let json = serde_json::Value::from(entries).to_string();
    Recording::parse(json.as_bytes()).expect("the recording is well formed")
}

fn http_grants() -> HttpGrants {
    let origin: Origin = ORIGIN.parse().expect("an origin");
    let secret = ("s3cr3t-v4lue".to_owned().into(), origin.clone());
    HttpGrants::new(vec![origin], BTreeMap::from([("TOKEN".to_owned(), secret)])).expect("the grants are acceptable")
}

fn files() -> DataFiles {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("sub")).expect("a folder");
    for (path, bytes) in FILES {
        fs::write(folder.path().join(path), bytes).expect("a file");
    }
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).expect("the folder opens");
    DataFiles::read(&dir).expect("the folder is acceptable")
}
