//! What the engine parses: modules, recordings, cases, heads of HTTP requests.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    task::{Context, Waker},
    time::Duration,
};

use tokio::time::Instant;
use vestibule_abi::{codes::FailureCode, host};
use vestibule_engine::{
    Case,
    http::{HttpGrants, Recording, Requests, Source},
};
use vestibule_pipeline::manifest::Origin;

use crate::rules;

/// Modules to start from; the test adds whole guests.
pub const MODULES: &[&[u8]] = &[
    b"\0asm\x01\0\0\0",
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
      \x07\x10\x02\x06memory\x02\0\x03run\0\0\x0a\x04\x01\x02\0\x0b",
    b"\0asm\x01\0\0\0\x01\x09\x02\x60\x02\x7f\x7f\0\x60\0\0\x02\x17\x01\x0cvestibule_v1\x06answer\0\0\x03\x02\x01\x01\
      \x05\x03\x01\0\x01\x07\x10\x02\x06memory\x02\0\x03run\0\x01\x0a\x0a\x01\x08\0\x41\0\x41\0\x10\0\x0b",
    b"\0asm\x0d\0\x01\0",
];
/// Pieces of modules.
pub const SECTIONS: &[&[u8]] = &[
    b"\x01\x04\x01\x60\0\0",
    b"\x05\x03\x01\0\x01",
    b"\x05\x06\x01\x01\xff\xff\x03\x01",
    b"\x04\x04\x01\x70\0\x01",
    b"\x0cvestibule_v2",
    b"\x11vestibule_http_v1",
    b"\x06memory\x02\0",
    b"\x03run\0\0",
    b"\xff\xff\xff\xff\x0f",
    b"\x08\x01\0",
    b"\0\x03\x02ab",
];
/// Recordings to start from.
pub const RECORDINGS: &[&[u8]] = &[
    br#"[{"request":{"method":"GET","url":"https://api.example.com/a"},"response":{"status":200,"body":{"a":1}}}]"#,
    br#"[{"request":{"method":"POST","url":"http://e.com:8080/?q#f","body":"x"},"response":{"error":"http_timeout"}},
        {"request":{"method":"GET","url":"https://[::1]/"},"response":{"status":404,"headers":{"A":"b"}}}]"#,
];
/// Cases to start from.
pub const CASES: &[&[u8]] = &[
    br#"{"event":{"user":{"user_id":"auth0|1"},"context":{"clientID":"c"}},"expect":{"outcome":"allow"}}"#,
    br#"{"event":{"user":{"email":"a@e.com"},"context":{},"shared":{"x":[1]}},"configuration":{"K":"v"},
        "http":[{"request":{"method":"GET","url":"https://api.example.com/a"},"response":{"status":200,"body":{"a":1}}}],
        "expect":{"deny":{"code":"no_plan","reason":null},"id_token":{"https://e.com/c":true}}}"#,
    br#"{"event":null,"http":null,"expect":{"outcome":"failed"}}"#,
];
/// Names a case can hold.
pub const CASE_TOKENS: &[&[u8]] = &[
    b"\"event\":{",
    b"\"configuration\":{\"K\":",
    b"\"http\":[",
    b"\"expect\":{}",
    b"\"expect\":{\"outcome\":\"allow\"}",
    b"\"user\":{\"user_id\":\"a\"}",
    b"\"context\":{}",
    b"\"request\":{\"method\":\"GET\",\"url\":\"https://e.com\"}",
    b"\"response\":{\"error\":\"http_tls\"}",
    b"null",
    b"},",
    b"[[[[[[[[[[[[[[",
    b"\\ud800",
];
/// Heads to start from; what follows a NUL is the body.
pub const HEADS: &[&[u8]] = &[
    br#"{"method":"GET","url":"https://api.example.com/a"}"#,
    b"{\"method\":\"POST\",\"url\":\"https://api.example.com/b?x=1#f\",\"headers\":[[\"x-a\",\"b\"]],\"timeout_ms\":100}\0body",
    br#"{"method":"GET","url":"https://api.example.com/a","headers":[["authorization","Bearer {{secret:TOKEN}}"]],"redirects":2}"#,
];
/// Pieces of heads.
pub const HEAD_TOKENS: &[&[u8]] = &[
    b"{{secret:TOKEN}}",
    b"{{secret:",
    b"}}",
    b"\"headers\":[[\"host\",\"x\"]]",
    b"\\r\\n",
    b"http://",
    b"@",
    b"169.254.169.254",
    b"[::ffff:127.0.0.1]",
    b"0x7f.1",
    b"\"CONNECT\"",
    b"%00",
    b"\\u0000",
    b"\\t",
    b"file:///",
    b"api.example.com.",
    b"\"timeout_ms\":0",
];

const SECRET: &str = "s3cr3t-v4lue";
/// The longest message about a module: names in it are cut.
const MESSAGE_BYTES: usize = 1_024;

/// Any bytes as an upload: refused with words that are safe to print, or imports of ours alone.
pub fn inspect(bytes: &[u8]) {
    match vestibule_engine::inspect(bytes) {
        Ok(inspected) => {
            assert!(inspected.imports.iter().all(|import| host::FUNCTIONS.contains(import)));
            assert_eq!(inspected.bytes.as_ref(), bytes);
        }
        Err(refusal) => {
            assert!(refusal.message.len() <= MESSAGE_BYTES, "{refusal}");
            assert!(!refusal.message.chars().any(char::is_control), "{refusal:?}");
        }
    }
}

/// Any bytes as a recording: refused with words, or playable.
pub fn recording(bytes: &[u8]) {
    match Recording::parse(bytes) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(recording) => drop(recording.play()),
    }
}

/// Any bytes as a case: refused with words, or something is expected of a login, whose event is given to a rule as any
/// other is, and whose recording is playable.
pub fn case(bytes: &[u8]) {
    match Case::parse(bytes) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(Case { event, http, expect, .. }) => {
            assert!(!expect.is_empty());
            drop(http.map(Recording::play));
            rules::given(&event);
        }
    }
}

static GRANTS: LazyLock<Arc<HttpGrants>> = LazyLock::new(|| {
    let origin: Origin = "https://api.example.com".parse().expect("an origin");
    let secrets = BTreeMap::from([("TOKEN".to_owned(), (SECRET.to_owned().into(), origin.clone()))]);
    Arc::new(HttpGrants::new(vec![origin], secrets).expect("the grants are acceptable"))
});
static RECORDING: LazyLock<Recording> =
    LazyLock::new(|| Recording::parse(RECORDINGS[0]).expect("the recording is well formed"));

/// Any bytes as the head of a request: refused with the contract's codes, or answered from the recording; and the
/// secret is in nothing that the guest or a journal could see.
pub fn http_head(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (head, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let source = Source::Recorded(RECORDING.clone().play());
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut requests = Requests::new(source, Arc::clone(&GRANTS), 1, deadline);
    match requests.start(head, body.to_vec()) {
        Ok(handle) => {
            let waited = requests.poll_wait(&[handle], &mut Context::from_waker(Waker::noop()));
            assert!(waited.is_ready(), "a recorded answer is there at once");
            assert!(requests.result(handle).is_ok());
        }
        Err(failure) => {
            let codes = [
                FailureCode::HostcallBadArgs,
                FailureCode::HostcallLimit,
                FailureCode::HttpBlocked,
                FailureCode::HttpNotRecorded,
            ];
            assert!(codes.contains(&failure.code), "{failure}");
            assert!(!failure.message.contains(SECRET), "{failure}");
        }
    }
    assert!(!format!("{:?}", requests.finish()).contains(SECRET), "the secret is recorded");
}
