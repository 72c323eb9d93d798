//! A private PostgreSQL, from the server programs of this machine: no service, no password, no port.
//!
//! Test binaries run one process a test, so the cluster is shared by a whole *run*: whoever comes first makes it, in a
//! temporary folder, and a small shell watches the runner and removes it afterwards, even if tests were killed. It
//! listens on a socket in that folder only. `fsync` is off: what tests of durability need is a cluster of their own
//! ([`Cluster::start`]).

use std::{
    env, fs,
    fs::File,
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::parent_id},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;

/// What to do where there is none.
const MISSING: &str = "PostgreSQL's server programs (initdb, pg_ctl) were not found. \
                       On Debian or Ubuntu: apt-get install postgresql. Elsewhere: put them on the PATH.";

/// Whether a commit reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It does: for tests that kill the server.
    Real,
    /// It does not: for all others.
    Pretended,
}

/// A database server of one's own.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    /// Removed at the end, by whoever started it alone.
    own: Option<TempDir>,
}

impl Cluster {
    /// The cluster of this test run; started by whoever needs it first.
    ///
    /// # Panics
    ///
    /// If PostgreSQL is not installed, or does not start.
    #[must_use]
    pub fn shared() -> Self {
        let (run, owner) = match env::var("NEXTEST_RUN_ID") {
            Ok(run) => (run, parent_id()),
            Err(_) => (std::process::id().to_string(), std::process::id()),
        };
        let folder = env::temp_dir().join(format!("vestibule-pg-{run}"));
        let lock = File::create(env::temp_dir().join(format!("vestibule-pg-{run}.lock"))).unwrap();
        lock.lock().unwrap();
        let cluster = Self { folder, own: None };
        if !cluster.folder.join("ready").exists() {
            fs::create_dir_all(&cluster.folder).unwrap();
            cluster.make();
            cluster.boot(Durability::Pretended);
            cluster.watch(owner);
            fs::write(cluster.folder.join("ready"), "").unwrap();
        }
        cluster
    }

    /// A cluster for this test alone; it ends with this value.
    ///
    /// # Panics
    ///
    /// As [`Cluster::shared`].
    #[must_use]
    pub fn start(durability: Durability) -> Self {
        let own = tempfile::Builder::new().prefix("vestibule-pg-").tempdir().unwrap();
        let cluster = Self { folder: own.path().to_owned(), own: Some(own) };
        cluster.make();
        cluster.boot(durability);
        cluster
    }

    /// Makes an empty database; its address.
    ///
    /// # Panics
    ///
    /// If the server refuses.
    #[must_use]
    pub fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let socket = self.folder.to_str().unwrap();
        let mut create = program("createdb");
        succeed(create.args(["--host", socket, "--username", "postgres", "--template", "template0", &name]));
        format!("postgres://postgres@localhost/{name}?host={socket}")
    }

    /// Kills the server and all its processes at once, as a crash does.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn kill(&self) {
        self.control(&["stop", "--mode", "immediate"]);
    }

    /// Starts it again.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&self, durability: Durability) {
        self.boot(durability);
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn make(&self) {
        hand_over(&self.folder);
        let mut initdb = program("initdb");
        initdb.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"]);
        succeed(initdb.arg("--data-checksums").arg("--pgdata").arg(self.data()));
    }

    fn boot(&self, durability: Durability) {
        let settings = [
            "listen_addresses=",
            &format!("unix_socket_directories={}", self.folder.display()),
            match durability {
                Durability::Real => "fsync=on",
                Durability::Pretended => "fsync=off",
            },
            "max_connections=300",
            "shared_buffers=64MB",
            "logging_collector=off",
        ];
        let options = settings.map(|setting| format!("-c {setting}")).join(" ");
        let log = self.folder.join("log");
        self.control(&["start", "--log", log.to_str().unwrap(), "--options", &options]);
    }

    fn control(&self, what: &[&str]) {
        succeed(program("pg_ctl").arg("--silent").arg("--wait").arg("--pgdata").arg(self.data()).args(what));
    }

    /// Leaves a shell behind that ends the cluster with its owner.
    fn watch(&self, owner: u32) {
        let stop = program("pg_ctl");
        let stop: Vec<_> = std::iter::once(stop.get_program()).chain(stop.get_args()).collect();
        let stop = stop.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
        let (folder, data) = (self.folder.display(), self.data());
        let script = format!(
            "while kill -0 {owner} 2>/dev/null; do sleep 1; done; \
             {stop} --silent --mode immediate --pgdata '{}' stop; rm -rf '{folder}' '{folder}.lock'",
            data.display()
        );
        let mut shell = Command::new("setsid");
        shell.args(["--fork", "sh", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(shell.status().unwrap().success());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.own.is_some() {
            let mut stop = program("pg_ctl");
            stop.arg("--silent").arg("--pgdata").arg(self.data()).args(["stop", "--mode", "immediate"]);
            let _ = stop.stderr(Stdio::null()).status(); // It may have been killed already.
        }
    }
}

/// A program of PostgreSQL's, run as a user that may run it: it refuses root.
fn program(name: &str) -> Command {
    let path = find(name).unwrap_or_else(|| panic!("{MISSING}"));
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(path);
    command.current_dir("/");
    command
}

/// On the `PATH`, or where Debian keeps each version, the newest first.
fn find(name: &str) -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|folders| folders.flatten().map(|folder| folder.path().join("bin")).collect())
        .unwrap_or_default();
    versions
        .sort_by_key(|folder| folder.parent().and_then(|version| version.file_name()?.to_str()?.parse::<u32>().ok()));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).collect::<Vec<_>>();
    folders.extend(versions.into_iter().rev());
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file() && !is_wrapper(file))
}

/// Debian's wrappers choose a cluster of the system's.
fn is_wrapper(file: &Path) -> bool {
    fs::canonicalize(file).is_ok_and(|file| file.ends_with("pg_wrapper"))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|this| std::os::unix::fs::MetadataExt::uid(&this) == 0)
}

/// Gives the folder to the user that the server runs as.
fn hand_over(folder: &Path) {
    if is_root() {
        succeed(Command::new("chown").arg("postgres:postgres").arg(folder));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs it to its end; what it said is told if it failed.
fn succeed(command: &mut Command) {
    let log = tempfile::tempfile().unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
    let status = command.status().unwrap();
    if !status.success() {
        use std::io::{Read as _, Seek as _};
        let (mut log, mut said) = (log, String::new());
        log.flush().unwrap();
        log.rewind().unwrap();
        log.read_to_string(&mut said).unwrap();
        panic!("{command:?}: {status}\n{said}");
    }
}
