//! The middle of Vestibule: what the rules of a login may ask for, and what comes of it.
//!
//! Start with [`login`]: one page on which the security property stands. From there, [`event`] is what a rule sees,
//! [`answer`] what it may say, [`outcome`] what the host is told; [`manifest`] is what was granted, [`pipeline`] the
//! rules in order, [`json`] the one profile of every text that crosses a boundary.
//!
//! Nothing here does I/O, reads a clock, is async or knows wasm: a live login, a re-run after a conflict, a replay and
//! the command line drive the same machine, and it is tested without any of them.

pub mod login;
pub mod pipeline;

pub mod answer;
pub mod event;
pub mod outcome;

pub mod claim;
pub mod manifest;

pub mod failure;
pub mod json;

pub use crate::{
    answer::{Answer, Given, Patch},
    claim::ClaimName,
    event::{CanonicalText, EventSource, EventText, InvalidEvent, ScopePolicy},
    failure::RuleFailure,
    login::{Login, LoginInput, RuleOutcome, SkipReason, Step},
    manifest::{Manifest, ManifestError, PipelineFile},
    outcome::Outcome,
    pipeline::{Digest, InvalidPipeline, Pipeline, Rule},
};
