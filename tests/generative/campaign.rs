//! Random modules by the million: tried on all cores, in a process of its own, because a crash is what is looked for.
//!
//! Before each module its seed is written to a file, so that whoever started the process knows what killed it.

use std::{
    fmt, fs,
    io::Write as _,
    os::unix::fs::FileExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{Broken, Random, Rig, Tally, rig, smith};

/// Which modules are tried, and how.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The seed of the first module; the others follow.
    pub first_seed: u64,
    /// How many modules.
    pub modules: u64,
    /// How many threads.
    pub threads: usize,
    /// Where each thread writes the seed it is about to try: 8 bytes, little endian, at 8 times its number.
    pub seeds_file: Option<PathBuf>,
}

/// What a campaign came to.
#[derive(Debug)]
pub struct Findings {
    /// What became of the modules.
    pub tally: Tally,
    /// The first broken promise, with its seed.
    pub broken: Option<(u64, Broken)>,
    /// How long it took.
    pub took: Duration,
    /// Memory of the process after warming up.
    pub resident_before: u64,
    /// The most it had after that.
    pub resident_most: u64,
}

/// Modules that warm the process up before its memory is first looked at.
const WARM_UP: u64 = 1_000;
/// Modules a thread takes at a time.
const BATCH: u64 = 100;
/// The time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// How much the process may grow, in bytes, however many modules it tries.
pub const GROWTH: u64 = 300 * 1024 * 1024;

/// Tries one module, as every campaign does.
///
/// # Errors
/// [`Broken`] when a promise does not hold, or something panicked.
pub fn try_seed(rig: &Rig, event: &[u8], seed: u64) -> Result<crate::Tried, Broken> {
    let mut random = Random::new(!seed);
    let (tier, both) = (rig::tier(&mut random), random.one_in(8));
    catch_unwind(AssertUnwindSafe(|| rig.try_module(&smith::module(seed), event, tier, both)))
        .unwrap_or_else(|_| Err(Broken("something panicked, see above".to_owned())))
}

impl Campaign {
    /// Tries all modules, printing progress to standard error.
    ///
    /// # Panics
    /// When the machine does not give what the rig needs.
    #[must_use]
    pub fn run(&self) -> Findings {
        let shared = Shared::new(self);
        let rig = Rig::new(Rig::BUDGET);
        thread::scope(|scope| {
            for number in 0..self.threads {
                let (rig, shared) = (rig.for_another_thread(), &shared);
                scope.spawn(move || shared.work(number, &rig));
            }
        });
        shared.into_findings()
    }
}

/// What the threads of a campaign share.
struct Shared<'c> {
    campaign: &'c Campaign,
    seeds_file: Option<fs::File>,
    event: Vec<u8>,
    began: Instant,
    next: AtomicU64,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    tally: Tally,
    broken: Option<(u64, Broken)>,
    resident_before: u64,
    resident_most: u64,
    printed: Duration,
}

impl<'c> Shared<'c> {
    fn new(campaign: &'c Campaign) -> Self {
        let seeds_file = campaign.seeds_file.as_ref().map(|path| fs::File::create(path).expect("the seeds file opens"));
        Self {
            campaign,
            seeds_file,
            event: rig::event(),
            began: Instant::now(),
            next: AtomicU64::new(0),
            progress: Mutex::default(),
        }
    }

    fn work(&self, number: usize, rig: &Rig) {
        loop {
            let begin = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let end = (begin + BATCH).min(self.campaign.modules);
            if begin >= end {
                return;
            }
            let mut tally = Tally::default();
            for index in begin..end {
                let seed = self.campaign.first_seed.wrapping_add(index);
                if let Some(file) = &self.seeds_file {
                    file.write_all_at(&seed.to_le_bytes(), number as u64 * 8).expect("the seeds file is written");
                }
                match try_seed(rig, &self.event, seed) {
                    Ok(tried) => tally.count(&tried.ended, tried.spent.host_calls),
                    Err(broken) => {
                        self.progress.lock().expect("no thread panics").broken.get_or_insert((seed, broken));
                        self.next.store(u64::MAX / 2, Ordering::Relaxed); // The others stop after their batch.
                        return;
                    }
                }
            }
            self.report(tally);
        }
    }

    fn report(&self, tally: Tally) {
        let mut progress = self.progress.lock().expect("no thread panics");
        progress.tally.add(tally);
        let resident = resident_bytes();
        let done = progress.tally.all();
        if done <= WARM_UP {
            progress.resident_before = resident;
        }
        progress.resident_before = if progress.resident_before == 0 { resident } else { progress.resident_before };
        progress.resident_most = progress.resident_most.max(resident);
        let elapsed = self.began.elapsed();
        if elapsed - progress.printed >= PROGRESS {
            progress.printed = elapsed;
            let rate = done as f64 / elapsed.as_secs_f64();
            let left = (self.campaign.modules - done) as f64 / rate;
            let line = format!(
                "{done} of {} modules, {rate:.0} a second, {} MiB resident, {left:.0} s to go",
                self.campaign.modules,
                resident >> 20
            );
            writeln!(std::io::stderr(), "{line}").unwrap_or_default();
        }
    }

    fn into_findings(self) -> Findings {
        let took = self.began.elapsed();
        let Progress { tally, broken, resident_before, resident_most, .. } =
            self.progress.into_inner().expect("no thread panics");
        Findings { tally, broken, took, resident_before, resident_most }
    }
}

impl Findings {
    /// How much the process grew after warming up, in bytes.
    #[must_use]
    pub fn growth(&self) -> u64 {
        self.resident_most.saturating_sub(self.resident_before)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, seconds) = (self.tally.all(), self.took.as_secs_f64());
        writeln!(f, "{all} random modules in {seconds:.1} s, {:.0} a second", all as f64 / seconds)?;
        write!(f, "{}", self.tally)?;
        let (before, most) = (self.resident_before >> 20, self.resident_most >> 20);
        writeln!(f, "  resident     {before} MiB after warming up, {most} MiB at most")
    }
}

/// The memory of this process that is resident.
fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096
}
