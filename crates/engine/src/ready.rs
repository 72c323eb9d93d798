//! Single-use instances, made ready ahead of the logins that will use them and reset after their outcome is known.
//!
//! A login takes one if there is one, and makes its own otherwise. What it used is put away as it is, and dropped, which
//! resets its memory, when the login next waits for something; then the next one is made. INVARIANT: an instance is taken
//! out of [`Ready`] to be run once and never put back.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
};
use vestibule_abi::limits::Budget;

use crate::rule::{Linked, PreparedRun};

/// The instance of one rule that waits, if there is one. It goes with the rule: a deploy that replaces it drops both.
#[derive(Default)]
pub(crate) struct Ready {
    waiting: Mutex<Option<ReadyRun>>,
    /// Whether one waits: read without the lock, which runs of one rule would else hand to each other.
    is_there: AtomicBool,
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
        if !self.is_there() {
            return None;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_there.store(false, Ordering::Release);
        waiting.take()
    }

    fn put(&self, ready: ReadyRun) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = Some(ready);
        self.is_there.store(true, Ordering::Release);
    }

    pub(crate) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Acquire)
    }
}

/// What is left to do after a run.
enum Chore {
    /// Drop an instance that was used.
    Reset(ReadyRun),
    /// Make the next instance of a rule, whose run may spend so much.
    Make(Weak<Linked>, Budget),
}

/// Does the chores, as a task of the runtime that the logins run on. It runs when the login that spawned it next waits for
/// something, as a rule on the same core, where all that it touches is warm; a thread of its own would fetch it from one
/// core and leave it to another.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    shared: Arc<Shared>,
    all_places: usize,
}

#[derive(Debug)]
struct Shared {
    chores: Mutex<Chores>,
    /// How many instances may wait in all.
    places: Arc<Semaphore>,
}

/// What is left to do. All that was used is dropped before anything is made, which may need the place and finds the memory
/// warm. INVARIANT: a run puts away what it used before it asks for the next.
#[derive(Default)]
struct Chores {
    used: Vec<ReadyRun>,
    wanted: VecDeque<(Weak<Linked>, Budget)>,
    /// Whether a task does them.
    are_underway: bool,
}

impl Housekeeper {
    pub(crate) fn new(places: u32) -> Self {
        let shared = Shared { chores: Mutex::default(), places: Arc::new(Semaphore::new(places as usize)) };
        Self { shared: Arc::new(shared), all_places: places as usize }
    }

    /// How many instances wait, or were used and are not dropped yet.
    pub(crate) fn waiting(&self) -> usize {
        self.all_places - self.shared.places.available_permits().min(self.all_places)
    }

    /// Leaves a used instance to be dropped.
    pub(crate) fn put_away(&self, used: ReadyRun) {
        self.leave(|chores| chores.used.push(used));
    }

    /// Asks for the next instance of a rule, unless it was asked for or none may ever wait. Returns at once.
    pub(crate) fn want(&self, rule: &Arc<Linked>, budget: Budget) {
        let Ready { is_asked_for, .. } = &rule.ready; // Looked at first: where all runs find it so, none writes.
        if self.all_places > 0 && !is_asked_for.load(Ordering::Acquire) && !is_asked_for.swap(true, Ordering::AcqRel) {
            self.leave(|chores| chores.wanted.push_back((Arc::downgrade(rule), budget)));
        }
    }

    fn leave(&self, chore: impl FnOnce(&mut Chores)) {
        let mut chores = self.shared.chores();
        chore(&mut chores);
        if !chores.are_underway {
            chores.are_underway = true;
            drop(chores);
            task::spawn(Underway { shared: Arc::clone(&self.shared), is_done: false }.work());
        }
    }
}

/// The one task that does the chores.
struct Underway {
    shared: Arc<Shared>,
    is_done: bool,
}

impl Underway {
    /// So long it holds a core, and until the chore is done that it is at; then others that wait have their turn.
    const SLICE: Duration = Duration::from_micros(100);

    async fn work(mut self) {
        let mut began = Instant::now();
        while let Some(chore) = self.shared.next() {
            chore.carry_out(&self.shared.places);
            if began.elapsed() > Self::SLICE {
                task::yield_now().await;
                began = Instant::now();
            }
        }
        self.is_done = true;
    }
}

impl Drop for Underway {
    /// A runtime that ends before they are done: the rules' next runs ask again.
    fn drop(&mut self) {
        if !self.is_done {
            let Chores { used, wanted, .. } = mem::take(&mut *self.shared.chores());
            drop(used);
            wanted.iter().for_each(|(rule, _)| drop(asked_for(rule)));
        }
    }
}

impl Shared {
    fn chores(&self) -> MutexGuard<'_, Chores> {
        self.chores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next chore; `None`: all are done, and whoever leaves one has to see to it.
    fn next(&self) -> Option<Chore> {
        let mut chores = self.chores();
        let used = chores.used.pop().map(Chore::Reset);
        let next = used.or_else(|| chores.wanted.pop_front().map(|(rule, budget)| Chore::Make(rule, budget)));
        chores.are_underway = next.is_some();
        next
    }
}

impl Chore {
    fn carry_out(self, places: &Arc<Semaphore>) {
        match self {
            Self::Reset(used) => drop(used),
            Self::Make(rule, budget) => {
                if let Some(rule) = asked_for(&rule) {
                    make(&rule, budget, places);
                }
            }
        }
    }
}

/// The rule whose next instance was asked for, if it is still there; from now on it can be asked for again.
fn asked_for(rule: &Weak<Linked>) -> Option<Arc<Linked>> {
    rule.upgrade().inspect(|rule| rule.ready.is_asked_for.store(false, Ordering::Release))
}

fn make(rule: &Linked, budget: Budget, places: &Arc<Semaphore>) {
    if rule.ready.is_there() {
        return;
    }
    let Ok(permit) = Arc::clone(places).try_acquire_owned() else { return };
    // A rule that cannot be instantiated now says so to the login that tries.
    if let Ok(Ok(run)) = rule.prepare(budget) {
        rule.ready.put(ReadyRun { run, _permit: permit });
    }
}

impl fmt::Debug for Chores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { used, wanted, are_underway } = self;
        f.debug_struct("Chores")
            .field("used", &used.len())
            .field("wanted", &wanted.len())
            .field("are_underway", are_underway)
            .finish()
    }
}
