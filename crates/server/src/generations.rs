//! The rules that are live on this node, taken from the store.
//!
//! A node follows the store: when another generation becomes active, or a secret or configuration value changes, it
//! loads what is active now beside what serves, compiles it in the worker, proves that every rule starts, and only then
//! swaps one pointer. A login holds the generation it began with. What cannot be loaded leaves the last good one serving,
//! and the node says so: its beat keeps naming the one it has.
//!
//! A deploy has two phases: a generation that is about to become active is loaded beforehand, by every node, and the beat
//! names it as prepared; what then becomes active only has to be swapped in.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use vestibule_engine::{CompileError, Compiler, DataFiles, Engine, GrantError, LoadedPipeline, http::Egress};
use vestibule_pipeline::{Digest, Pipeline, Rule};
use vestibule_store::{
    ChangeMark, GenerationNumber, Node, NodeId, RevisionDigest, SealedKind, Store, StoreError, TenantId,
};

use crate::{
    app::{Generation, Generations},
    bundle::{Bundle, BundleError, Rules, Upload},
    clock::Clock,
    error::Fault,
    interpreter::Interpreter,
    keys::Seal,
    telemetry,
};

/// How often a node says that it lives.
pub const BEAT: Duration = Duration::from_secs(5);
/// How long after its last beat a node counts as alive.
pub const ALIVE: Duration = Duration::from_secs(15);
/// How long a node waits for a change before it looks by itself.
const LOOK: Duration = Duration::from_secs(5);
/// Generations that stay loaded for logins that began with them.
const KEPT: usize = 4;

/// Why rules cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// What was uploaded is not acceptable.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A rule that cannot be compiled or linked.
    #[error("rule `{rule}`: {source}")]
    Compile {
        /// Its name.
        rule: String,
        /// Why.
        #[source]
        source: CompileError,
    },
    /// A rule that cannot be given what its manifest grants.
    #[error("rule `{rule}`: {source}")]
    Grant {
        /// Its name.
        rule: String,
        /// Why.
        #[source]
        source: GrantError,
    },
    /// The store did not answer, or what it holds does not fit together.
    #[error("the rules cannot be read from the store: {0}")]
    Store(#[from] StoreError),
    /// A revision that the store names and does not have, or that is not what its digest says.
    #[error("revision {0} is not in the store as it was put there")]
    Revision(RevisionDigest),
    /// A sealed value that does not open.
    #[error("`{0}` was sealed by another installation: start this node with the installation key of the others")]
    Sealed(String),
}

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

/// The values that rules are granted, opened.
pub(crate) struct Values {
    configuration: Map<String, Value>,
    secrets: HashMap<String, SecretString>,
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

    /// Reads a bundle, inspects what was uploaded and puts it in its order.
    ///
    /// # Errors
    /// [`BundleError`], naming the rule.
    pub fn inspect(&self, bundle: &[u8]) -> Result<Rules, BundleError> {
        // Up to 128 MiB to unpack, and modules to parse: logins on this thread move to another.
        tokio::task::block_in_place(|| {
            let uploads = Bundle::parse(bundle)?.uploads()?;
            Rules::inspect(uploads, &self.workshop.interpreter)
        })
    }

    /// Compiles and links rules as they would be served, and serves nobody with them.
    ///
    /// # Errors
    /// [`LoadError`], naming the rule.
    pub(crate) async fn load(
        &self,
        number: Option<GenerationNumber>,
        rules: &Rules,
        values: Values,
    ) -> Result<Arc<Generation>, LoadError> {
        let mut ready = Vec::with_capacity(rules.revisions.len());
        for (_, revision) in &rules.revisions {
            let rule = || revision.name().to_owned();
            let grants = revision.grants(|name| values.secrets.get(name).cloned());
            let grants = grants.map_err(|source| LoadError::Grant { rule: rule(), source })?;
            let Workshop { engine, compiler, .. } = &self.workshop;
            let loaded = compiler.ready(engine, &revision.inspected, grants).await;
            ready.push(loaded.map_err(|source| LoadError::Compile { rule: rule(), source })?.0);
        }
        Ok(Arc::new(Generation {
            number,
            loaded: LoadedPipeline { pipeline: Arc::clone(&rules.pipeline), rules: ready },
            configuration: values.configuration,
            egress: Arc::clone(&self.workshop.egress),
        }))
    }

    /// The rules of a stored generation, as they were uploaded.
    ///
    /// # Errors
    /// [`LoadError`] when a revision is gone or altered.
    pub(crate) async fn stored_rules(
        &self,
        tenant: &TenantId,
        generation: &vestibule_store::Generation,
    ) -> Result<Rules, LoadError> {
        let mut uploads = Vec::with_capacity(generation.rules.len());
        for (_, digest) in &generation.rules {
            let revision = self.store.revision(tenant, digest).await?;
            let revision = revision.ok_or_else(|| LoadError::Revision(digest.clone()))?;
            let files = (!revision.files.is_empty()).then(|| DataFiles::of(revision.files).map(Arc::new)).transpose();
            let files = files.map_err(|_| LoadError::Revision(digest.clone()))?;
            let upload = Upload { manifest: revision.manifest, module: revision.module, files };
            uploads.push(upload);
        }
        let rules = tokio::task::block_in_place(|| Rules::inspect(uploads, &self.workshop.interpreter))?;
        let altered = rules.revisions.iter().zip(&generation.rules).find(|((_, revision), (_, digest))| {
            digest_of(revision.rule.digest) != *digest // Both are in the order of the pipeline.
        });
        altered.map_or(Ok(rules.clone()), |(_, (_, digest))| Err(LoadError::Revision(digest.clone())))
    }

    /// All secrets and configuration values of a tenant, opened.
    ///
    /// # Errors
    /// [`LoadError::Sealed`] for one that another installation sealed.
    pub(crate) async fn values(&self, tenant: &TenantId) -> Result<Values, LoadError> {
        let mut values = Values { configuration: Map::new(), secrets: HashMap::new() };
        for (kind, is_secret) in [(SealedKind::Configuration, false), (SealedKind::Secret, true)] {
            for sealed in self.store.all_sealed(tenant, kind).await? {
                let name = sealed.note.name;
                let opened = self.seal.open(&purpose(kind, tenant, &name), &sealed.sealed);
                let text = opened.ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let text = SecretString::from(text.ok_or_else(|| LoadError::Sealed(name.clone()))?);
                if is_secret {
                    values.secrets.insert(name, text);
                } else {
                    values.configuration.insert(name, Value::from(text.expose_secret()));
                }
            }
        }
        Ok(values)
    }

    /// Follows the store until it is told to stop: takes up changes, and says that it lives.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let beats = Arc::clone(&self).beat_until(stop.clone());
        let changes = self.take_up_until(stop);
        tokio::join!(beats, changes);
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

    async fn load_stored(
        &self,
        tenant: &TenantId,
        generation: &vestibule_store::Generation,
    ) -> Result<Arc<Generation>, LoadError> {
        let rules = self.stored_rules(tenant, generation).await?;
        let values = self.values(tenant).await?;
        self.load(Some(generation.number), &rules, values).await
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

/// What a rule's secret or configuration value is sealed for.
pub(crate) fn purpose(kind: SealedKind, tenant: &TenantId, name: &str) -> String {
    let kind = match kind {
        SealedKind::Configuration => "configuration",
        SealedKind::Secret => "secret",
        SealedKind::SigningKey => "signing-key",
        SealedKind::Internal => "internal",
    };
    format!("{kind}/{tenant}/{name}")
}

/// A digest as the store has it.
pub(crate) fn digest_of(digest: Digest) -> RevisionDigest {
    RevisionDigest::new(digest.to_string())
}
