//! How long a proof is, and what it says in the end.

use std::{env, fs::OpenOptions, io::Write as _};

/// The number in an environment variable, or the short version's.
pub(crate) fn length(variable: &str, short: u64) -> u64 {
    env::var(variable).ok().map_or(short, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// Prints what was tried, and appends it to the ledger if there is one. No failure in n trials bounds the rate below 3/n
/// at 95 % confidence.
pub(crate) fn tell(proof: &str, trials: u64, failures: u64, more: &str) {
    let bound = 3.0 / f64::from(u32::try_from(trials).unwrap());
    let line = format!(
        "{{\"proof\": \"{proof}\", \"trials\": {trials}, \"failures\": {failures}, \"bound\": {bound:e}, {more}}}"
    );
    println!("{line}");
    if let Ok(path) = env::var("VESTIBULE_LEDGER") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// A small generator: the same numbers for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
