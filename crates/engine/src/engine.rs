//! The engine: one per process and profile, shared by all rules.

use std::{
    hash::Hasher,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering, fence},
    },
    thread,
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::{Settings, run_config};

/// A fault of ours or of the machine, never of a rule: the login ends with an internal error, and somebody is paged.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The runtime could not be set up or refused what it must accept.
    #[error("the WebAssembly runtime failed: {0:#}")]
    Runtime(wasmtime::Error),
    /// The compile worker could not be started.
    #[error("the compile worker `{program}` could not be started")]
    Worker {
        /// What was to be run.
        program: String,
        /// Why it was not.
        #[source]
        source: std::io::Error,
    },
    /// The cache of compiled rules could not be read or written.
    #[error("the cache of compiled rules failed at `{path}`")]
    Cache {
        /// The file or folder.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The outbound HTTP client could not be set up.
    #[error("outbound HTTP could not be set up: {0}")]
    Http(String),
    /// The rules that were loaded are not those of the pipeline.
    #[error("the loaded rules are not those of the pipeline")]
    PipelineMismatch,
    /// The engine is being shut down.
    #[error("the engine is shutting down")]
    ShuttingDown,
}

impl From<wasmtime::Error> for EngineError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Runtime(error)
    }
}

/// The sandbox's engine. Cheap to clone; all clones share slots, ticker and lanes.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    wasmtime: wasmtime::Engine,
    settings: Settings,
    compatibility: [u8; 32],
    /// One permit for each run there is a slot for: runs wait here, in order, because a full pool is an error.
    slots: Arc<Semaphore>,
    /// Runs that have used up their first milliseconds take turns here, so that they never occupy every core.
    slow_lane: Arc<Semaphore>,
    ticker: Ticker,
    /// The interpreters that loaded rules run on, so that all of them share one module.
    interpreters: Mutex<Vec<([u8; 32], wasmtime::Module)>>,
}

impl Engine {
    /// Sets up an engine.
    ///
    /// # Errors
    /// [`EngineError::Runtime`] when the machine cannot give what the settings ask for, such as address space.
    pub fn new(settings: Settings) -> Result<Self, EngineError> {
        let wasmtime = wasmtime::Engine::new(&run_config(&settings))?;
        let slots = Arc::new(Semaphore::new(settings.concurrent_runs as usize));
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let ticker = Ticker::start(&wasmtime, settings.tick, Arc::clone(&slots), settings.concurrent_runs as usize)?;
        Ok(Self {
            shared: Arc::new(Shared {
                compatibility: compatibility(&wasmtime),
                slow_lane: Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))),
                wasmtime,
                settings,
                slots,
                ticker,
                interpreters: Mutex::default(),
            }),
        })
    }

    /// What this engine was set up with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// A digest of everything that decides whether compiled code can be loaded here.
    #[must_use]
    pub fn compatibility(&self) -> [u8; 32] {
        self.shared.compatibility
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.wasmtime
    }

    pub(crate) fn slow_lane(&self) -> &Arc<Semaphore> {
        &self.shared.slow_lane
    }

    /// The one module of an interpreter, by its digest; made when the first rule needs it.
    pub(crate) fn interpreter<E>(
        &self,
        digest: [u8; 32],
        load: impl FnOnce() -> Result<wasmtime::Module, E>,
    ) -> Result<wasmtime::Module, E> {
        let mut interpreters = self.shared.interpreters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, module)) = interpreters.iter().find(|(known, _)| *known == digest) {
            return Ok(module.clone());
        }
        let module = load()?;
        interpreters.push((digest, module.clone()));
        Ok(module)
    }

    /// Waits for a slot to run in.
    pub(crate) async fn slot(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        let slot = Arc::clone(&self.shared.slots).acquire_owned().await.map_err(|_| EngineError::ShuttingDown)?;
        self.shared.ticker.wake();
        Ok(slot)
    }
}

fn compatibility(engine: &wasmtime::Engine) -> [u8; 32] {
    struct Digest(Sha256);
    impl Hasher for Digest {
        fn finish(&self) -> u64 {
            0 // The digest is read below; `Hash` implementations only write.
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut digest = Digest(Sha256::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut digest);
    digest.0.finalize().into()
}

/// Advances the epoch, so that running guests come up for air. It sleeps while nothing runs.
#[derive(Debug)]
struct Ticker {
    thread: thread::Thread,
    asleep: Arc<AtomicBool>,
}

impl Ticker {
    /// Ticks without a run before the ticker goes to sleep.
    const IDLE_TICKS: u32 = 100;

    fn start(
        engine: &wasmtime::Engine,
        tick: Duration,
        slots: Arc<Semaphore>,
        all_slots: usize,
    ) -> Result<Self, EngineError> {
        let engine = engine.weak();
        let asleep = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&asleep);
        let ticking = move || {
            let mut idle_ticks = 0;
            loop {
                thread::sleep(tick);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
                drop(engine);
                idle_ticks = if slots.available_permits() == all_slots { idle_ticks + 1 } else { 0 };
                if idle_ticks > Self::IDLE_TICKS {
                    Self::sleep(&shared, || slots.available_permits() == all_slots);
                    idle_ticks = 0;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("vestibule-ticker".to_owned())
            .spawn(ticking)
            .map_err(|error| EngineError::Runtime(error.into()))?;
        Ok(Self { thread: thread.thread().clone(), asleep })
    }

    /// INVARIANT: a run takes its slot before it looks at `asleep`; the ticker sets `asleep` before it looks at the
    /// slots. With a fence between, at least one of them sees the other, so no run goes on without ticks.
    fn sleep(asleep: &AtomicBool, nothing_runs: impl Fn() -> bool) {
        asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        while nothing_runs() && asleep.load(Ordering::SeqCst) {
            thread::park();
        }
        asleep.store(false, Ordering::SeqCst);
    }

    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.asleep.store(false, Ordering::SeqCst);
            self.thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.asleep.store(false, Ordering::SeqCst);
        self.thread.unpark(); // It finds the engine gone and ends.
    }
}
