//! The atomicity checker: concurrent logins, metadata writes and reads on hot users, and a judge of what each of them saw.
//!
//! Every write appends a token of its own to lists: a login to one in each bag, a metadata write to one. So the final
//! list is the order of all writes, and what a reader saw tells where it stood in it:
//! - an acknowledged token is there once (no lost or doubled update), a failed one nowhere;
//! - the tokens of a login are in both bags, with its entry, session and code, or in none;
//! - what a reader saw is a beginning of the final list, which has everything that was acknowledged before it began.
//!
//! If all reads are beginnings of one order that respects real time, there is no cycle to look for: the history is
//! strictly serial.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use vestibule_store::*;
use vestibule_testkit::{
    proof::{Dice, length, tell, tried},
    stores::{NOW, TestStore},
};

use crate::work::{ensure_user, login, object, tenant};

/// Operations on one set of users, whose lists then stay short.
const ROUND: u64 = 2_500;
const HOT: usize = 4;
const WORKERS: u64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_and_metadata_writes_are_serial_on_sqlite() {
    prove("atomic-sqlite", TestStore::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_and_metadata_writes_are_serial_on_postgresql() {
    prove("atomic-postgresql", TestStore::postgres().await).await;
}

async fn prove(proof: &str, store: TestStore) {
    let ops = length("VESTIBULE_OPS", 45_000);
    let (mut done, mut committed, mut conflicts) = (0, 0, 0);
    while done < ops {
        let history = run(&store, tried() + done, ROUND.min(ops - done)).await;
        let judged = history.judge(&*store).await;
        done += ROUND.min(ops - done);
        committed += judged.committed;
        conflicts += judged.conflicts;
    }
    assert!(committed > ops / 20 && conflicts > ops / 200, "{committed} committed, {conflicts} conflicts: no contest");
    assert_eq!(store.verify().await.unwrap().damage, vec![]);
    tell(proof, ops, 0, &format!("\"committed\": {committed}, \"conflicts\": {conflicts}"));
}

/// What one operation was, and how it ended.
enum Seen {
    Login { user: usize, token: String, end: End },
    Write { user: usize, token: String, end: End },
    Read { user: usize, tokens: Vec<String>, acknowledged_before: usize },
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Acknowledged,
    Denied,
    Conflict,
}

struct Users {
    names: Vec<String>,
    /// How many tokens of each were acknowledged.
    acknowledged: Vec<AtomicUsize>,
}

struct History {
    users: Arc<Users>,
    seen: Vec<Seen>,
}

struct Judged {
    committed: u64,
    conflicts: u64,
}

async fn run(store: &TestStore, seed: u64, ops: u64) -> History {
    let names: Vec<_> = (0..HOT).map(|number| format!("u{seed}-{number}")).collect();
    for name in &names {
        ensure_user(&**store, name).await;
    }
    let acknowledged = names.iter().map(|_| AtomicUsize::new(0)).collect();
    let users = Arc::new(Users { names, acknowledged });
    let next = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (store, users, next) = (store.share(), Arc::clone(&users), Arc::clone(&next));
            tokio::spawn(async move {
                let mut dice = Dice::new(seed * WORKERS + worker + 1);
                let mut seen = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= ops {
                        return seen;
                    }
                    seen.push(operate(&*store, &users, &format!("{seed}.{number}"), &mut dice).await);
                }
            })
        })
        .collect();
    let mut seen = Vec::new();
    for worker in workers {
        seen.extend(worker.await.unwrap());
    }
    History { users, seen }
}

async fn operate(store: &dyn Store, users: &Users, token: &str, dice: &mut Dice) -> Seen {
    let user = usize::try_from(dice.below(HOT as u64)).unwrap();
    let id = UserId::new(users.names[user].clone());
    let acknowledged_before = users.acknowledged[user].load(Ordering::SeqCst);
    let read = store.user(&tenant(), &id).await.unwrap().unwrap();
    let acknowledge = |end| {
        if end == End::Acknowledged {
            users.acknowledged[user].fetch_add(1, Ordering::SeqCst);
        }
        end
    };
    let token = token.to_owned();
    match dice.below(10) {
        0..=3 => {
            let deny = dice.below(8) == 0;
            let mut commit =
                login(&read, &token, longer(&read.user_metadata, &token), longer(&read.app_metadata, &token));
            if deny {
                commit.verdict = Verdict::Refuse { read: Some(read.version) };
            }
            let end = match store.commit_login(&tenant(), &commit).await {
                Ok(Committed::Done) if deny => End::Denied,
                Ok(Committed::Done) => End::Acknowledged,
                Err(CommitError::Conflict) => End::Conflict,
                other => panic!("{other:?}"),
            };
            Seen::Login { user, token, end: acknowledge(end) }
        }
        4 | 5 => {
            let bag = Some(Some(object(longer(&read.app_metadata, &token))));
            let change = UserChange { app_metadata: bag, ..UserChange::default() };
            let end = match store.change_user(&tenant(), &id, read.version, &change, &Author::User, NOW).await.unwrap()
            {
                Changed::Done(_) => End::Acknowledged,
                Changed::Conflict => End::Conflict,
                other => panic!("{other:?}"),
            };
            Seen::Write { user, token, end: acknowledge(end) }
        }
        _ => Seen::Read { user, tokens: tokens(&read.app_metadata), acknowledged_before },
    }
}

fn tokens(bag: &Option<serde_json::Map<String, Value>>) -> Vec<String> {
    let list = bag.as_ref().and_then(|bag| bag["tokens"].as_array());
    list.map(|list| list.iter().map(|token| token.as_str().unwrap().to_owned()).collect()).unwrap_or_default()
}

fn longer(bag: &Option<serde_json::Map<String, Value>>, token: &str) -> Value {
    let mut tokens = tokens(bag);
    tokens.push(token.to_owned());
    json!({ "tokens": tokens })
}

impl History {
    async fn judge(&self, store: &dyn Store) -> Judged {
        let mut judged = Judged { committed: 0, conflicts: 0 };
        for (user, name) in self.users.names.iter().enumerate() {
            let now = store.user(&tenant(), &name.as_str().into()).await.unwrap().unwrap();
            let (ours, all) = (tokens(&now.user_metadata), tokens(&now.app_metadata));
            let mut expected = BTreeSet::new();
            let mut logins = BTreeSet::new();
            let mut counted = 0;
            for seen in &self.seen {
                match seen {
                    Seen::Login { user: whose, token, end } if *whose == user => {
                        check_traces(store, token, *end).await;
                        counted += i64::from(*end != End::Conflict);
                        if *end == End::Acknowledged {
                            expected.insert(token.clone());
                            logins.insert(token.clone());
                        }
                        judged.conflicts += u64::from(*end == End::Conflict);
                    }
                    Seen::Write { user: whose, token, end } if *whose == user => {
                        if *end == End::Acknowledged {
                            expected.insert(token.clone());
                        }
                        judged.conflicts += u64::from(*end == End::Conflict);
                    }
                    Seen::Read { user: whose, tokens, acknowledged_before } if *whose == user => {
                        assert!(all.starts_with(tokens), "{name}: what was read is no beginning of what is there");
                        assert!(tokens.len() >= *acknowledged_before, "{name}: a read misses what was acknowledged");
                    }
                    Seen::Login { .. } | Seen::Write { .. } | Seen::Read { .. } => {}
                }
            }
            judged.committed += expected.len() as u64;
            assert_eq!(all.len(), expected.len(), "{name}: lost, doubled or failed updates");
            assert_eq!(all.iter().cloned().collect::<BTreeSet<_>>(), expected, "{name}");
            assert_eq!(ours.len(), logins.len(), "{name}: half a login");
            assert_eq!(ours.into_iter().collect::<BTreeSet<_>>(), logins, "{name}");
            assert_eq!(now.logins_count, counted, "{name}");
        }
        judged
    }
}

/// Entry, session and code are there exactly if the login was committed and allowed.
async fn check_traces(store: &dyn Store, token: &str, end: End) {
    let record = store.login(&tenant(), &token.into()).await.unwrap();
    assert_eq!(record.is_some(), end != End::Conflict, "entry of {token}");
    let cookie = TokenDigest::of(&format!("session {token}"));
    let session = store.session(&tenant(), &cookie, NOW).await.unwrap();
    assert_eq!(session.is_some(), end == End::Acknowledged, "session of {token}");
    let code = record.and_then(|record| record.issued.code);
    assert_eq!(code.is_some(), end == End::Acknowledged, "code of {token}");
}
