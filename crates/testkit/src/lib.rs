//! Fixtures every Vestibule test uses: guests, events, engines, stores, a local HTTP peer, a private PostgreSQL, serving
//! nodes, and the corpus of hostile modules.
//!
//! Everything here serves tests only and fails loudly: a fixture that cannot be made is a failed test. A test starts at
//! [`deploy`], which takes a module the whole way from bytes to a loaded rule; [`hostile`] holds the cases as data;
//! [`oracle`] says what must hold after every one of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

pub mod deploy;
pub mod events;
pub mod guests;
pub mod hostile;
pub mod node;
pub mod oracle;
pub mod peer;
pub mod postgres;
pub mod proof;
pub mod stores;
