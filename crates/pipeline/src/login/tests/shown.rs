//! What scripts and later rules find, and where.

use super::*;
use crate::manifest::Language;

#[test]
fn an_outcome_has_the_members_that_scripts_read() {
    let (_, _, outcome) = run(&[]);
    let outcome = serde_json::to_value(&outcome).unwrap();
    let members: Vec<_> = outcome.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(members.join(" "), @"outcome deny failure redirect second_factor user user_metadata app_metadata id_token access_token scope");
}

#[test]
fn every_outcome_has_its_word() {
    let answers = [
        json!({"continue": {}}),
        json!({"deny": {"code": "no"}}),
        json!({"continue": {"redirect": {"url": "https://forms.example.com/ask"}}}),
        json!({"continue": {"second_factor": {}}}),
        json!({}),
    ];
    let words = answers.map(|answer| run(&[says(answer)]).2.as_str());
    assert_eq!(words, Outcome::WORDS);
}

#[test]
fn later_rules_see_what_earlier_ones_asked_for_where_a_script_looks_for_it() {
    let first = says(json!({"continue": {
        "id_token": {"https://example.com/plan": "gold", "tier": 1},
        "access_token": {"https://example.com/plan": "gold"},
        "scope": ["profile", "read:orders"],
        "second_factor": {},
        "redirect": {"url": "https://forms.example.com/ask"},
    }}));
    let second = says(json!({"continue": {"id_token": {"tier": null, "https://example.com/more": [1]}}}));
    let mut began_with = event();
    began_with["context"]["idToken"] = json!({"host": true});
    let (seen, _, outcome) = run_input(&[first.clone(), second, says(json!({"continue": {}}))], input(began_with));
    assert_eq!(seen[0]["context"]["idToken"], json!({"host": true}));
    assert_eq!(seen[0]["context"].get("accessToken"), None);
    assert_eq!(seen[1]["context"]["idToken"], json!({"host": true, "https://example.com/plan": "gold", "tier": 1}));
    assert_eq!(
        seen[1]["context"]["accessToken"],
        json!({"scope": ["profile", "read:orders"], "https://example.com/plan": "gold"})
    );
    assert_eq!(seen[1]["context"]["redirect"], json!({"url": "https://forms.example.com/ask"}));
    assert_eq!(seen[1]["context"]["multifactor"], json!({"provider": "any", "allowRememberBrowser": false}));
    assert_eq!(
        seen[2]["context"]["idToken"],
        json!({"host": true, "https://example.com/plan": "gold", "https://example.com/more": [1]})
    );
    assert!(matches!(outcome, Outcome::Redirect { .. }));

    // Only what rules set becomes a claim, and a rule with `reads` sees these like all else.
    let claims = says(json!({"continue": {"id_token": {"tier": 1, "gone": 2}}}));
    let more = rule(
        "reads = [\"context.idToken.tier\", \"context.redirect\"]\nwrites = [\"id_token.*\"]",
        Ok(json!({"continue": {"id_token": {"gone": null}}})),
    );
    let mut began_with = event();
    began_with["context"]["idToken"] = json!({"host": true});
    let (seen, _, outcome) = run_input(&[claims, more], input(began_with));
    assert_eq!(seen[1]["context"], json!({"idToken": {"tier": 1}}));
    assert_eq!(serde_json::to_value(&outcome).unwrap()["id_token"], json!({"tier": 1}));
}

/// A script that sets an address and a nickname.
fn renaming(writes: &str) -> Scripted {
    let answer = json!({"continue": {"user": {"email": "new@example.com", "nickname": "j"}}});
    let mut script = rule(&format!("writes = [{writes}]"), Ok(answer));
    script.manifest.language = Language::JavaScript;
    script
}

#[test]
fn what_a_script_makes_of_who_the_user_is_is_dropped_and_told_unless_its_manifest_names_it() {
    let then = || says(json!({"continue": {}}));
    let journal = |outcome: &Outcome| serde_json::to_value(outcome.journal()).unwrap();
    let (seen, became, outcome) = run(&[renaming(r#""user.*""#), then()]);
    assert_eq!(became, ["continued", "continued"]);
    assert_eq!((&seen[1]["user"]["email"], &seen[1]["user"]["nickname"]), (&json!("jane@example.com"), &json!("j")));
    assert_eq!(journal(&outcome), json!([{"rule": "rule-0", "note": {"change_dropped": {"key": "email"}}}]));
    let (seen, became, outcome) = run(&[renaming(r#""user.*", "user.email""#), then()]);
    assert_eq!(became, ["continued", "continued"]);
    assert_eq!(seen[1]["user"]["email"], "new@example.com");
    assert_eq!(journal(&outcome), json!([]));
}
