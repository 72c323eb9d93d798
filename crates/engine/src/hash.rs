//! Hashing for guests, by kept crates: bcrypt, interpreted, would take more fuel than any login has.
//!
//! What is hashed is a pure function of its arguments, so nothing of it is recorded for replays. Its price in fuel is
//! taken before it is done, so that no guest gets more of it than it can pay for. What is short is done in the run's own
//! turn; what takes long on one of as many threads as there are cores but one. Its time is the guest's. Long runs and
//! people's passwords have lanes of their own: all three full, no core is free.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use hmac::Mac as _;
use md5::Md5;
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout_at,
};
use vestibule_abi::{
    codes::FailureCode,
    host::{HashAlgorithm, HostFunction},
    limits,
};
use vestibule_pipeline::RuleFailure;

use crate::{failure::Stop, watch::thread_time};

/// What a digest costs beside its bytes: padding, and the keys of an HMAC.
const BASE_FUEL: u64 = 2_000;
/// The price of a byte. The slowest algorithm takes some three nanoseconds for it.
const FUEL_PER_BYTE: u64 = 8;
/// The price of one round of pbkdf2, for each digest's worth of the key: half a microsecond with the slowest.
const FUEL_PER_ROUND: u64 = 256;
/// The price of one of bcrypt's `2^cost` rounds, some fifty microseconds. Cost 10 has to fit what a rule in JavaScript has.
const FUEL_PER_BCRYPT_ROUND: u64 = 32 * 1024;
/// What costs more is done on a thread of its own: half a millisecond of pbkdf2, and bcrypt always.
pub(crate) const FUEL_AT_ONCE: u64 = 256 * 1024;

/// The characters of a password that bcrypt looks at, its final zero among them.
const BCRYPT_PASSWORD_BYTES: usize = 72;
const SALT_LEN: i32 = limits::BCRYPT_SALT_BYTES as i32;

/// Something to be hashed: `B` is where its bytes are in the guest's memory, or the bytes themselves.
#[derive(Debug)]
pub(crate) enum Hashing<B> {
    Digest { algorithm: HashAlgorithm, data: B },
    Hmac { algorithm: HashAlgorithm, key: B, data: B },
    Pbkdf2 { algorithm: HashAlgorithm, password: B, salt: B, rounds: u32, length: u32 },
    Bcrypt { password: B, salt: B, cost: u32 },
}

/// A range of the guest's memory, as the guest gave it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(pub(crate) i32, pub(crate) i32);

impl Place {
    fn bytes(self) -> u64 {
        u64::from(self.1 as u32)
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Hashed {
    pub(crate) bytes: Vec<u8>,
    /// The time it took, which counts as the guest's.
    pub(crate) took: Duration,
}

impl<B> Hashing<B> {
    /// How many bytes come of it.
    pub(crate) fn length(&self) -> u32 {
        match self {
            Self::Digest { algorithm, .. } | Self::Hmac { algorithm, .. } => algorithm.bytes(),
            Self::Pbkdf2 { length, .. } => *length,
            Self::Bcrypt { .. } => limits::BCRYPT_DIGEST_BYTES,
        }
    }
}

/// A call of one of the host functions: what to hash, and where the guest wants it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) hashing: Hashing<Place>,
    pub(crate) to_ptr: i32,
}

impl Call {
    /// Reads the arguments, which are in the order of the contract.
    ///
    /// # Errors
    /// `hostcall_bad_args` for what is out of range.
    pub(crate) fn read(function: &HostFunction, arguments: &[i32]) -> Result<Self, Stop> {
        let (hashing, to_ptr) = match (function.name, arguments) {
            ("digest", &[algorithm, ptr, len, to_ptr]) => {
                (Hashing::Digest { algorithm: of_wire(algorithm)?, data: Place(ptr, len) }, to_ptr)
            }
            ("hmac", &[algorithm, key_ptr, key_len, ptr, len, to_ptr]) => {
                let (key, data) = (Place(key_ptr, key_len), Place(ptr, len));
                (Hashing::Hmac { algorithm: of_wire(algorithm)?, key, data }, to_ptr)
            }
            ("pbkdf2", &[algorithm, password_ptr, password_len, salt_ptr, salt_len, rounds, to_ptr, to_len]) => {
                let (password, salt) = (Place(password_ptr, password_len), Place(salt_ptr, salt_len));
                let (rounds, length) = (rounds as u32, to_len as u32);
                if rounds == 0 || !(1..=limits::DERIVED_KEY_BYTES).contains(&length) {
                    return Err(bad_args("pbkdf2: no rounds, or a key of no length or of more than there can be"));
                }
                (Hashing::Pbkdf2 { algorithm: of_wire(algorithm)?, password, salt, rounds, length }, to_ptr)
            }
            ("bcrypt", &[password_ptr, password_len, salt_ptr, cost, to_ptr]) => {
                let (password, salt) = (Place(password_ptr, password_len), Place(salt_ptr, SALT_LEN));
                let cost = cost as u32;
                if !limits::BCRYPT_COST.contains(&cost) {
                    return Err(bad_args("bcrypt: the cost is a number from 4 to 14"));
                }
                (Hashing::Bcrypt { password, salt, cost }, to_ptr)
            }
            _ => return Err(Stop::new(FailureCode::HostInternal, format!("nothing hashes for `{function}`"))),
        };
        Ok(Self { hashing, to_ptr })
    }
}

impl Hashing<Place> {
    /// What is hashed: the second place perhaps more than once.
    pub(crate) const fn places(&self) -> [Place; 2] {
        match self {
            Self::Digest { data, .. } => [Place(0, 0), *data],
            Self::Hmac { key, data, .. } => [*key, *data],
            Self::Pbkdf2 { password, salt, .. } | Self::Bcrypt { password, salt, .. } => [*password, *salt],
        }
    }

    /// What it costs, in fuel.
    ///
    /// # Errors
    /// `hostcall_bad_args` for more bytes than are hashed at once.
    pub(crate) fn price(&self) -> Result<u64, Stop> {
        // How often the second place is hashed: pbkdf2 takes in its salt for each digest's worth of the key.
        let (times, rounds) = match self {
            Self::Digest { .. } | Self::Hmac { .. } => (1, 0),
            Self::Pbkdf2 { algorithm, rounds, length, .. } => {
                let digests = u64::from(length.div_ceil(algorithm.bytes()));
                (digests, FUEL_PER_ROUND * digests * u64::from(*rounds))
            }
            Self::Bcrypt { cost, .. } => (1, FUEL_PER_BCRYPT_ROUND << cost),
        };
        let [once, often] = self.places().map(Place::bytes);
        if once.max(often) > u64::from(limits::HASH_BYTES) {
            return Err(bad_args("more bytes than are hashed at once"));
        }
        Ok(BASE_FUEL + FUEL_PER_BYTE * (once + often * times) + rounds)
    }

    /// The same with the bytes that are there.
    ///
    /// # Errors
    /// What `read` says.
    pub(crate) fn copied<'m>(self, read: impl Fn(Place) -> Result<&'m [u8], Stop>) -> Result<Hashing<Vec<u8>>, Stop> {
        let read = |place| read(place).map(<[u8]>::to_vec);
        Ok(match self {
            Self::Digest { algorithm, data } => Hashing::Digest { algorithm, data: read(data)? },
            Self::Hmac { algorithm, key, data } => Hashing::Hmac { algorithm, key: read(key)?, data: read(data)? },
            Self::Pbkdf2 { algorithm, password, salt, rounds, length } => {
                Hashing::Pbkdf2 { algorithm, password: read(password)?, salt: read(salt)?, rounds, length }
            }
            Self::Bcrypt { password, salt, cost } => {
                Hashing::Bcrypt { password: read(password)?, salt: read(salt)?, cost }
            }
        })
    }
}

fn of_wire(algorithm: i32) -> Result<HashAlgorithm, Stop> {
    HashAlgorithm::from_wire(algorithm).ok_or_else(|| bad_args("there is no hash algorithm of that number"))
}

fn bad_args(message: &str) -> Stop {
    Stop::new(FailureCode::HostcallBadArgs, message)
}

/// Calls what is generic over a hash with the one that is named.
macro_rules! with_hash {
    ($algorithm:expr, $hash:ident => $body:expr) => {
        match $algorithm {
            HashAlgorithm::Md5 => with_hash!(@ $hash = Md5, $body),
            HashAlgorithm::Sha1 => with_hash!(@ $hash = Sha1, $body),
            HashAlgorithm::Sha224 => with_hash!(@ $hash = Sha224, $body),
            HashAlgorithm::Sha256 => with_hash!(@ $hash = Sha256, $body),
            HashAlgorithm::Sha384 => with_hash!(@ $hash = Sha384, $body),
            HashAlgorithm::Sha512 => with_hash!(@ $hash = Sha512, $body),
            HashAlgorithm::Ripemd160 => with_hash!(@ $hash = Ripemd160, $body),
        }
    };
    (@ $hash:ident = $chosen:ty, $body:expr) => {{
        type $hash = $chosen;
        $body
    }};
}

impl Hashing<Vec<u8>> {
    /// Does it, here and now, and says how long this thread was at it.
    ///
    /// # Errors
    /// As [`Hashing::done`].
    pub(crate) fn timed(&self) -> Result<Hashed, RuleFailure> {
        let began = thread_time();
        let bytes = self.done()?;
        Ok(Hashed { bytes, took: thread_time().saturating_sub(began) })
    }

    /// Does it.
    ///
    /// # Errors
    /// `host_internal` if a crate refuses what it always takes.
    pub(crate) fn done(&self) -> Result<Vec<u8>, RuleFailure> {
        match self {
            Self::Digest { algorithm, data } => Ok(with_hash!(algorithm, H => H::digest(data).to_vec())),
            Self::Hmac { algorithm, key, data } => with_hash!(algorithm, H => hmac::Hmac::<H>::new_from_slice(key)
                .map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec())
                .map_err(|error| RuleFailure::new(FailureCode::HostInternal, error.to_string()))),
            Self::Pbkdf2 { algorithm, password, salt, rounds, length } => {
                let mut key = vec![0; *length as usize];
                with_hash!(algorithm, H => pbkdf2::pbkdf2_hmac::<H>(password, salt, *rounds, &mut key));
                Ok(key)
            }
            Self::Bcrypt { password, salt, cost } => {
                let salt: [u8; limits::BCRYPT_SALT_BYTES as usize] = salt
                    .as_slice()
                    .try_into()
                    .map_err(|_| RuleFailure::new(FailureCode::HostInternal, "a salt of another length"))?;
                let mut password: Vec<u8> = password.iter().copied().take(BCRYPT_PASSWORD_BYTES).collect();
                if password.len() < BCRYPT_PASSWORD_BYTES {
                    password.push(0);
                }
                let digest = bcrypt::bcrypt(*cost, salt, &password);
                Ok(digest.into_iter().take(limits::BCRYPT_DIGEST_BYTES as usize).collect())
            }
        }
    }
}

/// The threads that hash what takes long.
#[derive(Debug, Clone)]
pub(crate) struct Threads {
    all: Arc<Semaphore>,
    count: usize,
}

impl Threads {
    pub(crate) fn new(count: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(count)), count }
    }

    /// What one rule has of them: it may hold all, but what it has beyond that waits behind the others.
    pub(crate) fn of_a_rule(&self) -> Lane {
        Lane(Arc::new(Places { all: Arc::clone(&self.all), of_the_rule: Arc::new(Semaphore::new(self.count)) }))
    }
}

/// Where one rule waits for a thread that hashes. Every run has it, so that it is one reference to count.
#[derive(Debug, Clone)]
pub(crate) struct Lane(Arc<Places>);

#[derive(Debug)]
struct Places {
    all: Arc<Semaphore>,
    of_the_rule: Arc<Semaphore>,
}

/// Where a run's hashing is done.
#[derive(Debug, Clone)]
pub(crate) struct Hashers {
    pub(crate) lane: Lane,
    /// When the run has to be over.
    pub(crate) deadline: Instant,
}

/// A guest's hashing, under way.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Hashed, RuleFailure>> + Send>>;

impl Hashers {
    /// Does what takes long, on a thread.
    pub(crate) async fn on_a_thread(self, hashing: Hashing<Vec<u8>>) -> Result<Hashed, RuleFailure> {
        let places = self.places().await?;
        let thread = spawn_blocking(move || {
            let hashed = hashing.timed();
            drop(places); // Kept to the end, also when nobody waits for it any more.
            hashed
        });
        match timeout_at(self.deadline.into(), thread).await {
            Ok(ended) => ended.map_err(|error| internal(&error))?,
            Err(_) => Err(RuleFailure::new(FailureCode::DeadlineExceeded, "the login has no time left")),
        }
    }

    /// Waits for a thread: first its turn among what the same rule hashes, then that among all.
    async fn places(&self) -> Result<[OwnedSemaphorePermit; 2], RuleFailure> {
        let Places { all, of_the_rule } = &*self.lane.0;
        let of_the_rule = self.place(of_the_rule).await?;
        let of_all = self.place(all).await?;
        Ok([of_all, of_the_rule])
    }

    async fn place(&self, places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, RuleFailure> {
        match timeout_at(self.deadline.into(), Arc::clone(places).acquire_owned()).await {
            Ok(place) => place.map_err(|error| internal(&error)),
            Err(_) => {
                let message = "more is to be hashed than there are threads for; try again";
                Err(RuleFailure::new(FailureCode::Overloaded, message))
            }
        }
    }
}

fn internal(error: &dyn fmt::Display) -> RuleFailure {
    RuleFailure::new(FailureCode::HostInternal, error.to_string())
}

#[cfg(test)]
mod tests;
