//! What advances the epoch, so that running guests come up for air.
//!
//! A tick costs whoever runs on that core as much as a rule does. So there are many of them only while long runs take
//! turns, few while all runs are short, and none while nothing runs. They come when they are due, also on a core that spins.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering, fence},
    },
    thread,
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::watch::SlowLane;

/// The time between two ticks while all runs are short.
pub(crate) const fn calm(tick: Duration) -> Duration {
    tick.saturating_mul(4)
}

/// The thread that advances the epoch, as whoever runs guests holds it.
#[derive(Debug)]
pub(crate) struct Ticker {
    thread: thread::Thread,
    shared: Arc<TickerState>,
}

#[derive(Debug, Default)]
pub(crate) struct TickerState {
    is_asleep: AtomicBool,
    is_stopped: AtomicBool,
}

/// What the ticker's thread works with.
pub(crate) struct Ticking {
    pub(crate) engine: wasmtime::EngineWeak,
    pub(crate) tick: Duration,
    pub(crate) slow_lane: Arc<SlowLane>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) all_slots: usize,
    pub(crate) shared: Arc<TickerState>,
}

impl Ticking {
    /// So many looks in a row find nothing that runs, and it goes to sleep.
    const IDLE: u32 = 25;

    pub(crate) fn start(self) -> std::io::Result<Ticker> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("vestibule-ticker".to_owned()).spawn(move || self.tick())?;
        Ok(Ticker { thread: thread.thread().clone(), shared })
    }

    fn tick(self) {
        ask_for_a_short_slice();
        let (mut pace, mut idle) = (Pace::default(), 0);
        while !self.shared.is_stopped.load(Ordering::SeqCst) {
            thread::sleep(self.pause(&mut pace));
            let Some(engine) = self.engine.upgrade() else { return };
            engine.increment_epoch();
            drop(engine);
            idle = if self.nothing_runs() { idle + 1 } else { 0 };
            if idle > Self::IDLE {
                self.sleep();
                idle = 0;
            }
        }
    }

    /// The time until the next tick. A turn that is asked for because of this tick is found at the next one.
    fn pause(&self, pace: &mut Pace) -> Duration {
        pace.next(self.tick, self.slow_lane.take_used())
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
            thread::park();
        }
        is_asleep.store(false, Ordering::SeqCst);
    }
}

/// Asks Linux to run the ticker when it wakes, and not when whoever holds the core has used up a slice of some
/// milliseconds, as a rule that spins does: a thread that says it runs briefly may interrupt (EEVDF, Linux 6.12 and newer).
/// Elsewhere a tick may come late.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no crate that we have wraps the call")]
fn ask_for_a_short_slice() {
    const SLICE: Duration = Duration::from_micros(100); // The least there is.
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: rustix::process::getpriority_process(None).unwrap_or_default(), // As it is.
        sched_priority: 0,
        sched_runtime: SLICE.as_nanos() as u64,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the structure is whole, says its size, and outlives the call, which changes this thread's turns alone.
    let _older_or_forbidden = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_a_short_slice() {}

/// How fast it ticks.
#[derive(Debug, Default)]
struct Pace {
    /// So many ticks yet before it is calm.
    quick: u32,
}

impl Pace {
    /// Quick ticks after a run asked for a turn: two looks may fall into one slice, and the second finds nothing asked.
    const QUICK: u32 = 8;

    /// The time until the next tick.
    fn next(&mut self, tick: Duration, lane_was_used: bool) -> Duration {
        self.quick = if lane_was_used { Self::QUICK } else { self.quick.saturating_sub(1) };
        if self.quick > 0 { tick } else { calm(tick) }
    }
}

impl Ticker {
    /// For who has taken a slot.
    pub(crate) fn wake(&self) {
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
pub(crate) mod tests {
    use std::{sync::Weak, time::Instant};

    use super::*;

    impl Ticker {
        pub(crate) fn state(&self) -> Weak<TickerState> {
            Arc::downgrade(&self.shared)
        }
    }

    /// A ticker that stopped has let go of what its thread held.
    pub(crate) fn has_stopped(state: &Weak<TickerState>) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while state.strong_count() > 0 {
            if Instant::now() > deadline {
                return false;
            }
            thread::yield_now();
        }
        true
    }

    fn ticking(engine: &wasmtime::Engine, tick: Duration) -> Ticking {
        Ticking {
            engine: engine.weak(),
            tick,
            slow_lane: Arc::new(SlowLane::new(1)),
            slots: Arc::new(Semaphore::new(1)),
            all_slots: 1,
            shared: Arc::default(),
        }
    }

    #[test]
    fn a_ticker_ends_with_its_engine_at_whatever_moment_that_is() {
        let engine = wasmtime::Engine::default(); // It lives on, so that the flag alone can end the thread.
        for moment in 0..200 {
            let ticker = ticking(&engine, Duration::from_micros(1)).start().unwrap();
            let state = ticker.state();
            thread::sleep(Duration::from_micros(moment * 100));
            drop(ticker);
            assert!(has_stopped(&state), "it sleeps on after {moment}");
        }
    }

    #[test]
    fn it_hurries_while_long_runs_take_turns_and_calms_down_after_them() {
        let tick = Duration::from_micros(500);
        let (ticking, mut pace) = (ticking(&wasmtime::Engine::default(), tick), Pace::default());
        assert_eq!(ticking.pause(&mut pace), calm(tick));
        for _ in 0..3 {
            drop(ticking.slow_lane.acquire());
            assert_eq!(ticking.pause(&mut pace), tick);
        }
        let quick = (0..100).take_while(|_| ticking.pause(&mut pace) == tick).count();
        assert_eq!(quick, 7);
    }
}
