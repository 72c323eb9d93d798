//! A serving node: the real `vestibule serve`, on loopback, with a data folder of its own.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long a test waits for something that has to happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How a node is started: as often as one likes, with the same data.
#[derive(Debug, Clone)]
pub struct Launch {
    program: PathBuf,
    data: PathBuf,
    options: Vec<String>,
    settings: Vec<(String, String)>,
    /// Other variables of its environment.
    variables: Vec<(String, String)>,
    /// How long a file of it may become, in bytes.
    longest_file: Option<u64>,
}

/// A node that serves; it is killed when it is dropped.
#[derive(Debug)]
pub struct Node {
    child: Child,
    launch: Launch,
    /// Where it serves browsers and clients.
    pub public: SocketAddr,
    /// Where it serves operators.
    pub admin: SocketAddr,
    /// What it said when it was ready.
    pub announced: Value,
    /// From its start to those words.
    pub ready_after: Duration,
}

/// The `vestibule` command, which is built beside the test that asks.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn vestibule() -> PathBuf {
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("vestibule");
    assert!(
        program.is_file(),
        "{} is not built: run `cargo xtask test`, or build it with the tests",
        program.display()
    );
    program
}

impl Launch {
    /// A node of this program, with this data folder, on free ports.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        let any = |listener: &str| (listener.to_owned(), "127.0.0.1:0".to_owned());
        let settings = vec![any("LISTEN__PUBLIC"), any("LISTEN__ADMIN")];
        Self {
            program: program.into(),
            data: data.into(),
            options: Vec::new(),
            settings,
            variables: Vec::new(),
            longest_file: None,
        }
    }

    /// With this option of `vestibule serve`, and its value if it has one.
    #[must_use]
    pub fn option(mut self, words: &[&str]) -> Self {
        self.options.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// With this setting, as in `LOG__LEVEL`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this variable, which is no setting of ours.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same on a disk that is full as soon as a file has so many bytes. [`Node::has_space_again`] ends it.
    #[must_use]
    pub const fn with_files_up_to(mut self, bytes: u64) -> Self {
        self.longest_file = Some(bytes);
        self
    }

    /// The same with another data folder.
    #[must_use]
    pub fn in_folder(mut self, data: impl Into<PathBuf>) -> Self {
        self.data = data.into();
        self
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Starts it, and waits until it serves.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn start(&self) -> Node {
        let begun = Instant::now();
        let mut child = self.serve().spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready_after = begun.elapsed();
        let announced: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} {}", self.log()));
        let address = |key: &str| announced[key].as_str().unwrap().parse().unwrap();
        let (public, admin) = (address("public"), address("admin"));
        Node { child, launch: self.clone(), public, admin, announced, ready_after }
    }

    /// Runs another command on the same data folder, in the folder around it.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Output {
        let mut command = without_settings(Command::new(&self.program));
        command.args(words).arg("--data").arg(&self.data).current_dir(self.around()).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// What all nodes with this data folder have logged.
    ///
    /// # Panics
    /// If there is no log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap()
    }

    fn serve(&self) -> Command {
        let log = fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = without_settings(match self.longest_file {
            None => Command::new(&self.program),
            Some(bytes) => limited(&self.program, bytes),
        });
        command.args(["--json", "serve", "--data"]).arg(&self.data).args(&self.options).current_dir(self.around());
        command.envs(self.settings.iter().map(|(name, value)| (format!("VESTIBULE_{name}"), value)));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        command
    }

    fn log_file(&self) -> PathBuf {
        self.data.with_extension("log")
    }

    fn around(&self) -> &Path {
        self.data.parent().unwrap()
    }
}

/// A command that inherits no settings: the variables of a test are for the test.
fn without_settings(mut command: Command) -> Command {
    let inherited = env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("VESTIBULE_")) {
        command.env_remove(name);
    }
    command
}

/// A program whose files stay so short. What it writes beyond that fails, without a signal.
fn limited(program: &Path, bytes: u64) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' XFSZ; exec prlimit --fsize={bytes}: -- \"$0\" \"$@\"")]).arg(program);
    command
}

impl Node {
    /// How it was started.
    #[must_use]
    pub const fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Where browsers reach it, as it says itself.
    ///
    /// # Panics
    /// If it said nothing.
    #[must_use]
    pub fn url(&self) -> &str {
        self.announced["public_url"].as_str().unwrap()
    }

    /// The token of the first administrator, which the first start shows.
    ///
    /// # Panics
    /// If this was not the first start.
    #[must_use]
    pub fn token(&self) -> String {
        self.announced["admin_token"].as_str().unwrap().to_owned()
    }

    /// Runs a command against it; what it printed, which is JSON.
    ///
    /// # Panics
    /// If the command fails.
    pub fn run(&self, words: &[&str]) -> Value {
        let output = self.launch.run(&[&["--json"], words].concat());
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", self.launch.log());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The processor time that it has used so far.
    ///
    /// # Panics
    /// If it is gone.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the name in parentheses: state, ten numbers, then what user and system took, in hundredths (proc(5)).
        let (_, numbers) = stat.rsplit_once(')').unwrap();
        let ticks = numbers.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// The disk is not full any more.
    ///
    /// # Panics
    /// If it is gone.
    pub fn has_space_again(&self) {
        let pid = self.child.id().to_string();
        let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status().unwrap();
        assert!(raised.success(), "the limit stays");
    }

    /// Asks it to stop.
    ///
    /// # Panics
    /// If it is gone.
    pub fn terminate(&self) {
        self.send("-TERM");
    }

    /// Stops it where it stands, as a machine that hangs would.
    ///
    /// # Panics
    /// If it is gone.
    pub fn freeze(&self) {
        self.send("-STOP");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// If it is gone.
    pub fn thaw(&self) {
        self.send("-CONT");
    }

    fn send(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success(), "it is gone");
    }

    /// Waits until it has stopped.
    ///
    /// # Panics
    /// If it does not stop.
    #[must_use]
    pub fn stopped(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not stop: {}", self.launch.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, and waits until it is gone.
    ///
    /// # Panics
    /// If it is gone already.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_gone = self.child.wait();
    }
}
