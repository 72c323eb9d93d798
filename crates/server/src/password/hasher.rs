//! Where passwords are hashed: as many at a time as there are cores, and a queue of at most a second of work.
//!
//! More workers than cores lose throughput and make everybody wait (`hostile-http.md`, finding 12). What does not fit into
//! the queue is refused at once, so that whoever is let in is served.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use tokio::sync::Semaphore;

use super::{
    HashRefused, Password, StoredHash,
    memory::{Memory, Shelf},
};
use crate::{clock::Entropy, error::Fault, telemetry};

/// What one hash costs: Argon2id with this much memory, so many passes, one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// KiB of memory.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Cost {
    /// 19 MiB and two passes (OWASP Password Storage Cheat Sheet).
    pub const RECOMMENDED: Self = Self { memory: 19 * 1024, passes: 2 };
}

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Hasher {
    params: Params,
    /// The hash that nobody's password has: verified in place of a missing one, so that it takes as long.
    nobody: Arc<StoredHash>,
    queue: Arc<Queue>,
}

/// What verifying came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// The password is right, and its hash is as good as a new one.
    Right,
    /// The password is right, and should be hashed anew: its hash is weaker than today's.
    RightButWeak,
    /// The password is wrong, or there is none.
    Wrong,
}

/// There is more to hash than a second of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked; try again in {} s", .retry_after.as_secs())]
pub struct Overloaded {
    /// When to try again.
    pub retry_after: Duration,
}

/// Why a password was not hashed.
#[derive(Debug)]
pub enum Unhashed {
    /// There was no place in the queue.
    Overloaded(Overloaded),
    /// It could not be.
    Fault(Fault),
}

impl Hasher {
    /// A hasher with as many workers as there are cores. Hashes once, to know what it costs.
    pub fn new(cost: Cost, entropy: &dyn Entropy) -> Result<Self, Fault> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_workers(cost, cores, entropy)
    }

    /// A hasher with so many workers.
    pub fn with_workers(cost: Cost, workers: usize, entropy: &dyn Entropy) -> Result<Self, Fault> {
        let params =
            Params::new(cost.memory, cost.passes, 1, None).map_err(|_| Fault::broken("the cost of hashing"))?;
        let shelf = Shelf::new(&params);
        let started = Instant::now();
        let nobody = shelf.lend(|memory| hash(&params, &entropy.bytes::<32>(), entropy.bytes(), memory))?;
        let queue = Arc::new(Queue::new(workers.max(1), started.elapsed(), shelf));
        Ok(Self { params, nobody: Arc::new(StoredHash::parse(&nobody)?), queue })
    }

    /// The PHC string of a new password.
    pub async fn hash(&self, password: &Password, entropy: &dyn Entropy) -> Result<String, Unhashed> {
        let (password, params, salt) = (password.clone(), self.params.clone(), entropy.bytes());
        let work = move |memory: &mut Memory| hash(&params, password.as_bytes(), salt, memory);
        let (hashed, _) = self.queue.run(Costs::Usual, work).await?;
        hashed.map_err(Unhashed::Fault)
    }

    /// Whether the password is the one that was hashed. Takes as long where nothing is stored, or something unusable.
    pub async fn verify(&self, password: &Password, stored: Option<&str>) -> Result<Verified, Unhashed> {
        let stored = stored.map(StoredHash::parse).transpose().unwrap_or_else(|refused: HashRefused| {
            tracing::error!(%refused, "a stored password hash is unusable");
            None
        });
        let is_weaker = stored.as_ref().is_some_and(|stored| stored.is_weaker_than(&self.params));
        let (password, nobody) = (password.clone(), Arc::clone(&self.nobody));
        let verify = move |memory: &mut Memory| match stored {
            Some(stored) => stored.is_of(&password, memory),
            None => {
                nobody.is_of(&password, memory);
                false
            }
        };
        let costs = if is_weaker { Costs::Less } else { Costs::Usual };
        let (is_right, took) = self.queue.run(costs, verify).await?;
        if is_weaker {
            // A cheap, imported hash must not be told from others by its time (HS-04). Its work says little about that:
            // memory that fits into a cache is faster. Nobody waits for this: the core is somebody else's by now.
            tokio::time::sleep(self.usual().saturating_sub(took)).await;
        }
        Ok(match (is_right, is_weaker) {
            (true, false) => Verified::Right,
            (true, true) => Verified::RightButWeak,
            (false, _) => Verified::Wrong,
        })
    }

    /// What one hash takes.
    pub(super) fn usual(&self) -> Duration {
        Duration::from_micros(self.queue.cost.load(Ordering::Relaxed))
    }

    /// Asks whether there is room for one more: what could only be refused is refused before anything is read for it.
    pub fn has_room(&self) -> Result<(), Overloaded> {
        self.queue.admits(self.in_hand())
    }

    /// How many passwords are being hashed, or wait for it.
    #[must_use]
    pub fn in_hand(&self) -> usize {
        self.queue.in_hand.load(Ordering::Relaxed)
    }
}

fn hash(params: &Params, password: &[u8], salt: [u8; 16], memory: &mut Memory) -> Result<String, Fault> {
    let refused = || Fault::broken("Argon2 refused a password");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    argon2.hash_password_into_with_memory(password, &salt, &mut out, memory.of(params)).map_err(|_| refused())?;
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| refused())?,
        salt: Some(Salt::new(&salt).map_err(|_| refused())?),
        hash: Some(Output::new(&out).map_err(|_| refused())?),
    };
    Ok(phc.to_string())
}

/// What a piece of work costs, beside a hash as it is made today.
#[derive(Clone, Copy)]
enum Costs {
    /// As much, or more.
    Usual,
    /// Less.
    Less,
}

/// The places in which hashing is done and waited for.
struct Queue {
    workers: usize,
    turns: Arc<Semaphore>,
    in_hand: AtomicUsize,
    /// What one hash takes, in microseconds: an average that follows the last few.
    cost: AtomicU64,
    shelf: Shelf,
}

impl Queue {
    /// The most work that may wait.
    const MOST: Duration = Duration::from_secs(1);

    fn new(workers: usize, cost: Duration, shelf: Shelf) -> Self {
        let turns = Arc::new(Semaphore::new(workers));
        Self { workers, turns, in_hand: AtomicUsize::new(0), cost: AtomicU64::new(micros(cost)), shelf }
    }

    /// Does the work when its turn comes, and says how long it took. Whoever stops waiting leaves the queue.
    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        costs: Costs,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<(T, Duration), Unhashed> {
        let place = self.enter().map_err(Unhashed::Overloaded)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|error| Unhashed::Fault(error.into()))?;
        let done = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let result = place.queue.shelf.lend(work);
            let took = started.elapsed();
            match costs {
                Costs::Usual => place.queue.learn(took),
                Costs::Less => {} // It says nothing of what the others in the queue will take.
            }
            telemetry::hashed(took);
            drop((turn, place));
            (result, took)
        });
        done.await.map_err(|error| Unhashed::Fault(error.into()))
    }

    fn enter(self: &Arc<Self>) -> Result<Place, Overloaded> {
        let ahead = self.in_hand.fetch_add(1, Ordering::Relaxed);
        let place = Place { queue: Arc::clone(self) };
        telemetry::hashing(ahead + 1);
        self.admits(ahead).map(|()| place)
    }

    /// Whether one more may wait behind so many.
    fn admits(&self, ahead: usize) -> Result<(), Overloaded> {
        let waiting = ahead.saturating_sub(self.workers - 1); // Those ahead that no worker has begun.
        let work = u64::try_from(waiting).unwrap_or(u64::MAX).saturating_mul(self.cost.load(Ordering::Relaxed));
        let wait = work / u64::try_from(self.workers).unwrap_or(u64::MAX);
        if wait <= micros(Self::MOST) {
            return Ok(());
        }
        telemetry::shed("password");
        Err(Overloaded { retry_after: Self::MOST })
    }

    fn learn(&self, took: Duration) {
        let before = self.cost.load(Ordering::Relaxed);
        self.cost.store((before * 7 + micros(took)) / 8, Ordering::Relaxed); // A lost update costs nothing here.
    }
}

/// A place in the queue; dropping it leaves the queue.
struct Place {
    queue: Arc<Queue>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = self.queue.in_hand.fetch_sub(1, Ordering::Relaxed);
        telemetry::hashing(before.saturating_sub(1));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
