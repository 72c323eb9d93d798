//! The compile worker: the child process in which an upload is pre-initialised and compiled.
//!
//! Compiling is the most dangerous moment of a module's life: a small one can take minutes or gigabytes. So it happens
//! in a process that limits itself before it reads a byte of the module, knows no secrets and can be killed. The worker
//! is the host's own binary: a program that compiles rules calls [`serve_if_asked`] first thing in its `main`.

use std::{
    io::{self, BufRead as _, Read as _},
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use vestibule_abi::{codes::RefusalCode, limits::Budget};

use crate::{Refusal, Tier, evaluate::evaluate, preinit::preinitialise, rule::load_code, settings::compile_config};

/// The variable that makes a program with [`serve_if_asked`] a worker.
pub const VARIABLE: &str = "VESTIBULE_COMPILE_WORKER";

/// The exit code of a worker that ran out of wall-clock time.
pub(crate) const EXIT_TIMED_OUT: i32 = 124;

/// What the parent asks; one line of JSON, followed by the inputs of the task.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    pub(crate) task: Task,
    pub(crate) wall_ms: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) init_fuel: u64,
}

impl Job {
    /// How long it may take.
    pub(crate) const fn wall(&self) -> Duration {
        Duration::from_millis(self.wall_ms)
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Compile a module, the one input.
    Compile { tier: Tier, needs_init: bool },
    /// Evaluate an upload of source, the second input, on an interpreter: the first, so many bytes of code that this
    /// installation compiled.
    Evaluate { code_bytes: u64 },
}

impl Task {
    /// The largest file the worker may write. The memory image of an interpreter is one, in memory and without a name.
    fn file_bytes(self) -> u64 {
        match self {
            Self::Compile { .. } => 0,
            Self::Evaluate { .. } => Budget::CEILING.memory_bytes,
        }
    }
}

/// What the worker answers; one line of JSON, followed by the machine code or heap unless the upload was refused.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verdict {
    /// SHA-256 of the upload this is about, so that an answer cannot be taken for another's.
    pub(crate) digest: [u8; 32],
    /// Why it was refused.
    pub(crate) refused: Option<(RefusalCode, String)>,
}

/// Serves one compile job and ends the process, if this process was started as a worker; else returns at once.
///
/// Call it first in `main`, before threads, configuration or secrets are there.
pub fn serve_if_asked() {
    if std::env::var_os(VARIABLE).is_some() {
        let served = serve(&mut io::stdin().lock(), &mut io::stdout().lock());
        std::process::exit(if served.is_ok() { 0 } else { 1 });
    }
}

fn serve(input: &mut impl io::BufRead, output: &mut impl io::Write) -> io::Result<()> {
    let mut line = String::new();
    input.take(4096).read_line(&mut line)?;
    let job: Job = serde_json::from_str(&line)?;
    confine(&job)?;
    let mut upload = Vec::new();
    let done = match job.task {
        Task::Compile { tier, needs_init } => {
            input.read_to_end(&mut upload)?;
            compile(&upload, tier, needs_init.then_some(job.init_fuel))
        }
        Task::Evaluate { code_bytes } => {
            let mut code = Vec::new();
            input.take(code_bytes).read_to_end(&mut code)?;
            input.read_to_end(&mut upload)?;
            evaluate_with(&code, &upload, job.init_fuel)
        }
    };
    let (refused, artifact) = match done {
        Ok(artifact) => (None, artifact),
        Err(refusal) => (Some((refusal.code, refusal.message)), Vec::new()),
    };
    let verdict = Verdict { digest: Sha256::digest(&upload).into(), refused };
    serde_json::to_writer(&mut *output, &verdict)?;
    output.write_all(b"\n")?;
    output.write_all(&artifact)?;
    output.flush()
}

/// The worker limits itself: CPU, address space, time, and nothing to write to. It keeps its priority, because its time
/// is limited by the wall: a nice one would be starved on a busy machine, and a good module refused.
fn confine(job: &Job) -> io::Result<()> {
    let wall = job.wall();
    let most = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Cpu, most(wall.as_secs() + 1))?;
    setrlimit(Resource::As, most(job.memory_bytes))?;
    setrlimit(Resource::Core, most(0))?;
    setrlimit(Resource::Fsize, most(job.task.file_bytes()))?;
    thread::Builder::new().stack_size(64 * 1024).spawn(move || {
        thread::sleep(wall);
        std::process::exit(EXIT_TIMED_OUT);
    })?;
    Ok(())
}

fn compile(wasm: &[u8], tier: Tier, init_fuel: Option<u64>) -> Result<Vec<u8>, Refusal> {
    let engine = wasmtime::Engine::new(&compile_config(tier)).map_err(|error| crashed(&error))?;
    compile_with(&engine, wasm, init_fuel)
}

/// Evaluates an upload in code that this installation compiled, and returns the heap it left, encoded.
pub(crate) fn evaluate_with(code: &[u8], upload: &[u8], fuel: u64) -> Result<Vec<u8>, Refusal> {
    let engine = wasmtime::Engine::new(&compile_config(Tier::Optimised)).map_err(|error| crashed(&error))?;
    let interpreter = load_code(&engine, code).map_err(|error| crashed(&error))?;
    evaluate(&engine, &interpreter, upload, fuel).map(|heap| heap.encoded().to_vec())
}

/// Pre-initialises a module, where it has to be, and compiles it.
pub(crate) fn compile_with(engine: &wasmtime::Engine, wasm: &[u8], init_fuel: Option<u64>) -> Result<Vec<u8>, Refusal> {
    let initialised = init_fuel.map(|fuel| preinitialise(wasm, fuel)).transpose()?;
    engine.precompile_module(initialised.as_deref().unwrap_or(wasm)).map_err(|error| {
        let message = format!("the compiler does not accept the module: {error:#}");
        Refusal::new(RefusalCode::ModuleMalformed, message)
    })
}

fn crashed(error: &wasmtime::Error) -> Refusal {
    Refusal::new(RefusalCode::CompileCrashed, format!("the compiler could not be set up: {error:#}"))
}
