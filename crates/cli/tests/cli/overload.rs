//! Peers that dawdle, that send too much, and that are too many: each is told so in time, and everybody else is served.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::{
    folder::Folder,
    node::{Answer, Node, PATIENCE, answer, ask},
    operating::{furnish, log_in},
};

const HEAD: &str =
    "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n";

fn start(folder: &Folder, limits: &str) -> Node {
    folder.write("vestibule.toml", format!("[limits]\n{limits}\n"));
    Node::start(folder, "data", &["--config", "vestibule.toml"])
}

fn connect(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(node.public).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[track_caller]
fn others_are_served(node: &Node) {
    assert_eq!(ask(node.public, "GET", "/.well-known/jwks.json", &[], "").status, 200);
}

/// How an answer begins. What comes after it may be cut off: the server does not read what it refuses.
fn status_line(stream: &mut TcpStream) -> String {
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    String::from_utf8_lossy(&head).into_owned()
}

#[test]
fn a_body_that_dawdles_is_given_up_and_others_are_served() {
    let folder = Folder::new();
    let node = start(&folder, "body = \"300ms\"");
    let mut slow = connect(&node);
    write!(slow, "{HEAD}content-length: 100\r\n\r\ngrant_type=").unwrap();
    others_are_served(&node);
    let begun = Instant::now();
    let refused = answer(&mut slow);
    assert!((400..500).contains(&refused.status), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_connection_that_asks_nothing_more_is_closed() {
    let folder = Folder::new();
    let node = start(&folder, "idle = \"300ms\"");
    let mut idle = connect(&node);
    write!(idle, "GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut everything = String::new();
    idle.read_to_string(&mut everything).unwrap(); // Up to the end: it is the server that closes.
    assert!(everything.starts_with("HTTP/1.1 200"), "{everything}");
    let mut silent = connect(&node);
    assert_eq!(silent.read(&mut [0; 64]).unwrap(), 0, "nor does one stay that never asks");
}

/// HS-58: however it is sent, and without reading it to its end.
#[test]
fn a_body_that_is_too_large_is_refused() {
    let folder = Folder::new();
    let node = start(&folder, "body = \"20s\"");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let declared = format!("content-length: 10000000\r\n\r\n{}", "x".repeat(0x11000));
    let endless = format!("transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(0x11));
    for body in [declared, endless] {
        let mut stream = connect(&node);
        write!(stream, "{HEAD}{body}").unwrap();
        assert_eq!(status_line(&mut stream), "HTTP/1.1 413");
    }
    others_are_served(&node);
}

/// HS-63: a request that could only wait is told to come again, at once.
#[test]
fn requests_beyond_what_is_worked_on_are_turned_away() {
    let folder = Folder::new();
    let node = start(&folder, "requests = 1");
    furnish(&folder, &node);
    // A password takes a while, so most of those that come at the same time find the one place taken.
    let answers: Vec<Answer> = thread::scope(|scope| {
        let logins: Vec<_> = (0..8).map(|_| scope.spawn(|| log_in(&node))).collect();
        logins.into_iter().map(|login| login.join().unwrap()).collect()
    });
    let (shed, heard): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 503);
    assert!(!shed.is_empty() && heard.iter().any(|answer| answer.status == 200), "{answers:?}");
    assert!(shed.iter().all(|answer| answer.head.contains("retry-after: 1")), "{shed:?}");
    let metrics = ask(node.admin, "GET", "/metrics", &[], "").body;
    assert!(metrics.contains("vestibule_shed_total{what=\"request\"}"), "{metrics}");
    assert_eq!(ask(node.admin, "GET", "/health/ready", &[], "").status, 200, "operators have a listener of their own");
    others_are_served(&node);
}
