//! Bad input of every kind gets one clear message with the next step, and a code that scripts can rely on.

use std::{env, os::unix::fs::symlink};

use crate::folder::{Folder, answering, manifest};

/// Runs a command twice, for people and for machines, and compares what both are told.
#[track_caller]
fn check(folder: &Folder, arguments: &[&str], exit: i32, code: &str, says: &[&str]) {
    let told = folder.run(arguments).with_code(exit);
    assert_eq!(told.stdout, "", "people are told on stderr");
    assert!(told.stderr.starts_with("error: "), "{told:?}");
    let machine = folder.run(&[arguments, &["--json"]].concat()).with_code(exit).json();
    assert_eq!(machine["error"]["code"], code, "{machine}");
    let message = machine["error"]["message"].as_str().unwrap();
    assert_eq!(told.stderr.trim_end(), format!("error: {}", message.trim_end()));
    for part in says {
        assert!(message.contains(part), "`{part}` is not in `{message}`");
    }
}

fn run(rule: &str) -> [&str; 5] {
    ["run", "--rule", rule, "--event", "event.json"]
}

#[test]
fn a_missing_file_is_named_with_what_makes_it() {
    let folder = Folder::new();
    let missing = "there is no such file";
    check(&folder, &run("no.wasm"), 3, "file_missing", &["no.wasm", missing]);
    check(
        &folder,
        &["run", "--pipeline", "p.toml", "--event", "event.json"],
        3,
        "file_missing",
        &["p.toml", missing, "rules ="],
    );
    check(&folder, &["build", "nowhere"], 3, "file_missing", &["nowhere", missing]);
    check(&folder, &["test", "."], 3, "file_missing", &["holds no rule", "vestibule new"]);
    folder.write("rule.wasm", answering("{}"));
    check(
        &folder,
        &["run", "--rule", "rule.wasm", "--event", "no.json"],
        3,
        "file_missing",
        &["no.json", missing, "sample.json"],
    );
    folder.write("unbuilt/rule.toml", manifest("unbuilt", 1, ""));
    check(&folder, &run("unbuilt"), 3, "file_missing", &["rule.wasm", missing, "vestibule build"]);
    folder.rule("quiet", 1, "", &answering("{}"));
    check(&folder, &["test", "quiet"], 3, "file_missing", &["there is no case", "cases/NAME.json"]);
    check(&folder, &["bench", "quiet"], 3, "file_missing", &["events/sample.json", "--event"]);
}

#[test]
fn a_module_that_is_none_is_refused() {
    let folder = Folder::new();
    folder.write("text.wasm", "this is text");
    check(&folder, &run("text.wasm"), 4, "module_malformed", &["text", "vestibule build"]);
    folder.write("empty.wasm", "");
    check(&folder, &run("empty.wasm"), 4, "module_malformed", &["empty"]);
    folder.write("cut.wasm", &answering("{}")[..40]);
    check(&folder, &run("cut.wasm"), 4, "module_malformed", &["cut"]);
}

#[test]
fn a_module_of_another_abi_is_refused() {
    let folder = Folder::new();
    let module = |imports: &str, exports: &str| wat::parse_str(format!("(module {imports} {exports})")).unwrap();
    let exports = r#"(memory (export "memory") 1) (func (export "run"))"#;
    folder.write("later.wasm", module(r#"(import "vestibule_v2" "answer" (func (param i32 i32)))"#, exports));
    check(
        &folder,
        &run("later.wasm"),
        4,
        "abi_version_unsupported",
        &["vestibule_v2", "vestibule_hash_v1", ": build it again with the SDK of this version"],
    );
    folder.write("wasi.wasm", module(r#"(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))"#, exports));
    check(
        &folder,
        &run("wasi.wasm"),
        4,
        "import_unknown",
        &["wasi_snapshot_preview1", "vestibule_hash_v1", "SDK of this version"],
    );
    folder.write("typed.wasm", module(r#"(import "vestibule_v1" "answer" (func (param i64)))"#, exports));
    check(&folder, &run("typed.wasm"), 4, "import_type_mismatch", &["answer", "SDK"]);
    folder.write("mute.wasm", module("", r#"(memory (export "memory") 1)"#));
    check(&folder, &run("mute.wasm"), 4, "export_missing", &["run"]);
    let told = folder.run(&run("later.wasm")).stderr;
    assert_eq!(told.matches("SDK").count(), 1, "one step: {told}");
}

#[test]
fn a_module_that_is_too_much_is_told_what_to_change() {
    let folder = Folder::new();
    let module = |fields: &str| {
        wat::parse_str(format!(r#"(module {fields} (memory (export "memory") 1) (func (export "run")))"#)).unwrap()
    };
    folder.write(
        "greedy.wasm",
        wat::parse_str(r#"(module (memory (export "memory") 300) (func (export "run")))"#).unwrap(),
    );
    check(&folder, &run("greedy.wasm"), 4, "memory_limit_declared", &["allowed are 16777216", "--initial-memory"]);
    folder.write("large.wasm", module(&format!("(@custom \"x\" \"{}\")", "a".repeat(600_000))));
    check(&folder, &run("large.wasm"), 4, "module_too_large", &["allowed are 524288", "stripped"]);
    folder.write("starts.wasm", module("(start $f) (func $f unreachable)"));
    check(&folder, &run("starts.wasm"), 4, "init_failed", &["unreachable", "leave to `run`"]);
}

#[test]
fn a_module_without_a_manifest_is_told_what_grants_what_it_uses() {
    let folder = Folder::new();
    let using = |namespace: &str, name: &str, parameters: &str| {
        let import = format!(r#"(import "{namespace}" "{name}" (func (param {parameters}) (result i32)))"#);
        wat::parse_str(format!(r#"(module {import} (memory (export "memory") 1) (func (export "run")))"#)).unwrap()
    };
    let says = |arguments: &[&str], parts: &[&str], never: &[&str]| {
        check(&folder, arguments, 4, "capability_denied", parts);
        let told = folder.run(arguments).stderr;
        assert!(never.iter().all(|part| !told.contains(part)), "{told}");
    };
    folder.write("files.wasm", using("vestibule_file_v1", "open", "i32 i32"));
    folder.write("http.json", "[]");
    let files = ["vestibule_file_v1", "rule.toml", "`files = true`", "vestibule schema rule"];
    let foreign = ["auth0", "--http-recording", "vestibule_http_v1"];
    says(&run("files.wasm"), &files, &foreign);
    says(&[&run("files.wasm")[..], &["--http-recording", "http.json"]].concat(), &files, &foreign);
    folder.write("http.wasm", using("vestibule_http_v1", "start", "i32 i32 i32 i32"));
    says(&run("http.wasm"), &["vestibule_http_v1", "`http = [", "--http-recording"], &["auth0", "files"]);
}

#[test]
fn an_ungranted_import_names_the_line_to_add() {
    let folder = Folder::new();
    let module = wat::parse_str(
        r#"(module (import "vestibule_http_v1" "start" (func (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (func (export "run")))"#,
    )
    .unwrap();
    folder.rule("caller", 1, "", &module);
    check(&folder, &run("caller"), 4, "capability_denied", &["vestibule_http_v1", "http = [", "rule.toml"]);
    check(&folder, &run("caller/rule.wasm"), 4, "capability_denied", &["vestibule_http_v1"]);
    let told = folder.run(&["check", "caller"]).with_code(4);
    assert!(told.stdout.contains(r#"add `http = ["https://the.host.it.calls"]` to [capabilities]"#), "{told:?}");
}

#[test]
fn a_malformed_event_is_told_with_its_place() {
    let folder = Folder::new();
    folder.write("rule.wasm", answering("{}"));
    let event = |text: &str, says: &[&str]| {
        folder.write("event.json", text);
        check(&folder, &run("rule.wasm"), 3, "event_invalid", &[&["event.json"], says].concat());
    };
    event("{\n  \"user\": {,\n}", &["line 2 column 12"]);
    event("", &["line 1 column 0"]);
    event("[]", &["`user` and `context`"]);
    event(r#"{"context": {}}"#, &["no `user`", "add"]);
    event(r#"{"user": {}}"#, &["no `context`", "add"]);
    event(r#"{"user": [], "context": {}}"#, &["`user`", "no object"]);
    event(r#"{"user": {}, "context": {}, "usr": {}}"#, &["`usr`"]);
    event(r#"{"user": {"a": 1, "a": 2}, "context": {}}"#, &["`a` stands twice", "line 1"]);
    event(r#"{"user": {"a": 9007199254740993}, "context": {}}"#, &["2^53"]);
    event("\u{feff}{}", &["byte order mark", "UTF-8 without one"]);
    event(r#"{"user": {}, "context": {"now": "yesterday"}}"#, &["`context.now` is no time", "1767601800000"]);
    let told = folder.run_on(&["run", "--rule", "rule.wasm", "--event", "-"], "{").with_code(3);
    assert!(told.stderr.starts_with("error: standard input: "), "{told:?}");
}

#[test]
fn an_unknown_key_in_a_manifest_is_shown() {
    let folder = Folder::new();
    folder.rule("typo", 1, "ordr = 3\n", &answering("{}"));
    for arguments in [run("typo").as_slice(), &["build", "typo"], &["check", "typo"], &["test", "typo"]] {
        check(&folder, arguments, 3, "manifest_invalid", &["typo/rule.toml", "ordr", "line 6"]);
    }
    folder.rule("limits", 1, "[limits]\nfuel = 900_000_000_000\n", &answering("{}"));
    check(&folder, &run("limits"), 3, "manifest_invalid", &["limits", "ceiling"]);
    folder.write("bare/rule.toml", "name = \"bare\"\nlanguage = \"rust\"\nmodule = \"rule.wasm\"\n");
    check(
        &folder,
        &run("bare"),
        3,
        "manifest_invalid",
        &["`order`: is missing", "`order = 10`", "vestibule schema rule"],
    );
    folder.rule("switched-off", 1, "[when]\nprotocols = [\"oidc-basic-profil\"]\n", &answering("{}"));
    check(&folder, &run("switched-off"), 3, "manifest_invalid", &["did you mean `oidc-basic-profile`?"]);
    folder.write("pipeline.toml", "rule = []");
    let pipeline = ["run", "--pipeline", "pipeline.toml", "--event", "event.json"];
    check(&folder, &pipeline, 3, "manifest_invalid", &["pipeline.toml", "rule"]);
}

#[test]
fn rules_that_make_no_pipeline_are_told_apart() {
    let folder = Folder::new();
    folder.rule("one", 7, "", &answering("{}"));
    folder.rule("two", 7, "", &answering("{}"));
    folder.write("pipeline.toml", r#"rules = ["one", "two"]"#);
    let pipeline = ["run", "--pipeline", "pipeline.toml", "--event", "event.json"];
    check(&folder, &pipeline, 3, "manifest_invalid", &["`one`", "`two`", "order 7", "change `order`"]);
}

#[test]
fn a_recording_of_another_shape_is_explained() {
    let folder = Folder::new();
    folder.write("rule.wasm", answering("{}"));
    let arguments = [run("rule.wasm").as_slice(), &["--http-recording", "http.json"]].concat();
    check(&folder, &arguments, 3, "file_missing", &["http.json", "vestibule schema recording"]);
    folder.write("http.json", r#"[{"request": {"method": "GET"}}]"#);
    check(&folder, &arguments, 3, "recording_invalid", &["http.json", "url"]);
}

#[test]
fn a_case_of_another_shape_is_named_with_its_key() {
    let folder = Folder::new();
    folder.rule("cased", 1, "", &answering(r#"{"continue":{}}"#));
    let case = |text: &str, says: &[&str]| {
        folder.write("cased/cases/one.json", text);
        check(&folder, &["test", "cased"], 3, "case_invalid", &[&["cases/one.json"], says].concat());
    };
    case("{", &["line 1"]);
    case(r#"{"event": {}, "expect": {"outcome": "allow"}, "expects": {}}"#, &["`expects`"]);
    case(r#"{"event": {}}"#, &["`expect`"]);
    case(r#"{"event": {}, "expect": {}}"#, &["`expect` is empty"]);
    case(r#"{"event": {}, "expect": {"outcome": "allow"}, "http": [{}]}"#, &["http", "request"]);
}

#[test]
fn who_has_no_cargo_is_told_so_first() {
    let folder = Folder::new();
    let bin = folder.write("bin/empty", "").parent().unwrap().to_owned();
    let path = env::var_os("PATH").unwrap();
    for tool in ["clang-19", "clang", "wasm-ld-19", "wasm-ld"] {
        if let Some(found) = env::split_paths(&path).map(|dir| dir.join(tool)).find(|file| file.is_file()) {
            symlink(found, bin.join(tool)).unwrap();
        }
    }
    let build = ["interpreter", "build", "--to", "built"];
    let told = folder.run_with(&build, &[("PATH", bin.to_str().unwrap())]).with_code(6).stderr;
    assert!(
        told.contains("\nerror: cargo fetches the sources of the interpreter and cannot be started (No such file"),
        "{told}"
    );
    assert!(!told.contains("network"), "{told}");
}

#[test]
fn a_secret_that_is_not_given_is_asked_for() {
    let folder = Folder::new();
    let extra =
        "[capabilities]\nhttp = [\"https://api.example.com\"]\nsecrets = { TOKEN = \"https://api.example.com\" }\n";
    folder.rule("keeper", 1, extra, &answering(r#"{"continue":{}}"#));
    check(&folder, &run("keeper"), 3, "option_invalid", &["`TOKEN`", "--secret TOKEN=VALUE"]);
}

#[test]
fn an_option_that_stands_twice_is_a_usage_error() {
    let folder = Folder::new();
    folder.rule("plan", 1, "", &answering(r#"{"continue":{}}"#));
    let twice = |option: &str| {
        let values = [option, "K=1", option, "K=2"];
        check(&folder, &[&run("plan")[..], &values].concat(), 2, "usage", &[&format!("`{option} K` stands twice")]);
    };
    twice("--config");
    twice("--secret");
    let bench = ["bench", "plan", "--event", "event.json", "--config", "K=1", "--config", "K=2"];
    check(&folder, &bench, 2, "usage", &["`--config K` stands twice"]);
}

#[test]
fn options_that_make_no_sense_are_a_usage_error() {
    let folder = Folder::new();
    for arguments in [
        ["run", "--event", "event.json"].as_slice(),
        &["run", "--rule", "a", "--pipeline", "b", "--event", "event.json"],
        &["run", "--rule", "a", "--event", "event.json", "--seed", "0f"],
        &["run", "--rule", "a", "--event", "event.json", "--config", "no-equals-sign"],
        &["run", "--rule", "a", "--event", "event.json", "--allow-net", "example.com"],
        &["schema", "everything"],
        &["frobnicate"],
        &[],
    ] {
        let told = folder.run(arguments).with_code(2);
        assert!(told.stderr.contains("Usage:") || told.stderr.contains("--help"), "{told:?}");
    }
}
