//! One contestant's process: started, spoken to, ended.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::Value;
use vestibule_contest::{
    host::Outcome,
    protocol::{Ask, Hello, Reply, Task},
};

use super::rows::{Row, Start, workspace};

/// A process that is measured. It ends when this is dropped.
pub struct Process {
    child: Child,
    /// `None` once it was told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What it says it is.
    pub described: String,
}

impl Process {
    /// Starts the process of a row.
    ///
    /// # Errors
    /// When it is not there, or does not say what it is.
    pub fn start(row: &Row) -> anyhow::Result<Self> {
        let mut child = command(row)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("its process cannot be started")?;
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().context("no output")?);
        let hello: Hello = read(&mut output).context("its process ended before it said what it is")?;
        Ok(Self { child, input, output, described: hello.hello })
    }

    /// How long it takes from starting the process to the end of its first login.
    ///
    /// # Errors
    /// When it fails.
    pub fn cold_start(row: &Row, task: Task, event: &Value) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let mut process = Self::start(row)?;
        process.open(task)?;
        process.event(event)?;
        Ok(began.elapsed())
    }

    /// Deploys.
    ///
    /// # Errors
    /// When it cannot.
    pub fn open(&mut self, task: Task) -> anyhow::Result<()> {
        match self.ask(&Ask::Open(task))? {
            Reply::Opened => Ok(()),
            other => bail!("it answered {other:?}"),
        }
    }

    /// Hands it the event, and returns what a login with it comes to.
    ///
    /// # Errors
    /// When it fails.
    pub fn event(&mut self, event: &Value) -> anyhow::Result<Outcome> {
        match self.ask(&Ask::Event { event: event.clone() })? {
            Reply::Outcome(outcome) => Ok(outcome),
            other => bail!("it answered {other:?}"),
        }
    }

    /// Runs logins, and returns the nanoseconds of each and the page faults of one.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&mut self, logins: usize) -> anyhow::Result<(Vec<u64>, u64)> {
        match self.ask(&Ask::Run { logins })? {
            Reply::Ran { nanoseconds, faults } => Ok((nanoseconds, faults)),
            other => bail!("it answered {other:?}"),
        }
    }

    /// Logins a second.
    ///
    /// # Errors
    /// When it fails.
    pub fn throughput(&mut self, threads: usize, milliseconds: u64) -> anyhow::Result<f64> {
        match self.ask(&Ask::Throughput { threads, milliseconds })? {
            Reply::Throughput(logins) => Ok(logins),
            other => bail!("it answered {other:?}"),
        }
    }

    /// Resident memory in MiB.
    ///
    /// # Errors
    /// When it fails.
    pub fn memory_mib(&mut self) -> anyhow::Result<f64> {
        match self.ask(&Ask::Memory)? {
            Reply::Memory { kib } => Ok(kib as f64 / 1024.0),
            other => bail!("it answered {other:?}"),
        }
    }

    fn ask(&mut self, ask: &Ask) -> anyhow::Result<Reply> {
        let input = self.input.as_mut().context("its process was told to end")?;
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        input.write_all(&line).and_then(|()| input.flush()).context("its process ended")?;
        match read(&mut self.output).context("its process ended")? {
            Reply::Error(message) => bail!("{message}"),
            reply => Ok(reply),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take()); // The end of its input is the end of it.
        let _ = self.child.wait();
    }
}

fn read<T: serde::de::DeserializeOwned>(output: &mut BufReader<ChildStdout>) -> anyhow::Result<T> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

fn command(row: &Row) -> anyhow::Result<Command> {
    Ok(match row.start {
        Start::Ours => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["--serve", row.id]);
            command
        }
        Start::Program(package, word) => {
            let program = workspace().join("target/release").join(package);
            built(&program)?;
            let mut command = Command::new(program);
            command.args(Some(word).filter(|word| !word.is_empty()));
            command
        }
        Start::Node(mode) => {
            let script = workspace().join("node/peer.mjs");
            let mut command = Command::new("node");
            if mode.starts_with("ivm") {
                built(&workspace().join("node/node_modules/isolated-vm/out/isolated_vm.node"))?;
                command.arg("--no-node-snapshot"); // isolated-vm asks for it.
            }
            command.arg(script).arg(mode);
            command
        }
    })
}

fn built(file: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(file.is_file(), "it is not built: there is no {}", file.file_name().unwrap_or_default().display());
    Ok(())
}
