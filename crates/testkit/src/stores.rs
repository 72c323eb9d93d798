//! Stores on real databases: a file, or a database of the run's private PostgreSQL.

use std::{env, ops::Deref, path::PathBuf, sync::Arc, time::Duration};

use tempfile::TempDir;
use vestibule_store::{Act, NodeId, OpenError, OperatorAct, Store, Timestamp};

use crate::postgres::Cluster;

/// The variable that says which database [`TestStore::usual`] is on.
pub const DATABASE: &str = "VESTIBULE_TEST_DATABASE";
/// When tests begin.
pub const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// A store, with the place where its database is.
#[derive(Debug)]
pub struct TestStore {
    store: Arc<dyn Store>,
    address: String,
    folder: Arc<TempDir>,
}

impl TestStore {
    /// On the database that this run is about: SQLite, unless [`DATABASE`] says `postgresql`. Tests of what the database
    /// must not make a difference to begin here, and are run on both.
    ///
    /// # Panics
    ///
    /// If it cannot be opened, or the variable says something else.
    pub async fn usual() -> Self {
        match env::var(DATABASE).as_deref() {
            Err(_) | Ok("sqlite") => Self::sqlite().await,
            Ok("postgresql") => Self::postgres().await,
            Ok(other) => panic!("{DATABASE} is `{other}`: write `sqlite` or `postgresql`"),
        }
    }

    /// On SQLite, in a temporary folder.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub async fn sqlite() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let address = folder.path().join("vestibule.db").to_str().unwrap().to_owned();
        Self::on(address, folder).await
    }

    /// On PostgreSQL, in a database of its own.
    ///
    /// # Panics
    ///
    /// If there is no PostgreSQL.
    pub async fn postgres() -> Self {
        let address = Cluster::shared().database();
        Self::on(address, Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// On a database that is there.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub async fn on(address: String, folder: Arc<TempDir>) -> Self {
        let store = open(&address).await.unwrap();
        Self { store, address, folder }
    }

    /// The store, to be shared.
    #[must_use]
    pub fn share(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Where the database is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A place for files of the test's own.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An empty database of the same kind; its address.
    #[must_use]
    pub fn another(&self) -> String {
        if self.address.starts_with("postgres:") {
            Cluster::shared().database()
        } else {
            self.file("another.db").to_str().unwrap().to_owned()
        }
    }

    /// Closes it and opens it again.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub async fn reopen(self) -> Self {
        self.store.close().await;
        let Self { store, address, folder } = self;
        drop(store);
        Self::on(address, folder).await
    }
}

/// An act of the operator of tests, a second before they begin.
#[must_use]
pub fn act(what: OperatorAct) -> Act {
    Act { what, by: "root".to_owned(), at: NOW.minus(Duration::from_secs(1)) }
}

/// Opens a database as a node of tests.
///
/// # Errors
///
/// As [`vestibule_store::open`].
pub async fn open(address: &str) -> Result<Arc<dyn Store>, OpenError> {
    vestibule_store::open(address, &NodeId::new("node-1"), NOW).await
}

impl Deref for TestStore {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        self.store.as_ref()
    }
}
