//! The witness: a second file that knows of every commit before it is acknowledged.
//!
//! A write-ahead log whose checksum is wrong ends there for SQLite: one flipped bit and everything committed after it is
//! gone without a word. So each commit is also a line here, synced before anybody hears of it. Its number and its mark
//! must be those of the database when it is opened again. The file holds digests only, nothing of any person.
//!
//! ```text
//! base ⇥ number ⇥ mark            { ⇥ chain ⇥ sequence ⇥ link } ⇥ mark'    where the file begins, and the chains' heads there
//! number ⇥ digest of what it wrote [ ⇥ chain ⇥ sequence ⇥ link ] ⇥ mark     one commit
//! ```
//! A line's mark is the SHA-256 of the mark before and of the line up to it: a line that was altered is not followed by
//! the next one.
//!
//! The database keeps the last [`RING`] lines as well. The database commits first: after a crash it may know lines that
//! the file does not, and then gives them to it. The other way round, history was lost.

mod file;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use self::file::WitnessFile;
pub(super) use self::file::sync_folder;
use crate::{Damage, StoreError, sql::backend::Link};

/// How many lines the database keeps.
pub(super) const RING: i64 = 512;

/// What everything up to a commit comes to.
pub(super) type Mark = [u8; 32];

/// Where a sequence of commits stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: i64,
    pub(super) mark: Mark,
}

impl Head {
    /// Before the first commit.
    pub(super) const START: Self = Self { number: 0, mark: [0; 32] };

    /// The line of the next commit, and where the sequence stands after it.
    pub(super) fn next(self, wrote: &[u8; 32], link: Option<&Link>) -> (String, Self) {
        let number = self.number + 1;
        let mut line = format!("{number}\t{}", hex(wrote));
        if let Some(link) = link {
            push_link(&mut line, &link.chain, link.sequence, &link.link);
        }
        let mark = mark_after(&self.mark, &line);
        line.push('\t');
        line.push_str(&hex(&mark));
        (line, Self { number, mark })
    }
}

fn push_link(line: &mut String, chain: &str, sequence: i64, link: &[u8; 32]) {
    let _ = write!(line, "\t{}\t{sequence}\t{}", chain.escape_default(), hex(link)); // Into a string: infallible.
}

fn mark_after(mark: &Mark, text: &str) -> Mark {
    Sha256::new().chain_update(mark).chain_update(text).finalize().into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // Into a string: infallible.
        text
    })
}

pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (position, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(position * 2..position * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// The number and mark at the end of a line, if it follows from the mark before.
pub(super) fn follow(before: Head, line: &str) -> Option<(Head, Option<Link>)> {
    let (text, mark) = line.rsplit_once('\t')?;
    let mark = unhex(mark).filter(|mark| *mark == mark_after(&before.mark, text))?;
    let mut parts = text.split('\t');
    let number: i64 = parts.next()?.parse().ok().filter(|number| *number == before.number + 1)?;
    unhex(parts.next()?)?;
    let link = links(&mut parts)?.pop();
    Some((Head { number, mark }, link))
}

fn links<'t>(parts: &mut impl Iterator<Item = &'t str>) -> Option<Vec<Link>> {
    let mut links = Vec::new();
    while let Some(chain) = parts.next() {
        let sequence = parts.next()?.parse().ok()?;
        links.push(Link { chain: chain.to_owned(), sequence, link: unhex(parts.next()?)? });
    }
    Some(links)
}

/// What a witness file tells.
#[derive(Debug)]
pub(super) struct Testimony {
    /// Where it ends.
    pub(super) head: Head,
    /// How many commits it tells of.
    pub(super) lines: u64,
    /// How many of its bytes tell this; what follows is half a line that nobody was told of.
    pub(super) length: u64,
    /// The last link of each chain.
    pub(super) chains: BTreeMap<String, (i64, [u8; 32])>,
    /// All links that it tells of.
    pub(super) links: Vec<Link>,
}

/// Reads a witness file, if there is one. A last line that is torn is left out.
pub(super) fn read(path: &Path) -> Result<Option<Result<Testimony, Damage>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(testimony(&bytes))),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::File { path: path.to_owned(), action: "read", source }),
    }
}

fn testimony(bytes: &[u8]) -> Result<Testimony, Damage> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let Some((mut testimony, base)) = lines.next().and_then(|line| base(line).map(|base| (base, line))) else {
        return Err(Damage::WitnessAltered { line: 1 });
    };
    testimony.length = base.len() as u64;
    while let Some(line) = lines.next() {
        let text = line.strip_suffix(b"\n").and_then(|text| std::str::from_utf8(text).ok());
        let Some((head, link)) = text.and_then(|text| follow(testimony.head, text)) else {
            return if lines.next().is_none() {
                Ok(testimony)
            } else {
                Err(Damage::WitnessAltered { line: testimony.lines + 2 })
            };
        };
        testimony.head = head;
        testimony.lines += 1;
        testimony.length += line.len() as u64;
        if let Some(link) = link {
            testimony.chains.insert(link.chain.clone(), (link.sequence, link.link));
            testimony.links.push(link);
        }
    }
    Ok(testimony)
}

/// Reads the first line.
fn base(line: &[u8]) -> Option<Testimony> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (text, check) = line.rsplit_once('\t')?;
    unhex(check).filter(|check| *check == mark_after(&[0; 32], text))?;
    let mut parts = text.split('\t');
    parts.next().filter(|word| *word == "base")?;
    let head = Head { number: parts.next()?.parse().ok()?, mark: unhex(parts.next()?)? };
    let links = links(&mut parts)?;
    let chains = links.iter().map(|link| (link.chain.clone(), (link.sequence, link.link))).collect();
    Some(Testimony { head, lines: 0, length: 0, chains, links })
}

/// Where lines are handed in.
#[derive(Debug)]
pub(super) struct Witness {
    path: PathBuf,
    orders: mpsc::Sender<Order>,
    behind: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Order {
    line: Option<String>,
    done: oneshot::Sender<io::Result<()>>,
}

impl Witness {
    /// Begins a file.
    pub(super) fn begin(
        path: &Path,
        head: Head,
        chains: BTreeMap<String, (i64, [u8; 32])>,
    ) -> Result<Self, StoreError> {
        let begun = WitnessFile::begin(path, head, chains).and_then(|mut file| {
            file.settle()?;
            Ok(file)
        });
        begun.and_then(Self::start).map_err(|source| unwritten(path, source))
    }

    /// Goes on after what the file tells, with the lines that only the database has.
    pub(super) fn resume(path: &Path, testimony: Testimony, missing: Vec<String>) -> Result<Self, StoreError> {
        let resumed = WitnessFile::resume(path, testimony).and_then(|mut file| {
            file.pending = missing;
            file.flush()?;
            Ok(file)
        });
        resumed.and_then(Self::start).map_err(|source| unwritten(path, source))
    }

    /// A thread of its own writes and syncs: whatever waits, in one go.
    fn start(mut file: WitnessFile) -> io::Result<Self> {
        let (orders, waiting) = mpsc::channel::<Order>();
        let behind = Arc::new(AtomicBool::new(false));
        let path = file.path.clone();
        let told = Arc::clone(&behind);
        thread::Builder::new().name("vestibule-witness".to_owned()).spawn(move || {
            while let Ok(first) = waiting.recv() {
                let mut batch = vec![first];
                batch.extend(waiting.try_iter());
                file.pending.extend(batch.iter_mut().filter_map(|order| order.line.take()));
                let written = file.flush();
                told.store(written.is_err(), Ordering::Release);
                for order in batch {
                    let again = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
                    let answer = written.as_ref().copied().map_err(again);
                    let _ = order.done.send(answer); // Whoever asked may have gone: the line counts all the same.
                }
            }
        })?;
        Ok(Self { path, orders, behind })
    }

    /// Hands a line in; in the order of these calls they are written.
    pub(super) fn tell(&self, line: String) -> Told {
        self.order(Some(line))
    }

    /// Whether lines could not be written: they are tried again now, and nothing new may be committed before.
    pub(super) async fn catch_up(&self) -> Result<(), StoreError> {
        if !self.behind.load(Ordering::Acquire) {
            return Ok(());
        }
        self.written().await
    }

    /// Waits until all that was handed in is on disk.
    pub(super) async fn written(&self) -> Result<(), StoreError> {
        self.asked().await
    }

    /// The same, for who does not keep the writer waiting meanwhile.
    pub(super) fn asked(&self) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let (told, path) = (self.order(None), self.path.clone());
        async move { told.synced().await.map_err(|source| unwritten(&path, source)) }
    }

    /// Waits until what was handed in is written, as far as it can be. Nothing is written after that.
    pub(super) async fn end(self) {
        let _ = self.written().await; // What could not be written, the database still has.
    }

    fn order(&self, line: Option<String>) -> Told {
        let (done, told) = oneshot::channel();
        let _ = self.orders.send(Order { line, done }); // Without a thread `told` says so.
        Told(told)
    }
}

/// A line that was handed in.
#[derive(Debug)]
pub(super) struct Told(oneshot::Receiver<io::Result<()>>);

impl Told {
    /// Waits until it is on disk.
    pub(super) async fn synced(self) -> io::Result<()> {
        self.0.await.unwrap_or_else(|_| Err(io::Error::other("the witness has stopped")))
    }
}

fn unwritten(path: &Path, source: io::Error) -> StoreError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full(source.into())
        }
        _ => StoreError::File { path: path.to_owned(), action: "written", source },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs::File;

    use super::*;

    fn link(sequence: i64) -> Link {
        Link { chain: "node".to_owned(), sequence, link: [7; 32] }
    }

    /// A witness whose file cannot be written.
    pub(in super::super) fn unwritable(path: &Path) -> Witness {
        let mut file = WitnessFile::begin(path, Head::START, BTreeMap::new()).unwrap();
        file.file = File::open(path).unwrap(); // For reading.
        Witness::start(file).unwrap()
    }

    /// A witness whose thread has ended.
    pub(in super::super) fn without_a_thread() -> Witness {
        Witness { path: PathBuf::from("witness"), orders: mpsc::channel().0, behind: Arc::default() }
    }

    #[test]
    fn a_file_that_cannot_begin_anew_forgets_nothing_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (path, in_the_way) = (folder.path().join("witness"), folder.path().join("witness.next"));
        let mut file = WitnessFile::begin(&path, Head::START, BTreeMap::new()).unwrap();
        let mut head = Head::START;
        let mut tell = |file: &mut WitnessFile, link: Option<Link>| {
            let (line, next) = head.next(&[1; 32], link.as_ref());
            (head, file.longest) = (next, 1);
            file.pending.push(line);
            file.flush()
        };
        fs::create_dir(&in_the_way).unwrap();
        tell(&mut file, Some(link(5))).expect("the line itself is written");
        assert!(file.longest > 1, "it is not tried again at once");
        fs::remove_dir(&in_the_way).unwrap();
        tell(&mut file, None).unwrap();
        let told = read(&path).unwrap().unwrap().unwrap();
        assert_eq!((told.head, told.lines), (head, 0), "it began anew");
        assert_eq!(told.chains, BTreeMap::from([("node".to_owned(), (5, [7; 32]))]));
    }
}
