//! What a login may hold, ask for and spend.

use super::*;

#[test]
fn sizes_count_after_the_merge() {
    let text = |bytes: usize| "x".repeat(bytes);
    let set = |bag: &str, key: &str, bytes: usize| says(json!({"continue": {bag: {key: text(bytes)}}}));
    check(&[set("user_metadata", "a", 32_000), set("user_metadata", "b", 700)], &["continued", "continued"], json!({}));
    check(
        &[set("user_metadata", "a", 32_000), set("user_metadata", "b", 800)],
        &["continued", "failed metadata_too_large"],
        json!({"user_metadata": {}}),
    );
    check(
        &[set("app_metadata", "a", 32_000), set("app_metadata", "a", 32_100)],
        &["continued", "continued"],
        json!({}),
    );
    check(&[set("id_token", "a", 60_000), set("id_token", "b", 40_000)], &["continued", "continued"], json!({}));
    check(
        &[set("id_token", "a", 60_000), set("id_token", "b", 43_000)],
        &["continued", "failed claims_too_large"],
        json!({}),
    );
    check(&[set("id_token", "a", 60_000), set("access_token", "b", 60_000)], &["continued", "continued"], json!({}));
}

#[test]
fn a_bag_that_was_too_large_may_shrink() {
    let mut event = event();
    event["user"]["user_metadata"] = json!({"big": "x".repeat(20_000), "more": "x".repeat(20_000), "small": 1});
    let shrink = says(json!({"continue": {"user_metadata": {"small": null}}}));
    check_input(&[shrink], input(event.clone()), &["continued"], json!({"outcome": "allow"}));
    let grow = says(json!({"continue": {"user_metadata": {"small": 12}}}));
    check_input(&[grow], input(event), &["failed metadata_too_large"], json!({"outcome": "failed"}));
}

#[test]
fn all_rules_together_ask_for_at_most_256_changes() {
    let keys: serde_json::Map<_, _> = (0..64).map(|key| (format!("k{key}"), json!(1))).collect();
    let full = says(json!({"continue": {"shared": keys}}));
    let one_more = says(json!({"continue": {"shared": {"k1": null}}}));
    let rules = [full.clone(), full.clone(), full.clone(), full, one_more];
    let became = ["continued", "continued", "continued", "continued", "failed mutation_limit"];
    check(&rules, &became, json!({"outcome": "failed"}));
}

#[test]
fn what_one_rule_spends_the_next_does_not_have() {
    let rules = [says(json!({"continue": {}})), says(json!({"continue": {}}))];
    let mut login = Login::begin(pipeline(&rules), input(event())).unwrap();
    assert!(matches!(login.next(), Step::Run { budget, .. } if budget == Budget::STANDARD));
    let all = LoginBudget::STANDARD.fuel;
    let spent = Spent { fuel: all - 5_000_000, http_requests: 9, ..Spent::default() };
    login.take(Ok(br#"{"continue":{}}"#), &spent);
    assert!(matches!(login.next(), Step::Run { budget, .. } if budget.fuel == 5_000_000 && budget.http_requests == 1));
    let mut login = Login::begin(pipeline(&rules), input(event())).unwrap();
    login.next();
    login.take(Ok(br#"{"continue":{}}"#), &Spent { fuel: all, ..Spent::default() });
    let Step::Done(Outcome::Failed { failure, rule, .. }) = login.next() else { panic!("went on without fuel") };
    assert_eq!((failure.code, rule.unwrap().as_str()), (FailureCode::FuelExhausted, "rule-1"));
}

#[test]
fn an_event_that_is_too_large_fails_the_rule_that_would_receive_it() {
    let mut event = event();
    event["user"]["huge"] = json!("x".repeat(132_000));
    let reads = |policy: &str, reads: &str| {
        rule(&format!("on_failure = \"{policy}\"\nwrites = []\nreads = [\"{reads}\"]"), Ok(json!({"continue": {}})))
    };
    check_input(&[reads("deny", "user.email")], input(event.clone()), &["continued"], json!({"outcome": "allow"}));
    let (_, became, outcome) = run_input(&[reads("skip", "user")], input(event.clone()));
    assert_eq!(outcome.as_str(), "allow");
    assert!(became[0].contains("event_too_large"), "{became:?}");
    let (_, became, outcome) = run_input(&[reads("deny", "user")], input(event));
    assert_eq!(
        (became.len(), serde_json::to_value(&outcome).unwrap()["failure"]["code"].as_str()),
        (0, Some("event_too_large"))
    );
}
