//! Token buckets: one for everybody, or one for each of whoever comes, and their clock.

use std::{
    hash::Hash,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use governor::{
    RateLimiter,
    clock::Clock as _,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed, keyed::DashMapStateStore},
};

use super::{Rate, Ticks, TooMany};

/// The one bucket of all who come one way.
pub(super) struct Everybody {
    limiter: RateLimiter<NotKeyed, InMemoryState, Metre, NoOpMiddleware<Duration>>,
    metre: Metre,
}

impl Everybody {
    pub(super) fn new(rate: Rate, metre: &Metre) -> Self {
        Self { limiter: RateLimiter::new(rate.quota(), InMemoryState::default(), metre.clone()), metre: metre.clone() }
    }

    /// What their clock says.
    pub(super) fn now(&self) -> Duration {
        self.metre.now()
    }

    pub(super) fn take(&self) -> Result<(), TooMany> {
        let now = self.metre.now();
        self.limiter.check().map_err(|until| TooMany { retry_after: until.wait_time_from(now) })
    }
}

/// Buckets by some key. Those that are full again are forgotten from time to time.
pub(super) struct Buckets<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DashMapStateStore<K>, Metre, NoOpMiddleware<Duration>>,
    taken: AtomicU32,
    metre: Metre,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// After so many tries the full buckets are dropped.
    const SWEEP: u32 = 4_096;

    pub(super) fn new(rate: Rate, metre: &Metre) -> Self {
        let limiter = RateLimiter::new(rate.quota(), DashMapStateStore::default(), metre.clone());
        Self { limiter, taken: AtomicU32::new(0), metre: metre.clone() }
    }

    pub(super) fn take(&self, key: &K) -> Result<(), TooMany> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % Self::SWEEP == Self::SWEEP - 1 {
            self.limiter.retain_recent();
        }
        let now = self.metre.now();
        self.limiter.check_key(key).map_err(|until| TooMany { retry_after: until.wait_time_from(now) })
    }
}

/// The clock of the buckets.
#[derive(Clone)]
pub(super) struct Metre(pub(super) Ticks);

impl governor::clock::Clock for Metre {
    type Instant = Duration;

    fn now(&self) -> Duration {
        (self.0)()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn full_buckets_are_forgotten() {
        let now = Arc::new(Mutex::new(Duration::ZERO));
        let clock = Arc::clone(&now);
        let buckets = Buckets::new(Rate::of(20, 600), &Metre(Arc::new(move || *clock.lock().unwrap())));
        for key in 0..Buckets::<u32>::SWEEP - 1 {
            buckets.take(&key).unwrap();
        }
        assert_eq!(buckets.limiter.len(), 4_095);
        *now.lock().unwrap() += Duration::from_secs(3_600);
        buckets.take(&0).unwrap();
        assert_eq!(buckets.limiter.len(), 1);
    }
}
