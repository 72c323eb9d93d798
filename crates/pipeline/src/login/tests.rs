//! The walk of a login, sentence by sentence of DESIGN §2.

mod detours;
mod laws;
mod shown;
mod sizes;

use std::sync::Arc;

use serde_json::{Value, json};
use vestibule_abi::{
    codes::FailureCode,
    document::Document,
    limits::{Budget, LoginBudget, Spent},
};

use super::{Login, LoginInput, RuleOutcome, Step};
use crate::{
    event::{AllowedScopes, ScopePolicy},
    failure::RuleFailure,
    manifest::Manifest,
    outcome::Outcome,
    pipeline::{Digest, Pipeline, Rule},
};

/// A rule of a test: its manifest after `name`, `language`, `module` and `order`, and what its run gives.
#[derive(Clone)]
struct Scripted {
    manifest: Manifest,
    result: Result<String, FailureCode>,
}

/// A rule that may write anything and answers this.
fn says(answer: Value) -> Scripted {
    Scripted { manifest: Manifest::permissive("rule"), result: Ok(answer.to_string()) }
}

/// A rule with a manifest.
fn rule(manifest: &str, result: Result<Value, FailureCode>) -> Scripted {
    let text = format!("name = \"rule\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\norder = 1\n{manifest}");
    let manifest = Manifest::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    Scripted { manifest, result: result.map(|answer| answer.to_string()) }
}

fn event() -> Value {
    json!({
        "user": {
            "user_id": "auth0|1",
            "email": "jane@example.com",
            "identities": [
                {"provider": "auth0", "user_id": "1", "connection": "db"},
                {"provider": "google-oauth2", "user_id": "9", "access_token": "idp-secret", "refresh_token": "idp-refresh"},
            ],
            "app_metadata": {"a": 1, "b": {"x": 1, "y": 2}},
        },
        "context": {
            "clientID": "shop",
            "connection": "db",
            "protocol": "oidc-basic-profile",
            "request": {"query": {"scope": "openid", "Password": "pw-secret"}, "body": {"otp": "otp-secret", "ok": 1}},
        },
        "configuration": {"REGION": "eu", "OTHER": "config-secret"},
    })
}

fn pipeline(rules: &[Scripted]) -> Arc<Pipeline> {
    let numbered = rules.iter().enumerate().map(|(at, rule)| {
        let mut manifest = rule.manifest.clone();
        manifest.order = at as i64;
        manifest.name = format!("rule-{at}").parse().unwrap();
        Rule::new(manifest, Digest([0; 32]), &Budget::CEILING).unwrap()
    });
    Arc::new(Pipeline::new(numbered.collect()).unwrap())
}

fn input(event: Value) -> LoginInput {
    let allowed = ["read:orders", "openid", "offline_access"].map(str::to_owned).into();
    LoginInput {
        event,
        seed: [7; 32],
        now_ms: 1_700_000_000_000,
        scopes: ScopePolicy {
            granted: vec!["profile".to_owned()],
            allowed: AllowedScopes::Only(allowed),
            is_management: false,
        },
        budget: LoginBudget::STANDARD,
    }
}

/// Runs a login, and gives what each rule saw and became, and the outcome.
fn run_input(rules: &[Scripted], input: LoginInput) -> (Vec<Value>, Vec<String>, Outcome) {
    let mut login = Login::begin(pipeline(rules), input).unwrap();
    let (mut seen, mut became) = (Vec::new(), Vec::new());
    loop {
        let position = match login.next() {
            Step::Done(outcome) => return (seen, became, outcome),
            Step::Skip { why, .. } => {
                became.push(format!("skip {}", serde_json::to_string(&why).unwrap()));
                continue;
            }
            Step::Run { position, event, .. } => {
                seen.push(serde::Deserialize::deserialize(Document::parse(event).unwrap().root()).unwrap());
                position
            }
        };
        let result = &rules[position].result;
        let result = result.as_ref().map(String::as_bytes).map_err(|code| RuleFailure::new(*code, "it did"));
        became.push(match login.take(result, &Spent::default()) {
            RuleOutcome::Continued => "continued".to_owned(),
            RuleOutcome::Denied(refusal) => format!("denied {}", refusal.code),
            RuleOutcome::Failed(failure) => format!("failed {}", failure.code),
            RuleOutcome::SkippedAfterFailure(failure) => format!("skipped {}", failure.code),
        });
    }
}

fn run(rules: &[Scripted]) -> (Vec<Value>, Vec<String>, Outcome) {
    run_input(rules, input(event()))
}

/// Checks what each rule became and selected members of the outcome.
#[track_caller]
fn check(rules: &[Scripted], became: &[&str], expect: Value) {
    check_input(rules, input(event()), became, expect);
}

#[track_caller]
fn check_input(rules: &[Scripted], input: LoginInput, became: &[&str], expect: Value) {
    let (_, actual, outcome) = run_input(rules, input);
    assert_eq!(actual, became);
    let outcome = serde_json::to_value(&outcome).unwrap();
    for (member, expected) in expect.as_object().unwrap() {
        assert_eq!(&outcome[member], expected, "{member} of {outcome}");
    }
}

/// A rule that may be skipped.
const SKIP: &str = "on_failure = \"skip\"\nwrites = [\"user_metadata.*\", \"shared.*\"]";

#[test]
fn a_login_without_rules_is_allowed_as_it_is() {
    check(
        &[],
        &[],
        json!({"outcome": "allow", "deny": null, "failure": null, "redirect": null, "second_factor": null,
            "app_metadata": {"a": 1, "b": {"x": 1, "y": 2}}, "user_metadata": {}, "id_token": {}, "scope": ["profile"]}),
    );
}

#[test]
fn a_later_rule_sees_what_earlier_rules_staged_and_shared() {
    let first = json!({"continue": {"user_metadata": {"theme": "dark"}, "app_metadata": {"a": null, "b": {"x": 9}},
        "user": {"nickname": "j"}, "context": {"mine": 1}, "shared": {"k": [1]}, "id_token": {"plan": "gold"}}});
    let (seen, _, outcome) = run(&[says(first), says(json!({"continue": {}}))]);
    assert_eq!(seen[0]["user"].get("user_metadata"), None);
    assert_eq!(seen[1]["user"]["user_metadata"], json!({"theme": "dark"}));
    assert_eq!(seen[1]["user"]["app_metadata"], json!({"b": {"x": 9}}));
    assert_eq!(seen[1]["user"]["nickname"], "j");
    assert_eq!(seen[1]["context"]["mine"], 1);
    assert_eq!(seen[1]["shared"], json!({"k": [1]}));
    let Outcome::Allow(allow) = outcome else { panic!("not allowed") };
    assert_eq!(allow.id_token["plan"], "gold");
    let provenance: Vec<_> =
        allow.provenance.iter().map(|line| format!("{}.{} {}", line.bag, line.key, line.rule)).collect();
    assert_eq!(
        provenance,
        ["user_metadata.theme rule-0", "app_metadata.a rule-0", "app_metadata.b rule-0", "id_token.plan rule-0"]
    );
}

#[test]
fn metadata_that_is_set_to_what_it_was_is_nobodys_change() {
    let first =
        json!({"continue": {"user_metadata": {"theme": "dark"}, "app_metadata": {"a": 1, "b": {"y": 2, "x": 1}}}});
    let again = json!({"continue": {"user_metadata": {"theme": "dark"}, "app_metadata": {"b": {"x": 1, "y": 3}}}});
    let (seen, _, outcome) = run(&[says(first), says(again), says(json!({"continue": {}}))]);
    assert_eq!(seen[2]["user"]["app_metadata"], json!({"a": 1, "b": {"x": 1, "y": 3}}));
    let Outcome::Allow(allow) = outcome else { panic!("not allowed") };
    let written = allow.provenance.iter().map(|line| format!("{}.{} {}", line.bag, line.key, line.rule));
    assert_eq!(written.collect::<Vec<_>>(), ["user_metadata.theme rule-0", "app_metadata.b rule-1"]);
}

#[test]
fn the_first_refusal_ends_the_login_and_nothing_stays() {
    check(
        &[
            says(
                json!({"continue": {"app_metadata": {"a": 2, "new": 1}, "user": {"nickname": "j"}, "id_token": {"p": 1},
                "scope": ["read:orders"], "redirect": {"url": "https://forms.example.com"}, "second_factor": {}}}),
            ),
            says(json!({"deny": {"code": "no", "reason": "because"}})),
            says(json!({"continue": {"id_token": {"never": 1}}})),
        ],
        &["continued", "denied no"],
        json!({"outcome": "deny", "deny": {"rule": "rule-1", "code": "no", "reason": "because"}, "redirect": null,
            "second_factor": null, "app_metadata": {"a": 1, "b": {"x": 1, "y": 2}}, "id_token": {}, "access_token": {},
            "scope": ["profile"], "user": stored_user()}),
    );
}

/// The user as stored, as rules see it.
fn stored_user() -> Value {
    let mut user = event()["user"].clone();
    user["identities"][1] = json!({"provider": "google-oauth2", "user_id": "9"});
    user
}

#[test]
fn the_first_failure_ends_the_login_and_nothing_stays() {
    for code in [FailureCode::Trap, FailureCode::FuelExhausted, FailureCode::HostInternal, FailureCode::GuestError] {
        let failing = Scripted { manifest: Manifest::permissive("rule"), result: Err(code) };
        check(
            &[says(json!({"continue": {"app_metadata": {"a": 2}}})), failing, says(json!({"continue": {}}))],
            &["continued", &format!("failed {code}")],
            json!({"outcome": "failed", "failure": {"rule": "rule-1", "code": code, "message": "it did"},
                "app_metadata": {"a": 1, "b": {"x": 1, "y": 2}}, "user": stored_user()}),
        );
    }
}

#[test]
fn a_rule_that_may_be_skipped_loses_its_effects_and_the_login_goes_on() {
    check(
        &[
            rule(SKIP, Err(FailureCode::Trap)),
            rule(SKIP, Ok(json!({"continue": {"user_metadata": {"ok": 1, "b.c": 1}}}))),
            rule(SKIP, Ok(json!({"continue": {"context": {"x": 1}, "shared": {"y": 1}}}))),
            rule(SKIP, Ok(json!({"continue": {"user_metadata": {"kept": 1}}}))),
        ],
        &["skipped trap", "skipped output_schema", "skipped capability_denied", "continued"],
        json!({"outcome": "allow", "user_metadata": {"kept": 1}}),
    );
}

#[test]
fn a_rule_that_may_be_skipped_but_asks_for_something_secure_denies_the_login() {
    for answer in [
        json!({"deny": {"code": "no"}}),
        json!({"continue": {"app_metadata": {"admin": true}}}),
        json!({"continue": {"id_token": {"plan": "gold"}}}),
        json!({"continue": {"access_token": {"sub": "x"}}}),
        json!({"continue": {"scope": []}}),
        json!({"continue": {"second_factor": {}}}),
        json!({"continue": {"context": {"primaryUser": "auth0|1"}}}),
        json!({"continue": {"user_metadata": {"a.b": 1}, "second_factor": {}}}),
    ] {
        let (_, became, outcome) = run(&[rule(SKIP, Ok(answer.clone())), says(json!({"continue": {}}))]);
        assert_eq!(outcome.as_str(), "failed", "{answer}");
        assert!(became.len() == 1 && became[0].starts_with("failed "), "{answer}: {became:?}");
    }
}

#[test]
fn a_fault_of_ours_is_never_skipped() {
    for code in FailureCode::ALL {
        let (_, _, outcome) = run(&[rule(SKIP, Err(*code))]);
        let is_ours = RuleFailure::new(*code, "").is_ours();
        assert_eq!(outcome.as_str(), if is_ours { "failed" } else { "allow" }, "{code}");
    }
    for code in ["artifact_integrity", "conflict_exhausted", "store_unavailable", "store_full", "host_internal"] {
        assert!(RuleFailure::new(code.parse().unwrap(), "").is_ours(), "{code}");
    }
}

#[test]
fn a_rule_runs_only_on_the_logins_it_is_for() {
    let on = |when: &str| rule(&format!("[when]\n{when}"), Ok(json!({"continue": {}})));
    for (when, became) in [
        ("clients = [\"shop\", \"other\"]", "continued"),
        ("clients = [\"other\"]", "skip \"client\""),
        ("connections = [\"db\"]", "continued"),
        ("connections = [\"DB\"]", "skip \"connection\""),
        ("protocols = [\"oidc-basic-profile\"]", "continued"),
        ("protocols = [\"samlp\"]", "skip \"protocol\""),
        ("clients = [\"shop\"]\nprotocols = [\"samlp\"]", "skip \"protocol\""),
    ] {
        check(&[on(when)], &[became], json!({"outcome": "allow"}));
    }
    let mut back = event();
    back["context"]["protocol"] = json!("redirect-callback");
    back["context"]["original_protocol"] = json!("samlp");
    check_input(&[on("protocols = [\"samlp\"]")], input(back), &["continued"], json!({"outcome": "allow"}));
}

#[test]
fn a_scope_stays_within_what_the_client_may_have() {
    let scope = |scope: Value| says(json!({"continue": {"scope": scope}}));
    check(&[scope(json!(["read:orders"]))], &["continued"], json!({"scope": ["read:orders"]}));
    check(&[scope(json!(["profile", "read:orders"]))], &["continued"], json!({"scope": ["profile", "read:orders"]}));
    check(&[scope(json!([]))], &["continued"], json!({"scope": []}));
    for added in ["admin", "openid", "offline_access"] {
        check(
            &[scope(json!([added]))],
            &["failed scope_not_allowed"],
            json!({"outcome": "failed", "scope": ["profile"]}),
        );
    }
    let mut management = input(event());
    management.scopes.is_management = true;
    check_input(&[scope(json!(["profile"]))], management.clone(), &["failed scope_not_allowed"], json!({}));
    let claim = says(json!({"continue": {"access_token": {"plan": 1}}}));
    check_input(&[claim], management.clone(), &["failed claim_reserved"], json!({}));
    let claims = says(json!({"continue": {"access_token": {"https://example.com/plan": 1}, "id_token": {"plan": 1}}}));
    check_input(&[claims], management, &["continued"], json!({"outcome": "allow"}));
}

#[test]
fn the_primary_user_is_one_that_is_linked() {
    for (id, became) in [
        (json!("auth0|1"), "continued"),
        (json!("google-oauth2|9"), "continued"),
        (json!("google-oauth2|99"), "failed mutation_forbidden"),
        (json!("auth0|9"), "failed mutation_forbidden"),
        (json!(["auth0|1"]), "failed mutation_forbidden"),
    ] {
        check(&[says(json!({"continue": {"context": {"primaryUser": id}}}))], &[became], json!({}));
    }
}

#[test]
fn a_driver_that_breaks_the_protocol_gets_a_failed_login() {
    let rules = [says(json!({"continue": {}}))];
    let failed = |step: Step<'_>| matches!(step, Step::Done(Outcome::Failed { failure, .. }) if failure.code == FailureCode::HostInternal);
    let answer: Result<&[u8], RuleFailure> = Ok(br#"{"continue":{}}"#);
    let begin = || Login::begin(pipeline(&rules), input(event())).unwrap();

    let mut next_twice = begin();
    next_twice.next();
    assert!(failed(next_twice.next()) && failed(next_twice.next()));

    let mut take_first = begin();
    assert!(matches!(take_first.take(answer.clone(), &Spent::default()), RuleOutcome::Failed(_)));
    assert!(failed(take_first.next()) && failed(take_first.next()));

    let mut take_twice = begin();
    take_twice.next();
    take_twice.take(answer.clone(), &Spent::default());
    take_twice.take(answer.clone(), &Spent::default());
    assert!(failed(take_twice.next()));

    let mut done_twice = begin();
    done_twice.next();
    done_twice.take(answer.clone(), &Spent::default());
    assert!(matches!(done_twice.next(), Step::Done(Outcome::Allow(_))));
    assert!(failed(done_twice.next()));
    done_twice.take(answer, &Spent::default());
    assert!(failed(done_twice.next()));
}
