//! Hostile logins: what takes more than one rule, more than one login, or a look at what came out.

use serde_json::{Value, json};
use vestibule_abi::codes::FailureCode;
use vestibule_engine::{Grants, Profile, Report, SandboxedRule, http::Source};
use vestibule_pipeline::{Manifest, Outcome};
use vestibule_testkit::{
    deploy::{self, PROFILES, manifest},
    events::{self, CANARY, Size},
    guests,
    hostile::SPENT,
    oracle::alone,
};

use super::harness::{Ended, deployed, ended, one_login, runtime, without_times};

/// A rule that answers this.
fn answering(profile: Profile, answer: &Value) -> SandboxedRule {
    deployed(profile, &guests::parrot(), deploy::files_only(&[("answer", answer.to_string().as_bytes())]))
}

/// Rules that may write everything, in this order.
fn permissive(count: usize) -> Vec<Manifest> {
    (0..count).map(|order| in_place(order as i64, Manifest::permissive(&format!("rule-{order}")))).collect()
}

fn in_place(order: i64, mut manifest: Manifest) -> Manifest {
    manifest.order = order;
    manifest
}

#[track_caller]
fn drive(rules: &[SandboxedRule], manifests: Vec<Manifest>, event: &Value) -> Report {
    runtime().block_on(one_login(rules, manifests, event)).expect("what must always hold")
}

/// A login through rules that give these answers.
#[track_caller]
fn chain(answers: &[Value], event: &Value) -> Report {
    let rules: Vec<SandboxedRule> = answers.iter().map(|answer| answering(Profile::Fast, answer)).collect();
    drive(&rules, permissive(answers.len()), event)
}

#[track_caller]
fn assert_failed(report: &Report, code: FailureCode, reached: usize) {
    let Ended::Failed(found, message) = ended(&report.outcome) else { panic!("{:?}", ended(&report.outcome)) };
    assert_eq!(found, code, "{message}");
    assert_eq!(report.rules.len(), reached, "rules that were reached");
}

/// HR-33: what harms only one user is deployed like anything else; the limits hold when it goes off.
#[test]
fn a_time_bomb_harms_only_the_login_it_goes_off_on() {
    let _alone = alone();
    let bomb = guests::rule(
        "",
        "(if (i32.gt_u (call $event_len (i32.const 1)) (i32.const 8000)) (then (loop (br 0)))) (call $ok)",
    );
    for profile in PROFILES {
        let rule = deployed(profile, &bomb, Grants::default());
        let quiet = drive(std::slice::from_ref(&rule), permissive(1), &events::event(Size::Small));
        assert_eq!(ended(&quiet.outcome), Ended::Outcome("allow"));
        let harmed = drive(&[rule], permissive(1), &events::event(Size::Large));
        assert!(matches!(ended(&harmed.outcome), Ended::Failed(code, _) if SPENT.contains(&code)), "{harmed:?}");
    }
}

/// HR-49: after an abnormal end the fuel counter is not believed.
#[test]
fn a_run_that_ends_badly_is_charged_all_its_fuel() {
    let _alone = alone();
    let rule = deployed(Profile::Fast, &guests::rule("", "unreachable"), Grants::default());
    let report = drive(&[rule], permissive(1), &events::event(Size::Small));
    assert_eq!(report.rules[0].fuel, vestibule_abi::limits::Budget::STANDARD.fuel);
}

/// Where the host ended the run, a report tells what was used; the chain is charged all of it all the same.
#[test]
fn a_run_that_the_host_ended_is_told_with_what_it_used() {
    let _alone = alone();
    let all = vestibule_abi::limits::Budget::STANDARD.fuel;
    let fails = guests::rule("", "(call $fail (i32.const 0) (i32.const 0))");
    let spins = guests::rule(
        "(global $left (mut i32) (i32.const 1000))",
        "(loop $again (global.set $left (i32.sub (global.get $left) (i32.const 1))) (br_if $again (global.get $left))) \
         (call $fail (i32.const 0) (i32.const 0))",
    );
    let fuel = |module: &[u8]| {
        let rule = deployed(Profile::Fast, module, Grants::default());
        let report = drive(std::slice::from_ref(&rule), permissive(1), &events::event(Size::Small));
        assert_failed(&report, FailureCode::GuestError, 1);
        let run = runtime().block_on(rule.run(&[], vestibule_abi::limits::Budget::STANDARD, Source::Denied)).unwrap();
        assert_eq!((run.spent.fuel, run.spent.fuel_used), (all, report.rules[0].fuel), "charged, and told");
        report.rules[0].fuel
    };
    let (short, long) = (fuel(&fails), fuel(&spins));
    assert!(short > 0 && short < 1_000, "{short}");
    assert!(long > short + 4_000 && long < short + 20_000, "{long}, and {short} without the loop");
}

/// HR-77: a reason is one short line, whatever the rule made of it.
#[test]
fn a_reason_is_one_short_clean_line() {
    let _alone = alone();
    let reason = format!("<b>no\r\nx: 1\u{1b}]0;title\u{7}\u{202e}{}", "y".repeat(50_000));
    let report = chain(&[json!({"deny": {"code": "no", "reason": reason}})], &events::event(Size::Small));
    let Outcome::Deny { refusal, .. } = report.outcome else { panic!("{report:?}") };
    assert_eq!(refusal.reason.chars().count(), 256);
    assert!(!refusal.reason.chars().any(char::is_control), "{}", refusal.reason);
    assert!(!refusal.reason.contains('\u{202e}'));
}

/// HR-82: the custom claims of a token have a size, however many rules they come from.
#[test]
fn claims_that_outgrow_a_token_fail_the_rule_that_adds_the_last() {
    let _alone = alone();
    let claim = |name: &str| json!({"continue": {"id_token": {name: "x".repeat(60_000)}}});
    assert_failed(&chain(&[claim("a"), claim("b")], &events::event(Size::Small)), FailureCode::ClaimsTooLarge, 2);
    let same = chain(&[claim("a"), claim("a")], &events::event(Size::Small));
    assert_eq!(ended(&same.outcome), Ended::Outcome("allow"), "the second replaces the first");
}

/// HR-86: metadata is measured after the merge.
#[test]
fn metadata_is_measured_as_it_would_be_stored() {
    let _alone = alone();
    let event = events::event_with(json!({"old": "x".repeat(20_000)}), json!({}));
    let add = json!({"continue": {"user_metadata": {"new": "y".repeat(15_000)}}});
    assert_failed(&chain(std::slice::from_ref(&add), &event), FailureCode::MetadataTooLarge, 1);
    let replace = json!({"continue": {"user_metadata": {"new": "y".repeat(15_000), "old": null}}});
    assert_eq!(ended(&chain(&[replace], &event).outcome), Ended::Outcome("allow"));
    let small = json!({"continue": {"user_metadata": {"first": "y".repeat(10_000)}}});
    assert_failed(&chain(&[small, add], &event), FailureCode::MetadataTooLarge, 2);
}

/// HR-87: 256 changes in one login, however many rules they come from.
#[test]
fn the_257th_change_of_a_login_fails_its_rule() {
    let _alone = alone();
    let changes = |count: usize| {
        let members: serde_json::Map<_, _> = (0..count).map(|number| (format!("key{number}"), json!(1))).collect();
        json!({"continue": {"shared": members}})
    };
    let most = [64, 64, 64, 64].map(changes);
    assert_eq!(ended(&chain(&most, &events::event(Size::Small)).outcome), Ended::Outcome("allow"));
    let more = [64, 64, 64, 64, 1].map(changes);
    assert_failed(&chain(&more, &events::event(Size::Small)), FailureCode::MutationLimit, 5);
}

/// I1, HR-65: what an earlier rule staged goes with the login that a later one ends.
#[test]
fn a_later_failure_takes_back_what_earlier_rules_staged() {
    let _alone = alone();
    let sets = json!({"continue": {
        "user_metadata": {"a": 1}, "app_metadata": {"plan": "platinum"}, "id_token": {"plan": "platinum"},
    }});
    for profile in PROFILES {
        let ends = [
            deployed(profile, &guests::rule("", "unreachable"), Grants::default()),
            answering(profile, &json!({"deny": {"code": "no"}})),
        ];
        for end in ends {
            // `one_login` holds the outcome against the event.
            let report = drive(&[answering(profile, &sets), end], permissive(2), &events::event(Size::Medium));
            assert_ne!(ended(&report.outcome), Ended::Outcome("allow"));
        }
    }
}

/// HR §1.4: a rule nothing secure depends on may fail without ending the login; what it did is dropped.
#[test]
fn a_rule_that_may_be_skipped_fails_without_a_trace() {
    let _alone = alone();
    let lines = "on_failure = \"skip\"\nwrites = [\"user_metadata.*\"]";
    let first = || in_place(0, Manifest::permissive("first"));
    let traps = deployed(Profile::Fast, &guests::rule("", "(call $ok) unreachable"), Grants::default());
    let sets = answering(Profile::Fast, &json!({"continue": {"user_metadata": {"kept": true}}}));
    let report =
        drive(&[sets.clone(), traps], vec![first(), manifest("second", 1, lines)], &events::event(Size::Small));
    assert_eq!(ended(&report.outcome), Ended::Outcome("allow"));
    assert_eq!(report.rules[1].outcome, "skipped_after_failure");
    assert_eq!(report.outcome.profile().user_metadata()["kept"], true);

    let climbs = answering(Profile::Fast, &json!({"continue": {"app_metadata": {"plan": "platinum"}}}));
    let report = drive(&[sets, climbs], vec![first(), manifest("second", 1, lines)], &events::event(Size::Small));
    assert_failed(&report, FailureCode::CapabilityDenied, 2);
}

/// HR-93, HR-94: a log is kept up to its limits, and nothing in it acts on whoever reads it.
#[test]
fn a_log_is_bounded_and_fit_to_print() {
    let _alone = alone();
    let line = "one\r\ntwo\u{1b}[31m\u{1b}]8;;http://evil\u{7}\u{202e}${jndi:ldap://x}\u{9b}\0 </script>\u{85}";
    let storm = guests::rule(
        &format!("(data (i32.const 64) \"{}\")", guests::escaped(line.as_bytes())),
        &format!(
            "(local $n i32) (loop (call $log (i32.const 2) (i32.const 64) (i32.const {}))
             (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 900)))) (call $ok)",
            line.len()
        ),
    );
    let flood = guests::rule_of(
        &[vestibule_abi::host::Capability::Core],
        256,
        "",
        "(memory.fill (i32.const 64) (i32.const 0xff) (i32.const 100000)) (call $log (i32.const 1) (i32.const 64) (i32.const 16777152)) (call $ok)",
    );
    for profile in PROFILES {
        let logs = |wasm: &[u8]| {
            let rule = deployed(profile, wasm, Grants::default());
            drive(&[rule], permissive(1), &events::event(Size::Small)).rules.remove(0).logs
        };
        let lines = logs(&storm);
        assert!(lines.len() <= 101, "{} lines", lines.len());
        assert!(
            lines.iter().all(|line| !line.text.chars().any(|c| c.is_control() || c == '\u{202e}')),
            "{:?}",
            lines[0]
        );
        assert!(lines[0].text.contains("${jndi:ldap://x}"), "text stays text: {}", lines[0].text);
        assert!(lines.last().unwrap().text.starts_with("[truncated: 8"), "{:?}", lines.last());
        let lines = logs(&flood);
        let kept: usize = lines.iter().map(|line| line.text.chars().count()).sum();
        assert!(kept <= 8 * 1024 + 64, "{kept} characters are kept");
        assert_eq!(lines.len(), 2, "the line and what is said about its rest");
    }
}

/// HR-95, HR-98, HR-99: a rule sees no credential of the request, and the same time and seed on every run of a login.
#[test]
fn a_rule_sees_no_credential_and_the_same_event_on_every_run() {
    let _alone = alone();
    let tells = guests::rule_of(
        &[vestibule_abi::host::Capability::Core],
        4,
        "",
        "(local $len i32) (local.set $len (call $event_len (i32.const 0)))
         (call $event_read (i32.const 0) (i32.const 1024))
         (call $log (i32.const 1) (i32.const 1024) (local.get $len)) (call $ok)",
    );
    for profile in PROFILES {
        let rule = deployed(profile, &tells, Grants::default());
        let rules = [rule.clone(), rule];
        let run = || drive(&rules, permissive(2), &events::event(Size::Small));
        let (first, second) = (run(), run());
        assert_eq!(without_times(&first), without_times(&second), "the login runs again");
        let seen: Vec<Value> =
            first.rules.iter().map(|rule| serde_json::from_str(&rule.logs[0].text).expect("an event")).collect();
        assert_eq!(seen[0]["context"]["now"], seen[1]["context"]["now"]);
        assert_ne!(seen[0]["context"]["seed"], seen[1]["context"]["seed"], "each rule has a seed of its own");
        assert!(seen[0]["context"]["seed"].is_string(), "{}", seen[0]["context"]);
        for event in seen {
            assert!(!event.to_string().contains(CANARY), "{event}");
            assert_eq!(event["context"]["request"]["body"], json!({"username": "ada"}));
        }
    }
}
