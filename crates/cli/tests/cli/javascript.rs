//! JavaScript rules on the command line. The first test that runs builds the interpreter; the others find it.

use std::fs;

use serde_json::Value;

use crate::{folder::Folder, node::Node};

/// An Auth0 rule as people have them, untouched.
const RULE: &str = "function (user, context, callback) {
  if (user.email === 'eve@example.com') {
    return callback(new UnauthorizedError('not you'));
  }
  console.log('hello', user.email);
  context.idToken['https://example.com/plan'] = 'gold';
  callback(null, user, context);
}
";

#[test]
fn an_untouched_rule_runs_without_any_scaffolding() {
    let folder = Folder::new();
    folder.write("my-rule.js", RULE);
    let report = folder.run(&["run", "--rule", "my-rule.js", "--event", "event.json", "--json"]).with_code(0).json();
    assert_eq!(report["outcome"], "allow", "{report}");
    assert_eq!(report["id_token"]["https://example.com/plan"], "gold");
    assert_eq!(report["rules"][0]["name"], "my-rule");
    assert!(report["rules"][0]["logs"].to_string().contains("hello ada@example.com"), "{report}");
    folder.write("event.json", r#"{ "user": { "email": "eve@example.com" }, "context": {} }"#);
    let report = folder.run(&["run", "--rule", "my-rule.js", "--event", "event.json", "--json"]).with_code(0).json();
    assert_eq!(report["deny"]["code"], "unauthorized", "{report}");
    assert_eq!(report["deny"]["reason"], "not you");
}

#[test]
fn an_untouched_rule_loses_what_its_old_host_dropped_and_goes_on() {
    let folder = Folder::new();
    let source = "function (user, context, callback) {\n  context.idToken.roles = ['admin'];\n  context.idToken.exp = 1;\n  \
                  context.idToken.plan = 'gold';\n  user.email = 'other@example.com';\n  callback(null, user, context);\n}\n";
    folder.write("claims.js", source);
    let report = folder.run(&["run", "--rule", "claims.js", "--event", "event.json", "--json"]).with_code(0).json();
    assert_eq!(report["outcome"], "allow", "{report}");
    assert_eq!(report["id_token"], serde_json::json!({ "plan": "gold" }), "{report}");
    assert_ne!(report["user"]["email"], "other@example.com", "{report}");
}

#[test]
fn an_address_that_a_rule_is_trusted_to_change_is_seen_by_later_rules() {
    let folder = Folder::new();
    let rule = |name: &str, order: u8, writes: &str, body: &str| {
        folder.write(
            &format!("{name}/rule.js"),
            format!("function (user, context, callback) {{ {body} callback(null, user, context); }}"),
        );
        let manifest = format!(
            "name = \"{name}\"\nlanguage = \"javascript\"\nsource = \"rule.js\"\norder = {order}\nwrites = [{writes}]\n"
        );
        folder.write(&format!("{name}/rule.toml"), &manifest);
    };
    rule("trusted", 1, r#""user.email""#, "user.email = 'b@example.com';");
    rule("untrusted", 2, r#""user.*""#, "user.email = 'c@example.com'; user.nickname = 'c';");
    rule("later", 3, r#""id_token.*""#, "context.idToken.seen = [user.email, user.nickname];");
    folder.write("pipeline.toml", r#"rules = ["trusted", "untrusted", "later"]"#);
    let report =
        folder.run(&["run", "--pipeline", "pipeline.toml", "--event", "event.json", "--json"]).with_code(0).json();
    assert_eq!(report["id_token"]["seen"], serde_json::json!(["b@example.com", "c"]), "{report}");
}

#[test]
fn a_new_rule_builds_passes_its_cases_and_is_checked() {
    let folder = Folder::new();
    folder.run(&["new", "plan-claim", "--lang", "javascript"]).with_code(0);
    for file in ["rule.toml", "README.md", "cases/unverified.json", "rule.js", ".gitignore"] {
        let text = std::fs::read_to_string(folder.path().join("plan-claim").join(file)).unwrap();
        assert!(!text.contains("{{"), "a placeholder is left in {file}: {text}");
    }
    let built = folder.run(&["build", "plan-claim"]).with_code(0).stdout;
    assert!(built.contains("rule.js"), "{built}");
    let tested = folder.run(&["test", "plan-claim", "--json"]).with_code(0).json();
    assert_eq!((&tested["passed"], &tested["failed"]), (&Value::from(2), &Value::from(0)), "{tested}");
    folder.run(&["check", "plan-claim"]).with_code(0);
}

#[test]
fn an_author_is_told_the_line() {
    let folder = Folder::new();
    folder.write("broken.js", "function (user, context, callback) {\n  callback(null user, context);\n}\n");
    let told = folder.run(&["run", "--rule", "broken.js", "--event", "event.json", "--json"]);
    let message = told.json()["error"]["message"].to_string();
    assert!(told.code == 3 || told.code == 4, "{message}");
    assert!(message.contains("broken.js:2:"), "{message}");
    folder.write(
        "calls.js",
        "// é\nfunction (user, context, callback) {\n  const api = { users: {} };\n  api.users.find(1);\n}\n",
    );
    let report = folder.run(&["run", "--rule", "calls.js", "--event", "event.json", "--json"]).with_code(0).json();
    assert_eq!(report["deny"]["reason"], "api.users.find is not a function", "{report}");
    folder.write("throws.js", "function (user, context, callback) {\n\n  user.nothing.at.all;\n}\n");
    let report = folder.run(&["run", "--rule", "throws.js", "--event", "event.json", "--json"]).with_code(0).json();
    assert_eq!(report["deny"]["code"], "access_denied", "{report}");
    assert!(report["rules"][0]["logs"].to_string().contains("throws.js:3:"), "{report}");
}

#[test]
fn a_server_reads_the_interpreter_and_never_builds_it() {
    let folder = Folder::new();
    folder.write("rule/rule.js", RULE);
    let manifest = "name = \"rule\"\nlanguage = \"javascript\"\nsource = \"rule.js\"\norder = 1\n\
                    writes = [\"id_token.https://example.com/plan\", \"deny\"]\n";
    folder.write("rule/rule.toml", manifest);
    let node = Node::start(&folder, "data", &[]);
    let refused = node.run(&folder, &["deploy", "rule", "--yes", "--json"]);
    let told = refused.json();
    assert_eq!(told["error"]["code"], "interpreter_missing", "{told}");
    assert!(told["error"]["message"].as_str().unwrap().contains("vestibule interpreter build --to "), "{told}");
    folder.run(&["interpreter", "build", "--data", "data"]).with_code(0);
    node.run(&folder, &["deploy", "rule", "--yes"]).with_code(0); // Without a restart.
    drop(node);

    // What is live cannot be served without it, and nothing else is served in its place.
    for entry in fs::read_dir(folder.path().join("data")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "wasm") {
            fs::remove_file(entry).unwrap();
        }
    }
    let told = folder.run(&["serve", "--data", "data"]).with_code(5).stderr;
    assert!(told.contains("vestibule interpreter build --to "), "{told}");
}

#[test]
fn a_javascript_rule_is_deployed_as_source() {
    let folder = Folder::new();
    folder.write("rule/rule.js", RULE);
    folder.write("rule/rule.toml", "name = \"rule\"\nlanguage = \"javascript\"\nmodule = \"rule.js\"\norder = 1\n");
    let told = folder.run(&["check", "rule", "--json"]).with_code(3).json();
    assert!(told["error"]["message"].as_str().unwrap().contains("write `source`"), "{told}");
}

#[test]
fn what_an_untouched_rule_costs_is_measured() {
    let folder = Folder::new();
    folder.write("my-rule.js", RULE);
    let costs =
        folder.run(&["bench", "my-rule.js", "--event", "event.json", "--runs", "20", "--json"]).with_code(0).json();
    let costs = &costs["rules"];
    assert_eq!((&costs[0]["rule"], &costs[0]["outcome"]), (&Value::from("my-rule"), &Value::from("continued")));
    assert_eq!(costs[0]["fuel_limit"], 50_000_000, "what a rule in JavaScript has");
    let fuel = costs[0]["fuel"].as_u64().unwrap();
    assert!((20_000..400_000).contains(&fuel), "{fuel}");
    let told = folder.run(&["bench", "my-rule.js"]);
    assert!(told.stderr.contains("add --event FILE"), "{}", told.stderr);
}

#[test]
fn a_source_that_is_too_deep_or_too_long_is_refused_as_any_other() {
    let folder = Folder::new();
    let nested = format!("function () {{ {}1{} }}", "(".repeat(60_000), ")".repeat(60_000));
    let chained = format!("function () {{ {}1 }}", "!".repeat(200_000));
    let long = format!("function () {{ {} }}", ";".repeat(300_000));
    for (source, exit, code, says) in [
        (nested, 3, "build_failed", "nested deeper"),
        (chained, 3, "build_failed", "nested deeper"),
        (long, 4, "module_too_large", "bytes, allowed are 262144"),
    ] {
        folder.write("rule.ts", source);
        let told = folder.run(&["check", "rule.ts", "--json"]).with_code(exit).json();
        assert_eq!(told["error"]["code"], code, "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains(says), "{told}");
    }
}
