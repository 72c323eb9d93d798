//! Test262, the conformance tests of the language: from Debian's source package of an engine that ships them, pinned.
//!
//! No package registry has them by themselves. This package is of 2020, so its tests are those of ES2018 and of what was
//! agreed on until then; it stays as it is, because its Debian release does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use crate::shell::{self, cargo, heading, root};

const PACKAGE: &str = "mozjs78=78.15.0-7";
const ARCHIVE: &str = "mozjs78_78.15.0.orig.tar.xz";
const SHA256: &str = "2f33dcb6130b08adca5d81fee9dbfcb5e87c51a4a969f46b46df61170298b4ca";
const TESTS: &str = "firefox-78.15.0/js/src/tests/test262";
const CHAPTERS: [&str; 5] = ["annexB", "built-ins", "language", "shell.js", "LICENSE"];

/// Which of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A part of their paths, such as `built-ins/RegExp`
    part: Option<String>,
}

/// Runs them.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = fetched()?;
    shell::loud(cargo(root()).args(["build", "--quiet", "--profile", "ci", "--workspace", "--bin", "test262"]))?;
    let mut runner = runner(&folder)?;
    Ok(if runner.args(&args.part).status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The program that runs them, once it is built.
pub(crate) fn runner(folder: &Path) -> anyhow::Result<Command> {
    let mut runner = Command::new(shell::vestibule()?.with_file_name("test262"));
    runner.arg(folder).stdin(Stdio::null());
    Ok(runner)
}

/// The folder with the tests; fetches them when they are not there.
///
/// # Errors
/// Why they are not to be had here.
pub(crate) fn fetched() -> anyhow::Result<PathBuf> {
    let folder = root().join("target/test262");
    if folder.join("LICENSE").is_file() {
        return Ok(folder);
    }
    heading("fetching Test262 (60 MB, once)");
    let scratch = tempfile::tempdir().context("cannot create a folder for the archive")?;
    let archive = download(scratch.path())?;
    let digest: String = Sha256::digest(fs::read(&archive)?).iter().map(|byte| format!("{byte:02x}")).collect();
    if digest != SHA256 {
        bail!("`{ARCHIVE}` is not the archive that is pinned: its SHA-256 is {digest}");
    }
    fs::create_dir_all(&folder)?;
    let mut tar = Command::new("tar");
    tar.arg("xJf").arg(&archive).arg("-C").arg(&folder).arg("--strip-components=5");
    // The licence comes last: a folder that has it is whole.
    shell::loud(tar.args(CHAPTERS.map(|chapter| format!("{TESTS}/{chapter}"))).stdin(Stdio::null()))?;
    Ok(folder)
}

/// Has apt fetch the source package. The machine's own lists stay as they are: source packages have lists of their own.
fn download(scratch: &Path) -> anyhow::Result<PathBuf> {
    let sources = scratch.join("sources.list.d");
    let lists = scratch.join("lists");
    fs::create_dir_all(&sources)?;
    fs::create_dir_all(lists.join("partial"))?;
    let debian =
        fs::read_to_string("/etc/apt/sources.list.d/debian.sources").context("this is no Debian of 12 or later")?;
    fs::write(sources.join("source.sources"), debian.replace("Types: deb\n", "Types: deb-src\n"))?;
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.current_dir(scratch).stdin(Stdio::null()).args(["-qq", "-o", "Dir::Etc::sourcelist=/dev/null"]);
        apt.arg("-o").arg(format!("Dir::Etc::sourceparts={}", sources.display()));
        apt.arg("-o").arg(format!("Dir::State::lists={}", lists.display()));
        shell::loud(apt.args(arguments))
    };
    apt(&["update"])?;
    apt(&["source", "--download-only", PACKAGE])?;
    Ok(scratch.join(ARCHIVE))
}
