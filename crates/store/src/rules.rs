//! Rule revisions and pipeline generations, and how nodes hear of a new one.
//!
//! The store knows no rules, only their bytes. A generation is an ordered list of revisions; which one is active is one
//! pointer per tenant, and every flip of it is kept.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{Act, GenerationNumber, NodeId, Result, RevisionDigest, TenantId, Timestamp};

/// One immutable upload of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The digest of everything below, computed by the caller.
    pub digest: RevisionDigest,
    /// The rule's name.
    pub name: String,
    /// The text of `rule.toml`.
    pub manifest: String,
    /// The module, pre-initialised.
    pub module: Vec<u8>,
    /// The data files: path and content, by path.
    pub files: Vec<(String, Vec<u8>)>,
    /// When it was uploaded first.
    pub at: Timestamp,
}

/// An ordered set of revisions that may serve logins.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Its number in the tenant.
    pub number: GenerationNumber,
    /// The digest of the pipeline.
    pub digest: RevisionDigest,
    /// Names and revisions, in order.
    pub rules: Vec<(String, RevisionDigest)>,
    /// What else belongs to it (the configuration it was approved with …), the caller's own.
    pub document: Map<String, Value>,
    /// Who proposed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it was last made active, if ever.
    pub activated_at: Option<Timestamp>,
    /// A revoked generation serves no login, not even one that is parked on it (HR-116).
    pub revoked_at: Option<Timestamp>,
}

/// A generation to be proposed.
#[derive(Debug, Clone)]
pub struct NewGeneration {
    /// The digest of the pipeline.
    pub digest: RevisionDigest,
    /// Names and revisions, in order; all must have been put.
    pub rules: Vec<(String, RevisionDigest)>,
    /// What else belongs to it.
    pub document: Map<String, Value>,
    /// Who proposes it.
    pub by: String,
    /// Now.
    pub at: Timestamp,
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposed {
    /// It can be activated under this number.
    Generation(GenerationNumber),
    /// This revision was never put.
    Missing(RevisionDigest),
}

/// What became of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activated {
    /// Logins that begin from now on get it.
    Done,
    /// Another generation is active than the caller believed.
    Conflict(Option<GenerationNumber>),
    /// There is no such generation, or it was revoked.
    Unavailable,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub id: NodeId,
    /// Per tenant, the generation that it serves.
    pub ready: Vec<(TenantId, GenerationNumber)>,
    /// Per tenant, a generation that it has ready and does not serve yet.
    pub prepared: Vec<(TenantId, GenerationNumber)>,
    /// Its version.
    pub software: String,
    /// When it said so.
    pub at: Timestamp,
}

/// How often something that nodes keep in memory was changed. Compare for equality only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeMark(pub i64);

/// Revisions and generations.
#[async_trait]
pub trait Rules: Send + Sync {
    /// Keeps a revision. Keeping it again changes nothing.
    async fn put_revision(&self, tenant: &TenantId, revision: &Revision) -> Result<()>;
    /// The revision of that digest.
    async fn revision(&self, tenant: &TenantId, digest: &RevisionDigest) -> Result<Option<Revision>>;
    /// Numbers a generation. It serves nobody yet.
    async fn propose_generation(&self, tenant: &TenantId, new: &NewGeneration) -> Result<Proposed>;
    /// Asks all nodes to make a generation ready, so that none has to compile it once it is active; whether there is one
    /// that was not revoked. It stays asked for until it is active, or another one is asked for. Nodes are told.
    async fn prepare(&self, tenant: &TenantId, number: GenerationNumber) -> Result<bool>;
    /// The generation that nodes are asked to make ready.
    async fn preparing(&self, tenant: &TenantId) -> Result<Option<Generation>>;
    /// Makes a generation the active one, if `expected` still is: one pointer flip, and a line of history. Nodes are
    /// told, and the journal.
    async fn activate(
        &self,
        tenant: &TenantId,
        number: GenerationNumber,
        expected: Option<GenerationNumber>,
        act: &Act,
    ) -> Result<Activated>;
    /// The active generation.
    async fn active_generation(&self, tenant: &TenantId) -> Result<Option<Generation>>;
    /// The generation of that number.
    async fn generation(&self, tenant: &TenantId, number: GenerationNumber) -> Result<Option<Generation>>;
    /// The last `limit` generations, newest first.
    async fn generations(&self, tenant: &TenantId, limit: u32) -> Result<Vec<Generation>>;
    /// Revokes a generation that is not active; whether it was there and is revoked now. Nodes are told, and the
    /// journal.
    async fn revoke_generation(&self, tenant: &TenantId, number: GenerationNumber, act: &Act) -> Result<bool>;
}

/// How nodes know of each other, and of changes.
#[async_trait]
pub trait Changes: Send + Sync {
    /// Says what this node is ready for; it counts as alive by the time of its last beat.
    async fn beat(&self, node: &Node) -> Result<()>;
    /// A node says goodbye.
    async fn leave(&self, node: &NodeId) -> Result<()>;
    /// The nodes that have said something since then.
    async fn nodes(&self, since: Timestamp) -> Result<Vec<Node>>;
    /// Where changes stand: generations, tenants, connections, clients, sealed values.
    async fn change_mark(&self) -> Result<ChangeMark>;
    /// Waits until changes stand elsewhere than at `seen`, or `longest` is over; where they stand. Told at once by the
    /// database, with a poll behind it.
    async fn wait_for_change(&self, seen: ChangeMark, longest: Duration) -> Result<ChangeMark>;
}
