//! Where the microseconds of one login go, as a table that adds up to the whole.
//!
//! Each login is driven step by step, with the clock read between the steps. The run itself is told apart by running, in
//! turns, the same module with less in its `run`: empty; empty, on an instance that was there before the clock started and
//! is reset after it stopped; one that fetches the event and does nothing with it.

use std::{sync::Arc, time::Instant};

use serde_json::Value;
use vestibule_abi::limits::Budget;
use vestibule_engine::{
    JavaScriptUpload, LoadedPipeline, Profile, SandboxedRule, inspect_interpreter, inspect_javascript,
};
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
    let (bench, event) = (Bench::new(Profile::Fast)?, event::of_size(event::USUAL));
    let subjects: Vec<Subject> = guests::LANGUAGES
        .into_iter()
        .map(|(language, folder)| {
            Subject::of_module(&bench, language, &guests::built(folder)?, guests::manifest(folder)?, &event)
        })
        .collect::<anyhow::Result<_>>()?;
    Ok((Vec::new(), vec![table(effort, &bench, subjects, &event)?]))
}

/// A rule that is taken apart.
pub struct Subject {
    language: &'static str,
    rule: SandboxedRule,
    /// The same with an empty `run`.
    empty: SandboxedRule,
    /// The same with a `run` that fetches the event and does nothing with it.
    fetching: Option<SandboxedRule>,
    pipeline: LoadedPipeline,
}

impl Subject {
    /// A rule that is a module.
    ///
    /// # Errors
    /// When the engine refuses it, or the event is none.
    pub fn of_module(
        bench: &Bench,
        language: &'static str,
        wasm: &[u8],
        declared: Manifest,
        event: &Value,
    ) -> anyhow::Result<Self> {
        let (rule, empty) = (bench.load(wasm)?, bench.load(&guests::floor(wasm)?)?);
        let pipeline = bench.pipeline_of(vec![rule.clone()], &declared, &Budget::STANDARD)?;
        let document = bench::document_for(&pipeline, &Arrival::of(event)?)?;
        let fetching = Some(bench.load(&guests::fetching(wasm, document.len())?)?);
        Ok(Self { language, rule, empty, fetching, pipeline })
    }

    /// A rule that is a script, on this interpreter. Compiling the interpreter without its `run` takes a while.
    ///
    /// # Errors
    /// When the engine refuses it.
    pub fn of_script(bench: &Bench, interpreter: &[u8], source: &str, declared: Manifest) -> anyhow::Result<Self> {
        let upload = JavaScriptUpload::rule(source).to_bytes();
        let on = |interpreter: &[u8]| {
            bench.load_inspected(&inspect_javascript(&upload, &inspect_interpreter(interpreter)?)?)
        };
        let (rule, empty) = (on(interpreter)?, on(&guests::floor(interpreter)?)?);
        let pipeline = bench.pipeline_of(vec![rule.clone()], &declared, &Budget::STANDARD)?;
        Ok(Self { language: "JavaScript", rule, empty, fetching: None, pipeline })
    }
}

/// The table of the same rule in some languages, on an event of 4 kB.
///
/// # Errors
/// When the engine fails, or the rule does not let the login go on.
pub fn table(effort: Effort, bench: &Bench, subjects: Vec<Subject>, event: &Value) -> anyhow::Result<Table> {
    let mut table = Table::new("Where the time of one login goes: one rule, 4 kB, fast, µs (p50)", &[""]);
    let mut columns = Vec::new();
    for subject in subjects {
        table.head.extend([subject.language.to_owned(), "of it".to_owned()]);
        columns.push(Column::measure(effort, bench, &subject, event)?);
    }
    let names = columns.first().map(Column::rows).unwrap_or_default();
    for (position, (name, _)) in names.into_iter().enumerate() {
        let cells = columns.iter().flat_map(|column| {
            let figure = column.rows().get(position).and_then(|(_, figure)| *figure);
            figure.map_or_else(
                || ["—".to_owned(), "—".to_owned()],
                |figure| [shown(figure), format!("{:.0} %", figure / column.whole * 100.0)],
            )
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
    /// The same module, whose `run` fetches the event and does nothing with it; of a script it is not told apart.
    fetching: Option<f64>,
    /// The whole login, measured without reading the clock in between.
    whole: f64,
    faults: f64,
}

impl Column {
    fn measure(effort: Effort, bench: &Bench, subject: &Subject, event: &Value) -> anyhow::Result<Self> {
        let Subject { rule, empty: empty_rule, fetching: fetching_rule, pipeline, .. } = subject;
        let arrival = Arrival::of(event)?;
        let document = bench::document_for(pipeline, &arrival)?;
        let mut steps: [Samples; STEPS.len()] = Default::default();
        let [mut empty, mut empty_ready, mut fetching, mut whole] = <[Samples; 4]>::default();
        let mut faults = Vec::new();
        for _ in 0..effort.rounds {
            for _ in 0..effort.runs {
                bench.runtime.block_on(stepwise(pipeline, rule, &arrival, &mut steps))?;
            }
            bench::sample_runs(bench, empty_rule, &document, effort.runs, &mut empty)?;
            bench::sample_ready_runs(bench, empty_rule, &document, effort.runs.div_ceil(5), &mut empty_ready)?;
            if let Some(rule) = fetching_rule {
                bench::sample_runs(bench, rule, &document, effort.runs, &mut fetching)?;
            }
            let before = machine::minor_faults()?;
            bench::sample_logins(bench, pipeline, &arrival, effort.runs, &mut whole)?;
            faults.push((machine::minor_faults()? - before) as f64 / effort.runs as f64);
        }
        Ok(Self {
            steps: steps.map(|samples| samples.p50()),
            empty: empty.p50(),
            empty_ready: empty_ready.p50(),
            fetching: fetching_rule.is_some().then(|| fetching.p50()),
            whole: whole.p50(),
            faults: median(faults),
        })
    }

    /// The table's rows: the steps with the run divided into its parts, what is left, and the whole that they add up to.
    fn rows(&self) -> Vec<(&'static str, Option<f64>)> {
        let named = STEPS.into_iter().zip(self.steps.map(Some));
        let run = self.steps.get(RUN).copied().unwrap_or(f64::NAN);
        let mut rows: Vec<_> = named.clone().take(RUN).collect();
        rows.push(("run: instance made, and reset afterwards", Some(self.empty - self.empty_ready)));
        rows.push(("run: metered, entering and leaving the sandbox", Some(self.empty_ready)));
        rows.push(("run: event copied into the guest", self.fetching.map(|fetching| fetching - self.empty)));
        rows.push(("run: the guest reads, decides, answers", Some(run - self.fetching.unwrap_or(self.empty))));
        rows.extend(named.skip(RUN + 1));
        let sum: f64 = self.steps.iter().sum();
        rows.push(("not told apart: driver and report, less the clock's own time", Some(self.whole - sum)));
        rows.push(("**the whole login**", Some(self.whole)));
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
        for fetching in [Some(4.3), None] {
            let column = Column { steps, empty: 4.0, empty_ready: 1.7, fetching, whole: 21.0, faults: 0.0 };
            let rows = column.rows();
            let (parts, whole) = rows.split_at(rows.len() - 1);
            let sum: f64 = parts.iter().filter_map(|(_, figure)| *figure).sum();
            assert!((sum - whole[0].1.unwrap()).abs() < 1e-9, "{rows:?}");
        }
    }
}
