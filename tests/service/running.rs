//! A real `vestibule serve` in a test: its folder, and the commands and requests that furnish it.

use std::{fs, path::Path, sync::Arc};

use serde_json::json;
use tempfile::TempDir;
use vestibule_testkit::node::{self, Launch, Node};

use super::{CONNECTION, Web};

/// The password of everybody who signed up: one that the service takes.
pub(crate) const STRONG: &str = "correct-Horse-battery-9";

/// A serving node, and the way to it.
pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) web: Arc<Web>,
    again: Launch,
    database: Option<String>,
    folder: TempDir,
}

impl Running {
    /// Starts a node on SQLite, or on the database at this address, with these settings.
    pub(crate) fn start(database: Option<&str>, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch::new(node::vestibule(), folder.path().join("data"));
        let launch = database.iter().fold(launch, |launch, database| launch.option(&["--database", database]));
        let launch = settings.iter().fold(launch, |launch, (name, value)| launch.setting(name, value));
        Self::launched(launch, database.map(str::to_owned), folder)
    }

    fn launched(launch: Launch, database: Option<String>, folder: TempDir) -> Self {
        let node = launch.start();
        let web = Arc::new(Web::new(node.url(), node.public));
        // Wherever it listens when it is started again, this is where browsers find it.
        let again = launch.setting("PUBLIC_URL", node.url());
        Self { node, web, again, database, folder }
    }

    /// Another node of the same service, on the same PostgreSQL.
    pub(crate) fn another(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::copy(self.data().join("installation.key"), data.join("installation.key")).unwrap();
        Self::launched(self.again.clone().in_folder(data), self.database.clone(), folder)
    }

    /// The address of its database.
    pub(crate) fn database(&self) -> String {
        self.database.clone().unwrap_or_else(|| self.data().join("vestibule.db").to_str().unwrap().to_owned())
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> &Path {
        self.again.data()
    }

    /// The folder for what it is given.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it again, with the same data, under the same URL.
    pub(crate) fn restart(&mut self) {
        self.start_again(&self.again.clone());
    }

    /// The same, on a disk that is nearly full.
    pub(crate) fn restart_on_a_full_disk(&mut self) {
        let files = fs::read_dir(self.data()).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
        let longest = files.max().unwrap();
        self.start_again(&self.again.clone().with_files_up_to(longest + 300_000));
    }

    fn start_again(&mut self, launch: &Launch) {
        self.node = launch.start();
        self.web.moves_to(self.node.public);
    }

    /// Deploys a pipeline of one rule, with these lines in its manifest.
    pub(crate) fn deploy(&self, name: &str, lines: &str, module: &[u8]) {
        let rule = self.folder.path().join(name);
        let manifest = format!("name = \"{name}\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\norder = 10\n{lines}\n");
        fs::create_dir(&rule).unwrap();
        fs::write(rule.join("rule.toml"), manifest).unwrap();
        fs::write(rule.join("rule.wasm"), module).unwrap();
        self.node.run(&["deploy", name, "--yes"]);
    }

    /// Registers a client with these options of `vestibule client set`; its secret, if one was made now.
    pub(crate) fn register(&self, id: &str, options: &[&str]) -> Option<String> {
        let registered = self.node.run(&[&["client", "set", id], options].concat());
        registered["client_secret"].as_str().map(str::to_owned)
    }

    /// Signs somebody up, with the password of everybody here.
    pub(crate) async fn sign_up(&self, client: &str, email: &str) {
        let account = json!({"client_id": client, "connection": CONNECTION, "email": email, "password": STRONG});
        let answer = self.web.post_json("/dbconnections/signup", &account).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
}
