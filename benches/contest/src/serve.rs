//! The measuring process: deploys, runs, tells how long it took.

use std::{
    io::{BufRead as _, Write as _},
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde::Serialize;

use crate::{
    host::{Contestant, Deployed, Lane, Outcome},
    kernel,
    protocol::{Ask, Hello, Reply},
};

/// Serves a contestant on standard input and output until the input ends.
///
/// # Errors
/// When the streams break, or an ask is none. What the contestant fails with is told as [`Reply::Error`].
pub fn serve(contestant: &dyn Contestant) -> anyhow::Result<()> {
    say(&Hello { hello: contestant.described() })?;
    let mut session = Session { contestant, tenants: Vec::new(), lanes: Vec::new(), event: String::new(), turn: 0 };
    for line in std::io::stdin().lock().lines() {
        let ask = serde_json::from_str(&line?).context("an ask that is none")?;
        say(&session.answer(ask).unwrap_or_else(|error| Reply::Error(format!("{error:#}"))))?;
    }
    Ok(())
}

fn say(message: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, message)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

struct Session<'c> {
    contestant: &'c dyn Contestant,
    tenants: Vec<Box<dyn Deployed>>,
    /// One for each tenant, on this thread.
    lanes: Vec<Box<dyn Lane>>,
    event: String,
    /// Whose turn it is to log in.
    turn: usize,
}

impl Session<'_> {
    fn answer(&mut self, ask: Ask) -> anyhow::Result<Reply> {
        Ok(match ask {
            Ask::Open(task) => {
                (self.lanes, self.tenants) = (Vec::new(), Vec::new());
                let tenants = (0..task.tenants).map(|tenant| self.contestant.deploy(&task, tenant));
                self.tenants = tenants.collect::<anyhow::Result<_>>()?;
                self.lanes = self.tenants.iter().map(|tenant| tenant.lane()).collect::<anyhow::Result<_>>()?;
                Reply::Opened
            }
            Ask::Event { event } => {
                self.event = event.to_string();
                Reply::Outcome(self.once_for_each_tenant()?)
            }
            Ask::Run { logins } => self.run(logins)?,
            Ask::Throughput { threads, milliseconds } => {
                Reply::Throughput(self.throughput(threads, Duration::from_millis(milliseconds))?)
            }
            Ask::Memory => Reply::Memory { kib: kernel::memory_kib()?.0 + self.contestant.others_kib()? },
        })
    }

    fn once_for_each_tenant(&mut self) -> anyhow::Result<Outcome> {
        let mut outcome = None;
        for lane in &mut self.lanes {
            lane.arrive(&self.event)?;
            outcome = Some(lane.outcome()?);
        }
        outcome.context("nothing is deployed")
    }

    fn run(&mut self, logins: usize) -> anyhow::Result<Reply> {
        let mut nanoseconds = Vec::with_capacity(logins);
        for _ in 0..logins {
            self.turn = (self.turn + 1) % self.lanes.len().max(1);
            let lane = self.lanes.get_mut(self.turn).context("nothing is deployed")?;
            lane.rest()?;
            let began = Instant::now();
            lane.login()?;
            nanoseconds.push(u64::try_from(began.elapsed().as_nanos())?);
        }
        // Counted apart: reading the counter between logins would cool the caches.
        let lane = self.lanes.get_mut(self.turn).context("nothing is deployed")?;
        lane.rest()?;
        let before = kernel::minor_faults()?;
        lane.login()?;
        Ok(Reply::Ran { nanoseconds, faults: kernel::minor_faults()? - before })
    }

    fn throughput(&self, threads: usize, time: Duration) -> anyhow::Result<f64> {
        let deployed = self.tenants.first().context("nothing is deployed")?;
        let (event, start) = (self.event.as_str(), Barrier::new(threads));
        let rates = thread::scope(|scope| {
            let running: Vec<_> =
                (0..threads).map(|_| scope.spawn(|| rate(deployed.as_ref(), event, &start, time))).collect();
            let ended = running.into_iter().map(|thread| thread.join());
            ended.map(|rate| rate.map_err(|_| anyhow::anyhow!("a measuring thread panicked"))?).collect::<Vec<_>>()
        });
        rates.into_iter().sum()
    }
}

/// Logins a second of one thread among others.
fn rate(deployed: &dyn Deployed, event: &str, start: &Barrier, time: Duration) -> anyhow::Result<f64> {
    let lane = deployed.lane().and_then(|mut lane| {
        lane.arrive(event)?;
        lane.login()?; // What a thread does once.
        Ok(lane)
    });
    start.wait(); // Failed or not: the others wait.
    let mut lane = lane?;
    let (mut logins, mut busy) = (0_u32, Duration::ZERO);
    while busy < time {
        lane.rest()?; // It does not count here either.
        let began = Instant::now();
        lane.login()?;
        busy += began.elapsed();
        logins += 1;
    }
    Ok(f64::from(logins) / busy.as_secs_f64())
}
