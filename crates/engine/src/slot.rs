//! Waiting for room to run in, until the time of a login is over and no longer.

use std::{sync::Arc, time::Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::EngineError;

/// Waits for a permit until `deadline`; `None`: there was none.
pub(crate) async fn admitted(
    permits: &Arc<Semaphore>,
    deadline: Instant,
) -> Result<Option<OwnedSemaphorePermit>, EngineError> {
    if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
        return Ok(Some(permit)); // Without a timer, which would cost more than all the rest.
    }
    match tokio::time::timeout_at(deadline.into(), Arc::clone(permits).acquire_owned()).await {
        Ok(acquired) => acquired.map(Some).map_err(|_| EngineError::ShuttingDown),
        Err(_) => Ok(None),
    }
}

/// The right to run, given back when the run is over.
pub(crate) struct Slot {
    _of_the_rule: OwnedSemaphorePermit,
    _of_the_engine: OwnedSemaphorePermit,
}

impl Slot {
    pub(crate) fn new(of_the_rule: OwnedSemaphorePermit, of_the_engine: OwnedSemaphorePermit) -> Self {
        Self { _of_the_rule: of_the_rule, _of_the_engine: of_the_engine }
    }
}
