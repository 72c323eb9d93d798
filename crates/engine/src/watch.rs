//! What polls one run: it serves the run's desk, keeps its time, and makes long runs take turns.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use vestibule_abi::{codes::FailureCode, limits::Budget};
use vestibule_pipeline::RuleFailure;

use crate::{
    desk::{Ask, Desk},
    failure,
    ticker::calm,
};

/// How long a run may hold a core before it takes turns with other long runs. That it did is found at a tick, calm ones
/// included: after two and a half milliseconds at the latest.
const SPRINT: Duration = Duration::from_micros(500);

/// Polls one run until it ends.
pub(crate) struct Watch<'r, F> {
    call: Pin<&'r mut F>,
    desk: &'r Desk,
    /// What the guest waits for; it is not polled before there is a reply.
    asked: Option<Ask>,
    ran: GuestTime,
    allowed: Duration,
    /// When it has to be over, waiting included.
    deadline: Instant,
    turn: Turn<'r>,
}

impl<'r, F: Future<Output = wasmtime::Result<()>>> Watch<'r, F> {
    pub(crate) fn new(
        call: Pin<&'r mut F>,
        desk: &'r Desk,
        slow_lane: &'r SlowLane,
        tick: Duration,
        budget: &Budget,
        deadline: Instant,
    ) -> Self {
        let turn = Turn::Sprinting(slow_lane);
        let ran = GuestTime::new(tick, budget.wall);
        Self { call, desk, asked: None, ran, allowed: budget.wall, deadline, turn }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RuleFailure>> {
        loop {
            if let Some(ask) = &mut self.asked {
                if ask.is_work() {
                    ready!(self.turn.poll_taken(cx));
                }
                self.ran.so_far += ready!(self.desk.poll_serve(ask, cx));
                self.turn.pass_on(self.ran.so_far);
                self.asked = None;
                if self.ran.so_far > self.allowed {
                    return Poll::Ready(Err(self.late()));
                }
            }
            ready!(self.turn.poll_taken(cx));
            let polled = self.ran.of(|| self.call.as_mut().poll(cx));
            self.turn.pass_on(self.ran.so_far);
            if let Poll::Ready(ended) = polled {
                return Poll::Ready(ended.map_err(|error| failure::classify(&error)));
            }
            self.asked = self.desk.take_ask();
            if self.asked.is_none() {
                // It came up for air on a tick, and has woken itself already.
                let late = self.ran.so_far > self.allowed || Instant::now() > self.deadline;
                return if late { Poll::Ready(Err(self.late())) } else { Poll::Pending };
            }
        }
    }

    fn late(&self) -> RuleFailure {
        let message = match self.ran.so_far > self.allowed {
            true => format!("the rule ran longer than {} ms", self.allowed.as_millis()),
            false => "the login has no time left".to_owned(),
        };
        RuleFailure::new(FailureCode::DeadlineExceeded, message)
    }
}

/// Time in which the guest itself ran: neither what it waited for nor what the machine did meanwhile for somebody else.
///
/// Its first slice, of which most runs have no second, is read from the wall clock, which costs next to nothing. It ends
/// at the second calm tick at the latest, so it counts as no more, however long the machine was away, and never as more than
/// a run may have. From the second slice on the clock of the thread tells.
struct GuestTime {
    so_far: Duration,
    first_at_most: Duration,
    slices: u32,
}

impl GuestTime {
    fn new(tick: Duration, allowed: Duration) -> Self {
        Self { so_far: Duration::ZERO, first_at_most: calm(tick).saturating_mul(2).min(allowed), slices: 0 }
    }

    fn of<T>(&mut self, slice: impl FnOnce() -> T) -> T {
        let is_first = self.slices == 0;
        self.slices = self.slices.saturating_add(1);
        let (began, cpu_before) = (Instant::now(), if is_first { Duration::ZERO } else { thread_time() });
        let done = slice();
        self.so_far += match is_first {
            true => began.elapsed().min(self.first_at_most),
            false => thread_time().saturating_sub(cpu_before),
        };
        done
    }
}

/// What this thread has run so far.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

pub(crate) type Acquire = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// Where long runs take turns, so that they never occupy every core.
#[derive(Debug)]
pub(crate) struct SlowLane {
    turns: Arc<Semaphore>,
    was_used: AtomicBool,
}

impl SlowLane {
    pub(crate) fn new(turns: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns)), was_used: AtomicBool::new(false) }
    }

    /// Whether a run asked for a turn since this was last taken.
    pub(crate) fn take_used(&self) -> bool {
        self.was_used.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn acquire(&self) -> Acquire {
        self.was_used.store(true, Ordering::Relaxed);
        Box::pin(Arc::clone(&self.turns).acquire_owned())
    }
}

/// Whether a run may hold a core now.
enum Turn<'r> {
    /// At first it may, always.
    Sprinting(&'r SlowLane),
    /// After that it waits for its turn, slice by slice, behind the other long runs.
    Waiting(&'r SlowLane, Acquire),
    /// It has its turn for one slice.
    Taken(&'r SlowLane, #[expect(dead_code, reason = "held, given back on drop")] Option<OwnedSemaphorePermit>),
}

impl Turn<'_> {
    fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(lane, acquire) = self {
            // A closed lane means shutdown; the run then ends by its own limits.
            let permit = ready!(acquire.as_mut().poll(cx)).ok();
            *self = Self::Taken(lane, permit);
        }
        Poll::Ready(())
    }

    /// Ends a slice: a run that has sprinted long enough goes to the end of the queue.
    fn pass_on(&mut self, ran: Duration) {
        let lane = match self {
            Self::Sprinting(lane) if ran > SPRINT => *lane,
            Self::Taken(lane, _) => {
                // The thread too: another that woke on this core would else wait for the kernel to take it from this one.
                thread::yield_now();
                *lane
            }
            Self::Sprinting(_) | Self::Waiting(..) => return,
        };
        let acquire = lane.acquire();
        *self = Self::Waiting(lane, acquire);
    }
}

#[cfg(test)]
mod tests {
    use vestibule_abi::host::HashAlgorithm;

    use super::*;
    use crate::hash::Hashing;

    const TICK: Duration = Duration::from_millis(1);

    #[test]
    fn time_in_which_the_machine_ran_somebody_else_does_not_count() {
        let mut ran = GuestTime::new(TICK, Duration::from_secs(1));
        for _ in 0..3 {
            ran.of(|| std::thread::sleep(Duration::from_millis(20)));
        }
        assert!(ran.so_far < calm(TICK) * 2 + Duration::from_millis(5), "{:?}", ran.so_far);
    }

    #[test]
    fn a_first_slice_alone_uses_up_no_more_than_a_run_may_have() {
        let mut ran = GuestTime::new(TICK, TICK / 2);
        ran.of(|| std::thread::sleep(Duration::from_millis(20)));
        assert_eq!(ran.so_far, TICK / 2);
    }

    fn spin(time: Duration) {
        let before = thread_time();
        while thread_time() - before < time {}
    }

    #[test]
    fn who_has_sprinted_hashes_only_in_its_turn() {
        let desk = Desk::default();
        let mut call = Box::pin(async {
            spin(SPRINT * 2);
            let digest = Hashing::Digest { algorithm: HashAlgorithm::Md5, data: vec![0; 32_000] };
            let answer = desk.ask(Ask::Hash(digest)).await;
            answer.map(drop).map_err(|stop| wasmtime::Error::msg(stop.0.to_string()))
        });
        let lane = SlowLane::new(0); // Others have their turns.
        let (budget, deadline) = (Budget::STANDARD, Instant::now() + Duration::from_secs(60));
        let mut watch = Watch::new(call.as_mut(), &desk, &lane, TICK, &budget, deadline);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(!lane.take_used());
        assert!(watch.poll(&mut cx).is_pending());
        assert!(desk.papers().hashed().is_empty(), "it is not its turn");
        assert!(lane.take_used(), "the ticker is told");
        lane.turns.add_permits(1);
        assert!(matches!(watch.poll(&mut cx), Poll::Ready(Ok(()))));
        assert_eq!(desk.papers().hashed().len(), 16);
    }

    #[test]
    fn time_in_which_the_guest_ran_counts() {
        let mut ran = GuestTime::new(TICK, Duration::from_secs(1));
        ran.of(|| spin(TICK / 2));
        assert!(ran.so_far >= TICK / 2, "{:?}", ran.so_far);
        ran.of(|| spin(TICK * 10));
        assert!(ran.so_far >= TICK * 10, "{:?}", ran.so_far);
    }
}
