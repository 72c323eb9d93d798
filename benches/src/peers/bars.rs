//! The bars: what our figures have to be beside those of the others, in this one run.

use vestibule_contest::{event, rule::Rule};

use super::results::{Cell, Results};
use crate::report::Bar;

/// A row that another has to be so many times faster than.
struct Race {
    ours: &'static str,
    name: &'static str,
    theirs: &'static str,
    peer: &'static str,
    /// How many times ours has to be faster.
    times: f64,
}

const fn race(ours: &'static str, theirs: &'static str, peer: &'static str, times: f64) -> Race {
    let name = if matches!(ours.as_bytes(), [b'j', ..]) { "JavaScript" } else { "Rust" };
    Race { ours, name, theirs, peer, times }
}

const RACES: [Race; 9] = [
    race("rust-fast", "extism-fresh", "Extism with a fresh plug-in", 20.0),
    race("rust-fast", "extism-reused", "Extism with a reused plug-in", 1.0),
    race("rust-fast", "vm-fresh", "a fresh `vm` context", 35.0),
    race("rust-fast", "webhook", "the webhook", 12.0),
    race("rust-fast", "native-tree", "the native function that parses a tree", 1.0),
    race("javascript-fast", "vm-fresh", "a fresh `vm` context", 6.0),
    race("javascript-fast", "ivm-context", "isolated-vm with a fresh context", 6.0),
    race("javascript-fast", "ivm-isolate", "isolated-vm with a fresh isolate", 25.0),
    race("javascript-fast", "quickjs", "native rquickjs with a fresh context", 2.0),
];

/// What the sandbox of a JavaScript rule has to be faster than, and how many times.
const SANDBOX_RACES: [(&str, &str, f64); 3] = [
    ("vm-fresh", "a fresh `vm` context", 6.0),
    ("ivm-context", "isolated-vm with a fresh context", 6.0),
    ("quickjs", "native rquickjs with a fresh context", 2.0),
];

/// The bars of a contest, in the order of the issue that set them.
#[must_use]
pub fn bars(results: &Results) -> Vec<Bar> {
    let usual = |row: &str| results.p50(row, &Cell::usual());
    let mut bars: Vec<Bar> = RACES
        .iter()
        .map(|race| {
            let what = format!("{} rule, 4 kB: times faster than {}", race.name, race.peer);
            Bar::at_least(what, usual(race.theirs) / usual(race.ours), race.times, "×")
        })
        .collect();
    let small = |row: &str| results.p50(row, &Cell::one(Rule::Fields, event::SMALL));
    for (theirs, peer, times) in SANDBOX_RACES {
        let what = format!("JavaScript rule, 2 kB, sandbox alone: times faster than {peer}");
        bars.push(Bar::at_least(what, small(theirs) / small("sandbox-javascript-fast"), times, "×"));
    }
    bars.push(Bar::at_most(
        "JavaScript rule, 2 kB, sandbox alone: over isolated-vm with one context for everybody",
        small("sandbox-javascript-fast") / small("ivm-reused"),
        3.0,
        "×",
    ));
    bars.push(Bar::at_most(
        "Rust rule, 4 kB: sandbox over bare wasmtime",
        usual("sandbox-rust-fast") / usual("floor-fast"),
        1.5,
        "×",
    ));
    bars.push(
        Bar::at_most("critical path of a login above the rule's own work", usual("ready-floor-fast"), 1.5, " µs")
            .beside("the instance is made before and reset afterwards"),
    );
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        peers::{
            results::{Figure, RowResult},
            rows,
        },
        report::Verdict,
    };

    #[test]
    fn every_bar_names_rows_that_exist() {
        for race in RACES {
            assert!(rows::of(race.ours).is_some() && rows::of(race.theirs).is_some(), "{} {}", race.ours, race.theirs);
        }
        assert!(SANDBOX_RACES.iter().all(|(theirs, ..)| rows::of(theirs).is_some()));
    }

    #[test]
    fn a_bar_whose_peer_is_missing_is_missing_and_not_met() {
        let mut results = Results::default();
        let mut add = |row: &str, p50| {
            let figure = Figure { cell: Cell::usual(), p50, p99: p50, faults: 0.0, memory_mib: 1.0 };
            let result = RowResult { figures: vec![figure], ..RowResult::default() };
            results.rows.insert(row.to_owned(), result);
        };
        add("rust-fast", 10.0);
        add("vm-fresh", 349.0);
        add("webhook", 121.0);
        let verdict = |peer: &str| {
            let bars = bars(&results);
            bars.iter().find(|bar| bar.what.starts_with("Rust") && bar.what.ends_with(peer)).unwrap().verdict
        };
        assert_eq!(verdict("a fresh `vm` context"), Verdict::Miss);
        assert_eq!(verdict("the webhook"), Verdict::Pass);
        assert_eq!(verdict("Extism with a fresh plug-in"), Verdict::Missing);
    }
}
