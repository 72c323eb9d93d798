//! How much may come back, and how long it may take: HR-106 and HR-107. All of it is a value the rule can handle.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use serde_json::json;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use vestibule_abi::limits::{self, HTTP_CONNECT, HTTP_RESPONSE_BYTES, HTTP_TOTAL};

use super::world::*;
use crate::http::{connect::BoxFuture, *};

const URL: &str = "http://api.example/";
const ORIGIN: &str = "http://api.example";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 4, ..Default::default() };
    brotli::BrotliCompress(&mut &*bytes, &mut encoded, &params).unwrap();
    encoded
}

/// What a rule gets from a peer that answers like this, when it gives it 150 ms.
async fn check(reply: impl Fn() -> Reply + Send + Sync + 'static, expected: &str) {
    let world = World::with_api(move |_| reply()).await;
    let began = Instant::now();
    let asked = world.ask(json!({"method": "GET", "url": URL, "timeout_ms": 150})).await;
    assert_eq!(word(&asked), expected);
    assert!(began.elapsed() < HTTP_TOTAL, "{:?}", began.elapsed());
}

/// The same with the whole time a request has.
async fn check_unhurried(reply: impl Fn() -> Reply + Send + Sync + 'static, expected: &str) {
    let world = World::with_api(move |_| reply()).await;
    assert_eq!(word(&world.ask(get(URL)).await), expected);
}

#[tokio::test]
async fn an_encoded_body_is_decoded_and_its_length_is_the_decoded_one() {
    for (name, encode) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("deflate", zlib), ("br", brotli)] {
        let encoded = encode(b"a body, decoded");
        let headers = format!("content-encoding: {name}\r\n");
        let world = World::with_api(move |_| response("200 OK", &headers, &encoded)).await;
        let (result, body) = world.ask(get(URL)).await.unwrap();
        assert_eq!(result, json!({"status": 200, "headers": [], "body_len": 15}), "{name}");
        assert_eq!(body, "a body, decoded", "{name}");
    }
}

#[tokio::test]
async fn a_body_of_the_largest_size_passes_and_one_byte_more_does_not() {
    check_unhurried(|| ok(vec![b'x'; HTTP_RESPONSE_BYTES]), "200").await;
    check_unhurried(|| ok(vec![b'x'; HTTP_RESPONSE_BYTES + 1]), "value http_too_large").await;
}

#[tokio::test]
async fn a_bomb_is_bounded_by_what_it_decodes_to() {
    for (name, encode) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("deflate", zlib), ("br", brotli)] {
        let headers: &'static str = format!("content-encoding: {name}\r\n").leak();
        let (fits, bomb) = (encode(&vec![0; HTTP_RESPONSE_BYTES]), encode(&vec![0; 32 * HTTP_RESPONSE_BYTES]));
        assert!(bomb.len() < HTTP_RESPONSE_BYTES);
        check_unhurried(move || response("200 OK", headers, &fits), "200").await;
        check_unhurried(move || response("200 OK", headers, &bomb), "value http_too_large").await;
    }
}

#[tokio::test]
async fn a_head_has_a_bounded_number_of_lines_and_bytes() {
    check_unhurried(|| response("200 OK", &"a: b\r\n".repeat(90), ""), "200").await;
    check_unhurried(|| response("200 OK", &"a: b\r\n".repeat(10_000), ""), "value http_too_large").await;
    check_unhurried(|| response("200 OK", &format!("a: {}\r\n", "b".repeat(32 * 1024)), ""), "200").await;
    check_unhurried(|| response("200 OK", &format!("a: {}\r\n", "b".repeat(1_000_000)), ""), "value http_too_large")
        .await;
}

#[tokio::test]
async fn a_body_without_an_end_is_cut_by_its_size() {
    let chunk = [b"4000\r\n".to_vec(), vec![b'x'; 0x4000], b"\r\n".to_vec()].concat();
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    check_unhurried(move || Reply::Forever(head.to_vec(), chunk.clone(), Duration::ZERO), "value http_too_large").await;
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    check_unhurried(|| Reply::Forever(head.to_vec(), vec![b'x'; 0x4000], Duration::ZERO), "value http_too_large").await;
}

#[tokio::test]
async fn a_peer_that_drips_is_cut_by_the_time_of_the_whole_request() {
    let drip = Duration::from_millis(20);
    check(move || Reply::Forever(b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".to_vec(), drip), "value http_timeout")
        .await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    check(move || Reply::Forever(head.to_vec(), b"x".to_vec(), drip), "value http_timeout").await;
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    check(move || Reply::Forever(head.to_vec(), b"1\r\nx\r\n".to_vec(), drip), "value http_timeout").await;
    check(move || Reply::Forever(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), drip), "value http_timeout")
        .await;
    check(|| Reply::Once(Arc::default(), Vec::new()), "value http_timeout").await;
}

#[tokio::test]
async fn what_is_not_http_is_a_failure_the_rule_can_handle() {
    let broken: [&[u8]; 6] = [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 999999 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd",
    ];
    for bytes in broken {
        check_unhurried(move || Reply::Now(bytes.to_vec()), "value http_failed").await;
    }
}

#[tokio::test]
async fn a_response_to_head_has_no_body_whatever_its_headers_say() {
    let world = World::with_api(|_| {
        Reply::Now(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 99\r\nx-y: z\r\n\r\n".to_vec())
    });
    let (result, body) = world.await.ask(json!({"method": "HEAD", "url": URL})).await.unwrap();
    assert_eq!(result, json!({"status": 200, "headers": [["x-y", "z"]], "body_len": 0}));
    assert_eq!(body, "");
}

/// Every connection hangs.
struct Nowhere;

impl Resolve for Nowhere {
    fn resolve(&self, _: &str, _: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Ok(vec![SocketAddr::new(ip(PUBLIC), 0), SocketAddr::new(ip("1.1.1.1"), 0)]) })
    }
}

impl Dial for Nowhere {
    fn dial(&self, _: SocketAddr) -> BoxFuture<io::Result<TcpStream>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn connecting_has_a_time_limit_of_its_own() {
    let settings = EgressSettings {
        system_roots: false,
        extra_roots: vec![super::tls::authority().certificate()],
        resolver: Arc::new(Nowhere),
        dial: Arc::new(Nowhere),
        ..EgressSettings::default()
    };
    let grants = HttpGrants::new(vec![ORIGIN.parse().unwrap()], Default::default()).unwrap();
    let source = Source::Live(Arc::new(Egress::new(settings).unwrap()));
    let (grants, began) = (Arc::new(grants), Instant::now());
    let run = |deadline| Requests::new(source.clone(), Arc::clone(&grants), 1, deadline);

    assert_eq!(word(&ask(&mut run(began + 10 * HTTP_TOTAL), get(URL), "").await), "value http_timeout");
    assert!(began.elapsed().abs_diff(HTTP_CONNECT) < Duration::from_millis(5), "{:?}", began.elapsed());

    // The login's own deadline is nearer.
    let began = Instant::now();
    assert_eq!(word(&ask(&mut run(began + HTTP_CONNECT / 4), get(URL), "").await), "value http_timeout");
    assert!(began.elapsed().abs_diff(HTTP_CONNECT / 4) < Duration::from_millis(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_request_nobody_waits_for_ends_with_its_run() {
    let told = Arc::<tokio::sync::Notify>::default();
    let reply = Arc::clone(&told);
    let world = World::with_api(move |_| Reply::Once(Arc::clone(&reply), Vec::new())).await;
    let mut run = world.run();
    start(&mut run, &get(URL), "").unwrap();
    let record = timeout(Duration::from_millis(500), async { run.finish() }).await.unwrap();
    assert_eq!((record.exchanges[0].received.as_ref(), record.exchanges[0].finished), (None, None));
}

#[tokio::test]
async fn an_upstream_that_is_down_is_not_asked_again_and_again() {
    let world = World::with_api(|_| ok("")).await;
    world.net.is_gone();
    for _ in 0..20 {
        assert_eq!(word(&world.ask(get(URL)).await), "value http_failed");
    }
    assert!(world.net.dials().len() < 10, "{} dials", world.net.dials().len());
}

#[test]
fn secrets_are_bounded() {
    let secrets = |count: usize, bytes: usize| {
        let secret = |number: usize| (format!("S{number}"), ("x".repeat(bytes).into(), ORIGIN.parse().unwrap()));
        HttpGrants::new(vec![ORIGIN.parse().unwrap()], (0..count).map(secret).collect())
    };
    assert!(secrets(limits::SECRETS_PER_RULE, limits::SECRET_BYTES).is_ok());
    let too_long = secrets(1, limits::SECRET_BYTES + 1).unwrap_err();
    assert_eq!(too_long.to_string(), "the value of secret `S0` is longer than 512 bytes");
    assert_eq!(secrets(limits::SECRETS_PER_RULE + 1, 1).unwrap_err().to_string(), "a rule has at most 16 secrets");
}
