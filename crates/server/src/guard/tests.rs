use axum::routing::{get, post};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{listener, settings::Span};

/// A listener as a node has it, before two routes.
async fn serving(change: impl FnOnce(&mut Limits)) -> SocketAddr {
    let mut limits = Limits::default();
    change(&mut limits);
    let routes = Router::new()
        .route("/plain", get(async || "here"))
        .route("/slow", get(async || tokio::time::sleep(Duration::from_secs(2)).await))
        .route("/body", post(async |body: Bytes| body.len().to_string()));
    let proxies = Arc::new(TrustedProxies::default());
    let routes = guarded("public", routes, (limits, Bodies::Ahead(65_536)), Arc::clone(&proxies), RequestIds::from(1));
    let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listening.local_addr().unwrap();
    tokio::spawn(listener::serve("public", listening, routes, limits, proxies, CancellationToken::new()));
    address
}

async fn connect(to: SocketAddr, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

/// Sends a request that closes its connection, and reads all of the answer.
async fn ask(to: SocketAddr, from: &str, request: &str) -> String {
    let mut stream = connect(to, from).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn posting(length: usize, sent: &str) -> String {
    format!("POST /body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{sent}")
}

const PLAIN: &str = "GET /plain HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// One address opens 600 requests whose bodies drip; another is served all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_drip_hold_no_place() {
    let to = serving(|_| ()).await;
    let mut dripping = Vec::new();
    for _ in 0..600 {
        let mut stream = connect(to, "127.0.0.1").await;
        stream.write_all(posting(60_000, "a").as_bytes()).await.unwrap();
        dripping.push(stream);
    }
    for _ in 0..5 {
        for stream in &mut dripping {
            let _gone = stream.write_all(b"b").await;
        }
        assert!(ask(to, "127.1.0.1", PLAIN).await.starts_with("HTTP/1.1 200"));
        assert!(ask(to, "127.0.0.1", PLAIN).await.starts_with("HTTP/1.1 200"), "and so is the dripper's neighbour");
    }
}

/// A byte now and then does not buy more time: there is one deadline for all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_has_one_deadline() {
    let to = serving(|limits| limits.body = Span(Duration::from_millis(600))).await;
    let mut stream = connect(to, "127.0.0.1").await;
    stream.write_all(posting(60_000, "a").as_bytes()).await.unwrap();
    let began = Instant::now();
    let (mut read, mut write) = stream.into_split();
    let dripping = tokio::spawn(async move {
        while write.write_all(b"b").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = Vec::new();
    let _reset = read.read_to_end(&mut answer).await;
    dripping.abort();
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 408"), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_body_arrives_whole_or_is_refused_by_its_size() {
    let to = serving(|_| ()).await;
    assert!(ask(to, "127.0.0.1", &posting(5, "hello")).await.ends_with("\r\n\r\n5"));
    let largest = "a".repeat(65_536);
    assert!(ask(to, "127.0.0.1", &posting(65_536, &largest)).await.ends_with("65536"));
    assert!(ask(to, "127.0.0.1", &posting(65_537, "a")).await.starts_with("HTTP/1.1 413"), "told at once");
    let chunked = "POST /body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("10001\r\n{}\r\n0\r\n\r\n", "a".repeat(65_537));
    assert!(ask(to, "127.0.0.1", &format!("{chunked}{chunk}")).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_neighbourhood_does_not_have_all_places() {
    let to = serving(|limits| (limits.requests, limits.requests_of_one) = (8, 4)).await;
    let slow = "GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut working = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(to, "127.0.0.1").await;
        stream.write_all(slow.as_bytes()).await.unwrap();
        working.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(ask(to, "127.0.0.2", PLAIN).await.starts_with("HTTP/1.1 503"), "its share is taken");
    assert!(ask(to, "127.1.0.1", PLAIN).await.starts_with("HTTP/1.1 200"), "another neighbourhood has its own");
    for stream in working {
        assert!(answer(stream).await.starts_with("HTTP/1.1 200"), "what was accepted is answered");
    }
    assert!(ask(to, "127.0.0.2", PLAIN).await.starts_with("HTTP/1.1 200"), "the share is given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_neighbourhood_does_not_have_all_connections() {
    let to = serving(|limits| (limits.connections, limits.connections_of_one) = (8, 4)).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(connect(to, "127.0.0.1").await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(ask(to, "127.0.0.2", PLAIN).await.starts_with("HTTP/1.1 503"));
    assert!(ask(to, "127.1.0.1", PLAIN).await.starts_with("HTTP/1.1 200"));
}

/// Both listeners write into one log: an id is one request's.
#[tokio::test]
async fn no_two_requests_of_a_process_have_one_id() {
    use tower::ServiceExt as _;
    let ids = RequestIds::from(7);
    let listener = |name| {
        let routes = Router::new().route("/", get(async || "here"));
        let bounds = (Limits::default(), Bodies::Streamed);
        guarded(name, routes, bounds, Arc::new(TrustedProxies::default()), ids.clone())
    };
    let mut seen = std::collections::BTreeSet::new();
    for router in [listener("public"), listener("admin"), listener("public")] {
        let answer = router.oneshot(Request::new(Body::empty())).await.unwrap();
        let id = answer.headers()[REQUEST_ID].to_str().unwrap().to_owned();
        assert!(id.starts_with("00000007-") && seen.insert(id.clone()), "{id}");
    }
}
