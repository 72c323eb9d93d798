//! Values that only the installation's key opens: configuration, secrets, signing keys. Here they are bytes.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{Act, Result, TenantId, Timestamp};

/// What a sealed value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SealedKind {
    /// A value that rules granted it may read.
    Configuration,
    /// A value that only the host puts into a request.
    Secret,
    /// A key that signs tokens.
    SigningKey,
    /// Anything else the server keeps for itself.
    Internal,
}

/// A sealed value, without the value.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedNote {
    /// Its name, unique for its kind in the tenant.
    pub name: String,
    /// Counts its changes, from 1.
    pub version: i64,
    /// What may be known about it (a signing key's id, state, public half …).
    pub note: Map<String, Value>,
    /// When it was last changed.
    pub at: Timestamp,
}

/// A sealed value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// What may be known.
    pub note: SealedNote,
    /// The bytes, sealed by the caller.
    pub sealed: Vec<u8>,
}

/// A sealed value to be kept.
#[derive(Debug, Clone)]
pub struct NewSealed {
    /// What it is.
    pub kind: SealedKind,
    /// Its name.
    pub name: String,
    /// The bytes, sealed by the caller.
    pub sealed: Vec<u8>,
    /// What may be known.
    pub note: Map<String, Value>,
    /// Only if this is its version: `Some(0)` means that there is none yet, `None` whatever there is.
    pub expected: Option<i64>,
}

/// Sealed values. What changes one takes the [`Act`] that the journal is to tell of.
#[async_trait]
pub trait SealedValues: Send + Sync {
    /// Makes or replaces a value. Its new version, or `None` on a conflict. Nodes are told, and the journal with the version.
    async fn put_sealed(&self, tenant: &TenantId, new: &NewSealed, act: &Act) -> Result<Option<i64>>;
    /// The value of that name.
    async fn sealed(&self, tenant: &TenantId, kind: SealedKind, name: &str) -> Result<Option<Sealed>>;
    /// All values of a kind, by name: what a node loads.
    async fn all_sealed(&self, tenant: &TenantId, kind: SealedKind) -> Result<Vec<Sealed>>;
    /// What may be known of all values of a kind, by name: never the values.
    async fn list_sealed(&self, tenant: &TenantId, kind: SealedKind) -> Result<Vec<SealedNote>>;
    /// Removes a value; whether there was one. Nodes are told.
    async fn remove_sealed(&self, tenant: &TenantId, kind: SealedKind, name: &str, act: &Act) -> Result<bool>;
}
