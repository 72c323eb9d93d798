//! Waiting for room to run in, until the time of a login is over and no longer.
//!
//! Permits are borrowed: an owned one would count its references where all runs count theirs.

use std::time::Instant;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::EngineError;

/// Waits for a permit until `deadline`; `None`: there was none.
pub(crate) async fn admitted(
    permits: &Semaphore,
    deadline: Instant,
) -> Result<Option<SemaphorePermit<'_>>, EngineError> {
    if let Ok(permit) = permits.try_acquire() {
        return Ok(Some(permit)); // Without a timer, which would cost more than all the rest.
    }
    match tokio::time::timeout_at(deadline.into(), permits.acquire()).await {
        Ok(acquired) => acquired.map(Some).map_err(|_| EngineError::ShuttingDown),
        Err(_) => Ok(None),
    }
}

/// The right to run, given back when the run is over.
pub(crate) struct Slot<'r> {
    _of_the_rule: SemaphorePermit<'r>,
    _of_the_engine: SemaphorePermit<'r>,
}

impl<'r> Slot<'r> {
    pub(crate) fn new(of_the_rule: SemaphorePermit<'r>, of_the_engine: SemaphorePermit<'r>) -> Self {
        Self { _of_the_rule: of_the_rule, _of_the_engine: of_the_engine }
    }
}
