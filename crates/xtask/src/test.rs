//! `cargo xtask test`: everything that is tested, in one run, with one count at its end.
//!
//! A runner that prints no count did not run its tests, so it counts as a failure.

use std::{
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::Context as _;

use crate::{
    chromium, clients,
    counts::Counts,
    shell::{self, cargo, heading, root},
    test262,
};

/// Runs everything; the closing line stands alone.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    heading("building the workspace");
    // All of it at once, as the tests need it: a smaller selection has other features, and would be built again.
    shell::loud(cargo(root()).args(["test", "--quiet", "--profile", "ci", "--workspace", "--no-run"]))?;
    let vestibule = shell::vestibule()?;
    install_postgresql()?;
    heading("building the example rules");
    shell::loud(Command::new(&vestibule).arg("build").arg(root().join("rules-examples")).stdin(Stdio::null()))?;

    chromium::set_up()?;
    clients::set_up();
    let mut tally = Tally::default();
    tally.add("the workspace", &mut workspace_tests())?;
    tally.add("the login service on PostgreSQL", &mut service_on_postgresql())?;
    let mut documentation = cargo(root());
    documentation.args(["test", "--profile", "ci", "--workspace", "--doc", "--no-fail-fast"]);
    tally.add("the workspace's documentation", &mut documentation)?;
    tally.add("sdk/rust", cargo(&root().join("sdk/rust")).args(["test", "--workspace"]))?;
    tally.add("rules-examples, natively", cargo(&root().join("rules-examples")).args(["test", "--workspace"]))?;
    let npm_sdk = root().join("sdk/assemblyscript");
    clients::npm_packages(&npm_sdk)?;
    tally.add("sdk/assemblyscript", Command::new("npm").arg("test").current_dir(&npm_sdk).stdin(Stdio::null()))?;
    let runtime = root().join("sdk/javascript/runtime");
    clients::npm_packages(&runtime)?;
    tally.add("sdk/javascript", Command::new("npm").arg("test").current_dir(&runtime).stdin(Stdio::null()))?;
    let mut corpus = Command::new("node");
    corpus.arg("tests/differential.mjs").env("VESTIBULE", &vestibule).current_dir(&runtime).stdin(Stdio::null());
    tally.add("the corpus of JavaScript rules, in the sandbox", &mut corpus)?;
    let mut language = Command::new("node");
    language.arg("tests/conformance.mjs").env("VESTIBULE", &vestibule).current_dir(&runtime).stdin(Stdio::null());
    tally.add("JavaScript itself, case by case, in the sandbox", &mut language)?;
    match test262::fetched() {
        Ok(tests) => tally.add("JavaScript itself, by Test262, in the sandbox", &mut test262::runner(&tests)?)?,
        Err(why) => println!("Test262 is not to be had here, its tests are left out: {why:#}"),
    }
    let mut cases = Command::new(&vestibule);
    tally.add("the cases of the example rules", cases.arg("test").arg(root().join("rules-examples")))?;
    for (language, what) in [
        ("rust", "a new rule in Rust"),
        ("assemblyscript", "a new rule in AssemblyScript"),
        ("javascript", "a new rule in JavaScript"),
    ] {
        new_rule(&vestibule, language, what, &mut tally)?;
    }
    Ok(tally.close())
}

/// What a newcomer types first: a scaffold builds and passes its cases as it is.
fn new_rule(vestibule: &Path, language: &str, what: &'static str, tally: &mut Tally) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("cannot create a folder for a new rule")?;
    let rule = scratch.path().join("my-rule");
    let command = |verb: &str| {
        let mut command = Command::new(vestibule);
        command.arg(verb).arg(&rule).stdin(Stdio::null());
        command
    };
    heading(&format!("making {what}"));
    shell::loud(command("new").args(["--lang", language]))?;
    shell::loud(&mut command("build"))?;
    tally.add(what, &mut command("test"))
}

/// What passed and failed so far, and which runners failed without saying how.
#[derive(Default)]
struct Tally {
    counts: Counts,
    broken: Vec<&'static str>,
}

impl Tally {
    fn add(&mut self, what: &'static str, runner: &mut Command) -> anyhow::Result<()> {
        heading(&format!("testing {what}"));
        let (status, output) = shell::kept(runner)?;
        let counts = Counts::in_output(&output);
        self.counts += counts.unwrap_or_default();
        // A runner may count no failure and fail all the same: it did not compile, or it crashed.
        if counts.is_none_or(|counts| counts.failed == 0 && !status.success()) {
            self.counts.failed += 1;
            self.broken.push(what);
        }
        Ok(())
    }

    fn close(self) -> ExitCode {
        println!();
        for what in self.broken {
            println!("the tests of {what} did not run to their end");
        }
        println!("{}", self.counts);
        if self.counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn workspace_tests() -> Command {
    let mut tests = cargo(root());
    if has_nextest() {
        tests.args(["nextest", "run", "--cargo-profile", "ci", "--workspace", "--no-fail-fast"]);
    } else {
        tests.args(["test", "--profile", "ci", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]);
    }
    // Stale snapshots fail here and are never written.
    tests.env("INSTA_UPDATE", "no");
    tests
}

/// What the workspace's tests show of the login service on SQLite, once more on PostgreSQL.
fn service_on_postgresql() -> Command {
    let mut tests = cargo(root());
    if has_nextest() {
        // A browser sees no database; those that name theirs have run.
        let which = "package(vestibule-tests) & test(/^(login|accounts)::/) \
                     - test(/^accounts::visit::/) - test(/_on_(sqlite|postgresql)$/)";
        tests.args(["nextest", "run", "--cargo-profile", "ci", "--workspace", "--no-fail-fast", "-E", which]);
    } else {
        tests.args(["test", "--profile", "ci", "--workspace", "--test", "e2e", "--no-fail-fast"]);
        tests.args(["--", "login::", "accounts::", "--skip", "accounts::visit::"]);
    }
    tests.env("INSTA_UPDATE", "no").env("VESTIBULE_TEST_DATABASE", "postgresql");
    tests
}

fn has_nextest() -> bool {
    shell::on_path("cargo-nextest")
}

/// The tests of the store start a PostgreSQL of their own. Where its programs are missing and this is a Debian that may
/// install them, they are; elsewhere the tests say how to get them.
fn install_postgresql() -> anyhow::Result<()> {
    let there = Path::new("/usr/lib/postgresql").is_dir() || shell::on_path("initdb");
    if there || !shell::can_install_debian_packages() {
        return Ok(());
    }
    shell::install_debian_packages("PostgreSQL's server programs", &["postgresql"])
}
