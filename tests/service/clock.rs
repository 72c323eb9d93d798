//! Time, as a test has it.

use std::sync::atomic::{AtomicI64, Ordering};

use vestibule_server::clock::Clock;
use vestibule_store::Timestamp;
use vestibule_testkit::stores::NOW;

/// A clock that a test moves.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl Default for TestClock {
    fn default() -> Self {
        Self(AtomicI64::new(NOW.0))
    }
}

impl TestClock {
    /// Lets so many seconds pass.
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
