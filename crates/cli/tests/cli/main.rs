//! The real command, called as people and scripts call it: what it prints, and with which code it ends.

mod bad_input;
mod cases;
mod folder;
mod running;
mod scaffold;
