//! One rule, linked and ready: how it is loaded, and the whole life of one run.
//!
//! INVARIANT: a store serves one run and is dropped after it, whatever happened. Nothing survives the call.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
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
    desk::{Ask, Desk},
    failure,
    heap::Heap,
    http::{HttpGrants, Record, Requests, Source},
    link::{link, link_denials},
    logs::{RawLog, printable},
    meter::Meter,
};

/// How long a run may hold a core before it takes turns with other long runs.
const SPRINT: Duration = Duration::from_millis(2);

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
        [Some(Capability::Core), http, files].into_iter().flatten().collect()
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
pub struct SandboxedRule {
    engine: Engine,
    pre: InstancePre<Guest>,
    memory: ModuleExport,
    run: ModuleExport,
    grants: Grants,
    /// What the rule lays over the memory of a fresh instance, if it runs on an interpreter.
    heap: Option<Heap>,
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
        Ok(SandboxedRule { engine: self.clone(), pre, memory, run, grants, heap: compiled.heap().cloned() })
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
        &self.engine
    }

    /// Instantiates once and throws the instance away: a rule that cannot start is found at deploy (HR-32).
    ///
    /// # Errors
    /// `smoke_failed`, or a fault of the engine.
    pub async fn smoke(&self) -> Result<(), CompileError> {
        match self.prepare(Budget::STANDARD).await? {
            Ok(_prepared) => Ok(()),
            Err(failure) => {
                let message = format!("the module cannot be instantiated: {failure}");
                Err(Refusal::new(RefusalCode::SmokeFailed, message).into())
            }
        }
    }

    /// Runs the rule once on an event in document form.
    ///
    /// # Errors
    /// [`EngineError`] for a fault of ours; the rule's own faults are in [`Run::answer`].
    pub async fn run(&self, event: &[u8], budget: Budget, http: Source) -> Result<Run, EngineError> {
        self.run_shared(Arc::new(event.to_vec()), budget, http).await
    }

    /// As [`SandboxedRule::run`], on an event that the run shares instead of copying; it lets go of it when it ends.
    ///
    /// # Errors
    /// [`EngineError`] for a fault of ours; the rule's own faults are in [`Run::answer`].
    pub async fn run_shared(&self, event: Arc<Vec<u8>>, budget: Budget, http: Source) -> Result<Run, EngineError> {
        if event.len() > limits::EVENT_BYTES {
            let message = format!("the event has {} bytes, allowed are {}", event.len(), limits::EVENT_BYTES);
            return Ok(Run::failed(RuleFailure::new(FailureCode::EventTooLarge, message)));
        }
        let requests = self.grants.http.as_ref().map(|grants| {
            let deadline = tokio::time::Instant::now() + budget.elapsed;
            Requests::new(http, Arc::clone(grants), budget.http_requests, deadline)
        });
        match self.prepare(budget).await? {
            Ok(prepared) => Ok(prepared.run(event, requests).await),
            Err(failure) => Ok(Run::failed(failure)),
        }
    }

    /// Makes a single-use instance, so that a login need not wait for it.
    ///
    /// # Errors
    /// [`EngineError`] for a fault of ours; `Ok(Err(…))` when the module cannot be instantiated.
    pub async fn prepare(&self, budget: Budget) -> Result<Result<PreparedRun, RuleFailure>, EngineError> {
        let slot = self.engine.slot().await?;
        let began = Instant::now();
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
        store.set_fuel(budget.fuel)?;
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let instance = match self.pre.instantiate_async(&mut store).await {
            Ok(instance) => instance,
            Err(error) => return Ok(Err(failure::classify(&error))),
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
        let instantiation = began.elapsed();
        let slow_lane = Arc::clone(self.engine.slow_lane());
        let silence = self.silence();
        Ok(Ok(PreparedRun { store, run, instantiation, slow_lane, silence, _slot: slot }))
    }

    fn lay_over(&self, heap: &Heap, instance: Instance, store: &mut Store<Guest>) -> wasmtime::Result<()> {
        let memory = instance.get_module_export(&mut *store, &self.memory).and_then(wasmtime::Extern::into_memory);
        heap.lay_over(memory.ok_or_else(|| wasmtime::Error::msg("the export `memory` is gone"))?, store)
    }

    /// What it means that a run ends without an answer.
    fn silence(&self) -> RuleFailure {
        match self.heap {
            None => RuleFailure::new(FailureCode::AbiProtocol, "the rule ended without an answer"),
            Some(_) => RuleFailure::new(FailureCode::NoCallback, "the rule ended without calling back"),
        }
    }
}

/// An instance that waits for its one run.
pub struct PreparedRun {
    store: Store<Guest>,
    run: TypedFunc<(), ()>,
    instantiation: Duration,
    slow_lane: Arc<Semaphore>,
    silence: RuleFailure,
    /// Given back when the store is gone: fields drop in order.
    _slot: OwnedSemaphorePermit,
}

impl PreparedRun {
    /// Runs the instance on an event in document form, and throws it away.
    pub async fn run(mut self, event: Arc<Vec<u8>>, requests: Option<Requests>) -> Run {
        let began = Instant::now();
        let desk = Arc::clone(&self.store.data().desk);
        desk.papers().lay_out(event, requests);
        let budget = self.store.data().meter.budget;
        let ended = {
            let call = pin!(self.run.call_async(&mut self.store, ()));
            let mut watch = Watch::new(call, &desk, self.slow_lane, &budget);
            poll_fn(|cx| watch.poll(cx)).await
        };
        let fuel_left = self.store.get_fuel().unwrap_or_default();
        let guest = self.store.into_data();
        let mut spent = guest.meter.spent;
        spent.wall = self.instantiation + began.elapsed();
        // After an abnormal end the counter cannot be trusted: the whole budget is charged (HR-49).
        spent.fuel = if ended.is_ok() { budget.fuel - fuel_left.min(budget.fuel) } else { budget.fuel };
        let http = desk.papers().take_requests().map(Requests::finish).unwrap_or_default();
        let answer = ended
            .map_err(|failure| with_message(failure, guest.failed_with))
            .and_then(|()| guest.answer.ok_or(self.silence));
        Run { answer, spent, logs: guest.log.into_lines(), http }
    }
}

impl Run {
    fn failed(failure: RuleFailure) -> Self {
        Self { answer: Err(failure), spent: Spent::default(), logs: Vec::new(), http: Record::default() }
    }
}

/// Adds the guest's own words to a `guest_error`.
fn with_message(failure: RuleFailure, said: Option<Vec<u8>>) -> RuleFailure {
    let Some(said) = said else { return failure };
    let message: String = printable(&String::from_utf8_lossy(&said)).chars().take(limits::REASON_CHARS).collect();
    RuleFailure::new(failure.code, message)
}

/// Polls one run: serves its desk, keeps its time, and makes long runs take turns.
struct Watch<'r, F> {
    call: Pin<&'r mut F>,
    desk: &'r Desk,
    /// What the guest waits for; it is not polled before there is a reply.
    asked: Option<Ask>,
    /// Time the guest itself ran: waiting does not count.
    ran: Duration,
    allowed: Duration,
    /// When it has to be over, waiting included.
    deadline: Instant,
    turn: Turn,
}

impl<'r, F: Future<Output = wasmtime::Result<()>>> Watch<'r, F> {
    fn new(call: Pin<&'r mut F>, desk: &'r Desk, slow_lane: Arc<Semaphore>, budget: &Budget) -> Self {
        let deadline = Instant::now() + budget.elapsed;
        let turn = Turn::Sprinting(slow_lane);
        Self { call, desk, asked: None, ran: Duration::ZERO, allowed: budget.wall, deadline, turn }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RuleFailure>> {
        loop {
            if let Some(ask) = &mut self.asked {
                ready!(self.desk.poll_serve(ask, cx));
                self.asked = None;
            }
            ready!(self.turn.poll_taken(cx));
            let began = Instant::now();
            let polled = self.call.as_mut().poll(cx);
            self.ran += began.elapsed();
            self.turn.pass_on(self.ran);
            if let Poll::Ready(ended) = polled {
                return Poll::Ready(ended.map_err(|error| failure::classify(&error)));
            }
            self.asked = self.desk.take_ask();
            if self.asked.is_none() {
                // It came up for air on a tick, and has woken itself already.
                let late = self.ran > self.allowed || Instant::now() > self.deadline;
                return if late { Poll::Ready(Err(self.late())) } else { Poll::Pending };
            }
        }
    }

    fn late(&self) -> RuleFailure {
        let message = match self.ran > self.allowed {
            true => format!("the rule ran longer than {} ms", self.allowed.as_millis()),
            false => "the login has no time left".to_owned(),
        };
        RuleFailure::new(FailureCode::DeadlineExceeded, message)
    }
}

type Acquire = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// Whether a run may hold a core now.
enum Turn {
    /// For its first milliseconds it may, always.
    Sprinting(Arc<Semaphore>),
    /// After that it waits for its turn, slice by slice, behind the other long runs.
    Waiting(Arc<Semaphore>, Acquire),
    /// It has its turn for one slice.
    Taken(Arc<Semaphore>, #[expect(dead_code, reason = "held, given back on drop")] Option<OwnedSemaphorePermit>),
}

impl Turn {
    fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(lane, acquire) = self {
            // A closed lane means shutdown; the run then ends by its own limits.
            let permit = ready!(acquire.as_mut().poll(cx)).ok();
            *self = Self::Taken(Arc::clone(lane), permit);
        }
        Poll::Ready(())
    }

    /// Ends a slice: a run that has sprinted long enough goes to the end of the queue.
    fn pass_on(&mut self, ran: Duration) {
        let lane = match self {
            Self::Sprinting(lane) if ran > SPRINT => Arc::clone(lane),
            Self::Taken(lane, _) => Arc::clone(lane),
            Self::Sprinting(_) | Self::Waiting(..) => return,
        };
        let acquire = Box::pin(Arc::clone(&lane).acquire_owned());
        *self = Self::Waiting(lane, acquire);
    }
}
