//! The same module on the same event gives the same bytes for the same fuel, every time, under every profile (I7).

use std::time::Duration;

use vestibule_abi::limits::Budget;
use vestibule_engine::{Grants, Run, http::Source};
use vestibule_testkit::{
    deploy::PROFILES,
    events::{self, Size},
    guests,
    oracle::alone,
};

use super::harness::{deployed, runtime};

/// Time enough on a busy machine: none of this is about time.
const BUDGET: Budget = Budget { wall: Duration::from_secs(5), ..Budget::STANDARD };

/// 1 000 runs under each profile: about a second.
#[test]
fn a_thousand_repeats_give_the_same_answer_for_the_same_fuel() {
    let _alone = alone();
    let wasm = numbers();
    let event = events::document(&events::event(Size::Large));
    let mut first: Option<Run> = None;
    for profile in PROFILES {
        let rule = deployed(profile, &wasm, Grants::default());
        for repeat in 0..1_000 {
            let run = runtime().block_on(rule.run(&event, BUDGET, Source::Denied)).expect("the engine is sound");
            assert!(run.answer.is_ok(), "{:?}", run.answer);
            let Some(first) = &first else {
                println!("{} for {} fuel", String::from_utf8_lossy(run.answer.as_deref().unwrap()), run.spent.fuel);
                first = Some(run);
                continue;
            };
            assert_eq!(run.answer, first.answer, "{profile:?}, repeat {repeat}");
            assert_eq!(run.spent.fuel, first.spent.fuel, "{profile:?}, repeat {repeat}");
            assert_eq!(run.logs, first.logs, "{profile:?}, repeat {repeat}");
            assert_eq!(run.spent.peak_memory_bytes, first.spent.peak_memory_bytes, "{profile:?}, repeat {repeat}");
        }
    }
}

/// HR-45: the payload of a NaN carries nothing out, neither the CPU's choice nor a message.
#[test]
fn every_nan_that_is_computed_is_the_canonical_one() {
    let _alone = alone();
    let not_canonical = |nan: &str| {
        format!("(if (i64.ne (i64.reinterpret_f64 {nan}) (i64.const 0x7ff8000000000000)) (then unreachable))")
    };
    let message = "(f64.reinterpret_i64 (i64.load (i32.const 64)))";
    let nans = [
        "(f64.div (f64.const 0) (f64.const 0))".to_owned(),
        "(f64.sqrt (f64.const -1))".to_owned(),
        "(f64.sub (f64.const inf) (f64.const inf))".to_owned(),
        format!("(f64.add {message} (f64.const 1))"),
        format!("(f64.mul (f64.const 2) {message})"),
        format!("(f64.min {message} (f64.const 1))"),
        format!("(f64.floor {message})"),
        format!("(f64.promote_f32 (f32.demote_f64 {message}))"),
    ];
    let run = format!(
        "(i64.store (i32.const 64) (i64.const 0x7ff0dead00000001)) {} (call $ok)",
        nans.map(|nan| not_canonical(&nan)).concat()
    );
    for profile in PROFILES {
        let rule = deployed(profile, &guests::rule("", &run), Grants::default());
        let event = events::document(&events::event(Size::Small));
        let run = runtime().block_on(rule.run(&event, BUDGET, Source::Denied)).expect("the engine is sound");
        assert!(run.answer.is_ok(), "{profile:?}: {:?}", run.answer);
    }
}

/// A rule that mixes floats of all kinds, its event, memory and logs into a number, and answers it in hexadecimal.
fn numbers() -> Vec<u8> {
    guests::rule_of(
        &[vestibule_abi::host::Capability::Core],
        2,
        r#"(data (i32.const 64) "{\22continue\22:{\22shared\22:{\22mix\22:\22") (data (i32.const 200) "0123456789abcdef")
           (global $mix (mut i64) (i64.const 0x243f6a8885a308d3))
           (func $add (param $word i64)
             (global.set $mix (i64.add (i64.rotl (i64.xor (global.get $mix) (local.get $word)) (i64.const 23)) (i64.const 0x5851f42d4c957f2d))))
           (func $float (param $x f64) (call $add (i64.reinterpret_f64 (local.get $x))))"#,
        "(local $n i32) (local $at i32) (local $x f64) (local $y f32) (local $len i32)
         (local.set $x (f64.const 0.1)) (local.set $y (f32.const 1.5))
         (loop
           (local.set $x (f64.sqrt (f64.mul (f64.add (local.get $x) (f64.const 1.1)) (f64.const 1.7))))
           (local.set $y (f32.nearest (f32.div (f32.mul (local.get $y) (f32.const 3.1)) (f32.const 0.7))))
           (call $float (local.get $x))
           (call $float (f64.promote_f32 (local.get $y)))
           (call $float (f64.div (f64.const 0) (f64.convert_i32_s (i32.sub (local.get $n) (local.get $n)))))
           (call $float (f64.copysign (f64.const nan:0x123) (local.get $x)))
           (call $float (f64.add (f64.const nan:0x123) (local.get $x)))
           (call $add (i64.trunc_sat_f64_s (f64.mul (local.get $x) (f64.const 1e300))))
           (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 500))))
         (local.set $len (call $event_len (i32.const 1)))
         (call $event_read (i32.const 1) (i32.const 1024))
         (call $add (i64.extend_i32_s (memory.grow (i32.const 3))))
         (loop
           (call $add (i64.load (i32.add (i32.const 1024) (local.get $at))))
           (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (local.get $len))))
         (call $log (i32.const 1) (i32.const 1024) (i32.const 64))
         (local.set $n (i32.const 0))
         (loop
           (i32.store8 (i32.add (i32.const 94) (local.get $n))
             (i32.load8_u (i32.add (i32.const 200) (i32.and (i32.const 15) (i32.wrap_i64 (i64.shr_u (global.get $mix) (i64.extend_i32_u (i32.mul (local.get $n) (i32.const 4)))))))))
           (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 16))))
         (i32.store (i32.const 110) (i32.const 0x7d7d7d22))
         (call $answer (i32.const 64) (i32.const 50))",
    )
}
