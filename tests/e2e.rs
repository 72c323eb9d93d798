//! End to end, in one binary: real modules, real processes, real HTTP.

mod abi_programs;
mod findings;
mod fuzz_bodies;
mod mutated_modules;
mod random_modules;
mod sandbox;
mod second_engine;
