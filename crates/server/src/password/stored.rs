//! A password's hash as it is stored: a PHC string whose parameters have a ceiling.
//!
//! A stored hash may have been imported, and its parameters decide what a login costs. So they are read, and bounded,
//! before anything is computed from them (HS-09); at import, and again at every use.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc::PasswordHash};
use subtle::ConstantTimeEq as _;

use super::{Password, memory::Memory};

/// A stored hash that is cheap enough to be verified.
#[derive(Clone)]
pub struct StoredHash {
    phc: PasswordHash,
    params: Params,
}

/// Why a hash is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashRefused {
    /// It is no PHC string with salt and hash.
    #[error("this is no PHC string with a salt and a hash")]
    Malformed,
    /// It was made with something else than Argon2 version 19.
    #[error("this hash was not made with argon2id, argon2i or argon2d of version 19")]
    Algorithm,
    /// Verifying it would cost too much.
    #[error(
        "this hash costs more than is accepted: at most m={MOST_MEMORY} KiB, t={MOST_PASSES}, p={MOST_LANES}, m·t={MOST_WORK} KiB"
    )]
    TooDear,
}

/// The most memory of one hash, in KiB.
const MOST_MEMORY: u32 = 256 * 1024;
/// The most passes over it.
const MOST_PASSES: u32 = 32;
/// The most lanes.
const MOST_LANES: u32 = 16;
/// The most memory times passes, in KiB: about a third of a second of one core.
const MOST_WORK: u64 = 512 * 1024;

impl StoredHash {
    /// Reads a PHC string, and refuses one that is too dear to verify.
    pub fn parse(text: &str) -> Result<Self, HashRefused> {
        let phc = PasswordHash::new(text).map_err(|_| HashRefused::Malformed)?;
        if phc.salt.is_none() || phc.hash.is_none() {
            return Err(HashRefused::Malformed);
        }
        let algorithm = Algorithm::try_from(phc.algorithm.as_str());
        if algorithm.is_err() || phc.version != Some(Version::V0x13.into()) {
            return Err(HashRefused::Algorithm);
        }
        let params = Params::try_from(&phc).map_err(|_| HashRefused::Malformed)?;
        let within = params.m_cost() <= MOST_MEMORY
            && params.t_cost() <= MOST_PASSES
            && params.p_cost() <= MOST_LANES
            && work(&params) <= MOST_WORK;
        if within { Ok(Self { phc, params }) } else { Err(HashRefused::TooDear) }
    }

    /// Whether this password was hashed. Takes the time the parameters ask for.
    pub(super) fn is_of(&self, password: &Password, memory: &mut Memory) -> bool {
        let (Ok(algorithm), Some(salt), Some(known)) =
            (Algorithm::try_from(self.phc.algorithm.as_str()), &self.phc.salt, &self.phc.hash)
        else {
            return false; // Not parsed, then.
        };
        let argon2 = Argon2::new(algorithm, Version::V0x13, self.params.clone());
        let mut hash = vec![0; known.len()];
        let blocks = memory.of(&self.params);
        let hashed = argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut hash, blocks);
        hashed.is_ok() && bool::from(known.as_bytes().ct_eq(&hash))
    }

    /// Whether it was made with less than these parameters, or with another algorithm.
    pub(super) fn is_weaker_than(&self, params: &Params) -> bool {
        self.phc.algorithm != Algorithm::Argon2id.ident()
            || self.params.m_cost() < params.m_cost()
            || work(&self.params) < work(params)
    }
}

/// What hashing costs: memory times passes, in KiB.
fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredHash({}, …)", self.phc.algorithm)
    }
}
