//! From an inspected upload to machine code: the parent's side of the compile worker.
//!
//! INVARIANT: a [`CompiledRule`] is made here and nowhere else, from a worker this process started or from the cache
//! after its MAC was verified; `Engine::load` trusts it for that reason. (Tests have a door of their own behind the
//! feature `in-process-compile`, which no shipped binary switches on.)

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    sync::{Mutex, Semaphore, SemaphorePermit},
    time::timeout,
};
use vestibule_abi::{codes::RefusalCode, host::Capability};

use crate::{
    CompileLimits, Engine, EngineError, Grants, Inspected, Refusal, SandboxedRule,
    cache::{ArtifactId, Cache},
    heap::Heap,
    settings::EVALUATION_ADDRESS_SPACE,
    worker::{self, Job, Task, Verdict},
};

/// How hard the compiler tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// With optimisation.
    Optimised = 0,
    /// Without, in linear time: for modules that take the optimiser too long.
    Baseline = 1,
}

impl Tier {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Optimised => "optimised",
            Self::Baseline => "baseline",
        }
    }
}

/// Machine code, made by this installation for one kind of engine.
#[derive(Debug)]
pub(crate) struct MachineCode {
    pub(crate) id: ArtifactId,
    pub(crate) bytes: Vec<u8>,
}

/// One rule, ready to be linked: its machine code, or the interpreter's and what the rule laid over its memory.
#[derive(Debug, Clone)]
pub struct CompiledRule {
    code: Arc<MachineCode>,
    heap: Option<Heap>,
    digest: [u8; 32],
    capabilities: BTreeSet<Capability>,
    from_cache: bool,
}

impl CompiledRule {
    /// How hard the compiler tried.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.code.id.tier
    }

    /// SHA-256 of the upload.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What this rule takes for itself, in bytes: its machine code, or what it laid over the interpreter's memory.
    #[must_use]
    pub fn code_bytes(&self) -> usize {
        self.heap.as_ref().map_or(self.code.bytes.len(), |heap| heap.encoded().len())
    }

    /// Whether it came from the cache.
    #[must_use]
    pub fn is_from_cache(&self) -> bool {
        self.from_cache
    }

    /// Code that was compiled in this process.
    #[cfg(feature = "in-process-compile")]
    pub(crate) fn compiled_here(engine: &Engine, inspected: &Inspected, tier: Tier, code: Vec<u8>) -> Self {
        Self::new(MachineCode { id: artifact_id(engine, inspected, tier), bytes: code }, inspected, false)
    }

    fn new(code: MachineCode, inspected: &Inspected, from_cache: bool) -> Self {
        let (digest, capabilities) = (inspected.digest, inspected.capabilities.clone());
        Self { code: Arc::new(code), heap: None, digest, capabilities, from_cache }
    }

    /// A rule that is what an upload laid over an interpreter's memory.
    pub(crate) fn on_interpreter(code: Arc<MachineCode>, heap: Heap, inspected: &Inspected, from_cache: bool) -> Self {
        let (digest, capabilities) = (inspected.digest, inspected.capabilities.clone());
        Self { code, heap: Some(heap), digest, capabilities, from_cache }
    }

    pub(crate) fn code(&self) -> &Arc<MachineCode> {
        &self.code
    }

    pub(crate) fn heap(&self) -> Option<&Heap> {
        self.heap.as_ref()
    }

    pub(crate) fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.capabilities
    }
}

/// Why there is no code: the module's fault or ours.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The module is not accepted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something of ours failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Uploads compiled at one time.
const AT_ONE_TIME: usize = 2;
/// Uploads that are compiled or wait for it; the next is refused at once (HR-20).
const IN_ALL: usize = 32;

/// Who is compiled, and who waits for it.
#[derive(Debug)]
struct Queue {
    turns: Semaphore,
    places: Semaphore,
}

impl Default for Queue {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONE_TIME), places: Semaphore::new(IN_ALL) }
    }
}

impl Queue {
    /// Waits for a turn, which is over when the permits are dropped.
    async fn turn(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), CompileError> {
        let place = self.places.try_acquire().map_err(|_| {
            let message = format!("{IN_ALL} uploads are compiled or wait for it already: try again in a minute");
            Refusal::new(RefusalCode::CompileQueueFull, message)
        })?;
        let turn = self.turns.acquire().await.map_err(|_| EngineError::ShuttingDown)?;
        Ok((turn, place))
    }
}

/// Compiles uploads in child processes, a few at a time, and remembers the results.
#[derive(Debug)]
pub struct Compiler {
    worker: PathBuf,
    worker_args: Vec<OsString>,
    limits: CompileLimits,
    cache: Option<Cache>,
    queue: Queue,
    /// The interpreters that rules were evaluated in: each is compiled once.
    interpreters: Mutex<Vec<Arc<MachineCode>>>,
}

impl Compiler {
    /// A compiler whose worker is this very program, which must call [`worker::serve_if_asked`] in its `main`.
    ///
    /// # Errors
    /// [`EngineError::Worker`] when the program does not know its own path.
    pub fn new(cache: Option<Cache>) -> Result<Self, EngineError> {
        let program = std::env::current_exe()
            .map_err(|source| EngineError::Worker { program: "the running program".to_owned(), source })?;
        Ok(Self::with_worker(program, cache))
    }

    /// A compiler whose worker is another program that calls [`worker::serve_if_asked`].
    #[must_use]
    pub fn with_worker(program: impl Into<PathBuf>, cache: Option<Cache>) -> Self {
        Self {
            worker: program.into(),
            worker_args: Vec::new(),
            limits: CompileLimits::STANDARD,
            cache,
            queue: Queue::default(),
            interpreters: Mutex::default(),
        }
    }

    /// The same with arguments for the worker.
    #[must_use]
    pub fn worker_args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.worker_args = args.into_iter().map(Into::into).collect();
        self
    }

    /// The same with other limits.
    #[must_use]
    pub fn limits(mut self, limits: CompileLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Compiles an upload for an engine, or takes it from the cache.
    ///
    /// A module that takes the optimiser too long or too much memory is tried once more without optimisation. JavaScript
    /// is evaluated instead, on its interpreter, which is compiled when the first rule needs it.
    ///
    /// # Errors
    /// [`CompileError::Refused`] with `compile_timeout`, `compile_memory`, `compile_crashed` or `init_failed`;
    /// [`CompileError::Engine`] when no worker could be started.
    pub async fn compile(&self, engine: &Engine, inspected: &Inspected) -> Result<CompiledRule, CompileError> {
        match &inspected.interpreter {
            None => self.compile_module(engine, inspected, &self.limits).await,
            Some(interpreter) => {
                let code = self.interpreter(engine, interpreter).await?;
                self.evaluate(inspected, code).await
            }
        }
    }

    async fn compile_module(
        &self,
        engine: &Engine,
        inspected: &Inspected,
        limits: &CompileLimits,
    ) -> Result<CompiledRule, CompileError> {
        if let Some(cached) = self.cached(engine, inspected) {
            return Ok(cached);
        }
        let _turn = self.queue.turn().await?;
        match self.attempt(engine, inspected, Tier::Optimised, limits).await {
            Err(CompileError::Refused(refusal)) if worth_another_try(refusal.code) => {
                self.attempt(engine, inspected, Tier::Baseline, limits).await
            }
            other => other,
        }
    }

    /// Compiles a module, links it to its grants and proves that it starts: all that stands between an upload and a login.
    ///
    /// # Errors
    /// As [`Compiler::compile`], [`Engine::load`] and [`SandboxedRule::smoke`].
    pub async fn ready(
        &self,
        engine: &Engine,
        inspected: &Inspected,
        grants: Grants,
    ) -> Result<(SandboxedRule, CompiledRule), CompileError> {
        let compiled = self.compile(engine, inspected).await?;
        let rule = engine.load(&compiled, grants)?;
        rule.smoke().await?;
        Ok((rule, compiled))
    }

    /// The machine code of an interpreter. Whoever asks while it is compiled waits for it.
    async fn interpreter(&self, engine: &Engine, interpreter: &Inspected) -> Result<Arc<MachineCode>, CompileError> {
        let mut compiled = self.interpreters.lock().await;
        let is_it = |code: &&Arc<MachineCode>| {
            code.id.module == interpreter.digest && code.id.compatibility == engine.compatibility()
        };
        if let Some(known) = compiled.iter().find(is_it) {
            return Ok(Arc::clone(known));
        }
        let code = self.compile_module(engine, interpreter, &CompileLimits::INTERPRETER).await?.code;
        compiled.push(Arc::clone(&code));
        Ok(code)
    }

    /// Evaluates an upload on its interpreter, or takes what it came to from the cache.
    async fn evaluate(&self, inspected: &Inspected, code: Arc<MachineCode>) -> Result<CompiledRule, CompileError> {
        let id = heap_id(inspected, &code);
        let cached = self.cache.as_ref().and_then(|cache| cache.get(&id)).and_then(Heap::decode);
        if let Some(heap) = cached {
            return Ok(CompiledRule::on_interpreter(code, heap, inspected, true));
        }
        let _turn = self.queue.turn().await?;
        let wall = self.limits.optimised;
        let task = Task::Evaluate { code_bytes: code.bytes.len() as u64 };
        let job = self.job(task, &CompileLimits { memory_bytes: EVALUATION_ADDRESS_SPACE, ..self.limits }, wall);
        let bytes = self.in_worker(&job, &[&code.bytes, &inspected.bytes], inspected, wall).await?;
        let heap = Heap::decode(bytes).ok_or_else(|| crashed("it answered with no heap"))?;
        self.keep(&id, heap.encoded());
        Ok(CompiledRule::on_interpreter(code, heap, inspected, false))
    }

    /// Remembers an artifact. A cache that cannot be written costs time, not logins.
    fn keep(&self, id: &ArtifactId, bytes: &[u8]) {
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(id, bytes)
        {
            tracing::warn!(%error, "compiled rule not cached");
        }
    }

    fn job(&self, task: Task, limits: &CompileLimits, wall: Duration) -> Job {
        let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Job { task, wall_ms, memory_bytes: limits.memory_bytes, init_fuel: limits.init_fuel }
    }

    fn cached(&self, engine: &Engine, inspected: &Inspected) -> Option<CompiledRule> {
        let cache = self.cache.as_ref()?;
        [Tier::Optimised, Tier::Baseline].into_iter().find_map(|tier| {
            let id = artifact_id(engine, inspected, tier);
            let bytes = cache.get(&id)?;
            Some(CompiledRule::new(MachineCode { id, bytes }, inspected, true))
        })
    }

    async fn attempt(
        &self,
        engine: &Engine,
        inspected: &Inspected,
        tier: Tier,
        limits: &CompileLimits,
    ) -> Result<CompiledRule, CompileError> {
        let wall = match tier {
            Tier::Optimised => limits.optimised,
            Tier::Baseline => limits.baseline,
        };
        let job = self.job(Task::Compile { tier, needs_init: inspected.needs_init }, limits, wall);
        let bytes = self.in_worker(&job, &[&inspected.bytes], inspected, wall).await?;
        let id = artifact_id(engine, inspected, tier);
        self.keep(&id, &bytes);
        Ok(CompiledRule::new(MachineCode { id, bytes }, inspected, false))
    }

    /// Has a worker do a job on these inputs, the last of which is the upload.
    async fn in_worker(
        &self,
        job: &Job,
        inputs: &[&[u8]],
        inspected: &Inspected,
        wall: Duration,
    ) -> Result<Vec<u8>, CompileError> {
        let started = |source| EngineError::Worker { program: self.worker.display().to_string(), source };
        let mut child = Command::new(&self.worker)
            .args(&self.worker_args)
            .env_clear() // The worker has nothing to know.
            .env(worker::VARIABLE, "1")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(started)?;
        // The worker watches its own clock; the parent's is for one that does not.
        let grace = wall + Duration::from_millis(250);
        let talk = timeout(grace, talk(&mut child, job, inputs, self.limits.artifact_bytes)).await;
        let Ok(talked) = talk else {
            // Dead and gone before the next takes its turn: two workers at a time are two, with memory for two.
            let _already_dead = child.kill().await;
            return Err(timed_out(wall).into());
        };
        let said = talked.map_err(|error| crashed(&format!("its pipes failed: {error}")))?;
        if !said.status.success() && !said.is_cut {
            return Err(died(&said, wall, job.memory_bytes).into());
        }
        verdict(said.output, inspected, self.limits.artifact_bytes).map_err(CompileError::Refused)
    }
}

fn artifact_id(engine: &Engine, inspected: &Inspected, tier: Tier) -> ArtifactId {
    ArtifactId { module: inspected.digest, compatibility: engine.compatibility(), tier }
}

/// Names the heap an upload leaves on one interpreter, apart from every name of machine code.
fn heap_id(inspected: &Inspected, code: &MachineCode) -> ArtifactId {
    let mut digest = Sha256::new_with_prefix(b"vestibule heap 1");
    digest.update(code.id.module);
    digest.update(inspected.digest);
    ArtifactId { module: digest.finalize().into(), ..code.id }
}

fn worth_another_try(code: RefusalCode) -> bool {
    matches!(code, RefusalCode::CompileTimeout | RefusalCode::CompileMemory | RefusalCode::CompileCrashed)
}

/// What came out of a worker.
struct Said {
    status: ExitStatus,
    output: Vec<u8>,
    /// Whether it was killed because it said more than it may.
    is_cut: bool,
    errors: Vec<u8>,
}

async fn talk(child: &mut Child, job: &Job, inputs: &[&[u8]], artifact_bytes: u64) -> io::Result<Said> {
    const LINE_BYTES: u64 = 8 * 1024;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(io::Error::other("a pipe is missing"));
    };
    let mut line = serde_json::to_vec(job)?;
    line.push(b'\n');
    let write = async {
        // A worker that died does not read; how it died says why.
        let _broken_pipe = stdin.write_all(&line).await;
        for input in inputs {
            let _broken_pipe = stdin.write_all(input).await;
        }
        drop(stdin);
        Ok(())
    };
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut stdout = stdout.take(artifact_bytes + LINE_BYTES + 1);
    let mut stderr = stderr.take(LINE_BYTES);
    let read = async {
        stdout.read_to_end(&mut output).await?;
        let is_cut = stdout.limit() == 0;
        if is_cut {
            child.start_kill()?; // It would wait for ever to write the rest, and we for its last error.
        }
        Ok(is_cut)
    };
    let ((), is_cut, _) = tokio::try_join!(write, read, stderr.read_to_end(&mut errors))?;
    Ok(Said { status: child.wait().await?, output, is_cut, errors })
}

/// Reads the verdict line and returns the code behind it.
fn verdict(mut output: Vec<u8>, inspected: &Inspected, artifact_bytes: u64) -> Result<Vec<u8>, Refusal> {
    let end = output.iter().position(|byte| *byte == b'\n').ok_or_else(|| crashed("it answered nothing"))?;
    let line: Vec<u8> = output.drain(..=end).collect();
    let code = output; // What is left, without another copy of up to 24 MiB.
    let verdict: Verdict = serde_json::from_slice(&line).map_err(|_| crashed("it answered nonsense"))?;
    if verdict.digest != inspected.digest {
        return Err(crashed("it answered for another module"));
    }
    if let Some((code, message)) = verdict.refused {
        return Err(Refusal::new(code, message));
    }
    if code.len() as u64 > artifact_bytes {
        let message = format!("the compiled code has more than {artifact_bytes} bytes");
        return Err(Refusal::new(RefusalCode::CompileMemory, message));
    }
    Ok(code)
}

/// Says what killed a worker.
fn died(said: &Said, wall: Duration, memory_bytes: u64) -> Refusal {
    use std::os::unix::process::ExitStatusExt as _;
    const SIGXCPU: i32 = 24;
    const SIGKILL: i32 = 9;
    let out_of_memory = said.errors.windows(17).any(|window| window == b"memory allocation");
    match (said.status.code(), said.status.signal()) {
        (Some(worker::EXIT_TIMED_OUT), _) | (_, Some(SIGXCPU)) => timed_out(wall),
        // The hard CPU limit and the kernel's out-of-memory killer both kill; the clock was not up, so it was memory
        // only if the worker said so.
        (_, Some(SIGKILL)) if !out_of_memory => crashed("it was killed"),
        _ if out_of_memory => {
            let message = format!("compiling needs more than {memory_bytes} bytes of memory");
            Refusal::new(RefusalCode::CompileMemory, message)
        }
        _ => crashed(&format!("it ended with {}", said.status)),
    }
}

fn timed_out(wall: Duration) -> Refusal {
    let message =
        format!("compiling takes longer than {} ms; make the module or its largest function smaller", wall.as_millis());
    Refusal::new(RefusalCode::CompileTimeout, message)
}

fn crashed(how: &str) -> Refusal {
    Refusal::new(RefusalCode::CompileCrashed, format!("the compile worker failed: {how}"))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_queue_of_uploads_is_bounded_and_says_so() {
        let queue = Queue::default();
        let mut turns: Vec<_> = (0..IN_ALL).map(|_| Box::pin(queue.turn())).collect();
        let held: Vec<_> = turns.iter_mut().filter_map(|turn| turn.now_or_never()).collect();
        assert_eq!(held.len(), AT_ONE_TIME, "at one time");
        let refused = queue.turn().now_or_never().unwrap().unwrap_err();
        assert!(matches!(&refused, CompileError::Refused(refusal) if refusal.code == RefusalCode::CompileQueueFull));
        drop((held, turns));
        assert!(queue.turn().now_or_never().unwrap().is_ok());
    }
}
