//! `kill -9` of a real node under live logins: nothing acknowledged is lost, nothing is there by half, and it serves again
//! within a second.
//!
//! Every login runs a rule that counts: its number goes into both bags and into the ID token. So what must hold after each
//! crash can be read off: nobody got a number twice, both bags hold the same number from the same login, that login and all
//! acknowledged ones are in the journal with theirs, and every token, code and session that somebody was given works.

mod audit;
mod visitor;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use vestibule_testkit::{
    guests,
    node::PATIENCE,
    postgres::{Cluster, Durability},
    proof::{Dice, length, tell, tried},
};

use self::{
    audit::Audit,
    visitor::{CLIENT, Load, Visitor, password_grant},
};
use crate::service::{NoAnswer, Running, Web};

/// Whose accounts everybody logs in to.
const PEOPLE: [&str; 3] = ["ada@example.com", "bob@example.com", "cleo@example.com"];
/// How many log in at one time: more than there are accounts, so that they are in each other's way.
const VISITORS: u64 = 5;
/// How many logins are acknowledged before a crash, at most.
const LOGINS: u64 = 16;
/// How many crashes one database sees.
const CRASHES: u64 = 50;
/// How long a node may take until it serves again.
const A_SECOND: Duration = Duration::from_secs(1);

/// A node whose rule counts, with an account for everybody.
async fn furnished(database: Option<&str>) -> Running {
    let rate = "{burst=1000000,per_hour=1000000}";
    let rates = format!("{{account={rate},prefix={rate},all={rate}}}");
    let running = Running::start(database, &[("LOG__LEVEL", "warn"), ("RATES__LOGIN", &rates)]);
    let writes =
        ["user_metadata.tally".to_owned(), "app_metadata.tally".to_owned(), format!("id_token.{}", guests::TALLY)];
    running.deploy("tally", &format!("writes = {writes:?}"), &guests::tallying());
    let settings = running.folder().join("client.json");
    std::fs::write(&settings, visitor::client().to_string()).unwrap();
    running.register(CLIENT, &["--file", settings.to_str().unwrap()]);
    for person in PEOPLE {
        running.sign_up(CLIENT, person).await;
    }
    running
}

/// Those who log in, each with dice of its own.
fn visitors(web: &Web, seed: u64) -> Vec<Visitor<'_>> {
    let person = |number: u64| PEOPLE[usize::try_from(number).unwrap() % PEOPLE.len()];
    (0..VISITORS).map(|number| Visitor::new(web, person(number), Dice::new(seed * VISITORS + number + 1))).collect()
}

/// All of them log in until this is over.
async fn log_in_during(visitors: &mut [Visitor<'_>], what: impl AsyncFnOnce(&Load)) {
    let load = Load::default();
    let all = join_all(visitors.iter_mut().map(|visitor| visitor.log_in_during(&load)));
    let ends = async {
        what(&load).await;
        load.ends();
    };
    tokio::join!(all, ends);
}

/// What came of some crashes.
#[derive(Default)]
struct Crashed {
    acknowledged: u64,
    durable: u64,
    ready_after: Vec<Duration>,
    processor: Duration,
}

impl Crashed {
    /// Prints it, after what must hold of all of it.
    fn told(mut self, proof: &str, cycles: u64) {
        self.ready_after.sort_unstable();
        let median = self.ready_after[self.ready_after.len() / 2];
        let slowest = self.ready_after.last().unwrap();
        let late = self.ready_after.iter().filter(|took| **took > A_SECOND).count();
        let more = format!(
            "\"acknowledged\": {}, \"durable\": {}, \"ready_ms\": {{\"median\": {}, \"slowest\": {}, \"processor\": {}}}, \
             \"later_than_a_second\": {late}",
            self.acknowledged,
            self.durable,
            median.as_millis(),
            slowest.as_millis(),
            self.processor.as_millis()
        );
        // A busy machine keeps some of them waiting. What a node takes of the processor is its own.
        assert!(median < A_SECOND && self.processor < A_SECOND, "it is not back within a second: {more}");
        assert!(self.acknowledged > cycles, "it hardly got to work: {more}");
        tell(proof, cycles, 0, &more);
    }
}

/// Crashes nodes so many times, each database so often, and checks after every crash.
async fn crash(proof: &str, cycles: u64, database: impl Fn() -> Option<String>) {
    let (mut crashed, mut done) = (Crashed::default(), 0);
    while done < cycles {
        let mut running = furnished(database().as_deref()).await;
        let mut audit = Audit::of(&running);
        let web = Arc::clone(&running.web);
        let first = tried() + done;
        let mut visitors = visitors(&web, first);
        let now = CRASHES.min(cycles - done);
        for cycle in first..first + now {
            let mut dice = Dice::new(cycle + 1);
            log_in_during(&mut visitors, async |load| {
                load.reaches(dice.below(LOGINS)).await;
                sleep(Duration::from_micros(dice.below(20_000))).await; // Then some are under way.
                running.node.kill();
            })
            .await;
            running.restart();
            crashed.ready_after.push(running.node.ready_after);
            crashed.processor = crashed.processor.max(running.node.processor_time());
            audit.check(&running, &mut visitors).await;
        }
        audit.close(&mut running).await;
        crashed.acknowledged += audit.acknowledged();
        crashed.durable += audit.durable();
        done += now;
    }
    crashed.told(proof, cycles);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_a_node_is_killed_on_sqlite() {
    crash("crash-node-sqlite", length("VESTIBULE_CYCLES", 300), || None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_a_node_is_killed_on_postgresql() {
    let database = || Some(Cluster::shared().database());
    crash("crash-node-postgresql", length("VESTIBULE_CYCLES", 30), database).await;
}

/// A full disk is said, not hidden: who asks is told to come again, what was acknowledged can be read, and the node goes on
/// by itself when there is space (HR-122).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing() {
    let mut running = furnished(None).await;
    let mut audit = Audit::of(&running);
    let web = Arc::clone(&running.web);
    let mut visitors = visitors(&web, 11);
    log_in_during(&mut visitors, async |load| load.reaches(LOGINS).await).await;
    running.node.kill();
    running.restart_on_a_full_disk();
    audit.check(&running, &mut visitors).await;
    let is_full = async || password_grant(&web, PEOPLE[0]).await.is_err_and(|lost| is_to_come_again(&lost));
    let full = async { while !is_full().await {} };
    log_in_during(&mut visitors, async |_| timeout(PATIENCE, full).await.expect("it fills the disk")).await;
    assert!(is_full().await, "once is always, until there is space");
    assert_eq!(web.browser().get("/.well-known/jwks.json").await.status, 200, "what needs no disk goes on");
    audit.check(&running, &mut visitors).await;
    let before = audit.acknowledged();

    running.node.has_space_again();
    log_in_during(&mut visitors, async |load| load.reaches(LOGINS).await).await;
    audit.check(&running, &mut visitors).await;
    assert!(audit.acknowledged() > before, "it does not go on");
    audit.close(&mut running).await;
}

/// Whether that is what somebody hears whose login cannot be stored now.
fn is_to_come_again(lost: &NoAnswer) -> bool {
    lost.0.starts_with("503") && lost.0.contains("temporarily_unavailable")
}

/// The node stays, its database goes: it says so while that lasts, and goes on afterwards by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_outlives_its_postgresql() {
    let kills = length("VESTIBULE_KILLS", 4);
    let cluster = Cluster::start(Durability::Real);
    let mut running = furnished(Some(&cluster.database())).await;
    let web = Arc::clone(&running.web);
    let mut audit = Audit::of(&running);
    let mut visitors = visitors(&web, 7 + tried());
    for _ in 0..kills {
        log_in_during(&mut visitors, async |load| {
            load.reaches(LOGINS).await;
            tokio::task::block_in_place(|| cluster.kill());
            sleep(Duration::from_millis(100)).await;
            tokio::task::block_in_place(|| cluster.restart(Durability::Real));
            load.reaches(2 * LOGINS).await;
        })
        .await;
        let unanswered: u64 = visitors.iter_mut().map(Visitor::unanswered).sum();
        assert!(unanswered > 0, "nobody noticed");
        audit.check(&running, &mut visitors).await;
    }
    audit.close(&mut running).await;
    let more = format!("\"acknowledged\": {}, \"durable\": {}", audit.acknowledged(), audit.durable());
    tell("crash-database-postgresql", kills, 0, &more);
}

/// Whoever is at the other node can go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_nodes_on_one_postgresql_is_killed_under_load() {
    let mut one = furnished(Some(&Cluster::shared().database())).await;
    let mut two = one.another();
    let mut audit = Audit::of(&one);
    let (here, there) = (Arc::clone(&one.web), Arc::clone(&two.web));
    let (mut at_one, mut at_two) = (visitors(&here, 1), visitors(&there, 2));
    for _ in 0..3 {
        let (here, there) = (Load::default(), Load::default());
        let crash = async {
            there.reaches(LOGINS).await;
            two.node.kill();
            there.ends();
            let before = here.acknowledged();
            here.reaches(before + LOGINS).await;
            here.ends();
        };
        let first = join_all(at_one.iter_mut().map(|visitor| visitor.log_in_during(&here)));
        let second = join_all(at_two.iter_mut().map(|visitor| visitor.log_in_during(&there)));
        tokio::join!(first, second, crash);
        two.restart();
        audit.check(&one, &mut at_one).await;
        audit.check(&one, &mut at_two).await;
    }
    audit.close(&mut one).await;
}
