//! Instances made ready ahead of logins: used once, bounded, gone with their rule, and in nothing different.

use std::{
    thread,
    time::{Duration, Instant},
};

use vestibule_abi::{codes::FailureCode, limits::Budget};
use vestibule_engine::{Engine, Grants, Profile, Run, SandboxedRule, Settings, http::Source};
use vestibule_testkit::{
    deploy::PROFILES,
    events::{self, Size},
    guests,
    oracle::alone,
};

use super::harness::{runtime, workshop};

/// An engine of its own, so that no other test's rules wait on it.
fn engine(profile: Profile, ready_runs: u32) -> Engine {
    Engine::new(Settings { concurrent_runs: 8, ready_runs, ..Settings::new(profile) }).expect("an engine")
}

fn deployed(engine: &Engine, wasm: &[u8]) -> SandboxedRule {
    runtime().block_on(workshop().deploy(engine, wasm, Grants::default())).expect("the fixture is acceptable")
}

fn run(rule: &SandboxedRule, budget: Budget) -> Run {
    let event = vestibule_abi::document::encode(&events::event(Size::Medium)).expect("an event");
    runtime().block_on(rule.run(&event, budget, Source::Denied)).expect("the engine is sound")
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

#[test]
fn a_ready_instance_is_used_once_and_gives_the_same() {
    let _alone = alone();
    for profile in PROFILES {
        let engine = engine(profile, 4);
        // It counts in its memory how often it ran: a second run in one instance would answer differently.
        let rule = deployed(
            &engine,
            &guests::rule(
                "(global $runs (mut i32) (i32.const 0))",
                "(if (global.get $runs) (then unreachable)) (global.set $runs (i32.const 1)) (call $ok)",
            ),
        );
        assert!(!rule.is_ready());
        let first = run(&rule, Budget::STANDARD);
        for _ in 0..50 {
            wait_until("no instance was made ready", || rule.is_ready());
            let next = run(&rule, Budget::STANDARD);
            assert_eq!(next.answer, first.answer, "{profile:?}");
            let spent = |run: &Run| (run.spent.fuel, run.spent.peak_memory_bytes, run.spent.host_calls);
            assert_eq!(spent(&next), spent(&first), "{profile:?}");
        }
    }
}

#[test]
fn what_a_run_may_spend_is_said_when_it_begins() {
    let _alone = alone();
    for profile in PROFILES {
        let rule = deployed(&engine(profile, 4), &guests::rule("", "(loop (br 0))"));
        let long = Budget { fuel: 2_000_000, ..Budget::STANDARD };
        assert_eq!(run(&rule, long).spent.fuel, long.fuel);
        wait_until("no instance was made ready", || rule.is_ready());
        let short = Budget { fuel: 1_000, ..Budget::STANDARD };
        let starved = run(&rule, short);
        assert_eq!(starved.answer.unwrap_err().code, FailureCode::FuelExhausted);
        assert_eq!(starved.spent.fuel, short.fuel);
        wait_until("no instance was made ready", || rule.is_ready());
        let small = Budget { memory_bytes: 0, ..Budget::STANDARD };
        assert_eq!(run(&rule, small).answer.unwrap_err().code, FailureCode::MemoryLimit);
    }
}

#[test]
fn instances_that_wait_are_bounded_and_go_with_their_rule() {
    let _alone = alone();
    for profile in PROFILES {
        let engine = engine(profile, 2);
        let rule = |text: &str| guests::rule(&format!("(data (i32.const 512) \"{text}\")"), "(call $ok)");
        let rules: Vec<_> = ["a", "b", "c", "d"].iter().map(|text| deployed(&engine, &rule(text))).collect();
        for _ in 0..10 {
            for rule in &rules {
                assert!(run(rule, Budget::STANDARD).answer.is_ok(), "{profile:?}");
                assert!(engine.ready_runs() <= 2);
            }
        }
        wait_until("no instance was made ready", || engine.ready_runs() == 2);
        drop(rules);
        wait_until("an instance outlives its rule", || engine.ready_runs() == 0);
    }
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// As a login that waits for something else, until the next instance of its rule is there.
async fn waiting(rule: &SandboxedRule) {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
        if rule.is_ready() {
            return;
        }
    }
    panic!("no instance was made ready");
}

#[test]
fn the_next_instance_is_made_on_the_thread_of_the_login_while_it_waits() {
    let _alone = alone();
    for profile in PROFILES {
        let rule = deployed(&engine(profile, 4), &guests::rule("", "(call $ok)"));
        let event = vestibule_abi::document::encode(&events::event(Size::Medium)).expect("an event");
        one_thread().block_on(async {
            for _ in 0..3 {
                rule.run(&event, Budget::STANDARD, Source::Denied).await.expect("the engine is sound");
                assert!(!rule.is_ready(), "{profile:?}: a login does not wait for what others need");
                waiting(&rule).await;
            }
        });
    }
}

#[test]
fn a_runtime_that_ends_takes_its_chores_along_and_the_next_one_has_its_own() {
    let _alone = alone();
    let engine = engine(Profile::Fast, 4);
    let rule = deployed(&engine, &guests::rule("", "(call $ok)"));
    let event = vestibule_abi::document::encode(&events::event(Size::Medium)).expect("an event");
    let run = || async {
        rule.run(&event, Budget::STANDARD, Source::Denied).await.expect("the engine is sound");
    };
    one_thread().block_on(run());
    assert_eq!(engine.ready_runs(), 0, "nothing was made: the runtime ended with the login");
    let run_and_wait = || async {
        run().await;
        waiting(&rule).await;
    };
    one_thread().block_on(run_and_wait());
    assert_eq!(engine.ready_runs(), 1);
    one_thread().block_on(run());
    assert_eq!(engine.ready_runs(), 0, "what it used is not kept for nobody to reset");
    one_thread().block_on(run_and_wait());
}

#[test]
fn a_rule_with_all_its_runs_under_way_is_told_so_and_others_go_on() {
    let _alone = alone();
    let budget = Budget {
        fuel: 1_000_000_000_000_000,
        wall: Duration::from_secs(60),
        elapsed: Duration::from_secs(60),
        ..Budget::STANDARD
    };
    for profile in PROFILES {
        let engine = engine(profile, 0);
        let spinner = deployed(&engine, &guests::rule("", "(loop (br 0))"));
        let other = deployed(&engine, &guests::benign());
        let spinning: Vec<_> = (0..2)
            .map(|_| {
                let spinner = spinner.clone();
                runtime().spawn(async move { spinner.run(&[], budget, Source::Denied).await })
            })
            .collect();
        let hurried = Budget { elapsed: Duration::from_millis(30), ..budget };
        wait_until("a third run of the rule was let in", || {
            run(&spinner, hurried).answer.is_err_and(|failure| failure.code == FailureCode::Overloaded)
        });
        assert!(run(&other, Budget { wall: Duration::from_secs(10), ..Budget::STANDARD }).answer.is_ok());
        spinning.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
