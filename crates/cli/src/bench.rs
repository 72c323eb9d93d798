//! `vestibule bench`: what rules cost, as a distribution over many logins, against their budget.
//!
//! Every run is a fresh instance, as in a login. HTTP answers come from a recording or not at all: a benchmark sends
//! nothing.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;
use vestibule_abi::codes::FailureCode;
use vestibule_engine::Report;
use vestibule_pipeline::{LoginInput, Rule};

use crate::{
    event::{EventFile, Given, configuration_of, key_value, login_input},
    exit::{BadInput, Done, Exit, Fault},
    local::{LocalRule, is_script},
    output::say,
    progress::Progress,
    project,
    story::{grouped, percent},
    workbench::{Loaded, Outside, ProfileName, Workbench},
};

/// Runs before the measured ones: they fault memory in and fill caches.
const WARM_UP: u32 = 20;
const SAMPLE: &str = "events/sample.json";

/// Measures what a rule costs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rule folders, folders of rules, or a module or script without a manifest; the current folder when none is named
    #[arg(value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
    /// The login to measure, `-` for standard input; without it `events/sample.json` of the rule
    #[arg(long, value_name = "FILE")]
    event: Option<EventFile>,
    /// HTTP answers
    #[arg(long, value_name = "FILE")]
    http_recording: Option<PathBuf>,
    /// A configuration value for rules that are granted its key
    #[arg(long = "config", value_name = "KEY=VALUE", value_parser = key_value)]
    configuration: Vec<(String, String)>,
    /// Logins to measure
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
    /// How instances get their memory
    #[arg(long, value_enum, default_value_t)]
    profile: ProfileName,
}

/// What a rule cost.
#[derive(Debug, Serialize)]
struct Cost {
    rule: String,
    outcome: &'static str,
    runs: u32,
    wall_us: Distribution,
    /// The same on every run: fuel is deterministic.
    fuel: u64,
    fuel_limit: u64,
    peak_memory: u64,
    memory_limit: u64,
    wall_limit_us: u64,
    module_bytes: usize,
    code_bytes: usize,
}

/// A distribution of times, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Distribution {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let outside = Outside::sealed(args.http_recording.as_deref().map(Outside::recording).transpose()?)?;
    let workbench = Workbench::new(args.profile)?;
    let mut costs = Vec::new();
    for (local, input) in args.subjects()? {
        costs.push(measure(&workbench, &outside, local, &input, args.runs)?);
    }
    if json {
        say!("{}", json!({ "rules": costs }));
    } else {
        costs.iter().for_each(Cost::print);
    }
    Ok(Exit::Reached)
}

impl Args {
    /// The rules to measure, each with its login.
    fn subjects(&self) -> Result<Vec<(LocalRule, LoginInput)>, Fault> {
        // Read once: standard input has one end.
        let named = self.event.as_ref().map(|file| Ok::<_, Fault>((file, file.read()?))).transpose()?;
        if let [code] = self.paths.as_slice()
            && (is_script(code) || code.extension().is_some_and(|extension| extension == "wasm"))
        {
            let Some((file, given)) = named else {
                return Err(Fault::Usage("a rule without a manifest has no sample event: add --event FILE".into()));
            };
            let local = LocalRule::bare(code, std::iter::empty())?;
            return Ok(vec![(local, self.input(file, given)?)]);
        }
        let folders = project::rules_at(&self.paths)?;
        let subject = |folder: &project::RuleFolder| {
            let local = LocalRule::read(folder)?;
            let input = match &named {
                Some((file, given)) => self.input(file, given.clone())?,
                None => {
                    let sample = EventFile::File(folder.dir.join(SAMPLE));
                    self.input(&sample, sample.read()?)?
                }
            };
            Ok((local, input))
        };
        folders.iter().map(subject).collect()
    }

    /// An event as a login, with the configuration of the command line.
    fn input(&self, file: &EventFile, given: Given) -> Result<LoginInput, Fault> {
        let configuration = configuration_of(&self.configuration)?;
        login_input(given.event, configuration, None, given.seed).map_err(|fault| file.about(fault))
    }
}

fn measure(
    workbench: &Workbench,
    outside: &Outside,
    local: LocalRule,
    input: &LoginInput,
    runs: u32,
) -> Result<Cost, Fault> {
    let (rule, module_bytes) = (local.revision.rule.clone(), local.revision.inspected.bytes.len());
    let loaded = workbench.load(vec![local], outside)?;
    let progress = Progress::start(format!("measuring {}", rule.name()));
    for _ in 0..WARM_UP {
        run_once(workbench, &loaded, input, outside)?;
    }
    let mut times = Vec::with_capacity(runs as usize);
    let mut last = run_once(workbench, &loaded, input, outside)?;
    for _ in 0..runs {
        last = run_once(workbench, &loaded, input, outside)?;
        times.extend(last.rules.first().map(|rule| rule.wall_us));
    }
    drop(progress);
    let told = last.rules.first().context("a login of one rule reports no rule")?;
    if let Some(failure) = &told.failure {
        let next_step = match failure.code {
            FailureCode::HttpNotRecorded => "; give it answers with --http-recording FILE",
            _ => "",
        };
        let message =
            format!("rule `{}` fails on this event, so its cost means nothing: {failure}{next_step}", rule.name());
        return Err(Fault::bad_input(BadInput::EventInvalid, message));
    }
    let code_bytes = loaded.compiled.first().map_or(0, |compiled| compiled.code_bytes);
    Ok(Cost {
        rule: told.name.clone(),
        outcome: told.outcome,
        runs,
        wall_us: Distribution::of(times),
        fuel: told.fuel,
        peak_memory: told.peak_memory,
        module_bytes,
        code_bytes,
        ..Cost::limits(&rule)
    })
}

fn run_once(workbench: &Workbench, loaded: &Loaded, input: &LoginInput, outside: &Outside) -> Result<Report, Fault> {
    workbench.run(loaded, input.clone(), outside)
}

impl Distribution {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |share: usize| {
            let rank = (times.len() * share).div_ceil(100).max(1);
            times.get(rank - 1).copied().unwrap_or_default()
        };
        Self { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

impl Cost {
    fn limits(rule: &Rule) -> Self {
        Self {
            rule: String::new(),
            outcome: "",
            runs: 0,
            wall_us: Distribution::of(Vec::new()),
            fuel: 0,
            fuel_limit: rule.budget.fuel,
            peak_memory: 0,
            memory_limit: rule.budget.memory_bytes,
            wall_limit_us: u64::try_from(rule.budget.wall.as_micros()).unwrap_or(u64::MAX),
            module_bytes: 0,
            code_bytes: 0,
        }
    }

    fn print(&self) {
        let Distribution { p50, p90, p99, max } = self.wall_us;
        let (kib, limit) = (|bytes: u64| bytes.div_ceil(1024), self.wall_limit_us);
        say!("{} {} on this event, {} fresh instances", self.rule, self.outcome, grouped(self.runs.into()));
        say!("  time    p50 {p50:.1} µs   p90 {p90:.1} µs   p99 {p99:.1} µs   max {max:.1} µs");
        say!("          p99 is {} of {} ms", percent(p99 as u64, limit), limit / 1_000);
        say!(
            "  fuel    {} ({} of {})",
            grouped(self.fuel),
            percent(self.fuel, self.fuel_limit),
            grouped(self.fuel_limit)
        );
        say!(
            "  memory  {} KiB ({} of {} KiB)",
            kib(self.peak_memory),
            percent(self.peak_memory, self.memory_limit),
            kib(self.memory_limit)
        );
        say!(
            "  size    module {} KiB, compiled {} KiB",
            self.module_bytes.div_ceil(1024),
            self.code_bytes.div_ceil(1024)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times = (1..=200).map(f64::from).rev().collect();
        assert_eq!(Distribution::of(times), Distribution { p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 });
        assert_eq!(Distribution::of(vec![3.0]), Distribution { p50: 3.0, p90: 3.0, p99: 3.0, max: 3.0 });
    }
}
