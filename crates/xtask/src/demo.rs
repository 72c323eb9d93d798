//! `cargo xtask demo`: builds the example rules of both languages and shows three logins a newcomer can follow.
//!
//! Every login is a call of the `vestibule` command that anybody could type; the demo checks that it ends as told.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use anstream::println;
use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::shell::{self, root};

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// A rule that asks for memory until it is stopped, and would spin for ever if it were not.
const HOSTILE: &str = r#"(module
  (import "vestibule_v1" "answer" (func $answer (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\"continue\":{\"app_metadata\":{\"owned\":true}}}")
  (func (export "run")
    (call $answer (i32.const 0) (i32.const 44))
    (loop $forever (drop (i32.mul (i32.const 6) (i32.const 7))) (br $forever))))"#;

const HOSTILE_MANIFEST: &str = r#"name = "hostile"
language = "rust"
module = "rule.wasm"
order = 1000000
writes = ["app_metadata.*"]
"#;

/// Shows the three logins.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let demo = Demo::set_up()?;
    let event = demo.event()?;
    let name = event.pointer("/user/email").and_then(Value::as_str).unwrap_or("somebody");

    title(1, &format!("{name} logs in, and every rule has its say"));
    let allowed = demo.login("verified", &event, &demo.pipeline, "allow")?;
    before_and_after(&event, &allowed)?;

    title(2, "the same person, but the e-mail address was never verified");
    let mut unverified = event.clone();
    if let Some(verified) = unverified.pointer_mut("/user/email_verified") {
        *verified = Value::Bool(false);
    }
    let refused = demo.login("unverified", &unverified, &demo.pipeline, "deny")?;
    before_and_after(&unverified, &refused)?;

    title(3, "a hostile rule joins the pipeline: it answers, then never stops");
    let contained = demo.login("verified", &event, &demo.hostile_pipeline()?, "failed")?;
    before_and_after(&event, &contained)?;
    println!(
        "It ran out of fuel, the login failed closed, and nothing of any rule was kept: all of a login, or nothing."
    );

    println!();
    println!("{QUIET}That took {:.1} s in all. The same logins by hand:{QUIET:#}", started.elapsed().as_secs_f64());
    println!("  {}", demo.by_hand());
    Ok(ExitCode::SUCCESS)
}

/// What every login of the demo uses.
struct Demo {
    vestibule: PathBuf,
    examples: PathBuf,
    pipeline: PathBuf,
    scratch: tempfile::TempDir,
}

impl Demo {
    fn set_up() -> anyhow::Result<Self> {
        println!("{QUIET}building the vestibule command (minutes the first time, then seconds){QUIET:#}");
        let vestibule = shell::vestibule()?;
        let examples = root().join("rules-examples");
        println!("{QUIET}building the example rules, in Rust and in AssemblyScript{QUIET:#}");
        shell::loud(Command::new(&vestibule).arg("build").arg(&examples).stdin(Stdio::null()))?;
        let pipeline = examples.join("pipeline.toml");
        let scratch = tempfile::tempdir().context("cannot create a folder for the demo")?;
        Ok(Self { vestibule, examples, pipeline, scratch })
    }

    fn event(&self) -> anyhow::Result<Value> {
        let path = self.examples.join("events/verified.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
    }

    /// Runs a login twice: for the person to read, and for the demo to check.
    fn login(&self, name: &str, event: &Value, pipeline: &Path, outcome: &str) -> anyhow::Result<Value> {
        let path = self.scratch.path().join(format!("{name}.json"));
        fs::write(&path, event.to_string()).context("cannot write the demo's event")?;
        shell::loud(&mut self.run(pipeline, &path))?;
        let output = self.run(pipeline, &path).arg("--json").output().context("cannot start vestibule")?;
        let report: Value = serde_json::from_slice(&output.stdout).context("vestibule printed no JSON")?;
        match report.get("outcome").and_then(Value::as_str) {
            Some(reached) if reached == outcome => Ok(report),
            reached => bail!("this login should have ended in `{outcome}`, but it ended in {reached:?}: {report}"),
        }
    }

    fn run(&self, pipeline: &Path, event: &Path) -> Command {
        let mut run = Command::new(&self.vestibule);
        run.args(["run", "--pipeline"]).arg(pipeline).arg("--event").arg(event).stdin(Stdio::null());
        if let Some(recording) = self.recording() {
            run.arg("--http-recording").arg(recording);
        }
        run
    }

    /// The answers of the services that the pipeline's rules ask, when they ask any.
    fn recording(&self) -> Option<PathBuf> {
        Some(self.examples.join("events/http.json")).filter(|path| path.is_file())
    }

    /// The example pipeline with the hostile rule at its end, in the scratch folder.
    fn hostile_pipeline(&self) -> anyhow::Result<PathBuf> {
        let hostile = self.scratch.path().join("hostile");
        fs::create_dir_all(&hostile).context("cannot create the hostile rule")?;
        fs::write(hostile.join("rule.wasm"), wat::parse_str(HOSTILE)?).context("cannot write the hostile module")?;
        fs::write(hostile.join("rule.toml"), HOSTILE_MANIFEST).context("cannot write the hostile manifest")?;
        let text = fs::read_to_string(&self.pipeline).context("cannot read the example pipeline")?;
        let mut rules: Vec<String> = text.split('"').skip(1).step_by(2).map(|dir| self.example(dir)).collect();
        rules.push(hostile.display().to_string());
        let pipeline = self.scratch.path().join("pipeline.toml");
        fs::write(&pipeline, format!("rules = {}\n", json!(rules))).context("cannot write the hostile pipeline")?;
        Ok(pipeline)
    }

    fn example(&self, dir: &str) -> String {
        self.examples.join(dir).display().to_string()
    }

    fn by_hand(&self) -> String {
        let relative = |path: &Path| path.strip_prefix(root()).unwrap_or(path).display().to_string();
        let recording = self.recording().map(|path| format!(" --http-recording {}", relative(&path)));
        format!(
            "cargo run --profile ci -p vestibule-cli -- run --pipeline {} --event {}{}",
            relative(&self.pipeline),
            relative(&self.examples.join("events/verified.json")),
            recording.unwrap_or_default()
        )
    }
}

fn title(number: u8, what: &str) {
    println!();
    println!("{TITLE}{number}. {what}{TITLE:#}");
    println!();
}

/// The stored metadata of the user, and the claims of the tokens that this login would get.
fn before_and_after(event: &Value, report: &Value) -> anyhow::Result<()> {
    println!();
    for bag in ["user_metadata", "app_metadata"] {
        let before = event.pointer(&format!("/user/{bag}")).cloned().unwrap_or_else(|| json!({}));
        println!("{bag} before  {}", serde_json::to_string(&before)?);
        println!("{:width$} after   {}", "", shown(report, bag), width = bag.len());
    }
    for token in ["id_token", "access_token"] {
        println!("{token} claims  {}", shown(report, token));
    }
    Ok(())
}

/// A part of the report; a login that was not allowed keeps nothing, which is worth a word.
fn shown(report: &Value, part: &str) -> String {
    match report.get(part) {
        Some(Value::Null) | None => "none".into(),
        Some(value) => value.to_string(),
    }
}
