//! What authors and their rules write: answers, manifests; and the events that rules receive.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use vestibule_abi::{
    codes::FailureCode,
    document::Document,
    limits::{self, Budget, LoginBudget, Spent},
};
use vestibule_pipeline::{
    Answer, CanonicalText, Digest, EventSource, EventText, Given, Login, LoginInput, Manifest, Outcome, Pipeline,
    PipelineFile, Rule, ScopePolicy, Step, json,
};

/// Answers to start from.
pub const ANSWERS: &[&[u8]] = &[
    br#"{"continue":{}}"#,
    br#"{"deny":{"code":"email_not_verified","reason":"verify it"}}"#,
    br#"{"continue":{"user_metadata":{"a":1,"b":null},"app_metadata":{"roles":["x"]},"shared":{"x":{"y":[1]}}}}"#,
    br#"{"continue":{"user":{"nickname":"n"},"context":{"custom":1},"id_token":{"https://e.com/c":true}}}"#,
    br#"{"continue":{"access_token":{"plan":"gold"},"scope":["openid","profile"]}}"#,
    br#"{"continue":{"second_factor":{"allow_remember_browser":true},"redirect":{"url":"https://e.com/?a=b"}}}"#,
];
/// Names an answer can hold.
pub const ANSWER_TOKENS: &[&[u8]] = &[
    b"\"continue\":{",
    b"\"deny\":{",
    b"\"user_metadata\":{",
    b"\"user_id\":",
    b"\"__proto__\":",
    b"\"sub\":",
    b"\"iss\":",
    b"\"email\":",
    b"\"primaryUser\":\"auth0|2\"",
    b"\"scope\":[\"a\"]",
    b"\"a.b\":1",
    b"\"$x\":",
    b"null",
    b"},",
    b"\\u202e",
    b"\"https://e.com\"",
    b"javascript:",
    b"//",
    b"@",
    b"\\r\\n",
    b"\"samlConfiguration\":{}",
    b"\"blocked\":false",
];
/// Events to start from.
pub const EVENTS: &[&[u8]] = &[
    br#"{"user":{"user_id":"auth0|1","email":"a@e.com"},"context":{}}"#,
    br#"{"user":{"user_metadata":{"a":1},"app_metadata":null,"identities":[{"provider":"x","access_token":"t"}]},
        "context":{"request":{"query":{"scope":"openid","code":"c"},"body":{"password":"p","a":[{"otp":"1"}]}}},
        "configuration":{"K":"v"},"shared":{}}"#,
];
/// Names an event can hold.
pub const EVENT_TOKENS: &[&[u8]] = &[
    b"\"request\":{\"body\":{\"Password\":\"x\"}}",
    b"\"user\":{}",
    b"\"context\":{}",
    b"\"now\":1",
    b"\"seed\":\"s\"",
    b"\"refresh_token\":1",
    b"\"query\":[{\"otp\":1}]",
    b"\"identities\":{}",
    b"\"app_metadata\":",
    b"[[[[[[[[[[[[[[",
    b"null",
];
/// Manifests to start from.
pub const RULES: &[&[u8]] = &[
    b"name = \"a-rule\"\nlanguage = \"rust\"\nmodule = \"target/rule.wasm\"\norder = 10\nwrites = [\"deny\"]\n",
    NARROW.as_bytes(),
    b"name = \"b\"\nlanguage = \"javascript\"\nsource = \"rule.js\"\norder = -1\non_failure = \"skip\"\n\
      writes = [\"user_metadata.a\"]\nreserved_claims = \"drop\"\n[when]\nclients = [\"c\"]\n[limits]\nfuel = 1000\n",
];
/// Pipelines to start from.
pub const PIPELINES: &[&[u8]] = &[b"rules = [\"a\", \"b/c\"]\n"];
/// Pieces of TOML.
pub const TOML_TOKENS: &[&[u8]] = &[
    b"[limits]\n",
    b"[when]\n",
    b"[capabilities]\n",
    b"http = [\"https://a.example\"]\n",
    b"fuel = 99999999999\n",
    b"memory = \"16 MiB\"\n",
    b"wall = \"1s\"\n",
    b"reads = [\"user.\"]\n",
    b"writes = [\"id_token.*\"]\n",
    b"= ",
    b"[[",
    b"'''",
    b"order = 9223372036854775807\n",
    b"inf",
    b"nan",
    b"1979-05-27",
    b"\"\\u0000\"",
    b"..",
    b"*",
    b"{ a = 1 }",
];

const NARROW: &str = r#"name = "narrow"
language = "assemblyscript"
module = "rule.wasm"
order = 5
reads = ["user.email", "context.request.ip"]
writes = ["user_metadata.a", "id_token.https://e.com/*", "shared.x"]
[capabilities]
http = ["https://api.example.com"]
files = true
configuration = ["K"]
[limits]
fuel = 5000000
"#;

static PERMISSIVE: LazyLock<Arc<Pipeline>> = LazyLock::new(|| pipeline(Manifest::permissive("fuzzed")));
static NARROWED: LazyLock<Arc<Pipeline>> =
    LazyLock::new(|| pipeline(Manifest::parse(NARROW).expect("the manifest is acceptable")));

fn pipeline(manifest: Manifest) -> Arc<Pipeline> {
    let rule = Rule::new(manifest, Digest::of(b"fuzzed"), &Budget::CEILING).expect("the budget is acceptable");
    Arc::new(Pipeline::new(vec![rule]).expect("one rule is a pipeline"))
}

const NOW_MS: i64 = 1_700_000_000_000;

fn login(pipeline: &Arc<Pipeline>, event: impl EventSource) -> Option<Login> {
    let scopes = ScopePolicy::of_event(&Value::Null);
    let input = LoginInput { event, seed: [7; 32], now_ms: NOW_MS, scopes, budget: LoginBudget::STANDARD };
    Login::begin(Arc::clone(pipeline), input).ok()
}

/// Any bytes as an answer: refused with a code that is not ours, or changes within what was granted and allowed; and a
/// login that gets it has an outcome.
pub fn answer(bytes: &[u8]) {
    for pipeline in [&*PERMISSIVE, &*NARROWED] {
        let manifest = &pipeline.rules()[0].manifest;
        let given = Given::parse(bytes);
        match given.as_ref().map_err(Clone::clone).and_then(|given| given.checked(manifest)) {
            Err(failure) => assert!(!failure.is_ours(), "{failure}"),
            Ok(Answer::Deny(refusal)) => {
                assert!(refusal.code.len() <= limits::DENY_CODE_BYTES && refusal.code.is_ascii());
                assert!(refusal.reason.chars().count() <= limits::REASON_CHARS);
                assert!(!refusal.reason.chars().any(char::is_control), "{refusal:?}");
            }
            Ok(Answer::Continue(patch)) => {
                assert!(patch.mutations() <= limits::MUTATIONS_PER_RULE);
                let granted = |key: &str| key == "a" || key == "x" || key.starts_with("https://e.com/");
                let narrow = manifest.name.as_str() == "narrow";
                assert!(!narrow || patch.changes.iter().all(|change| granted(change.key)), "{patch:?}");
                assert!(!narrow || (patch.scope.is_none() && patch.redirect.is_none()), "{patch:?}");
            }
        }
        taken(pipeline, bytes);
    }
}

fn taken(pipeline: &Arc<Pipeline>, answer: &[u8]) {
    let event = json::parse_event(EVENTS[1]).expect("the event is canonical");
    let mut login = login(pipeline, event).expect("the event is acceptable");
    assert!(matches!(login.next(), Step::Run { .. }));
    login.take(Ok(answer), &Spent::default());
    let Step::Done(outcome) = login.next() else { panic!("one rule, one step") };
    if let Outcome::Failed { failure, .. } = &outcome {
        assert!(!failure.is_ours(), "{failure}");
    }
    let text = serde_json::to_vec(&outcome).expect("an outcome can be written");
    json::parse_event(&text).expect("an outcome is canonical JSON");
}

/// Any bytes as an event: refused, or given to the rule without credentials, with the host's own time; and the same as text
/// as it is as a tree, whatever the rule reads of it.
pub fn event(bytes: &[u8]) {
    let Ok(event) = json::parse_event(bytes) else {
        assert!(login(&NARROWED, EventText(bytes)).is_none(), "not all of the text is checked");
        return;
    };
    let text: &RawValue = serde_json::from_slice(bytes).expect("what was parsed is JSON");
    for pipeline in [&*PERMISSIVE, &*NARROWED] {
        let as_tree = login(pipeline, &event).map(ended);
        assert_eq!(login(pipeline, EventText(bytes)).map(ended), as_tree);
        assert_eq!(login(pipeline, CanonicalText(text)).map(ended), as_tree);
    }
    given(&event);
}

/// What a rule is given of an event, as a tree.
pub(crate) fn given(event: &Value) {
    for pipeline in [&*PERMISSIVE, &*NARROWED] {
        let Some(mut login) = login(pipeline, event) else { continue };
        match login.next() {
            Step::Run { event, .. } => seen(event, pipeline),
            Step::Skip { .. } => panic!("neither rule has a condition"),
            Step::Done(Outcome::Failed { failure, .. }) => assert_eq!(failure.code, FailureCode::EventTooLarge),
            Step::Done(outcome) => panic!("nothing ran, and yet: {outcome:?}"),
        }
    }
}

/// What the rule sees, and what comes of a login in which it deletes, keeps and sets what may be there.
fn ended(mut login: Login) -> (Option<Vec<u8>>, String) {
    let document = match login.next() {
        Step::Run { event, .. } => Some(event.to_vec()),
        Step::Skip { .. } => panic!("neither rule has a condition"),
        Step::Done(outcome) => return (None, serde_json::to_string(&outcome).expect("an outcome can be written")),
    };
    let answer = br#"{"continue":{"user_metadata":{"a":1}}}"#;
    login.take(Ok(answer), &Spent::default());
    let Step::Done(outcome) = login.next() else { panic!("one rule, one step") };
    (document, serde_json::to_string(&outcome).expect("an outcome can be written"))
}

/// What the rule sees of an event.
fn seen(event: &[u8], pipeline: &Pipeline) {
    assert!(event.len() <= limits::EVENT_BYTES);
    let document = Document::parse(event).expect("an event is a document");
    let event = Value::deserialize(document.root()).expect("an event can be read");
    for root in ["user", "context", "configuration", "shared"] {
        assert!(event[root].is_object(), "`{root}` is always an object");
    }
    if pipeline.rules()[0].manifest.reads.is_none() {
        assert_eq!(event["context"]["now"], NOW_MS);
    }
    for part in ["query", "body"] {
        assert!(!holds_credential(&event["context"]["request"][part]), "{event}");
    }
    for identity in event["user"]["identities"].as_array().into_iter().flatten() {
        assert!(identity.get("access_token").is_none(), "{event}");
    }
}

fn holds_credential(value: &Value) -> bool {
    let is_credential =
        |key: &String| ["password", "otp", "code", "refresh_token"].iter().any(|name| key.eq_ignore_ascii_case(name));
    match value {
        Value::Object(members) => members.iter().any(|(key, value)| is_credential(key) || holds_credential(value)),
        Value::Array(elements) => elements.iter().any(holds_credential),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Any text as a `rule.toml`: refused with words, or a rule whose budget is within the ceiling.
pub fn rule_toml(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match Manifest::parse(text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(manifest) => {
            assert!(!manifest.name.as_str().is_empty());
            if let Ok(budget) = manifest.budget(&Budget::CEILING) {
                assert!(budget.fuel <= Budget::CEILING.fuel && budget.wall <= Budget::CEILING.wall, "{budget:?}");
                assert!(budget.memory_bytes <= Budget::CEILING.memory_bytes, "{budget:?}");
            }
        }
    }
}

/// Any text as a `pipeline.toml`: refused with words, or some rules.
pub fn pipeline_toml(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match PipelineFile::parse(text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(file) => assert!(!file.rules.is_empty() && file.rules.len() <= limits::RULES_PER_PIPELINE),
    }
}
