//! JavaScript rules keep every promise that modules keep: one shared interpreter, and nothing shared between two logins.
//!
//! The interpreter is the real one, built once for a target folder; [`the_heap_of_one_rule_is_never_seen_by_another`] has
//! one in WebAssembly text, because it has to look at every byte.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::{Value, json};
use vestibule_abi::{codes::RefusalCode, host::Capability, limits::Budget};
use vestibule_engine::{
    CompileError, CompileLimits, CompiledRule, Compiler, Engine, Grants, Inspected, JavaScriptUpload, ModuleBundle,
    Profile, Refusal, Run, SandboxedRule, Settings, http::Source, inspect_interpreter, inspect_javascript,
};
use vestibule_testkit::{
    deploy::{PROFILES, engine, open_cache},
    events::{self, Size},
    guests,
    oracle::alone,
};

use super::harness::{WORKER, patient, runtime};

/// Time enough on a busy machine: what ends a rule here is fuel or memory.
const BUDGET: Budget = Budget { wall: Duration::from_secs(10), elapsed: Duration::from_secs(20), ..Budget::JAVASCRIPT };

/// What tests of this target folder share: the interpreter, and the cache of what was compiled.
const SHARED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/javascript");

fn interpreter() -> &'static Arc<Inspected> {
    static INTERPRETER: OnceLock<Arc<Inspected>> = OnceLock::new();
    INTERPRETER.get_or_init(|| {
        let module = vestibule_javascript::interpreter(Path::new(SHARED)).expect("the tools to build it");
        inspect_interpreter(&module).expect("an interpreter")
    })
}

fn compiler() -> &'static Compiler {
    static COMPILER: OnceLock<Compiler> = OnceLock::new();
    COMPILER.get_or_init(|| {
        let cache = open_cache(&Path::new(SHARED).join("compiled"), 7);
        Compiler::with_worker(WORKER, Some(cache)).limits(patient())
    })
}

fn compile(engine: &Engine, upload: &JavaScriptUpload) -> Result<CompiledRule, Refusal> {
    let inspected = inspect_javascript(&upload.to_bytes(), interpreter())?;
    runtime().block_on(compiler().compile(engine, &inspected)).map_err(|error| match error {
        CompileError::Refused(refusal) => refusal,
        CompileError::Engine(fault) => panic!("the engine is at fault: {fault}"),
    })
}

fn deployed(engine: &Engine, source: &str) -> SandboxedRule {
    let compiled = compile(engine, &JavaScriptUpload::rule(source)).unwrap_or_else(|refusal| panic!("{refusal}"));
    engine.load(&compiled, Grants::default()).expect("it needs no grant")
}

fn refused(source: &str) -> Refusal {
    compile(engine(Profile::Fast), &JavaScriptUpload::rule(source)).expect_err("it cannot be deployed")
}

fn run_on(rule: &SandboxedRule, event: &Value) -> Run {
    runtime().block_on(rule.run(&events::document(event), BUDGET, Source::Denied)).expect("the engine is sound")
}

/// A login's event, with the time and the seed that the host adds.
fn event() -> Value {
    let mut event = events::event(Size::Small);
    event["context"]["now"] = json!(1_795_163_400_123_i64);
    event["context"]["seed"] = json!("5e".repeat(32));
    event["configuration"] = json!({});
    event["shared"] = json!({});
    event
}

/// What a run came to: the answer as JSON, or the code of its failure.
fn ended(run: &Run) -> String {
    match &run.answer {
        Ok(answer) => serde_json::from_slice::<Value>(answer).expect("JSON").to_string(),
        Err(failure) => failure.code.to_string(),
    }
}

/// Runs a source under both profiles, and again; says what every run came to.
pub(super) fn outcome(source: &str) -> String {
    let all: Vec<String> = PROFILES
        .iter()
        .map(|profile| deployed(engine(*profile), source))
        .flat_map(|rule| [run_on(&rule, &event()), run_on(&rule, &event())])
        .map(|run| ended(&run))
        .collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{source}: {all:#?}");
    all.into_iter().next().unwrap_or_default()
}

/// A rule whose function has this body; `claim(value)` ends it with the value as a claim.
pub(super) fn rule(body: &str) -> String {
    format!(
        "function rule(user, context, callback) {{\n  const claim = (value) => {{ context.idToken['https://x/v'] = value; \
         callback(null, user, context); }};\n  {body}\n}}"
    )
}

pub(super) fn claims(value: &Value) -> String {
    json!({ "continue": { "id_token": { "https://x/v": value } } }).to_string()
}

#[test]
fn a_thousand_repeats_give_the_same_answer_for_the_same_fuel() {
    let _alone = alone();
    let source = rule(
        "const seen = [Math.random(), new Date().toISOString(), 0.1 + 0.2, Math.sin(user.email.length), String(new Map([[1, {}]]).size)];
         console.log(seen.join(' '), JSON.stringify(user));
         setTimeout(() => Promise.resolve().then(() => claim(seen.join(' ') + Math.random())), 5);",
    );
    let mut first: Option<Run> = None;
    for profile in PROFILES {
        let rule = deployed(engine(profile), &source);
        for repeat in 0..1_000 {
            let run = run_on(&rule, &event());
            let Some(first) = &first else {
                println!("{} for {} fuel", ended(&run), run.spent.fuel);
                assert!(run.answer.is_ok(), "{:?}", run.answer);
                first = Some(run);
                continue;
            };
            assert_eq!(run.answer, first.answer, "{profile:?}, repeat {repeat}");
            assert_eq!(run.spent.fuel, first.spent.fuel, "{profile:?}, repeat {repeat}");
            assert_eq!(run.logs, first.logs, "{profile:?}, repeat {repeat}");
        }
    }
    let mut other = event();
    other["context"]["seed"] = json!("07".repeat(32));
    let rule = deployed(engine(Profile::Fast), &source);
    assert_ne!(run_on(&rule, &other).answer, first.expect("it ran").answer, "another seed, another number");
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_the_authors_line() {
    let _alone = alone();
    let cases = [
        ("function rule(user) {\n  let a = = 1;\n}", "rule.js:2:11: SyntaxError: unexpected token in expression: '='"),
        ("(() => {\n  throw new TypeError('not now');\n})()", "rule.js:2:13: TypeError: not now"),
        ("(() => { for (;;) {} })()", "it runs too long while it is loaded"),
        (
            "(() => { const all = []; for (;;) all.push(new Uint8Array(65536)); })()",
            "the source could not be evaluated",
        ),
    ];
    for (source, expected) in cases {
        let refusal = refused(source);
        assert_eq!(refusal.code, RefusalCode::InitFailed, "{source}: {refusal}");
        assert!(refusal.message.contains(expected), "{source}: {}", refusal.message);
    }
}

#[test]
fn an_upload_is_source_and_nothing_else() {
    let _alone = alone();
    let parse = |bytes: &[u8]| inspect_javascript(bytes, interpreter()).expect_err("no upload").code;
    assert_eq!(parse(b"\0asm\x01\0\0\0"), RefusalCode::ModuleMalformed);
    assert_eq!(
        parse(b"{\"kind\":\"rule\",\"file\":\"a\",\"source\":\"\",\"heap\":\"AAAA\"}"),
        RefusalCode::ModuleMalformed
    );
    let huge = JavaScriptUpload::rule("x".repeat(300 * 1024));
    assert_eq!(parse(&huge.to_bytes()), RefusalCode::ModuleTooLarge);
    let mut nameless = JavaScriptUpload::rule("1");
    nameless.modules.push(ModuleBundle { name: "a\nb".into(), source: String::new() });
    assert_eq!(parse(&nameless.to_bytes()), RefusalCode::ModuleMalformed);
}

#[test]
fn rules_share_one_interpreter_and_come_back_from_the_cache() {
    let _alone = alone();
    let engine = engine(Profile::Fast);
    let source = rule(&format!("claim('{}');", std::process::id())); // Not there yet, whoever ran before.
    let upload = JavaScriptUpload::rule(source);
    let first = compile(engine, &upload).expect("it is a rule");
    let again = compile(engine, &upload).expect("it is a rule");
    assert!(!first.is_from_cache() && again.is_from_cache());
    assert!(first.code_bytes() < 256 * 1024, "a rule takes {} bytes", first.code_bytes());
    let answers = [first, again].map(|compiled| {
        let rule = engine.load(&compiled, Grants::default()).expect("it needs no grant");
        ended(&run_on(&rule, &event()))
    });
    assert_eq!(answers[0], claims(&json!(std::process::id().to_string())));
    assert_eq!(answers[0], answers[1]);
}

/// What is beyond would be given back to the kernel after each run, by a system call, and faulted in again.
#[test]
fn a_rule_of_some_kilobytes_has_no_more_memory_than_stays_resident() {
    let conditions: String = (0..50)
        .map(|number| {
            format!(
                "if (user.email === 'person-{number}@example.com') context.idToken['https://x/{number}'] = user.name;\n"
            )
        })
        .collect();
    let source = rule(&format!("{conditions} claim(user.email);"));
    assert!(source.len() > 4_000);
    let run = run_on(&deployed(engine(Profile::Fast), &source), &event());
    assert!(run.answer.is_ok(), "{:?}", run.answer);
    assert_eq!(run.spent.peak_memory_bytes, Settings::new(Profile::Fast).resident_bytes as u64);
}

/// Whatever a rule leaves in its slot, the next finds the warmed memory and its own heap, byte for byte.
#[test]
fn the_heap_of_one_rule_is_never_seen_by_another() {
    let _alone = alone();
    for profile in PROFILES {
        let settings = Settings { concurrent_runs: 1, warm_memories: 1, ..Settings::new(profile) };
        let engine = Engine::new(settings).expect("an engine");
        let [a, b] = ["first rule", "the second, which is longer"].map(|source| {
            let interpreter = inspect_interpreter(&scanner()).expect("an interpreter");
            let inspected =
                inspect_javascript(&JavaScriptUpload::rule(source).to_bytes(), &interpreter).expect("an upload");
            let limits = CompileLimits { optimised: Duration::from_secs(60), ..patient() };
            let compiler = Compiler::with_worker(WORKER, None).limits(limits);
            let compiled = runtime().block_on(compiler.compile(&engine, &inspected)).expect("it evaluates");
            (engine.load(&compiled, Grants::default()).expect("it needs no grant"), source.len())
        });
        for alternation in 0..200 {
            for (rule, length) in [&a, &b] {
                let run = run_on(rule, &event());
                assert_eq!(run.spent.peak_memory_bytes, 3 * 65_536);
                assert!(run.answer.is_ok(), "{profile:?}, {alternation}, {length} bytes: {:?}", run.answer);
            }
        }
    }
}

/// An interpreter that keeps a source at 131072, its length at 131064 and nothing else, whose memory grows when it is
/// evaluated; `run` fails unless every byte is as it was left, then fills all of it.
fn scanner() -> Vec<u8> {
    guests::module(
        &[Capability::Core],
        r#"(memory (export "memory") 2)
           (data (i32.const 8) "{\22continue\22:{}}")
           (global $initialised (mut i32) (i32.const 0))
           (func (export "_initialize") (i32.store (i32.const 70000) (i32.const 0x5a5a5a5a)))
           (func (export "take") (param $length i32) (result i32)
             (if (i32.eq (memory.size) (i32.const 2)) (then (drop (memory.grow (i32.const 1)))))
             (i32.const 131072))
           (func (export "evaluate") (param i32 i32 i32 i32) (i32.store (i32.const 131064) (local.get 3)))
           (func (export "settle") (result i32) (i32.const 65536))
           (func $expect (param $from i32) (param $to i32)
             (loop $next
               (if (i32.lt_u (local.get $from) (local.get $to))
                 (then
                   (if (i32.load8_u (local.get $from)) (then (call $fail (local.get $from) (i32.const 1))))
                   (local.set $from (i32.add (local.get $from) (i32.const 1)))
                   (br $next)))))
           (func (export "run") (local $length i32)
             (local.set $length (i32.load (i32.const 131064)))
             (if (i32.ne (i32.load (i32.const 70000)) (i32.const 0x5a5a5a5a)) (then (unreachable)))
             (if (i32.eqz (i32.load8_u (i32.const 131072))) (then (unreachable)))
             (call $expect (i32.const 23) (i32.const 70000))
             (call $expect (i32.const 70004) (i32.const 131064))
             (call $expect (i32.add (i32.const 131072) (local.get $length)) (i32.const 196608))
             (call $answer (i32.const 8) (i32.const 15))
             (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 196608)))"#,
    )
}
