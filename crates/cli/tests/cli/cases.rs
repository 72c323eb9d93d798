//! `test`: cases that hold, cases that do not, and rules that are starved.

use serde_json::json;

use crate::folder::{EVENT, Folder, answering};

fn case(expect: serde_json::Value) -> String {
    let event: serde_json::Value = serde_json::from_str(EVENT).unwrap();
    json!({ "event": event, "expect": expect }).to_string()
}

#[test]
fn a_case_that_holds_passes_and_one_that_does_not_shows_a_diff() {
    let folder = Folder::new();
    folder.rule("plan", 1, "", &answering(r#"{"continue":{"app_metadata":{"seen":1}}}"#));
    folder.write("plan/cases/holds.json", case(json!({"outcome": "allow", "app_metadata": {"seen": 1}})));
    let told = folder.run(&["test", "plan"]).with_code(0).stdout;
    assert_eq!(told, "ok    plan / holds\n1 passed, 0 failed\n");

    folder.write("plan/cases/wrong.json", case(json!({"app_metadata": {"seen": 2}})));
    let told = folder.run(&["test", "plan"]).with_code(1).stdout;
    for part in ["ok    plan / holds", "FAIL  plan / wrong", "-    \"seen\": 2", "+    \"seen\": 1"] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    assert!(told.ends_with("1 passed, 1 failed\n"), "{told}");
    let machine = folder.run(&["test", "plan", "--json"]).with_code(1).json();
    assert_eq!((&machine["passed"], &machine["failed"]), (&json!(1), &json!(1)));
}

#[test]
fn a_failing_rule_is_named_with_its_code() {
    let folder = Folder::new();
    folder.rule("plan", 1, "", &answering("{}"));
    folder.write("plan/cases/one.json", case(json!({"outcome": "allow"})));
    let told = folder.run(&["test", "plan"]).with_code(1).stdout;
    assert!(told.contains("rule `plan` failed with output_schema"), "{told}");
}

#[test]
fn a_failure_may_be_what_a_case_expects() {
    let folder = Folder::new();
    folder.rule("plan", 1, "", &answering("{}"));
    folder.write("plan/cases/one.json", case(json!({"outcome": "failed", "failure": {"code": "output_schema"}})));
    folder.run(&["test", "plan"]).with_code(0);
}

#[test]
fn a_folder_with_a_pipeline_and_cases_is_tested_as_a_whole() {
    let folder = Folder::new();
    folder.rule("whole/one", 1, "", &answering(r#"{"continue":{"app_metadata":{"seen":1}}}"#));
    folder.rule("whole/two", 2, "", &answering(r#"{"deny":{"code":"late"}}"#));
    folder.write("whole/one/rule.toml", crate::folder::manifest("one", 1, ""));
    folder.write("whole/two/rule.toml", crate::folder::manifest("two", 2, ""));
    folder.write("whole/pipeline.toml", r#"rules = ["one", "two"]"#);
    folder.write(
        "whole/cases/late.json",
        case(json!({"deny": {"rule": "two", "code": "late"}, "app_metadata": {"seen": null}})),
    );
    let told = folder.run(&["test", "whole"]).with_code(0).stdout;
    assert!(told.contains("ok    whole / late") && told.ends_with("1 passed, 0 failed\n"), "{told}");
}
