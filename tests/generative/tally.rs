//! What became of many modules, counted by class.

use std::{collections::BTreeMap, fmt};

use crate::Ended;

/// Counts of ends, by class and code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By class, and within it by code.
    pub classes: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Host calls of all runs.
    pub host_calls: u64,
}

impl Tally {
    /// Counts one end.
    pub fn count(&mut self, ended: &Ended, host_calls: u32) {
        let (class, code) = match ended {
            Ended::Refused(code) => ("refused", code.as_str()),
            Ended::NotStarted(code) => ("not started", code.as_str()),
            Ended::Failed(code) => ("failed", code.as_str()),
            Ended::Answered(_) => ("answered", ""),
        };
        *self.classes.entry(class).or_default().entry(code).or_default() += 1;
        self.host_calls += u64::from(host_calls);
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: Self) {
        for (class, codes) in other.classes {
            for (code, count) in codes {
                *self.classes.entry(class).or_default().entry(code).or_default() += count;
            }
        }
        self.host_calls += other.host_calls;
    }

    /// How many ended in this class.
    #[must_use]
    pub fn of(&self, class: &str) -> u64 {
        self.classes.get(class).map_or(0, |codes| codes.values().sum())
    }

    /// How many ended in this class with this code.
    #[must_use]
    pub fn of_code(&self, class: &str, code: &str) -> u64 {
        self.classes.get(class).and_then(|codes| codes.get(code)).copied().unwrap_or(0)
    }

    /// By class and code, and the host calls, for another process.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!({"classes": self.classes, "host_calls": self.host_calls}).to_string()
    }

    /// How many there were.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.classes.keys().map(|class| self.of(class)).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (class, codes) in &self.classes {
            let mut codes: Vec<_> = codes.iter().filter(|(code, _)| !code.is_empty()).collect();
            codes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let codes: Vec<_> = codes.iter().map(|(code, count)| format!("{code} {count}")).collect();
            writeln!(f, "  {class:<12} {:>10}  {}", self.of(class), codes.join(", "))?;
        }
        writeln!(f, "  {:<12} {:>10}", "host calls", self.host_calls)
    }
}
