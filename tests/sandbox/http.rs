//! 5.8: outbound HTTP through a real guest and a real server on loopback: what must pass, and what must be blocked.
//!
//! The notations of addresses and the behaviour of the client have tests of their own beside the code; here is what a
//! rule sees of them, and that nothing of it reaches where it should not. Every name leads to loopback.

mod blocked;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use vestibule_abi::{codes::FailureCode, limits::Budget};
use vestibule_engine::{
    Grants, Profile, Run, SandboxedRule,
    http::{HttpGrants, Record, Recording, Source, Unrecorded},
};
use vestibule_testkit::{
    deploy::{PROFILES, files},
    events::{self, Size},
    guests,
    oracle::{Census, alone},
    peer::{self, Peer},
};

use super::harness::{benign_login, deployed, runtime, warm_up};

/// A secret that a rule may use and must never see.
const SECRET: &str = "s3cr3t-5d1e77e0-never-in-a-guest";

/// A rule that makes this request.
fn calling(profile: Profile, request: &Value, http: Arc<HttpGrants>) -> SandboxedRule {
    let files = files(&[("request", request.to_string().as_bytes())]);
    deployed(profile, &guests::caller(), Grants { files: Some(files), http: Some(http) })
}

fn run(rule: &SandboxedRule, source: Source) -> Run {
    let event = events::document(&events::event(Size::Small));
    let budget = Budget { wall: Duration::from_secs(1), ..Budget::STANDARD };
    runtime().block_on(rule.run(&event, budget, source)).expect("the engine is sound")
}

/// What the rule got: `{"result", "body"}`.
#[track_caller]
fn got(run: &Run) -> Value {
    let answer: Value = serde_json::from_slice(run.answer.as_deref().expect("an answer")).expect("JSON");
    answer["continue"]["shared"].clone()
}

#[track_caller]
fn failure(run: &Run) -> FailureCode {
    run.answer.as_ref().expect_err("it must fail").code
}

fn get(url: &str) -> Value {
    json!({"method": "GET", "url": url})
}

/// Runs one request against a peer that is opened to the rule, under both profiles.
fn ask(path: &str, more: Value) -> Vec<Run> {
    let peer = runtime().block_on(Peer::start());
    let mut request = get(&format!("{}{path}", peer.origin()));
    request.as_object_mut().expect("a head").extend(more.as_object().cloned().unwrap_or_default());
    let live = || Source::Live(peer.egress());
    PROFILES
        .map(|profile| run(&calling(profile, &request, peer::grants(&[&peer.origin()], Some(("API", SECRET)))), live()))
        .into()
}

#[test]
fn a_response_reaches_the_rule_whole() {
    let _alone = alone();
    for run in ask("/json", json!({})) {
        let got = got(&run);
        assert_eq!(got["result"]["status"], 200);
        assert_eq!(got["result"]["body_len"], 15);
        assert_eq!(got["body"], json!({"plan": "gold"}));
        assert_eq!(run.http.exchanges.len(), 1);
        assert_eq!(run.spent.http_requests, 1);
    }
}

/// HR-95, HR-96: the peer gets the secret, and the rule gets stars even where the peer echoes it.
#[test]
fn a_secret_reaches_the_peer_and_never_the_guest() {
    let _alone = alone();
    let peer = runtime().block_on(Peer::start());
    let request = json!({
        "method": "GET",
        "url": format!("{}/echo", peer.origin()),
        "headers": [["authorization", "Bearer {{secret:API}}"]],
    });
    let grants = || peer::grants(&[&peer.origin()], Some(("API", SECRET)));
    for profile in PROFILES {
        let run = run(&calling(profile, &request, grants()), Source::Live(peer.egress()));
        assert!(peer.heads().last().expect("a request").contains(SECRET), "the peer needs it");
        let body = got(&run)["body"].to_string();
        assert!(body.contains("Bearer ***"), "{body}");
        let everything = format!("{run:?} {} {:?}", serde_json::to_string(&run.http.exchanges).unwrap(), grants());
        assert!(!everything.contains(SECRET), "{everything}");
        assert!(everything.contains("{{secret:API}}"), "the record keeps the name");
    }
}

/// HR-96, HR-109: a secret anywhere but in a header of its origin, and headers that are the host's.
#[test]
fn a_request_that_is_not_in_order_ends_the_run() {
    let _alone = alone();
    let peer = runtime().block_on(Peer::start());
    let origin = peer.origin();
    let requests = [
        json!({"method": "GET", "url": format!("{origin}/json?{{{{secret:API}}}}")}),
        json!({"method": "GET", "url": format!("{origin}/json"), "headers": [["x-other", "{{secret:OTHER}}"]]}),
        json!({"method": "GET", "url": format!("{origin}/json"), "headers": [["host", "evil.example"]]}),
        json!({"method": "GET", "url": format!("{origin}/json"), "headers": [["Transfer-Encoding", "chunked"]]}),
        json!({"method": "GET", "url": format!("{origin}/json"), "headers": [["content-length", "3"]]}),
        json!({"method": "GET", "url": format!("{origin}/json"), "headers": [["x-a", "b\r\nx-c: d"]]}),
        json!({"method": "GET", "url": format!("{origin}/json"), "headers": [["x-a\r\nx-c", "d"]]}),
        json!({"method": "GET /x HTTP/1.1\r\n", "url": format!("{origin}/json")}),
        json!({"method": "CONNECT", "url": format!("{origin}/json")}),
        json!({"method": "GET", "url": format!("{origin}/js on")}),
        json!({"method": "GET", "url": format!("{origin}/json\r\nx: y")}),
        json!({"method": "GET", "url": format!("{origin}/json"), "redirects": 3}),
        json!({"method": "GET", "url": format!("{origin}/json"), "proxy": "http://evil.example"}),
        json!(["GET"]),
    ];
    for request in requests {
        for profile in PROFILES {
            let rule = calling(profile, &request, peer::grants(&[&origin], Some(("API", SECRET))));
            assert_eq!(failure(&run(&rule, Source::Live(peer.egress()))), FailureCode::HostcallBadArgs, "{request}");
        }
    }
    assert_eq!(peer.heads(), Vec::<String>::new(), "nothing was sent");
}

#[test]
fn a_redirect_is_followed_only_as_often_as_the_rule_asked() {
    let _alone = alone();
    for run in ask("/redirect?to=/json", json!({})) {
        assert_eq!(got(&run)["result"]["status"], 302);
    }
    for run in ask("/redirect?to=/json", json!({"redirects": 1})) {
        assert_eq!(got(&run)["body"], json!({"plan": "gold"}));
    }
    for run in ask("/redirect?to=/redirect?to=/redirect?to=/json", json!({"redirects": 2})) {
        assert_eq!(got(&run)["result"]["status"], 302);
    }
}

/// HR-106, HR-107, HR-111: trouble on the network is a value, and the rule goes on.
#[test]
fn trouble_with_the_peer_is_a_value() {
    let _alone = alone();
    let troubles = [
        ("/silent", 200, "http_timeout"),
        ("/drip", 300, "http_timeout"),
        ("/endless", 3_000, "http_too_large"),
        ("/headers", 3_000, "http_too_large"),
        ("/reset", 3_000, "http_failed"),
    ];
    for (path, timeout_ms, error) in troubles {
        for run in ask(path, json!({ "timeout_ms": timeout_ms })) {
            assert_eq!(got(&run), json!({"result": {"error": error}, "body": null}), "{path}");
        }
    }
}

/// Two requests at once: the first to finish is the first to be told of, and both are read.
#[test]
fn several_requests_are_in_flight_at_once() {
    let _alone = alone();
    let peer = runtime().block_on(Peer::start());
    let rule = racing(&peer.origin());
    for profile in PROFILES {
        let rule = deployed(profile, &rule, Grants { http: Some(peer::grants(&[&peer.origin()], None)), files: None });
        let run = run(&rule, Source::Live(peer.egress()));
        let answer: Value = serde_json::from_slice(run.answer.as_deref().expect("an answer")).expect("JSON");
        assert_eq!(answer, json!({"continue": {"shared": {"first": 1, "then": 0}}}));
        let finished: Vec<_> = run.http.exchanges.iter().map(|exchange| exchange.finished).collect();
        assert_eq!(finished, [Some(1), Some(0)], "the order is recorded");
    }
}

/// HR-110: what was answered is not asked for again: a replay gives the same answer for the same fuel, without a peer.
#[test]
fn a_recorded_run_replays_to_the_same_bytes_without_a_peer() {
    let _alone = alone();
    let peer = runtime().block_on(Peer::start());
    let (origin, grants) = (peer.origin(), peer::grants(&[&peer.origin()], None));
    let rule = deployed(Profile::Fast, &racing(&origin), Grants { http: Some(grants), files: None });
    let live = run(&rule, Source::Live(peer.egress()));
    let sent = peer.heads().len();
    let replay = |record: Record, otherwise| Source::Replay { recorded: record.into_recorded(), otherwise };
    let again = run(&rule, replay(live.http.clone(), Unrecorded::Send(peer.egress())));
    assert_eq!(peer.heads().len(), sent, "nothing is sent twice");
    drop(peer);
    let later = run(&rule, replay(live.http.clone(), Unrecorded::Fail(FailureCode::HttpNotRecorded)));
    for run in [again, later] {
        assert_eq!(run.answer, live.answer);
        assert_eq!(run.spent.fuel, live.spent.fuel);
        assert_eq!(run.http, live.http);
    }
    let nothing = run(&rule, replay(Record::default(), Unrecorded::Fail(FailureCode::HttpNotRecorded)));
    assert_eq!(failure(&nothing), FailureCode::HttpNotRecorded);
}

#[test]
fn an_answer_comes_from_a_recording_once() {
    let _alone = alone();
    let recording = r#"[{"request": {"method": "GET", "url": "https://api.test/a"}, "response": {"status": 201, "body": {"n": 1}}}]"#;
    let recording = Recording::parse(recording.as_bytes()).expect("a recording").play();
    let rule = calling(Profile::Fast, &get("https://api.test/a"), peer::grants(&["https://api.test"], None));
    let first = run(&rule, Source::Recorded(recording.clone()));
    assert_eq!(got(&first)["result"]["status"], 201);
    assert_eq!(got(&first)["body"], json!({"n": 1}));
    assert_eq!(failure(&run(&rule, Source::Recorded(recording))), FailureCode::HttpNotRecorded);
}

/// HR-110, HR-58: storms, and handles that are none.
#[test]
fn a_misused_request_ends_the_run() {
    let _alone = alone();
    warm_up();
    let peer = runtime().block_on(Peer::start());
    let head = get(&format!("{}/silent", peer.origin())).to_string();
    let start = format!("(call $http_start (i32.const 1024) (i32.const {}) (i32.const 0) (i32.const 0))", head.len());
    let cases = [
        ("eleven requests", format!("(loop (drop {start}) (br 0))"), FailureCode::HostcallLimit),
        (
            "a wait for nothing",
            "(drop (call $http_wait (i32.const 0) (i32.const 0)))".to_owned(),
            FailureCode::HostcallBadArgs,
        ),
        (
            "a wait for 2^32 - 1 handles",
            "(drop (call $http_wait (i32.const 0) (i32.const -1)))".to_owned(),
            FailureCode::HostcallBadArgs,
        ),
        (
            "a wait for a guessed handle",
            "(drop (call $http_wait (i32.const 0) (i32.const 1)))".to_owned(),
            FailureCode::HostcallBadArgs,
        ),
        (
            "a wait beyond the memory",
            format!("(drop {start}) (drop (call $http_wait (i32.const 65534) (i32.const 1)))"),
            FailureCode::HostcallBadArgs,
        ),
        (
            "the result of a guessed handle",
            "(drop (call $http_result_len (i32.const 3)))".to_owned(),
            FailureCode::HostcallBadArgs,
        ),
        ("a result before its wait", format!("(drop (call $http_result_len {start}))"), FailureCode::HostcallBadArgs),
        (
            "the body of handle -1",
            "(drop (call $http_body_read (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 1)))".to_owned(),
            FailureCode::HostcallBadArgs,
        ),
        (
            "a head beyond the memory",
            "(drop (call $http_start (i32.const 65000) (i32.const 1000) (i32.const 0) (i32.const 0)))".to_owned(),
            FailureCode::HostcallBadArgs,
        ),
        (
            "a head of 2^32 - 1 bytes",
            "(drop (call $http_start (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0)))".to_owned(),
            FailureCode::HostcallBadArgs,
        ),
        (
            "a body of 2^31 bytes",
            format!(
                "(drop (call $http_start (i32.const 1024) (i32.const {}) (i32.const 0) (i32.const 0x80000000)))",
                head.len()
            ),
            FailureCode::HostcallBadArgs,
        ),
    ];
    let before = Census::take();
    for (name, body, code) in cases {
        let data = format!("(data (i32.const 1024) \"{}\")", guests::escaped(head.as_bytes()));
        let wasm = guests::rule_of(guests::ALL, 1, &data, &body);
        for profile in PROFILES {
            let grants = Grants { http: Some(peer::grants(&[&peer.origin()], None)), files: Some(files(&[])) };
            let run = run(&deployed(profile, &wasm, grants), Source::Live(peer.egress()));
            assert_eq!(failure(&run), code, "{name}, {profile:?}: {:?}", run.answer);
            benign_login(profile).expect("logins go on");
        }
    }
    drop(peer);
    Census::compare(&before).expect("what was in flight is gone");
}

/// A rule that asks for `/later` and `/json`, waits for both, then for what is left, and answers in which order they
/// came.
fn racing(origin: &str) -> Vec<u8> {
    let (later, soon) = (get(&format!("{origin}/later")).to_string(), get(&format!("{origin}/json")).to_string());
    let fields = format!(
        r#"(data (i32.const 1024) "{}") (data (i32.const 2048) "{}")
           (data (i32.const 64) "{{\22continue\22:{{\22shared\22:{{\22first\22:?,\22then\22:?}}}}}}")"#,
        guests::escaped(later.as_bytes()),
        guests::escaped(soon.as_bytes())
    );
    let start = |at: u32, len: usize| {
        format!("(call $http_start (i32.const {at}) (i32.const {len}) (i32.const 0) (i32.const 0))")
    };
    let run = format!(
        "(local $first i32)
         (i32.store (i32.const 256) {}) (i32.store (i32.const 260) {})
         (local.set $first (call $http_wait (i32.const 256) (i32.const 2)))
         (i32.store8 (i32.const 95) (i32.add (i32.const 48) (local.get $first)))
         (i32.store (i32.const 256) (i32.sub (i32.const 1) (local.get $first)))
         (i32.store8 (i32.const 104) (i32.add (i32.const 48) (call $http_wait (i32.const 256) (i32.const 1))))
         (call $answer (i32.const 64) (i32.const 44))",
        start(1024, later.len()),
        start(2048, soon.len())
    );
    use vestibule_abi::host::Capability::{Core, Http};
    guests::rule_of(&[Core, Http], 1, &fields, &run)
}
