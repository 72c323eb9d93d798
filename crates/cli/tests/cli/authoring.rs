//! What an author is told on the way: of what is stale, granted to nobody, withheld, or meant otherwise.

use std::{fs::File, time::Duration};

use serde_json::json;

use crate::{
    folder::{Folder, answering, manifest},
    node::Node,
};

const ALLOW: &str = r#"{"continue":{}}"#;

/// A JavaScript rule with lines in its manifest.
fn script(folder: &Folder, name: &str, source: &str, extra: &str) {
    folder.write(&format!("{name}/rule.js"), source);
    let manifest = format!("name = \"{name}\"\nlanguage = \"javascript\"\nsource = \"rule.js\"\norder = 1\n{extra}");
    folder.write(&format!("{name}/rule.toml"), manifest);
}

#[test]
fn a_module_older_than_its_source_is_warned_of_by_whatever_runs_it() {
    let folder = Folder::new();
    folder.rule("plan", 1, "", &answering(ALLOW));
    folder.write("plan/src/lib.rs", "// changed since");
    let built = File::options().write(true).open(folder.path().join("plan/rule.wasm")).unwrap();
    let written = built.metadata().unwrap().modified().unwrap();
    built.set_modified(written - Duration::from_secs(60)).unwrap();
    folder.write(
        "plan/cases/one.json",
        json!({"event": {"user": {}, "context": {}}, "expect": {"outcome": "allow"}}).to_string(),
    );
    let warning = "rule `plan`: src/lib.rs is newer than rule.wasm, which is what runs: `vestibule build plan`";
    for arguments in [
        &["check", "plan"][..],
        &["run", "--rule", "plan", "--event", "event.json"],
        &["test", "plan"],
        &["bench", "plan", "--event", "event.json", "--runs", "1"],
    ] {
        let told = folder.run(arguments).with_code(0).stderr;
        assert_eq!(told.matches(warning).count(), 1, "{arguments:?}: {told}");
    }
    let node = Node::start(&folder, "data", &[]);
    let plan = node.run(&folder, &["deploy", "plan"]).with_code(2);
    assert!(plan.stdout.contains(&format!("careful  {warning}")), "{plan:?}");
}

#[test]
fn a_case_that_expects_what_never_comes_is_an_error() {
    let folder = Folder::new();
    folder.rule("plan", 1, "", &answering(ALLOW));
    let says = |expect: serde_json::Value, part: &str| {
        folder
            .write("plan/cases/one.json", json!({"event": {"user": {}, "context": {}}, "expect": expect}).to_string());
        let told = folder.run(&["test", "plan", "--json"]).with_code(3).json();
        assert_eq!(told["error"]["code"], "case_invalid");
        assert!(told["error"]["message"].as_str().unwrap().contains(part), "{told}");
    };
    says(json!({"outcom": null}), "`expect` has `outcom`, which never comes; there are outcome, deny, failure");
    says(
        json!({"outcome": "denied"}),
        "`outcome` is never \"denied\"; it is one of allow, deny, redirect, second_factor, failed",
    );
    says(json!({"outcome": null}), "`outcome` is never null");
}

#[test]
fn what_no_rule_is_granted_is_noted() {
    let folder = Folder::new();
    folder.rule("plan", 1, "[capabilities]\nconfiguration = [\"KEY\"]\n", &answering(ALLOW));
    let given = ["--config", "KEYY=v", "--config", "KEY=v", "--secret", "A=b"];
    let told =
        folder.run(&[&["run", "--rule", "plan", "--event", "event.json"], &given[..]].concat()).with_code(0).stderr;
    for note in ["no rule is granted the configuration key `KEYY`", "no rule is granted the secret `A`"] {
        assert!(told.contains(note), "{told}");
    }
    assert!(!told.contains("`KEY`"), "{told}");
    let case =
        json!({"event": {"user": {}, "context": {}}, "configuration": {"KEYY": 1}, "expect": {"outcome": "allow"}});
    folder.write("plan/cases/one.json", case.to_string());
    let told = folder.run(&["test", "plan"]).with_code(0).stdout;
    assert!(told.contains("note: no rule is granted the configuration key `KEYY`"), "{told}");
}

#[test]
fn a_rule_of_an_imported_pipeline_gets_the_configuration_beside_it() {
    let folder = Folder::new();
    let source = "function (user, context, callback) {\n  context.idToken['https://example.com/k'] = configuration.KEY;\n  callback(null, user, context);\n}\n";
    folder.write("rules/claim.js", source);
    folder.run(&["import", "auth0", "rules", "--out", "made"]).with_code(0);
    let run = ["run", "--rule", "made/claim", "--event", "made/events/login.json", "--json"];
    let told = folder.run(&run).with_code(0).stderr;
    assert!(
        told.contains(
            "`KEY` is granted and has no value: add --config KEY=VALUE, or write it into made/configuration.json"
        ),
        "{told}"
    );
    folder.write("made/configuration.json", r#"{"KEY": "filled in"}"#);
    let report = folder.run(&run).with_code(0).json();
    assert_eq!(report["id_token"]["https://example.com/k"], "filled in", "{report}");
}

#[test]
fn a_case_tells_why_a_rule_ended_the_login() {
    let folder = Folder::new();
    script(&folder, "throws", "function (user, context, callback) {\n\n  user.nothing.at.all;\n}\n", "");
    let case = json!({"event": {"user": {"email": "a"}, "context": {}}, "expect": {"outcome": "allow"}});
    folder.write("throws/cases/one.json", case.to_string());
    let told = folder.run(&["test", "throws"]).with_code(1).stdout;
    assert!(told.contains("rule `throws` error: TypeError: ") && told.contains("rule.js:3:"), "{told}");

    folder.rule("elsewhere", 1, "[when]\nclients = [\"other\"]\n", &answering(r#"{"deny":{"code":"late"}}"#));
    let case = json!({"event": {"user": {}, "context": {"clientID": "shop"}}, "expect": {"outcome": "deny"}});
    folder.write("elsewhere/cases/one.json", case.to_string());
    let told = folder.run(&["test", "elsewhere"]).with_code(1).stdout;
    assert!(told.contains("rule `elsewhere` did not run, not for this login: \"client\""), "{told}");
}

#[test]
fn what_reads_leaves_out_is_told_where_it_matters() {
    let folder = Folder::new();
    let source = "function (user, context, callback) {\n  user.nickname = user.email.split('@')[0];\n  callback(null, user, context);\n}\n";
    script(&folder, "nick", source, "reads = [\"user.emial\"]\nwrites = [\"user.nickname\", \"deny\"]\n");
    let advice = folder.run(&["check", "nick"]).with_code(0).stdout;
    assert!(advice.contains("its source reads user.email, which `reads` does not name"), "{advice}");
    let told = folder.run(&["run", "--rule", "nick", "--event", "event.json"]).with_code(0).stderr;
    assert!(told.contains("rule `nick` reads user.emial, which this event does not have"), "{told}");
    assert!(told.contains("`reads` withheld user.user_id, user.email, user.user_metadata"), "{told}");
    let case = json!({"event": {"user": {"email": "a@b"}, "context": {}}, "expect": {"outcome": "allow"}});
    folder.write("nick/cases/one.json", case.to_string());
    let tested = folder.run(&["test", "nick"]).with_code(1);
    assert!(tested.stderr.contains("rule `nick` reads user.emial, which no case has"), "{tested:?}");
    assert!(tested.stdout.contains("`reads` withheld user.email from rule `nick`"), "{tested:?}");
}

#[test]
fn a_change_in_memory_is_told_from_one_that_is_stored() {
    let folder = Folder::new();
    let source = "function (user, context, callback) {\n  user.app_metadata = user.app_metadata || {};\n  user.app_metadata.plan = 'gold';\n  callback(null, user, context);\n}\n";
    script(&folder, "plan", source, "writes = [\"app_metadata.plan\", \"user.*\"]\n");
    let told = folder.run(&["run", "--rule", "plan", "--event", "event.json"]).with_code(0).stdout;
    assert!(told.contains("`auth0.users.updateAppMetadata(user.user_id, user.app_metadata)` stores it"), "{told}");
    let advice = folder.run(&["check", "plan"]).with_code(0).stdout;
    assert!(advice.contains("sets user.app_metadata.plan in memory"), "{advice}");
}

#[test]
fn the_line_that_grants_requests_names_the_hosts_of_the_source() {
    let folder = Folder::new();
    let source = "function (user, context, callback) {\n  require('request').get('https://crm.example.org/x', () => callback(null, user, context));\n}\n";
    script(&folder, "crm", source, "");
    let told = folder.run(&["check", "crm"]).with_code(4).stdout;
    assert!(told.contains("add `http = [\"https://crm.example.org\"]` to [capabilities]"), "{told}");
}

#[test]
fn a_redirect_that_is_granted_and_never_written_is_advised() {
    let folder = Folder::new();
    folder.write("form/rule.wasm", answering(ALLOW));
    folder.write("form/rule.toml", manifest("form", 1, "[capabilities]\nredirect = [\"https://forms.example.com\"]\n"));
    let told = folder.run(&["check", "form"]).with_code(0).stdout;
    assert!(told.contains("`redirect` is granted and not among `writes`: a redirect fails the login"), "{told}");
}

#[test]
fn a_rule_out_of_fuel_is_told_how_much_there_can_be() {
    let folder = Folder::new();
    let endless =
        wat::parse_str("(module (memory (export \"memory\") 1) (func (export \"run\") (loop (br 0))))").unwrap();
    folder.write("endless.wasm", endless);
    let report = folder.run(&["run", "--rule", "endless.wasm", "--event", "event.json", "--json"]).with_code(0).json();
    assert_eq!(report["failure"]["code"], "fuel_exhausted");
    assert!(report["failure"]["message"].as_str().unwrap().contains("gives up to 50000000"), "{report}");
}

#[test]
fn a_deploy_that_lacks_configuration_names_the_file_that_has_it() {
    let folder = Folder::new();
    folder.rule("made/plan", 1, "[capabilities]\nconfiguration = [\"ONE\", \"TWO\"]\n", &answering(ALLOW));
    folder.write("made/plan/rule.toml", manifest("plan", 1, "[capabilities]\nconfiguration = [\"ONE\", \"TWO\"]\n"));
    folder.write("made/pipeline.toml", r#"rules = ["plan"]"#);
    let node = Node::start(&folder, "data", &[]);
    let plan = node.run(&folder, &["deploy", "made"]).with_code(2).stdout;
    assert!(plan.contains("`vestibule config set TWO`") && !plan.contains("config load"), "{plan}");
    folder.write("made/configuration.json", r#"{"ONE": "1", "TWO": "2"}"#);
    let plan = node.run(&folder, &["deploy", "made"]).with_code(2).stdout;
    assert!(plan.contains("`vestibule config load made/configuration.json`"), "{plan}");
}

#[test]
fn the_sample_login_has_what_a_live_one_has() {
    let folder = Folder::new();
    folder.run(&["new", "plan", "--lang", "javascript"]).with_code(0);
    let sample = std::fs::read_to_string(folder.path().join("plan/events/sample.json")).unwrap();
    let sample: serde_json::Value = serde_json::from_str(&sample).unwrap();
    let context = &sample["context"];
    for member in ["tenant", "connectionID", "connectionOptions", "connectionMetadata", "sso", "stats"] {
        assert!(!context[member].is_null(), "`{member}` is not in {context}");
    }
    assert_eq!((&context["authorization"], &context["connectionStrategy"]), (&json!({"roles": []}), &json!("auth0")));
    assert_eq!(context["authentication"]["methods"][0]["name"], "pwd");
    assert!(context["request"]["body"].is_object() && context["request"]["geoip"].is_null(), "{context}");
    assert!(sample["user"]["logins_count"].is_number() && sample["user"]["last_ip"].is_string(), "{sample}");
}
