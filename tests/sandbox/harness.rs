//! Runs cases, and asks after each of them whether anything of it is left.

use std::{
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use vestibule_abi::{
    codes::{FailureCode, RefusalCode},
    limits::LoginBudget,
};
use vestibule_engine::{CompileLimits, Grants, Profile, Refusal, Report, SandboxedRule, drive, http::Source};
use vestibule_pipeline::{Manifest, Outcome};
use vestibule_testkit::{
    deploy::{self, PROFILES, Workshop, engine, login, manifest, pipeline},
    events::{self, CANARY, Size},
    guests,
    hostile::{Case, Expect, Guest},
    oracle::{Census, alone, threads_called},
};

/// The program that compiles modules for these tests.
pub(super) const WORKER: &str = env!("CARGO_BIN_EXE_compile-worker");

/// The worker threads of the runtime.
const RUNTIME_THREADS: usize = 2;

/// The runtime of all tests: as a server's, with worker threads.
pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .thread_keep_alive(Duration::from_millis(50)) // Threads that only wait for work are nothing left behind.
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// The compiler of all tests.
pub(super) fn workshop() -> &'static Workshop {
    static WORKSHOP: OnceLock<Workshop> = OnceLock::new();
    WORKSHOP.get_or_init(|| Workshop::new(Path::new(WORKER)))
}

/// Compile limits for tests that are not about time.
pub(super) fn patient() -> CompileLimits {
    let patience = Duration::from_secs(60);
    CompileLimits { optimised: patience, baseline: patience, ..CompileLimits::STANDARD }
}

/// Deploys a module that must be acceptable.
pub(super) fn deployed(profile: Profile, wasm: &[u8], grants: Grants) -> SandboxedRule {
    let deployed = runtime().block_on(workshop().deploy(engine(profile), wasm, grants));
    deployed.unwrap_or_else(|refusal| panic!("the fixture is refused: {refusal}"))
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// At deploy.
    Refused(RefusalCode),
    /// In a failed run.
    Failed(FailureCode, String),
    /// In another outcome.
    Outcome(&'static str),
}

/// Runs cases under every profile and asserts of each its exact outcome, the same under all, and all that must hold
/// after any of them; reports every case that is wrong.
#[track_caller]
pub(super) fn check(cases: Vec<Case>) {
    let _alone = alone();
    warm_up();
    assert!(!cases.is_empty(), "no cases");
    let before = Census::take();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let problem = judge(case, &before).err()?;
            Some(format!("{} ({}): {problem}", case.id, case.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn judge(case: &Case, before: &Census) -> Result<(), String> {
    let mut seen = Vec::new();
    for profile in PROFILES {
        let (ended, shown) =
            runtime().block_on(observe(profile, case)).map_err(|problem| format!("{profile:?}: {problem}"))?;
        if !meets(case.expect, &ended) {
            return Err(format!("{profile:?}: must be {:?}, is {ended:?}", case.expect));
        }
        benign_login(profile)?;
        Census::compare(before).map_err(|left| format!("{profile:?}: left behind: {left}"))?;
        seen.push(shown);
    }
    // Which limit a spinning guest hits first is the clock's doing.
    if !matches!(case.expect, Expect::FailedWithOneOf(_) | Expect::Contained)
        && seen.windows(2).any(|two| two[0] != two[1])
    {
        return Err(format!("the profiles differ: {seen:?}"));
    }
    Ok(())
}

fn meets(expect: Expect, ended: &Ended) -> bool {
    match (expect, ended) {
        (Expect::Refused(code), Ended::Refused(found)) => code == *found,
        (Expect::Failed(code), Ended::Failed(found, _)) => code == *found,
        (Expect::Traps(words), Ended::Failed(FailureCode::Trap, message)) => message.contains(words),
        (Expect::FailedWithOneOf(codes), Ended::Failed(found, _)) => codes.contains(found),
        (Expect::Outcome(outcome), Ended::Outcome(found)) => outcome == *found,
        (Expect::Contained, Ended::Failed(code, _)) => *code != FailureCode::HostInternal,
        (Expect::Contained, Ended::Refused(_) | Ended::Outcome(_)) => true,
        _ => false,
    }
}

/// Takes a case from its bytes to the outcome of a login, and what is the same under every profile.
async fn observe(profile: Profile, case: &Case) -> Result<(Ended, Value), String> {
    let (wasm, grants) = match &case.guest {
        Guest::Module(wasm) if case.manifest.is_some_and(|lines| lines.contains("files = true")) => {
            (wasm.clone(), deploy::files_only(&[("answer", b"0123456789")]))
        }
        Guest::Module(wasm) => (wasm.clone(), Grants::default()),
        Guest::Answers(bytes) => (parrot().to_vec(), deploy::files_only(&[("answer", bytes)])),
    };
    let rule = match workshop().deploy(engine(profile), &wasm, grants).await {
        Ok(rule) => rule,
        Err(Refusal { code, message }) => {
            let shown = message.chars().all(|character| !character.is_control()) && message.len() < 2_000;
            return if shown {
                Ok((Ended::Refused(code), Value::Null))
            } else {
                Err(format!("a refusal unfit to show: {message:?}"))
            };
        }
    };
    let manifest = case.manifest.map_or_else(|| Manifest::permissive("hostile"), |lines| manifest("hostile", 1, lines));
    let report = one_login(&[rule], vec![manifest], &events::event(Size::Medium)).await?;
    Ok((ended(&report.outcome), without_times(&report)))
}

fn parrot() -> &'static [u8] {
    static PARROT: OnceLock<Vec<u8>> = OnceLock::new();
    PARROT.get_or_init(guests::parrot)
}

/// How a login ended.
pub(super) fn ended(outcome: &Outcome) -> Ended {
    match outcome {
        Outcome::Failed { failure, .. } => Ended::Failed(failure.code, failure.message.clone()),
        other => Ended::Outcome(other.as_str()),
    }
}

/// Drives a login and holds what it becomes against what must always hold.
pub(super) async fn one_login(
    rules: &[SandboxedRule],
    manifests: Vec<Manifest>,
    event: &Value,
) -> Result<Report, String> {
    let mut login = login(pipeline(manifests), event.clone());
    let began = Instant::now();
    let report = drive(&mut login, rules, |_| Source::Denied)
        .await
        .map_err(|error| format!("the engine is at fault: {error}"))?;
    if began.elapsed() > LoginBudget::STANDARD.wall + Duration::from_millis(50) {
        return Err(format!("answered after {:?}", began.elapsed()));
    }
    let text = serde_json::to_string(&report).map_err(|error| error.to_string())?;
    if text.contains(CANARY) {
        return Err("a secret is in the report".to_owned());
    }
    if !matches!(report.outcome, Outcome::Allow(_)) {
        let profile = report.outcome.profile();
        let kept = profile.user_metadata() != events::bag(event, "user_metadata")
            || profile.app_metadata() != events::bag(event, "app_metadata");
        let tokens = serde_json::to_value(&report.outcome).map_err(|error| error.to_string())?;
        if kept || tokens["id_token"] != serde_json::json!({}) || tokens["access_token"] != serde_json::json!({}) {
            return Err("something staged was kept".to_owned());
        }
    }
    Ok(report)
}

/// A report without the times in it, which are never twice the same.
pub(super) fn without_times(report: &Report) -> Value {
    let mut value = serde_json::to_value(report).expect("a report is JSON");
    for rule in value["rules"].as_array_mut().expect("rules") {
        rule.as_object_mut().expect("a rule").shift_remove("wall_us");
    }
    value
}

/// A login through a rule that means no harm: it must always go well.
pub(super) fn benign_login(profile: Profile) -> Result<(), String> {
    static BENIGN: OnceLock<[SandboxedRule; 2]> = OnceLock::new();
    let rules = BENIGN.get_or_init(|| PROFILES.map(|profile| deployed(profile, &guests::benign(), Grants::default())));
    let rule = rules[PROFILES.iter().position(|known| *known == profile).expect("a profile")].clone();
    let manifest = Manifest::permissive("benign");
    let report = runtime().block_on(one_login(&[rule], vec![manifest], &events::event(Size::Medium)))?;
    match report.outcome {
        Outcome::Allow(_) => Ok(()),
        other => Err(format!("a benign login afterwards is {:?}", ended(&other))),
    }
}

/// Has everything that stays once made before anything is counted.
pub(super) fn warm_up() {
    for profile in PROFILES {
        benign_login(profile).expect("a benign login goes well");
    }
    let parrot = deploy::files_only(&[("answer", b"{}")]);
    drop(deployed(Profile::Fast, self::parrot(), parrot));
    // A thread that has not run yet is called like the test that began it, and would not be counted.
    let begun = Instant::now();
    for (called, expected) in [("vestibule-", PROFILES.len()), ("tokio-rt-worker", RUNTIME_THREADS)] {
        while threads_called(called) < expected {
            assert!(begun.elapsed() < Duration::from_secs(60), "threads called {called} never ran");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
