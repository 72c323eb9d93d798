//! A rule's own `data/` folder, read once when the rule is loaded.
//!
//! A login never touches the disk: what was digested at deploy is what rules read, and a path is a key in a map, so
//! none can lead outside. The folder itself is read through a cap-std directory, which follows no link out of it.

use std::{collections::BTreeMap, io::Read as _, sync::Arc};

use cap_std::fs::Dir;
use sha2::{Digest as _, Sha256};

/// All files of one rule together, in bytes.
const TOTAL_BYTES: u64 = 64 * 1024 * 1024;
/// Files of one rule.
const FILES: usize = 1_000;
/// Folders inside folders.
const DEPTH: usize = 8;

/// Why a `data/` folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFilesError {
    /// The folder or a file in it cannot be read.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// Where, below the folder.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something that is neither a file nor a folder: links are not followed.
    #[error("`{0}` is neither a file nor a folder; put a copy there instead of a link")]
    NotAFile(String),
    /// A name that is not UTF-8.
    #[error("a file name below `{0}` is not UTF-8")]
    Name(String),
    /// More than a rule may have.
    #[error("the data folder holds more than {TOTAL_BYTES} bytes, {FILES} files or {DEPTH} levels")]
    TooMuch,
}

/// The files of one rule, by their path below `data/` with `/` between the parts.
#[derive(Debug, Clone, Default)]
pub struct DataFiles {
    files: BTreeMap<String, Arc<[u8]>>,
}

impl DataFiles {
    /// Reads a folder wholly.
    ///
    /// # Errors
    /// [`DataFilesError`] for what cannot be read, for links, and above the limits.
    pub fn read(folder: &Dir) -> Result<Self, DataFilesError> {
        let mut files = Self::default();
        let mut left = TOTAL_BYTES;
        files.read_below(folder, "", DEPTH, &mut left)?;
        Ok(files)
    }

    /// Takes files by their path below `data/`, as a bundle or a store has them.
    ///
    /// # Errors
    /// [`DataFilesError::TooMuch`] above the limits of a folder.
    pub fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, DataFilesError> {
        let mut taken = Self::default();
        let mut left = TOTAL_BYTES;
        for (path, bytes) in files {
            left = left.checked_sub(bytes.len() as u64).ok_or(DataFilesError::TooMuch)?;
            if path.split('/').count() > DEPTH + 1 || taken.files.len() >= FILES {
                return Err(DataFilesError::TooMuch);
            }
            taken.files.insert(path, bytes.into());
        }
        Ok(taken)
    }

    /// All files by their path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_ref()))
    }

    /// The bytes of a file, or `None` for a path that names none.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Arc<[u8]>> {
        self.files.get(path)
    }

    /// SHA-256 over all paths and contents: part of the rule's revision.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (path, bytes) in &self.files {
            for part in [path.as_bytes(), bytes] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        hash.finalize().into()
    }

    fn read_below(&mut self, folder: &Dir, prefix: &str, depth: usize, left: &mut u64) -> Result<(), DataFilesError> {
        let unreadable = |path: &str| {
            let path = path.to_owned();
            move |source| DataFilesError::Unreadable { path, source }
        };
        for entry in folder.entries().map_err(unreadable(prefix))? {
            let entry = entry.map_err(unreadable(prefix))?;
            let name = entry.file_name().into_string().map_err(|_| DataFilesError::Name(prefix.to_owned()))?;
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let kind = entry.file_type().map_err(unreadable(&path))?;
            if kind.is_dir() {
                let depth = depth.checked_sub(1).ok_or(DataFilesError::TooMuch)?;
                let inner = entry.open_dir().map_err(unreadable(&path))?;
                self.read_below(&inner, &path, depth, left)?;
            } else if kind.is_file() {
                let mut bytes = Vec::new();
                let file = entry.open().map_err(unreadable(&path))?;
                file.take(*left + 1).read_to_end(&mut bytes).map_err(unreadable(&path))?;
                *left = left.checked_sub(bytes.len() as u64).ok_or(DataFilesError::TooMuch)?;
                self.files.insert(path, bytes.into());
                if self.files.len() > FILES {
                    return Err(DataFilesError::TooMuch);
                }
            } else {
                return Err(DataFilesError::NotAFile(path));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use cap_std::ambient_authority;

    use super::*;

    fn read(make: impl FnOnce(&std::path::Path)) -> Result<DataFiles, DataFilesError> {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path());
        DataFiles::read(&Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap())
    }

    #[test]
    fn files_are_found_by_their_path_and_nothing_else_is() {
        let files = read(|folder| {
            fs::create_dir_all(folder.join("ip/v4")).unwrap();
            fs::write(folder.join("ip/v4/ranges.bin"), [1, 2, 3]).unwrap();
        })
        .unwrap();
        assert_eq!(files.get("ip/v4/ranges.bin").map(|bytes| bytes.to_vec()), Some(vec![1, 2, 3]));
        for path in
            ["", ".", "/", "ip", "ip/v4", "./ip/v4/ranges.bin", "ip//v4/ranges.bin", "../../etc/passwd", "/etc/passwd"]
        {
            assert!(files.get(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_link_is_refused_even_if_it_stays_inside() {
        for target in ["/etc/passwd", "inside.txt"] {
            let refused = read(|folder| {
                fs::write(folder.join("inside.txt"), "text").unwrap();
                symlink(target, folder.join("link")).unwrap();
            });
            assert!(matches!(refused, Err(DataFilesError::NotAFile(path)) if path == "link"), "{target}");
        }
    }

    #[test]
    fn folders_too_deep_are_refused() {
        let refused = read(|folder| fs::create_dir_all(folder.join("a/b/c/d/e/f/g/h/i")).unwrap());
        assert!(matches!(refused, Err(DataFilesError::TooMuch)));
    }

    #[test]
    fn files_of_a_bundle_are_those_of_its_folder() {
        let read = read(|folder| {
            fs::create_dir_all(folder.join("ip")).unwrap();
            fs::write(folder.join("ip/ranges.txt"), "10.0.0.0/8").unwrap();
        })
        .unwrap();
        let taken = DataFiles::of(read.iter().map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))).unwrap();
        assert_eq!(taken.digest(), read.digest());
        let deep = DataFiles::of([("a/b/c/d/e/f/g/h/i/j".to_owned(), vec![1])]);
        assert!(matches!(deep, Err(DataFilesError::TooMuch)));
    }

    #[test]
    fn the_digest_tells_every_difference() {
        let digest =
            |name: &str, bytes: &str| read(|folder| fs::write(folder.join(name), bytes).unwrap()).unwrap().digest();
        assert_eq!(digest("a", "bc"), digest("a", "bc"));
        for (name, bytes) in [("a", "bd"), ("ab", "c"), ("b", "bc")] {
            assert_ne!(digest("a", "bc"), digest(name, bytes), "{name} {bytes}");
        }
    }
}
