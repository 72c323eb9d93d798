//! Rules for these tests, in WebAssembly text.

use std::sync::Arc;

use serde_json::{Value, json};
use vestibule_abi::host::Capability;
use vestibule_engine::{Grants, http::HttpGrants};
use vestibule_pipeline::{Manifest, manifest::FailurePolicy};
use vestibule_testkit::{
    deploy::{files, files_only, manifest},
    guests::{self, escaped},
    peer::{Peer, grants},
};

use crate::service::TestRule;

fn permissive(name: &str, order: i64) -> Manifest {
    let mut manifest = Manifest::permissive(name);
    manifest.order = order;
    manifest
}

/// A rule that gives this answer.
pub(super) fn answering(order: i64, answer: &Value) -> TestRule {
    let grants = files_only(&[("answer", answer.to_string().as_bytes())]);
    TestRule(permissive(&format!("answering-{order}"), order), guests::parrot(), grants)
}

/// A rule that goes on with these members.
pub(super) fn continuing(order: i64, members: Value) -> TestRule {
    answering(order, &json!({ "continue": members }))
}

/// A rule that refuses.
pub(crate) fn denying(order: i64, code: &str, reason: &str) -> TestRule {
    answering(order, &json!({"deny": {"code": code, "reason": reason}}))
}

/// A rule that runs out of fuel; the manifest says what that means for the login.
pub(super) fn spinning(order: i64, on_failure: FailurePolicy) -> TestRule {
    let mut manifest = permissive(&format!("spinning-{order}"), order);
    manifest.on_failure = on_failure;
    TestRule(manifest, guests::rule("", "(loop (br 0))"), Grants::default())
}

/// The claim that [`mirror`] sets.
pub(super) const EVENT: &str = "https://example.com/event";

/// A rule that puts the event it received into the ID token.
pub(super) fn mirror(order: i64) -> TestRule {
    let (before, after) = (format!(r#"{{"continue":{{"id_token":{{"{EVENT}":"#), "}}}");
    let module = guests::rule_of(
        guests::ALL.get(..1).unwrap(),
        8,
        &format!(
            r#"(data (i32.const 64) "{}") (data (i32.const 512) "{}")"#,
            escaped(before.as_bytes()),
            escaped(after.as_bytes())
        ),
        &format!(
            "(local $len i32)
             (memory.copy (i32.const 65536) (i32.const 64) (i32.const {before}))
             (local.set $len (call $event_len (i32.const 0)))
             (call $event_read (i32.const 0) (i32.add (i32.const 65536) (i32.const {before})))
             (memory.copy (i32.add (i32.const {at}) (local.get $len)) (i32.const 512) (i32.const {after}))
             (call $answer (i32.const 65536) (i32.add (i32.const {both}) (local.get $len)))",
            before = before.len(),
            at = 65_536 + before.len(),
            after = after.len(),
            both = before.len() + after.len(),
        ),
    );
    TestRule(permissive("mirror", order), module, Grants::default())
}

/// A rule that asks a peer for a path, and shares what came back.
pub(super) fn asking(order: i64, peer: &Peer, path: &str) -> TestRule {
    let origin = peer.origin();
    let head = json!({"method": "GET", "url": format!("{origin}{path}"), "headers": [], "timeout_ms": 2_000});
    let http: Arc<HttpGrants> = grants(&[&origin], None);
    let lines = format!(
        "writes = [\"shared.*\", \"deny\"]\n[capabilities]\nhttp = [\"{origin}\"]\nfiles = true\n[limits]\nwall = \"1s\""
    );
    let granted = Grants { http: Some(http), files: Some(files(&[("request", head.to_string().as_bytes())])) };
    TestRule(manifest(&format!("asking-{order}"), order, &lines), guests::caller(), granted)
}

/// A rule that asks a peer something else for each length of the event: of four questions, the one that the length
/// leaves over.
pub(super) fn asking_by_length(order: i64, peer: &Peer, path: &str) -> TestRule {
    let origin = peer.origin();
    let head = |at: usize| {
        let headers = [["x-question", &at.to_string()]];
        json!({"method": "GET", "url": format!("{origin}{path}"), "headers": headers, "timeout_ms": 2_000}).to_string()
    };
    let heads: Vec<String> = (0..4).map(head).collect();
    let length = heads[0].len();
    let data: String = heads
        .iter()
        .enumerate()
        .map(|(at, head)| format!("(data (i32.const {}) \"{}\")", 4_096 + at * 1_024, escaped(head.as_bytes())))
        .collect();
    let run = format!(
        "(local $at i32)
         (local.set $at (i32.mul (i32.and (call $event_len (i32.const 0)) (i32.const 3)) (i32.const 1024)))
         (i32.store (i32.const 256) (call $http_start
           (i32.add (i32.const 4096) (local.get $at)) (i32.const {length}) (i32.const 0) (i32.const 0)))
         (drop (call $http_wait (i32.const 256) (i32.const 1)))
         (call $ok)"
    );
    let lines = format!("[capabilities]\nhttp = [\"{origin}\"]\n[limits]\nwall = \"1s\"");
    let granted = Grants { http: Some(grants(&[&origin], None)), files: None };
    let module = guests::rule_of(&[Capability::Core, Capability::Http], 4, &data, &run);
    TestRule(manifest(&format!("asking-{order}"), order, &lines), module, granted)
}
