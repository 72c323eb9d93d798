//! What a rule sees, and what never reaches one.

mod text;

use std::sync::Arc;

use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use vestibule_abi::{
    codes::FailureCode,
    document::Document,
    limits::{Budget, LoginBudget, Spent},
};

use super::{CanonicalText, EventSource, EventText, InvalidEvent, ScopePolicy};
use crate::{
    json::tests::value,
    login::{Login, LoginInput, RuleOutcome, Step},
    manifest::Manifest,
    pipeline::{Digest, Pipeline, Rule},
};

fn event() -> Value {
    json!({
        "user": {
            "user_id": "auth0|1",
            "email": "jane@example.com",
            "nickname": "jane",
            "app_metadata": {"plan": "gold", "kept": 7, "roles": ["a", "b"]},
            "identities": [
                {"provider": "auth0", "user_id": "1"},
                {"provider": "google-oauth2", "user_id": "9", "access_token": "idp-1", "refresh_token": "idp-2"},
            ],
        },
        "context": {
            "now": "rules cannot be lied to",
            "seed": "nor this way",
            "request": {"ip": "203.0.113.9", "query": {"scope": "openid", "state": "s"}, "geoip": {"country_code": "DE"}},
        },
        "configuration": {"REGION": "eu", "OTHER": "config-secret"},
    })
}

/// A value as the text that a host writes.
fn written(event: &Value) -> Box<RawValue> {
    to_raw_value(event).unwrap()
}

fn login(event: Value, manifests: Vec<Manifest>) -> Result<Login, InvalidEvent> {
    let rule = |manifest| Rule::new(manifest, Digest([0; 32]), &Budget::CEILING).unwrap();
    let pipeline = Pipeline::new(manifests.into_iter().map(rule).collect()).unwrap();
    let scopes = ScopePolicy::of_event(&event);
    let input = LoginInput { event, seed: [7; 32], now_ms: 1_700_000_000_123, scopes, budget: LoginBudget::STANDARD };
    Login::begin(Arc::new(pipeline), input)
}

fn manifest(more: &str) -> Manifest {
    let text = format!("name = \"a-rule\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\norder = 1\n{more}");
    Manifest::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// What a rule with this manifest sees of an event.
fn seen(event: Value, manifest: Manifest) -> Value {
    let mut login = login(event, vec![manifest]).unwrap();
    let Step::Run { event, .. } = login.next() else { panic!("it did not run") };
    serde::Deserialize::deserialize(Document::parse(event).unwrap().root()).unwrap()
}

#[track_caller]
fn check(more: &str, expect: Value) {
    assert_eq!(seen(event(), manifest(more)), expect, "{more}");
}

#[test]
fn a_rule_sees_the_event_without_what_it_was_not_granted() {
    let mut expect = event();
    expect["user"]["identities"][1] = json!({"provider": "google-oauth2", "user_id": "9"});
    expect["context"]["now"] = json!(1_700_000_000_123_i64);
    // HMAC-SHA256 of `a-rule` under 32 bytes of 7, by another implementation.
    expect["context"]["seed"] = json!("2d37ae032c7ee768be454a03c2e39bcc8b7e695e92c014d835fcf889e12d08b9");
    expect["configuration"] = json!({});
    expect["shared"] = json!({});
    check("", expect);
}

#[test]
fn reads_gives_these_subtrees_and_nothing_else() {
    let empty = || json!({"user": {}, "context": {}, "configuration": {}, "shared": {}});
    let with = |root: &str, value: Value| {
        let mut expect = empty();
        expect[root] = value;
        expect
    };
    for (reads, expect) in [
        ("", empty()),
        ("\"user.email\"", with("user", json!({"email": "jane@example.com"}))),
        ("\"user.nothing\", \"shared\"", empty()),
        (
            "\"user.app_metadata\"",
            with("user", json!({"app_metadata": {"plan": "gold", "kept": 7, "roles": ["a", "b"]}})),
        ),
        ("\"user.app_metadata.plan\"", with("user", json!({"app_metadata": {"plan": "gold"}}))),
        ("\"user.email.deeper\"", empty()),
        ("\"context.now\"", with("context", json!({"now": 1_700_000_000_123_i64}))),
        (
            "\"context.request.geoip.country_code\"",
            with("context", json!({"request": {"geoip": {"country_code": "DE"}}})),
        ),
        (
            "\"context.request.query\"",
            with("context", json!({"request": {"query": {"scope": "openid", "state": "s"}}})),
        ),
        (
            "\"user.identities.provider\"",
            with("user", json!({"identities": [{"provider": "auth0"}, {"provider": "google-oauth2"}]})),
        ),
    ] {
        check(&format!("reads = [{reads}]"), expect);
    }
}

#[test]
fn configuration_holds_only_granted_keys() {
    let capability = "[capabilities]\nconfiguration = [\"REGION\", \"ABSENT\"]";
    assert_eq!(seen(event(), manifest(capability))["configuration"], json!({"REGION": "eu"}));
    assert_eq!(seen(event(), manifest(&format!("reads = []\n{capability}")))["configuration"], json!({"REGION": "eu"}));
}

#[test]
fn a_token_of_an_identity_provider_is_seen_only_where_reads_names_it() {
    let identities = |reads: &str| seen(event(), manifest(&format!("reads = [{reads}]")))["user"]["identities"].clone();
    assert_eq!(identities("\"user\"")[1], json!({"provider": "google-oauth2", "user_id": "9"}));
    assert_eq!(identities("\"user.identities\"")[1], json!({"provider": "google-oauth2", "user_id": "9"}));
    assert_eq!(identities("\"user.identities[].access_token\""), json!([{}, {"access_token": "idp-1"}]));
    assert_eq!(
        identities("\"user.identities\", \"user.identities.access_token\"")[1],
        json!({"provider": "google-oauth2", "user_id": "9", "access_token": "idp-1"})
    );
    let mut event = event();
    event["user"]["identities"][0] = json!({"provider": "x", "profileData": {"Access_Token": "canary", "name": "n"}});
    for reads in ["\"user\"", "\"user.identities\", \"user.identities.access_token\""] {
        let seen = seen(event.clone(), manifest(&format!("reads = [{reads}]")))["user"]["identities"][0].clone();
        assert_eq!(seen, json!({"provider": "x", "profileData": {"name": "n"}}), "{reads}");
    }
}

#[test]
fn credentials_of_the_request_never_reach_a_rule() {
    let names = [
        "password",
        "client_secret",
        "code",
        "code_verifier",
        "refresh_token",
        "mfa_token",
        "otp",
        "assertion",
        "client_assertion",
        "PASSWORD",
        "Client_Secret",
    ];
    for part in ["query", "body"] {
        for name in names {
            let mut event = event();
            event["context"]["request"][part] = json!({"ok": 1, name: "canary", "deep": [{name: "canary"}]});
            let seen = seen(event, manifest(""));
            assert!(!seen.to_string().contains("canary"), "{part}.{name}");
            assert_eq!(seen["context"]["request"][part], json!({"ok": 1, "deep": [{}]}));
        }
        let mut event = event();
        event["context"]["request"][part] = json!("password=canary");
        assert!(!seen(event, manifest("")).to_string().contains("canary"));
    }
}

#[test]
fn every_rule_has_a_seed_of_its_own_and_the_same_again() {
    let seed = |name: &str| seen(event(), Manifest::permissive(name))["context"]["seed"].clone();
    assert_eq!(seed("one"), seed("one"));
    assert_ne!(seed("one"), seed("two"));
}

#[test]
fn an_event_of_another_shape_is_refused_with_the_next_step() {
    let deep = (0..40).fold(json!(1), |value, _| json!([value]));
    for (event, expect) in [
        (json!([]), "the event is no JSON object; it needs the members `user` and `context`"),
        (json!({"context": {}}), "the event has no `user`; add `\"user\": {…}`"),
        (json!({"user": {}}), "the event has no `context`; add `\"context\": {…}`"),
        (json!({"user": 1, "context": {}}), "`user` of the event is no object; write `{…}`"),
        (json!({"user": {"app_metadata": []}, "context": {}}), "`app_metadata` of the event is no object; write `{…}`"),
        (
            json!({"user": {}, "context": {}, "secrets": {}}),
            "the event has an unknown member `secrets`; it has `user`, `context`, `configuration` and `shared`",
        ),
        (
            json!({"user": {"n": 1e300}, "context": {}}),
            "the event is outside the canonical JSON profile: a number is outside ±(2^53 − 1) or not finite",
        ),
        (
            json!({"user": {"deep": deep}, "context": {}}),
            "the event is outside the canonical JSON profile: nested deeper than 32",
        ),
    ] {
        assert_eq!(login(event, vec![]).expect_err("accepted").to_string(), expect);
    }
    assert!(login(json!({"user": {"app_metadata": null}, "context": {}}), vec![]).is_ok());
}

/// Bytes encoded by a login whose rules each set one key of each bag.
fn encoded_by(rules: usize) -> u64 {
    let manifest = |at: usize| {
        let mut manifest = Manifest::permissive(&format!("rule-{at:03}"));
        manifest.order = at as i64;
        manifest
    };
    let mut login = login(event(), (0..rules).map(manifest).collect()).unwrap();
    for at in 0..rules {
        assert!(matches!(login.next(), Step::Run { .. }));
        let key = format!("key-{at:03}");
        let answer = json!({"continue": {"app_metadata": {&key: at + 1_000}, "shared": {&key: "a"}}}).to_string();
        assert_eq!(login.take(Ok(answer.as_bytes()), &Spent::default()), RuleOutcome::Continued);
    }
    login.encoded_bytes()
}

#[test]
fn encoded_bytes_grow_with_what_rules_change_not_with_how_many_they_are() {
    let per_rule = encoded_by(3) - encoded_by(2);
    assert_eq!(encoded_by(100) - encoded_by(2), 98 * per_rule);
    assert!(per_rule < 250, "{per_rule} bytes for two members, now and seed");
}
