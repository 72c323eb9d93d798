//! The real command, called as people and scripts call it: what it prints, and with which code it ends.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where its expectation does, helpers included"
)]

mod administering;
mod authoring;
mod bad_input;
mod cases;
mod databases;
mod finding;
mod folder;
mod importing;
mod javascript;
mod node;
mod operating;
mod overload;
mod printing;
mod running;
mod scaffold;
mod serving;
