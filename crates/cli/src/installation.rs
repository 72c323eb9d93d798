//! What this installation keeps between commands: compiled rules, and the key that proves they are ours.
//!
//! The key lies apart from the cache, so that whoever can write the cache cannot make code we would load.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use anyhow::Context as _;
use vestibule_engine::{
    Inspected,
    cache::{Cache, InstallationKey},
    inspect_interpreter,
};

use crate::exit::Fault;

const KEY_BYTES: usize = 32;

/// The cache of compiled rules; [`None`], so that everything is compiled anew, where there is no home for it.
pub(crate) fn cache() -> anyhow::Result<Option<Cache>> {
    let (Some(cache), Some(state)) = (home_of("XDG_CACHE_HOME", ".cache"), home_of("XDG_STATE_HOME", ".local/state"))
    else {
        return Ok(None);
    };
    let key = installation_key(&state)?;
    Ok(Some(Cache::open(cache.join("compiled"), InstallationKey::new(key))?))
}

/// The interpreter that JavaScript rules run on: read, or built on first use, once for a command.
///
/// # Errors
/// [`Fault::Toolchain`] when it cannot be built here.
pub(crate) fn interpreter() -> Result<&'static Arc<Inspected>, Fault> {
    static INTERPRETER: OnceLock<Arc<Inspected>> = OnceLock::new();
    if let Some(ready) = INTERPRETER.get() {
        return Ok(ready);
    }
    let folder = home_of("XDG_CACHE_HOME", ".cache").unwrap_or_else(|| env::temp_dir().join("vestibule"));
    let module = vestibule_javascript::interpreter(&folder).map_err(|error| Fault::Toolchain(error.to_string()))?;
    let inspected = inspect_interpreter(&module)
        .map_err(|refusal| Fault::Host(anyhow::anyhow!("the interpreter is not acceptable: {refusal}")))?;
    Ok(INTERPRETER.get_or_init(|| inspected))
}

/// Where cargo keeps what it built for rules in Rust, their standard library above all.
pub(crate) fn rust_guests() -> Option<PathBuf> {
    home_of("XDG_CACHE_HOME", ".cache").map(|cache| cache.join("rust-guests"))
}

fn home_of(variable: &str, below_home: &str) -> Option<PathBuf> {
    let base = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(below_home)))?;
    Some(base.join("vestibule"))
}

/// Reads the key, or makes one that no other user of this machine can read.
fn installation_key(folder: &Path) -> anyhow::Result<[u8; KEY_BYTES]> {
    let path = folder.join("installation.key");
    if !path.is_file() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut key = [0; KEY_BYTES];
        let mut entropy = fs::File::open("/dev/urandom").context("cannot open /dev/urandom")?;
        entropy.read_exact(&mut key).context("cannot read /dev/urandom")?;
        // Whole or not at all: another command may make its own at this very moment, and the first one stays.
        let mut file = tempfile::NamedTempFile::new_in(folder).context("cannot write the installation's key")?;
        file.write_all(&key).context("cannot write the installation's key")?;
        if let Err(error) = file.persist_noclobber(&path)
            && !path.is_file()
        {
            return Err(error.error).context("cannot write the installation's key");
        }
    }
    let key = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    key.try_into().map_err(|_| anyhow::anyhow!("{} is damaged: delete it, and a new one is made", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_then_kept() {
        let folder = tempfile::tempdir().unwrap();
        let made = installation_key(&folder.path().join("state")).unwrap();
        let kept = installation_key(&folder.path().join("state")).unwrap();
        assert_eq!(made, kept);
        assert_ne!(made, [0; KEY_BYTES]);
    }

    #[test]
    fn a_damaged_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("installation.key"), "short").unwrap();
        let error = installation_key(folder.path()).unwrap_err().to_string();
        assert!(error.contains("installation.key is damaged: delete it"), "{error}");
    }
}
