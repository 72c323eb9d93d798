//! Measuring in turns: a few runs of each arm, for many rounds, so that whatever else the machine does hits all alike.

use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Times each arm has its turn.
    pub rounds: usize,
    /// Runs in one turn; enough that caches are warm for most of them.
    pub runs: usize,
    /// Rules that are compiled apart to make a pipeline of distinct ones; the rest are loaded again from the same code.
    pub compiled: usize,
    /// How long logins arrive, with and without spinning ones beside them.
    pub arrivals: Duration,
}

impl Effort {
    /// What the table in `README.md` is made with: a few minutes.
    pub const FULL: Self = Self { rounds: 200, runs: 25, compiled: 100, arrivals: Duration::from_secs(30) };
    /// A look: under a minute.
    pub const QUICK: Self = Self { rounds: 30, runs: 15, compiled: 10, arrivals: Duration::from_secs(5) };
}

/// What a number of runs took, each by itself, in nanoseconds.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<u64>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, took: Duration) {
        self.0.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds those of somebody else.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.0.iter().sum())
    }

    /// The value below which this share of the samples lies, in microseconds; 0 without samples.
    #[must_use]
    pub fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        sorted.get(at).map_or(0.0, |nanoseconds| *nanoseconds as f64 / 1_000.0)
    }

    /// The median, in microseconds.
    #[must_use]
    pub fn p50(&self) -> f64 {
        self.percentile(0.5)
    }
}

/// One thing that is measured: makes so many runs and adds what each took.
pub type Arm<'a> = Box<dyn FnMut(usize, &mut Samples) -> anyhow::Result<()> + 'a>;

/// Gives each arm its turns, and returns the samples of each.
///
/// # Errors
/// What an arm fails with.
pub fn in_turns(effort: Effort, arms: &mut [Arm<'_>]) -> anyhow::Result<Vec<Samples>> {
    let mut samples = vec![Samples::default(); arms.len()];
    let mut unmeasured = Samples::default();
    for arm in arms.iter_mut() {
        arm(effort.runs, &mut unmeasured)?;
    }
    for _ in 0..effort.rounds {
        for (arm, samples) in arms.iter_mut().zip(&mut samples) {
            arm(effort.runs, samples)?;
        }
    }
    Ok(samples)
}

/// The middle one of some figures, or the mean of the two in the middle; 0 without any.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.get(figures.len().saturating_sub(1) / 2..=figures.len() / 2).unwrap_or_default();
    middle.iter().sum::<f64>() / middle.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_microseconds() {
        let mut samples = Samples::default();
        (1..=101).rev().for_each(|micros| samples.push(Duration::from_micros(micros)));
        assert_eq!((samples.p50(), samples.percentile(0.99), samples.percentile(0.0)), (51.0, 100.0, 1.0));
        assert_eq!(Samples::default().p50(), 0.0);
    }

    #[test]
    fn a_median_is_in_the_middle_of_any_number_of_figures() {
        let of = |figures: &[f64]| median(figures.to_vec());
        assert_eq!([of(&[]), of(&[3.0]), of(&[4.0, 2.0]), of(&[9.0, 1.0, 2.0])], [0.0, 3.0, 3.0, 2.0]);
    }

    #[test]
    fn every_arm_has_every_turn() {
        let effort = Effort { rounds: 3, runs: 2, compiled: 0, arrivals: Duration::ZERO };
        let order = std::cell::RefCell::new(Vec::new());
        let arm = |name: char| -> Arm<'_> {
            let order = &order;
            Box::new(move |runs, samples| {
                order.borrow_mut().push(name);
                (0..runs).for_each(|_| samples.push(Duration::from_micros(1)));
                Ok(())
            })
        };
        let samples = in_turns(effort, &mut [arm('a'), arm('b')]).unwrap();
        assert_eq!(order.borrow().iter().collect::<String>(), "abababab"); // The first turn only warms up.
        assert_eq!(samples.iter().map(|samples| samples.0.len()).collect::<Vec<_>>(), [6, 6]);
    }
}
