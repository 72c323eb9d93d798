//! Pipelines of 1, 5, 20 and 100 distinct rules; what compiling them costs, and loading them from the cache.

use std::time::Instant;

use vestibule_engine::{LoadedPipeline, Profile, SandboxedRule, http::Source};
use vestibule_pipeline::{Login, Outcome, Step};

use crate::{
    bench::{self, Arrival, Bench},
    event, guests, machine,
    report::{Bar, Table, shown},
    rounds::{Arm, Effort, Samples, in_turns, median},
};

const SIZES: [usize; 4] = [1, 5, 20, 100];

/// How much the cost of one more rule may differ between short and long pipelines.
const LINEAR: f64 = 1.05;

/// What a login costs, in what does not depend on the machine.
#[derive(Clone, Copy)]
struct Counts {
    fuel: f64,
    host_calls: f64,
    encoded: f64,
    /// Page faults of a login in steady state.
    faults: f64,
}

/// Measures the bars of pipelines.
///
/// # Errors
/// When a guest cannot be built or the engine fails.
pub fn measure(effort: Effort) -> anyhow::Result<(Vec<Bar>, Vec<Table>)> {
    let bench = Bench::new(Profile::Fast)?;
    let wasm = guests::built("rust")?;
    let most = SIZES.into_iter().max().unwrap_or_default();
    let modules: Vec<Vec<u8>> = (0..effort.compiled).map(|number| guests::distinct(&wasm, number)).collect();
    let compiled = times(&modules, |module| bench.compile(module).map(drop))?;
    let began = Instant::now();
    // Each is loaded apart: with code and an image of memory of its own.
    let rules = modules
        .iter()
        .cycle()
        .take(most)
        .map(|module| bench.load(module))
        .collect::<anyhow::Result<Vec<SandboxedRule>>>()?;
    let loading = began.elapsed().as_secs_f64() * 1_000.0;
    let from_cache =
        modules.iter().map(|module| bench.compile(module)).all(|rule| rule.is_ok_and(|rule| rule.is_from_cache()));
    anyhow::ensure!(from_cache, "the rules were compiled again instead of being taken from the cache");
    let assemblyscript = guests::built("assemblyscript")?;
    let other: Vec<Vec<u8>> =
        (0..effort.compiled / 10).map(|number| guests::distinct(&assemblyscript, number)).collect();
    let other_compiled = times(&other, |module| bench.compile(module).map(drop))?;

    let event = event::of_size(event::USUAL);
    let document = &bench::document_of(&event)?;
    let arrival = &Arrival::of(&event)?;
    let hot = rules.first().cloned().ok_or_else(|| anyhow::anyhow!("no rules"))?;
    let pipelines = SIZES
        .into_iter()
        .map(|size| bench.pipeline(rules.iter().take(size).cloned().collect()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let same = bench.pipeline(vec![hot.clone(); most])?;
    let few = Effort { runs: 2, ..effort };
    let mut arms: Vec<Arm<'_>> =
        vec![Box::new(|_, samples| bench::sample_runs(&bench, &hot, document, effort.runs, samples))];
    for pipeline in [&same].into_iter().chain(&pipelines) {
        arms.push(Box::new(|runs, samples| sample_logins(&bench, pipeline, arrival, runs, samples)));
    }
    let medians: Vec<f64> = in_turns(few, &mut arms)?.iter().map(|samples| samples.p50()).collect();
    drop(arms);
    let counts =
        pipelines.iter().map(|pipeline| counts(&bench, pipeline, arrival)).collect::<anyhow::Result<Vec<_>>>()?;
    let [run, of_same, logins @ ..] = &medians[..] else { anyhow::bail!("an arm is missing") };
    let distinct =
        Distinct { login: logins.last().copied().unwrap_or(f64::NAN), of_one_rule: *of_same, runs: run * most as f64 };
    let set_up = set_up_table(loading, compiled, other_compiled);
    Ok((bars(&distinct, &counts), vec![table(logins, &counts), set_up]))
}

/// As [`bench::sample_logins`], without the time that others had the core: a login of milliseconds is interrupted on a
/// busy machine, one run is not, and the two are compared.
fn sample_logins(
    bench: &Bench,
    loaded: &LoadedPipeline,
    arrival: &Arrival,
    runs: usize,
    samples: &mut Samples,
) -> anyhow::Result<()> {
    for _ in 0..runs {
        let (mut one, before) = (Samples::default(), machine::waited()?);
        bench::sample_logins(bench, loaded, arrival, 1, &mut one)?;
        samples.push(one.total().saturating_sub(machine::waited()?.saturating_sub(before)));
    }
    Ok(())
}

/// Milliseconds that each of these takes.
fn times<T>(of: &[T], mut work: impl FnMut(&T) -> anyhow::Result<()>) -> anyhow::Result<Vec<f64>> {
    of.iter()
        .map(|one| {
            let began = Instant::now();
            work(one)?;
            Ok(began.elapsed().as_secs_f64() * 1_000.0)
        })
        .collect()
}

/// Runs one login step by step, and counts.
fn counts(bench: &Bench, loaded: &LoadedPipeline, arrival: &Arrival) -> anyhow::Result<Counts> {
    let mut faults = Vec::new();
    for _ in 0..20 {
        let before = machine::minor_faults()?;
        bench::sample_logins(bench, loaded, arrival, 1, &mut Samples::default())?;
        faults.push((machine::minor_faults()? - before) as f64);
    }
    let [fuel, host_calls, encoded] = counts_of_one(bench, loaded, arrival)?;
    Ok(Counts { fuel, host_calls, encoded, faults: median(faults) })
}

/// Fuel, host calls and encoded bytes.
fn counts_of_one(bench: &Bench, loaded: &LoadedPipeline, arrival: &Arrival) -> anyhow::Result<[f64; 3]> {
    bench.runtime.block_on(async {
        let mut login = Login::begin(loaded.pipeline.clone(), arrival.input())?;
        let (mut fuel, mut host_calls) = (0, 0);
        loop {
            let run = match login.next() {
                Step::Run { position, event, budget, .. } => {
                    let rule = loaded.rules.get(position).ok_or_else(|| anyhow::anyhow!("no such rule"))?;
                    rule.run(event, budget, Source::Denied).await?
                }
                Step::Skip { .. } => continue,
                Step::Done(outcome) => {
                    anyhow::ensure!(matches!(outcome, Outcome::Allow(_)), "the login ended in {outcome:?}");
                    let encoded = login.encoded_bytes();
                    let counts = [fuel as f64, f64::from(host_calls), encoded as f64];
                    return Ok(counts);
                }
            };
            fuel += run.spent.fuel;
            host_calls += run.spent.host_calls;
            login.take(run.answer.as_deref().map_err(Clone::clone), &run.spent);
        }
    })
}

/// What a login of a hundred distinct rules takes, and what it is compared with, in microseconds.
struct Distinct {
    login: f64,
    /// A login that runs one rule a hundred times: the same work, with everything of the rule at hand.
    of_one_rule: f64,
    /// A hundred runs of one rule, without a login around them.
    runs: f64,
}

fn bars(distinct: &Distinct, counts: &[Counts]) -> Vec<Bar> {
    let linear = |what: &str, of: fn(&Counts) -> f64| {
        Bar::at_most(
            format!("pipelines: {what} of one more rule, at 100 rules over at 5"),
            growth(counts, of),
            LINEAR,
            "×",
        )
    };
    vec![
        linear("fuel", |counts| counts.fuel),
        linear("host calls", |counts| counts.host_calls),
        linear("encoded bytes", |counts| counts.encoded),
        Bar::at_most(
            "a login of 100 distinct rules over one of 100 times one rule",
            distinct.login / distinct.of_one_rule,
            2.5,
            "×",
        )
        .beside(&format!("over 100 runs of a sandbox alone {}×", shown(distinct.login / distinct.runs))),
    ]
}

/// What one more rule costs between 20 and 100 rules, over what it costs between 1 and 5.
fn growth(counts: &[Counts], of: fn(&Counts) -> f64) -> f64 {
    let [one, five, twenty, hundred] = counts else { return f64::NAN };
    let slope = |from: &Counts, to: &Counts, rules: f64| (of(to) - of(from)) / rules;
    slope(twenty, hundred, 80.0) / slope(one, five, 4.0)
}

fn table(logins: &[f64], counts: &[Counts]) -> Table {
    let mut table = Table::new(
        "Logins through pipelines of distinct Rust rules, 4 kB, fast (p50)",
        &["rules", "µs", "µs a rule", "fuel", "host calls", "bytes encoded", "page faults"],
    );
    for ((size, login), counts) in SIZES.iter().zip(logins).zip(counts) {
        let whole = [counts.fuel, counts.host_calls, counts.encoded, counts.faults].map(|count| format!("{count:.0}"));
        let times = [shown(*login), shown(login / *size as f64)];
        table.row(size.to_string(), times.into_iter().chain(whole));
    }
    table
}

fn set_up_table(loading: f64, rust: Vec<f64>, assemblyscript: Vec<f64>) -> Table {
    let mut table = Table::new("Before any login, ms", &["", "ms"]);
    table.row("compiling the Rust rule, new worker process included (p50)", [shown(median(rust))]);
    table.row("compiling the AssemblyScript rule, with pre-initialisation (p50)", [shown(median(assemblyscript))]);
    table.row("inspecting and loading 100 rules from the cache, all", [shown(loading)]);
    table
}
