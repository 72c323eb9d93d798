//! The login service: what rules are of a login, of a refresh, of the machine and of its memory.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::runtime::{Builder, Runtime};
use vestibule_server::password::Cost;

use crate::{
    connection::Connection,
    logins::{Callers, Doing},
    node::{Furnishing, Guest, Node},
    report::{Bar, Table, shown},
    rounds::{Effort, Samples, median},
};

/// People who log in, in turn.
const USERS: usize = 256;
/// People in the database whose memory is measured.
const POPULATION: usize = 10_000;
/// Callers at a time: enough that every core has something to do, and few enough that nobody is turned away.
const CALLERS: usize = 16;

/// How much of the login service is measured.
struct Pace {
    rounds: usize,
    turn: Duration,
}

impl Pace {
    fn of(effort: Effort) -> Self {
        match effort.rounds >= Effort::FULL.rounds {
            true => Self { rounds: 15, turn: Duration::from_secs(2) },
            false => Self { rounds: 5, turn: Duration::from_secs(1) },
        }
    }
}

/// Measures the bars of the login service, on `vestibule serve` with SQLite.
///
/// # Errors
/// When the program is not there, or a login is refused.
pub fn measure(effort: Effort) -> anyhow::Result<(Vec<Bar>, Vec<Table>)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let pace = Pace::of(effort);
    let mut table = Table::new(
        "The login service, SQLite with full sync, one machine for server and callers",
        &["", "a second (p50)", "ms (p50)", "ms (p99)"],
    );
    let bars = vec![
        share_of_rules(&runtime, &pace, &mut table)?,
        refreshes(&runtime, &pace, &mut table)?,
        password_logins(&runtime, &pace, Doing::PasswordGrant, "password grant, three rules", &mut table)?,
        password_logins(&runtime, &pace, Doing::BrowserLogin, "code flow in a browser, three rules", &mut table)?,
        memory(&runtime, &pace, &mut table)?,
    ];
    Ok((bars, vec![table]))
}

/// Five rules that read and write, of the time in which the token endpoint answers a password grant.
fn share_of_rules(runtime: &Runtime, pace: &Pace, table: &mut Table) -> anyhow::Result<Bar> {
    runtime.block_on(async {
        let node = Node::start(Furnishing { users: USERS, rules: (Guest::Metadata, 5) }).await?;
        let mut callers = Callers::of(&node, Doing::PasswordGrant, 2, USERS).await?;
        let (mut shares, mut samples, mut rates) = (Vec::new(), Samples::default(), Vec::new());
        callers.go_on(pace.turn, &mut Samples::default()).await?;
        for _ in 0..pace.rounds {
            let before = Spent::read(&node).await?;
            rates.push(callers.go_on(pace.turn, &mut samples).await?);
            let after = Spent::read(&node).await?;
            shares.push((after.rules - before.rules) / (after.requests - before.requests) * 100.0);
        }
        table.row("password grant, five rules, two callers", figures(rates, &samples));
        Ok(Bar::at_most("five Rust rules of a password login's time, by its spans", median(shares), 1.0, " %"))
    })
}

/// Seconds that a node has spent, as its metrics tell.
struct Spent {
    rules: f64,
    requests: f64,
}

impl Spent {
    async fn read(node: &Node) -> anyhow::Result<Self> {
        let metrics = Connection::new(node.admin).get("/metrics").await?.text();
        let value = |name: &str| -> anyhow::Result<f64> {
            let line =
                metrics.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
            Ok(line.trim().parse()?)
        };
        Ok(Self {
            rules: value("vestibule_login_rules_seconds_sum ")?,
            requests: value("vestibule_http_request_seconds_sum{listener=\"public\",route=\"/oauth/token\"} ")?,
        })
    }
}

/// Refreshes with five rules that set claims, against refreshes without rules.
fn refreshes(runtime: &Runtime, pace: &Pace, table: &mut Table) -> anyhow::Result<Bar> {
    runtime.block_on(async {
        let mut arms = Vec::new();
        for rules in [0, 5] {
            let node = Node::start(Furnishing { users: CALLERS, rules: (Guest::Claims, rules) }).await?;
            let mut callers = Callers::of(&node, Doing::Refresh, CALLERS, CALLERS).await?;
            callers.go_on(pace.turn, &mut Samples::default()).await?;
            arms.push((node, callers, Samples::default(), Vec::new()));
        }
        for _ in 0..pace.rounds {
            for (_, callers, samples, rates) in &mut arms {
                rates.push(callers.go_on(pace.turn, samples).await?);
            }
        }
        let ratio = match arms.as_slice() {
            [(.., without), (.., with)] => {
                median(without.iter().zip(with).map(|(without, with)| with / without).collect())
            }
            _ => f64::NAN,
        };
        for ((_, _, samples, rates), name) in arms.into_iter().zip(["refresh, no rules", "refresh, five rules"]) {
            table.row(name, figures(rates, &samples));
        }
        let what = "refreshes with five rules that set claims, of the throughput of refreshes without";
        Ok(Bar::at_least(what, ratio * 100.0, 90.0, " %"))
    })
}

/// Password logins with three rules, against the hashing that this machine does when it does nothing else.
fn password_logins(runtime: &Runtime, pace: &Pace, doing: Doing, name: &str, table: &mut Table) -> anyhow::Result<Bar> {
    runtime.block_on(async {
        let node = Node::start(Furnishing { users: USERS, rules: (Guest::Metadata, 3) }).await?;
        let mut callers = Callers::of(&node, doing, CALLERS, USERS).await?;
        let (mut ratios, mut hashes, mut rates, mut samples) = (Vec::new(), Vec::new(), Vec::new(), Samples::default());
        callers.go_on(pace.turn, &mut Samples::default()).await?;
        for _ in 0..pace.rounds {
            let hashed = bare_hashes(pace.turn)?;
            let logins = callers.go_on(pace.turn, &mut samples).await?;
            ratios.push(logins / hashed);
            hashes.push(hashed);
            rates.push(logins);
        }
        let hashed = median(hashes);
        table.row(name, figures(rates, &samples));
        table.row("bare hashes beside it, Argon2id 19 MiB, two passes", [shown(hashed), String::new(), String::new()]);
        let what = format!("password logins, {name}: of the machine's bare hashing rate");
        Ok(Bar::at_least(what, median(ratios) * 100.0, 60.0, " %"))
    })
}

/// Hashes a second, on all cores, for so long; memory is reused from one to the next.
fn bare_hashes(length: Duration) -> anyhow::Result<f64> {
    let Cost { memory, passes } = Cost::RECOMMENDED;
    let params = Params::new(memory, passes, 1, None).map_err(|error| anyhow::anyhow!("{error}"))?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let hashing = |params: &Params| -> anyhow::Result<usize> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut blocks = vec![argon2::Block::default(); params.block_count()];
        let (mut hashed, mut out) = (0, [0_u8; 32]);
        while began.elapsed() < length {
            argon2
                .hash_password_into_with_memory(b"correct horse battery staple", &[7; 16], &mut out, &mut blocks)
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            hashed += 1;
        }
        Ok(hashed)
    };
    let hashed = thread::scope(|scope| -> anyhow::Result<usize> {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(|| hashing(&params))).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?);
        joined.sum()
    })?;
    Ok(hashed as f64 / began.elapsed().as_secs_f64())
}

/// Memory of a node that has nothing to do: after it was started, and after people logged in.
fn memory(runtime: &Runtime, pace: &Pace, table: &mut Table) -> anyhow::Result<Bar> {
    runtime.block_on(async {
        let furnishing = Furnishing { users: POPULATION, rules: (Guest::Metadata, 20) };
        let node = Node::start(furnishing).await?.restart()?;
        tokio::time::sleep(pace.turn).await;
        let started = node.memory()?;
        Callers::of(&node, Doing::BrowserLogin, CALLERS, POPULATION)
            .await?
            .go_on(pace.turn * 10, &mut Samples::default())
            .await?;
        tokio::time::sleep(Duration::from_secs(10)).await;
        let idle = node.memory()?;
        let cells = |figure: f64| [format!("{} MB", shown(figure)), String::new(), String::new()];
        table.row("memory after a start", cells(started));
        table.row("memory ten seconds after many logins", cells(idle));
        let what = format!("memory when idle, {POPULATION} users and 20 Rust rules");
        Ok(Bar::at_most(what, started.max(idle), 100.0, " MB").beside(&format!("{} after a start", shown(started))))
    })
}

fn figures(rates: Vec<f64>, samples: &Samples) -> [String; 3] {
    [shown(median(rates)), shown(samples.p50() / 1e3), shown(samples.percentile(0.99) / 1e3)]
}
