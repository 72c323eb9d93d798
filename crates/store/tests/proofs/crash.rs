//! A process is killed while it commits logins, again and again: no acknowledged login is lost, and none is there by half.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use vestibule_store::*;
use vestibule_testkit::{
    proof::{Dice, length, tell, tried},
    stores::{NOW, open},
};

use crate::work::{USERS, check_logins, ensure_user, log_in, log_in_for_ever, tenant};

/// How many times one database is crashed before a new one is made.
const CRASHES: u64 = 50;

/// The process that is killed. Alone it is a test as well: what it commits is there when it ends in peace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_commits_logins() {
    if let Ok(address) = env::var("VESTIBULE_CRASH_ADDRESS") {
        let (run, node) = (env::var("VESTIBULE_CRASH_RUN").unwrap(), NodeId::new("crashing"));
        let store = vestibule_store::open(&address, &node, NOW).await.unwrap();
        say("ready", "");
        log_in_for_ever(store, run, |name| say("ack", name)).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("vestibule.db").to_str().unwrap().to_owned();
    let store = open(&address).await.unwrap();
    ensure_user(&*store, "ada").await;
    for number in 0..20 {
        log_in(&*store, "ada", &format!("login-{number}")).await.unwrap();
    }
    store.close().await;
    let store = open(&address).await.unwrap();
    let names: Vec<_> = (0..20).map(|number| format!("login-{number}")).collect();
    assert_eq!(check_logins(&*store, &names).await, 20);
}

/// One line, whole, in one write.
fn say(word: &str, what: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("\n{word} {what}\n").as_bytes()); // The reader may be gone: so are we, soon.
    let _ = out.flush();
}

/// The process, and what it says.
pub(crate) struct Committing {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Committing {
    /// Starts it, and waits until its store is open.
    pub(crate) fn start(address: &str, run: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "crash::a_process_commits_logins", "--nocapture"]);
        command.env("VESTIBULE_CRASH_ADDRESS", address).env("VESTIBULE_CRASH_RUN", run);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ready") {
            line.clear();
            if said.read_line(&mut line).unwrap() == 0 {
                panic!("it ended before it was ready: {}", child.wait().unwrap());
            }
        }
        Self { child, said }
    }

    /// Kills it; the logins that it had heard were durable.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let lines = self.said.lines().map_while(Result::ok);
        // A line that was cut off is no acknowledgement.
        lines.filter_map(|line| line.strip_prefix("ack ").map(str::to_owned)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let cycles = length("VESTIBULE_CYCLES", 300);
    let (mut acknowledged, mut durable, mut slowest) = (0, 0, Duration::ZERO);
    let mut done = 0;
    while done < cycles {
        let folder = tempfile::tempdir().unwrap();
        let crashed = crash_one(&folder.path().join("vestibule.db"), tried() + done, CRASHES.min(cycles - done)).await;
        done += crashed.cycles;
        acknowledged += crashed.acknowledged;
        durable += crashed.durable;
        slowest = slowest.max(crashed.slowest);
    }
    assert!(acknowledged > cycles / 2, "the process hardly got to work: {acknowledged} logins");
    let more = format!(
        "\"acknowledged\": {acknowledged}, \"durable\": {durable}, \"slowest_open_ms\": {}",
        slowest.as_millis()
    );
    tell("crash-sqlite", cycles, 0, &more);
}

struct Crashed {
    cycles: u64,
    acknowledged: u64,
    durable: i64,
    slowest: Duration,
}

/// Crashes one database so many times, and checks it after each.
async fn crash_one(path: &Path, seed: u64, cycles: u64) -> Crashed {
    let address = path.to_str().unwrap();
    let store = open(address).await.unwrap();
    for id in USERS {
        ensure_user(&*store, id).await;
    }
    store.close().await;
    let mut crashed = Crashed { cycles, acknowledged: 0, durable: 0, slowest: Duration::ZERO };
    for cycle in 0..cycles {
        let running = Committing::start(address, &format!("run-{}", seed + cycle));
        thread::sleep(Duration::from_micros(Dice::new(seed + cycle + 1).below(60_000)));
        let acknowledged = running.kill();

        let begun = Instant::now();
        let store = open(address).await.unwrap();
        crashed.slowest = crashed.slowest.max(begun.elapsed());
        assert_eq!(store.damage(), None, "a crash is no damage");
        let durable = check_logins(&*store, &acknowledged).await;
        let new = u64::try_from(durable - crashed.durable).unwrap();
        assert!(new >= acknowledged.len() as u64, "{new} are durable, {} were acknowledged", acknowledged.len());
        crashed.durable = durable;
        crashed.acknowledged += acknowledged.len() as u64;
        if cycle % 10 == 9 || cycle + 1 == cycles {
            let report = store.verify().await.unwrap();
            assert_eq!((report.damage, report.entries), (vec![], u64::try_from(durable).unwrap()));
        }
        store.close().await;
    }
    crashed
}

/// What was used up before the crash is used up after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_was_redeemed_stays_redeemed_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("vestibule.db").to_str().unwrap().to_owned();
    let store = open(&address).await.unwrap();
    ensure_user(&*store, "ada").await;
    log_in(&*store, "ada", "login").await.unwrap();
    let redeem = Redeem {
        revoked_until: NOW.plus(Duration::from_secs(3_600)),
        digest: TokenDigest::of("code login"),
        client: "shop".into(),
        redirect_uri: "https://shop.example.com".to_owned(),
        challenge: "challenge".to_owned(),
        refresh: NewFamily { id: "f".into(), token: TokenDigest::of("f"), idle_until: NOW, expires_at: NOW },
        now: NOW,
    };
    assert!(matches!(store.redeem_code(&tenant(), &redeem).await.unwrap(), Redeemed::Code(_)));
    store.close().await;
    let store = open(&address).await.unwrap();
    assert_eq!(store.redeem_code(&tenant(), &redeem).await.unwrap(), Redeemed::Replayed("login".into()));
}
