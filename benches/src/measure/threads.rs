//! Two threads against one, beside arithmetic that shares nothing.

use std::{
    hint::black_box,
    sync::{Arc, Barrier},
    thread,
    time::Instant,
};

use tokio::runtime::Builder;
use vestibule_engine::{Profile, SandboxedRule};

use crate::{
    bench::{self, Bench},
    event, guests,
    report::{Bar, Table, shown},
    rounds::{Effort, median},
};

/// Runs of a rule in one measurement of one thread: some ten milliseconds.
const RUNS: usize = 1_500;
/// Steps of the arithmetic in one measurement: about as long.
const STEPS: u64 = 10_000_000;

/// Measures the bar of two threads.
///
/// # Errors
/// When a guest cannot be built or the engine fails.
pub fn measure(effort: Effort) -> anyhow::Result<(Vec<Bar>, Vec<Table>)> {
    let bench = Bench::new(Profile::Fast)?;
    let rule = bench.load(&guests::built("rust")?)?;
    let event = event::of_size(event::USUAL);
    let rules = || rule_runs(&rule, &bench::document_of(&event)?); // Logins share no event, nor how often it is held.
    let arithmetic = || {
        arithmetic();
        Ok(())
    };
    let (mut of_rules, mut of_arithmetic, mut a_second) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let (one, two) = (took(1, &rules)?, took(2, &rules)?);
        of_rules.push(2.0 * one / two);
        a_second.push((RUNS as f64 / one, 2.0 * RUNS as f64 / two));
        of_arithmetic.push(2.0 * took(1, &arithmetic)? / took(2, &arithmetic)?);
    }
    let (rules, control) = (median(of_rules), median(of_arithmetic));
    let mut table = Table::new("Throughput, 4 kB, Rust, fast", &["", "1 thread", "2 threads", "ratio"]);
    let (one, two): (Vec<f64>, Vec<f64>) = a_second.into_iter().unzip();
    table.row("rule runs a second (p50)", [shown(median(one)), shown(median(two)), shown(rules)]);
    table.row("pure arithmetic", [String::new(), String::new(), shown(control)]);
    let bar = Bar::at_least("two threads over one: throughput of runs", rules, 1.5, "×")
        .beside(&format!("pure arithmetic {}×", shown(control)));
    Ok((vec![bar], vec![table]))
}

/// Seconds from the moment so many threads begin until the last is done.
fn took(threads: usize, work: &(dyn Fn() -> anyhow::Result<()> + Sync)) -> anyhow::Result<f64> {
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let began = Instant::now();
                    work().map(|()| began.elapsed())
                })
            })
            .collect();
        start.wait();
        let mut longest = 0.0_f64;
        for thread in running {
            let took = thread.join().map_err(|_| anyhow::anyhow!("a measuring thread panicked"))??;
            longest = longest.max(took.as_secs_f64());
        }
        Ok(longest)
    })
}

fn rule_runs(rule: &SandboxedRule, document: &Arc<Vec<u8>>) -> anyhow::Result<()> {
    Builder::new_current_thread().build()?.block_on(async {
        for _ in 0..RUNS {
            drop(bench::run(rule, document).await?);
        }
        Ok(())
    })
}

fn arithmetic() {
    let mut state = black_box(1_u64);
    for _ in 0..STEPS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    }
    black_box(state);
}
