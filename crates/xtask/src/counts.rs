//! Reads how many tests passed and failed from what each test runner prints.

use std::{fmt, ops::AddAssign};

/// Tests of any kind, as one runner or all of them counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
}

impl Counts {
    /// Sums every summary in a runner's output; [`None`] when there is none, which is a failure to run tests at all.
    pub(crate) fn in_output(output: &str) -> Option<Self> {
        let mut sum = None;
        for counts in output.lines().filter_map(Self::in_line) {
            *sum.get_or_insert_with(Self::default) += counts;
        }
        sum
    }

    /// The summary line of nextest, of cargo's own runner, of Node's (one line a count) or of `vestibule test`.
    fn in_line(line: &str) -> Option<Self> {
        let whole = plain(line);
        let line = whole.trim();
        // nextest shows the summary of a test that failed, indented: that test is in its own summary already.
        if line.starts_with("Summary [") || whole.starts_with("test result:") {
            let failed = number_before(line, "failed").unwrap_or(0) + number_before(line, "timed out").unwrap_or(0);
            return Some(Self { passed: number_before(line, "passed").unwrap_or(0), failed });
        }
        for mark in ["# ", "ℹ "] {
            let Some((what, count)) = line.strip_prefix(mark).and_then(|rest| rest.split_once(' ')) else { continue };
            match (what, count.parse()) {
                ("pass", Ok(passed)) => return Some(Self { passed, failed: 0 }),
                ("fail", Ok(failed)) => return Some(Self { passed: 0, failed }),
                _ => {}
            }
        }
        let (passed, failed) = line.split_once(" passed, ")?;
        Some(Self { passed: passed.parse().ok()?, failed: failed.strip_suffix(" failed")?.parse().ok()? })
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

fn number_before(line: &str, word: &str) -> Option<u64> {
    let (before, _) = line.split_once(word)?;
    before.rsplit(|letter: char| !letter.is_ascii_digit()).find(|digits| !digits.is_empty())?.parse().ok()
}

/// A line without the escape sequences of colours.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\u{1b}' => {
                let _ = rest.by_ref().find(char::is_ascii_alphabetic);
            }
            letter => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(output: &str, expected: Option<(u64, u64)>) {
        let expected = expected.map(|(passed, failed)| Counts { passed, failed });
        assert_eq!(Counts::in_output(output), expected, "{output}");
    }

    #[test]
    fn every_runners_summary_is_understood() {
        check("     Summary [   0.010s] 12 tests run: 11 passed (1 slow), 1 failed, 2 skipped", Some((11, 1)));
        check("     Summary [  60.010s] 3 tests run: 1 passed, 1 failed, 1 timed out, 0 skipped", Some((1, 2)));
        check("\u{1b}[32;1m     Summary\u{1b}[0m [   0.010s] \u{1b}[1m2\u{1b}[0m tests run: 2 passed", Some((2, 0)));
        check("test result: ok. 5 passed; 0 failed; 0 ignored\ntest result: FAILED. 1 passed; 2 failed;", Some((6, 2)));
        check("# tests 3\n# pass 2\n# fail 1\n# cancelled 0", Some((2, 1)));
        check("ℹ pass 7\nℹ fail 0", Some((7, 0)));
        check("ok deny-unverified-email / refuses\n14 passed, 1 failed", Some((14, 1)));
    }

    #[test]
    fn output_without_a_summary_is_not_a_success() {
        check("", None);
        check("error: could not compile", None);
        check("5 passed, by foot", None);
    }
}
