//! Rules yield while they run: one that spins delays nobody (HR-34, HR-47).

use std::time::Duration;

use tokio::{runtime::Builder, task::JoinSet};
use vestibule_abi::{codes::FailureCode, host::Capability, limits::Budget};
use vestibule_engine::{Engine, Grants, Profile, SandboxedRule, Settings, http::Source};
use vestibule_testkit::{
    deploy::PROFILES,
    events::{self, Size},
    guests,
    hostile::SPENT,
    oracle::{Census, alone},
};

use super::harness::{deployed, runtime, warm_up, workshop};

/// None of the spinners would ever end: that the innocent runs end at all is the proof.
#[test]
fn an_innocent_rule_finishes_while_twenty_others_spin_on_its_only_thread() {
    let _alone = alone();
    for profile in PROFILES {
        let spinner = deployed(profile, &spinner(), Grants::default());
        let innocent = deployed(profile, &guests::benign(), Grants::default());
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(async {
            let mut spinners = JoinSet::new();
            for _ in 0..20 {
                spinners.spawn(spin(spinner.clone(), ENDLESS));
            }
            tokio::task::yield_now().await; // All of them begin.
            for _ in 0..10 {
                let run = innocent.run(&event(), PATIENT, Source::Denied).await.expect("the engine is sound");
                assert!(run.answer.is_ok(), "{profile:?}: {:?}", run.answer);
            }
            assert!(spinners.try_join_next().is_none(), "{profile:?}: a spinner ended");
            spinners.shutdown().await; // Dropped in the middle of their runs, as when clients go away (HR-113).
            let run = innocent.run(&event(), PATIENT, Source::Denied).await.expect("the engine is sound");
            assert!(run.answer.is_ok(), "{profile:?}: {:?}", run.answer);
        });
    }
}

#[test]
fn a_spinner_ends_in_the_limit_it_reaches() {
    let _alone = alone();
    let limits = [
        (FailureCode::DeadlineExceeded, Budget { wall: Duration::from_millis(20), ..ENDLESS }),
        (FailureCode::DeadlineExceeded, Budget { elapsed: Duration::from_millis(20), ..ENDLESS }),
        (FailureCode::FuelExhausted, Budget { fuel: 5_000_000, ..ENDLESS }),
    ];
    for profile in PROFILES {
        let spinner = deployed(profile, &spinner(), Grants::default());
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(async {
            let mut spinners = JoinSet::new();
            // As many as one rule may have at one time: who waits longer than its login has is told something else.
            for (code, budget) in limits.into_iter().cycle().take(6) {
                let spinning = spin(spinner.clone(), budget);
                spinners.spawn(async move { (code, spinning.await) });
            }
            while let Some(joined) = spinners.join_next().await {
                let (code, ended) = joined.expect("no spinner panics");
                assert_eq!(ended, code, "{profile:?}");
            }
        });
    }
}

/// HR-50: nothing ever interrupts this run, so only what the guest's own code counts can end it.
#[test]
fn fuel_bounds_a_run_although_the_ticker_stands_still() {
    let _alone = alone();
    for profile in PROFILES {
        let stalled = Settings { tick: Duration::from_secs(3_600), concurrent_runs: 4, ..Settings::new(profile) };
        let engine = Engine::new(stalled).expect("an engine");
        let spinner = runtime().block_on(workshop().deploy(&engine, &spinner(), Grants::default()));
        let spinner = spinner.expect("the fixture is acceptable");
        let ended = runtime().block_on(spin(spinner, Budget { fuel: 5_000_000, ..ENDLESS }));
        assert_eq!(ended, FailureCode::FuelExhausted, "{profile:?}");
    }
}

/// As with spinners; a bcrypt takes as long as hundreds of their turns, and cannot be interrupted, and a digest has no tick.
#[test]
fn an_innocent_rule_finishes_while_others_hash() {
    let _alone = alone();
    for (profile, work) in PROFILES.into_iter().flat_map(|profile| [(profile, bcrypt(11)), (profile, digest())]) {
        let hasher = guests::rule_of(&[Capability::Core, Capability::Hash], 1, "", &format!("(loop {work} (br 0))"));
        let hasher = deployed(profile, &hasher, Grants::default());
        let innocent = deployed(profile, &guests::benign(), Grants::default());
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(async {
            let mut hashers = JoinSet::new();
            for _ in 0..20 {
                hashers.spawn(spin(hasher.clone(), ENDLESS));
            }
            tokio::task::yield_now().await; // All of them begin.
            for _ in 0..10 {
                let run = innocent.run(&event(), PATIENT, Source::Denied).await.expect("the engine is sound");
                assert!(run.answer.is_ok(), "{profile:?}: {:?}", run.answer);
            }
            assert!(hashers.try_join_next().is_none(), "{profile:?}: a hasher ended");
            hashers.shutdown().await;
        });
    }
}

/// HR-58: for a range outside the memory there is a code, whatever the hash would have cost.
#[test]
fn who_cannot_pay_for_a_hash_is_told_so_unless_its_arguments_are_wrong() {
    let poor = Budget { fuel: 100_000, ..ENDLESS };
    let wild = bcrypt(14).replacen("(i32.const 8)", "(i32.const -8)", 1);
    for (work, code) in [(bcrypt(14), FailureCode::FuelExhausted), (wild, FailureCode::HostcallBadArgs)] {
        let hasher = guests::rule_of(&[Capability::Core, Capability::Hash], 1, "", &format!("{work} (call $ok)"));
        let hasher = deployed(Profile::Fast, &hasher, Grants::default());
        assert_eq!(runtime().block_on(spin(hasher, poor)), code, "{work}");
    }
}

#[test]
fn the_time_of_a_hash_is_the_rules_own_and_waiting_for_a_thread_the_logins() {
    let _alone = alone();
    let limits = [
        Budget { wall: Duration::from_millis(5), ..ENDLESS }, // Less than the hash takes.
        Budget { elapsed: Duration::from_millis(5), ..ENDLESS }, // It may take that long, but the login does not wait.
    ];
    let hasher = guests::rule_of(&[Capability::Core, Capability::Hash], 1, "", &format!("{} (call $ok)", bcrypt(10)));
    for profile in PROFILES {
        let hasher = deployed(profile, &hasher, Grants::default());
        for budget in limits {
            let ended = runtime().block_on(spin(hasher.clone(), budget));
            assert_eq!(ended, FailureCode::DeadlineExceeded, "{profile:?}: {budget:?}");
        }
        let run = runtime().block_on(hasher.run(&event(), ENDLESS, Source::Denied)).expect("the engine is sound");
        assert!(run.answer.is_ok(), "{profile:?}: {:?}", run.answer);
    }
}

fn bcrypt(cost: u32) -> String {
    format!("(call $hash_bcrypt (i32.const 8) (i32.const 15) (i32.const 8) (i32.const {cost}) (i32.const 64))")
}

/// As much as is hashed at once.
fn digest() -> String {
    "(drop (call $hash_digest (i32.const 0) (i32.const 0) (i32.const 32000) (i32.const 64)))".to_owned()
}

/// Limits that no test reaches.
const ENDLESS: Budget = Budget {
    fuel: 1_000_000_000_000_000,
    wall: Duration::from_secs(3_600),
    elapsed: Duration::from_secs(3_600),
    host_calls: u32::MAX,
    ..Budget::STANDARD
};
/// The usual limits, with time enough on a busy machine.
const PATIENT: Budget = Budget { wall: Duration::from_secs(10), elapsed: Duration::from_secs(60), ..Budget::STANDARD };

fn spinner() -> Vec<u8> {
    guests::rule("", "(loop (br 0))")
}

async fn spin(rule: SandboxedRule, budget: Budget) -> FailureCode {
    let run = rule.run(&event(), budget, Source::Denied).await.expect("the engine is sound");
    run.answer.expect_err("it spins").code
}

fn event() -> Vec<u8> {
    events::document(&events::event(Size::Medium))
}

/// HR-47: a crowd of spinners waits for slots, every one is answered by its own limits, and logins go on meanwhile.
#[test]
fn a_crowd_of_spinners_is_answered_and_logins_go_on() {
    let _alone = alone();
    warm_up();
    let before = Census::take();
    for profile in PROFILES {
        let spinner = deployed(profile, &spinner(), Grants::default());
        let innocent = deployed(profile, &guests::benign(), Grants::default());
        let event = event();
        let (spun, went_well) = runtime().block_on(async {
            let mut spinners = JoinSet::new();
            for _ in 0..100 {
                let (rule, event) = (spinner.clone(), event.clone());
                spinners.spawn(async move { rule.run(&event, Budget::STANDARD, Source::Denied).await });
            }
            let mut went_well = 0;
            let mut spun = Vec::new();
            while spun.len() < 100 {
                let run = innocent.run(&event, PATIENT, Source::Denied).await.expect("the engine is sound");
                went_well += usize::from(run.answer.is_ok());
                while let Some(joined) = spinners.try_join_next() {
                    spun.push(joined.expect("no spinner panics").expect("the engine is sound"));
                }
            }
            (spun, went_well)
        });
        for run in spun {
            let failure = run.answer.expect_err("it spins");
            assert!(SPENT.contains(&failure.code), "{profile:?}: {failure}");
            assert_eq!(run.spent.fuel, Budget::STANDARD.fuel, "{profile:?}: all is charged (HR-49)");
        }
        assert!(went_well >= 3, "{profile:?}: {went_well} innocent runs");
    }
    Census::compare(&before).expect("nothing is left");
}
