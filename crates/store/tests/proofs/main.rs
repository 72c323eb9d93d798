//! What no example shows: atomicity under concurrency, and what is left after crashes, outages and damage.
//!
//! Continuous integration runs a short version of each. `cargo xtask prove-atomic` and `prove-crash` run the long ones:
//! they set `VESTIBULE_OPS` and `VESTIBULE_CYCLES`, and each appends what it did to the file in `VESTIBULE_LEDGER`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

mod atomic;
mod crash;
mod damage;
mod outage;
mod work;
