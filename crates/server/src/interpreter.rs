//! The interpreter that JavaScript rules run on: read from the data folder, or built there when the first rule needs it.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use vestibule_engine::{Inspected, inspect_interpreter};

/// The interpreter of this node.
#[derive(Debug)]
pub struct Interpreter {
    folder: PathBuf,
    ready: OnceLock<Arc<Inspected>>,
}

/// Why JavaScript rules cannot be served here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("JavaScript rules cannot run on this node: {0}")]
pub struct NoInterpreter(String);

impl Interpreter {
    /// Kept in this folder.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder, ready: OnceLock::new() }
    }

    /// The interpreter. Building it takes seconds, once.
    ///
    /// # Errors
    /// [`NoInterpreter`] with what is missing, and how to get it.
    pub fn get(&self) -> Result<&Arc<Inspected>, NoInterpreter> {
        if let Some(ready) = self.ready.get() {
            return Ok(ready);
        }
        let module =
            vestibule_javascript::interpreter(&self.folder).map_err(|error| NoInterpreter(error.to_string()))?;
        let inspected = inspect_interpreter(&module).map_err(|refusal| NoInterpreter(refusal.message))?;
        Ok(self.ready.get_or_init(|| inspected))
    }
}
