//! Proofs by trying often: how long one is, its dice, and what it says in the end.
//!
//! Continuous integration runs a short version of each. `cargo xtask prove-atomic` and `prove-crash` run the long ones:
//! they say how long in a variable, and every run appends what it did to the file in `VESTIBULE_LEDGER`.

use std::{env, fs::OpenOptions, io::Write as _};

/// The number in an environment variable, or the short version's.
///
/// # Panics
/// If the variable holds no number.
#[must_use]
pub fn length(variable: &str, short: u64) -> u64 {
    env::var(variable).ok().map_or(short, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// How much of the same was tried in pieces before: whose dice begin there do not throw the same again.
#[must_use]
pub fn tried() -> u64 {
    length("VESTIBULE_TRIED", 0)
}

/// Prints what was tried, and appends it to the ledger if there is one. No failure in n trials bounds the rate below 3/n
/// at 95 % confidence.
///
/// # Panics
/// If the ledger cannot be written.
pub fn tell(proof: &str, trials: u64, failures: u64, more: &str) {
    let bound = 3.0 / f64::from(u32::try_from(trials).unwrap());
    let line = format!(
        "{{\"proof\": \"{proof}\", \"trials\": {trials}, \"failures\": {failures}, \"bound\": {bound:e}, {more}}}"
    );
    println!("{line}");
    if let Ok(path) = env::var("VESTIBULE_LEDGER") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap(); // Whole, or not at all.
    }
}

/// A small generator: the same numbers for the same seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice with this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
