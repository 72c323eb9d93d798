//! A node follows the store: it takes up changes as it hears of them, and says what it is ready for.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use vestibule_store::{ChangeMark, Node, StoreError};

use super::{StoredGenerations, Workshop};

/// How often a node says that it lives.
pub const BEAT: Duration = Duration::from_secs(5);
/// How long after its last beat a node counts as alive.
pub const ALIVE: Duration = Duration::from_secs(15);
/// How long a node waits for a change before it looks by itself.
const LOOK: Duration = Duration::from_secs(5);

impl StoredGenerations {
    /// Follows the store until it is told to stop: takes up changes, says that it lives, and makes better what was
    /// compiled in haste.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let beats = Arc::clone(&self).beat_until(stop.clone());
        let optimised = self.optimise_until(stop.clone());
        let changes = self.take_up_until(stop);
        tokio::join!(beats, optimised, changes);
    }

    /// Says what this node is ready for.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be told.
    pub async fn beat(&self) -> Result<(), StoreError> {
        let ready = {
            let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
            served.iter().filter_map(|(tenant, served)| Some((tenant.clone(), served.number?))).collect()
        };
        let prepared = {
            let prepared = self.prepared.read().unwrap_or_else(PoisonError::into_inner);
            prepared.iter().map(|(tenant, prepared)| (tenant.clone(), prepared.number)).collect()
        };
        let software = env!("CARGO_PKG_VERSION").to_owned();
        self.store.beat(&Node { id: self.node.clone(), ready, prepared, software, at: self.clock.now() }).await
    }

    async fn beat_until(self: Arc<Self>, stop: CancellationToken) {
        loop {
            if let Err(error) = self.beat().await {
                tracing::warn!(%error, "this node could not say that it lives");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(BEAT) => {}
            }
        }
        let _unreachable = self.store.leave(&self.node).await;
    }

    /// The next load of a rule finds what this makes.
    async fn optimise_until(&self, stop: CancellationToken) {
        let Workshop { engine, compiler, .. } = &self.workshop;
        loop {
            let compiled = tokio::select! {
                () = stop.cancelled() => return,
                compiled = compiler.optimise_next(engine) => compiled,
            };
            match compiled {
                Ok(_) => tracing::info!("a rule that was compiled without optimisation has it when it is loaded next"),
                Err(error) => tracing::warn!(%error, "a rule stays without optimisation"),
            }
        }
    }

    async fn take_up_until(&self, stop: CancellationToken) {
        let mut seen = ChangeMark::default();
        while !stop.is_cancelled() {
            if let Err(error) = self.refresh().await {
                tracing::error!(%error, "the active generation cannot be served here; the last good one goes on");
            } else if let Err(error) = self.beat().await {
                tracing::warn!(%error, "this node could not say what it is ready for");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                mark = self.store.wait_for_change(seen, LOOK) => match mark {
                    Ok(mark) => seen = mark,
                    Err(error) => {
                        tracing::warn!(%error, "this node could not wait for changes");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
            }
        }
    }
}
