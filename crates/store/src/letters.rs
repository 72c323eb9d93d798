//! Mails until they are sent: whoever promised one may not be there to send it.

use async_trait::async_trait;

use crate::{Result, TenantId, Timestamp, UserId};

/// A letter to be kept.
#[derive(Debug, Clone)]
pub struct NewLetter {
    /// Its own random id.
    pub id: String,
    /// To whom. It goes with them.
    pub user: UserId,
    /// What it says, and to which address, sealed by the caller.
    pub sealed: Vec<u8>,
    /// Of what a user has only one, if it is of that: earlier ones that are not sent go.
    pub only_one: Option<String>,
    /// When it was written.
    pub at: Timestamp,
    /// When others may take it, should whoever keeps it not have sent it.
    pub due_at: Timestamp,
    /// When it is of no use any more.
    pub expires_at: Timestamp,
}

/// A letter that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its id.
    pub id: String,
    /// What it says, and to which address, sealed by whoever kept it.
    pub sealed: Vec<u8>,
}

/// Letters.
#[async_trait]
pub trait Letters: Send + Sync {
    /// Keeps a letter.
    async fn put_letter(&self, tenant: &TenantId, new: &NewLetter) -> Result<()>;
    /// Takes up to so many letters that are due, in the order in which they were written: until then nobody else gets them.
    async fn take_letters(&self, tenant: &TenantId, now: Timestamp, until: Timestamp, most: u32)
    -> Result<Vec<Letter>>;
    /// It was sent, or never will be.
    async fn remove_letter(&self, tenant: &TenantId, id: &str) -> Result<()>;
}
