//! What verbs find where they are pointed to, and that they go on past a rule that is broken.

use serde_json::json;

use crate::folder::{EVENT, Folder, answering, manifest};

const ALLOW: &str = r#"{"continue":{"app_metadata":{"seen":1}}}"#;

/// A folder `made` with a `pipeline.toml` and nothing else; its two rules lie elsewhere, each with a case.
fn pipeline() -> Folder {
    let folder = Folder::new();
    let event: serde_json::Value = serde_json::from_str(EVENT).unwrap();
    for (name, order) in [("one", 1), ("two", 2)] {
        folder.rule(&format!("rules/deep/{name}"), order, "", &answering(ALLOW));
        folder.write(&format!("rules/deep/{name}/rule.toml"), manifest(name, order, ""));
        let case = json!({ "event": event, "expect": {"outcome": "allow"} });
        folder.write(&format!("rules/deep/{name}/cases/passes.json"), case.to_string());
        folder.write(&format!("rules/deep/{name}/events/sample.json"), EVENT);
    }
    folder.write("made/pipeline.toml", r#"rules = ["../rules/deep/one", "../rules/deep/two"]"#);
    folder
}

#[test]
fn a_folder_with_a_pipeline_does_for_every_verb() {
    let folder = pipeline();
    let told = folder.run(&["test", "made"]).with_code(0).stdout;
    assert_eq!(told, "ok    one / passes\nok    two / passes\n2 passed, 0 failed\n");
    let costs = folder.run(&["bench", "made", "--runs", "1", "--json"]).with_code(0).json();
    assert_eq!(costs["rules"].as_array().unwrap().len(), 2, "{costs}");
    let run = ["run", "--json", "--event", "event.json", "--pipeline"];
    let by_folder = folder.run(&[&run[..], &["made"]].concat()).with_code(0).json();
    assert_eq!(by_folder["rules"].as_array().unwrap().len(), 2, "{by_folder}");
    let told = folder.run(&["build", "made", "--json"]).with_code(3).json();
    assert!(told["error"]["message"].as_str().unwrap().contains("has no Cargo.toml"), "its rules are found: {told}");
}

#[test]
fn a_folder_with_a_pipeline_is_checked_as_its_file_is() {
    let folder = pipeline();
    let conflicts = |path: &str| folder.run(&["check", path, "--json"]).with_code(0).json()["conflicts"].clone();
    assert_eq!(conflicts("made"), conflicts("made/pipeline.toml"));
    assert_eq!(conflicts("made").as_array().unwrap().len(), 2);
    assert_eq!(conflicts("rules/deep"), json!([]), "rules that merely lie in one folder are no pipeline");
    folder.rule("made/apart", 3, "", &answering(ALLOW));
    folder.write("made/apart/rule.toml", manifest("apart", 3, ""));
    let found = folder.run(&["check", "made", "--json"]).with_code(0).json();
    let names: Vec<_> = found["rules"].as_array().unwrap().iter().map(|rule| rule["rule"].clone()).collect();
    assert_eq!(names, ["apart", "one", "two"], "all rules of the folder");
    assert_eq!(found["conflicts"].as_array().unwrap().len(), 2, "those of its pipeline");
}

#[test]
fn every_broken_rule_is_named_and_the_others_are_examined_and_tried() {
    let folder = pipeline();
    folder.write("made/absent/rule.toml", manifest("absent", 3, ""));
    folder.write("made/text/rule.toml", manifest("text", 4, ""));
    folder.write("made/text/rule.wasm", "this is text");
    let event: serde_json::Value = serde_json::from_str(EVENT).unwrap();
    folder.write("made/text/cases/passes.json", json!({ "event": event, "expect": {"outcome": "allow"} }).to_string());

    let found = folder.run(&["check", "made", "--json"]).with_code(4).json();
    let codes: Vec<_> = found["rules"].as_array().unwrap().iter().map(|rule| rule["error"]["code"].as_str()).collect();
    assert_eq!(codes, [Some("file_missing"), Some("module_malformed"), None, None], "{found}");
    assert_eq!(found["conflicts"].as_array().unwrap().len(), 2, "{found}");
    let told = folder.run(&["check", "made"]).with_code(4).stdout;
    for part in
        ["absent\n  refused  `", "vestibule build", "(file_missing)", "text\n  refused  rule `text`", "one (", "two ("]
    {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }

    let told = folder.run(&["test", "made"]).with_code(1).stdout;
    for part in ["FAIL  absent\n", "FAIL  text / passes\n", "ok    one / passes\n", "ok    two / passes\n"] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    assert!(told.ends_with("2 passed, 2 failed\n"), "{told}");
}
