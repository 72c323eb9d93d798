//! All that this command prints, and what comes of it where nobody reads it.
//!
//! `println!` panics when stdout is closed or full. Here the first failure is kept, what comes after it is discarded, and
//! `main` asks once at the end: a verb does its work whether or not anybody reads what it says of it.

use std::{
    fmt,
    io::{self, Write as _},
    sync::OnceLock,
};

/// Why stdout takes nothing any more.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Prints a line for whoever called, or for the program that did.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints a line on stderr, beside the answer: a note, a warning, an error.
macro_rules! remark {
    ($($text:tt)*) => { $crate::output::print_aside(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {remark, say};

/// Prints a text on stdout, with its styles where a terminal shows them.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    attempt(|| anstream::stdout().lock().write_fmt(text));
}

/// Prints a file's text on stdout, byte for byte.
pub(crate) fn print_file(text: &[u8]) {
    attempt(|| io::stdout().lock().write_all(text));
}

/// Prints a text on stderr. Where that is closed or full there is nobody left to tell.
pub(crate) fn print_aside(text: fmt::Arguments<'_>) {
    let _ = anstream::stderr().lock().write_fmt(text);
}

/// Whether all that was printed went out. A reader who went away, as `head` does, has what they wanted.
///
/// # Errors
/// The first failure that says anything else.
pub(crate) fn finish() -> Result<(), &'static io::Error> {
    attempt(|| io::stdout().lock().flush());
    match FAILED.get() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        Some(_) | None => Ok(()),
    }
}

fn attempt(write: impl FnOnce() -> io::Result<()>) {
    if FAILED.get().is_none()
        && let Err(error) = write()
    {
        let _ = FAILED.set(error); // Another thread may have failed first.
    }
}
