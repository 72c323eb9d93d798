//! One rule, linked and ready: how it is loaded, and the whole life of one run.
//!
//! INVARIANT: a store serves one run and is dropped after it, whatever happened. Nothing survives the call.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use vestibule_abi::{
    codes::{FailureCode, RefusalCode},
    host::{Capability, MEMORY_EXPORT, RUN_EXPORT},
    limits::{self, Budget, Spent},
};
use vestibule_pipeline::RuleFailure;
use wasmtime::{Instance, InstancePre, Linker, Module, ModuleExport, Store, TypedFunc};

use crate::{
    CompiledRule, DataFiles, Engine, EngineError, LogLine, Refusal,
    compiler::CompileError,
    desk::Desk,
    failure,
    hash::{Hashers, Lane},
    heap::Heap,
    http::{HttpGrants, Record, Requests, Source},
    link::{link, link_denials},
    logs::{RawLog, printable},
    meter::Meter,
    ready::Ready,
    slot::{Slot, admitted},
    watch::Watch,
};

/// What a rule was granted, beyond reading its event and answering.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// The origins it may talk to, and the secrets the host puts into its headers.
    pub http: Option<Arc<HttpGrants>>,
    /// Its `data/` folder.
    pub files: Option<Arc<DataFiles>>,
}

impl Grants {
    fn capabilities(&self) -> Vec<Capability> {
        let http = self.http.as_ref().map(|_| Capability::Http);
        let files = self.files.as_ref().map(|_| Capability::Files);
        Capability::ALWAYS.into_iter().chain(http).chain(files).collect()
    }
}

/// What the guest's host functions work on.
pub(crate) struct Guest {
    pub(crate) desk: Arc<Desk>,
    pub(crate) memory: ModuleExport,
    pub(crate) meter: Meter,
    pub(crate) log: RawLog,
    pub(crate) answer: Option<Vec<u8>>,
    pub(crate) failed_with: Option<Vec<u8>>,
    pub(crate) files: Option<Arc<DataFiles>>,
    pub(crate) open_files: Vec<Arc<[u8]>>,
}

/// A rule that is linked to what it was granted. It holds no state: every run gets an instance of its own.
#[derive(Clone)]
pub struct SandboxedRule(Arc<Linked>);

/// What all copies of a [`SandboxedRule`] share.
pub(crate) struct Linked {
    engine: Engine,
    pre: InstancePre<Guest>,
    memory: ModuleExport,
    run: ModuleExport,
    grants: Grants,
    /// What the rule lays over the memory of a fresh instance, if it runs on an interpreter.
    heap: Option<Heap>,
    /// The runs that this rule may have at one time: one that waits for its network leaves room for others.
    slots: Semaphore,
    hash_lane: Lane,
    pub(crate) ready: Ready,
}

/// What one run came to.
#[derive(Debug)]
pub struct Run {
    /// The answer as the guest gave it, or why there is none.
    pub answer: Result<Vec<u8>, RuleFailure>,
    /// What the run used.
    pub spent: Spent,
    /// What it logged.
    pub logs: Vec<LogLine>,
    /// The requests it made and how they ended: what a re-run or a replay answers from.
    pub http: Record,
}

impl Engine {
    /// Links a compiled rule to what it was granted, and proves that it can be instantiated.
    ///
    /// # Errors
    /// `capability_denied` when it imports what was not granted; `smoke_failed` when it cannot be instantiated (HR-32);
    /// `artifact_integrity` when the code was compiled for another engine.
    pub fn load(&self, compiled: &CompiledRule, grants: Grants) -> Result<SandboxedRule, CompileError> {
        let capabilities = grants.capabilities();
        if let Some(missing) = compiled.capabilities().iter().find(|asked| !capabilities.contains(asked)) {
            let message = format!(
                "the rule imports functions of {}, which its manifest does not grant: add `{}` to [capabilities] of \
                 rule.toml",
                missing.namespace(),
                missing.grant_line()
            );
            return Err(Refusal::new(RefusalCode::CapabilityDenied, message).into());
        }
        let module = match compiled.heap() {
            None => self.module(compiled)?,
            Some(_) => self.interpreter(compiled.code().id.module, || self.module(compiled))?,
        };
        let mut linker = Linker::new(self.wasmtime());
        link(&mut linker, &capabilities).map_err(EngineError::from)?;
        if compiled.heap().is_some() {
            // An interpreter imports what any rule may need; what this one was not granted ends its run.
            link_denials(&mut linker, &module, &capabilities).map_err(EngineError::from)?;
        }
        let export = |name| module.get_export_index(name).ok_or_else(|| not_ours(name));
        let (memory, run) = (export(MEMORY_EXPORT)?, export(RUN_EXPORT)?);
        let pre = linker.instantiate_pre(&module).map_err(EngineError::from)?;
        let slots = Semaphore::new(self.settings().runs_of_a_rule());
        let hash_lane = self.hash_threads().of_a_rule();
        let (engine, heap, ready) = (self.clone(), compiled.heap().cloned(), Ready::default());
        Ok(SandboxedRule(Arc::new(Linked { engine, pre, memory, run, grants, heap, slots, hash_lane, ready })))
    }

    fn module(&self, compiled: &CompiledRule) -> Result<Module, CompileError> {
        let code = compiled.code();
        if code.id.compatibility != self.compatibility() {
            return Err(not_ours("another engine"));
        }
        let module = load_code(self.wasmtime(), &code.bytes).map_err(|error| not_ours(&format!("{error:#}")))?;
        module.initialize_copy_on_write_image().map_err(EngineError::from)?;
        Ok(module)
    }
}

/// Makes compiled code callable.
#[expect(unsafe_code, reason = "compiled code is trusted: it is only made by this installation")]
pub(crate) fn load_code(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: the bytes come from a compile worker of this process, or from the cache, where their MAC was verified on
    // this very copy in memory, or, in a worker, from the parent that got them so. No upload and no file reaches this.
    unsafe { Module::deserialize(engine, code) }
}

fn not_ours(what: &str) -> CompileError {
    Refusal::new(RefusalCode::ArtifactIntegrity, format!("the compiled code does not belong here: {what}")).into()
}

impl SandboxedRule {
    /// The engine it runs on.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Instantiates once and throws the instance away: a rule that cannot start is found at deploy (HR-32).
    ///
    /// # Errors
    /// `smoke_failed`, or a fault of the engine.
    pub async fn smoke(&self) -> Result<(), CompileError> {
        let deadline = Instant::now() + Budget::STANDARD.elapsed;
        let instantiated = match self.slot(deadline).await? {
            Ok(_slot) => self.0.prepare(Budget::STANDARD)?.map(drop),
            Err(failure) => Err(failure),
        };
        instantiated.map_err(|failure| {
            let message = format!("the module cannot be instantiated: {failure}");
            Refusal::new(RefusalCode::SmokeFailed, message).into()
        })
    }

    /// Runs the rule once on an event in document form.
    ///
    /// # Errors
    /// [`EngineError`] for a fault of ours; the rule's own faults are in [`Run::answer`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn run(&self, event: &[u8], budget: Budget, http: Source) -> Result<Run, EngineError> {
        self.run_shared(Arc::new(event.to_vec()), budget, http).await
    }

    /// As [`SandboxedRule::run`], on an event that the run shares instead of copying; it lets go of it when it ends.
    ///
    /// # Errors
    /// [`EngineError`] for a fault of ours; the rule's own faults are in [`Run::answer`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn run_shared(&self, event: Arc<Vec<u8>>, budget: Budget, http: Source) -> Result<Run, EngineError> {
        if event.len() > limits::EVENT_BYTES {
            let message = format!("the event has {} bytes, allowed are {}", event.len(), limits::EVENT_BYTES);
            return Ok(Run::failed(RuleFailure::new(FailureCode::EventTooLarge, message), Duration::ZERO));
        }
        let job = Job::new(event, budget);
        let requests = self
            .0
            .grants
            .http
            .as_ref()
            .map(|grants| Requests::new(http, Arc::clone(grants), budget.http_requests, job.deadline.into()));
        let _slot = match self.slot(job.deadline).await? {
            Ok(slot) => slot,
            Err(failure) => return Ok(Run::failed(failure, job.began.elapsed())),
        };
        let housekeeper = self.engine().housekeeper();
        let run = match self.0.ready.take() {
            Some(mut ready) => {
                let run = ready.run.run(&self.0, job, requests).await;
                housekeeper.put_away(ready);
                run
            }
            None => match self.0.prepare(budget)? {
                Ok(mut prepared) => prepared.run(&self.0, job, requests).await,
                Err(failure) => Run::failed(failure, job.began.elapsed()),
            },
        };
        housekeeper.want(&self.0, budget);
        Ok(run)
    }

    /// Whether an instance waits for the next run.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.ready.is_there()
    }

    /// Waits for a slot to run in, of this rule and of the engine.
    async fn slot(&self, deadline: Instant) -> Result<Result<Slot<'_>, RuleFailure>, EngineError> {
        let Some(of_the_rule) = admitted(&self.0.slots, deadline).await? else {
            let message =
                format!("{} runs of this rule are under way already", self.engine().settings().runs_of_a_rule());
            return Ok(Err(RuleFailure::new(FailureCode::Overloaded, message)));
        };
        match self.engine().slot(deadline).await? {
            Some(of_the_engine) => Ok(Ok(Slot::new(of_the_rule, of_the_engine))),
            None => {
                let message = "the engine has more to run than it can; try again";
                Ok(Err(RuleFailure::new(FailureCode::Overloaded, message)))
            }
        }
    }
}

impl Linked {
    /// Makes a single-use instance. No code of the guest runs: a deployed module has no start function.
    pub(crate) fn prepare(&self, budget: Budget) -> Result<Result<PreparedRun, RuleFailure>, EngineError> {
        let guest = Guest {
            desk: Arc::default(),
            memory: self.memory,
            meter: Meter::new(budget),
            log: RawLog::default(),
            answer: None,
            failed_with: None,
            files: self.grants.files.clone(),
            open_files: Vec::new(),
        };
        let mut store = Store::new(self.engine.wasmtime(), guest);
        store.limiter(|guest| &mut guest.meter);
        store.epoch_deadline_async_yield_and_update(1);
        let instance = match self.pre.instantiate_async(&mut store).now_or_never() {
            Some(Ok(instance)) => instance,
            Some(Err(error)) => return Ok(Err(failure::classify(&error))),
            None => return Err(EngineError::Runtime(wasmtime::Error::msg("an instantiation waited for something"))),
        };
        if let Some(heap) = &self.heap
            && let Err(error) = self.lay_over(heap, instance, &mut store)
        {
            return Ok(Err(failure::classify(&error)));
        }
        let run = instance
            .get_module_export(&mut store, &self.run)
            .and_then(wasmtime::Extern::into_func)
            .ok_or_else(|| EngineError::Runtime(wasmtime::Error::msg("the export `run` is gone")))?
            .typed::<(), ()>(&store)?;
        Ok(Ok(PreparedRun { store, run }))
    }

    /// What it means that a run ends without an answer.
    fn silence(&self) -> RuleFailure {
        match self.heap {
            Some(_) => RuleFailure::new(FailureCode::NoCallback, "the rule ended without calling back"),
            None => RuleFailure::new(FailureCode::AbiProtocol, "the rule ended without an answer"),
        }
    }

    fn lay_over(&self, heap: &Heap, instance: Instance, store: &mut Store<Guest>) -> wasmtime::Result<()> {
        let memory = instance.get_module_export(&mut *store, &self.memory).and_then(wasmtime::Extern::into_memory);
        heap.lay_over(memory.ok_or_else(|| wasmtime::Error::msg("the export `memory` is gone"))?, store)
    }
}

/// What one run works on.
struct Job {
    event: Arc<Vec<u8>>,
    budget: Budget,
    began: Instant,
    /// When it has to be over, waiting included.
    deadline: Instant,
}

impl Job {
    fn new(event: Arc<Vec<u8>>, budget: Budget) -> Self {
        let began = Instant::now();
        Self { event, budget, began, deadline: began + budget.elapsed }
    }
}

/// An instance that waits for its one run.
pub(crate) struct PreparedRun {
    store: Store<Guest>,
    run: TypedFunc<(), ()>,
}

impl PreparedRun {
    /// Runs the instance of a rule, once. What is left of it is for dropping.
    async fn run(&mut self, rule: &Linked, job: Job, requests: Option<Requests>) -> Run {
        let Job { event, budget, began, deadline } = job;
        if let Err(failure) = self.grant(budget) {
            return Run::failed(failure, began.elapsed());
        }
        let desk = Arc::clone(&self.store.data().desk);
        let hashers = Hashers { lane: rule.hash_lane.clone(), deadline };
        desk.papers().lay_out(event, requests, hashers);
        let ended = {
            let call = pin!(self.run.call_async(&mut self.store, ()));
            let (lane, tick) = (rule.engine.slow_lane(), rule.engine.settings().tick);
            let mut watch = Watch::new(call, &desk, lane, tick, &budget, deadline);
            poll_fn(|cx| watch.poll(cx)).await
        };
        let fuel_left = self.store.get_fuel().unwrap_or_default();
        let guest = self.store.data_mut();
        let mut spent = guest.meter.spent;
        spent.wall = began.elapsed();
        // After an abnormal end the counter cannot be trusted: the whole budget is charged (HR-49).
        let counted = budget.fuel - fuel_left.min(budget.fuel);
        (spent.fuel, spent.fuel_used) = match &ended {
            Ok(()) => (counted, counted),
            Err(failure) if failure::is_by_host_call(failure.code) => (budget.fuel, counted),
            Err(_) => (budget.fuel, budget.fuel),
        };
        let http = desk.papers().clear().map(Requests::finish).unwrap_or_default();
        let (answer, said) = (guest.answer.take(), guest.failed_with.take());
        let answer =
            ended.map_err(|failure| with_message(failure, said)).and_then(|()| answer.ok_or_else(|| rule.silence()));
        Run { answer, spent, logs: std::mem::take(&mut guest.log).into_lines(), http }
    }

    /// Sets what the run may spend: it may be less than when the instance was made.
    fn grant(&mut self, budget: Budget) -> Result<(), RuleFailure> {
        self.store.set_epoch_deadline(1);
        self.store.set_fuel(budget.fuel).map_err(|error| failure::classify(&error))?;
        self.store.data_mut().meter.grant(budget).map_err(|stop| stop.0)
    }
}

impl Run {
    fn failed(failure: RuleFailure, wall: Duration) -> Self {
        let spent = Spent { wall, ..Spent::default() };
        Self { answer: Err(failure), spent, logs: Vec::new(), http: Record::default() }
    }
}

/// Adds the guest's own words to a `guest_error`.
fn with_message(failure: RuleFailure, said: Option<Vec<u8>>) -> RuleFailure {
    let Some(said) = said else { return failure };
    let message: String = printable(&String::from_utf8_lossy(&said)).chars().take(limits::REASON_CHARS).collect();
    RuleFailure::new(failure.code, message)
}
