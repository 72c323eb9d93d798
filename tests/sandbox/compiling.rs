//! Compiling is the most dangerous moment: bombs, limits, and workers that go wrong (HR-09 … HR-12, HR-19, HR-20).

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use vestibule_abi::codes::RefusalCode;
use vestibule_engine::{
    CompileError, CompileLimits, CompiledRule, Compiler, Profile, Tier,
    cache::{Cache, InstallationKey},
    inspect,
};
use vestibule_testkit::{
    deploy::engine,
    guests,
    hostile::structure,
    oracle::{Census, alone, growth_while},
};

use super::harness::{WORKER, benign_login, patient, runtime, warm_up, workshop};

/// The parent may grow by this much while an upload is compiled, in bytes.
const PARENT_BYTES: u64 = 32 * 1024 * 1024;

/// Compiles what takes the optimiser longest, each for up to 10 s: about half a minute.
#[test]
fn a_compile_bomb_is_answered_within_12_seconds_and_the_parent_hardly_grows() {
    let _alone = alone();
    warm_up();
    let bombs = [
        ("HR-10: 250 kB of chained blocks", structure::chained_blocks(250_000)),
        ("HR-09: 500 kB of chained blocks", structure::chained_blocks(500_000)),
        ("HR-11: 20 000 live results", structure::live_results(20_000)),
        ("HR-12: 80 000 loads in one function", structure::loads(80_000)),
    ];
    for (name, wasm) in bombs {
        let inspected = inspect(&wasm).expect("a bomb looks harmless");
        let compiler = Compiler::with_worker(WORKER, None);
        let began = Instant::now();
        let (compiled, grown) =
            growth_while(|| runtime().block_on(compiler.compile(engine(Profile::Fast), &inspected)));
        let took = began.elapsed();
        let how = described(&compiled);
        println!("{name}: {} bytes, {how} after {took:.2?}, the parent grew by {} KiB", wasm.len(), grown / 1024);
        assert!(took < Duration::from_secs(12), "{name}: answered after {took:?}");
        assert!(grown < PARENT_BYTES, "{name}: the parent grew by {grown} bytes");
        benign_login(Profile::Fast).expect("logins go on");
    }
}

fn described(compiled: &Result<CompiledRule, CompileError>) -> String {
    match compiled {
        Ok(compiled) => format!("{} ({} bytes of code)", compiled.tier().as_str(), compiled.code_bytes()),
        Err(refused) => refused.to_string(),
    }
}

#[test]
fn a_compile_limit_that_is_reached_has_its_own_code() {
    let _alone = alone();
    warm_up();
    let short = Duration::from_millis(40);
    let limits = [
        (
            "time",
            CompileLimits { optimised: short, baseline: short, ..CompileLimits::STANDARD },
            RefusalCode::CompileTimeout,
        ),
        ("memory", CompileLimits { memory_bytes: 96 << 20, ..patient() }, RefusalCode::CompileMemory),
        ("code", CompileLimits { artifact_bytes: 10_000, ..patient() }, RefusalCode::CompileMemory),
    ];
    let inspected = inspect(&structure::loads(80_000)).expect("a bomb looks harmless");
    for (what, limits, code) in limits {
        let compiler = Compiler::with_worker(WORKER, None).limits(limits);
        assert_eq!(refusal(&compiler, &inspected), code, "over its {what}");
    }
}

/// HR-19: whatever a worker does, the parent says `compile_crashed` or `compile_timeout`, and nothing of it stays.
#[test]
fn a_worker_that_goes_wrong_is_a_refusal_and_nothing_more() {
    let _alone = alone();
    warm_up();
    let inspected = inspect(&guests::empty()).expect("a module");
    let others = [7_u8; 32].map(|byte| byte.to_string()).join(",");
    let own = inspected.digest.map(|byte| byte.to_string()).join(",");
    let crashed = RefusalCode::CompileCrashed;
    let limit = Duration::from_millis(500);
    let impatient = CompileLimits { optimised: limit, baseline: limit, ..CompileLimits::STANDARD };
    let workers = [
        ("killed", "kill -9 $$".to_owned(), crashed),
        ("aborted", "kill -6 $$".to_owned(), crashed),
        ("an exit code", "exit 3".to_owned(), crashed),
        ("silence", "exit 0".to_owned(), crashed),
        ("garbage", "echo garbage".to_owned(), crashed),
        ("garbage without a line end", "printf garbage".to_owned(), crashed),
        (
            "an answer for another module",
            format!("printf '{{\"digest\":[{others}],\"refused\":null}}\\ncode'"),
            crashed,
        ),
        (
            "an answer with more members",
            format!("printf '{{\"digest\":[{own}],\"refused\":null,\"trust\":true}}\\ncode'"),
            crashed,
        ),
        ("a code nobody knows", format!("printf '{{\"digest\":[{own}],\"refused\":[\"fine\",\"\"]}}\\n'"), crashed),
        ("endless output", "exec cat /dev/zero".to_owned(), crashed),
        ("a hang", "exec sleep 60".to_owned(), RefusalCode::CompileTimeout),
        ("a hang with closed pipes", "exec sleep 60 <&- >&- 2>&-".to_owned(), RefusalCode::CompileTimeout),
        ("endless errors", "exec cat /dev/zero >&2".to_owned(), RefusalCode::CompileTimeout),
    ];
    let before = Census::take();
    for (what, script, code) in workers {
        let began = Instant::now();
        let compiler = match code {
            RefusalCode::CompileTimeout => shell(&script).limits(impatient),
            _ => shell(&script),
        };
        let (refused, grown) = growth_while(|| refusal(&compiler, &inspected));
        assert_eq!(refused, code, "a worker with {what}");
        assert!(began.elapsed() < Duration::from_secs(12), "a worker with {what}: {:?}", began.elapsed());
        assert!(grown < 2 * PARENT_BYTES, "a worker with {what}: the parent grew by {grown} bytes");
        Census::compare(&before).unwrap_or_else(|left| panic!("a worker with {what} left {left}"));
        benign_login(Profile::Fast).expect("logins go on");
    }
}

/// An answer that says yes and brings garbage is not code: it is refused when it is loaded, not executed.
#[test]
fn a_worker_that_answers_garbage_as_code_is_found_out_before_it_runs() {
    let _alone = alone();
    warm_up();
    let inspected = inspect(&guests::empty()).expect("a module");
    let own = inspected.digest.map(|byte| byte.to_string()).join(",");
    let compiler = shell(&format!("printf '{{\"digest\":[{own}],\"refused\":null}}\\nnot code'"));
    let compiled = runtime().block_on(compiler.compile(engine(Profile::Fast), &inspected)).expect("taken at its word");
    let Err(CompileError::Refused(refused)) =
        engine(Profile::Fast).load(&compiled, vestibule_engine::Grants::default())
    else {
        panic!("garbage was loaded");
    };
    assert_eq!(refused.code, RefusalCode::ArtifactIntegrity);
}

#[test]
fn a_worker_that_crashes_is_tried_once_more_and_no_oftener() {
    let _alone = alone();
    warm_up();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let count = folder.path().join("count");
    let inspected = inspect(&guests::empty()).expect("a module");
    let compiler = shell(&format!("echo tried >> {}; kill -9 $$", count.display()));
    assert_eq!(refusal(&compiler, &inspected), RefusalCode::CompileCrashed);
    assert_eq!(fs::read_to_string(count).expect("the worker counted").lines().count(), 2);
}

/// As on a busy machine: the attempt with optimisation came to nothing when the rule was deployed.
#[test]
fn a_module_without_optimisation_gets_it_later() {
    let _alone = alone();
    warm_up();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let compiler = crashing(1, folder.path());
    let inspected = inspect(&guests::benign()).expect("a module");
    let tier = || {
        let compiled = runtime().block_on(compiler.compile(engine(Profile::Fast), &inspected)).expect("it compiles");
        (compiled.tier(), compiled.is_from_cache())
    };
    assert_eq!([tier(), tier()], [(Tier::Baseline, false), (Tier::Baseline, true)]);
    let again = runtime().block_on(compiler.optimise_next(engine(Profile::Fast))).expect("it compiles");
    assert_eq!((again.tier(), again.digest()), (Tier::Optimised, inspected.digest));
    assert_eq!(tier(), (Tier::Optimised, true));
    let nothing = runtime().block_on(async { compiler.optimise_next(engine(Profile::Fast)).now_or_never() });
    assert!(nothing.is_none(), "{nothing:?}");
}

#[test]
fn a_module_that_takes_the_optimiser_too_long_is_not_tried_for_ever() {
    let _alone = alone();
    warm_up();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let compiler = crashing(1, folder.path());
    let inspected = inspect(&guests::benign()).expect("a module");
    let compile = || runtime().block_on(compiler.compile(engine(Profile::Fast), &inspected)).expect("it compiles");
    assert_eq!(compile().tier(), Tier::Baseline);
    fs::write(folder.path().join("crashes"), "x").expect("written");
    let again = runtime().block_on(compiler.optimise_next(engine(Profile::Fast)));
    assert!(matches!(&again, Err(CompileError::Refused(it)) if it.code == RefusalCode::CompileCrashed), "{again:?}");
    assert_eq!(compile().tier(), Tier::Baseline, "it stays as it is");
    let nothing = runtime().block_on(async { compiler.optimise_next(engine(Profile::Fast)).now_or_never() });
    assert!(nothing.is_none(), "{nothing:?}");
}

#[test]
fn a_missing_worker_is_our_fault_and_not_the_modules() {
    let inspected = inspect(&guests::empty()).expect("a module");
    let compiler = Compiler::with_worker("/nonexistent/worker", None);
    let failed = runtime().block_on(compiler.compile(engine(Profile::Fast), &inspected));
    assert!(matches!(failed, Err(CompileError::Engine(_))), "{failed:?}");
}

/// HR-20: a crowd of bombs queues; never more than two are compiled at a time, and logins go on.
#[test]
fn a_crowd_of_bombs_queues_and_logins_go_on() {
    let _alone = alone();
    warm_up();
    let limit = Duration::from_millis(250);
    let limits = CompileLimits { optimised: limit, baseline: limit, ..CompileLimits::STANDARD };
    let compiler = Compiler::with_worker(WORKER, None).limits(limits);
    let inspected = inspect(&structure::chained_blocks(500_000)).expect("a bomb looks harmless");
    let before = Census::take();
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let _refused_or_baseline = runtime().block_on(compiler.compile(engine(Profile::Fast), &inspected));
                answered.fetch_add(1, Ordering::Relaxed);
            });
        }
        let mut logins = 0;
        while answered.load(Ordering::Relaxed) < 8 {
            let children = Census::take().children;
            assert!(children <= before.children + 2, "{children} workers at one time");
            benign_login(Profile::Fast).expect("logins go on");
            logins += 1;
        }
        assert!(logins > 8, "only {logins} logins went through meanwhile");
    });
    Census::compare(&before).expect("nothing is left");
}

/// HR-03: compiled code is no module, and what was compiled here before cannot be uploaded.
#[test]
fn compiled_code_cannot_be_uploaded() {
    let _alone = alone();
    warm_up();
    let artifact = fs::read_dir(workshop().cache()).expect("a cache").next().expect("an artifact").expect("a file");
    let code = fs::read(artifact.path()).expect("readable");
    assert_eq!(inspect(&code).expect_err("code is no module").code, RefusalCode::ModuleMalformed);
}

/// A compiler with a cache of its own whose worker crashes as often as the file `crashes` has letters.
fn crashing(times: usize, folder: &Path) -> Compiler {
    let crashes = folder.join("crashes");
    fs::write(&crashes, "x".repeat(times)).expect("written");
    let script = format!(
        "left=$(cat {0}); [ -z \"$left\" ] || {{ printf %s \"${{left#x}}\" > {0}; kill -9 $$; }}; exec {WORKER}",
        crashes.display()
    );
    let cache = Cache::open(folder.join("cache"), InstallationKey::new([7; 32])).expect("a cache");
    Compiler::with_worker("/bin/sh", Some(cache)).worker_args(["-c", &script]).limits(patient())
}

/// A worker that is a shell script.
fn shell(script: &str) -> Compiler {
    Compiler::with_worker("/bin/sh", None).worker_args(["-c", script]).limits(patient())
}

fn refusal(compiler: &Compiler, inspected: &vestibule_engine::Inspected) -> RefusalCode {
    match runtime().block_on(compiler.compile(engine(Profile::Fast), inspected)) {
        Err(CompileError::Refused(refusal)) => refusal.code,
        other => panic!("neither refused nor … {other:?}"),
    }
}
