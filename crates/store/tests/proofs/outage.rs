//! PostgreSQL is killed under load, and one of two nodes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use vestibule_store::*;
use vestibule_testkit::{
    postgres::{Cluster, Durability},
    proof::{length, tell},
    stores::{NOW, act, open},
};

use crate::{
    crash::Committing,
    work::{USERS, check_logins, ensure_user, log_in},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_postgresql_is_killed() {
    let kills = length("VESTIBULE_KILLS", 5);
    let cluster = Cluster::start(Durability::Real);
    let store = open(&cluster.database()).await.unwrap();
    for id in USERS {
        ensure_user(&*store, id).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let failed = Arc::new(Mutex::new(BTreeSet::new()));
    let workers = (0..4).map(|worker| {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        let (acknowledged, failed) = (Arc::clone(&acknowledged), Arc::clone(&failed));
        tokio::spawn(async move {
            for number in 0_usize.. {
                let name = format!("login-{worker}-{number}");
                // Whatever happened, the same login is asked for again until it is known.
                while let Err(error) = log_in(&*store, USERS[number % USERS.len()], &name).await {
                    failed.lock().unwrap().insert(match error {
                        StoreError::Unknown(_) => "unknown",
                        StoreError::Unavailable(_) => "unavailable",
                        other => panic!("{other:?}"),
                    });
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                acknowledged.lock().unwrap().push(name);
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    let some_more_are_acknowledged = async || {
        let before = acknowledged.lock().unwrap().len();
        let there = async {
            while acknowledged.lock().unwrap().len() < before + 10 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), there).await.expect("the database is back, and nobody logs in");
    };
    for _ in 0..kills {
        some_more_are_acknowledged().await;
        tokio::task::block_in_place(|| {
            cluster.kill();
            cluster.restart(Durability::Real);
        });
    }
    some_more_are_acknowledged().await;
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    assert!(failed.lock().unwrap().contains("unavailable"), "nobody noticed");
    // Every login was asked for until it was known, so each is there once, and no other.
    let durable = check_logins(&*store, &acknowledged).await;
    assert_eq!(usize::try_from(durable).unwrap(), acknowledged.len());
    let report = store.verify().await.unwrap();
    assert_eq!((report.damage, report.entries), (vec![], acknowledged.len() as u64));
    tell("crash-postgresql", kills, 0, &format!("\"acknowledged\": {}", acknowledged.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_nodes_is_killed_under_load() {
    let address = Cluster::shared().database();
    let store = open(&address).await.unwrap();
    for id in USERS {
        ensure_user(&*store, id).await;
    }
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let other = Committing::start(&address, &format!("other-{round}"));
        for number in 0..60 {
            let name = format!("ours-{round}-{number}");
            log_in(&*store, USERS[number % USERS.len()], &name).await.unwrap();
            acknowledged.push(name);
        }
        acknowledged.extend(other.kill());
    }
    assert!(acknowledged.len() > 180, "the other node did nothing");
    // What the killed node left open is rolled back by the server; until then its rows may be locked.
    log_in(&*store, "ada", "last").await.unwrap();
    let durable = check_logins(&*store, &acknowledged).await;
    assert!(usize::try_from(durable).unwrap() > acknowledged.len());
    let report = store.verify().await.unwrap();
    assert_eq!((report.damage, report.entries), (vec![], u64::try_from(durable).unwrap()));
}

/// A node hears of another's change at once: by announcement, not by the poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_hears_of_another_nodes_change() {
    let address = Cluster::shared().database();
    let ours = open(&address).await.unwrap();
    let theirs = vestibule_store::open(&address, &NodeId::new("node-2"), NOW).await.unwrap();
    let seen = ours.change_mark().await.unwrap();
    let waiting = tokio::spawn({
        let ours = Arc::clone(&ours);
        async move { ours.wait_for_change(seen, Duration::from_secs(30)).await.unwrap() }
    });
    let tenant = Tenant { id: "acme".into(), hosts: Vec::new(), settings: serde_json::Map::new(), created_at: NOW };
    theirs.put_tenant(&tenant, &act(OperatorAct::TenantPut { tenant: tenant.id.clone() })).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    assert_ne!(heard, seen);
    assert_eq!(ours.change_mark().await.unwrap(), theirs.change_mark().await.unwrap());
}
