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

/// The sandbox of a JavaScript rule.
const SANDBOX: &str = "sandbox-javascript-fast";

fn small() -> Cell {
    Cell::one(Rule::Fields, event::SMALL)
}

/// Which rows a bar compares, one over the other, and in which cell.
#[must_use]
pub fn pairs() -> Vec<(Cell, &'static str, &'static str)> {
    let usual = RACES.iter().map(|race| (Cell::usual(), race.theirs, race.ours));
    let of_the_sandbox = SANDBOX_RACES.iter().map(|(theirs, ..)| (small(), *theirs, SANDBOX));
    let more = [(small(), SANDBOX, "ivm-reused"), (Cell::usual(), "sandbox-rust-fast", "floor-fast")];
    usual.chain(of_the_sandbox).chain(more).collect()
}

/// The bars of a contest, in the order of the issue that set them.
#[must_use]
pub fn bars(results: &Results) -> Vec<Bar> {
    let usual = |over: &str, under: &str| results.ratio(&Cell::usual(), over, under);
    let small = |over: &str, under: &str| results.ratio(&small(), over, under);
    let mut bars: Vec<Bar> = RACES
        .iter()
        .map(|race| {
            let what = format!("{} rule, 4 kB: times faster than {}", race.name, race.peer);
            Bar::at_least(what, usual(race.theirs, race.ours), race.times, "×")
        })
        .collect();
    for (theirs, peer, times) in SANDBOX_RACES {
        let what = format!("JavaScript rule, 2 kB, sandbox alone: times faster than {peer}");
        bars.push(Bar::at_least(what, small(theirs, SANDBOX), times, "×"));
    }
    bars.push(Bar::at_most(
        "JavaScript rule, 2 kB, sandbox alone: over isolated-vm with one context for everybody",
        small(SANDBOX, "ivm-reused"),
        3.0,
        "×",
    ));
    bars.push(Bar::at_most(
        "Rust rule, 4 kB: sandbox over bare wasmtime",
        usual("sandbox-rust-fast", "floor-fast"),
        1.5,
        "×",
    ));
    let critical_path = results.p50("ready-floor-fast", &Cell::usual());
    bars.push(
        Bar::at_most("critical path of a login above the rule's own work", critical_path, 1.5, " µs")
            .beside("the instance is made before and reset afterwards"),
    );
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        peers::{results::Ratio, rows},
        report::Verdict,
    };

    #[test]
    fn every_bar_compares_rows_that_exist() {
        for (_, over, under) in pairs() {
            assert!(rows::of(over).is_some() && rows::of(under).is_some(), "{over} {under}");
        }
    }

    #[test]
    fn a_bar_is_missed_below_its_limit_and_missing_without_its_peer() {
        let ratio =
            |over: &str, times| Ratio { cell: Cell::usual(), over: over.into(), under: "rust-fast".into(), times };
        let ratios = vec![ratio("vm-fresh", 34.9), ratio("webhook", 12.1)];
        let results = Results { ratios, ..Results::default() };
        let verdict = |peer: &str| {
            let bars = bars(&results);
            bars.iter().find(|bar| bar.what.starts_with("Rust") && bar.what.ends_with(peer)).unwrap().verdict
        };
        assert_eq!(verdict("a fresh `vm` context"), Verdict::Miss);
        assert_eq!(verdict("the webhook"), Verdict::Pass);
        assert_eq!(verdict("Extism with a fresh plug-in"), Verdict::Missing);
    }

    #[test]
    fn every_pair_is_a_bar_s_and_a_bar_whose_peer_is_missing_is_missing() {
        let times = |over: &str| if over == "webhook" { 11.9 } else { 40.0 };
        let mut ratios: Vec<Ratio> = pairs()
            .into_iter()
            .map(|(cell, over, under)| Ratio {
                cell,
                over: over.to_owned(),
                under: under.to_owned(),
                times: times(over),
            })
            .collect();
        let verdicts = |ratios: &[Ratio]| {
            let of = bars(&Results { ratios: ratios.to_vec(), ..Results::default() });
            let of = |verdict| of.iter().filter(|bar| bar.verdict == verdict).count();
            [of(Verdict::Pass), of(Verdict::Miss), of(Verdict::Missing)]
        };
        // The webhook, and the two that may be at most so much.
        assert_eq!(verdicts(&ratios), [pairs().len() - 3, 3, 1], "and the critical path was not measured");
        ratios.retain(|ratio| ratio.over != "vm-fresh");
        assert_eq!(verdicts(&ratios), [pairs().len() - 6, 3, 4]);
    }
}
