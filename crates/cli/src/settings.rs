//! `vestibule settings`: every setting of a server with its default, as a file to begin with.

use vestibule_server::settings::EXAMPLE;

use crate::{completions, exit::Done};

/// Runs the verb.
pub(crate) fn run() -> Done {
    completions::print(EXAMPLE.as_bytes())
}
