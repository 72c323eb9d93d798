//! `cargo xtask prove-atomic` and `prove-crash`: the long versions of some tests, with a ledger.
//!
//! Both run the tests that continuous integration runs, for as long as one likes. What was tried stands in a ledger, a
//! line of JSON for each piece: what was interrupted goes on where it was, and a failure stays written down.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};

use crate::shell::{self, cargo, heading, root};

/// How much to try.
#[derive(Debug, clap::Args)]
pub(crate) struct AtomicArgs {
    /// Operations in all: nine of ten at the store, one through the service; half of each on either database
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    ops: u64,
    #[command(flatten)]
    which: Which,
    /// Where to note what was tried
    #[arg(long, value_name = "FILE", default_value = "target/ledger/prove-atomic.jsonl")]
    ledger: PathBuf,
}

/// How much to try.
#[derive(Debug, clap::Args)]
pub(crate) struct CrashArgs {
    /// Kills of a serving node on SQLite, and as many of a bare store; a tenth as many on PostgreSQL, and a hundredth of
    /// PostgreSQL itself
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    cycles: u64,
    #[command(flatten)]
    which: Which,
    /// Where to note what was tried
    #[arg(long, value_name = "FILE", default_value = "target/ledger/prove-crash.jsonl")]
    ledger: PathBuf,
}

/// Which of a command's proofs.
#[derive(Debug, clap::Args)]
struct Which {
    /// Only those whose name has this in it
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
}

/// What a line of the ledger must say; it may say more.
#[derive(Default, serde::Deserialize)]
struct Line {
    #[serde(default)]
    proof: String,
    trials: u64,
    failures: u64,
}

/// One test that can be run in pieces.
struct Proof {
    /// Its name in the ledger.
    name: &'static str,
    /// The test binary, and the test in it.
    test: (&'static str, &'static str),
    /// The environment variable that says how much.
    variable: &'static str,
    /// How much of it is wanted.
    wanted: u64,
    /// How much at once: so much is lost when it is interrupted.
    piece: u64,
}

/// Concurrent logins, metadata writes and reads on hot users, and a judge.
pub(crate) fn atomic(args: &AtomicArgs) -> anyhow::Result<ExitCode> {
    let through_service = args.ops / 10;
    let at_store = args.ops - through_service;
    let proof = |name, test, wanted, piece| Proof { name, test, variable: "VESTIBULE_OPS", wanted, piece };
    let store = |test| ("proofs", test);
    let service = |test| ("e2e", test);
    let sqlite = "atomic::logins_and_metadata_writes_are_serial_on_sqlite";
    let postgresql = "atomic::logins_and_metadata_writes_are_serial_on_postgresql";
    let proofs = [
        proof("atomic-sqlite", store(sqlite), at_store.div_ceil(2), 50_000),
        proof("atomic-postgresql", store(postgresql), at_store / 2, 50_000),
        proof("atomic-service-sqlite", service(sqlite), through_service.div_ceil(2), 10_000),
        proof("atomic-service-postgresql", service(postgresql), through_service / 2, 10_000),
    ];
    run(&proofs, &args.which, &args.ledger)
}

/// Processes that are killed while they commit logins.
pub(crate) fn crash(args: &CrashArgs) -> anyhow::Result<ExitCode> {
    let proof = |name, test, variable, wanted, piece| Proof { name, test, variable, wanted, piece };
    let on_sqlite = ("e2e", "crash::nothing_acknowledged_is_lost_when_a_node_is_killed_on_sqlite");
    let on_postgresql = ("e2e", "crash::nothing_acknowledged_is_lost_when_a_node_is_killed_on_postgresql");
    let database = ("e2e", "crash::a_node_outlives_its_postgresql");
    let store = ("proofs", "crash::nothing_acknowledged_is_lost_when_the_process_is_killed");
    let proofs = [
        proof("crash-node-sqlite", on_sqlite, "VESTIBULE_CYCLES", args.cycles, 100),
        proof("crash-node-postgresql", on_postgresql, "VESTIBULE_CYCLES", args.cycles / 10, 100),
        proof("crash-database-postgresql", database, "VESTIBULE_KILLS", args.cycles / 100, 20),
        proof("crash-sqlite", store, "VESTIBULE_CYCLES", args.cycles, 200),
    ];
    run(&proofs, &args.which, &args.ledger)
}

/// Runs the proofs that are wanted, until the ledger holds enough of each, and says what it holds.
fn run(proofs: &[Proof], which: &Which, ledger: &Path) -> anyhow::Result<ExitCode> {
    let ledger = Ledger::open(root().join(ledger))?;
    let is_wanted = |proof: &&Proof| which.only.as_ref().is_none_or(|word| proof.name.contains(word.as_str()));
    let proofs: Vec<&Proof> = proofs.iter().filter(is_wanted).collect();
    if proofs.is_empty() {
        bail!("no proof has a name like `{}`", which.only.as_deref().unwrap_or_default());
    }
    // What starts a node starts the command.
    shell::loud(cargo(root()).args(["build", "--quiet", "--profile", "ci", "--workspace", "--bin", "vestibule"]))?;
    for proof in &proofs {
        proof.run(&ledger)?;
    }
    println!();
    let mut has_failed = false;
    for proof in proofs {
        let Line { trials, failures, .. } = ledger.of(proof.name)?;
        has_failed |= failures > 0;
        print!("{}: {trials} trials, {failures} failures", proof.name);
        match (failures, trials) {
            (0, 1..) => println!(", rate below {:.1e} (3/N, 95 %)", 3.0 / trials as f64),
            _ => println!(),
        }
    }
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Proof {
    /// Runs pieces until the ledger holds as many trials as are wanted, or one fails.
    fn run(&self, ledger: &Ledger) -> anyhow::Result<()> {
        loop {
            let Line { trials, .. } = ledger.of(self.name)?;
            if trials >= self.wanted {
                return Ok(());
            }
            heading(&format!("{}: {trials} of {}", self.name, self.wanted));
            let piece = self.piece.min(self.wanted - trials);
            if let Err(error) = self.run_piece(piece, trials, ledger) {
                eprintln!("{error:#}");
                return ledger.note_failure(self.name, piece);
            }
            if ledger.of(self.name)?.trials <= trials {
                bail!("{} noted nothing in {}", self.name, ledger.0.display());
            }
        }
    }

    fn run_piece(&self, piece: u64, tried: u64, ledger: &Ledger) -> anyhow::Result<()> {
        let (binary, name) = self.test;
        let mut test = cargo(root());
        test.args(["test", "--quiet", "--profile", "ci", "--workspace", "--test", binary]);
        test.args(["--", "--exact", name, "--nocapture"]);
        test.env(self.variable, piece.to_string()).env("VESTIBULE_TRIED", tried.to_string());
        test.env("VESTIBULE_LEDGER", &ledger.0);
        shell::loud(&mut test).with_context(|| format!("{} failed", self.name))
    }
}

/// The file that tells what was tried.
struct Ledger(PathBuf);

impl Ledger {
    fn open(file: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(file.parent().unwrap_or(root())).context("cannot make the ledger's folder")?;
        Ok(Self(file))
    }

    /// What it tells of one proof.
    fn of(&self, proof: &str) -> anyhow::Result<Line> {
        let text = if self.0.exists() {
            fs::read_to_string(&self.0).context("cannot read the ledger")?
        } else {
            String::new()
        };
        let mut sum = Line::default();
        for line in text.lines() {
            let line: Line = serde_json::from_str(line).context("a line of the ledger is torn: remove it")?;
            if line.proof == proof {
                sum.trials += line.trials;
                sum.failures += line.failures;
            }
        }
        Ok(sum)
    }

    /// Writes down that one of so many trials failed.
    fn note_failure(&self, proof: &str, trials: u64) -> anyhow::Result<()> {
        let line = serde_json::json!({"proof": proof, "trials": trials, "failures": 1});
        let mut file = OpenOptions::new().create(true).append(true).open(&self.0).context("cannot open the ledger")?;
        file.write_all(format!("{line}\n").as_bytes()).context("cannot write the ledger")
    }
}
