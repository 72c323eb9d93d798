//! The cache of compiled rules: machine code under a MAC of this installation.
//!
//! An artifact is code that will be executed, so a file in the cache is believed only if its MAC, made with a key that
//! lies elsewhere, fits the bytes in memory that are then loaded. Anything else is as if it were not there: the rule is
//! compiled again from the verified module (HR-128, HR-129).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::Sha256;

use crate::{Readers, Tier, engine::EngineError, replace_file};

const MAC_BYTES: usize = 32;

/// The secret of this installation that authenticates its artifacts. Keep it outside the cache folder.
#[derive(Debug)]
pub struct InstallationKey(SecretBox<[u8; 32]>);

impl InstallationKey {
    /// Takes 32 bytes from a source of entropy.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }
}

/// What an artifact is for: the parts of its file name, and of what its MAC covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArtifactId {
    pub(crate) module: [u8; 32],
    pub(crate) compatibility: [u8; 32],
    pub(crate) tier: Tier,
}

/// A folder of authenticated artifacts.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    key: InstallationKey,
}

impl Cache {
    /// Opens a folder, making it if it is not there.
    ///
    /// # Errors
    /// [`EngineError::Cache`] when the folder cannot be made.
    pub fn open(folder: impl Into<PathBuf>, key: InstallationKey) -> Result<Self, EngineError> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(|source| unusable(&folder, source))?;
        Ok(Self { folder, key })
    }

    /// The authenticated code, or `None` if there is none that can be believed.
    pub(crate) fn get(&self, id: &ArtifactId) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.path(id)).ok()?;
        let code_bytes = bytes.len().checked_sub(MAC_BYTES)?;
        let (code, mac) = bytes.split_at(code_bytes);
        self.mac(id, code).verify_slice(mac).ok()?;
        bytes.truncate(code_bytes);
        Some(bytes)
    }

    /// Stores code, whole or not at all.
    ///
    /// # Errors
    /// [`EngineError::Cache`] when it cannot be written.
    pub(crate) fn put(&self, id: &ArtifactId, code: &[u8]) -> Result<(), EngineError> {
        let path = self.path(id);
        let mac = self.mac(id, code).finalize().into_bytes();
        // Code and MAC apart: no second copy of up to 24 MiB.
        replace_file(&path, &[code, &mac], Readers::Owner).map_err(|source| unusable(&path, source))
    }

    fn path(&self, id: &ArtifactId) -> PathBuf {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let engine = id.compatibility.get(..8).unwrap_or_default();
        self.folder.join(format!("{}-{}-{}.cwasm", hex(&id.module), hex(engine), id.tier.as_str()))
    }

    fn mac(&self, id: &ArtifactId, code: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.0.expose_secret()).expect("any length");
        // Every part has a fixed length but the code, which comes last.
        mac.update(&id.module);
        mac.update(&id.compatibility);
        mac.update(&[id.tier as u8]);
        mac.update(code);
        mac
    }
}

fn unusable(path: &Path, source: io::Error) -> EngineError {
    EngineError::Cache { path: path.display().to_string(), source }
}
