//! What must hold after every hostile case (`hostile-rules` §3): nothing of it stays in the process.

use std::{
    fs,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How much the resident memory may have grown after a case, in bytes.
pub const RSS_BYTES: u64 = 64 * 1024 * 1024;

/// Makes this test the only one that measures: what a process holds cannot be told apart by test. Hold it for the
/// whole test.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Threads, apart from those of the test harness.
    pub threads: usize,
    /// Open file descriptors.
    pub descriptors: usize,
    /// Child processes, zombies included.
    pub children: usize,
    /// Panics so far.
    pub panics: u64,
    /// Resident memory, in bytes.
    pub rss: u64,
}

impl Census {
    /// Counts.
    #[must_use]
    pub fn take() -> Self {
        Self {
            threads: threads(),
            descriptors: entries("/proc/self/fd"),
            children: children(),
            panics: panics(),
            rss: rss(),
        }
    }

    /// What is still there that was not there `before`; waits for what is just ending.
    ///
    /// # Errors
    /// A sentence that says what stayed.
    pub fn compare(before: &Self) -> Result<(), String> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let began = Instant::now();
        loop {
            let now = Self::take();
            let Some(left) = now.left_of(before) else { return Ok(()) };
            if began.elapsed() > PATIENCE {
                return Err(left);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn left_of(&self, before: &Self) -> Option<String> {
        let counts = [
            ("threads", self.threads, before.threads),
            ("descriptors", self.descriptors, before.descriptors),
            ("children", self.children, before.children),
        ];
        if let Some((what, now, then)) = counts.into_iter().find(|(_, now, then)| now > then) {
            return Some(format!("{now} {what}, before there were {then}"));
        }
        if self.panics != before.panics {
            return Some("something panicked".to_owned());
        }
        let grown = self.rss.saturating_sub(before.rss);
        (grown > RSS_BYTES).then(|| format!("resident memory grew by {} MiB", grown >> 20))
    }
}

/// The most resident memory the process has while `work` is done, above what it has now, in bytes.
pub fn growth_while<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = rss();
    let (most, done) = (AtomicU64::new(before), AtomicBool::new(false));
    let value = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(rss(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let value = work();
        done.store(true, Ordering::Relaxed);
        value
    });
    (value, most.into_inner().saturating_sub(before))
}

/// Resident memory, in bytes.
#[must_use]
pub fn rss() -> u64 {
    let status = fs::read_to_string("/proc/self/statm").expect("/proc");
    let pages: u64 = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("resident pages");
    pages * 4096
}

/// The threads of the process but for those that run tests, which the harness starts and ends as it likes: they are
/// called after their test, and only they have `::` in their name.
fn threads() -> usize {
    thread_names().filter(|name| !name.contains("::")).count()
}

/// The threads of the process whose names begin so. A thread has its creator's name until it runs for the first time.
#[must_use]
pub fn threads_called(beginning: &str) -> usize {
    thread_names().filter(|name| name.starts_with(beginning)).count()
}

fn thread_names() -> impl Iterator<Item = String> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc");
    tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
}

fn children() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc");
    let lists = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.map(|list| list.split_whitespace().count()).sum()
}

fn entries(folder: &str) -> usize {
    fs::read_dir(folder).expect("/proc").count()
}

/// Panics of this process, counted from the first call on.
fn panics() -> u64 {
    static PANICS: AtomicU64 = AtomicU64::new(0);
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            print(panic);
        }));
    });
    PANICS.load(Ordering::Relaxed)
}
