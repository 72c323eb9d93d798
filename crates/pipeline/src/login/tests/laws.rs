//! The laws of merging, for any documents (spec `auth0-behaviour` §5.2).

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{event, input, run_input, says};
use crate::outcome::Outcome;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i32>().prop_map(Value::from)];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn bag() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[a-f]", value(), 0..5).prop_map(|map| map.into_iter().collect())
}

/// The first-level merge, as the specification says it (M-3, M-4, M-5, M-8, M-9).
fn merged(stored: &Map<String, Value>, patch: &Map<String, Value>) -> Map<String, Value> {
    let mut bag = stored.clone();
    for (key, value) in patch {
        if value.is_null() {
            bag.shift_remove(key);
        } else {
            bag.insert(key.clone(), value.clone());
        }
    }
    bag
}

fn run(stored: &Map<String, Value>, answers: &[Value]) -> (Vec<Value>, Outcome) {
    let mut event = event();
    event["user"]["app_metadata"] = json!(stored);
    let rules: Vec<_> = answers.iter().cloned().map(says).collect();
    let (seen, _, outcome) = run_input(&rules, input(event));
    (seen, outcome)
}

fn patch(patch: &Map<String, Value>) -> Value {
    json!({"continue": {"app_metadata": patch}})
}

fn stored_by(stored: &Map<String, Value>, answers: &[Value]) -> Map<String, Value> {
    run(stored, answers).1.profile().app_metadata()
}

proptest! {
    #[test]
    fn a_patch_merges_at_the_first_level(stored in bag(), change in bag()) {
        prop_assert_eq!(stored_by(&stored, &[patch(&change)]), merged(&stored, &change));
    }

    #[test]
    fn the_same_patch_twice_is_the_patch_once(stored in bag(), change in bag()) {
        prop_assert_eq!(stored_by(&stored, &[patch(&change), patch(&change)]), merged(&stored, &change));
    }

    #[test]
    fn rules_that_write_different_keys_may_run_in_any_order(stored in bag(), change in bag()) {
        let (first, second): (Map<_, _>, Map<_, _>) = change.into_iter().partition(|(key, _)| key < &"c".to_owned());
        let (first, second) = (patch(&first), patch(&second));
        prop_assert_eq!(stored_by(&stored, &[first.clone(), second.clone()]), stored_by(&stored, &[second, first]));
    }

    #[test]
    fn a_later_rule_sees_exactly_what_would_be_stored(stored in bag(), changes in prop::collection::vec(bag(), 1..4)) {
        let mut answers: Vec<_> = changes.iter().map(patch).collect();
        answers.push(json!({"continue": {}}));
        let (seen, outcome) = run(&stored, &answers);
        prop_assert_eq!(&seen.last().unwrap()["user"]["app_metadata"], &json!(outcome.profile().app_metadata()));
        prop_assert_eq!(&seen.last().unwrap()["user"], &json!(outcome.profile().user()));
    }

    #[test]
    fn a_login_that_is_not_allowed_changes_nothing(
        stored in bag(),
        changes in prop::collection::vec(bag(), 1..4),
        end in prop::sample::select(vec![
            json!({"deny": {"code": "no"}}),
            json!({"continue": {"id_token": {"sub": "x"}}}),
            json!({"continue": {"redirect": {"url": "https://forms.example.com"}}}),
            json!({"continue": {"second_factor": {}}}),
        ]),
    ) {
        let mut answers: Vec<_> = changes.iter().map(patch).collect();
        answers.push(end);
        let (_, outcome) = run(&stored, &answers);
        prop_assert_ne!(outcome.as_str(), "allow");
        prop_assert_eq!(outcome.profile().app_metadata(), stored);
        prop_assert_eq!(outcome.profile().user_metadata(), Map::new());
    }
}

#[test]
fn the_worked_example_of_the_specification() {
    let stored = json!({"a": 1, "b": {"x": 1, "y": 2}});
    let stored = stored.as_object().unwrap();
    for (change, expect) in [
        (json!({"b": {"x": 9}, "c": null}), json!({"a": 1, "b": {"x": 9}})),
        (json!({"a": null}), json!({"b": {"x": 1, "y": 2}})),
        (json!({"a": [], "b": {}}), json!({"a": [], "b": {}})),
        (json!({"b": {"x": null}}), json!({"a": 1, "b": {"x": null}})),
        (json!({}), json!({"a": 1, "b": {"x": 1, "y": 2}})),
    ] {
        assert_eq!(json!(stored_by(stored, &[patch(change.as_object().unwrap())])), expect, "{change}");
    }
}
