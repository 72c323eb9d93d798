//! The engine: one per process and profile, shared by all rules.

use std::{
    hash::Hasher,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering, fence},
    },
    thread,
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    hash::Threads,
    ready::Housekeeper,
    rule::admitted,
    settings::{Settings, run_config},
};

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
    /// For hashing that takes long, and cannot take turns.
    hash_threads: Threads,
    housekeeper: Arc<Housekeeper>,
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
        let thread = |error: std::io::Error| EngineError::Runtime(error.into());
        let housekeeper = Arc::new(Housekeeper::start(settings.ready_runs).map_err(thread)?);
        let ticking = Ticking {
            engine: wasmtime.weak(),
            tick: settings.tick,
            slots: Arc::clone(&slots),
            all_slots: settings.concurrent_runs as usize,
            housekeeper: Arc::downgrade(&housekeeper),
            shared: Arc::default(),
        };
        let ticker = ticking.start().map_err(thread)?;
        Ok(Self {
            shared: Arc::new(Shared {
                compatibility: compatibility(&wasmtime),
                slow_lane: Arc::new(Semaphore::new(cores_but_one())),
                hash_threads: Threads::new(cores_but_one()),
                wasmtime,
                settings,
                slots,
                housekeeper,
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

    /// How many instances wait ready for a login that has not come yet.
    #[must_use]
    pub fn ready_runs(&self) -> usize {
        self.shared.housekeeper.waiting()
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.wasmtime
    }

    pub(crate) fn slow_lane(&self) -> &Arc<Semaphore> {
        &self.shared.slow_lane
    }

    pub(crate) fn hash_threads(&self) -> &Threads {
        &self.shared.hash_threads
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

    pub(crate) fn housekeeper(&self) -> &Housekeeper {
        &self.shared.housekeeper
    }

    /// Waits until `deadline` for a slot to run in; `None`: there was none.
    pub(crate) async fn slot(&self, deadline: Instant) -> Result<Option<OwnedSemaphorePermit>, EngineError> {
        let slot = admitted(&self.shared.slots, deadline).await?;
        self.shared.ticker.wake();
        Ok(slot)
    }
}

/// All cores but one, and one at least.
fn cores_but_one() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get).saturating_sub(1).max(1)
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
    shared: Arc<TickerState>,
}

#[derive(Debug, Default)]
struct TickerState {
    is_asleep: AtomicBool,
    is_stopped: AtomicBool,
}

/// What the ticker's thread works with.
struct Ticking {
    engine: wasmtime::EngineWeak,
    tick: Duration,
    slots: Arc<Semaphore>,
    all_slots: usize,
    housekeeper: Weak<Housekeeper>,
    shared: Arc<TickerState>,
}

impl Ticking {
    /// Ticks without a run before the ticker goes to sleep.
    const IDLE_TICKS: u32 = 100;

    fn start(self) -> std::io::Result<Ticker> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("vestibule-ticker".to_owned()).spawn(move || self.tick())?;
        Ok(Ticker { thread: thread.thread().clone(), shared })
    }

    fn tick(self) {
        let mut idle_ticks = 0;
        while !self.shared.is_stopped.load(Ordering::SeqCst) {
            thread::sleep(self.tick);
            let Some(engine) = self.engine.upgrade() else { return };
            engine.increment_epoch();
            drop(engine);
            self.nudge();
            idle_ticks = if self.nothing_runs() { idle_ticks + 1 } else { 0 };
            if idle_ticks > Self::IDLE_TICKS {
                self.sleep();
                idle_ticks = 0;
            }
        }
    }

    fn nudge(&self) {
        if let Some(housekeeper) = self.housekeeper.upgrade() {
            housekeeper.nudge();
        }
    }

    fn nothing_runs(&self) -> bool {
        self.slots.available_permits() == self.all_slots
    }

    /// INVARIANT: a run takes its slot before it looks at `is_asleep`; the ticker sets it before it looks at the slots.
    /// With a fence between, at least one of them sees the other, so no run goes on without ticks. Whoever stops the
    /// ticker says so before waking it, and that is never taken back.
    fn sleep(&self) {
        let TickerState { is_asleep, is_stopped } = &*self.shared;
        is_asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        while self.nothing_runs() && is_asleep.load(Ordering::SeqCst) && !is_stopped.load(Ordering::SeqCst) {
            self.nudge(); // A run that began and ended since the last tick left its chores before it gave its slot back.
            thread::park();
        }
        is_asleep.store(false, Ordering::SeqCst);
    }
}

impl Ticker {
    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.shared.is_asleep.load(Ordering::SeqCst) {
            self.shared.is_asleep.store(false, Ordering::SeqCst);
            self.thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::Profile;

    /// A ticker that stopped has let go of what its thread held.
    fn has_stopped(state: &Weak<TickerState>) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while state.strong_count() > 0 {
            if Instant::now() > deadline {
                return false;
            }
            thread::yield_now();
        }
        true
    }

    #[test]
    fn a_ticker_ends_with_its_engine_at_whatever_moment_that_is() {
        let engine = wasmtime::Engine::default();
        for moment in 0..200 {
            let ticking = Ticking {
                engine: engine.weak(), // It lives on, so that the flag alone can end the thread.
                tick: Duration::from_micros(1),
                slots: Arc::new(Semaphore::new(1)),
                all_slots: 1,
                housekeeper: Weak::new(),
                shared: Arc::default(),
            };
            let state = Arc::downgrade(&ticking.shared);
            let ticker = ticking.start().unwrap();
            thread::sleep(Duration::from_micros(moment * 100));
            drop(ticker);
            assert!(has_stopped(&state), "it sleeps on after {moment}");
        }
    }

    #[test]
    fn an_engine_leaves_no_thread_behind() {
        let engine = Engine::new(Settings { concurrent_runs: 1, ready_runs: 1, ..Settings::new(Profile::Hardened) });
        let state = Arc::downgrade(&engine.unwrap().shared.ticker.shared);
        assert!(has_stopped(&state));
    }
}
