//! `cargo xtask demo`: builds the example rules and shows logins a newcomer can follow: three by the
//! command line, then a login service of one's own (`service.rs`).
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

use crate::{
    service,
    shell::{self, cargo, root},
};

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// A rule that stores what it should not get, and then never gives the core back.
const HOSTILE: &str = "function (user, context, callback) {
  auth0.users.updateAppMetadata(user.user_id, { owned: true });
  callback(null, user, context);
  for (;;) {}
}
";

const HOSTILE_MANIFEST: &str = r#"name = "hostile"
language = "javascript"
source = "rule.js"
order = 1000000
writes = ["app_metadata.*"]
"#;

/// Shows the three logins.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let demo = Demo::set_up()?;

    title(1, "Ada logs in, and every rule has its say");
    demo.login("verified", &demo.pipeline, "allow")?;

    title(2, "somebody whose e-mail address was never verified");
    demo.login("unverified", &demo.pipeline, "deny")?;

    title(3, "Ada again, but a hostile rule joined the pipeline: it stores, calls back, then never stops");
    let contained = demo.login("verified", &demo.hostile_pipeline()?, "failed")?;
    if contained.pointer("/failure/code").and_then(Value::as_str) != Some("fuel_exhausted") {
        bail!("the hostile rule should have run out of fuel: {contained}");
    }
    println!();
    println!("It ran out of fuel, so the login failed closed, and nothing that any rule staged was kept.");

    service::run(&demo.vestibule, demo.scratch.path(), &demo.service_pipeline()?)?;

    println!();
    println!("{QUIET}That took {:.1} s in all. The first login by hand:{QUIET:#}", started.elapsed().as_secs_f64());
    println!("  {}", demo.by_hand());
    println!("{QUIET}The login page, in a browser: start this, and open the address it shows:{QUIET:#}");
    println!("  {} serve --demo", demo.relative_command());
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
        shell::loud(cargo(root()).args(["build", "--quiet", "--profile", "ci", "--bin", "vestibule"]))?;
        let vestibule = shell::vestibule()?;
        let examples = root().join("rules-examples");
        println!("{QUIET}building the example rules, in Rust, AssemblyScript and JavaScript{QUIET:#}");
        let mut build = Command::new(&vestibule);
        shell::loud(build.arg("build").arg(&examples).stdin(Stdio::null()).stdout(Stdio::null()))?;
        let pipeline = examples.join("pipeline.toml");
        let scratch = tempfile::tempdir().context("cannot create a folder for the demo")?;
        Ok(Self { vestibule, examples, pipeline, scratch })
    }

    /// Runs a login twice: for the person to read, and for the demo to check and to show before and after. Gives its report.
    fn login(&self, event: &str, pipeline: &Path, outcome: &str) -> anyhow::Result<Value> {
        let path = self.event(event);
        shell::loud(&mut self.run(pipeline, &path))?;
        let output = self.run(pipeline, &path).arg("--json").output().context("cannot start vestibule")?;
        let report: Value = serde_json::from_slice(&output.stdout).context("vestibule printed no JSON")?;
        if report.get("outcome").and_then(Value::as_str) != Some(outcome) {
            bail!("this login should have ended in `{outcome}`: {report}");
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        before_and_after(&serde_json::from_str(&text).context("the event is not JSON")?, &report);
        Ok(report)
    }

    fn event(&self, name: &str) -> PathBuf {
        self.examples.join(format!("events/{name}.json"))
    }

    fn run(&self, pipeline: &Path, event: &Path) -> Command {
        let mut run = Command::new(&self.vestibule);
        run.args(["run", "--pipeline"]).arg(pipeline).arg("--event").arg(event).stdin(Stdio::null());
        run
    }

    /// The example pipeline with the hostile rule at its end, in the scratch folder.
    fn hostile_pipeline(&self) -> anyhow::Result<PathBuf> {
        let hostile = self.scratch.path().join("hostile");
        fs::create_dir_all(&hostile).context("cannot create the hostile rule")?;
        fs::write(hostile.join("rule.js"), HOSTILE).context("cannot write the hostile source")?;
        fs::write(hostile.join("rule.toml"), HOSTILE_MANIFEST).context("cannot write the hostile manifest")?;
        let text = fs::read_to_string(&self.pipeline).context("cannot read the example pipeline")?;
        let (_, list) = text.split_once("rules = [").context("the example pipeline lists no rules")?;
        let mut rules: Vec<String> = list.split('"').skip(1).step_by(2).map(|dir| self.example(dir)).collect();
        rules.push(hostile.display().to_string());
        let pipeline = self.scratch.path().join("pipeline.toml");
        fs::write(&pipeline, format!("rules = {}\n", json!(rules))).context("cannot write the hostile pipeline")?;
        Ok(pipeline)
    }

    /// The rules that the login service shows: those whose outcome does not depend on the day.
    fn service_pipeline(&self) -> anyhow::Result<PathBuf> {
        let rules = ["deny-unverified-email", "plan-and-roles-claims", "first-login-welcome", "account-expiry"];
        let folder = self.scratch.path().join("service");
        fs::create_dir_all(&folder).context("cannot create the pipeline of the service")?;
        let pipeline = folder.join("pipeline.toml");
        let text = format!("rules = {}\n", json!(rules.map(|rule| self.example(rule))));
        fs::write(&pipeline, text).context("cannot write the pipeline of the service")?;
        Ok(pipeline)
    }

    fn relative_command(&self) -> String {
        self.vestibule.strip_prefix(root()).unwrap_or(&self.vestibule).display().to_string()
    }

    fn example(&self, dir: &str) -> String {
        self.examples.join(dir).display().to_string()
    }

    fn by_hand(&self) -> String {
        let relative = |path: &Path| path.strip_prefix(root()).unwrap_or(path).display().to_string();
        let (pipeline, event) = (relative(&self.pipeline), relative(&self.event("verified")));
        format!("{} run --pipeline {pipeline} --event {event}", self.relative_command())
    }
}

/// A heading of the demo.
pub(crate) fn title(number: u8, what: &str) {
    println!();
    println!("{TITLE}{number}. {what}{TITLE:#}");
    println!();
}

/// The stored metadata of the user, and the claims of the tokens that this login would get.
fn before_and_after(event: &Value, report: &Value) {
    println!();
    for bag in ["user_metadata", "app_metadata"] {
        let (before, after) = (event.pointer(&format!("/user/{bag}")), report.get(bag));
        if before == after {
            println!("{TITLE}{bag} before and after{TITLE:#} {}", shown(before));
        } else {
            println!("{TITLE}{bag} before{TITLE:#} {}", shown(before));
            println!("{TITLE}{bag} after{TITLE:#}  {}", shown(after));
        }
    }
    for token in ["id_token", "access_token"] {
        println!("{TITLE}{token} claims{TITLE:#} {}", shown(report.get(token)));
    }
}

fn shown(part: Option<&Value>) -> String {
    part.map_or_else(|| "none".into(), Value::to_string)
}
