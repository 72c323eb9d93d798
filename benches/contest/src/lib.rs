//! What Vestibule and its peers are given to do, and how a process that is measured is spoken to.
//!
//! Each contestant runs in a process of its own: it cannot slow another down by what it allocates, the cold start and
//! the memory are its own, and one that cannot be built leaves the others alone. [`rule`] says what is done,
//! [`event`] on what, [`host`] what a host does around it, [`protocol`] how the measuring program asks for it.
//!
//! This crate knows neither Vestibule nor any peer, and builds in seconds: both sides depend on it.

pub mod event;
pub mod rule;

pub mod host;

pub mod kernel;
pub mod protocol;
pub mod serve;
