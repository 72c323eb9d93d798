//! Single-use instances, made ready ahead of the logins that will use them and reset after their outcome is known.
//!
//! A login takes one if there is one, and makes its own otherwise. What it used is put away as it is; a thread of the
//! engine drops it, which resets its memory, and makes the next one ready. INVARIANT: an instance is taken out of
//! [`Ready`] to be run once and never put back.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vestibule_abi::limits::Budget;

use crate::rule::{Linked, PreparedRun};

/// The instance of one rule that waits, if there is one. It goes with the rule: a deploy that replaces it drops both.
#[derive(Default)]
pub(crate) struct Ready {
    waiting: Mutex<Option<ReadyRun>>,
    /// Whether the next one was asked for and is not there yet.
    is_asked_for: AtomicBool,
}

/// An instance that waits for its one run.
pub(crate) struct ReadyRun {
    pub(crate) run: PreparedRun,
    /// Its part of what may wait in all.
    _permit: OwnedSemaphorePermit,
}

impl Ready {
    pub(crate) fn take(&self) -> Option<ReadyRun> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, ready: ReadyRun) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(ready);
    }

    pub(crate) fn is_there(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// What is left to do after logins.
#[derive(Default)]
struct Chores {
    /// Instances that were used.
    used: Vec<ReadyRun>,
    /// Rules whose next instance is to be made, with what its run may spend.
    wanted: Vec<(Weak<Linked>, Budget)>,
}

/// Does the chores, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    shared: Arc<Shared>,
    all_places: usize,
    thread: thread::Thread,
}

#[derive(Debug)]
struct Shared {
    chores: Mutex<Chores>,
    has_chores: AtomicBool,
    is_stopped: AtomicBool,
    /// How many instances may wait in all.
    places: Arc<Semaphore>,
}

impl Housekeeper {
    pub(crate) fn start(places: u32) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            chores: Mutex::default(),
            has_chores: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            places: Arc::new(Semaphore::new(places as usize)),
        });
        let working = Arc::clone(&shared);
        let thread = thread::Builder::new().name("vestibule-housekeeper".to_owned()).spawn(move || working.work())?;
        Ok(Self { shared, all_places: places as usize, thread: thread.thread().clone() })
    }

    /// How many instances wait, or were used and are not dropped yet.
    pub(crate) fn waiting(&self) -> usize {
        self.all_places - self.shared.places.available_permits().min(self.all_places)
    }

    /// Leaves a used instance to be dropped.
    pub(crate) fn put_away(&self, used: ReadyRun) {
        self.shared.chores().used.push(used);
        self.shared.has_chores.store(true, Ordering::Release);
    }

    /// Asks for the next instance of a rule, unless it was asked for or none may ever wait. Returns at once.
    pub(crate) fn want(&self, rule: &Arc<Linked>, budget: Budget) {
        if self.all_places == 0 || rule.ready.is_asked_for.swap(true, Ordering::AcqRel) {
            return;
        }
        self.shared.chores().wanted.push((Arc::downgrade(rule), budget));
        self.shared.has_chores.store(true, Ordering::Release);
    }

    /// Begins with the chores that are there. For the ticker: who runs a login does not pay for waking a thread.
    pub(crate) fn nudge(&self) {
        if self.shared.has_chores.load(Ordering::Acquire) {
            self.thread.unpark();
        }
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Shared {
    fn chores(&self) -> std::sync::MutexGuard<'_, Chores> {
        self.chores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while !self.is_stopped.load(Ordering::Acquire) {
            if self.has_chores.swap(false, Ordering::AcqRel) {
                let Chores { used, wanted } = mem::take(&mut *self.chores());
                drop(used); // First: what is made next finds their memory, warm.
                wanted
                    .into_iter()
                    .filter_map(|(rule, budget)| Some((rule.upgrade()?, budget)))
                    .for_each(|rule| self.make(&rule));
            } else {
                thread::park();
            }
        }
    }

    fn make(&self, (rule, budget): &(Arc<Linked>, Budget)) {
        rule.ready.is_asked_for.store(false, Ordering::Release);
        if rule.ready.is_there() {
            return;
        }
        let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else { return };
        // A rule that cannot be instantiated now says so to the login that tries.
        if let Ok(Ok(run)) = rule.prepare(*budget) {
            rule.ready.put(ReadyRun { run, _permit: permit });
        }
    }
}

impl fmt::Debug for Chores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chores").field("used", &self.used.len()).field("wanted", &self.wanted.len()).finish()
    }
}
