//! Criterion's view of one rule and of pipelines: for people who change the engine and want a trend, a plot, a baseline.
//!
//! Absolute figures; what counts are the ratios of `bars.rs`. This program is its own compile worker.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use vestibule_abi::limits::Budget;
use vestibule_benches::{
    bench::{self, Arrival, Bench},
    event, guests, native,
    rounds::Samples,
};
use vestibule_engine::Profile;

fn main() -> anyhow::Result<()> {
    vestibule_engine::worker::serve_if_asked();
    let mut criterion = Criterion::default().configure_from_args();
    for (profile, bench) in [("fast", Bench::new(Profile::Fast)?), ("hardened", Bench::new(Profile::Hardened)?)] {
        one_rule(&mut criterion, profile, &bench)?;
        if profile == "fast" {
            pipelines(&mut criterion, &bench)?;
        }
    }
    native_rules(&mut criterion);
    criterion.final_summary();
    Ok(())
}

fn one_rule(criterion: &mut Criterion, profile: &str, bench: &Bench) -> anyhow::Result<()> {
    for (language, folder) in guests::LANGUAGES {
        let wasm = guests::built(folder)?;
        let rule = bench.load(&wasm)?;
        let floor = bench.load(&guests::floor(&wasm)?)?;
        let pipeline = bench.pipeline_of(vec![rule.clone()], &guests::manifest(folder)?, &Budget::STANDARD)?;
        let mut group = criterion.benchmark_group(format!("{language}/{profile}"));
        for (size, bytes) in event::SIZES {
            let event = event::of_size(bytes);
            let (document, arrival) = (bench::document_of(&event)?, Arrival::of(&event)?);
            group.bench_function(BenchmarkId::new("floor", size), |timer| {
                timer.iter_custom(|runs| {
                    took(runs, |samples, runs| bench::sample_runs(bench, &floor, &document, runs, samples))
                });
            });
            group.bench_function(BenchmarkId::new("sandbox", size), |timer| {
                timer.iter_custom(|runs| {
                    took(runs, |samples, runs| bench::sample_runs(bench, &rule, &document, runs, samples))
                });
            });
            group.bench_function(BenchmarkId::new("login", size), |timer| {
                timer.iter_custom(|runs| {
                    took(runs, |samples, runs| bench::sample_logins(bench, &pipeline, &arrival, runs, samples))
                });
            });
        }
        group.finish();
    }
    Ok(())
}

fn pipelines(criterion: &mut Criterion, bench: &Bench) -> anyhow::Result<()> {
    let wasm = guests::built("rust")?;
    let arrival = Arrival::of(&event::of_size(event::USUAL))?;
    let mut group = criterion.benchmark_group("pipeline");
    for rules in [1, 5, 20, 100] {
        let loaded = (0..rules).map(|number| bench.load(&guests::distinct(&wasm, number))).collect::<Result<_, _>>()?;
        let pipeline = bench.pipeline(loaded)?;
        group.bench_function(BenchmarkId::from_parameter(rules), |timer| {
            timer.iter_custom(|runs| {
                took(runs, |samples, runs| bench::sample_logins(bench, &pipeline, &arrival, runs, samples))
            });
        });
    }
    group.finish();
    Ok(())
}

fn native_rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("native");
    for (size, bytes) in event::SIZES {
        let text = event::of_size(bytes).to_string();
        group.bench_function(BenchmarkId::new("tree", size), |timer| timer.iter(|| native::with_tree(text.as_bytes())));
        group.bench_function(BenchmarkId::new("typed", size), |timer| {
            timer.iter(|| native::with_types(text.as_bytes()))
        });
    }
    group.finish();
}

/// What so many runs took in all, by the clock of the samples: what the host prepares between them does not count.
fn took(runs: u64, sample: impl FnOnce(&mut Samples, usize) -> anyhow::Result<()>) -> Duration {
    let began = Instant::now();
    let mut samples = Samples::default();
    match sample(&mut samples, usize::try_from(runs).unwrap_or(usize::MAX)) {
        Ok(()) => samples.total(),
        Err(error) => {
            eprintln!("the engine failed: {error:#}");
            began.elapsed()
        }
    }
}
