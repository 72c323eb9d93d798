//! The commit of a login: all of it, or nothing, once.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::sync::Barrier;
use vestibule_store::*;
use vestibule_testkit::stores::{NOW, TestStore};

use crate::given::*;

super::on_both![
    an_allowed_login_makes_everything_durable,
    a_refused_login_counts_and_changes_nothing_else,
    a_login_is_counted_once_over_its_legs,
    a_commit_that_is_asked_again_says_what_is_known,
    a_stale_login_is_a_conflict_and_leaves_nothing,
    a_refusal_whatever_was_read_is_no_conflict,
    a_deleted_user_is_gone,
    a_session_that_ended_is_not_joined,
    a_failed_commit_leaves_nothing_of_what_it_wrote_before,
    a_turn_keeps_others_out_until_it_is_over,
    two_logins_that_count_both_count,
    one_of_64_logins_of_one_id_is_done,
    a_commit_goes_on_when_nobody_waits_for_it,
    the_journal_tells_and_forgets,
    logins_are_found_by_user_outcome_and_time,
];

fn bags(allowed: &mut Allowed) {
    allowed.user_metadata = Some(Some(object(json!({"seen": true}))));
    allowed.app_metadata = Some(Some(object(json!({"plan": "gold"}))));
    let written =
        |bag, key: &str| KeyWritten { bag, key: key.to_owned(), rule: "plan".to_owned(), revision: "r1".into() };
    allowed.written =
        vec![written(Bag::UserMetadata, "seen"), written(Bag::AppMetadata, "plan"), written(Bag::AppMetadata, "old")];
}

async fn an_allowed_login_makes_everything_durable(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let mut commit = allow_with(&ada, "login", |allowed| {
        bags(allowed);
        allowed.session = SessionUse::Open(new_session("session"));
        allowed.code = Some(new_code("code", false));
    });
    commit.now = at(7);
    done(&*store, &commit).await;

    let store = store.reopen().await;
    let now = read(&*store, &ada).await;
    assert_eq!((now.version, now.logins_count, now.last_login), (Version(2), 1, Some(NOW)));
    assert_eq!((now.last_ip.as_deref(), now.updated_at), (Some("192.0.2.1"), at(7)));
    assert_eq!(now.user_metadata, Some(object(json!({"seen": true}))));
    assert_eq!(now.app_metadata, Some(object(json!({"plan": "gold"}))));
    let told = store.provenance(&tenant(), &ada.id).await.unwrap();
    let by = Author::Rule { rule: "plan".to_owned(), revision: "r1".into(), login: "login".into() };
    assert!(told.iter().all(|line| line.by == by && line.at == at(7)));
    let told: Vec<_> = told.iter().map(|line| (line.bag, line.key.as_str(), line.deleted)).collect();
    let expected =
        [(Bag::UserMetadata, "seen", false), (Bag::AppMetadata, "old", true), (Bag::AppMetadata, "plan", false)];
    assert_eq!(told, expected);

    let session = store.session(&tenant(), &secret("session"), at(8)).await.unwrap().unwrap();
    assert_eq!((session.user, session.clients, session.login.as_str()), (ada.id.clone(), vec![shop()], "login"));
    let Redeemed::Code(code) = store.redeem_code(&tenant(), &redeem("code")).await.unwrap() else { panic!("refused") };
    assert_eq!((code.user, code.session.unwrap().as_str(), code.offline), (ada.id.clone(), "session", false));

    let record = store.login(&tenant(), &"login".into()).await.unwrap().unwrap();
    assert_eq!(
        (record.outcome.as_str(), record.user, record.replay),
        ("allow", Some(ada.id), Some(b"sealed".to_vec()))
    );
    let issued = Issued { session: Some(secret("session")), code: Some(secret("code")), ..Issued::default() };
    assert_eq!(record.issued, issued);
    assert_eq!(store.verify().await.unwrap().damage, vec![]);
}

async fn a_refused_login_counts_and_changes_nothing_else(store: TestStore) {
    let ada = user(&*store, "ada").await;
    done(&*store, &refuse(&ada, "login")).await;
    let now = read(&*store, &ada).await;
    assert_eq!((now.logins_count, now.last_ip.as_deref(), now.version), (1, Some("192.0.2.1"), Version(2)));
    assert_eq!((now.user_metadata, now.app_metadata, now.profile), (None, None, ada.profile.clone()));
    assert!(store.sessions_of(&tenant(), &ada.id, at(1)).await.unwrap().is_empty());
    // A silent login counts nothing, and leaves the version as it is.
    let mut silent = refuse(&read(&*store, &ada).await, "silent");
    silent.counts = None;
    done(&*store, &silent).await;
    assert_eq!(read(&*store, &ada).await.version, Version(2));
}

fn parked(login: &str, handle: &str) -> Parked {
    Parked {
        handle: secret(handle),
        wait: Wait::Redirect,
        browser: secret("browser"),
        client: shop(),
        login: login.into(),
        user: Some("ada".into()),
        document: object(json!({"leg": 1})),
        at: NOW,
        expires_at: later(),
        attempts: 0,
    }
}

async fn a_login_is_counted_once_over_its_legs(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let mut first = allow(&ada, "login");
    first.verdict = Verdict::Park { read: ada.version, parked: Box::new(parked("login", "handle")) };
    done(&*store, &first).await;
    let now = read(&*store, &ada).await;
    assert_eq!(now.logins_count, 1);
    let taken = store.take_parked(&tenant(), &secret("handle"), Wait::Redirect, &secret("browser"), at(1)).await;
    assert_eq!(taken.unwrap(), Some(parked("login", "handle")));
    let mut second = allow(&now, "login");
    second.leg = 1;
    done(&*store, &second).await;
    let now = read(&*store, &ada).await;
    assert_eq!((now.logins_count, now.version), (1, Version(2)));
    let record = store.login(&tenant(), &"login".into()).await.unwrap().unwrap();
    assert_eq!((record.leg, record.outcome.as_str()), (1, "allow"));
}

async fn a_commit_that_is_asked_again_says_what_is_known(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let commit = |code: &str| allow_with(&ada, "login", |allowed| allowed.code = Some(new_code(code, false)));
    done(&*store, &commit("first")).await;
    let again = store.commit_login(&tenant(), &commit("second")).await.unwrap();
    let Committed::Known(record) = again else { panic!("{again:?}") };
    assert_eq!(record.issued.code, Some(secret("first")));
    assert_eq!(read(&*store, &ada).await.logins_count, 1);
    assert_eq!(store.redeem_code(&tenant(), &redeem("second")).await.unwrap(), Redeemed::Refused);
    // It is known even when the user is gone, but to this tenant only.
    store.delete_user(&tenant(), &ada.id, NOW).await.unwrap();
    assert!(matches!(store.commit_login(&tenant(), &commit("third")).await.unwrap(), Committed::Known(_)));
    assert_eq!(store.login(&"t2".into(), &"login".into()).await.unwrap(), None);
}

async fn a_stale_login_is_a_conflict_and_leaves_nothing(store: TestStore) {
    let ada = user(&*store, "ada").await;
    done(&*store, &refuse(&ada, "first")).await;
    let stale = allow_with(&ada, "second", |allowed| {
        bags(allowed);
        allowed.session = SessionUse::Open(new_session("session"));
    });
    let answer = store.commit_login(&tenant(), &stale).await;
    assert!(matches!(answer, Err(CommitError::Conflict)), "{answer:?}");
    assert_eq!(store.login(&tenant(), &"second".into()).await.unwrap(), None);
    assert_eq!(read(&*store, &ada).await.app_metadata, None);
    assert!(store.provenance(&tenant(), &ada.id).await.unwrap().is_empty());
}

async fn a_refusal_whatever_was_read_is_no_conflict(store: TestStore) {
    let ada = user(&*store, "ada").await;
    done(&*store, &refuse(&ada, "first")).await;
    let mut exhausted = refuse(&ada, "second");
    exhausted.verdict = Verdict::Refuse { read: None };
    done(&*store, &exhausted).await;
    assert_eq!(read(&*store, &ada).await.logins_count, 2);
}

async fn a_deleted_user_is_gone(store: TestStore) {
    let ada = user(&*store, "ada").await;
    store.delete_user(&tenant(), &ada.id, NOW).await.unwrap();
    let answer = store.commit_login(&tenant(), &allow(&ada, "login")).await;
    assert!(matches!(answer, Err(CommitError::Gone)), "{answer:?}");
}

async fn a_session_that_ended_is_not_joined(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let open = allow_with(&ada, "one", |allowed| allowed.session = SessionUse::Open(new_session("s")));
    done(&*store, &open).await;
    let ada = read(&*store, &ada).await;
    let join = |login: &str, client: &str| {
        let mut commit = allow_with(&ada, login, |allowed| {
            allowed.session = SessionUse::Join { id: "s".into(), idle_until: later() };
        });
        commit.counts = None;
        commit.client = client.into();
        commit
    };
    done(&*store, &join("two", "forum")).await;
    done(&*store, &join("three", "shop")).await;
    let session = store.session(&tenant(), &secret("s"), at(1)).await.unwrap().unwrap();
    assert_eq!(session.clients, ["shop".into(), ClientId::new("forum")]);
    let ended = store.end_session(&tenant(), &"s".into()).await.unwrap().unwrap();
    assert_eq!(ended.clients, session.clients);
    let answer = store.commit_login(&tenant(), &join("four", "shop")).await;
    assert!(matches!(answer, Err(CommitError::Ended)), "{answer:?}");
    assert_eq!(store.login(&tenant(), &"four".into()).await.unwrap(), None);
}

/// The refresh token is spent: it is found out last, after the user, the session and the code were written.
async fn a_failed_commit_leaves_nothing_of_what_it_wrote_before(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let commit = allow_with(&ada, "login", |allowed| {
        bags(allowed);
        allowed.session = SessionUse::Open(new_session("session"));
        allowed.code = Some(new_code("code", true));
        allowed.refresh =
            RefreshUse::Rotate { presented: secret("nobody's"), next: secret("next"), idle_until: later() };
    });
    let answer = store.commit_login(&tenant(), &commit).await;
    assert!(matches!(answer, Err(CommitError::Spent)), "{answer:?}");
    assert_eq!(read(&*store, &ada).await, ada);
    assert_eq!(store.session(&tenant(), &secret("session"), at(1)).await.unwrap(), None);
    assert_eq!(store.redeem_code(&tenant(), &redeem("code")).await.unwrap(), Redeemed::Refused);
    assert_eq!(store.login(&tenant(), &"login".into()).await.unwrap(), None);
    assert!(store.provenance(&tenant(), &ada.id).await.unwrap().is_empty());
    assert_eq!(store.verify().await.unwrap().damage, vec![]);
}

async fn a_turn_keeps_others_out_until_it_is_over(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let take = |login: &str, now: u64| {
        let (store, id, login) = (store.share(), ada.id.clone(), LoginId::new(login));
        async move { store.take_turn(&tenant(), &id, &login, at(now), at(now + 1_000)).await.unwrap() }
    };
    assert!(take("mine", 0).await);
    assert!(!take("other", 500).await);
    let answer = store.commit_login(&tenant(), &allow(&ada, "other")).await;
    assert!(matches!(answer, Err(CommitError::Conflict)), "{answer:?}");
    let change = UserChange { email_verified: Some(true), ..UserChange::default() };
    let answer = store.change_user(&tenant(), &ada.id, ada.version, &change, &Author::User, at(500)).await.unwrap();
    assert_eq!(answer, Changed::Conflict);
    done(&*store, &allow(&ada, "mine")).await; // Its commit gives the turn back.
    assert!(take("other", 500).await);
    assert!(take("third", 1_501).await); // Nobody keeps it for longer than it was given.
    store.end_turn(&tenant(), &ada.id, &"third".into()).await.unwrap();
    assert!(take("fourth", 1_502).await);
}

async fn two_logins_that_count_both_count(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let attempts = race(|number| {
        let (store, ada) = (store.share(), ada.clone());
        async move {
            for attempt in 1.. {
                let user = read(&*store, &ada).await;
                let count = user.app_metadata.as_ref().map_or(0, |bag| bag["count"].as_i64().unwrap());
                let commit = allow_with(&user, &format!("login-{number}"), |allowed| {
                    allowed.app_metadata = Some(Some(object(json!({"count": count + 1}))));
                });
                match store.commit_login(&tenant(), &commit).await {
                    Ok(Committed::Done) => return attempt,
                    Err(CommitError::Conflict) => {}
                    other => panic!("{other:?}"),
                }
            }
            0
        }
    })
    .await;
    assert_eq!(attempts.len(), 64);
    let now = read(&*store, &ada).await;
    assert_eq!((now.logins_count, now.version), (64, Version(65)));
    assert_eq!(now.app_metadata, Some(object(json!({"count": 64}))));
}

async fn one_of_64_logins_of_one_id_is_done(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let answers = race(|number| {
        let store = store.share();
        let commit = allow_with(&ada, "login", |allowed| allowed.code = Some(new_code(&format!("c{number}"), false)));
        async move { store.commit_login(&tenant(), &commit).await.unwrap() }
    })
    .await;
    let won: Vec<_> = (0..64).filter(|number| matches!(answers[*number], Committed::Done)).collect();
    assert_eq!(won.len(), 1);
    for answer in answers {
        if let Committed::Known(record) = answer {
            assert_eq!(record.issued.code, Some(secret(&format!("c{}", won[0]))));
        }
    }
}

/// A caller that goes away while its commit is under way: seen at least once in each of these ways, and never by half.
async fn a_commit_goes_on_when_nobody_waits_for_it(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let (mut committed, mut left_and_committed) = (0, 0);
    for number in 0..2_000 {
        let login = LoginId::new(format!("login-{number}"));
        let commit = allow(&read(&*store, &ada).await, login.as_str());
        let begun = Arc::new(Barrier::new(2));
        let running = tokio::spawn({
            let (store, begun) = (store.share(), Arc::clone(&begun));
            async move {
                begun.wait().await;
                store.commit_login(&tenant(), &commit).await.map(|_| ())
            }
        });
        begun.wait().await;
        // Every moment of a commit, some time: it takes one to a few milliseconds.
        tokio::time::sleep(Duration::from_micros(number % 100 * 100)).await;
        running.abort();
        let was_left = running.await.is_err_and(|error| error.is_cancelled());
        // Waits for whoever has the user's row. The store goes on, and nothing is there by half.
        let nothing = UserChange::default();
        let answer = store.change_user(&tenant(), &ada.id, Version(0), &nothing, &Author::User, NOW).await.unwrap();
        assert_eq!(answer, Changed::Conflict);
        let is_there = store.login(&tenant(), &login).await.unwrap().is_some();
        committed += i64::from(is_there);
        left_and_committed += u32::from(was_left && is_there);
        assert!(is_there || was_left, "a commit that was waited for is gone");
        assert_eq!(read(&*store, &ada).await.logins_count, committed);
        if number >= 40 && left_and_committed >= 3 {
            break;
        }
    }
    assert!(left_and_committed >= 3, "no caller left during a commit: nothing was tried");
    assert_eq!(store.verify().await.unwrap().damage, vec![]);
    assert_eq!(store.reopen().await.damage(), None);
}

async fn the_journal_tells_and_forgets(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let event = Event {
        kind: "deploy".to_owned(),
        user: None,
        by: "root".to_owned(),
        summary: object(json!({"generation": 1})),
        at: at(1),
    };
    store.record(&tenant(), &event).await.unwrap();
    let mut commit = allow(&ada, "login");
    commit.at = at(2);
    done(&*store, &commit).await;
    let all = || JournalQuery { limit: 10, ..JournalQuery::default() };
    let kinds = |entries: Vec<Entry>| {
        let kind = |entry: Entry| match entry.what {
            EntryKind::Login(login) => login.login.to_string(),
            EntryKind::Event(event) => event.kind,
            EntryKind::Redacted => "redacted".to_owned(),
        };
        entries.into_iter().map(kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(store.journal(&tenant(), &all()).await.unwrap()), ["login", "deploy"]);
    let of_ada = JournalQuery { user: Some(ada.id.clone()), ..all() };
    assert_eq!(kinds(store.journal(&tenant(), &of_ada).await.unwrap()), ["login"]);
    let early = JournalQuery { before: Some(at(2)), ..all() };
    assert_eq!(kinds(store.journal(&tenant(), &early).await.unwrap()), ["deploy"]);
    assert!(store.journal(&"t2".into(), &all()).await.unwrap().is_empty());

    assert_eq!(store.forget(&tenant(), at(2)).await.unwrap(), 1);
    assert_eq!(store.verify().await.unwrap().damage, vec![]);
    assert_eq!(kinds(store.journal(&tenant(), &of_ada).await.unwrap()), ["login"]);
    assert_eq!(store.redact_user(&tenant(), &ada.id).await.unwrap(), 1);
    let report = store.verify().await.unwrap();
    assert_eq!((report.damage, kinds(store.journal(&tenant(), &of_ada).await.unwrap())), (vec![], vec![]));
}

async fn logins_are_found_by_user_outcome_and_time(store: TestStore) {
    let (ada, bob) = (user(&*store, "ada").await, user(&*store, "bob").await);
    for (number, (owner, outcome)) in
        [(&ada, "allow"), (&bob, "deny"), (&ada, "trap"), (&ada, "fuel_exhausted")].into_iter().enumerate()
    {
        let mut commit = refuse(&read(&*store, owner).await, &format!("login-{number}"));
        commit.entry.outcome = outcome.to_owned();
        commit.at = at(number as u64);
        done(&*store, &commit).await;
    }
    let event = some_act().event().unwrap();
    store.record(&tenant(), &Event { user: Some(ada.id.clone()), ..event }).await.unwrap();
    let found = async |query: LoginQuery| {
        let found = store.logins(&tenant(), &query).await.unwrap();
        found.into_iter().map(|login| login.login.to_string()).collect::<Vec<_>>()
    };
    let all = LoginQuery { limit: 10, ..LoginQuery::default() };
    assert_eq!(found(all.clone()).await, ["login-3", "login-2", "login-1", "login-0"], "newest first, and no events");
    assert_eq!(found(LoginQuery { limit: 2, ..all.clone() }).await, ["login-3", "login-2"]);
    assert_eq!(found(LoginQuery { before: Some(at(2)), ..all.clone() }).await, ["login-1", "login-0"]);
    let of_ada = LoginQuery { user: Some(ada.id.clone()), ..all.clone() };
    assert_eq!(found(of_ada.clone()).await, ["login-3", "login-2", "login-0"]);
    let failed = vec!["fuel_exhausted".to_owned(), "trap".to_owned()];
    assert_eq!(found(LoginQuery { outcomes: failed, ..of_ada.clone() }).await, ["login-3", "login-2"]);
    assert_eq!(found(LoginQuery { outcomes: vec!["tra".to_owned()], ..all.clone() }).await, [""; 0]);
    assert_eq!(store.logins(&"another".into(), &all).await.unwrap(), []);
    let mut twin = refuse(&read(&*store, &bob).await, "login-3-twin");
    twin.at = at(3);
    done(&*store, &twin).await;
    let page = found(LoginQuery { limit: 1, ..all.clone() }).await;
    assert_eq!(page, ["login-3", "login-3-twin"], "no page ends within a moment: the next one would miss a login");
    store.redact_user(&tenant(), &ada.id).await.unwrap();
    assert_eq!(found(all).await, ["login-3-twin", "login-1"], "what was erased is not listed");
}
