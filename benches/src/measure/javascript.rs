//! JavaScript rules: one run in both profiles; many rules in turn; deploying, loading. Beside other engines they are
//! measured with `--peers`.

use std::{path::Path, sync::Arc, time::Instant};

use serde_json::Value;
use vestibule_engine::{
    Grants, Inspected, JavaScriptUpload, Profile, SandboxedRule, inspect_interpreter, inspect_javascript,
};

use crate::{
    bench::{self, Bench},
    event, machine,
    report::{Bar, Table, shown},
    rounds::{Arm, Effort, Samples, in_turns, median},
};

/// How many rules are run in turn.
const IN_TURN: usize = 200;
/// How many are loaded in one process.
const LOADED: usize = 1_000;

/// Measures the bars of JavaScript rules.
///
/// # Errors
/// When a tool is missing, or the rule does not do what it says.
pub fn measure(effort: Effort) -> anyhow::Result<(Vec<Bar>, Vec<Table>)> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/javascript");
    let interpreter = inspect_interpreter(&vestibule_javascript::interpreter(&kept)?)?;
    let event = bench::completed(event::of_size(2_000));
    let bench = Bench::new(Profile::Fast)?;
    let runs = run_in_both_profiles(effort, &bench, &interpreter, &event)?;
    let mut bars = vec![in_turn(effort, &bench, &interpreter, &event)?];
    let (more, set_up) = deployed_and_loaded(&bench, &interpreter)?;
    bars.extend(more);
    Ok((bars, vec![runs, set_up]))
}

fn run_in_both_profiles(
    effort: Effort,
    fast: &Bench,
    interpreter: &Arc<Inspected>,
    event: &Value,
) -> anyhow::Result<Table> {
    let hardened = Bench::new(Profile::Hardened)?;
    let document = &bench::document_of(event)?;
    let benches = [("fast", fast), ("hardened", &hardened)];
    let mut arms: Vec<Arm<'_>> = Vec::new();
    for (_, bench) in benches {
        let rule = load(bench, interpreter, &source())?;
        let answered = bench.runtime.block_on(bench::run(&rule, document))?.answer;
        let answer: Value = serde_json::from_slice(&answered.map_err(|failure| anyhow::anyhow!("{failure}"))?)?;
        let stored = answer.pointer("/continue/app_metadata/last_plan");
        anyhow::ensure!(stored.is_some_and(Value::is_string), "the rule answers {answer}");
        arms.push(Box::new(move |runs, samples| bench::sample_runs(bench, &rule, document, runs, samples)));
    }
    let mut table = Table::new(
        "One JavaScript rule that sets two claims and a key of metadata: the sandbox alone, 2 kB, µs (p50)",
        &["", "µs"],
    );
    for ((profile, _), samples) in benches.iter().zip(in_turns(effort, &mut arms)?) {
        table.row(*profile, [shown(samples.p50())]);
    }
    Ok(table)
}

fn source() -> String {
    include_str!("../../peers/guests/javascript/fields.js").to_owned()
}

/// A source that differs from all others, and does the same.
fn distinct(number: usize) -> String {
    format!("// number {number}\n{}", source().replace("last_plan", &format!("last_plan_{number}")))
}

fn load(bench: &Bench, interpreter: &Arc<Inspected>, source: &str) -> anyhow::Result<SandboxedRule> {
    let inspected = inspect_javascript(&JavaScriptUpload::rule(source).to_bytes(), interpreter)?;
    Ok(bench.engine.load(&bench.compile_inspected(&inspected)?, Grants::default())?)
}

fn in_turn(effort: Effort, bench: &Bench, interpreter: &Arc<Inspected>, event: &Value) -> anyhow::Result<Bar> {
    let document = &bench::document_of(event)?;
    let rules = (0..IN_TURN)
        .map(|number| load(bench, interpreter, &distinct(number)))
        .collect::<anyhow::Result<Vec<SandboxedRule>>>()?;
    let round = |rules: &[&SandboxedRule], samples: &mut Samples| {
        let mut each = Samples::default();
        rules.iter().try_for_each(|rule| bench::sample_runs(bench, rule, document, 1, &mut each))?;
        samples.push(each.total());
        Ok(())
    };
    let all: Vec<&SandboxedRule> = rules.iter().collect();
    let one: Vec<&SandboxedRule> = rules.iter().take(1).cycle().take(IN_TURN).collect();
    let few = Effort { rounds: effort.rounds.min(50), runs: 1, ..effort };
    let mut arms: Vec<Arm<'_>> =
        vec![Box::new(|_, samples| round(&all, samples)), Box::new(|_, samples| round(&one, samples))];
    let medians: Vec<f64> = in_turns(few, &mut arms)?.iter().map(Samples::p50).collect();
    let [in_turn, alone] = medians.as_slice() else { anyhow::bail!("an arm is lost") };
    Ok(Bar::at_most(
        format!("{IN_TURN} JavaScript rules in turn over one of them {IN_TURN} times"),
        in_turn / alone,
        1.5,
        "×",
    ))
}

fn deployed_and_loaded(bench: &Bench, interpreter: &Arc<Inspected>) -> anyhow::Result<(Vec<Bar>, Table)> {
    let mut deploys = Vec::new();
    let mut bytes = 0;
    for number in 0..LOADED {
        let inspected = inspect_javascript(&JavaScriptUpload::rule(distinct(number)).to_bytes(), interpreter)?;
        let began = Instant::now();
        let compiled = bench.compile_inspected(&inspected)?;
        if !compiled.is_from_cache() {
            deploys.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        bytes = bytes.max(compiled.code_bytes());
    }
    let (before, _) = machine::memory_kib()?;
    let began = Instant::now();
    let rules = (0..LOADED)
        .map(|number| load(bench, interpreter, &distinct(number)))
        .collect::<anyhow::Result<Vec<SandboxedRule>>>()?;
    let loading = began.elapsed().as_secs_f64();
    let (all, _) = machine::memory_kib()?;
    let [all, grown] = [all, all.saturating_sub(before)].map(|kib| kib as f64 / 1024.0);
    anyhow::ensure!(rules.len() == LOADED, "rules are lost");
    let slowest = deploys.iter().copied().fold(0.0, f64::max);
    let deploy = median(deploys);
    let bars = vec![
        Bar::at_most("deploying a JavaScript rule after the first", deploy, 1_000.0, " ms")
            .beside(&format!("the slowest of all {} ms", shown(slowest))),
        Bar::at_most(format!("{LOADED} JavaScript rules loaded: the whole process"), all, 500.0, " MiB")
            .beside(&format!("grown by {} MiB", shown(grown))),
        Bar::at_most(format!("{LOADED} JavaScript rules loaded from the cache"), loading, 5.0, " s"),
    ];
    let mut table = Table::new("JavaScript rules before any login", &["", ""]);
    table.row("deploying one: worker process, evaluation, cache (p50)", [format!("{} ms", shown(deploy))]);
    table.row("what one takes in the cache and in memory", [format!("{:.1} KiB", bytes as f64 / 1024.0)]);
    table.row(format!("inspecting and loading {LOADED} from the cache"), [format!("{} ms", shown(loading * 1_000.0))]);
    Ok((bars, table))
}
