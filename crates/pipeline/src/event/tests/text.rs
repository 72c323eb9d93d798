//! Events that come as text: the same as their tree, however little of them is read.

use proptest::prelude::*;

use super::*;
use crate::{login::SkipReason, manifest::Redirects, outcome::Note};

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
fn the_host_finds_what_it_looks_for_where_no_rule_reads_it() {
    let mut event = event();
    event["user"]["user_id"] = json!("email|of-no-identity");
    event["context"]["clientID"] = json!("shop");
    event["context"]["connection"] = json!("d\u{e9}partement");
    event["context"]["protocol"] = json!("redirect-callback");
    event["context"]["authentication"] = json!({"methods": [{"name": "pwd"}, {"name": "mfa"}]});
    let ended = |event: &Value, when: &str, primary_user: &str| {
        let mut manifest = manifest(&format!("reads = []\n[when]\n{when}"));
        manifest.writes = Manifest::permissive("any").writes;
        manifest.capabilities.redirect = Redirects::Anywhere;
        let rule = Rule::new(manifest, Digest([0; 32]), &Budget::CEILING).unwrap();
        let (text, scopes) = (written(event), ScopePolicy::of_event(event));
        let event = CanonicalText(&text);
        let input = LoginInput { event, seed: [7; 32], now_ms: 0, scopes, budget: LoginBudget::STANDARD };
        let mut login = Login::begin(Arc::new(Pipeline::new(vec![rule]).unwrap()), input).unwrap();
        if let Step::Run { .. } = login.next() {
            let asked = json!({"second_factor": {}, "redirect": {"url": "https://example.com/"}, "context": {"primaryUser": primary_user}});
            login.take(Ok(json!({ "continue": asked }).to_string().as_bytes()), &Spent::default());
        }
        let Step::Done(outcome) = login.next() else { panic!("it is not over") };
        (outcome.as_str(), outcome.journal().iter().map(|line| line.note.clone()).collect::<Vec<_>>())
    };
    let met = ("allow", vec![Note::RedirectIgnored, Note::SecondFactorMet]);
    for primary_user in ["email|of-no-identity", "google-oauth2|9"] {
        assert_eq!(ended(&event, "clients = [\"shop\"]", primary_user), met);
    }
    assert_eq!(ended(&event, "connections = [\"d\u{e9}partement\"]", "google-oauth2|9"), met);
    assert_eq!(ended(&event, "clients = [\"shop\"]", "google-oauth2|99"), ("failed", Vec::new()));
    for (when, why) in [
        ("clients = [\"other\"]", SkipReason::Client),
        ("connections = [\"other\"]", SkipReason::Connection),
        ("protocols = [\"samlp\"]", SkipReason::Protocol),
    ] {
        assert_eq!(ended(&event, when, "google-oauth2|9"), ("allow", vec![Note::Skipped(why)]));
    }
    event["context"]["original_protocol"] = json!("samlp");
    assert_eq!(ended(&event, "protocols = [\"samlp\"]", "google-oauth2|9"), met);
    let context = event["context"].as_object_mut().unwrap();
    context.remove("original_protocol");
    context["protocol"] = json!("samlp");
    let first_time = ("redirect", vec![Note::SecondFactorMet]);
    assert_eq!(ended(&event, "protocols = [\"samlp\"]", "google-oauth2|9"), first_time);
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
