//! Where users, logins and pipelines are kept: SQLite or PostgreSQL behind one trait.
//!
//! [`Store`] is what the server holds. It is the sum of small traits, each in a file with the types it speaks of: what
//! there is to know about sessions stands in [`Sessions`] and around it. Import the traits you call, or [`prelude`].
//! [`Logins::commit_login`] is the heart: the one transaction of a login.
//!
//! What always holds:
//! - **Every method takes a tenant**, and sees nothing of another.
//! - **Time, randomness and ids are arguments.** Secrets come as their SHA-256, sealed things as sealed bytes.
//! - **What an operator changes is in the journal**, by the same transaction ([`Act`]).
//! - **Who loses a race is told so by a value**, never by a panic or a second winner. What can go wrong is [`StoreError`].
//! - Documents are kept as JSON text: keys in order, numbers as they came.
//!
//! What is asynchronous here returns a boxed future: the drivers are compiled with this crate, not with all that await it.

mod error;
mod ids;
mod sql;

mod credentials;
mod journal;
mod letters;
mod logins;
mod one_time;
mod operations;
mod rules;
mod sealed;
mod sessions;
mod tenants;
mod users;

use std::{path::Path, sync::Arc};

use futures_util::future::BoxFuture;

pub use crate::{
    credentials::{Confirmed, Credentials, Factor, FactorKind, NewPassword, Password, PasswordSet},
    error::{Damage, OpenError, Result, StoreError},
    ids::{
        ClientId, ConnectionName, FactorId, FamilyId, GenerationNumber, LoginId, NodeId, RevisionDigest, SessionId,
        TenantId, Timestamp, TokenDigest, UserId, Version,
    },
    journal::{Act, Entry, EntryKind, Event, Journal, JournalQuery, OperatorAct},
    letters::{Letter, Letters, NewLetter},
    logins::{
        Allowed, CommitError, Committed, Facts, Issued, KeyWritten, LoginCommit, LoginEntry, LoginQuery, LoginRecord,
        Logins, RefreshUse, SessionUse, Verdict,
    },
    one_time::{Alone, OneTime, OneTimeToken, Parked, Purpose, Wait},
    operations::{Operations, Tidied, Verification},
    rules::{Activated, ChangeMark, Changes, Generation, NewGeneration, Node, Proposed, Revision, Rules},
    sealed::{NewSealed, Sealed, SealedKind, SealedNote, SealedValues},
    sessions::{Code, Family, NewCode, NewFamily, NewSession, Presented, Redeem, Redeemed, Session, Sessions},
    tenants::{Client, ClientSettings, Connection, Tenant, Tenants},
    users::{Author, Bag, Changed, Created, Identifier, NewUser, Provenance, TakenField, User, UserChange, Users},
};

/// The traits, for whoever calls many of them.
pub mod prelude {
    pub use crate::{
        Changes as _, Credentials as _, Journal as _, Letters as _, Logins as _, OneTime as _, Operations as _,
        Rules as _, SealedValues as _, Sessions as _, Store, Tenants as _, Users as _,
    };
}

/// Everything the server keeps, as `Arc<dyn Store>`; whoever has all its parts is one.
pub trait Store:
    Tenants
    + Users
    + Credentials
    + OneTime
    + Letters
    + Sessions
    + Logins
    + Rules
    + Changes
    + SealedValues
    + Journal
    + Operations
    + std::fmt::Debug
    + 'static
{
}

impl<T> Store for T where
    T: Tenants
        + Users
        + Credentials
        + OneTime
        + Letters
        + Sessions
        + Logins
        + Rules
        + Changes
        + SealedValues
        + Journal
        + Operations
        + std::fmt::Debug
        + 'static
{
}

/// Opens the store at an address: a file (made if there is none), or `postgres://…`. The schema is brought up to this
/// version; a newer one is refused. Damage to what was committed does not keep it from being read
/// ([`Operations::damage`]).
///
/// # Errors
///
/// [`OpenError`] says what the operator has to do.
pub fn open<'a>(
    address: &'a str,
    node: &'a NodeId,
    now: Timestamp,
) -> BoxFuture<'a, Result<Arc<dyn Store>, OpenError>> {
    Box::pin(async move { Ok(Arc::new(sql::Sql::open(address, node, now).await?) as Arc<dyn Store>) })
}

/// Whether there is a store at an address, of whichever version. Nothing is made, and nothing changed.
///
/// # Errors
///
/// [`OpenError`] when the address is none, or nobody answers there.
pub fn exists(address: &str) -> BoxFuture<'_, Result<bool, OpenError>> {
    Box::pin(sql::exists(address))
}

/// Restores a backup ([`Operations::backup`]), of whichever database it was made, to a new file or an empty PostgreSQL
/// database. Sessions and refresh tokens of before end: those that were revoked since the backup must not come back
/// ([`Sessions::not_before`]).
///
/// # Errors
///
/// [`OpenError::Exists`] or [`OpenError::NotEmpty`]; [`StoreError::Damaged`] when the backup is not what was written.
pub fn restore<'a>(
    backup: &'a Path,
    address: &'a str,
    node: &'a NodeId,
    now: Timestamp,
) -> BoxFuture<'a, Result<(), OpenError>> {
    Box::pin(async move {
        sql::restore(backup, address).await?;
        let store = sql::Sql::open(address, node, now).await?;
        store.begin_epoch(now).await?;
        store.close().await;
        Ok(())
    })
}
