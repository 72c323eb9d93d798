//! A peer in a process of its own, which has its turns as everything that is measured: asked for so many runs, it
//! answers with what each took.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;

use crate::rounds::Samples;

/// The folder with the peers' programs.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/javascript");

/// A running peer.
pub struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// The arms it has.
    pub arms: Vec<String>,
}

impl Peer {
    /// Node with its own contexts and, where the package is there, `isolated-vm`.
    ///
    /// # Errors
    /// When there is no Node, or the rule does not do in it what it does here.
    pub fn node(event: &Path) -> anyhow::Result<Self> {
        Self::start(Command::new("node").arg(Path::new(FOLDER).join("peers.mjs")).arg(event))
    }

    /// QuickJS-NG as native code, from the sources the interpreter is built of.
    ///
    /// # Errors
    /// When there is no C compiler, or the rule does not do in it what it does here.
    pub fn quickjs(event: &Path, scratch: &Path) -> anyhow::Result<Self> {
        let sources = vestibule_javascript::quickjs_sources(scratch)?;
        let program = scratch.join("native-quickjs");
        let mut compile = Command::new("cc");
        compile.args(["-O2", "-D_GNU_SOURCE", "-w", "-I"]).arg(&sources).arg(Path::new(FOLDER).join("native.c"));
        for file in ["quickjs.c", "libregexp.c", "libunicode.c", "dtoa.c"] {
            compile.arg(sources.join(file));
        }
        let output = compile.args(["-lm", "-lpthread", "-o"]).arg(&program).output().context("no `cc`")?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let scripts = ["globals.js", "rule.js", "drive.js"].map(|name| Path::new(FOLDER).join(name));
        Self::start(Command::new(program).args(scripts).arg(event))
    }

    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let what = command.get_program().display().to_string();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {what}"))?;
        let stdin = child.stdin.take().context("no pipe")?;
        let stdout = BufReader::new(child.stdout.take().context("no pipe")?);
        let mut peer = Self { child, stdin, stdout, arms: Vec::new() };
        peer.arms =
            peer.line().with_context(|| format!("{what} does not start"))?.split(' ').map(str::to_owned).collect();
        Ok(peer)
    }

    /// Has it make so many runs, and adds what each took.
    ///
    /// # Errors
    /// When it is gone.
    pub fn sample(&mut self, arm: &str, runs: usize, samples: &mut Samples) -> anyhow::Result<()> {
        writeln!(self.stdin, "{arm} {runs}")?;
        for nanoseconds in self.line()?.split(' ') {
            samples.push(Duration::from_nanos(nanoseconds.parse()?));
        }
        Ok(())
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        anyhow::ensure!(self.stdout.read_line(&mut line)? > 0, "the peer has ended");
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _gone_already = self.child.wait();
    }
}

/// A file with the event, for peers to read.
///
/// # Errors
/// When it cannot be written.
pub fn event_file(scratch: &Path, json: &[u8]) -> anyhow::Result<PathBuf> {
    let path = scratch.join("event.json");
    std::fs::write(&path, json)?;
    Ok(path)
}
