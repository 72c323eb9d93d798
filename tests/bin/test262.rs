//! Test262 in the sandbox: `test262 FOLDER [PART_OF_A_PATH]`. FOLDER is what `cargo xtask test262` lays down.
//!
//! Each test is a run of its own, as each login is: one rule evaluates, in the realm of a rule, the source that its event
//! brings. What is left out is said with the reason; what fails must be in `test262/known.txt`, and what is there must fail.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use vestibule_abi::limits::Budget;
use vestibule_engine::{
    CompileLimits, Compiler, Engine, Grants, JavaScriptUpload, Profile, SandboxedRule, Settings, http::Source,
    inspect_interpreter, inspect_javascript,
};
use vestibule_testkit::events;

/// Chapters that rules can meet. `intl402` is not there (there is no `Intl`), nor `harness`, which tests the tests.
const CHAPTERS: [&str; 3] = ["annexB", "built-ins", "language"];

/// Parts of paths, and why what lies there is left out.
const NOT_HERE: &[(&str, &str)] = &[
    ("/module-code/", "a rule is no module"),
    ("language/import/", "a rule is no module"),
    ("language/export/", "a rule is no module"),
    ("language/global-code/", "a rule is a function: nothing of its author's is global code"),
    ("built-ins/Atomics/", "there are no threads"),
    ("built-ins/SharedArrayBuffer/", "there are no threads"),
    ("built-ins/BigInt/", "there is no BigInt"),
    ("/property-escapes/generated/", "the engine's Unicode is newer than these tests"),
];

/// Features, and why what needs them is left out.
const WITHOUT: &[(&str, &str)] = &[
    ("Atomics", "there are no threads"),
    ("SharedArrayBuffer", "there are no threads"),
    ("BigInt", "there is no BigInt"),
    ("cross-realm", "a rule has one realm"),
    ("dynamic-import", "a rule is no module"),
    ("import.meta", "a rule is no module"),
    ("top-level-await", "a rule is no module"),
    ("host-gc-required", "a rule cannot collect garbage"),
    ("FinalizationRegistry", "a rule does not see garbage collected"),
    ("WeakRef", "a rule does not see garbage collected"),
    ("IsHTMLDDA", "there is no document"),
    ("tail-call-optimization", "no engine but one has it"),
    ("regexp-match-indices", "after ES2020"),
    ("logical-assignment-operators", "after ES2020"),
    ("numeric-separator-literal", "after ES2020"),
    ("String.prototype.replaceAll", "after ES2020"),
    ("Promise.any", "after ES2020"),
    ("AggregateError", "after ES2020"),
    ("class-fields-public", "after ES2020"),
    ("class-fields-private", "after ES2020"),
    ("class-methods-private", "after ES2020"),
    ("class-static-fields-public", "after ES2020"),
    ("class-static-fields-private", "after ES2020"),
    ("class-static-methods-private", "after ES2020"),
    ("hashbang", "after ES2020"),
];

/// What needs a host that a rule does not have: realms, agents, detaching.
const HOST: [&str; 2] = ["$262", "$DETACHBUFFER"];
/// Where the harness ends and the host of another engine begins.
const OTHER_HOST: &str = "// file: test262-host.js";

/// More than any test that ends needs.
const BUDGET: Budget =
    Budget { fuel: 4_000_000_000, wall: Duration::from_secs(20), elapsed: Duration::from_secs(60), ..Budget::STANDARD };

fn main() -> Result<ExitCode, Box<dyn Error>> {
    vestibule_engine::worker::serve_if_asked();
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: test262 FOLDER [PART_OF_A_PATH]")?);
    let part = arguments.next().unwrap_or_default();
    let began = Instant::now();
    let (tests, left_out) = Test::all(&folder, &part)?;
    let (engine, rule) = deployed(&folder)?;
    let failures = run_all(&rule, &tests)?;
    drop((rule, engine));
    let known = Known::read(&folder, &part)?;
    Ok(Report { ran: tests.len(), failures, left_out, known, took: began.elapsed() }.close())
}

/// One way to run one file.
struct Test {
    path: String,
    is_strict: bool,
    source: String,
    /// The further parts of the harness.
    shells: Vec<String>,
    is_async: bool,
    /// The error it must end with.
    negative: Option<String>,
}

/// What stands at the head of a file, in YAML.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    flags: Vec<String>,
    features: Vec<String>,
    negative: Option<Negative>,
}

#[derive(Deserialize)]
struct Negative {
    r#type: String,
}

type LeftOut = BTreeMap<&'static str, usize>;

impl Test {
    fn all(folder: &Path, part: &str) -> Result<(Vec<Self>, LeftOut), Box<dyn Error>> {
        let (mut tests, mut left_out) = (Vec::new(), LeftOut::new());
        let mut folders: Vec<PathBuf> = CHAPTERS.iter().map(|chapter| folder.join(chapter)).collect();
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
                let is_test = name.ends_with(".js")
                    && !["shell.js", "browser.js", "_FIXTURE.js"].iter().any(|other| name.ends_with(other));
                if is_test && name.contains(part) {
                    let source = fs::read_to_string(&path)?;
                    let shells = shells(folder, &path)?;
                    match Self::of(name, source, shells)? {
                        Ok(ways) => tests.extend(ways),
                        Err(why) => *left_out.entry(why).or_default() += 1,
                    }
                }
            }
        }
        tests.sort_by(|one, other| (&one.path, one.is_strict).cmp(&(&other.path, other.is_strict)));
        Ok((tests, left_out))
    }

    /// The ways to run a file, or why it is left out.
    fn of(
        path: String,
        source: String,
        shells: Vec<String>,
    ) -> Result<Result<Vec<Self>, &'static str>, Box<dyn Error>> {
        let head = match source.split_once("/*---").and_then(|(_, rest)| rest.split_once("---*/")) {
            Some((head, _)) => serde_yaml_ng::from_str::<Head>(head).map_err(|error| format!("{path}: {error}"))?,
            None => Head::default(),
        };
        let has = |flag: &str| head.flags.iter().any(|has| has == flag);
        let not_here = NOT_HERE.iter().find(|(part, _)| path.contains(part)).map(|(_, why)| *why);
        let without = WITHOUT.iter().find(|(feature, _)| head.features.iter().any(|needs| needs == feature));
        let why = not_here
            .or(without.map(|(_, why)| *why))
            .or(has("module").then_some("a rule is no module"))
            .or(HOST.iter().any(|name| source.contains(name)).then_some("it needs another host"));
        if let Some(why) = why {
            return Ok(Err(why));
        }
        let modes: &[bool] = match (has("onlyStrict"), has("noStrict") || has("raw")) {
            (true, _) => &[true],
            (false, true) => &[false],
            (false, false) => &[false, true],
        };
        let negative = head.negative.map(|negative| negative.r#type);
        let way = |is_strict: &bool| Self {
            path: path.clone(),
            is_strict: *is_strict,
            source: if *is_strict { format!("'use strict';\n{source}") } else { source.clone() },
            shells: shells.clone(),
            is_async: has("async"),
            negative: negative.clone(),
        };
        Ok(Ok(modes.iter().map(way).collect()))
    }

    fn name(&self) -> String {
        if self.is_strict { format!("{} (strict)", self.path) } else { self.path.clone() }
    }

    /// What is wrong, if anything is.
    async fn run(&self, rule: &SandboxedRule) -> Option<String> {
        let event = json!({
            "user": { "user_id": "auth0|1" },
            "context": { "now": 1_795_163_400_123_i64, "seed": "5e".repeat(32) },
            "configuration": { "shells": self.shells, "source": self.source, "isAsync": self.is_async },
            "shared": {},
        });
        let run = match rule.run(&events::document(&event), BUDGET, Source::Denied).await {
            Ok(run) => run,
            Err(fault) => return Some(format!("the engine is at fault: {fault}")),
        };
        let said = match &run.answer {
            Ok(answer) => String::from_utf8_lossy(answer).into_owned(),
            Err(failure) => failure.to_string(),
        };
        let is_right = match &self.negative {
            None => said == r#"{"continue":{}}"#,
            Some(error) => said.contains(&format!("threw {error}:")),
        };
        (!is_right).then_some(said)
    }
}

/// The harness of the folders on the way to a test, but for the first.
fn shells(folder: &Path, test: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut shells = Vec::new();
    let below = test.strip_prefix(folder)?.parent().unwrap_or(Path::new(""));
    let mut at = folder.to_owned();
    for part in below {
        at.push(part);
        let shell = at.join("shell.js");
        let text = if shell.is_file() { fs::read_to_string(shell)? } else { String::new() };
        if !text.trim().is_empty() {
            // What `eval` declares by other words is seen by nobody else.
            shells.push(text.replace("\nconst ", "\nvar ").replace("\nlet ", "\nvar "));
        }
    }
    Ok(shells)
}

/// The rule that evaluates what its event brings. The harness is evaluated when it is deployed.
fn deployed(folder: &Path) -> Result<(Engine, SandboxedRule), Box<dyn Error>> {
    let shell = fs::read_to_string(folder.join("shell.js"))?;
    let harness = shell.split(OTHER_HOST).next().unwrap_or_default();
    let source = format!(
        "((0, eval)({}), function (user, context, callback) {{
           const {{ shells, source, isAsync }} = configuration;
           const evaluate = eval;
           const words = (error) => {{
             try {{ return `${{error.constructor.name}}: ${{error.message}}`; }} catch {{ return `${{typeof error}}: ${{String(error)}}`; }}
           }};
           delete globalThis.global; // What is put there is passed on to later rules.
           globalThis.reportCompare = () => {{}};
           globalThis.$DONE = (error) => callback(error ? words(error) : null, user, context);
           try {{
             for (let at = 0; at < shells.length; at++) evaluate(shells[at]);
             evaluate(source);
           }} catch (error) {{
             return callback('threw ' + words(error));
           }}
           if (!isAsync) callback(null, user, context);
         }})",
        json!(harness)
    );
    let interpreter = vestibule_javascript::interpreter(folder)?;
    let interpreter = inspect_interpreter(&interpreter).map_err(|refusal| refusal.to_string())?;
    let inspected = inspect_javascript(&JavaScriptUpload::rule(source).to_bytes(), &interpreter)
        .map_err(|refusal| refusal.to_string())?;
    let engine = Engine::new(Settings::new(Profile::Fast))?;
    let patience = Duration::from_secs(60);
    let limits = CompileLimits { optimised: patience, baseline: patience, ..CompileLimits::STANDARD };
    let compiler = Compiler::with_worker(env::current_exe()?, None).limits(limits);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let compiled = runtime.block_on(compiler.compile(&engine, &inspected)).map_err(|error| format!("{error:?}"))?;
    let rule = engine.load(&compiled, Grants::default()).map_err(|error| format!("{error:?}"))?;
    Ok((engine, rule))
}

/// Runs all on all cores; gives what failed, in order.
fn run_all(rule: &SandboxedRule, tests: &[Test]) -> io::Result<Vec<(String, String)>> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let runtimes = (0..cores).map(|_| Builder::new_current_thread().enable_all().build());
    let runtimes = runtimes.collect::<io::Result<Vec<Runtime>>>()?;
    let work = |runtime: Runtime| {
        while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(said) = runtime.block_on(test.run(rule)) {
                failures.lock().unwrap_or_else(PoisonError::into_inner).push((test.name(), said));
            }
        }
    };
    thread::scope(|scope| {
        for runtime in runtimes {
            scope.spawn(|| work(runtime));
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort();
    Ok(failures)
}

/// What is known to fail: a line with a reason, `# …`, over the tests that it is the reason of.
struct Known(Vec<String>);

impl Known {
    const TEXT: &str = include_str!("../test262/known.txt");

    fn read(folder: &Path, part: &str) -> Result<Self, Box<dyn Error>> {
        let lines = Self::TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let known: Vec<String> = lines.filter(|line| line.contains(part)).map(str::to_owned).collect();
        match known.iter().find(|name| !folder.join(name.trim_end_matches(" (strict)")).is_file()) {
            Some(gone) => Err(format!("known.txt: there is no test {gone}").into()),
            None => Ok(Self(known)),
        }
    }
}

struct Report {
    ran: usize,
    failures: Vec<(String, String)>,
    left_out: LeftOut,
    known: Known,
    took: Duration,
}

impl Report {
    fn close(self) -> ExitCode {
        let is_known = |name: &String| self.known.0.contains(name);
        let unknown: Vec<_> = self.failures.iter().filter(|(name, _)| !is_known(name)).collect();
        let mended: Vec<_> =
            self.known.0.iter().filter(|name| !self.failures.iter().any(|(failed, _)| failed == *name)).collect();
        for (name, said) in &unknown {
            println!("FAILED {name}\n       {said}");
        }
        for name in &mended {
            println!("FAILED {name}\n       it passes: take it out of known.txt");
        }
        let wrong = unknown.len() + mended.len();
        println!("{self}");
        println!("{} passed, {wrong} failed", self.ran - self.failures.len());
        if wrong == 0 && self.ran > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (why, files) in &self.left_out {
            writeln!(f, "left out: {files} files: {why}")?;
        }
        write!(f, "Test262: {} runs in {} s, {} known to fail", self.ran, self.took.as_secs(), self.known.0.len())
    }
}
