//! Several requests at once: the first that is finished is told first, and nothing is told without a wait.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use serde_json::json;
use tokio::sync::Notify;
use vestibule_abi::codes::FailureCode;

use super::world::*;

/// A world in which `/a`, `/b` and `/c` answer when they are told to.
async fn world() -> (World, [Arc<Notify>; 3]) {
    let told: [Arc<Notify>; 3] = Default::default();
    let mine = told.clone();
    let world = World::with_api(move |request| {
        let which = ["GET /a ", "GET /b ", "GET /c "].iter().position(|start| request.starts_with(start)).unwrap();
        let body = ["a", "b", "c"][which];
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{body}");
        Reply::Once(Arc::clone(&mine[which]), reply.into_bytes())
    });
    (world.await, told)
}

fn url(path: &str) -> serde_json::Value {
    get(&format!("http://api.example/{path}"))
}

#[tokio::test]
async fn the_first_that_is_finished_is_told_first() {
    let (world, told) = world().await;
    let mut run = world.run();
    for path in ["a", "b", "c"] {
        start(&mut run, &url(path), "").unwrap();
    }
    told[1].notify_one();
    assert_eq!(wait(&mut run, &[0, 1, 2]).await.unwrap(), 1);
    told[2].notify_one();
    assert_eq!(wait(&mut run, &[0, 2]).await.unwrap(), 2);
    assert_eq!(wait(&mut run, &[0, 2, 1]).await.unwrap(), 1); // It was told of that one before.
    told[0].notify_one();
    assert_eq!(wait(&mut run, &[0]).await.unwrap(), 0);
    assert_eq!([0, 1, 2].map(|handle| read(&run, handle).1), ["a", "b", "c"]);
    let order: Vec<_> = run.finish().exchanges.iter().map(|exchange| exchange.finished).collect();
    assert_eq!(order, [Some(2), Some(0), Some(1)]);
}

#[tokio::test]
async fn a_request_cannot_be_read_before_a_wait_told_of_it() {
    let (world, told) = world().await;
    let mut run = world.run();
    for path in ["a", "b"] {
        start(&mut run, &url(path), "").unwrap();
    }
    told[0].notify_one();
    told[1].notify_one();
    assert_eq!(wait(&mut run, &[1]).await.unwrap(), 1);
    // The other has answered too, or not: the rule cannot tell.
    for handle in [0, 2, u32::MAX] {
        assert_eq!(run.result(handle).unwrap_err().code, FailureCode::HostcallBadArgs);
        assert_eq!(run.body(handle).unwrap_err().code, FailureCode::HostcallBadArgs);
    }
}

#[tokio::test]
async fn a_wait_needs_handles_that_were_given() {
    let (world, _told) = world().await;
    let mut run = world.run();
    start(&mut run, &url("a"), "").unwrap();
    for handles in [&[][..], &[1], &[0, 1], &[u32::MAX]] {
        assert_eq!(wait(&mut run, handles).await.unwrap_err().code, FailureCode::HostcallBadArgs);
    }
    assert!(matches!(run.poll_wait(&[0], &mut Context::from_waker(Waker::noop())), Poll::Pending));
}

#[tokio::test]
async fn a_request_that_turns_out_to_be_blocked_ends_the_run_whoever_waits_for_what() {
    let world = World::new(Plan {
        origins: vec!["http://api.example", "http://rebound.example"],
        names: vec![("api.example", vec![vec![PUBLIC]]), ("rebound.example", vec![vec!["127.0.0.1"]])],
        ..Plan::default()
    });
    world.serve(|_| Reply::Once(Arc::default(), Vec::new())).await;
    let mut run = world.run();
    assert_eq!(start(&mut run, &get("http://api.example/"), ""), Ok(0));
    assert_eq!(start(&mut run, &get("http://rebound.example/"), ""), Ok(1));
    assert_eq!(wait(&mut run, &[0]).await.unwrap_err().code, FailureCode::HttpBlocked);
    assert_eq!(world.net.dials(), [format!("{PUBLIC}:80")]);
}

#[tokio::test]
async fn an_error_is_told_as_a_value_with_an_empty_body() {
    let world = World::new(Plan { origins: vec!["http://api.example"], ..Plan::default() });
    let (result, body) = world.ask(get("http://api.example/")).await.unwrap();
    assert_eq!((result, body.as_str()), (json!({"error": "http_failed"}), ""));
}

#[test]
fn outside_of_a_runtime_a_request_is_a_fault_of_ours() {
    let world = World::new(Plan { origins: vec!["http://api.example"], ..Plan::default() });
    let mut run = world.run();
    assert_eq!(start(&mut run, &get("http://api.example/"), ""), Err(FailureCode::HostInternal));
}
