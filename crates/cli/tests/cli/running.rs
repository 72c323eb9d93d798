//! `run`, `check` and `bench` on rules that are what they should be.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use serde_json::{Value, json};

use crate::folder::{Folder, answering};

const ALLOW: &str = r#"{"continue":{"app_metadata":{"seen":1},"id_token":{"https://example.com/plan":"gold"}}}"#;

/// A module that asks a service and goes on.
fn asking(origin: &str) -> Vec<u8> {
    let head = format!(r#"{{"method":"GET","url":"{origin}/plan"}}"#);
    wat::parse_str(format!(
        r#"(module
          (import "vestibule_v1" "answer" (func $answer (param i32 i32)))
          (import "vestibule_http_v1" "start" (func $start (param i32 i32 i32 i32) (result i32)))
          (import "vestibule_http_v1" "wait" (func $wait (param i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 16) "{}")
          (data (i32.const 256) "{{\"continue\":{{}}}}")
          (func (export "run")
            (i32.store (i32.const 0) (call $start (i32.const 16) (i32.const {}) (i32.const 0) (i32.const 0)))
            (drop (call $wait (i32.const 0) (i32.const 1)))
            (call $answer (i32.const 256) (i32.const 15))))"#,
        head.replace('"', "\\\""),
        head.len()
    ))
    .unwrap()
}

#[track_caller]
fn run(folder: &Folder, arguments: &[&str]) -> Value {
    folder.run(&[&["run", "--json", "--event", "event.json"], arguments].concat()).with_code(0).json()
}

#[test]
fn a_login_is_one_json_object_with_every_member() {
    let folder = Folder::new();
    folder.rule("plan", 1, "", &answering(ALLOW));
    folder.write("pipeline.toml", r#"rules = ["plan"]"#);
    let report = run(&folder, &["--pipeline", "pipeline.toml"]);
    let members = [
        "outcome",
        "deny",
        "failure",
        "redirect",
        "second_factor",
        "user",
        "user_metadata",
        "app_metadata",
        "id_token",
        "access_token",
        "scope",
        "rules",
    ];
    let found: Vec<&String> = report.as_object().unwrap().keys().collect();
    assert_eq!(found, members);
    assert_eq!(report["outcome"], "allow");
    assert_eq!(report["app_metadata"], json!({"seen": 1}));
    assert_eq!(report["user_metadata"], json!({"language": "en"}));
    assert_eq!(report["user"]["app_metadata"], json!({"seen": 1}));
    assert_eq!(report["id_token"], json!({"https://example.com/plan": "gold"}));
    let rule = &report["rules"][0];
    assert_eq!((&rule["name"], &rule["outcome"]), (&json!("plan"), &json!("continued")));
    assert!(rule["fuel"].as_u64().unwrap() > 0 && rule["wall_us"].as_f64().unwrap() > 0.0, "{rule}");
    assert_eq!((&rule["peak_memory"], &rule["logs"], &rule["http"]), (&json!(65_536), &json!([]), &json!([])));
}

#[test]
fn the_event_may_come_from_standard_input() {
    let folder = Folder::new();
    folder.rule("plan", 1, "", &answering(ALLOW));
    let event = r#"{"user": {"email": "ada@example.com"}, "context": {"now": "2026-01-05T08:30:00Z"}}"#;
    let run = ["run", "--json", "--rule", "plan", "--event", "-"];
    let report = folder.run_on(&run, event).with_code(0).json();
    assert_eq!(report["user"]["email"], "ada@example.com");
    folder.rule("same", 2, "", &answering(ALLOW));
    let costs = folder.run_on(&["bench", "--json", "--runs", "1", "--event", "-"], event).with_code(0).json();
    assert_eq!(costs["rules"].as_array().unwrap().len(), 2, "{costs}");
}

#[test]
fn every_outcome_of_the_rules_exits_with_0() {
    let folder = Folder::new();
    let outcome = |answer: &str, outcome: &str, member: &str| {
        folder.write("rule.wasm", answering(answer));
        let report = run(&folder, &["--rule", "rule.wasm"]);
        assert_eq!(report["outcome"], outcome, "{report}");
        report[member].clone()
    };
    outcome(ALLOW, "allow", "rules");
    let deny = outcome(r#"{"deny":{"code":"expired","reason":"Gone."}}"#, "deny", "deny");
    assert_eq!(deny, json!({"rule": "rule", "code": "expired", "reason": "Gone."}));
    let failure = outcome("{}", "failed", "failure");
    assert_eq!((&failure["rule"], &failure["code"]), (&json!("rule"), &json!("output_schema")));
    let redirect =
        outcome(r#"{"continue":{"redirect":{"url":"https://forms.example.com/a"}}}"#, "redirect", "redirect");
    assert_eq!(redirect["url"], "https://forms.example.com/a");
    let factor =
        outcome(r#"{"continue":{"second_factor":{"allow_remember_browser":true}}}"#, "second_factor", "second_factor");
    assert_eq!(factor["allow_remember_browser"], true);
}

#[test]
fn both_profiles_give_the_same_answer_and_fuel() {
    let folder = Folder::new();
    folder.write("rule.wasm", answering(ALLOW));
    let without_time = |mut report: Value| {
        report["rules"][0].as_object_mut().unwrap().remove("wall_us");
        report
    };
    let fast = without_time(run(&folder, &["--rule", "rule.wasm", "--profile", "fast"]));
    let hardened = without_time(run(&folder, &["--rule", "rule.wasm", "--profile", "hardened"]));
    assert_eq!(fast, hardened);
}

#[test]
fn a_recording_answers_what_it_holds_and_nothing_else() {
    let folder = Folder::new();
    folder.write("rule.wasm", asking("https://api.example.com"));
    let recorded = json!([{"request": {"method": "GET", "url": "https://api.example.com/plan"}, "response": {"status": 404, "body": "x"}}]);
    folder.write("http.json", recorded.to_string());
    let report = run(&folder, &["--rule", "rule.wasm", "--http-recording", "http.json"]);
    assert_eq!(report["outcome"], "allow", "{report}");
    assert_eq!(
        report["rules"][0]["http"],
        json!([{"method": "GET", "url": "https://api.example.com/plan", "status": 404}])
    );
    folder.write("http.json", "[]");
    let report = run(&folder, &["--rule", "rule.wasm", "--http-recording", "http.json"]);
    assert_eq!((&report["outcome"], &report["failure"]["code"]), (&json!("failed"), &json!("http_not_recorded")));
    let said = report["failure"]["message"].as_str().unwrap();
    assert_eq!(said, "the recording has no such request: GET https://api.example.com/plan");
}

#[test]
fn a_granted_request_reaches_this_machine_only_where_that_is_opened() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let origin = format!("http://{address}");
    let folder = Folder::new();
    folder.rule("caller", 1, &format!("[capabilities]\nhttp = [\"{origin}\"]\n"), &asking(&origin));
    let blocked = run(&folder, &["--rule", "caller"]);
    assert_eq!(
        (&blocked["outcome"], &blocked["failure"]["code"]),
        (&json!("failed"), &json!("http_blocked")),
        "{blocked}"
    );

    let serving = std::thread::spawn(move || {
        let (mut connection, _) = server.accept().unwrap();
        let mut request = [0; 1024];
        let _ = connection.read(&mut request).unwrap();
        connection.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
    });
    let opened = run(&folder, &["--rule", "caller", "--allow-net", &address]);
    assert_eq!(opened["rules"][0]["http"][0]["status"], 204, "{opened}");
    serving.join().unwrap();
}

#[test]
fn people_see_costs_changes_and_the_outcome() {
    let folder = Folder::new();
    folder.write("rule.wasm", answering(ALLOW));
    let told = folder.run(&["run", "--rule", "rule.wasm", "--event", "event.json"]).with_code(0).stdout;
    for part in [
        "continued",
        "median of",
        "64 KiB",
        "µs",
        "user_metadata unchanged",
        "+   \"seen\": 1",
        "https://example.com/plan",
        "\nallow",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
}

#[test]
fn check_tells_imports_writes_advice_and_conflicts() {
    let folder = Folder::new();
    folder.rule("one", 1, "", &answering(ALLOW));
    folder.rule("two", 2, "[capabilities]\nhttp = [\"https://api.example.com\"]\n", &answering(ALLOW));
    folder.write("pipeline.toml", r#"rules = ["one", "two"]"#);
    let found = folder.run(&["check", "pipeline.toml", "--json"]).with_code(0).json();
    let one = &found["rules"][0];
    assert_eq!(one["imports"], json!(["vestibule_v1.answer(ptr: i32, len: i32)"]));
    assert_eq!(one["asks_for"], json!(["vestibule_v1"]));
    assert_eq!(one["missing"], json!([]));
    assert_eq!(one["writes"], json!(["app_metadata.seen", "id_token.https://example.com/plan", "deny"]));
    assert_eq!(one["compiled"]["tier"], "optimised");
    assert!(
        found["rules"][1]["advice"][0].as_str().unwrap().contains("vestibule_http_v1 is granted but never imported")
    );
    assert_eq!(found["conflicts"].as_array().unwrap().len(), 2, "{found}");
}

#[test]
fn check_tells_of_the_rules_of_a_pipeline_that_is_none() {
    let folder = Folder::new();
    folder.rule("one", 1, "", &answering(ALLOW));
    folder.rule("two", 2, "", &answering(ALLOW));
    let manifest = std::fs::read_to_string(folder.path().join("two/rule.toml")).unwrap();
    folder.write("two/rule.toml", manifest.replace("name = \"two\"", "name = \"one\""));
    folder.write("pipeline.toml", r#"rules = ["one", "two"]"#);
    let told = folder.run(&["check", "pipeline.toml"]).with_code(4);
    for part in ["one (", "\n  writes ", "pipeline.toml\n  refused  ", "(manifest_invalid)"] {
        assert!(told.stdout.contains(part), "`{part}` is not in {told:?}");
    }
    let found = folder.run(&["check", "pipeline.toml", "--json"]).with_code(4).json();
    assert_eq!(found["rules"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(found["pipelines"][0]["pipeline"], "pipeline.toml");
    assert_eq!(found["pipelines"][0]["error"]["code"], "manifest_invalid");
}

#[test]
fn bench_gives_a_distribution_against_the_budget() {
    let folder = Folder::new();
    folder.rule("plan", 1, "", &answering(ALLOW));
    let costs = folder.run(&["bench", "plan", "--event", "event.json", "--runs", "50", "--json"]).with_code(0).json();
    let (cost, wall) = (&costs["rules"][0], &costs["rules"][0]["wall_us"]);
    let time = |name: &str| wall[name].as_f64().unwrap();
    assert!(0.0 < time("p50") && time("p50") <= time("p90") && time("p99") <= time("max"), "{cost}");
    assert_eq!((&cost["fuel_limit"], &cost["runs"]), (&json!(10_000_000), &json!(50)));
    let told = folder.run(&["bench", "plan/rule.wasm", "--event", "event.json", "--runs", "5"]).with_code(0).stdout;
    assert!(told.contains("p50") && told.contains("fuel"), "{told}");
}
