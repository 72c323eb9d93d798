//! The rule's log: lines that its author sees in `vestibule run` and in the journal. Never part of the answer.
//!
//! ```
//! vestibule::log::info!("no plan yet");
//! vestibule::log::warn!("{} identities", 3);
//! ```
//!
//! What is kept is bounded (8 KiB and 100 lines, unless `rule.toml` asks for less); the rest is counted.

use alloc::format;
use core::fmt;

pub use vestibule_abi::host::Level;

#[doc(inline)]
pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

/// Writes a line. The macros are shorter.
pub fn write(level: Level, line: fmt::Arguments<'_>) {
    let level = match level {
        Level::Debug => 0,
        Level::Info => 1,
        Level::Warn => 2,
        Level::Error => 3,
    };
    match line.as_str() {
        Some(text) => crate::host::log(level, text),
        None => crate::host::log(level, &format!("{line}")),
    }
}

/// For the author at work.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($line:tt)*) => { $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($line)*)) };
}

/// Worth keeping.
#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($line:tt)*) => { $crate::log::write($crate::log::Level::Info, ::core::format_args!($($line)*)) };
}

/// Something is off, the rule goes on.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($line:tt)*) => { $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($line)*)) };
}

/// Something failed.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($line:tt)*) => { $crate::log::write($crate::log::Level::Error, ::core::format_args!($($line)*)) };
}
