//! The interpreter that JavaScript rules run on: read where it was built, and never built here.
//!
//! A process that serves logins installs nothing and starts no compiler. `vestibule interpreter build` does, when an
//! operator says so.

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
pub enum NoInterpreter {
    /// Nobody built it, or only that of another version.
    #[error(
        "JavaScript rules run on an interpreter, and `{}` has none of this version: `vestibule interpreter build --to {}` \
         makes it, on this machine or another; a running node finds it without a restart", .0.display(), .0.display()
    )]
    NotBuilt(PathBuf),
    /// It is there, and no good.
    #[error("JavaScript rules cannot run on this node: the interpreter in `{}` cannot be used: {why}", .folder.display())]
    Unusable {
        /// Where it is.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Interpreter {
    /// Kept in this folder.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder, ready: OnceLock::new() }
    }

    /// The interpreter.
    ///
    /// # Errors
    /// [`NoInterpreter`] with what to do. The next call looks again.
    pub fn get(&self) -> Result<&Arc<Inspected>, NoInterpreter> {
        if let Some(ready) = self.ready.get() {
            return Ok(ready);
        }
        let unusable = |why: String| NoInterpreter::Unusable { folder: self.folder.clone(), why };
        let module =
            vestibule_javascript::built_interpreter(&self.folder).map_err(|error| unusable(error.to_string()))?;
        let module = module.ok_or_else(|| NoInterpreter::NotBuilt(self.folder.clone()))?;
        let inspected = inspect_interpreter(&module).map_err(|refusal| unusable(refusal.message))?;
        Ok(self.ready.get_or_init(|| inspected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_none_the_command_is_named_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let told = Interpreter::in_folder(folder.path().to_owned()).get().unwrap_err().to_string();
        let command = format!("`vestibule interpreter build --to {}`", folder.path().display());
        assert!(told.contains(&command), "{told}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
