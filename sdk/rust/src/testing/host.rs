//! A host for this thread: serves files and HTTP answers that a test lays down, and keeps what the rule did.

use std::{cell::RefCell, collections::BTreeMap};

use serde_json::{Value, json};
use vestibule_abi::host::FILE_ABSENT;

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::default());
}

#[derive(Debug, Default)]
struct State {
    /// Which [`Host`] it belongs to.
    host: u64,
    files: BTreeMap<String, Vec<u8>>,
    opened: Vec<Vec<u8>>,
    replies: Vec<(String, String, Reply)>,
    results: Vec<Reply>,
    requests: Vec<Request>,
    logs: Vec<String>,
}

/// The host of this thread, from when it is made until it is dropped.
#[derive(Debug)]
#[must_use = "it serves until it is dropped"]
pub struct Host {
    number: u64,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host that serves nothing yet. It takes the place of an earlier one.
    pub fn new() -> Self {
        let number = with(|state| {
            *state = State { host: state.host + 1, ..State::default() };
            state.host
        });
        Self { number }
    }

    /// Lays down a file below `data/`.
    pub fn file(self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        with(|state| state.files.insert(path.to_owned(), bytes.into()));
        self
    }

    /// Lays down what one request gets; several for the same request are used in order.
    pub fn reply(self, method: &str, url: &str, reply: Reply) -> Self {
        with(|state| state.replies.push((method.to_owned(), url.to_owned(), reply)));
        self
    }

    /// The lines the rule wrote, as `level: text`.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        with(|state| state.logs.clone())
    }

    /// The requests the rule made, in order. Secrets stand in them by name.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        with(|state| state.requests.clone())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // An earlier host that is dropped late leaves the one that took its place alone.
        with(|state| {
            if state.host == self.number {
                *state = State { host: state.host, ..State::default() };
            }
        });
    }
}

/// What a request gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    head: Value,
    body: Vec<u8>,
}

impl Reply {
    /// A response.
    #[must_use]
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { head: json!({"status": status, "headers": headers, "body_len": body.len()}), body }
    }

    /// A response of JSON.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Self {
        Self::new(status, &[("content-type", "application/json")], body)
    }

    /// No response, with one of the codes `http_timeout`, `http_too_large`, `http_tls`, `http_failed`.
    #[must_use]
    pub fn error(code: &str) -> Self {
        Self { head: json!({"error": code}), body: Vec::new() }
    }
}

/// A request that the rule made.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its head: `{"method", "url", "headers", "timeout_ms", "redirects"}`, the last two only where they were set.
    pub head: Value,
    /// Its body.
    pub body: Vec<u8>,
}

fn with<T>(use_state: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(use_state)
}

fn handle(len_after_push: usize) -> i32 {
    i32::try_from(len_after_push).unwrap_or(i32::MAX) - 1
}

fn at<T>(all: &[T], handle: i32) -> Option<&T> {
    all.get(usize::try_from(handle).ok()?)
}

pub(crate) fn log(level: i32, line: &str) {
    let level = vestibule_abi::host::Level::from_wire(level).map_or("?", vestibule_abi::host::Level::as_str);
    with(|state| state.logs.push(format!("{level}: {line}")));
}

#[expect(clippy::panic, reason = "the host ends such a run with `http_not_recorded`; a test should end as loudly")]
pub(crate) fn http_start(head: &[u8], body: &[u8]) -> i32 {
    let head: Value = serde_json::from_slice(head).unwrap_or_default();
    let is_for = |reply: &(String, String, Reply)| {
        head.get("method") == Some(&json!(reply.0)) && head.get("url") == Some(&json!(reply.1))
    };
    let started = with(|state| {
        let at = state.replies.iter().position(is_for)?;
        let (_, _, reply) = state.replies.remove(at);
        state.results.push(reply);
        state.requests.push(Request { head: head.clone(), body: body.to_vec() });
        Some(handle(state.results.len()))
    });
    started.unwrap_or_else(|| panic!("no reply is laid down for {head}: add one with `testing::Host::reply`"))
}

/// The first of the requests; here all have finished.
pub(crate) fn http_wait(handles: &[i32]) -> i32 {
    handles.first().copied().unwrap_or_default()
}

pub(crate) fn http_result(handle: i32) -> Vec<u8> {
    with(|state| at(&state.results, handle).map(|reply| reply.head.to_string().into_bytes()).unwrap_or_default())
}

pub(crate) fn http_body(handle: i32, len: usize) -> Vec<u8> {
    with(|state| at(&state.results, handle).map(|reply| reply.body.iter().take(len).copied().collect()))
        .unwrap_or_default()
}

pub(crate) fn file_open(path: &str) -> i32 {
    with(|state| {
        let Some(file) = state.files.get(path) else { return FILE_ABSENT };
        state.opened.push(file.clone());
        handle(state.opened.len())
    })
}

pub(crate) fn file_size(handle: i32) -> usize {
    with(|state| at(&state.opened, handle).map_or(0, Vec::len))
}

pub(crate) fn file_read(handle: i32, offset: usize, len: usize) -> Vec<u8> {
    with(|state| at(&state.opened, handle).map(|file| file.iter().skip(offset).take(len).copied().collect()))
        .unwrap_or_default()
}
