//! Gives everybody their turns: proves that each does the same work, then measures.
//!
//! One process is measured at a time; the others wait for their input and use no core. Turns are short and many, so that
//! whatever else the machine does hits all alike.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;
use vestibule_contest::{
    event,
    host::{self, Outcome},
    rule::{self, Rule},
};

use super::{
    bars, ours,
    process::Process,
    results::{Cell, Figure, Ratio, Results, RowResult},
    rows::{ROWS, Row},
};
use crate::{
    machine,
    measure::profile,
    report::Table,
    rounds::{self, Samples, median},
};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Turns of each row in each cell.
    pub turns: usize,
    /// How often the two rows that a bar compares have two turns each.
    pub couples: usize,
    /// About how long a turn takes; at least one login is made.
    pub turn_ms: f64,
    /// How long each row runs before it is measured: compilers that compile while running need it.
    pub warm_ms: f64,
    /// Cold starts of each row.
    pub cold_starts: usize,
    /// How long throughput is measured, for one and for two threads.
    pub throughput_ms: u64,
    /// All sizes of events with all rules, and the long pipelines.
    pub is_full: bool,
}

impl Effort {
    /// What `PEERS.md` is made with: about ten minutes.
    pub const FULL: Self = Self {
        turns: 60,
        couples: 100,
        turn_ms: 8.0,
        warm_ms: 250.0,
        cold_starts: 7,
        throughput_ms: 400,
        is_full: true,
    };
    /// A look: a minute or two.
    pub const QUICK: Self = Self {
        turns: 10,
        couples: 50,
        turn_ms: 5.0,
        warm_ms: 100.0,
        cold_starts: 3,
        throughput_ms: 150,
        is_full: false,
    };

    /// What is measured, the usual cell first.
    #[must_use]
    pub fn cells(self) -> Vec<Cell> {
        let mut cells = vec![Cell::usual(), Cell::one(Rule::Fields, event::SMALL)];
        for rule in Rule::ALL {
            let sizes = event::SIZES.into_iter().map(|(size, _)| size);
            let of_rule = sizes.filter(|size| rule == Rule::Fields || *size != event::SMALL);
            // The smallest event has no groups to go through.
            let of_rule = of_rule.filter(|size| rule != Rule::Groups || *size != "1 kB");
            cells
                .extend(of_rule.filter(|size| self.is_full || *size == event::USUAL).map(|size| Cell::one(rule, size)));
        }
        let long: &[usize] = if self.is_full { &[5, 20] } else { &[5] };
        let many: &[usize] = if self.is_full { &[10, 100] } else { &[10] };
        cells.extend(long.iter().map(|&rules| Cell { rules, ..Cell::usual() }));
        cells.extend(many.iter().map(|&tenants| Cell { tenants, ..Cell::usual() }));
        let mut seen = Vec::new();
        cells.retain(|cell| {
            !seen.contains(cell) && {
                seen.push(cell.clone());
                true
            }
        });
        cells
    }
}

/// A row with its process, until it fails.
struct Entrant {
    row: &'static Row,
    process: Option<Process>,
    result: RowResult,
}

/// Measures all rows, or those whose id holds one of the words, which commas part.
#[must_use]
pub fn measure(effort: Effort, only: Option<&str>, command: &str) -> Results {
    let (machine, load) = (machine::described(), machine::load());
    let chosen = ROWS.iter().filter(|row| only.is_none_or(|only| only.split(',').any(|word| row.id.contains(word))));
    let mut entrants: Vec<Entrant> = chosen.map(Entrant::enter).collect();
    let mut ratios = Vec::new();
    for cell in effort.cells() {
        let began = Instant::now();
        ratios.extend(measure_cell(effort, &cell, &mut entrants));
        println!("{}: {:.0} s", cell.described(), began.elapsed().as_secs_f64());
        if cell == Cell::usual() {
            for entrant in &mut entrants {
                entrant.attempt("throughput", |entrant| entrant.throughput(effort));
                entrant.attempt("cold start", |entrant| entrant.cold_start(effort));
            }
            println!("throughput and cold start: {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    let rows: BTreeMap<String, RowResult> =
        entrants.into_iter().map(|entrant| (entrant.row.id.to_owned(), entrant.result)).collect();
    let profile = only.is_none().then(where_our_time_goes).flatten();
    Results { command: command.to_owned(), machine, load, rows, ratios, profile }
}

/// Of the usual cell.
fn where_our_time_goes() -> Option<Table> {
    let event = event::of_size(4_000);
    let measured = ours::taken_apart(&event)
        .and_then(|(bench, subjects)| profile::table(rounds::Effort::FULL, &bench, subjects, &event));
    measured.inspect_err(|error| eprintln!("MISSING  where our time goes: {error:#}")).ok()
}

fn measure_cell(effort: Effort, cell: &Cell, entrants: &mut [Entrant]) -> Vec<Ratio> {
    let Some((_, bytes)) = event::SIZES.into_iter().find(|(size, _)| *size == cell.size) else { return Vec::new() };
    let event = event::of_size(bytes);
    let what = &cell.described();
    let mut turns: Vec<(&mut Entrant, Measured)> = Vec::new();
    for entrant in entrants.iter_mut().filter(|entrant| entrant.takes_part_in(cell)) {
        let begun = entrant.attempt(what, |entrant| {
            entrant.prove(cell, &event)?;
            entrant.warm(effort)
        });
        turns.extend(begun.map(|logins| (entrant, Measured::turns_of(logins))));
    }
    for _ in 0..effort.turns {
        turns.retain_mut(|(entrant, measured)| {
            entrant.attempt(what, |entrant| measured.add(entrant.process()?.run(measured.logins)?)).is_some()
        });
    }
    let logins: BTreeMap<&str, usize> =
        turns.iter().map(|(entrant, measured)| (entrant.row.id, measured.logins)).collect();
    for (entrant, measured) in turns {
        entrant.attempt(what, |entrant| {
            let memory_mib = entrant.process()?.memory_mib()?;
            entrant.result.figures.push(measured.figure(cell, memory_mib));
            if *cell == Cell::usual() {
                entrant.result.memory_mib = Some(memory_mib);
            }
            Ok(())
        });
    }
    let compared = bars::pairs().into_iter().filter(|(of, ..)| of == cell);
    compared.filter_map(|(_, over, under)| compare(effort, cell, [over, under], entrants, &logins)).collect()
}

/// One row over another, by turns of both: one after the other, and the other way round, so that neither always follows its
/// own turn, with warm caches.
fn compare(
    effort: Effort,
    cell: &Cell,
    [over, under]: [&str; 2],
    entrants: &mut [Entrant],
    logins: &BTreeMap<&str, usize>,
) -> Option<Ratio> {
    let what = format!("{}, {over} over {under}", cell.described());
    let mut turn = |row: &str| {
        let entrant = entrants.iter_mut().find(|entrant| entrant.row.id == row)?;
        let logins = *logins.get(row)?;
        entrant.attempt(&what, |entrant| Ok(median_of(entrant.process()?.run(logins)?.0)))
    };
    let mut times = Vec::with_capacity(effort.couples);
    for _ in 0..effort.couples {
        let (above, below) = (turn(over)?, turn(under)?);
        let first = above / below;
        let (below, above) = (turn(under)?, turn(over)?);
        times.push((first * (above / below)).sqrt());
    }
    Some(Ratio { cell: cell.clone(), over: over.to_owned(), under: under.to_owned(), times: median(times) })
}

fn median_of(nanoseconds: Vec<u64>) -> f64 {
    median(nanoseconds.into_iter().map(|took| took as f64).collect())
}

/// What a row came to in a cell so far.
struct Measured {
    /// How many logins make a turn.
    logins: usize,
    samples: Samples,
    faults: Vec<f64>,
}

impl Measured {
    fn turns_of(logins: usize) -> Self {
        Self { logins, samples: Samples::default(), faults: Vec::new() }
    }

    fn add(&mut self, (nanoseconds, faults): (Vec<u64>, u64)) -> anyhow::Result<()> {
        nanoseconds.into_iter().for_each(|took| self.samples.push(Duration::from_nanos(took)));
        self.faults.push(faults as f64);
        Ok(())
    }

    fn figure(self, cell: &Cell, memory_mib: f64) -> Figure {
        let (p50, p99) = (self.samples.p50(), self.samples.percentile(0.99));
        Figure { cell: cell.clone(), p50, p99, faults: median(self.faults), memory_mib }
    }
}

impl Entrant {
    fn enter(row: &'static Row) -> Self {
        let mut entrant = Self { row, process: None, result: RowResult::default() };
        match Process::start(row) {
            Ok(process) => {
                entrant.result.described.clone_from(&process.described);
                entrant.process = Some(process);
            }
            Err(error) => entrant.is_missing("all of it", &error),
        }
        entrant
    }

    fn takes_part_in(&self, cell: &Cell) -> bool {
        let is_one = cell.rules == 1 && cell.tenants == 1; // A part of a login is a part of one rule.
        self.process.is_some() && self.row.rules.contains(&cell.rule) && (is_one || !self.row.is_part)
    }

    fn process(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().ok_or_else(|| anyhow::anyhow!("its process is gone"))
    }

    /// Does a step. What fails is told and left out; the row goes on with a new process, if there is one.
    fn attempt<T>(&mut self, what: &str, step: impl FnOnce(&mut Self) -> anyhow::Result<T>) -> Option<T> {
        match self.process.is_some().then(|| step(self))? {
            Ok(done) => Some(done),
            Err(error) => {
                self.is_missing(what, &error);
                self.process = Process::start(self.row).ok();
                None
            }
        }
    }

    fn is_missing(&mut self, what: &str, error: &anyhow::Error) {
        eprintln!("MISSING  {}: {what}: {error:#}", self.row.name);
        self.result.missing.push(format!("{what}: {error:#}"));
    }

    /// Deploys, and compares what logins come to with the native function.
    fn prove(&mut self, cell: &Cell, event: &Value) -> anyhow::Result<()> {
        let is_decision_only = self.row.is_decision_only;
        let is_part = self.row.is_part;
        let process = self.process()?;
        process.open(cell.task())?;
        if is_part {
            let (wanted, got) = (native(cell, event)?, process.event(event)?);
            let same = is_same_part(&wanted, &got);
            anyhow::ensure!(same, "its run came to {got:?} instead of {wanted:?}");
            return Ok(());
        }
        for event in [event::unverified(event.clone()), event.clone()] {
            let (wanted, got) = (native(cell, &event)?, process.event(&event)?);
            let is_same = match (&wanted, &got) {
                (Outcome::Allow { .. }, Outcome::Allow { .. }) if is_decision_only => true,
                _ => wanted == got,
            };
            anyhow::ensure!(is_same, "its login came to {got:?} instead of {wanted:?}");
        }
        Ok(())
    }

    /// Runs until it is warm, and returns how many logins make a turn: with what lies between them, if anything does.
    fn warm(&mut self, effort: Effort) -> anyhow::Result<usize> {
        const LOGINS: usize = 5;
        let began = Instant::now();
        let mut fastest = f64::INFINITY;
        while began.elapsed().as_secs_f64() * 1_000.0 < effort.warm_ms {
            let turn = Instant::now();
            self.process()?.run(LOGINS)?;
            fastest = fastest.min(turn.elapsed().as_secs_f64() * 1_000.0 / LOGINS as f64);
        }
        Ok(((effort.turn_ms / fastest) as usize).clamp(1, 200))
    }

    fn throughput(&mut self, effort: Effort) -> anyhow::Result<()> {
        if self.row.is_part {
            return Ok(());
        }
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            one.push(self.process()?.throughput(1, effort.throughput_ms)?);
            two.push(self.process()?.throughput(2, effort.throughput_ms)?);
        }
        self.result.throughput = Some([median(one), median(two)]);
        Ok(())
    }

    fn cold_start(&mut self, effort: Effort) -> anyhow::Result<()> {
        if self.row.is_part {
            return Ok(());
        }
        let event = event::of_size(4_000);
        let starts = (0..effort.cold_starts).map(|_| {
            let took = Process::cold_start(self.row, Cell::usual().task(), &event)?;
            Ok(took.as_secs_f64() * 1_000.0)
        });
        self.result.cold_ms = Some(median(starts.collect::<anyhow::Result<_>>()?));
        Ok(())
    }
}

/// A part of a login merges nothing, and an empty rule sets no claims.
fn is_same_part(wanted: &Outcome, got: &Outcome) -> bool {
    match (wanted, got) {
        (Outcome::Allow { id_token: wanted, .. }, Outcome::Allow { id_token: got, .. }) => {
            got.is_empty() || wanted == got
        }
        _ => false,
    }
}

/// What a login of a cell has to come to.
fn native(cell: &Cell, event: &Value) -> anyhow::Result<Outcome> {
    host::on_tree(event.clone(), (0..cell.rules).map(|_| |event: &Value| rule::on_tree(cell.rule, event)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::rows::Start;

    #[test]
    fn the_usual_cell_is_measured_first_and_no_cell_twice() {
        for effort in [Effort::FULL, Effort::QUICK] {
            let mut cells = effort.cells();
            assert_eq!(cells.first(), Some(&Cell::usual()));
            let all = cells.len();
            cells.sort();
            cells.dedup();
            assert_eq!(cells.len(), all);
        }
    }

    #[test]
    fn rows_of_which_one_is_out_are_not_compared() {
        let logins = BTreeMap::from([("rust-fast", 1), ("webhook", 1)]);
        assert_eq!(compare(Effort::QUICK, &Cell::usual(), ["webhook", "rust-fast"], &mut [], &logins), None);
    }

    #[test]
    fn a_row_that_is_not_built_is_told_and_the_contest_goes_on() {
        static GONE: Row = Row { id: "gone", start: Start::Program("peer-that-nobody-built", ""), ..ROWS[0] };
        let mut entrants = vec![Entrant::enter(&GONE)];
        measure_cell(Effort::QUICK, &Cell::usual(), &mut entrants);
        let result = &entrants[0].result;
        assert!(result.missing.concat().contains("not built") && result.figures.is_empty(), "{result:?}");
    }
}
