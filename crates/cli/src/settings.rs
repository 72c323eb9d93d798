//! `vestibule settings`: every setting of a server with its default, as a file to begin with.

use vestibule_server::settings::EXAMPLE;

use crate::{
    exit::{Done, Exit},
    output,
};

/// Runs the verb.
pub(crate) fn run() -> Done {
    output::print_file(EXAMPLE.as_bytes());
    Ok(Exit::Reached)
}
