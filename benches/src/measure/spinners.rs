//! Spinning logins beside innocent ones, on one runtime: what the innocent notice.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};
use vestibule_abi::limits::Budget;
use vestibule_engine::{LoadedPipeline, Profile, SandboxedRule, http::Source};

use crate::{
    bench::{self, Arrival, Bench},
    event, guests,
    report::{Bar, Table, shown},
    rounds::{Effort, Samples},
};

/// Spinning logins at any one time.
const SPINNERS: usize = 4;
/// Innocent ones arrive that far apart, whatever becomes of those before them.
const APART: Duration = Duration::from_millis(10);
/// How long each situation lasts before the other has its turn.
const TURN: Duration = Duration::from_millis(2_500);

/// Measures the bar of spinning logins.
///
/// # Errors
/// When a guest cannot be built or the engine fails.
pub fn measure(effort: Effort) -> anyhow::Result<(Vec<Bar>, Vec<Table>)> {
    let bench = Bench::new(Profile::Fast)?;
    let spinning = bench.load(&guests::module(guests::SPINNING)?)?;
    let innocent = Arc::new(bench.pipeline(vec![bench.load(&guests::built("rust")?)?])?);
    let arrival = Arc::new(Arrival::of(&event::of_size(event::USUAL))?);
    let server = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut alone, mut beside) = (Samples::default(), Samples::default());
    let mut spun = 0;
    arrive(&server, &innocent, &arrival, Duration::from_millis(500)); // The first page everything in.
    for _ in 0..(effort.arrivals.as_millis() / TURN.as_millis()).max(1) {
        alone.append(arrive(&server, &innocent, &arrival, TURN));
        let spinners = Spinners::start(&server, &spinning);
        beside.append(arrive(&server, &innocent, &arrival, TURN));
        spun += spinners.stop(&server);
    }
    anyhow::ensure!(spun > 0, "no spinning login came to its end");
    Ok(report(&alone, &beside, spun))
}

/// Lets innocent logins arrive for a while; how long each took, from the moment it was due.
fn arrive(server: &Runtime, pipeline: &Arc<LoadedPipeline>, arrival: &Arc<Arrival>, how_long: Duration) -> Samples {
    let samples = Arc::new(Mutex::new(Samples::default()));
    let began = Instant::now();
    let mut logins = Vec::new();
    let mut due = began;
    while due < began + how_long {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let (pipeline, arrival, samples) = (Arc::clone(pipeline), Arc::clone(arrival), Arc::clone(&samples));
        logins.push(server.spawn(async move {
            let ended = bench::login(&pipeline, arrival.input()).await;
            if ended.is_ok() {
                samples.lock().unwrap_or_else(PoisonError::into_inner).push(due.elapsed());
            }
        }));
        due += APART;
    }
    server.block_on(async {
        for login in logins {
            let _panicked = login.await;
        }
    });
    let samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
    samples.clone()
}

/// Logins whose rule never ends by itself, one after the other.
struct Spinners {
    go_on: Arc<AtomicBool>,
    running: Vec<tokio::task::JoinHandle<usize>>,
}

impl Spinners {
    fn start(server: &Runtime, rule: &SandboxedRule) -> Self {
        let go_on = Arc::new(AtomicBool::new(true));
        let running = (0..SPINNERS)
            .map(|_| {
                let (rule, go_on) = (rule.clone(), Arc::clone(&go_on));
                server.spawn(async move {
                    let mut spun = 0;
                    // The most an operator allows, not what a rule gets unasked: the worst case.
                    while go_on.load(Ordering::Relaxed) && rule.run(&[], Budget::CEILING, Source::Denied).await.is_ok()
                    {
                        spun += 1;
                    }
                    spun
                })
            })
            .collect();
        Self { go_on, running }
    }

    fn stop(self, server: &Runtime) -> usize {
        self.go_on.store(false, Ordering::Relaxed);
        server.block_on(async {
            let mut spun = 0;
            for spinner in self.running {
                spun += spinner.await.unwrap_or_default();
            }
            spun
        })
    }
}

fn report(alone: &Samples, beside: &Samples, spun: usize) -> (Vec<Bar>, Vec<Table>) {
    let mut table = Table::new(
        "Innocent logins, 100 a second, Rust, 4 kB, fast, 2 worker threads, ms",
        &["", "p50", "p90", "p99", "p99.9"],
    );
    for (name, samples) in [("alone", alone), ("beside 4 spinning ones", beside)] {
        let shares = [0.5, 0.9, 0.99, 0.999].map(|share| shown(samples.percentile(share) / 1_000.0));
        table.row(name, shares);
    }
    let [baseline, p99] = [alone, beside].map(|samples| samples.percentile(0.99) / 1_000.0);
    let bar =
        Bar::at_most("innocent logins beside spinning ones: p99", p99, (2.0 * baseline).max(baseline + 3.0), " ms")
            .beside(&format!("alone {} ms, {spun} logins spun", shown(baseline)));
    (vec![bar], vec![table])
}
