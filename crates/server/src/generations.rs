//! The rules that are live on this node, taken from the store.
//!
//! A node follows the store: when another generation becomes active, or a secret or configuration value changes, it
//! loads what is active now beside what serves, compiles it in the worker, proves that every rule starts, and only then
//! swaps one pointer. A login holds the generation it began with. What cannot be loaded leaves the last good one serving,
//! and the node says so: its beat keeps naming the one it has.
//!
//! A deploy has two phases: a generation that is about to become active is loaded beforehand, by every node, and the beat
//! names it as prepared; what then becomes active only has to be swapped in.
//! - `generations/load.rs`: how what was uploaded becomes rules that run.
//! - `generations/follow.rs`: how a node hears of changes.

mod follow;
mod load;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Map;
use tokio::sync::Mutex;
use vestibule_engine::{Compiler, Engine, LoadedPipeline, http::Egress};
use vestibule_pipeline::{Pipeline, Rule};
use vestibule_store::{GenerationNumber, NodeId, SealedKind, Store, StoreError, TenantId};

pub(crate) use self::load::{digest_of, purpose};
pub use self::{
    follow::{ALIVE, BEAT},
    load::LoadError,
};
use crate::{
    app::{Generation, Generations},
    clock::Clock,
    error::Fault,
    interpreter::Interpreter,
    keys::Seal,
    telemetry,
};

/// Generations that stay loaded for logins that began with them.
const KEPT: usize = 4;

/// What generations are made with; the same for all of them.
pub struct Workshop {
    /// Runs rules.
    pub engine: Engine,
    /// Compiles them.
    pub compiler: Compiler,
    /// What JavaScript rules run on.
    pub interpreter: Interpreter,
    /// Their way out to the network.
    pub egress: Arc<Egress>,
}

/// The generations of this node.
pub struct StoredGenerations {
    store: Arc<dyn Store>,
    seal: Seal,
    clock: Arc<dyn Clock>,
    workshop: Workshop,
    node: NodeId,
    served: RwLock<HashMap<TenantId, Served>>,
    prepared: RwLock<HashMap<TenantId, Prepared>>,
    nothing: Arc<Generation>,
    /// One load at a time.
    loading: Mutex<()>,
}

/// What a tenant is served with.
struct Served {
    number: Option<GenerationNumber>,
    /// What it was loaded from; another one means loading again.
    stamp: Stamp,
    active: Arc<Generation>,
    /// Those before, newest first.
    before: Vec<Arc<Generation>>,
}

/// A generation that is loaded and serves nobody yet, with what it was loaded from.
struct Prepared {
    number: GenerationNumber,
    stamp: Stamp,
    generation: Arc<Generation>,
}

/// The generation and the versions of all values that went into it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    number: Option<GenerationNumber>,
    values: BTreeMap<(bool, String), i64>,
}

impl fmt::Debug for StoredGenerations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredGenerations").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Generations for StoredGenerations {
    fn active(&self, tenant: &TenantId) -> Arc<Generation> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        served.get(tenant).map_or_else(|| Arc::clone(&self.nothing), |served| Arc::clone(&served.active))
    }

    fn pinned(&self, tenant: &TenantId, number: GenerationNumber) -> Option<Arc<Generation>> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let served = served.get(tenant)?;
        let mut known = std::iter::once(&served.active).chain(&served.before);
        known.find(|generation| generation.number == Some(number)).cloned()
    }
}

impl StoredGenerations {
    /// Nothing is served before [`StoredGenerations::refresh`].
    ///
    /// # Errors
    /// [`Fault`] when there cannot even be a pipeline without rules.
    pub fn new(
        store: Arc<dyn Store>,
        seal: Seal,
        clock: Arc<dyn Clock>,
        workshop: Workshop,
        node: NodeId,
    ) -> Result<Self, Fault> {
        let nothing = Arc::new(Generation {
            number: None,
            loaded: LoadedPipeline { pipeline: Arc::new(Pipeline::new(Vec::new())?), rules: Vec::new() },
            configuration: Map::new(),
            egress: Arc::clone(&workshop.egress),
        });
        let (served, prepared) = (RwLock::default(), RwLock::default());
        Ok(Self { store, seal, clock, workshop, node, served, prepared, nothing, loading: Mutex::default() })
    }

    /// The name of this node.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// The rules that are live for the default tenant.
    #[must_use]
    pub fn active_rules(&self) -> Vec<Rule> {
        self.active(&TenantId::default()).loaded.pipeline.rules().to_vec()
    }

    /// Takes up what the store says is active now, for every tenant.
    ///
    /// # Errors
    /// The first [`LoadError`]; every other tenant is served all the same.
    pub async fn refresh(&self) -> Result<(), LoadError> {
        let mut failed = None;
        for tenant in self.store.tenants().await? {
            if let Err(error) = self.refresh_tenant(&tenant.id).await {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The same for one tenant.
    ///
    /// # Errors
    /// [`LoadError`]; what served before goes on serving.
    pub async fn refresh_tenant(&self, tenant: &TenantId) -> Result<(), LoadError> {
        let _alone = self.loading.lock().await;
        self.take_up(tenant).await?;
        if let Err(error) = self.prepare(tenant).await {
            tracing::error!(%error, "the generation that is about to be deployed cannot be served here");
        }
        Ok(())
    }

    async fn take_up(&self, tenant: &TenantId) -> Result<(), LoadError> {
        let active = self.store.active_generation(tenant).await?;
        let stamp = self.stamp(tenant, active.as_ref().map(|generation| generation.number)).await?;
        self.forget_revoked(tenant).await?;
        if self.served(tenant, |served| served.stamp == stamp).unwrap_or(false) {
            return Ok(());
        }
        let loaded = match (self.take_prepared(tenant, &stamp), &active) {
            (Some(prepared), _) => Ok(prepared),
            (None, Some(generation)) => self.load_stored(tenant, generation).await,
            (None, None) => Ok(Arc::clone(&self.nothing)),
        };
        telemetry::generation(loaded.is_ok(), loaded.as_ref().map_or(0, |loaded| loaded.loaded.rules.len()));
        self.serve(tenant, stamp, loaded?);
        Ok(())
    }

    /// Loads the generation that is about to become active, if there is one and this node has it not.
    async fn prepare(&self, tenant: &TenantId) -> Result<(), LoadError> {
        let Some(next) = self.store.preparing(tenant).await? else { return Ok(()) };
        if self.served(tenant, |served| served.number) == Some(Some(next.number)) {
            return Ok(());
        }
        let stamp = self.stamp(tenant, Some(next.number)).await?;
        let is_same = |prepared: &HashMap<TenantId, Prepared>| prepared.get(tenant).is_some_and(|it| it.stamp == stamp);
        if is_same(&self.prepared.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let generation = self.load_stored(tenant, &next).await?;
        let prepared = Prepared { number: next.number, stamp, generation };
        self.prepared.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), prepared);
        Ok(())
    }

    /// What was prepared, if it is what is wanted now. In any case nothing stays prepared that is active.
    fn take_prepared(&self, tenant: &TenantId, wanted: &Stamp) -> Option<Arc<Generation>> {
        let mut all = self.prepared.write().unwrap_or_else(PoisonError::into_inner);
        let prepared = all.get(tenant).filter(|prepared| Some(prepared.number) == wanted.number)?;
        let generation = (prepared.stamp == *wanted).then(|| Arc::clone(&prepared.generation));
        all.remove(tenant);
        generation
    }

    async fn stamp(&self, tenant: &TenantId, number: Option<GenerationNumber>) -> Result<Stamp, StoreError> {
        let mut values = BTreeMap::new();
        for (kind, is_secret) in [(SealedKind::Configuration, false), (SealedKind::Secret, true)] {
            let notes = self.store.list_sealed(tenant, kind).await?;
            values.extend(notes.into_iter().map(|note| ((is_secret, note.name), note.version)));
        }
        Ok(Stamp { number, values })
    }

    /// A login that waits on a revoked generation begins again on the active one.
    async fn forget_revoked(&self, tenant: &TenantId) -> Result<(), StoreError> {
        let numbers = |served: &Served| served.before.iter().filter_map(|generation| generation.number).collect();
        let kept: Vec<GenerationNumber> = self.served(tenant, numbers).unwrap_or_default();
        for number in kept {
            let stored = self.store.generation(tenant, number).await?;
            if stored.is_none_or(|generation| generation.revoked_at.is_some()) {
                let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
                if let Some(served) = served.get_mut(tenant) {
                    served.before.retain(|generation| generation.number != Some(number));
                }
            }
        }
        Ok(())
    }

    fn served<T>(&self, tenant: &TenantId, read: impl FnOnce(&Served) -> T) -> Option<T> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).get(tenant).map(read)
    }

    fn serve(&self, tenant: &TenantId, stamp: Stamp, active: Arc<Generation>) {
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = Vec::new();
        if let Some(last) = served.remove(tenant) {
            before.push(last.active);
            before.extend(last.before);
            // Of one generation only the newest load is kept: the values it was loaded with are those that count.
            before.retain(|generation| generation.number.is_some() && generation.number != active.number);
            before.truncate(KEPT);
        }
        served.insert(tenant.clone(), Served { number: stamp.number, stamp, active, before });
    }
}
