//! A circuit breaker for each origin of a rule: an upstream that is down costs a login its time-out a few times, and then
//! nothing until it may be tried again (HR-111).
//!
//! It belongs to one rule: a rule that gives every request a millisecond cuts itself off and nobody else.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Requests in a row that end without a response before it opens.
const FAILURES: u32 = 5;
/// How long it stays open at first; each try that fails doubles it.
const OPEN: Duration = Duration::from_secs(2);
/// How long it stays open at most.
const OPEN_AT_MOST: Duration = Duration::from_secs(30);

/// Whether requests to one origin are sent at all.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Clone, Copy)]
enum State {
    /// Requests are sent; so many in a row had no response.
    Closed { failures: u32 },
    /// None is sent before this moment; the first after it is a try.
    Open { until: Instant, wait: Duration },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a request may be sent now. The one that is a try keeps the others back until it has ended.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Closed { .. } => true,
            State::Open { until, .. } if now < until => false,
            State::Open { wait, .. } => {
                *state = State::Open { until: now + wait, wait };
                true
            }
        }
    }

    /// Takes in how a request ended.
    pub(super) fn ended(&self, with_response: bool, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match *state {
            _ if with_response => State::Closed { failures: 0 },
            State::Closed { failures } if failures + 1 < FAILURES => State::Closed { failures: failures + 1 },
            State::Closed { .. } => State::Open { until: now + OPEN, wait: OPEN },
            State::Open { wait, .. } => {
                let wait = (wait * 2).min(OPEN_AT_MOST);
                State::Open { until: now + wait, wait }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert!(breaker.admits(now));
            breaker.ended(false, now);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for ended in 0..100 {
            breaker.ended(ended % FAILURES == 0, now);
            assert!(breaker.admits(now));
        }
        assert!(!opened(now).admits(now));
    }

    #[test]
    fn one_try_at_a_time_closes_it_or_keeps_it_open_longer() {
        let now = Instant::now();
        let breaker = opened(now);
        let later = now + OPEN;
        assert!(breaker.admits(later), "the try");
        assert!(!breaker.admits(later), "another beside it");
        breaker.ended(false, later);
        assert!(!breaker.admits(later + OPEN));
        assert!(breaker.admits(later + OPEN * 2));
        breaker.ended(true, later + OPEN * 2);
        assert!(breaker.admits(later + OPEN * 2));
    }

    #[test]
    fn it_never_stays_open_for_longer_than_half_a_minute() {
        let mut now = Instant::now();
        let breaker = opened(now);
        for _ in 0..20 {
            now += OPEN_AT_MOST;
            assert!(breaker.admits(now));
            breaker.ended(false, now);
        }
    }
}
