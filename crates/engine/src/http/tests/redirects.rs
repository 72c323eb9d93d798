//! Redirects are followed only when a rule asks for it, and each hop is checked like a request of its own: HR-104.

use serde_json::json;

use super::world::*;

/// `http://api.example` redirects to `location`; every other place answers 200.
async fn world(status: &'static str, location: &'static str) -> World {
    let world = World::new(Plan {
        origins: vec!["http://api.example", "http://other.example", "http://169.254.169.254", "http://rebound.example"],
        secrets: vec![("TOKEN", "s3cr3t-t0k3n", "http://api.example")],
        names: vec![
            ("api.example", vec![vec![PUBLIC]]),
            ("other.example", vec![vec!["1.1.1.1"]]),
            ("rebound.example", vec![vec!["10.0.0.1"]]),
        ],
        ..Plan::default()
    });
    world
        .serve(move |request| {
            if request.starts_with("GET /start ") || request.starts_with("HEAD /start ") {
                return response(status, &format!("location: {location}\r\n"), "moved");
            }
            if request.contains(" /loop") { response("302 Found", "location: /loop\r\n", "") } else { ok("there") }
        })
        .await;
    world
}

fn following(redirects: u32) -> serde_json::Value {
    json!({
        "method": "GET", "url": "http://api.example/start", "redirects": redirects,
        "headers": [
            ["authorization", "Bearer {{secret:TOKEN}}"], ["x-api-key", "{{secret:TOKEN}}"], ["cookie", "a=b"],
            ["accept", "text/plain"], ["x-mine", "1"],
        ],
    })
}

#[tokio::test]
async fn a_rule_sees_a_redirect_unless_it_asks_to_follow() {
    for head in [following(0), get("http://api.example/start")] {
        let world = world("302 Found", "http://other.example/").await;
        let (result, body) = world.ask(head).await.unwrap();
        assert_eq!(result["status"], 302);
        assert_eq!(result["headers"], json!([["location", "http://other.example/"]]));
        assert_eq!(body, "moved");
        assert_eq!(world.net.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_within_the_origin_keeps_the_headers() {
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let world = world(status, "/next?a=1#part").await;
        assert_eq!(world.ask(following(1)).await.unwrap().1, "there");
        let next = &world.net.seen()[1];
        assert!(next.starts_with("GET /next?a=1 HTTP/1.1\r\n"), "{next}");
        for header in ["authorization: Bearer s3cr3t-t0k3n", "cookie: a=b", "x-mine: 1", "vestibule-hop: 1"] {
            assert!(next.contains(header), "{header} in {next}");
        }
    }
}

#[tokio::test]
async fn a_redirect_to_another_granted_origin_carries_no_credentials() {
    let world = world("302 Found", "//other.example/next").await;
    assert_eq!(world.ask(following(2)).await.unwrap().1, "there");
    let next = &world.net.seen()[1];
    assert!(next.contains("host: other.example\r\n") && next.contains("accept: text/plain\r\n"), "{next}");
    assert!(next.contains("vestibule-hop: 1\r\n"), "{next}");
    for header in ["authorization", "x-api-key", "cookie", "x-mine", "s3cr3t"] {
        assert!(!next.contains(header), "{header} in {next}");
    }
    assert_eq!(world.net.dials(), [format!("{PUBLIC}:80"), "1.1.1.1:80".to_owned()]);
}

#[tokio::test]
async fn a_redirect_to_where_the_rule_may_not_go_ends_its_run() {
    let places = [
        "http://evil.example/",           // Not granted.
        "https://api.example/",           // Another scheme is another origin.
        "http://api.example:8080/",       // So is another port.
        "http://user@api.example/",       // Granted, with credentials in it.
        "http://169.254.169.254/latest/", // Granted by the manifest; the operator did not open it.
        "http://2852039166/latest/",      // The same address.
        "http://rebound.example/",        // A granted name of a private address.
        "http://127.0.0.1/",
        "file:///etc/passwd",
        "ftp://api.example/",
        "javascript:alert(1)",
    ];
    for place in places {
        let world = world("302 Found", place).await;
        assert_eq!(word(&world.ask(following(2)).await), "http_blocked", "{place}");
        assert_eq!(world.net.dials(), [format!("{PUBLIC}:80")], "{place}");
    }
}

#[tokio::test]
async fn a_chain_is_followed_no_further_than_asked() {
    for (redirects, requests) in [(0, 1), (1, 2), (2, 3)] {
        let world = world("302 Found", "/loop").await;
        assert_eq!(word(&world.ask(following(redirects)).await), "302");
        assert_eq!(world.net.seen().len(), requests);
    }
}

#[tokio::test]
async fn what_only_looks_like_a_redirect_is_not_followed() {
    for (status, location) in [("200 OK", "/next"), ("304 Not Modified", "/next"), ("302 Found", "http://[")] {
        let world = world(status, location).await;
        assert_eq!(word(&world.ask(following(2)).await), status.split_once(' ').unwrap().0);
        assert_eq!(world.net.seen().len(), 1);
    }
}

#[tokio::test]
async fn the_record_of_a_followed_request_is_the_one_the_rule_made() {
    let world = world("302 Found", "/next").await;
    let mut run = world.run();
    ask(&mut run, following(1), "").await.unwrap();
    let record = run.finish();
    assert_eq!(record.exchanges.len(), 1);
    assert_eq!(record.exchanges[0].asked.url, "http://api.example/start");
    assert_eq!(record.exchanges[0].status(), Some(200));
}
