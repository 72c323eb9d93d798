//! A `vestibule serve` process on SQLite: the real program, with people and rules in it, as an operator would start it.

use std::{
    fs::{self, DirBuilder},
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::{Context as _, bail, ensure};
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use vestibule_server::{
    clock::{Clock as _, SystemClock, SystemEntropy},
    first_start::CONNECTION,
    password::{Cost, Hasher, Password},
};
use vestibule_store::{
    Act, Author, Client, ClientSettings, Connection, Created, NewUser, NodeId, OperatorAct, Store, TenantId, Timestamp,
    TokenDigest, UserId,
};

use crate::guests;

/// The client of all logins.
pub const CLIENT: &str = "bench";
/// Its secret.
pub const SECRET: &str = "secret-of-the-benchmarks";
/// Where its codes go; nobody follows it.
pub const CALLBACK: &str = "https://bench.example.com/callback";
/// The password of everybody.
pub const PASSWORD: &str = "correct horse battery staple";

/// All load comes from one address, on few accounts: rates that are right for people would stop it.
const SETTINGS: &str = "[log]\nlevel = 'warn'\n\
    [rates.login]\naccount = { burst = 1_000_000, per_hour = 1_000_000_000 }\n\
    prefix = { burst = 1_000_000, per_hour = 1_000_000_000 }\nall = { burst = 1_000_000, per_hour = 1_000_000_000 }\n\
    [rates.start]\n\
    prefix = { burst = 1_000_000, per_hour = 1_000_000_000 }\nall = { burst = 1_000_000, per_hour = 1_000_000_000 }\n";

/// A rule to be deployed, as many times as wanted.
#[derive(Debug, Clone, Copy)]
pub enum Guest {
    /// Reads three fields, sets a claim and a key of the metadata.
    Metadata,
    /// Reads two fields, sets two claims.
    Claims,
}

/// What stands in a node before it serves.
#[derive(Debug, Clone, Copy)]
pub struct Furnishing {
    /// People who have signed up.
    pub users: usize,
    /// The rule, in copies that are rules of their own.
    pub rules: (Guest, usize),
}

/// A node that serves. It is killed when it is dropped.
pub struct Node {
    child: Child,
    folder: TempDir,
    /// Where browsers and clients reach it.
    pub public: SocketAddr,
    /// Where operators do.
    pub admin: SocketAddr,
}

impl Node {
    /// Makes a database with people in it, starts a server on it, and deploys its rules.
    ///
    /// # Errors
    /// When the program is not built, or does not start.
    pub async fn start(furnishing: Furnishing) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("vestibule.toml"), SETTINGS)?;
        DirBuilder::new().mode(0o700).create(folder.path().join("data"))?; // A server refuses one that others can read.
        furnish(&folder.path().join("data/vestibule.db"), furnishing.users).await?;
        let node = Self::serve(folder)?;
        if furnishing.rules.1 > 0 {
            node.deploy(furnishing.rules)?;
        }
        Ok(node)
    }

    /// Stops it and starts it again on the same database.
    ///
    /// # Errors
    /// When it does not stop, or does not start.
    pub fn restart(mut self) -> anyhow::Result<Self> {
        self.child.kill()?;
        self.child.wait()?;
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir()?);
        Self::serve(folder)
    }

    fn serve(folder: TempDir) -> anyhow::Result<Self> {
        let mut child = Command::new(program()?)
            .args(["--json", "serve", "--config", "vestibule.toml", "--data", "data"])
            .envs([("VESTIBULE_LISTEN__PUBLIC", "127.0.0.1:0"), ("VESTIBULE_LISTEN__ADMIN", "127.0.0.1:0")])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the server has no output")?).read_line(&mut line)?;
        let announced: Value = serde_json::from_str(&line).context("the server did not start")?;
        let address = |key: &str| -> anyhow::Result<SocketAddr> {
            let address = announced.get(key).and_then(Value::as_str);
            Ok(address.with_context(|| format!("the server named no address, but said {line}"))?.parse()?)
        };
        Ok(Self { public: address("public")?, admin: address("admin")?, child, folder })
    }

    fn deploy(&self, (guest, copies): (Guest, usize)) -> anyhow::Result<()> {
        let pipeline = self.folder.path().join("pipeline");
        let (built, writes) = match guest {
            Guest::Metadata => ("rust", r#"["id_token.https://example.com/plan", "app_metadata.last_client", "deny"]"#),
            Guest::Claims => {
                ("claims", r#"["id_token.https://example.com/plan", "access_token.https://example.com/client"]"#)
            }
        };
        let wasm = guests::built(built)?;
        for number in 0..copies {
            let rule = pipeline.join(format!("rule-{number}"));
            fs::create_dir_all(&rule)?;
            fs::write(rule.join("rule.wasm"), guests::distinct(&wasm, number))?;
            let manifest = format!(
                "name = \"rule-{number}\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\norder = {number}\nwrites = {writes}\n"
            );
            fs::write(rule.join("rule.toml"), manifest)?;
        }
        let names: Vec<String> = (0..copies).map(|number| format!("rule-{number}")).collect();
        fs::write(pipeline.join("pipeline.toml"), format!("rules = {}\n", json!(names)))?;
        let mut deploy = Command::new(program()?);
        deploy.args(["deploy", "pipeline", "--yes", "--data", "data"]).current_dir(self.folder.path());
        let told = deploy.stdin(Stdio::null()).output()?;
        ensure!(told.status.success(), "the rules were not deployed: {}", String::from_utf8_lossy(&told.stderr));
        Ok(())
    }

    /// What the process keeps in memory, in MB.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn memory(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1_024.0 / 1e6)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_gone = self.child.wait();
    }
}

/// The address that a user of a number logs in with.
#[must_use]
pub fn email(number: usize) -> String {
    format!("user-{number}@example.com")
}

/// The `vestibule` command: the one that was named, or that of the same build.
fn program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let beside = own.ancestors().nth(2).map(|profile| profile.join("vestibule")).filter(|path| path.is_file());
    let named = std::env::var_os("VESTIBULE").map(PathBuf::from);
    named.or(beside).context("there is no `vestibule` command beside the benchmarks: use `cargo xtask bench`")
}

async fn furnish(database: &Path, users: usize) -> anyhow::Result<()> {
    let (tenant, now) = (TenantId::default(), SystemClock.now());
    let address = database.to_str().context("the folder has an odd name")?;
    let store = vestibule_store::open(address, &NodeId::new("bench"), now).await?;
    let connection = Connection {
        name: CONNECTION.into(),
        strategy: "auth0".to_owned(),
        settings: Map::new(),
        metadata: Map::new(),
    };
    let act = Act { what: OperatorAct::InstallationBegun, by: "bench".to_owned(), at: now };
    store.put_connection(&tenant, &connection, &act).await?;
    store.put_client(&tenant, &client(now), &act).await?;
    let hasher =
        Hasher::with_workers(Cost::RECOMMENDED, 1, &SystemEntropy).map_err(|_| anyhow::anyhow!("no hasher"))?;
    let password = Password::parse(PASSWORD.to_owned()).map_err(|_| anyhow::anyhow!("no password"))?;
    let phc = hasher.hash(&password, &SystemEntropy).await.map_err(|_| anyhow::anyhow!("not hashed"))?;
    let mut made = stream::iter(0..users)
        .map(|number| {
            let (store, tenant, user) = (Arc::<dyn Store>::clone(&store), tenant.clone(), user(number, &phc, now));
            async move { store.create_user(&tenant, &user).await }
        })
        .buffer_unordered(64);
    while let Some(created) = made.next().await {
        if let Created::Taken(field) = created? {
            bail!("a user could not be made: {field:?}");
        }
    }
    drop(made);
    store.close().await;
    Ok(())
}

fn client(now: Timestamp) -> Client {
    let settings = ClientSettings {
        redirect_uris: vec![CALLBACK.to_owned()],
        grant_types: ["authorization_code", "refresh_token", "password"].map(str::to_owned).into(),
        first_party: true,
        ..ClientSettings::default()
    };
    let secret = Some(TokenDigest::of(SECRET));
    Client { id: CLIENT.into(), name: "The benchmarks".to_owned(), secret, settings, created_at: now }
}

fn user(number: usize, phc: &str, now: Timestamp) -> NewUser {
    let own_id = format!("{number:024x}");
    let identity = json!({"connection": CONNECTION, "provider": "auth0", "user_id": own_id, "isSocial": false});
    let map = |value: Value| value.as_object().cloned().unwrap_or_default();
    NewUser {
        id: UserId::new(format!("auth0|{own_id}")),
        connection: CONNECTION.into(),
        email: Some(email(number)),
        email_verified: true,
        username: None,
        profile: map(json!({
            "name": "Ada Lovelace", "nickname": "ada", "given_name": "Ada", "family_name": "Lovelace",
            "picture": "https://cdn.example.com/ada.png",
        })),
        user_metadata: Some(map(json!({"language": "en", "newsletter": true}))),
        app_metadata: Some(map(json!({"plan": "gold", "roles": ["editor", "reviewer"]}))),
        identities: vec![identity],
        password: Some(phc.to_owned()),
        by: Author::User,
        at: now,
    }
}
