//! `vestibule import auth0`, on each form of what people can export.

use std::fs;

use serde_json::{Value, json};
use vestibule_pipeline::{Manifest, PipelineFile};

use crate::folder::Folder;

const GATE: &str = "function gate(user, context, callback) {\n  if (!user.email_verified) return callback(new UnauthorizedError('no'));\n  callback(null, user, context);\n}\n";
const ENRICH: &str = "function (user, context, callback) {\n  require('request').get('https://api.example.com/u', { headers: { k: configuration.KEY } }, () => callback(null, user, context));\n}";
const DATABASE: &str = "function (user, context, callback) {\n  const db = require('mongodb@3.1.4');\n  callback();\n}";
const CONSENT: &str = "function (user, context, callback) {\n  context.redirect = { url: configuration.FORM };\n  context.idToken.email_verified = true;\n  callback();\n}";
const ACTION: &str = "exports.onExecutePostLogin = async (event, api) => {\n  api.idToken.setCustomClaim('plan', event.secrets.PLAN);\n};\n";

/// What the report says of each rule: its verdict.
fn verdicts(report: &Value) -> Vec<(String, String)> {
    let text = |rule: &Value, key: &str| rule[key].as_str().unwrap().to_owned();
    report["rules"].as_array().unwrap().iter().map(|rule| (text(rule, "name"), text(rule, "verdict"))).collect()
}

#[track_caller]
fn check(report: &Value, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(name, verdict)| ((*name).to_owned(), (*verdict).to_owned())).collect();
    assert_eq!(verdicts(report), expected, "{report:#}");
}

/// Every manifest and the pipeline are accepted by the parsers a deploy uses.
#[track_caller]
fn assert_acceptable(folder: &Folder, out: &str) -> Vec<String> {
    let out = folder.path().join(out);
    for entry in
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.join("rule.toml").is_file())
    {
        let text = fs::read_to_string(entry.join("rule.toml")).unwrap();
        Manifest::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    PipelineFile::parse(&fs::read_to_string(out.join("pipeline.toml")).unwrap()).unwrap().rules
}

#[test]
fn a_rules_json_becomes_a_pipeline_in_its_order() {
    let folder = Folder::new();
    let rule = |name: &str, order: i64, enabled: bool, script: &str| json!({"id": "rul_x", "name": name, "order": order, "enabled": enabled, "script": script, "stage": "login_success"});
    let rules = json!([
        rule("Consent form", 4, true, CONSENT),
        rule("Enrich", 2, true, ENRICH),
        rule("E-mail gate", 1, true, GATE),
        rule("Old database", 3, true, DATABASE),
        rule("Off", 7, false, GATE),
    ]);
    folder.write("rules.json", rules.to_string());
    let report = folder.run(&["import", "auth0", "rules.json", "--out", "made", "--json"]).with_code(0).json();
    check(
        &report,
        &[
            ("e-mail-gate", "runs_as_is"),
            ("enrich", "needs_grant"),
            ("old-database", "cannot_run"),
            ("consent-form", "needs_decision"),
            ("off", "runs_as_is"),
        ],
    );
    assert_eq!(report["configuration"], json!(["FORM", "KEY"]));
    let why = report["rules"][2]["findings"][0].as_str().unwrap();
    assert!(why.starts_with("rule.js:2:14: `mongodb@3.1.4` cannot be required in a rule: "), "{why}");

    let rules = assert_acceptable(&folder, "made");
    assert_eq!(rules, ["e-mail-gate", "enrich", "consent-form"], "neither what cannot run nor what was off");
    let read = |file: &str| fs::read_to_string(folder.path().join("made").join(file)).unwrap();
    assert_eq!(read("e-mail-gate/rule.js"), GATE, "byte for byte");
    let gate = Manifest::parse(&read("e-mail-gate/rule.toml")).unwrap();
    let reads: Vec<String> = gate.reads.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        reads,
        ["context.now", "context.seed", "shared", "user.email_verified"],
        "it is given what its source names"
    );
    let enrich = Manifest::parse(&read("enrich/rule.toml")).unwrap();
    assert_eq!(enrich.order, 2);
    assert_eq!(enrich.capabilities.http, ["https://api.example.com".parse().unwrap()]);
    assert!(enrich.capabilities.configuration.contains("KEY"));
    assert_eq!(serde_json::to_value(enrich.reserved_claims).unwrap(), "drop");
    let consent = read("consent-form/rule.toml");
    assert!(!consent.contains("\n    \"redirect\""), "a redirect to nobody knows where is not granted: {consent}");
    assert!(consent.contains("# \"id_token.email_verified\", # Says who the user is"), "{consent}");
    assert_eq!(serde_json::from_str::<Value>(&read("configuration.json")).unwrap(), json!({"FORM": "", "KEY": ""}));
}

#[test]
fn a_folder_of_scripts_is_taken_in_the_order_of_their_names() {
    let folder = Folder::new();
    folder.write("rules/02 enrich.js", ENRICH);
    folder.write("rules/01-gate.ts", GATE.replacen("user,", "user: any,", 1));
    folder.write("rules/notes.txt", "nothing");
    let report = folder.run(&["import", "auth0", "rules", "--json"]).with_code(0).json();
    check(&report, &[("01-gate", "runs_as_is"), ("02-enrich", "needs_grant")]);
    assert_eq!(assert_acceptable(&folder, "imported"), ["01-gate", "02-enrich"]);
    assert!(folder.path().join("imported/01-gate/rule.ts").is_file());
}

#[test]
fn a_deploy_cli_directory_brings_rules_and_actions() {
    let folder = Folder::new();
    folder.write(
        "tenant/rules/Gate.json",
        json!({"enabled": true, "order": 5, "name": "Gate", "script": "./Gate.js", "stage": "login_success"})
            .to_string(),
    );
    folder.write("tenant/rules/Gate.js", GATE);
    folder.write(
        "tenant/rules/Failure.json",
        json!({"name": "Failure", "script": "./Gate.js", "stage": "login_failure"}).to_string(),
    );
    folder.write("tenant/actions/Claim.json", json!({"name": "Claim", "code": "./actions/Claim/code.js", "supported_triggers": [{"id": "post-login", "version": "v3"}]}).to_string());
    folder.write("tenant/actions/Claim/code.js", ACTION);
    folder.write("tenant/actions/Other.json", json!({"name": "Other", "code": "./actions/Claim/code.js", "supported_triggers": [{"id": "credentials-exchange"}]}).to_string());
    let report = folder.run(&["import", "auth0", "tenant", "--out", "made", "--json"]).with_code(0).json();
    check(&report, &[("gate", "runs_as_is"), ("claim", "needs_grant")]);
    assert_eq!(report["left_out"].as_array().unwrap().len(), 2, "{report:#}");
    assert_eq!(assert_acceptable(&folder, "made"), ["gate", "claim"]);
    let orders: Vec<i64> =
        report["rules"].as_array().unwrap().iter().map(|rule| rule["order"].as_i64().unwrap()).collect();
    assert_eq!(orders, [5, 10], "Actions run after all rules");
}

#[test]
fn a_tenant_yaml_names_its_scripts() {
    let folder = Folder::new();
    folder.write("t/rules/gate.js", GATE);
    folder.write(
        "t/tenant.yaml",
        "rules:\n  - name: Gate\n    script: ./rules/gate.js\n    order: 1\n    enabled: true\n    stage: login_success\n\
         rulesConfigs:\n  - key: A\n    value: '@@A@@'\nclients: []\n",
    );
    let told = folder.run(&["import", "auth0", "t/tenant.yaml", "--out", "made"]).with_code(0).stdout;
    assert!(told.contains("runs as is (1)\n     1  gate\n"), "{told}");
    assert_eq!(assert_acceptable(&folder, "made"), ["gate"]);
}

#[test]
fn an_export_cannot_pull_in_files_from_outside_of_it() {
    let folder = Folder::new();
    folder.write("secret.js", GATE);
    folder.write("t/tenant.yaml", "rules:\n  - name: Gate\n    script: ../secret.js\n");
    let told = folder.run(&["import", "auth0", "t/tenant.yaml", "--json"]).with_code(3).json();
    assert_eq!(told["error"]["code"], "export_invalid");
    assert!(told["error"]["message"].as_str().unwrap().contains("leads out of the export"), "{told}");
}

#[test]
fn what_is_no_export_is_told_so_and_nothing_is_written() {
    let folder = Folder::new();
    folder.write("rules.json", "{\"rules\": [{\"name\": 1}]}");
    folder.write("empty/readme.md", "nothing");
    folder.write("rules.txt", "nothing");
    for export in ["rules.json", "empty", "rules.txt"] {
        let told = folder.run(&["import", "auth0", export, "--out", "made", "--json"]).with_code(3).json();
        assert_eq!(told["error"]["code"], "export_invalid", "{export}");
    }
    let told = folder.run(&["import", "auth0", "nowhere.json", "--json"]).with_code(3).json();
    assert_eq!(told["error"]["code"], "file_missing");
    assert!(!folder.path().join("made").exists());
}

#[test]
fn a_folder_that_holds_something_is_never_touched() {
    let folder = Folder::new();
    folder.write("gate.js", GATE);
    folder.write("made/mine", "mine");
    let told = folder.run(&["import", "auth0", "gate.js", "--out", "made", "--json"]).with_code(3).json();
    assert_eq!(told["error"]["code"], "already_there");
    assert_eq!(fs::read_dir(folder.path().join("made")).unwrap().count(), 1);
}

#[test]
fn what_still_needs_a_decision_keeps_nobody_from_testing_the_rest() {
    let folder = Folder::new();
    folder.write("rules/1-gate.js", GATE);
    folder.write("rules/2-hook.js", "function (user, context, callback) {\n  require('request').post(configuration.HOOK, () => callback(null, user, context));\n}\n");
    folder.write("rules/3-plan.js", "function (user, context, callback) {\n  context.idToken['https://example.com/plan'] = 'gold';\n  callback(null, user, context);\n}\n");
    let told = folder.run(&["import", "auth0", "rules", "--out", "made"]).with_code(0).stdout;
    for line in [
        "3 of 3 rules are in made/pipeline.toml",
        "fill in made/configuration.json: HOOK",
        "decide in made/2-hook/rule.toml",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let tested = folder.run(&["test", "made", "--json"]).with_code(1).json();
    assert_eq!((&tested["passed"], &tested["failed"]), (&json!(2), &json!(1)), "{tested}");
    let refused = tested["cases"].as_array().unwrap().iter().find(|case| case["passed"] == false).unwrap();
    assert_eq!(refused["subject"], "2-hook");
    assert!(refused["difference"].as_str().unwrap().contains("add `http = ["), "{tested}");
}

#[test]
fn every_host_that_a_rule_needs_is_reported() {
    let folder = Folder::new();
    folder.write("rules/enrich.js", "function (user, context, callback) {\n  const slack = require('slack-notify')(configuration.SLACK_HOOK_URL);\n  require('request').get('https://api.fullcontact.com/v2/person.json', (error) => {\n    if (error) slack.alert({ text: String(error) });\n    callback(null, user, context);\n  });\n}\n");
    let report = folder.run(&["import", "auth0", "rules", "--out", "made", "--json"]).with_code(0).json();
    check(&report, &[("enrich", "needs_decision")]);
    let findings = report["rules"][0]["findings"].to_string();
    assert!(findings.contains("sends requests to https://api.fullcontact.com"), "{findings}");
    assert!(findings.contains("sends requests to where configuration.SLACK_HOOK_URL points"), "{findings}");
    let manifest = fs::read_to_string(folder.path().join("made/enrich/rule.toml")).unwrap();
    assert!(
        manifest.contains("# `http` needs the origin of where configuration.SLACK_HOOK_URL points too."),
        "{manifest}"
    );
    assert_acceptable(&folder, "made");
}

#[test]
fn the_redirect_of_the_utilities_is_granted_as_one() {
    let folder = Folder::new();
    folder.write("rules/form.js", "function (user, context, callback) {\n  const { Auth0RedirectRuleUtilities } = require('@auth0/rule-utilities@0.1.0');\n  const util = new Auth0RedirectRuleUtilities(user, context, configuration);\n  if (util.canRedirect) util.doRedirect('https://forms.example.com/x');\n  callback(null, user, context);\n}\n");
    let report = folder.run(&["import", "auth0", "rules", "--out", "made", "--json"]).with_code(0).json();
    check(&report, &[("form", "needs_grant")]);
    assert_eq!(report["configuration"], json!(["SESSION_TOKEN_SECRET"]));
    let manifest = Manifest::parse(&fs::read_to_string(folder.path().join("made/form/rule.toml")).unwrap()).unwrap();
    assert!(
        manifest.capabilities.http.is_empty()
            && manifest.writes.grants().iter().any(|write| write.to_string() == "redirect")
    );
    folder.write("made/configuration.json", r#"{"SESSION_TOKEN_SECRET": "s"}"#);
    let came =
        folder.run(&["run", "--rule", "made/form", "--event", "made/events/login.json", "--json"]).with_code(0).json();
    assert!(
        came["redirect"]["url"].as_str().unwrap().starts_with("https://forms.example.com/x?session_token="),
        "{came}"
    );
}

#[test]
fn the_first_case_expects_what_the_rule_did_and_a_broken_rule_fails_it() {
    let folder = Folder::new();
    folder.write("rules/1-plan.js", "function (user, context, callback) {\n  context.idToken['https://example.com/plan'] = user.app_metadata.plan;\n  callback(null, user, context);\n}\n");
    folder.write(
        "rules/2-no.js",
        "function (user, context, callback) {\n  callback(new UnauthorizedError('nobody'));\n}\n",
    );
    folder.write(
        "rules/3-broken.js",
        "function (user, context, callback) {\n  user.nothing.at.all = 1;\n  callback(null, user, context);\n}\n",
    );
    folder.write("rules/4-silent.js", "function (user, context, callback) {\n}\n");
    let told = folder.run(&["import", "auth0", "rules", "--out", "made"]).with_code(0).stdout;
    for line in [
        "what it did with the sample login: allow, id_token {\"https://example.com/plan\":\"gold\"}",
        "what it did with the sample login: deny, deny {",
        "with the sample login it threw TypeError: ",
        "rule.js:2:",
        "with the sample login it failed: no_callback: ",
        "they run by the names of their files",
    ] {
        assert!(told.contains(line), "`{line}` is not in:\n{told}");
    }
    assert!(told.contains("needs a decision (2)"), "{told}");
    assert_eq!(fs::read_to_string(folder.path().join("made/REPORT.md")).unwrap(), told);
    let tested = folder.run(&["test", "made", "--json"]).with_code(1).json();
    assert_eq!((&tested["passed"], &tested["failed"]), (&json!(2), &json!(2)), "{tested}");
    let case: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("made/2-no/cases/loads.json")).unwrap()).unwrap();
    assert_eq!(
        case["expect"],
        json!({"outcome": "deny", "deny": {"rule": "2-no", "code": "unauthorized", "reason": "nobody"}})
    );
}

#[test]
fn what_no_login_has_here_needs_a_decision() {
    let folder = Folder::new();
    let rule = |name: &str, line: &str| {
        folder.write(
            &format!("rules/{name}.js"),
            format!("function (user, context, callback) {{\n  {line}\n  callback(null, user, context);\n}}\n"),
        );
    };
    rule("1-geo", "context.idToken['https://example.com/c'] = context.request.geoip.country_code;");
    rule("2-roles", "const roles = (context.authorization || {}).roles; user.roles = context.authorization.roles;");
    rule("3-saml", "context.samlConfiguration.mappings = { a: 'b' };");
    rule("4-ip", "context.idToken['https://example.com/ip'] = context.request.ip;");
    let report = folder.run(&["import", "auth0", "rules", "--out", "made", "--json"]).with_code(0).json();
    let decision = "needs_decision";
    check(&report, &[("1-geo", decision), ("2-roles", decision), ("3-saml", decision), ("4-ip", "runs_as_is")]);
    for (rule, part) in [
        (0, "uses context.request.geoip.country_code: a login here is never located"),
        (1, "roles are always empty"),
        (2, "there is no SAML here"),
    ] {
        let findings = report["rules"][rule]["findings"].to_string();
        assert!(findings.contains(part), "{findings}");
    }
}
