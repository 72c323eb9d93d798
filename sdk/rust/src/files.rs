//! The rule's own `data/` folder, read-only and part of the revision. Using this module asks for `files = true`.
//!
//! ```
//! # let host = vestibule::testing::Host::new().file("plans.txt", "free\ngold\n");
//! let plans = vestibule::files::read_to_string("plans.txt")?;
//! assert_eq!(plans.as_deref(), Some("free\ngold\n"));
//! assert_eq!(vestibule::files::read("absent")?, None);
//! # Ok::<(), vestibule::Error>(())
//! ```

use alloc::{string::String, vec::Vec};

use vestibule_abi::host::FILE_ABSENT;

use crate::{Error, Result, host};

/// An open file. A run may have 16 of them.
#[derive(Debug)]
pub struct File {
    handle: i32,
    size: usize,
}

/// Opens a file by its path below `data/`; `None` if it is not there.
#[must_use]
pub fn open(path: &str) -> Option<File> {
    match host::file_open(path) {
        FILE_ABSENT => None,
        handle => Some(File { handle, size: host::file_size(handle) }),
    }
}

/// Reads a whole file; `None` if it is not there.
///
/// # Errors
/// When fewer bytes came than the file has.
pub fn read(path: &str) -> Result<Option<Vec<u8>>> {
    let Some(file) = open(path) else { return Ok(None) };
    let bytes = file.read_at(0, file.size);
    if bytes.len() == file.size { Ok(Some(bytes)) } else { Err(Error::new("a file was cut short while it was read")) }
}

/// Reads a whole file of UTF-8; `None` if it is not there.
///
/// # Errors
/// When it is not UTF-8, or fewer bytes came than the file has.
pub fn read_to_string(path: &str) -> Result<Option<String>> {
    Ok(read(path)?.map(String::from_utf8).transpose()?)
}

impl File {
    /// Its size, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Up to `len` bytes from `offset` on; fewer at the end of the file. A look-up table need not be read as a whole.
    #[must_use]
    pub fn read_at(&self, offset: usize, len: usize) -> Vec<u8> {
        let left = self.size.saturating_sub(offset);
        host::file_read(self.handle, offset, len.min(left))
    }
}
