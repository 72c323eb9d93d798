//! End to end, in one binary: real modules, real processes, real HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

mod abi_programs;
mod accounts;
mod atomic;
mod clients;
mod crash;
mod findings;
mod fuzz_bodies;
mod login;
mod mutated_modules;
mod random_modules;
mod sandbox;
mod second_engine;
mod service;
