//! Files that are replaced whole or not at all, whoever else writes them and whenever the machine stops.

use std::{
    fs::{File, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// The user who wrote it, and nobody else.
    Owner,
    /// Every user of the machine.
    Everybody,
}

/// Writes a file of these parts under a name of its own, and puts it where `path` is once it is on the disk. Whoever reads
/// `path`, now or after a crash, finds what was there before or all of this.
///
/// # Errors
/// What the file system says; then `path` is what it was.
pub fn replace_file(path: &Path, parts: &[&[u8]], readers: Readers) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Everybody => 0o644,
    };
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempfile_in(folder)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all() // The name is on the disk, too.
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    #[test]
    fn writers_of_one_process_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        thread::scope(|scope| {
            for writer in b'a'..=b'h' {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        replace_file(path, &[&[writer; 50_000], &[writer; 50_000]], Readers::Owner).unwrap();
                        let read = fs::read(path).unwrap();
                        assert_eq!(read.len(), 100_000);
                        assert!(read.iter().all(|byte| Some(byte) == read.first()), "two files in one");
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something unfinished was left behind");
    }

    #[test]
    fn a_file_is_read_by_whom_it_is_for() {
        let folder = tempfile::tempdir().unwrap();
        for (readers, mode) in [(Readers::Owner, 0o600), (Readers::Everybody, 0o644)] {
            let path = folder.path().join("file");
            replace_file(&path, &[b"x"], readers).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    #[test]
    fn what_cannot_be_replaced_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("folder");
        fs::create_dir(&path).unwrap();
        replace_file(&path, &[b"x"], Readers::Owner).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(path.is_dir());
    }
}
