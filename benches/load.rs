//! `cargo xtask prove-load`: a server under ten times what it can do, then under half of it for a long time.
//!
//! Logins arrive whatever became of those before (an open loop), so that a server that falls behind cannot slow down what
//! is asked of it. `--overload SECONDS` and `--soak MINUTES` say how long.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use http::StatusCode;
use tokio::{
    runtime::Builder,
    task::{JoinSet, LocalSet},
    time::{MissedTickBehavior, interval},
};
use vestibule_benches::{
    connection::Connection,
    logins::{Callers, Doing, token_request},
    node::{Furnishing, Guest, Node, PASSWORD, email},
    report::{Bar, Report, Table, shown},
    rounds::{Samples, median},
};

/// People who log in.
const USERS: usize = 1_000;
/// Callers that find out what the server can do at most.
const CALLERS: usize = 16;
/// How often new logins arrive, some at a time.
const TICK: Duration = Duration::from_millis(2);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How long things go on.
struct Asked {
    overload: Duration,
    soak: Duration,
}

fn main() -> anyhow::Result<()> {
    let asked = Asked::of(std::env::args().skip(1))?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (bars, tables) = LocalSet::new().block_on(&runtime, prove(&asked))?;
    let mut report = Report::default();
    report.add(bars, tables);
    println!("\n{}", report.to_markdown("cargo xtask prove-load"));
    if report.missed() > 0 {
        bail!("{} of {} bars are missed", report.missed(), report.bars.len());
    }
    Ok(())
}

impl Asked {
    fn of(mut args: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut asked = Self { overload: Duration::from_secs(600), soak: Duration::from_secs(2 * 60 * 60) };
        while let Some(arg) = args.next() {
            let mut number = || -> anyhow::Result<u64> { Ok(args.next().context("how long?")?.parse()?) };
            match arg.as_str() {
                "--overload" => asked.overload = Duration::from_secs(number()?),
                "--soak" => asked.soak = Duration::from_secs(60 * number()?),
                "--bench" => {} // Cargo says so to every benchmark.
                _ => bail!("`{arg}` is not known; there are --overload SECONDS and --soak MINUTES"),
            }
        }
        Ok(asked)
    }
}

async fn prove(asked: &Asked) -> anyhow::Result<(Vec<Bar>, Vec<Table>)> {
    let node = Node::start(Furnishing { users: USERS, rules: (Guest::Metadata, 3) }).await?;
    let peak = peak(&node).await?;
    let overload = Arrivals::at(&node, peak * 10.0).go_on(asked.overload, || Ok(())).await?;
    let began = Instant::now();
    let mut memory = Vec::new();
    let mut look = || {
        memory.push((began.elapsed().as_secs_f64() / 3_600.0, node.memory()? * 1e6 / f64::from(1 << 20)));
        anyhow::Ok(())
    };
    let soak = Arrivals::at(&node, peak / 2.0).go_on(asked.soak, &mut look).await?;
    let settled: Vec<_> = memory.iter().copied().skip(memory.len() / 4).collect();
    let (first, last) = (settled.first().map_or(f64::NAN, |at| at.1), settled.last().map_or(f64::NAN, |at| at.1));

    let mut table = Table::new(
        "Load",
        &["", "offered a second", "let in a second", "ms (p50)", "ms (p99)", "turned away", "ms (p99)"],
    );
    table.row(
        "as much as it can",
        [String::new(), shown(peak), String::new(), String::new(), String::new(), String::new()],
    );
    table.row(format!("ten times that, {} s", asked.overload.as_secs()), overload.cells(peak * 10.0));
    table.row(format!("half of it, {} min", asked.soak.as_secs() / 60), soak.cells(peak / 2.0));
    let bars = vec![
        Bar::at_least("10× offered load: goodput of the peak", overload.goodput() / peak * 100.0, 80.0, " %"),
        Bar::at_most("10× offered load: rejections, p99", overload.turned_away.percentile(0.99) / 1e3, 50.0, " ms"),
        Bar::at_most(
            "answers that are neither tokens nor 503 with Retry-After",
            (overload.odd + soak.odd) as f64,
            0.0,
            "",
        ),
        Bar::at_most("memory after the first quarter of the long load: growth an hour", slope(&settled), 1.0, " MiB")
            .beside(&format!("from {} to {} MiB in {} min", shown(first), shown(last), asked.soak.as_secs() * 3 / 240)),
    ];
    Ok((bars, vec![table]))
}

/// Logins a second when as many ask as are answered.
async fn peak(node: &Node) -> anyhow::Result<f64> {
    let mut callers = Callers::of(node, Doing::PasswordGrant, CALLERS, USERS).await?;
    callers.go_on(Duration::from_secs(5), &mut Samples::default()).await?;
    let mut rates = Vec::new();
    for _ in 0..5 {
        rates.push(callers.go_on(Duration::from_secs(3), &mut Samples::default()).await?);
    }
    Ok(median(rates))
}

/// Logins that arrive at a rate.
struct Arrivals<'n> {
    node: &'n Node,
    rate: f64,
    idle: Rc<RefCell<Vec<Connection>>>,
}

/// What became of them.
#[derive(Default)]
struct Became {
    let_in: Samples,
    turned_away: Samples,
    odd: usize,
    length: Duration,
}

/// What became of one.
enum One {
    LetIn(Duration),
    TurnedAway(Duration),
    Odd(String),
}

impl<'n> Arrivals<'n> {
    fn at(node: &'n Node, rate: f64) -> Self {
        Self { node, rate, idle: Rc::default() }
    }

    async fn go_on(&self, length: Duration, mut look: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Became> {
        let (began, mut looked) = (Instant::now(), Instant::now());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut arrived, mut under_way, mut became) = (0, JoinSet::new(), Became::default());
        while began.elapsed() < length {
            ticks.tick().await;
            let due = (began.elapsed().as_secs_f64() * self.rate) as usize;
            for number in arrived..due {
                under_way.spawn_local(self.arrive(number));
            }
            arrived = due;
            while let Some(one) = under_way.try_join_next() {
                became.count(one?);
            }
            if looked.elapsed() > LOOK {
                looked = Instant::now();
                look()?;
            }
        }
        became.length = began.elapsed();
        while let Some(one) = under_way.join_next().await {
            if matches!(one?, One::Odd(_)) {
                became.odd += 1; // The others came too late to count.
            }
        }
        Ok(became)
    }

    fn arrive(&self, number: usize) -> impl Future<Output = One> + use<> {
        let (idle, public) = (Rc::clone(&self.idle), self.node.public);
        async move {
            let connection = idle.borrow_mut().pop();
            let mut connection = connection.unwrap_or_else(|| Connection::new(public));
            let email = email(number % USERS);
            let form =
                [("grant_type", "password"), ("username", &email), ("password", PASSWORD), ("scope", "openid profile")];
            let asked = Instant::now();
            let answer = token_request(&mut connection, &form).await;
            let took = asked.elapsed();
            idle.borrow_mut().push(connection);
            match answer {
                Ok(answer) if answer.status == StatusCode::OK => One::LetIn(took),
                Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE && answer.tells_when() => {
                    One::TurnedAway(took)
                }
                Ok(answer) => One::Odd(format!("{}: {}", answer.status, answer.text())),
                Err(error) => One::Odd(format!("{error:#}")),
            }
        }
    }
}

impl Became {
    fn count(&mut self, one: One) {
        match one {
            One::LetIn(took) => self.let_in.push(took),
            One::TurnedAway(took) => self.turned_away.push(took),
            One::Odd(told) => {
                if self.odd == 0 {
                    println!("odd: {told}");
                }
                self.odd += 1;
            }
        }
    }

    fn goodput(&self) -> f64 {
        self.let_in.len() as f64 / self.length.as_secs_f64()
    }

    fn cells(&self, offered: f64) -> [String; 6] {
        let ms = |samples: &Samples, share| shown(samples.percentile(share) / 1e3);
        [
            shown(offered),
            shown(self.goodput()),
            ms(&self.let_in, 0.5),
            ms(&self.let_in, 0.99),
            self.turned_away.len().to_string(),
            ms(&self.turned_away, 0.99),
        ]
    }
}

/// By how much a figure grows an hour: the line that fits best.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (at, value) = (mean(|point| point.0), mean(|point| point.1));
    let rise: f64 = points.iter().map(|point| (point.0 - at) * (point.1 - value)).sum();
    let run: f64 = points.iter().map(|point| (point.0 - at).powi(2)).sum();
    rise / run
}
