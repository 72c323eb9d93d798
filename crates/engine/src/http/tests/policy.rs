//! What a request may be: read strictly, sent only to a granted origin, in a form nobody can smuggle through.

use serde_json::json;
use vestibule_abi::{codes::FailureCode, limits};

use super::world::*;
use crate::http::{HOP_HEADER, Source};

fn world() -> World {
    World::new(Plan {
        origins: vec!["https://allowed.example", "http://allowed.example:8080", "https://bücher.example"],
        names: vec![("allowed.example", vec![vec![PUBLIC]]), ("xn--bcher-kva.example", vec![vec![PUBLIC]])],
        ..Plan::default()
    })
}

/// What starting this ends with, and that nothing was dialled for it.
#[track_caller]
fn check_refused(head: &[u8], body: &[u8], code: FailureCode) {
    let world = world();
    let refused = world.run().start(head, body.to_vec());
    assert_eq!(refused.map_err(|failure| failure.code), Err(code), "{}", String::from_utf8_lossy(head));
    assert_eq!(world.net.dials(), Vec::<String>::new());
}

#[test]
fn a_head_that_is_not_as_the_contract_says_is_refused() {
    let url = "https://allowed.example/";
    let heads = [
        json!(null),
        json!([]),
        json!({}),
        json!({"method": "GET"}),
        json!({"url": url}),
        json!({"method": 1, "url": url}),
        json!({"method": "GET", "url": url, "verbose": true}),
        json!({"method": "GET", "url": url, "headers": {"a": "b"}}),
        json!({"method": "GET", "url": url, "headers": [["a"]]}),
        json!({"method": "GET", "url": url, "headers": [["a", "b", "c"]]}),
        json!({"method": "GET", "url": url, "headers": [["a", 1]]}),
        json!({"method": "GET", "url": url, "timeout_ms": 0}),
        json!({"method": "GET", "url": url, "timeout_ms": -1}),
        json!({"method": "GET", "url": url, "timeout_ms": 1.5}),
        json!({"method": "GET", "url": url, "redirects": 3}),
        json!({"method": "POST", "url": url, "redirects": 1}),
    ];
    for head in heads {
        check_refused(head.to_string().as_bytes(), b"", FailureCode::HostcallBadArgs);
    }
    let texts: [&[u8]; 4] = [
        b"",
        b"\xff",
        br#"{"method": "GET", "url": "https://allowed.example/"} "#.trim_ascii_end().split_last().unwrap().1,
        br#"{"method": "GET", "method": "POST", "url": "https://allowed.example/"}"#,
    ];
    for text in texts {
        check_refused(text, b"", FailureCode::HostcallBadArgs);
    }
}

#[test]
fn only_methods_of_the_list_are_sent() {
    for method in ["get", "CONNECT", "TRACE", "BREW", "", "GET ", "GET / HTTP/1.1\r\nx: y", "G\0T", "PROPFIND"] {
        let head = json!({"method": method, "url": "https://allowed.example/"});
        check_refused(head.to_string().as_bytes(), b"", FailureCode::HostcallBadArgs);
    }
    for method in ["GET", "HEAD"] {
        let head = json!({"method": method, "url": "https://allowed.example/"});
        check_refused(head.to_string().as_bytes(), b"body", FailureCode::HostcallBadArgs);
    }
}

#[test]
fn urls_that_are_not_what_they_seem_are_refused() {
    let malformed = [
        "",
        "allowed.example",
        "/path",
        "https://",
        "https://allowed.example:99999/",
        "https://[::1/",
        " https://allowed.example/",
        "https://allowed.example/\r\nhost: evil",
        "https://allowed.example/\t",
        "https://allo\nwed.example/",
        "https://allowed.example/a b",
        "https://allowed.example/\0",
        "https://user@allowed.example/",
        "https://user:password@allowed.example/",
        "https://:p@allowed.example/",
    ];
    for url in malformed {
        check_refused(get(url).to_string().as_bytes(), b"", FailureCode::HostcallBadArgs);
    }
}

#[test]
fn an_origin_that_is_not_granted_is_blocked() {
    let tricks = [
        "https://allowed.example.evil/",
        "https://evil-allowed.example/",
        "https://sub.allowed.example/",
        "https://example/",
        "https://allowed.example@evil.example/",
        "https://allowed.example:443@evil.example/",
        r"https://evil.example\@allowed.example/",
        r"https:\\evil.example/",
        "https:evil.example/",
        "https://allowed.example./",
        "https://allowed.example:8443/",
        "https://allowed.example:80/",
        "http://allowed.example/",
        "http://allowed.example:443/",
        "https://аllowed.example/", // A Cyrillic letter.
        "https://bucher.example/",
        "https://allowed.example%2eevil.example/",
        "https://evil.example/?https://allowed.example/",
        "https://evil.example/#@allowed.example/",
        "ftp://allowed.example/",
        "file:///etc/passwd",
        "data:text/plain,x",
        "javascript:alert(1)",
        "unix:/run/docker.sock",
        "gopher://allowed.example/",
        "ws://allowed.example/",
    ];
    for url in tricks {
        check_refused(get(url).to_string().as_bytes(), b"", FailureCode::HttpBlocked);
    }
}

#[tokio::test]
async fn an_origin_is_the_same_however_it_is_written() {
    let world = world();
    let same = [
        ("https://allowed.example", "https://allowed.example/"),
        ("HTTPS://ALLOWED.EXAMPLE/Path?q=1#fragment", "https://allowed.example/Path?q=1"),
        ("https://allowed.example:443/a/../b", "https://allowed.example/b"),
        (r"https://allowed.example\@evil.example/", "https://allowed.example/@evil.example/"),
        ("https://%61llowed.example/", "https://allowed.example/"),
        ("http://allowed.example:8080/", "http://allowed.example:8080/"),
        ("https://BÜCHER.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
    ];
    for (written, sent) in same {
        let mut run = world.run();
        assert_eq!(start(&mut run, &get(written), ""), Ok(0), "{written}");
        assert_eq!(run.finish().exchanges[0].asked.url, sent);
    }
}

#[test]
fn headers_of_the_host_and_of_the_connection_are_refused() {
    let headers = [
        ("Host", "evil.example"),
        ("connection", "upgrade"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "0"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", ""),
        ("Trailer", "x"),
        ("Keep-Alive", "timeout=9"),
        ("Proxy-Authorization", "Basic x"),
        ("proxy-connection", "close"),
        ("Expect", "100-continue"),
        ("Accept-Encoding", "zstd"),
        (HOP_HEADER, "0"),
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("a\r\nb", "x"),
        ("ä", "x"),
        ("x", "a\r\nhost: evil"),
        ("x", "a\nb"),
        ("x", "a\0b"),
        ("x", "\u{7f}"),
        ("x", "ä"),
    ];
    for (name, value) in headers {
        let head = json!({"method": "GET", "url": "https://allowed.example/", "headers": [[name, value]]});
        check_refused(head.to_string().as_bytes(), b"", FailureCode::HostcallBadArgs);
    }
}

#[test]
fn a_request_is_bounded_in_size() {
    let long = "x".repeat(limits::HTTP_HEAD_BYTES as usize);
    check_refused(
        get(&format!("https://allowed.example/{long}")).to_string().as_bytes(),
        b"",
        FailureCode::HostcallLimit,
    );
    let head = json!({"method": "POST", "url": "https://allowed.example/"}).to_string();
    let body = vec![0; limits::HTTP_BODY_BYTES as usize + 1];
    check_refused(head.as_bytes(), &body, FailureCode::HostcallLimit);
}

#[tokio::test]
async fn what_a_rule_asks_for_is_what_the_peer_receives() {
    let world = World::with_api(|_| response("201 Created", "X-Reply: yes\r\n", "made")).await;
    let head = json!({
        "method": "POST", "url": "http://api.example/things?a=1#part",
        "headers": [["Content-Type", "text/plain"], ["x-twice", "1"], ["X-Twice", "2"]],
    });
    let (result, body) = ask(&mut world.run(), head, "a body").await.unwrap();
    assert_eq!(result["status"], 201);
    assert_eq!(result["body_len"], 4);
    assert_eq!(result["headers"], json!([["x-reply", "yes"]]));
    assert_eq!(body, "made");

    let seen = world.net.seen().concat();
    let mut lines: Vec<_> = seen.split("\r\n").collect();
    assert_eq!(lines.remove(0), "POST /things?a=1 HTTP/1.1");
    lines.sort_unstable();
    let agent = concat!("user-agent: vestibule/", env!("CARGO_PKG_VERSION"));
    let expected = [
        "",
        "a body",
        "accept-encoding: gzip,deflate,br",
        "content-length: 6",
        "content-type: text/plain",
        "host: api.example",
        agent,
        "vestibule-hop: 1",
        "x-twice: 1",
        "x-twice: 2",
    ];
    assert_eq!(lines, expected);
    assert_eq!(world.net.dials(), [format!("{PUBLIC}:80")]);
}

#[tokio::test]
async fn a_rule_may_name_itself_to_the_peer() {
    let world = World::with_api(|_| ok("")).await;
    let head = json!({"method": "GET", "url": "http://api.example/", "headers": [["User-Agent", "crm-sync"]]});
    assert_eq!(word(&world.ask(head).await), "200");
    assert!(world.net.seen()[0].contains("user-agent: crm-sync\r\n"), "{:?}", world.net.seen());
}

#[test]
fn without_the_capability_nothing_is_started() {
    let mut run = world().run_from(Source::Denied);
    assert_eq!(start(&mut run, &get("https://allowed.example/"), ""), Err(FailureCode::CapabilityDenied));
}

#[tokio::test]
async fn a_run_may_make_so_many_requests_and_no_more() {
    let world = World::with_api(|_| ok("")).await;
    let mut run = world.run();
    let started: Vec<Result<u32, FailureCode>> =
        (0..11).map(|_| start(&mut run, &get("http://api.example/"), "")).collect();
    assert_eq!(started[..10], (0..10).map(Ok).collect::<Vec<_>>());
    assert_eq!(started[10], Err(FailureCode::HostcallLimit));
}
