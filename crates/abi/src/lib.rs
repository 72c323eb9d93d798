//! The contract between the Vestibule host and a rule.
//!
//! Everything a guest can observe is named here and nowhere else: the host functions it may import ([`host`]), the two
//! forms of the event ([`document`], [`symbols`]), the members of its answer ([`answer`]), the names that are
//! not its own ([`owned`]), what it may spend ([`limits`]) and the codes a login or a deploy ends with when it does not behave ([`codes`]).
//!
//! The host, the SDKs and the test guests all depend on this crate; it depends on nobody and does no I/O. What is
//! published under a namespace such as [`host::CORE`] is frozen: later versions only add.
#![no_std]

extern crate alloc;

pub mod answer;
pub mod codes;
pub mod document;
pub mod host;
pub mod limits;
pub mod owned;
pub mod symbols;
