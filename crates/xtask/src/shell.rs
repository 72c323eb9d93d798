//! Runs other programs: quietly, loudly, or loudly while keeping what they say.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
};

use anyhow::{Context as _, bail};

/// The folder of this checkout.
pub(crate) fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

/// A cargo command in a folder of this checkout.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder).stdin(Stdio::null());
    cargo
}

/// Where the `vestibule` command is once it is built: beside this program, which the same profile built.
pub(crate) fn vestibule() -> anyhow::Result<PathBuf> {
    let own = env::current_exe().context("cannot find this program")?;
    Ok(own.with_file_name("vestibule"))
}

/// Runs a command in view of the person; its failure is an error.
pub(crate) fn loud(command: &mut Command) -> anyhow::Result<()> {
    let called = described(command);
    let status = command.status().with_context(|| format!("cannot start {called}"))?;
    if !status.success() {
        bail!("{called} failed ({status})");
    }
    Ok(())
}

/// Runs a command in view of the person and keeps what it says on both streams.
pub(crate) fn kept(command: &mut Command) -> anyhow::Result<(ExitStatus, String)> {
    let called = described(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {called}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (said, complained) = thread::scope(|scope| {
        let complaints = scope.spawn(|| stderr.map(|stream| echo(stream, io::stderr())));
        let said = stdout.map(|stream| echo(stream, io::stdout()));
        (said, complaints.join().ok().flatten())
    });
    let status = child.wait().with_context(|| format!("cannot wait for {called}"))?;
    Ok((status, [said, complained].into_iter().flatten().collect()))
}

/// Whether there is a program of that name on the path.
pub(crate) fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Whether this is a Debian machine on which we are root. Nothing is ever installed with `sudo`.
pub(crate) fn can_install_debian_packages() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    is_root && on_path("apt-get")
}

/// Installs Debian's packages in view of the person.
pub(crate) fn install_debian_packages(what: &str, packages: &[&str]) -> anyhow::Result<()> {
    heading(&format!("installing {what}"));
    let apt_get = |words: &[&str]| {
        let mut apt_get = Command::new("apt-get");
        // A package may start a server of its own, which nobody here wants.
        apt_get.args(["--yes", "--quiet"]).args(words).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        loud(apt_get.stdin(Stdio::null()))
    };
    apt_get(&["update"])?;
    apt_get(&[&["install", "--no-install-recommends"], packages].concat())
}

/// A heading above what the next program says.
pub(crate) fn heading(title: &str) {
    println!("\n── {title}");
}

fn echo(stream: impl Read, mut to: impl Write) -> String {
    let mut kept = String::new();
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        // A closed terminal is no reason to stop counting.
        let _ = writeln!(to, "{line}");
        kept.push_str(&line);
        kept.push('\n');
    }
    kept
}

fn described(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    format!("`{}`", words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
}
