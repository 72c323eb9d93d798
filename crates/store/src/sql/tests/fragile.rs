//! A store whose database can be told to fail, and what is in it.

use std::collections::BTreeSet;

use serde_json::Map;
use tempfile::TempDir;
use vestibule_testkit::postgres::Cluster;

use super::{NOW, failing::Failing, tenant};
use crate::{sql::Sql, *};

/// What the verbs below write to, and what an act must not.
const TABLES: [(&str, &str); 19] = [
    ("activations", "SELECT * FROM activations"),
    ("active_generations", "SELECT * FROM active_generations"),
    ("chains", "SELECT * FROM chains"),
    ("clients", "SELECT * FROM clients"),
    ("codes", "SELECT * FROM codes"),
    ("connections", "SELECT * FROM connections"),
    ("factors", "SELECT * FROM factors"),
    ("families", "SELECT * FROM families"),
    ("generations", "SELECT * FROM generations"),
    ("installation", "SELECT * FROM installation"),
    ("journal", "SELECT * FROM journal"),
    ("letters", "SELECT * FROM letters"),
    ("one_time_tokens", "SELECT * FROM one_time_tokens"),
    ("passwords", "SELECT * FROM passwords"),
    ("recovery_codes", "SELECT * FROM recovery_codes"),
    ("sealed_values", "SELECT * FROM sealed_values"),
    ("sessions", "SELECT * FROM sessions"),
    ("tenants", "SELECT * FROM tenants"),
    ("users", "SELECT * FROM users"),
];

/// A store whose database can be told to fail.
pub(super) struct Fragile {
    pub(super) store: Sql,
    failing: Failing,
    _folder: TempDir,
}

impl Fragile {
    pub(super) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("vestibule.db").to_str().unwrap().to_owned();
        Self::on(&address, folder).await
    }

    pub(super) async fn postgres() -> Self {
        Self::on(&Cluster::shared().database(), tempfile::tempdir().unwrap()).await
    }

    pub(super) async fn on(address: &str, folder: TempDir) -> Self {
        let Sql { backend, lanes, next_lane } = Sql::open(address, &NodeId::new("node"), NOW).await.unwrap();
        let failing = Failing::new(backend);
        let store = Sql { backend: Box::new(failing.clone()), lanes, next_lane };
        Self { store, failing, _folder: folder }
    }

    /// Runs an act until it gets through; the tables that it changed.
    pub(super) async fn changed_by<T>(&self, act: impl AsyncFn(&Sql) -> Result<T>) -> BTreeSet<&'static str> {
        let before = self.tables().await;
        for refused in 0.. {
            self.failing.refuse(refused);
            let done = act(&self.store).await;
            let was_refused = self.failing.stop_refusing();
            let after = self.tables().await;
            if !was_refused {
                assert!(done.is_ok(), "it fails by itself: {:?}", done.err());
                assert!(refused > 1, "one statement needs no proof");
                let changed = before.iter().zip(&after).filter(|(before, after)| before != after);
                return changed.map(|(before, _)| before.0).collect();
            }
            assert!(done.is_err(), "write {refused} failed, and nobody was told");
            assert_eq!(after, before, "something was left behind when write {refused} failed");
        }
        unreachable!("an act has an end")
    }

    pub(super) async fn tables(&self) -> Vec<(&'static str, Vec<String>)> {
        let mut tables = Vec::new();
        for (name, select) in TABLES {
            let rows = self.store.backend.read(select, Vec::new()).await.unwrap();
            let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
            rows.sort();
            tables.push((name, rows));
        }
        tables
    }

    /// What the journal tells last.
    pub(super) async fn last_event(&self) -> Event {
        let query = JournalQuery { limit: 100, ..JournalQuery::default() };
        let entries = self.store.journal(&tenant(), &query).await.unwrap();
        let newest = entries.into_iter().filter_map(|entry| match entry.what {
            EntryKind::Event(event) => Some(event),
            EntryKind::Login(_) | EntryKind::Redacted => None,
        });
        newest.max_by_key(|event| event.at).unwrap()
    }

    pub(super) async fn user(&self) -> User {
        let new = NewUser {
            id: "ada".into(),
            connection: "db".into(),
            email: None,
            email_verified: false,
            username: None,
            profile: Map::new(),
            user_metadata: None,
            app_metadata: None,
            identities: Vec::new(),
            password: Some("old".to_owned()),
            by: Author::User,
            at: NOW,
        };
        match self.store.create_user(&tenant(), &new).await.unwrap() {
            Created::User(user) => user,
            Created::Taken(_) => panic!("there is nobody yet"),
        }
    }
}
