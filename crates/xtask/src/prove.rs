//! `cargo xtask prove-atomic` and `prove-crash`: the long versions of two tests, with a ledger.
//!
//! Both run the tests that continuous integration runs, for as long as one likes. What was tried stands in a ledger, a
//! line of JSON for each piece: what was interrupted goes on where it was.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};

use crate::shell::{self, cargo, heading, root};

/// How much to try.
#[derive(Debug, clap::Args)]
pub(crate) struct AtomicArgs {
    /// Operations in all, half of them on each database
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    ops: u64,
    /// Where to note what was tried
    #[arg(long, value_name = "FILE", default_value = "target/ledger/prove-atomic.jsonl")]
    ledger: PathBuf,
}

/// How much to try.
#[derive(Debug, clap::Args)]
pub(crate) struct CrashArgs {
    /// Kills in all
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    cycles: u64,
    /// Where to note what was tried
    #[arg(long, value_name = "FILE", default_value = "target/ledger/prove-crash.jsonl")]
    ledger: PathBuf,
}

/// What a line of the ledger must say; it may say more.
#[derive(serde::Deserialize)]
struct Line {
    proof: String,
    trials: u64,
}

/// One test that can be run in pieces.
struct Proof {
    /// Its name in the ledger.
    name: &'static str,
    test: &'static str,
    /// The environment variable that says how much.
    variable: &'static str,
    /// How much at once: so much is lost when it is interrupted.
    piece: u64,
}

/// Concurrent logins, metadata writes and reads on hot users, and a judge.
pub(crate) fn atomic(args: &AtomicArgs) -> anyhow::Result<ExitCode> {
    let proof = |name, test| Proof { name, test, variable: "VESTIBULE_OPS", piece: 50_000 };
    let sqlite = proof("atomic-sqlite", "atomic::logins_and_metadata_writes_are_serial_on_sqlite");
    let postgresql = proof("atomic-postgresql", "atomic::logins_and_metadata_writes_are_serial_on_postgresql");
    sqlite.run(args.ops.div_ceil(2), &args.ledger)?;
    postgresql.run(args.ops / 2, &args.ledger)?;
    Ok(ExitCode::SUCCESS)
}

/// A process that is killed while it commits logins.
pub(crate) fn crash(args: &CrashArgs) -> anyhow::Result<ExitCode> {
    let test = "crash::nothing_acknowledged_is_lost_when_the_process_is_killed";
    let proof = Proof { name: "crash-sqlite", test, variable: "VESTIBULE_CYCLES", piece: 200 };
    proof.run(args.cycles, &args.ledger)?;
    Ok(ExitCode::SUCCESS)
}

impl Proof {
    /// Runs pieces until the ledger holds that many trials, and says what it holds.
    fn run(&self, wanted: u64, ledger: &Path) -> anyhow::Result<()> {
        let ledger = root().join(ledger);
        fs::create_dir_all(ledger.parent().unwrap_or(root())).context("cannot make the ledger's folder")?;
        let mut tried = self.tried(&ledger)?;
        while tried < wanted {
            heading(&format!("{}: {tried} of {wanted}", self.name));
            self.run_piece(self.piece.min(wanted - tried), &ledger)?;
            let now = self.tried(&ledger)?;
            if now <= tried {
                bail!("{} noted nothing in {}", self.name, ledger.display());
            }
            tried = now;
        }
        println!("{}: {tried} trials, 0 failures, rate below {:e} (95 %)", self.name, 3.0 / tried as f64);
        Ok(())
    }

    fn run_piece(&self, piece: u64, ledger: &Path) -> anyhow::Result<()> {
        let mut test = cargo(root());
        test.args([
            "test",
            "--quiet",
            "--profile",
            "ci",
            "--workspace",
            "--test",
            "proofs",
            "--",
            "--exact",
            self.test,
        ]);
        test.arg("--nocapture").env(self.variable, piece.to_string()).env("VESTIBULE_LEDGER", ledger);
        shell::loud(&mut test).with_context(|| format!("{} failed", self.name))
    }

    /// The trials of this proof that the ledger tells of.
    fn tried(&self, ledger: &Path) -> anyhow::Result<u64> {
        let text =
            if ledger.exists() { fs::read_to_string(ledger).context("cannot read the ledger")? } else { String::new() };
        let mut tried = 0;
        for line in text.lines() {
            let line: Line = serde_json::from_str(line).context("a line of the ledger is torn: remove it")?;
            if line.proof == self.name {
                tried += line.trials;
            }
        }
        Ok(tried)
    }
}
