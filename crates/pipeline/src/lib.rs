//! The middle of Vestibule. So far only what `vestibule-engine` needs of it.

pub mod failure;

pub use failure::RuleFailure;
