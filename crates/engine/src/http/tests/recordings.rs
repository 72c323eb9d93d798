//! Recorded answers for cases and for the command line: strict, in order, and nothing is sent.

use std::sync::Arc;

use serde_json::{Value, json};
use vestibule_abi::codes::FailureCode;

use super::world::*;
use crate::http::*;

fn play(recording: Value, grants: HttpGrants) -> Requests {
    let playback = serde_json::from_value::<Recording>(recording).unwrap().play();
    requests(Source::Recorded(playback), Arc::new(grants))
}

#[tokio::test]
async fn each_answer_is_used_once_in_order() {
    let recording = json!([
        {"request": {"method": "GET", "url": "https://api.example"}, "response": {"status": 200, "body": "first"}},
        {"request": {"method": "GET", "url": "https://api.example/"}, "response": {"status": 503, "body": "second"}},
        {"request": {"method": "POST", "url": "https://api.example/", "body": "one"}, "response": {"status": 201, "body": "1"}},
        {"request": {"method": "POST", "url": "https://api.example/", "body": {"n": 2}}, "response": {"status": 201, "body": {"n": 2}}},
        {"request": {"method": "POST", "url": "https://api.example/"}, "response": {"status": 202}},
        {"request": {"method": "GET", "url": "https://slow.example/"}, "response": {"error": "http_timeout"}},
    ]);
    let mut run = play(recording, HttpGrants::of_recording());
    let post = json!({"method": "POST", "url": "https://api.example/"});
    let asked = [
        (get("https://API.example:443/#part"), "", "200", "first"),
        (get("https://api.example/"), "", "503", "second"),
        (post.clone(), r#"{ "n": 2 }"#, "201", r#"{"n":2}"#),
        (post.clone(), "anything", "202", ""),
        (post.clone(), "one", "201", "1"),
        (get("https://slow.example/"), "", "value http_timeout", ""),
    ];
    for (head, body, status, answer) in asked {
        let got = ask(&mut run, head, body).await;
        assert_eq!(word(&got), status);
        assert_eq!(got.unwrap().1, answer);
    }
    for head in [get("https://api.example/"), post, get("https://elsewhere.example/"), get("http://127.0.0.1/")] {
        assert_eq!(start(&mut run, &head, ""), Err(FailureCode::HttpNotRecorded), "{head}");
    }
    assert_eq!(run.finish().exchanges.len(), 6);
}

#[tokio::test]
async fn characters_that_node_escapes_match_either_way() {
    let (raw, escaped) = ("https://api.example/auth0|1?q={it's}", "https://api.example/auth0%7C1?q=%7Bit%27s%7D");
    for (recorded, sent) in [(raw, escaped), (escaped, raw), (raw, raw)] {
        let recording = json!([{"request": {"method": "GET", "url": recorded}, "response": {"status": 200}}]);
        let mut run = play(recording, HttpGrants::of_recording());
        assert_eq!(word(&ask(&mut run, get(sent), "").await), "200", "{recorded} {sent}");
    }
}

#[tokio::test]
async fn headers_are_an_object_or_pairs_and_are_told_in_lower_case() {
    for headers in [json!({"X-A": "1", "X-B": "2"}), json!([["X-A", "1"], ["x-b", "2"]])] {
        let request = json!({"method": "GET", "url": "https://api.example/"});
        let response = json!({"status": 200, "headers": headers, "body": ""});
        let mut run = play(json!([{"request": request, "response": response}]), HttpGrants::of_recording());
        let (result, _) = ask(&mut run, get("https://api.example/"), "").await.unwrap();
        assert_eq!(result["headers"], json!([["x-a", "1"], ["x-b", "2"]]));
    }
}

#[test]
fn a_manifest_still_decides_where_requests_may_go() {
    let recording = json!([{"request": {"method": "GET", "url": "https://b.example/"}, "response": {"status": 200}}]);
    let grants = HttpGrants::new(vec!["https://a.example".parse().unwrap()], Default::default()).unwrap();
    let mut run = play(recording, grants);
    assert_eq!(start(&mut run, &get("https://b.example/"), ""), Err(FailureCode::HttpBlocked));
    assert_eq!(start(&mut run, &get("https://a.example/"), ""), Err(FailureCode::HttpNotRecorded));
}

#[tokio::test]
async fn the_grant_of_a_recording_is_no_grant_for_the_network() {
    let world = World::new(Plan::default());
    let mut run = requests(Source::Live(Arc::clone(&world.egress)), Arc::new(HttpGrants::of_recording()));
    assert_eq!(start(&mut run, &get("https://api.example/"), ""), Err(FailureCode::HttpBlocked));
}

#[tokio::test]
async fn rules_of_one_pipeline_share_a_recording() {
    let entry = json!({"request": {"method": "GET", "url": "https://api.example/"}, "response": {"status": 200}});
    let playback = serde_json::from_value::<Recording>(json!([entry])).unwrap().play();
    let run = || requests(Source::Recorded(playback.clone()), Arc::new(HttpGrants::of_recording()));
    assert_eq!(word(&ask(&mut run(), get("https://api.example/"), "").await), "200");
    assert_eq!(word(&ask(&mut run(), get("https://api.example/"), "").await), "http_not_recorded");
}

#[tokio::test]
async fn what_was_never_recorded_is_told_from_what_is_used_up() {
    let entry = json!({"request": {"method": "GET", "url": "https://api.example/"}, "response": {"status": 200}});
    let mut run = play(json!([entry]), HttpGrants::of_recording());
    assert_eq!(word(&ask(&mut run, get("https://api.example/"), "").await), "200");
    let mut says = |url: &str| {
        let failure = run.start(get(url).to_string().as_bytes(), Vec::new()).unwrap_err();
        assert_eq!(failure.code, FailureCode::HttpNotRecorded);
        failure.message
    };
    assert_eq!(
        says("https://api.example/"),
        "the recording has no answer left for GET https://api.example/: each is used once, so it needs one more"
    );
    assert_eq!(says("https://api.example/b"), "the recording has no such request: GET https://api.example/b");
}

#[test]
fn a_recording_names_its_origins_each_once() {
    let entry = |url: &str| json!({"request": {"method": "GET", "url": url}, "response": {"status": 200}});
    let urls = ["https://b.example/1", "https://a.example:444/", "https://B.example:443/2"];
    let recording = serde_json::from_value::<Recording>(urls.map(entry).into()).unwrap();
    let origins: Vec<_> = recording.origins().iter().map(ToString::to_string).collect();
    assert_eq!(origins, ["https://b.example", "https://a.example:444"]);
}

#[test]
fn a_recording_that_is_not_as_it_should_be_is_refused_with_a_reason() {
    let request = json!({"method": "GET", "url": "https://api.example/"});
    let cases = [
        (json!({}), "a recording is a list"),
        (json!([{}]), "request"),
        (json!([{"request": request}]), "response"),
        (json!([{"request": request, "response": {"status": 200}, "note": 1}]), "note"),
        (
            json!([{"request": {"method": "GET", "url": "https://a/", "header": 1}, "response": {"status": 200}}]),
            "header",
        ),
        (json!([{"request": {"method": "GET", "url": "/path"}, "response": {"status": 200}}]), "entry 1: `/path`"),
        (json!([{"request": {"method": "GET", "url": "ftp://a/"}, "response": {"status": 200}}]), "`ftp://a/`"),
        (json!([{"request": request, "response": {"status": 200, "text": ""}}]), "text"),
        (json!([{"request": request, "response": {"body": ""}}]), "status"),
        (json!([{"request": request, "response": {"status": 99, "body": ""}}]), "99"),
        (json!([{"request": request, "response": {"error": "http_blocked"}}]), "http_blocked"),
        (json!([{"request": request, "response": {"error": "http_tls", "status": 200}}]), "either `status` or `error`"),
        (json!([{"request": {"method": "get", "url": "https://a/"}, "response": {"status": 200}}]), "`get`"),
    ];
    for (recording, reason) in cases {
        let error = Recording::parse(recording.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{recording}: {error}");
    }
}

#[test]
fn the_published_schema_is_the_one_of_the_file() {
    let schema = schemars::schema_for!(Recording).to_value();
    assert_eq!(schema["type"], "array");
    let defs = &schema["$defs"];
    assert_eq!(defs["RecordedExchange"]["required"], json!(["request", "response"]));
    assert_eq!(defs["RecordedRequest"]["additionalProperties"], false);
    assert_eq!(defs["RecordedResponse"]["additionalProperties"], false);
}
