//! One rule: the sandbox against its floor, the whole login against native code, page faults, both profiles.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde_json::Value;
use vestibule_abi::limits::Budget;
use vestibule_engine::{LoadedPipeline, Profile, SandboxedRule};

use crate::{
    bench::{self, Arrival, Bench},
    event, guests, machine, native,
    report::{Bar, Table, shown},
    rounds::{Arm, Effort, Samples, in_turns, median},
};

/// Runs after which the pages of a slot, a stack and the allocator are all there.
const WARM_RUNS: usize = 500;

/// One rule with its floor, on one engine.
struct Subject {
    name: String,
    rule: SandboxedRule,
    floor: SandboxedRule,
    /// Of the rule as it declares itself.
    pipeline: LoadedPipeline,
    /// Of the rule without `reads`.
    whole: LoadedPipeline,
}

/// Measures the bars of one rule.
///
/// # Errors
/// When a guest cannot be built or the engine fails.
pub fn measure(effort: Effort) -> anyhow::Result<(Vec<Bar>, Vec<Table>)> {
    let fast = Bench::new(Profile::Fast)?;
    let hardened = Bench::new(Profile::Hardened)?;
    let profiles = [("fast", &fast), ("hardened", &hardened)];
    let mut subjects = Vec::new();
    for (profile, bench) in profiles {
        for (language, folder) in guests::LANGUAGES {
            subjects.push((bench, subject(bench, format!("{language}, {profile}"), folder)?));
        }
    }
    let empty = guests::module(guests::EMPTY)?;
    let empties = profiles
        .iter()
        .map(|(profile, bench)| Ok((format!("empty module, {profile}"), *bench, bench.load(&empty)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let events: Vec<(&str, Value)> =
        event::SIZES.into_iter().map(|(name, bytes)| (name, event::of_size(bytes))).collect();

    let mut figures = Figures::default();
    for (size, event) in &events {
        for (bench, subject) in &subjects {
            bench::assert_does_the_same(bench, &subject.pipeline, event)?;
            bench::assert_does_the_same(bench, &subject.whole, event)?;
        }
        measure_size(effort, size, event, &subjects, &empties, &mut figures)?;
    }
    let mut faults = Vec::new();
    let document = bench::document_of(&event::of_size(event::USUAL))?;
    for (bench, subject) in &subjects {
        faults.push((format!("floor: {}", subject.name), faults_per_run(effort, bench, &subject.floor, &document)?));
        faults.push((subject.name.clone(), faults_per_run(effort, bench, &subject.rule, &document)?));
    }
    Ok((bars(&figures, &faults), tables(&figures, &faults, &events)))
}

fn subject(bench: &Bench, name: String, folder: &str) -> anyhow::Result<Subject> {
    let wasm = guests::built(folder)?;
    let rule = bench.load(&wasm)?;
    let floor = bench.load(&guests::floor(&wasm)?)?;
    let pipeline = bench.pipeline_of(vec![rule.clone()], &guests::manifest(folder)?, &Budget::STANDARD)?;
    let whole = bench.pipeline(vec![rule.clone()])?;
    Ok(Subject { name, rule, floor, pipeline, whole })
}

/// Medians in microseconds, by what was measured and the size of the event.
#[derive(Default)]
struct Figures(BTreeMap<(String, String), f64>);

impl Figures {
    fn get(&self, what: &str, size: &str) -> f64 {
        self.0.get(&(what.to_owned(), size.to_owned())).copied().unwrap_or(f64::NAN)
    }
}

fn measure_size(
    effort: Effort,
    size: &str,
    event: &Value,
    subjects: &[(&Bench, Subject)],
    empties: &[(String, &Bench, SandboxedRule)],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let document = &bench::document_of(event)?;
    let (text, arrival) = (&event.to_string(), &Arrival::of(event)?);
    let mut names = Vec::new();
    let mut arms: Vec<Arm<'_>> = Vec::new();
    for (bench, subject) in subjects {
        let name = &subject.name;
        names.extend([format!("floor: {name}"), format!("sandbox: {name}")]);
        names.extend([format!("login: {name}"), format!("login without `reads`: {name}")]);
        arms.push(Box::new(|runs, samples| bench::sample_runs(bench, &subject.floor, document, runs, samples)));
        arms.push(Box::new(|runs, samples| bench::sample_runs(bench, &subject.rule, document, runs, samples)));
        for pipeline in [&subject.pipeline, &subject.whole] {
            arms.push(Box::new(move |runs, samples| bench::sample_logins(bench, pipeline, arrival, runs, samples)));
        }
        names.extend([format!("ready floor: {name}"), format!("ready: {name}")]);
        let few = |runs: usize| runs.div_ceil(5); // Each waits for a tick.
        arms.push(Box::new(move |runs, samples| {
            bench::sample_ready_runs(bench, &subject.floor, document, few(runs), samples)
        }));
        arms.push(Box::new(move |runs, samples| {
            bench::sample_ready_runs(bench, &subject.rule, document, few(runs), samples)
        }));
    }
    for (name, bench, rule) in empties {
        names.push(format!("floor: {name}"));
        arms.push(Box::new(|runs, samples| bench::sample_runs(bench, rule, document, runs, samples)));
    }
    names.extend(["native: tree".to_owned(), "native: typed".to_owned()]);
    arms.push(Box::new(|runs, samples| sample(runs, samples, || native::with_tree(text.as_bytes()))));
    arms.push(Box::new(|runs, samples| sample(runs, samples, || native::with_types(text.as_bytes()))));
    let samples = in_turns(effort, &mut arms)?;
    drop(arms);
    for (name, samples) in names.into_iter().zip(samples) {
        figures.0.insert((name, size.to_owned()), samples.p50());
    }
    Ok(())
}

fn sample<T>(runs: usize, samples: &mut Samples, mut work: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<()> {
    for _ in 0..runs {
        let began = Instant::now();
        drop(std::hint::black_box(work()?));
        samples.push(began.elapsed());
    }
    Ok(())
}

/// Page faults of one run in steady state: the median over rounds, so that what others do to the machine's memory
/// meanwhile does not count.
fn faults_per_run(effort: Effort, bench: &Bench, rule: &SandboxedRule, document: &Arc<Vec<u8>>) -> anyhow::Result<f64> {
    let runs = effort.runs * 4;
    let mut samples = Samples::default();
    bench::sample_runs(bench, rule, document, WARM_RUNS, &mut samples)?;
    let mut faults = Vec::new();
    for _ in 0..effort.rounds {
        let before = machine::minor_faults()?;
        bench.runtime.block_on(async {
            for _ in 0..runs {
                drop(bench::run(rule, document).await?);
            }
            anyhow::Ok(())
        })?;
        faults.push((machine::minor_faults()? - before) as f64 / runs as f64);
    }
    Ok(median(faults))
}

fn bars(figures: &Figures, faults: &[(String, f64)]) -> Vec<Bar> {
    let usual = |what: &str| figures.get(what, "4 kB");
    let over_floor = |name: &str| usual(&format!("sandbox: {name}, fast")) / usual(&format!("floor: {name}, fast"));
    let grows = usual("login: Rust, fast");
    let grown = figures.get("login: Rust, fast", "20 kB");
    let sandbox_grows = figures.get("sandbox: Rust, fast", "20 kB") / usual("sandbox: Rust, fast");
    let faults_of = |wanted: &str| faults.iter().find(|(name, _)| name == wanted).map_or(f64::NAN, |(_, count)| *count);
    let hardened = |name: &str| {
        let above = usual(&format!("sandbox: {name}, hardened")) - usual(&format!("floor: {name}, hardened"));
        Bar::at_most(format!("{name}, 4 kB, hardened: above its own floor"), above, 20.0, " µs")
    };
    vec![
        Bar::at_most("Rust, 4 kB, fast: sandbox over its floor", over_floor("Rust"), 1.5, "×"),
        Bar::at_most("AssemblyScript, 4 kB, fast: sandbox over its floor", over_floor("AssemblyScript"), 2.0, "×"),
        Bar::at_most("Rust, 4 kB, fast: page faults in one run", faults_of("Rust, fast"), 0.01, ""),
        Bar::at_most("AssemblyScript, 4 kB, fast: page faults in one run", faults_of("AssemblyScript, fast"), 0.01, ""),
        Bar::at_most(
            "Rust, 4 kB, fast: event, run and merge over native code that parses a tree",
            grows / usual("native: tree"),
            0.5,
            "×",
        )
        .beside(&format!(
            "without `reads` {}×",
            shown(usual("login without `reads`: Rust, fast") / usual("native: tree"))
        )),
        Bar::at_most("Rust, fast: sandbox at 20 kB over 4 kB", sandbox_grows, 1.3, "×")
            .beside(&format!("with event and merge {}×", shown(grown / grows))),
        hardened("Rust"),
        hardened("AssemblyScript"),
        Bar::at_most(
            "Rust, fast, made ready beforehand and reset afterwards: all but the rule's own work",
            usual("ready floor: Rust, fast"),
            1.5,
            " µs",
        )
        .beside(&format!("with its work {} µs", shown(usual("ready: Rust, fast")))),
    ]
}

fn tables(figures: &Figures, faults: &[(String, f64)], events: &[(&str, Value)]) -> Vec<Table> {
    let sizes: Vec<&str> = events.iter().map(|(size, _)| *size).collect();
    let head: Vec<&str> = std::iter::once("").chain(sizes.iter().copied()).collect();
    let mut times = Table::new("One rule that reads three fields and sets two, µs (p50)", &head);
    let mut names: Vec<&String> = figures.0.keys().map(|(what, _)| what).collect();
    names.dedup();
    for name in names {
        times.row(name.as_str(), sizes.iter().map(|size| shown(figures.get(name, size))));
    }
    let mut bytes = Table::new("The events, bytes", &head);
    bytes.row("JSON text", events.iter().map(|(_, event)| event.to_string().len().to_string()));
    let document =
        |event| bench::document_of(event).map_or_else(|error| error.to_string(), |bytes| bytes.len().to_string());
    bytes.row("document", events.iter().map(|(_, event)| document(event)));
    let mut fault_table = Table::new("Page faults in one run, 4 kB", &["", "faults"]);
    for (name, count) in faults {
        fault_table.row(name.as_str(), [shown(*count)]);
    }
    vec![times, bytes, fault_table]
}
