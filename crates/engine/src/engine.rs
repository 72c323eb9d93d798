//! The engine: one per process and profile, shared by all rules.

use std::{
    hash::Hasher,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    hash::Threads,
    ready::Housekeeper,
    settings::{Settings, run_config},
    slot::admitted,
    ticker::{Ticker, Ticking},
    watch::SlowLane,
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
    /// Runs that have held a core for too long take turns here, so that they never occupy every core.
    slow_lane: Arc<SlowLane>,
    /// For hashing that takes long, and cannot take turns.
    hash_threads: Threads,
    housekeeper: Housekeeper,
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
        let slow_lane = Arc::new(SlowLane::new(cores_but_one()));
        let ticking = Ticking {
            engine: wasmtime.weak(),
            tick: settings.tick,
            slow_lane: Arc::clone(&slow_lane),
            slots: Arc::clone(&slots),
            all_slots: settings.concurrent_runs as usize,
            shared: Arc::default(),
        };
        let ticker = ticking.start().map_err(|error| EngineError::Runtime(error.into()))?;
        Ok(Self {
            shared: Arc::new(Shared {
                compatibility: compatibility(&wasmtime),
                slow_lane,
                hash_threads: Threads::new(cores_but_one()),
                wasmtime,
                housekeeper: Housekeeper::new(settings.ready_runs),
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

    /// How many instances wait ready for a login that has not come yet.
    #[must_use]
    pub fn ready_runs(&self) -> usize {
        self.shared.housekeeper.waiting()
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.wasmtime
    }

    pub(crate) fn slow_lane(&self) -> &SlowLane {
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
    pub(crate) async fn slot(&self, deadline: Instant) -> Result<Option<SemaphorePermit<'_>>, EngineError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Profile, ticker::tests::has_stopped};

    #[test]
    fn an_engine_leaves_no_thread_behind() {
        let engine = Engine::new(Settings { concurrent_runs: 1, ready_runs: 1, ..Settings::new(Profile::Hardened) });
        let state = engine.unwrap().shared.ticker.state();
        assert!(has_stopped(&state));
    }
}
