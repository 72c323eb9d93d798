//! What a rule sees, and what never reaches one.

use std::sync::Arc;

use proptest::prelude::*;
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

/// What came of an event by two rules that read this, of which the second deletes, changes and adds keys.
fn came_of(event: impl EventSource, reads: [&str; 2]) -> (Vec<Arc<Vec<u8>>>, String, u64) {
    let rules = reads.into_iter().zip(1_i64..).map(|(reads, order)| {
        let mut manifest = manifest(reads);
        manifest.order = order;
        manifest.name = format!("rule-{order}").parse().unwrap();
        manifest.writes = Manifest::permissive("any").writes;
        Rule::new(manifest, Digest([0; 32]), &Budget::CEILING).unwrap()
    });
    let scopes = ScopePolicy::of_event(&json!({}));
    let input = LoginInput { event, seed: [7; 32], now_ms: 0, scopes, budget: LoginBudget::STANDARD };
    let mut login = Login::begin(Arc::new(Pipeline::new(rules.collect()).unwrap()), input).unwrap();
    let mut seen = Vec::new();
    for answer in [
        r#"{"continue": {}}"#,
        r#"{"continue": {"app_metadata": {"roles": null, "absent": null, "plan": "silver", "new": 1, "kept": 7}, "user": {"nickname": null}}}"#,
    ] {
        let Step::Run { event, .. } = login.next() else { panic!("it did not run") };
        seen.push(Arc::clone(event));
        assert_eq!(login.take(Ok(answer.as_bytes()), &Spent::default()), RuleOutcome::Continued);
    }
    let encoded = login.encoded_bytes();
    let Step::Done(outcome) = login.next() else { panic!("it is not over") };
    (seen, serde_json::to_string(&outcome).unwrap(), encoded)
}

#[test]
fn an_event_as_text_is_the_same_event_however_little_of_it_is_read() {
    let event = event();
    let text = written(&event);
    let everything = came_of(&event, ["", ""]);
    for reads in [
        ["", ""],
        ["reads = []", "reads = []"],
        ["reads = [\"user.email\"]", "reads = [\"user.app_metadata.plan\"]"],
        ["reads = [\"user\"]", "reads = [\"context.request.geoip\", \"context.seed\"]"],
        ["reads = []", ""],
        ["reads = [\"user.identities.access_token\", \"user.app_metadata\"]", "reads = [\"context\"]"],
    ] {
        let (documents, outcome, encoded) = came_of(CanonicalText(&text), reads);
        let tree = came_of(&event, reads);
        assert_eq!(documents, tree.0, "{reads:?}");
        assert_eq!(outcome, everything.1, "{reads:?}");
        assert!(encoded <= tree.2, "{reads:?}: {encoded} bytes");
        assert_eq!(came_of(EventText(text.get().as_bytes()), reads), tree, "{reads:?}");
    }
}

#[test]
fn what_no_rule_reads_is_not_encoded_and_not_lost() {
    let mut event = event();
    let large = "é\"\n".repeat(2_000);
    event["user"]["user_metadata"] = json!({"first": 1.5, "large": large, "last": {"deep": [null, true]}});
    event["context"]["request"]["userAgent"] = json!(large);
    let text = written(&event);
    let (_, outcome, encoded) = came_of(CanonicalText(&text), ["reads = []", "reads = [\"user.email\"]"]);
    assert!(encoded < 2_000, "{encoded} bytes");
    let outcome: Value = serde_json::from_str(&outcome).unwrap();
    assert_eq!(outcome["user_metadata"].to_string(), event["user"]["user_metadata"].to_string());
}

#[test]
fn metadata_that_no_rule_reads_count_against_their_limit() {
    let stage = |reads: &str, bytes: usize| {
        let mut manifest = manifest(reads);
        manifest.writes = Manifest::permissive("any").writes;
        let mut event = event();
        event["user"]["app_metadata"] = json!({"large": "x".repeat(bytes)});
        let text = written(&event);
        let rule = Rule::new(manifest, Digest([0; 32]), &Budget::CEILING).unwrap();
        let scopes = ScopePolicy::of_event(&event);
        let event = CanonicalText(&text);
        let input = LoginInput { event, seed: [7; 32], now_ms: 0, scopes, budget: LoginBudget::STANDARD };
        let mut login = Login::begin(Arc::new(Pipeline::new(vec![rule]).unwrap()), input).unwrap();
        assert!(matches!(login.next(), Step::Run { .. }));
        login.take(Ok(br#"{"continue": {"app_metadata": {"more": "0123456789"}}}"#), &Spent::default())
    };
    for reads in ["", "reads = []"] {
        assert_eq!(stage(reads, 32_000), RuleOutcome::Continued, "{reads}");
        let RuleOutcome::Failed(failure) = stage(reads, 32_760) else { panic!("{reads}: it was not refused") };
        assert_eq!(failure.code, FailureCode::MetadataTooLarge, "{reads}");
    }
}

#[test]
fn a_text_of_unknown_origin_is_checked_whatever_rules_read() {
    for text in [
        r#"{"user": {"user_id": "a", "user_id": "b"}, "context": {}}"#,
        r#"{"user": {}, "context": {}, "user": {}}"#,
        r#"{"user": {"app_metadata": {}, "app_metadata": null}, "context": {}}"#,
        r#"{"user": {"deep": {"n": 1, "n": 2}}, "context": {}}"#,
        r#"{"user": {"app_metadata": {"n": 1e400}}, "context": {}}"#,
        r#"{"user": {"text": "\u0000"}, "context": {}}"#,
        r#"{"user": {"broken": [}, "context": {}}"#,
        r#"{"user": {}, "context": {}} more"#,
        "\u{feff}{}",
    ] {
        for reads in ["", "reads = []"] {
            let rule = Rule::new(manifest(reads), Digest([0; 32]), &Budget::CEILING).unwrap();
            let scopes = ScopePolicy::of_event(&json!({}));
            let event = EventText(text.as_bytes());
            let input = LoginInput { event, seed: [7; 32], now_ms: 0, scopes, budget: LoginBudget::STANDARD };
            let refused = Login::begin(Arc::new(Pipeline::new(vec![rule]).unwrap()), input).unwrap_err().to_string();
            assert!(refused.starts_with("the event is outside the canonical JSON profile: "), "{text}: {refused}");
            assert!(refused.contains(" at line 1 column "), "{text}: {refused}");
        }
    }
}

#[test]
fn a_text_of_the_hosts_own_that_is_no_event_is_refused_as_any_other() {
    fn refused(event: impl EventSource) -> InvalidEvent {
        let rule = Rule::new(manifest("reads = [\"user.email\"]"), Digest([0; 32]), &Budget::CEILING).unwrap();
        let scopes = ScopePolicy::of_event(&json!({}));
        let input = LoginInput { event, seed: [7; 32], now_ms: 0, scopes, budget: LoginBudget::STANDARD };
        Login::begin(Arc::new(Pipeline::new(vec![rule]).unwrap()), input).unwrap_err()
    }
    for text in [
        "[]",
        r#"{"user": {}}"#,
        r#"{"user": [], "context": {}}"#,
        r#"{"user": null, "context": {}}"#,
        r#"{"user": {}, "context": {"idToken": 1}}"#,
        r#"{"user": {}, "context": {}, "more": {}}"#,
        r#"{"user": {}, "context": {}, "user": {}}"#,
        r#"{"user": {"name": "a", "n\u0061me": "b"}, "context": {}}"#,
        r#"{"user": {"na\u0000me": "a"}, "context": {}}"#,
        r#"{"user": {"email": "a\u0000"}, "context": {}}"#,
        r#"{"user": {"email": 1e400}, "context": {}}"#,
    ] {
        let own = refused(CanonicalText(serde_json::from_str(text).unwrap()));
        match (refused(EventText(text.as_bytes())), own) {
            // Only a text read in one go has places.
            (InvalidEvent::NotCanonical(any), InvalidEvent::NotCanonical(own)) => {
                assert!(any.starts_with(&own), "{text}: {own}, {any}");
            }
            (any, own) => assert_eq!(own, any, "{text}"),
        }
    }
}

#[test]
fn a_key_is_known_however_its_text_is_written() {
    let text = r#"{
        "user": {
            "\u0065mail": "jane@example.com",
            "app_metadata": null,
            "identit\u0069es": [{"provider": "google-oauth2", "user_id": "9", "access_token": "canary"}]
        },
        "context": {"re\u0071uest": {"body": {"password": "of the request"}}}
    }"#;
    let rule = Rule::new(manifest("reads = [\"user.email\"]"), Digest([0; 32]), &Budget::CEILING).unwrap();
    let scopes = ScopePolicy::of_event(&json!({}));
    let event = CanonicalText(serde_json::from_str(text).unwrap());
    let input = LoginInput { event, seed: [7; 32], now_ms: 0, scopes, budget: LoginBudget::STANDARD };
    let mut login = Login::begin(Arc::new(Pipeline::new(vec![rule]).unwrap()), input).unwrap();
    assert!(!format!("{login:?}").contains("of the request"));
    let Step::Run { event, .. } = login.next() else { panic!("it did not run") };
    let seen: Value = serde::Deserialize::deserialize(Document::parse(event).unwrap().root()).unwrap();
    assert_eq!(seen["user"], json!({"email": "jane@example.com"}));
}

proptest! {
    /// However little of it is read, and whatever stands in the rest.
    #[test]
    fn what_a_host_writes_is_the_same_event_as_its_tree(
        members in prop::collection::vec(("[^\u{0}]{0,6}", value(), 0..4_usize), 0..8),
        read: bool,
    ) {
        let mut event = event();
        for (key, value, place) in members {
            let part = ["/user", "/user/user_metadata", "/context", "/shared"][place];
            if part == "/user/user_metadata" && event["user"]["user_metadata"].is_null() {
                event["user"]["user_metadata"] = json!({});
            }
            if part == "/shared" && event["shared"].is_null() {
                event["shared"] = json!({});
            }
            event.pointer_mut(part).unwrap()[format!("any {key}")] = value; // No name that the host knows.
        }
        let reads = if read { "reads = [\"user.email\", \"context\", \"user.user_metadata\"]" } else { "reads = []" };
        let (documents, outcome, _) = came_of(CanonicalText(&written(&event)), [reads, "reads = [\"shared\"]"]);
        let (of_tree, outcome_of_tree, _) = came_of(&event, [reads, "reads = [\"shared\"]"]);
        prop_assert_eq!(documents, of_tree);
        prop_assert_eq!(outcome, outcome_of_tree);
    }
}

#[test]
fn credentials_of_a_request_that_no_rule_reads_are_not_kept() {
    let mut event = event();
    event["context"]["request"]["body"] = json!({"password": "canary"});
    let text = written(&event);
    for reads in ["reads = []", "reads = [\"context.request.body\"]", ""] {
        let rule = Rule::new(manifest(reads), Digest([0; 32]), &Budget::CEILING).unwrap();
        let scopes = ScopePolicy::of_event(&json!({}));
        let event = CanonicalText(&text);
        let input = LoginInput { event, seed: [7; 32], now_ms: 0, scopes, budget: LoginBudget::STANDARD };
        let login = Login::begin(Arc::new(Pipeline::new(vec![rule]).unwrap()), input).unwrap();
        let kept = format!("{login:?}");
        let encoded = format!("{:?}", b"canary").replace(['[', ']'], "");
        assert!(!kept.contains("canary") && !kept.contains(&encoded), "{reads}");
    }
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
