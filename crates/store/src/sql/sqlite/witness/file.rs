//! The witness file: what has to be on disk before a commit is acknowledged, and how it begins anew before it grows long.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{Head, Testimony, follow, hex, mark_after, push_link};
use crate::sql::sqlite::private;

/// From this size on, the file begins anew.
const LONGEST: u64 = 16 << 20;
/// How much longer it grows where it could not, before that is tried again.
const RETRY: u64 = 1 << 20;

/// The witness file, open for more.
#[derive(Debug)]
pub(super) struct WitnessFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    length: u64,
    /// Something may stand after that length.
    torn: bool,
    /// It may not be known yet that it is here.
    moved: bool,
    /// From this length on it begins anew.
    pub(super) longest: u64,
    head: Head,
    chains: BTreeMap<String, (i64, [u8; 32])>,
    /// Lines that could not be written yet.
    pub(super) pending: Vec<String>,
}

impl WitnessFile {
    /// Begins a file here, in place of what there was. That it is here is known after [`WitnessFile::settle`].
    pub(super) fn begin(path: &Path, head: Head, chains: BTreeMap<String, (i64, [u8; 32])>) -> io::Result<Self> {
        let mut text = format!("base\t{}\t{}", head.number, hex(&head.mark));
        for (chain, (sequence, link)) in &chains {
            push_link(&mut text, chain, *sequence, link);
        }
        let check = mark_after(&[0; 32], &text);
        let line = format!("{text}\t{}\n", hex(&check));
        let mut next = path.as_os_str().to_owned();
        next.push(".next");
        private::writing().create(true).truncate(true).open(&next)?.write_all(line.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&next)?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        let (path, length, pending) = (path.to_owned(), line.len() as u64, Vec::new());
        Ok(Self { path, file, length, torn: false, moved: true, longest: LONGEST, head, chains, pending })
    }

    /// Goes on after what a file tells.
    pub(super) fn resume(path: &Path, testimony: Testimony) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: OpenOptions::new().append(true).open(path)?,
            length: testimony.length,
            torn: true,
            moved: false,
            longest: LONGEST,
            head: testimony.head,
            chains: testimony.chains,
            pending: Vec::new(),
        })
    }

    /// Undoes what was done by half.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.moved {
            sync_folder(&self.path)?;
            self.moved = false;
        }
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Writes what is pending, and syncs it. What fails stays pending.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.settle()?;
        if self.pending.is_empty() {
            return Ok(());
        }
        let text: String = self.pending.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        self.torn = true;
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        self.torn = false;
        self.length += text.len() as u64;
        for line in std::mem::take(&mut self.pending) {
            if let Some((head, link)) = follow(self.head, &line) {
                self.head = head;
                if let Some(link) = link {
                    self.chains.insert(link.chain, (link.sequence, link.link));
                }
            }
        }
        if self.length > self.longest
            && let Err(error) = self.begin_anew()
        {
            // What was pending is on disk, in a file that can go on to grow for a while.
            tracing::warn!(%error, "the witness file could not begin anew; it grows on");
            self.longest = self.length + RETRY;
        }
        Ok(())
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        *self = Self::begin(&self.path, self.head, self.chains.clone())?;
        self.settle()
    }
}

/// Makes it durable that a file is in its folder.
pub(in super::super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
