//! Rules yield while they run: one that spins delays nobody (HR-34, HR-47).

use std::time::Duration;

use tokio::{runtime::Builder, task::JoinSet};
use vestibule_abi::{codes::FailureCode, limits::Budget};
use vestibule_engine::{Grants, Profile, http::Source};
use vestibule_testkit::{
    deploy::{PROFILES, engine},
    events::{self, Size},
    guests,
    hostile::SPENT,
    oracle::{Census, alone},
};

use super::harness::{deployed, runtime, warm_up, workshop};

/// Twenty spinners share one thread for a tenth of a second each: about 3 s for each profile.
#[test]
fn an_innocent_rule_finishes_while_twenty_others_spin_on_its_only_thread() {
    let _alone = alone();
    for profile in PROFILES {
        let order = Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(race(profile));
        assert_eq!(order.first(), Some(&Racer::Innocent), "{profile:?}: {order:?}");
        assert_eq!(order.len(), 21);
        for (index, racer) in order.iter().enumerate().skip(1) {
            let Racer::Spinner { limit, code } = racer else { panic!("two innocents") };
            assert_eq!(code, limit, "{profile:?}: the one that finished as number {index}");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Racer {
    Innocent,
    /// One that runs into this limit, and the code it ended with.
    Spinner {
        limit: FailureCode,
        code: FailureCode,
    },
}

/// Starts the spinners, then the innocent, and gives the order in which they end.
async fn race(profile: Profile) -> Vec<Racer> {
    let spinner = deployed_here(profile, &guests::rule("", "(loop (br 0))")).await;
    let innocent = deployed_here(profile, &guests::benign()).await;
    let event = events::document(&events::event(Size::Medium));
    let (plenty, long) = (1_000_000_000_000, Duration::from_secs(600));
    let budget = Budget { fuel: plenty, wall: long, elapsed: long, ..Budget::STANDARD };
    let limits = [
        (FailureCode::DeadlineExceeded, Budget { wall: Duration::from_millis(100), ..budget }),
        (FailureCode::FuelExhausted, Budget { fuel: 400_000_000, ..budget }),
    ];
    let mut racers = JoinSet::new();
    for (limit, budget) in limits.into_iter().cycle().take(20) {
        let (rule, event) = (spinner.clone(), event.clone());
        racers.spawn(async move {
            let run = rule.run(&event, budget, Source::Denied).await.expect("the engine is sound");
            Racer::Spinner { limit, code: run.answer.expect_err("it spins").code }
        });
    }
    // The innocent comes when all of them have begun.
    tokio::task::yield_now().await;
    racers.spawn(async move {
        let run = innocent.run(&event, Budget::STANDARD, Source::Denied).await.expect("the engine is sound");
        assert!(run.answer.is_ok(), "{:?}", run.answer);
        Racer::Innocent
    });
    let mut order = Vec::new();
    while let Some(joined) = racers.join_next().await {
        order.push(joined.expect("no racer panics"));
    }
    order
}

async fn deployed_here(profile: Profile, wasm: &[u8]) -> vestibule_engine::SandboxedRule {
    workshop().deploy(engine(profile), wasm, Grants::default()).await.expect("the fixture is a rule")
}

/// HR-47: a crowd of spinners waits for slots, every one is answered by its own limits, and logins go on meanwhile.
#[test]
fn a_crowd_of_spinners_is_answered_and_logins_go_on() {
    let _alone = alone();
    warm_up();
    let before = Census::take();
    for profile in PROFILES {
        let spinner = deployed(profile, &guests::rule("", "(loop (br 0))"), Grants::default());
        let innocent = deployed(profile, &guests::benign(), Grants::default());
        let event = events::document(&events::event(Size::Medium));
        let (spun, went_well) = runtime().block_on(async {
            let mut spinners = JoinSet::new();
            for _ in 0..100 {
                let (rule, event) = (spinner.clone(), event.clone());
                spinners.spawn(async move { rule.run(&event, Budget::STANDARD, Source::Denied).await });
            }
            let mut went_well = 0;
            let mut spun = Vec::new();
            while spun.len() < 100 {
                let run = innocent.run(&event, Budget::STANDARD, Source::Denied).await.expect("the engine is sound");
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
