//! What the generative tests share: where modules come from, where they are tried, and what must hold for all of them.
//!
//! [`Rig`] runs any bytes at all as an upload and holds the universal oracle: refused with a code, or run within every
//! limit to an answer or a failure that is not ours. [`smith`] makes random modules and [`campaign`] tries them by the
//! million; [`programs`] drives one adversarial guest by random bytes; [`wasmi`] is the second engine. Everything random
//! comes from a seed, so that every finding has a command that repeats it.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test code: a wrong fixture must stop the test")]

pub mod campaign;
pub mod examples;
pub mod fingerprint;
pub mod programs;
mod random;
pub mod rig;
pub mod smith;
mod tally;
pub mod wasmi;

pub use random::Random;
pub use rig::{Broken, Ended, Rig, Tried};
pub use tally::Tally;
