//! A run that is given what an earlier one got behaves the same, and sends nothing twice: HR-110.

use std::sync::Arc;

use serde_json::json;
use vestibule_abi::codes::FailureCode;

use super::world::*;
use crate::http::*;

fn post(path: &str, key: &str) -> serde_json::Value {
    json!({"method": "POST", "url": format!("http://api.example/{path}"), "headers": [["x-key", key]]})
}

/// A world whose peer answers with the number of the request.
async fn counting() -> World {
    let count = std::sync::atomic::AtomicU32::new(0);
    World::with_api(move |_| ok(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string())).await
}

fn replay(recorded: Vec<Exchange>, otherwise: Unrecorded) -> Source {
    Source::Replay { recorded, otherwise }
}

const NOT_RECORDED: Unrecorded = Unrecorded::Fail(FailureCode::HttpNotRecorded);

#[tokio::test]
async fn a_request_is_matched_by_method_url_headers_and_body_in_order() {
    let world = counting().await;
    let mut run = world.run();
    for (head, body) in [(post("a", "1"), "x"), (post("a", "1"), "x"), (post("a", "2"), "x"), (post("a", "1"), "y")] {
        ask(&mut run, head, body).await.unwrap();
    }
    let recorded = run.finish().into_recorded();

    let mut again = world.run_from(replay(recorded, NOT_RECORDED));
    let bodies = [
        (post("a", "2"), "x", Ok("2")),
        (post("a", "1"), "x", Ok("0")),
        (post("a", "1"), "y", Ok("3")),
        (post("a", "1"), "x", Ok("1")),
        (post("a", "1"), "x", Err(FailureCode::HttpNotRecorded)),
        (post("b", "1"), "x", Err(FailureCode::HttpNotRecorded)),
        (get("http://api.example/a"), "", Err(FailureCode::HttpNotRecorded)),
    ];
    for (head, body, expected) in bodies {
        let got = ask(&mut again, head, body).await.map(|(_, body)| body);
        assert_eq!(got, expected.map(str::to_owned));
    }
    assert_eq!(world.net.seen().len(), 4);
}

#[tokio::test]
async fn waits_answer_in_the_recorded_order() {
    let world = counting().await;
    let mut run = world.run();
    for path in ["a", "b", "c"] {
        start(&mut run, &post(path, ""), "").unwrap();
    }
    for handle in [2, 0, 1] {
        wait(&mut run, &[handle]).await.unwrap();
    }
    let first = run.finish();

    let mut again = world.run_from(replay(first.clone().into_recorded(), NOT_RECORDED));
    for path in ["a", "b", "c"] {
        start(&mut again, &post(path, ""), "").unwrap();
    }
    assert_eq!(wait(&mut again, &[0, 1, 2]).await.unwrap(), 2);
    assert_eq!(wait(&mut again, &[0, 1]).await.unwrap(), 0);
    assert_eq!(wait(&mut again, &[1]).await.unwrap(), 1);
    assert_eq!(again.finish(), first);
}

#[tokio::test]
async fn what_an_earlier_run_did_not_ask_is_sent_and_what_this_one_did_not_ask_is_kept() {
    let world = counting().await;
    let mut run = world.run();
    for path in ["a", "b"] {
        ask(&mut run, post(path, ""), "").await.unwrap();
    }
    let mut second = world.run_from(replay(run.finish().into_recorded(), Unrecorded::Send(Arc::clone(&world.egress))));
    assert_eq!(ask(&mut second, post("b", ""), "").await.unwrap().1, "1");
    assert_eq!(ask(&mut second, post("new", ""), "").await.unwrap().1, "2");
    let record = second.finish();
    assert_eq!(record.exchanges.len(), 2);
    assert_eq!(record.unused.len(), 1);

    let mut third = world.run_from(replay(record.into_recorded(), Unrecorded::Fail(FailureCode::ConflictExhausted)));
    for (path, body) in [("a", "0"), ("new", "2"), ("b", "1")] {
        assert_eq!(ask(&mut third, post(path, ""), "").await.unwrap().1, body);
    }
    assert_eq!(start(&mut third, &post("newer", ""), ""), Err(FailureCode::ConflictExhausted));
    assert_eq!(world.net.seen().len(), 3);
}

#[tokio::test]
async fn a_request_nobody_waited_for_is_not_sent_again() {
    let world = counting().await;
    let mut run = world.run();
    start(&mut run, &post("a", ""), "").unwrap();
    let recorded = run.finish().into_recorded();
    let sent = world.net.seen().len();

    let mut again = world.run_from(replay(recorded, Unrecorded::Send(Arc::clone(&world.egress))));
    assert_eq!(word(&ask(&mut again, post("a", ""), "").await), "value http_failed");
    assert_eq!(world.net.seen().len(), sent);
}

#[tokio::test]
async fn a_recorded_error_is_replayed_as_it_was() {
    let world = World::new(Plan { origins: vec!["http://api.example"], ..Plan::default() });
    let mut run = world.run();
    assert_eq!(word(&ask(&mut run, post("a", ""), "").await), "value http_failed");
    let recorded = run.finish().into_recorded();
    let mut again = world.run_from(replay(recorded, NOT_RECORDED));
    assert_eq!(word(&ask(&mut again, post("a", ""), "").await), "value http_failed");
}

#[tokio::test]
async fn grants_are_checked_in_a_replay_too() {
    let world = counting().await;
    let mut again = world.run_from(replay(vec![], NOT_RECORDED));
    assert_eq!(start(&mut again, &get("http://evil.example/"), ""), Err(FailureCode::HttpBlocked));
}

#[tokio::test]
async fn a_record_survives_the_journal() {
    let world =
        World::with_api(|request| if request.starts_with("POST /binary") { ok([0xff, 0, 0x80]) } else { ok("text") });
    let world = world.await;
    let mut run = world.run();
    ask(&mut run, post("binary", ""), "").await.unwrap();
    ask(&mut run, post("text", ""), "").await.unwrap();
    start(&mut run, &post("unread", ""), "").unwrap();
    let exchanges = run.finish().exchanges;
    let journal = serde_json::to_value(&exchanges).unwrap();
    assert_eq!(journal[0]["received"]["response"]["body"], json!({"base64": "/wCA"}));
    assert_eq!(journal[1]["received"]["response"]["body"], json!({"text": "text"}));
    assert_eq!(serde_json::from_value::<Vec<Exchange>>(journal).unwrap(), exchanges);
}
