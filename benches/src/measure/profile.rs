//! Where the microseconds of one login go, as a table that adds up to the whole.
//!
//! Each login is driven step by step, with the clock read between the steps. The run itself is told apart by running, in
//! turns, the same module with less in its `run`: empty; empty, on an instance that was there before the clock started and
//! is reset after it stopped; one that fetches the event and does nothing with it.

use std::{sync::Arc, time::Instant};

use serde_json::Value;
use vestibule_abi::limits::Budget;
use vestibule_engine::{LoadedPipeline, Profile, SandboxedRule};
use vestibule_pipeline::{Login, Manifest, Outcome, Step};

use crate::{
    bench::{self, Arrival, Bench},
    event, guests, machine,
    report::{Bar, Table, shown},
    rounds::{Effort, Samples, median},
};

/// The steps of a login with one rule, in their order.
const STEPS: [&str; 6] = [
    "event: text checked, taken apart, what is read encoded",
    "the rule chosen, its event completed with time and seed",
    "run",
    "answer: parsed, checked, staged",
    "outcome: changes merged",
    "all that is left is dropped",
];

/// The place of the run among the steps.
const RUN: usize = 2;

/// Measures where the time of one login goes.
///
/// # Errors
/// When a guest cannot be built or the engine fails.
pub fn measure(effort: Effort) -> anyhow::Result<(Vec<Bar>, Vec<Table>)> {
    let rules: Vec<(&str, Vec<u8>, Manifest)> = guests::LANGUAGES
        .into_iter()
        .map(|(language, folder)| Ok((language, guests::built(folder)?, guests::manifest(folder)?)))
        .collect::<anyhow::Result<_>>()?;
    Ok((Vec::new(), vec![table(effort, &rules, &event::of_size(event::USUAL))?]))
}

/// The table of the same rule in some languages, on an event of 4 kB.
///
/// # Errors
/// When the engine fails, or the rule does not let the login go on.
pub fn table(effort: Effort, rules: &[(&str, Vec<u8>, Manifest)], event: &Value) -> anyhow::Result<Table> {
    let bench = Bench::new(Profile::Fast)?;
    let mut table = Table::new("Where the time of one login goes: one rule, 4 kB, fast, µs (p50)", &[""]);
    let mut columns = Vec::new();
    for (language, wasm, declared) in rules {
        table.head.extend([(*language).to_owned(), "of it".to_owned()]);
        columns.push(Column::measure(effort, &bench, (wasm, declared), event)?);
    }
    let names = columns.first().map(Column::rows).unwrap_or_default();
    for (position, (name, _)) in names.into_iter().enumerate() {
        let cells = columns.iter().flat_map(|column| {
            let figure = column.rows().get(position).map_or(f64::NAN, |(_, figure)| *figure);
            [shown(figure), format!("{:.0} %", figure / column.whole * 100.0)]
        });
        table.row(name, cells);
    }
    let faults = columns.iter().flat_map(|column| [shown(column.faults), String::new()]);
    table.row("page faults in it, count", faults);
    Ok(table)
}

/// What one language's rule came to, in microseconds.
struct Column {
    steps: [f64; STEPS.len()],
    /// The same module with an empty `run`.
    empty: f64,
    /// The same on an instance that was made before and is reset after.
    empty_ready: f64,
    /// The same module, whose `run` fetches the event and does nothing with it.
    fetching: f64,
    /// The whole login, measured without reading the clock in between.
    whole: f64,
    faults: f64,
}

impl Column {
    fn measure(
        effort: Effort,
        bench: &Bench,
        (wasm, declared): (&[u8], &Manifest),
        event: &Value,
    ) -> anyhow::Result<Self> {
        let rule = bench.load(wasm)?;
        let pipeline = bench.pipeline_of(vec![rule.clone()], declared, &Budget::STANDARD)?;
        let arrival = Arrival::of(event)?;
        let document = bench::document_for(&pipeline, &arrival)?;
        let empty_rule = bench.load(&guests::floor(wasm)?)?;
        let fetching_rule = bench.load(&guests::fetching(wasm, document.len())?)?;
        let mut steps: [Samples; STEPS.len()] = Default::default();
        let [mut empty, mut empty_ready, mut fetching, mut whole] = <[Samples; 4]>::default();
        let mut faults = Vec::new();
        for _ in 0..effort.rounds {
            for _ in 0..effort.runs {
                bench.runtime.block_on(stepwise(&pipeline, &rule, &arrival, &mut steps))?;
            }
            bench::sample_runs(bench, &empty_rule, &document, effort.runs, &mut empty)?;
            bench::sample_ready_runs(bench, &empty_rule, &document, effort.runs.div_ceil(5), &mut empty_ready)?;
            bench::sample_runs(bench, &fetching_rule, &document, effort.runs, &mut fetching)?;
            let before = machine::minor_faults()?;
            bench::sample_logins(bench, &pipeline, &arrival, effort.runs, &mut whole)?;
            faults.push((machine::minor_faults()? - before) as f64 / effort.runs as f64);
        }
        Ok(Self {
            steps: steps.map(|samples| samples.p50()),
            empty: empty.p50(),
            empty_ready: empty_ready.p50(),
            fetching: fetching.p50(),
            whole: whole.p50(),
            faults: median(faults),
        })
    }

    /// The table's rows: the steps with the run divided into its parts, what is left, and the whole that they add up to.
    fn rows(&self) -> Vec<(&'static str, f64)> {
        let named = STEPS.into_iter().zip(self.steps);
        let run = self.steps.get(RUN).copied().unwrap_or(f64::NAN);
        let mut rows: Vec<(&str, f64)> = named.clone().take(RUN).collect();
        rows.push(("run: instance made, and reset afterwards", self.empty - self.empty_ready));
        rows.push(("run: metered, entering and leaving the sandbox", self.empty_ready));
        rows.push(("run: event copied into the guest", self.fetching - self.empty));
        rows.push(("run: the guest reads, decides, answers", run - self.fetching));
        rows.extend(named.skip(RUN + 1));
        let sum: f64 = self.steps.iter().sum();
        rows.push(("not told apart: driver and report, less the clock's own time", self.whole - sum));
        rows.push(("**the whole login**", self.whole));
        rows
    }
}

/// One login, with the clock read after each step.
async fn stepwise(
    loaded: &LoadedPipeline,
    rule: &SandboxedRule,
    arrival: &Arrival,
    steps: &mut [Samples; STEPS.len()],
) -> anyhow::Result<()> {
    let input = arrival.input();
    let mut times = Vec::with_capacity(STEPS.len() + 1);
    let mut tick = || times.push(Instant::now());
    tick();
    let mut login = Login::begin(Arc::clone(&loaded.pipeline), input)?;
    tick();
    let Step::Run { event, .. } = login.next() else { anyhow::bail!("the rule does not run") };
    let event = Arc::clone(event);
    tick();
    let run = bench::run(rule, &event).await?;
    drop(event);
    tick();
    login.take(run.answer.as_deref().map_err(Clone::clone), &run.spent);
    tick();
    let Step::Done(outcome) = login.next() else { anyhow::bail!("the login is not over") };
    anyhow::ensure!(matches!(outcome, Outcome::Allow(_)), "the login ended in {outcome:?}");
    tick();
    drop((outcome, run, login));
    tick();
    for (samples, pair) in steps.iter_mut().zip(times.windows(2)) {
        if let [before, after] = pair {
            samples.push(after.duration_since(*before));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_the_whole() {
        let steps = [8.0, 0.1, 6.0, 2.0, 1.0, 3.0];
        let column = Column { steps, empty: 4.0, empty_ready: 1.7, fetching: 4.3, whole: 21.0, faults: 0.0 };
        let rows = column.rows();
        let (parts, whole) = rows.split_at(rows.len() - 1);
        let sum: f64 = parts.iter().map(|(_, figure)| figure).sum();
        assert!((sum - whole[0].1).abs() < 1e-9, "{rows:?}");
    }
}
