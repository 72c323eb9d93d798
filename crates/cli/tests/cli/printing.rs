//! What is printed where nobody reads it, where it has no room, and where a program reads it.

use std::{fs::File, process::Command, time::Instant};

use serde_json::json;

use crate::{
    folder::{EVENT, Folder, answering, nobody},
    node::PATIENCE,
};

/// A folder with a rule, its case and its event, and verbs that print about them, each with its code.
fn printing() -> (Folder, Vec<(Vec<&'static str>, i32)>) {
    let folder = Folder::new();
    folder.rule("plan", 1, "", &answering(r#"{"continue":{}}"#));
    let event: serde_json::Value = serde_json::from_str(EVENT).unwrap();
    folder.write("plan/cases/fails.json", json!({ "event": event, "expect": {"outcome": "deny"} }).to_string());
    folder.write("script/rule.toml", "name = \"s\"\nlanguage = \"javascript\"\nsource = \"rule.js\"\norder = 1\n");
    folder.write("script/rule.js", "function (user, context, callback) { callback(null, user, context); }");
    let verbs = vec![
        (vec!["--help"], 0),
        (vec!["completions", "bash"], 0),
        (vec!["schema", "rule"], 0),
        (vec!["settings"], 0),
        (vec!["run", "--rule", "plan", "--event", "event.json"], 0),
        (vec!["check", "plan"], 0),
        (vec!["test", "plan"], 1),
        (vec!["bench", "plan", "--event", "event.json", "--runs", "1"], 0),
        (vec!["build", "script"], 0),
        (vec!["new", "made"], 0),
    ];
    (folder, verbs)
}

/// `vestibule test rules | head -1`: whoever reads only the beginning has what they wanted.
#[test]
fn a_verb_does_its_work_where_nobody_reads_what_it_prints() {
    let (folder, verbs) = printing();
    for (verb, code) in &verbs {
        let ended = folder.run_unread(verb).with_code(*code);
        assert_eq!(ended.stderr, "", "{verb:?}");
    }
    assert!(folder.path().join("made/rule.toml").is_file());
    folder.run_unread(&["run", "--json", "--rule", "nowhere", "--event", "event.json"]).with_code(3);
    let run = ["run", "--rule", "plan", "--event", "event.json", "--config", "K=1"];
    for (arguments, code) in [(&["frobnicate"][..], 2), (&run, 0)] {
        let ended = folder.command(arguments, &[]).stdout(nobody()).stderr(nobody()).status().unwrap();
        assert_eq!(ended.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn what_has_no_room_is_a_fault_of_the_machine() {
    let (folder, verbs) = printing();
    let json = (vec!["run", "--json", "--rule", "plan", "--event", "event.json"], 0);
    for (verb, _) in verbs.iter().chain([&json]) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ended = folder.run_into(verb, full).with_code(5);
        assert!(ended.stderr.starts_with("error: cannot print: "), "{verb:?}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{verb:?}: {ended:?}");
    }
}

#[test]
fn a_node_serves_where_nobody_reads_what_it_announces() {
    let folder = Folder::new();
    let settings = [("VESTIBULE_LISTEN__PUBLIC", "127.0.0.1:0"), ("VESTIBULE_LISTEN__ADMIN", "127.0.0.1:0")];
    let serve = ["serve", "--data", "data"];
    let mut node = folder.command(&serve, &settings).stdout(nobody()).stderr(nobody()).spawn().unwrap();
    let begun = Instant::now();
    while folder.run(&["versions", "--data", "data"]).code != 0 {
        assert!(begun.elapsed() < PATIENCE && node.try_wait().unwrap().is_none(), "it does not serve");
    }
    assert!(Command::new("kill").arg(node.id().to_string()).status().unwrap().success());
    assert_eq!(node.wait().unwrap().code(), Some(0));
}

#[test]
fn machines_are_told_of_everything_in_one_object() {
    let folder = Folder::new();
    for arguments in [
        &["frobnicate", "--json"][..],
        &["--json"],
        &["run", "--json"],
        &["run", "--json", "--rule", "a", "--event", "event.json", "--seed", "0f"],
    ] {
        let told = folder.run(arguments).with_code(2);
        assert_eq!((told.json()["error"]["code"].as_str(), &*told.stderr), (Some("usage"), ""), "{told:?}");
    }
    let made = folder.run(&["new", "my-rule", "--lang", "javascript", "--json"]).with_code(0).json();
    let expect = json!({"rule": "my-rule", "language": "javascript", "dir": "my-rule", "source": "my-rule/rule.js"});
    assert_eq!(made, expect);
    let built = folder.run(&["build", "my-rule", "--json"]).with_code(0).json();
    let rule = &built["rules"][0];
    assert_eq!((&rule["rule"], &rule["code"]), (&json!("my-rule"), &json!("my-rule/rule.js")), "{built}");
    assert!(rule["language"] == "javascript" && rule["bytes"].as_u64().unwrap() > 0, "{built}");
}
