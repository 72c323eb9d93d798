//! Compares what visitors were told with what the service knows: through its admin listener after every crash, and
//! everything once at the end.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use vestibule_server::admin::history::Explained;
use vestibule_store::{Author, EntryKind, Identifier, JournalQuery, NodeId, TenantId};
use vestibule_testkit::{guests::TALLY, stores::NOW};

use super::{
    PEOPLE,
    visitor::{Acknowledged, Visitor},
};
use crate::service::{CONNECTION, Running, Site as _, encoded};

/// The books of one database.
pub(super) struct Audit {
    token: String,
    /// All that was acknowledged: the login of each number of each person.
    known: BTreeMap<(&'static str, u64), String>,
    /// What each person's bags hold.
    durable: BTreeMap<&'static str, u64>,
}

impl Audit {
    /// Opens the books of a node at its first start.
    pub(super) fn of(running: &Running) -> Self {
        Self { token: running.node.token(), known: BTreeMap::new(), durable: BTreeMap::new() }
    }

    /// What was acknowledged since the last time is all there, and nothing is there by half.
    pub(super) async fn check(&mut self, running: &Running, visitors: &mut [Visitor<'_>]) {
        let new: Vec<_> = visitors.iter_mut().flat_map(Visitor::acknowledged).collect();
        for login in &new {
            self.is_in_the_journal(running, login).await;
        }
        for Acknowledged { person, login, number } in new {
            let other = self.known.insert((person, number), login);
            assert_eq!(other, None, "{person} got {number} twice");
        }
        for person in PEOPLE {
            let durable = self.stands(running, person).await;
            let before = self.durable.insert(person, durable).unwrap_or_default();
            assert!(durable >= before, "{person} went back from {before} to {durable}");
            let acknowledged = self.known.keys().filter(|(who, _)| *who == person).map(|(_, number)| *number).max();
            assert!(
                durable >= acknowledged.unwrap_or_default(),
                "{person}: {acknowledged:?} was acknowledged and is lost"
            );
        }
    }

    /// Closes the books, with the node killed a last time: the whole journal, read from the database. Every number of
    /// every person was given by one login, and the chain is whole.
    pub(super) async fn close(&self, running: &mut Running) {
        running.node.kill();
        let store = vestibule_store::open(&running.database(), &NodeId::new("audit"), NOW).await.unwrap();
        assert_eq!(store.damage(), None, "a crash is no damage");
        assert_eq!(store.verify().await.unwrap().damage, vec![]);
        for person in PEOPLE {
            let (tenant, email) = (TenantId::default(), Identifier::Email(person));
            let user = store.user_by_identifier(&tenant, &CONNECTION.into(), email).await.unwrap().unwrap();
            let query = JournalQuery { user: Some(user.id), limit: u32::MAX, ..JournalQuery::default() };
            let entries = store.journal(&tenant, &query).await.unwrap();
            let mut numbers: Vec<u64> = entries.into_iter().filter_map(|entry| number(entry.what)).collect();
            numbers.sort_unstable();
            let expected: Vec<u64> = (1..=self.durable[person]).collect();
            assert_eq!(numbers, expected, "{person}: the journal and the bags disagree");
        }
        store.close().await;
    }

    /// How many logins were acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        u64::try_from(self.known.len()).unwrap()
    }

    /// How many are durable.
    pub(super) fn durable(&self) -> u64 {
        self.durable.values().sum()
    }

    async fn is_in_the_journal(&self, running: &Running, login: &Acknowledged) {
        let entry = self.ask(running, "GET", &format!("/v1/logins/{}", login.login)).await;
        let said = (&entry["outcome"], &entry["summary"]["id_token"][TALLY]);
        assert_eq!(said, (&json!("allow"), &json!(login.number)), "{login:?}");
    }

    /// What both bags of somebody hold: the same number, written by the same login, whose entry says so too.
    async fn stands(&self, running: &Running, person: &'static str) -> u64 {
        let path = format!("/v1/explain?{}", encoded(&[("user", person)]));
        let keys: Vec<Explained> = serde_json::from_value(self.ask(running, "GET", &path).await).unwrap();
        let tally = |bag: &str| keys.iter().find(|key| key.key == format!("{bag}.tally"));
        let (Some(ours), Some(theirs)) = (tally("user_metadata"), tally("app_metadata")) else {
            assert!(tally("user_metadata").is_none() && tally("app_metadata").is_none(), "{person}: half a login");
            return 0;
        };
        assert_eq!(ours.value, theirs.value, "{person}: half a login");
        let (Some(Author::Rule { login, .. }), Some(Author::Rule { login: other, .. })) = (&ours.by, &theirs.by) else {
            panic!("{person}: nobody wrote it: {ours:?} {theirs:?}");
        };
        assert_eq!(login, other, "{person}: two halves");
        let number = ours.value.as_ref().and_then(Value::as_u64).unwrap();
        self.is_in_the_journal(running, &Acknowledged { person, login: login.to_string(), number }).await;
        number
    }

    async fn ask(&self, running: &Running, method: &str, path: &str) -> Value {
        let url = format!("http://{}{path}", running.node.admin);
        let request = Request::builder().method(method).uri(url);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        let answer = running.web.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer.json()
    }
}

/// The number that a login's rule gave it, if the login was allowed.
fn number(entry: EntryKind) -> Option<u64> {
    match entry {
        EntryKind::Login(record) => record.summary.get("id_token")?.get(TALLY)?.as_u64(),
        EntryKind::Event(_) => None,
        EntryKind::Redacted => panic!("redacted"),
    }
}
