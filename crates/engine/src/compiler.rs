//! From an inspected upload to machine code: who is compiled when, and what is remembered of it.
//!
//! INVARIANT: a [`CompiledRule`] is made here and nowhere else, from a worker this process started or from the cache
//! after its MAC was verified; `Engine::load` trusts it for that reason. (Tests have a door of their own behind the
//! feature `in-process-compile`, which no shipped binary switches on.)

use std::{
    collections::{HashSet, VecDeque},
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, Notify, Semaphore, SemaphorePermit};
use vestibule_abi::codes::RefusalCode;

use self::child::{Worker, crashed};
pub(crate) use self::compiled::MachineCode;
pub use self::compiled::{CompiledRule, Tier};
use crate::{
    CompileLimits, Engine, EngineError, Grants, Inspected, Refusal, SandboxedRule,
    cache::{ArtifactId, Cache},
    heap::Heap,
    settings::EVALUATION_ADDRESS_SPACE,
    worker::{Job, Task},
};

mod child;
mod compiled;

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

/// What was compiled without optimisation, for [`Compiler::optimise_next`].
#[derive(Debug, Default)]
struct Unoptimised {
    modules: std::sync::Mutex<Modules>,
    has_come: Notify,
}

#[derive(Debug, Default)]
struct Modules {
    waiting: VecDeque<Inspected>,
    /// Those that waited once: what takes the optimiser too long is not tried for ever.
    known: HashSet<[u8; 32]>,
}

impl Unoptimised {
    /// Keeps a module for later, once and if there is room.
    fn keep(&self, module: &Inspected) {
        let mut modules = self.modules();
        if modules.waiting.len() < IN_ALL && modules.known.insert(module.digest) {
            modules.waiting.push_back(module.clone());
            self.has_come.notify_one();
        }
    }

    /// Waits for the next module.
    async fn next(&self) -> Inspected {
        loop {
            let next = self.modules().waiting.pop_front();
            match next {
                Some(module) => return module,
                None => self.has_come.notified().await,
            }
        }
    }

    fn modules(&self) -> std::sync::MutexGuard<'_, Modules> {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compiles uploads in child processes, a few at a time, and remembers the results.
#[derive(Debug)]
pub struct Compiler {
    worker: Worker,
    limits: CompileLimits,
    cache: Option<Cache>,
    queue: Queue,
    unoptimised: Unoptimised,
    /// The interpreters that rules were evaluated in: each is compiled once.
    interpreters: Mutex<Vec<Arc<MachineCode>>>,
}

impl Compiler {
    /// A compiler whose worker is this very program, which must call [`crate::worker::serve_if_asked`] in its `main`.
    ///
    /// # Errors
    /// [`EngineError::Worker`] when the program does not know its own path.
    pub fn new(cache: Option<Cache>) -> Result<Self, EngineError> {
        let program = std::env::current_exe()
            .map_err(|source| EngineError::Worker { program: "the running program".to_owned(), source })?;
        Ok(Self::with_worker(program, cache))
    }

    /// A compiler whose worker is another program that calls [`crate::worker::serve_if_asked`].
    #[must_use]
    pub fn with_worker(program: impl Into<PathBuf>, cache: Option<Cache>) -> Self {
        Self {
            worker: Worker { program: program.into(), args: Vec::new() },
            limits: CompileLimits::STANDARD,
            cache,
            queue: Queue::default(),
            unoptimised: Unoptimised::default(),
            interpreters: Mutex::default(),
        }
    }

    /// The same with arguments for the worker.
    #[must_use]
    pub fn worker_args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.worker.args = args.into_iter().map(Into::into).collect();
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
    /// A module that takes the optimiser too long or too much memory is tried once more without optimisation, and waits
    /// for [`Compiler::optimise_next`]. JavaScript is evaluated instead, on its interpreter, which is compiled when the
    /// first rule needs it.
    ///
    /// # Errors
    /// [`CompileError::Refused`] with `compile_timeout`, `compile_memory`, `compile_crashed` or `init_failed`;
    /// [`CompileError::Engine`] when no worker could be started.
    pub async fn compile(&self, engine: &Engine, inspected: &Inspected) -> Result<CompiledRule, CompileError> {
        match &inspected.interpreter {
            None => {
                let compiled = self.compile_module(engine, inspected, &self.limits).await?;
                if compiled.tier() == Tier::Baseline {
                    self.unoptimised.keep(inspected);
                }
                Ok(compiled)
            }
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

    /// Waits for a module that was compiled without optimisation, and tries once more with it: the machine may have been
    /// busy. What comes of it is in the cache, for whoever loads the rule next.
    ///
    /// Whoever has time for that calls it again and again, beside logins; each module comes once.
    ///
    /// # Errors
    /// As [`Compiler::compile`]; the module stays as it is.
    pub async fn optimise_next(&self, engine: &Engine) -> Result<CompiledRule, CompileError> {
        let module = self.unoptimised.next().await;
        let _turn = self.queue.turn().await?;
        self.attempt(engine, &module, Tier::Optimised, &self.limits).await
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
        let code = Arc::clone(self.compile_module(engine, interpreter, &CompileLimits::INTERPRETER).await?.code());
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
        let bytes = self.in_worker(&job, &[&code.bytes, &inspected.bytes], inspected).await?;
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
            let id = ArtifactId::of(engine, inspected, tier);
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
        let bytes = self.in_worker(&job, &[&inspected.bytes], inspected).await?;
        let id = ArtifactId::of(engine, inspected, tier);
        self.keep(&id, &bytes);
        Ok(CompiledRule::new(MachineCode { id, bytes }, inspected, false))
    }

    async fn in_worker(&self, job: &Job, inputs: &[&[u8]], inspected: &Inspected) -> Result<Vec<u8>, CompileError> {
        self.worker.work(job, inputs, inspected.digest, self.limits.artifact_bytes).await
    }
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
