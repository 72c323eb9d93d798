//! Files that nobody else on the machine reads: they hold people's data and the hashes of their passwords.
//!
//! SQLite gives its log and its index the mode of the database, so that is made first, by us.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// To write a file that is its owner's alone, if it is made by this.
pub(super) fn writing() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// Makes a file; there must be none.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    writing().create_new(true).open(path)
}

/// Takes from everybody but the owner what they may do with a file, where there is one.
pub(super) fn close(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(file) if file.permissions().mode() & 0o077 != 0 => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
