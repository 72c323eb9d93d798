//! `vestibule serve` and the commands that look after it: real processes on loopback, in temporary folders.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    folder::{EVENT, Folder, answering},
    node::{Node, PATIENCE, answer, ask},
};

/// What no log, metric, database or listing may hold.
pub(crate) const CANARY: &str = "canary-8c1f4d7a2b";

/// A pipeline of one rule that grants a plan.
pub(crate) fn pipeline(folder: &Folder, name: &str, plan: &str) {
    let answer = format!(r#"{{"continue":{{"id_token":{{"https://example.com/plan":"{plan}"}}}}}}"#);
    folder.rule(name, 10, "", &answering(&answer));
}

pub(crate) fn run_plan(node: &Node) -> serde_json::Value {
    let bearer = format!("Bearer {}", node.token());
    let answer = ask(node.admin, "POST", "/v1/pipeline/run", &[("authorization", &bearer)], EVENT);
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn a_node_makes_what_it_needs_tells_how_it_is_and_stops_in_order() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    for (file, mode) in [("installation.key", 0o600), ("admin.json", 0o600), ("node.id", 0o600), ("", 0o700)] {
        let path = folder.path().join("data").join(file);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
    assert_eq!(ask(node.admin, "GET", "/health/live", &[], "").status, 200);
    assert_eq!(ask(node.admin, "GET", "/health/ready", &[], "").status, 200);
    assert_eq!(ask(node.public, "GET", "/.well-known/openid-configuration", &[], "").status, 200);
    assert_eq!(ask(node.public, "GET", "/metrics", &[], "").status, 404, "metrics are not for everybody");
    assert_eq!(ask(node.public, "GET", "/demo", &[], "").status, 404, "there is no demo unless it was asked for");
    let metrics = ask(node.admin, "GET", "/metrics", &[], "").body;
    assert!(metrics.contains(r#"route="/.well-known/openid-configuration""#), "{metrics}");
    node.terminate();
    assert_eq!(node.stopped().code(), Some(0));
    let again = Node::start(&folder, "data", &[]);
    assert!(again.announced["admin_token"].is_null(), "a token is shown once");
    assert_eq!(ask(again.admin, "GET", "/health/ready", &[], "").status, 200);
}

/// What keeps a server from starting leaves nothing behind, and names the setting.
#[test]
fn a_server_that_cannot_start_makes_nothing() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let cannot = |options: &[&str], variables: &[(&str, &str)], code: i32, told: &[&str]| {
        let ended =
            folder.run_with(&[["serve", "--data", "data"].as_slice(), options].concat(), variables).with_code(code);
        for part in told {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
        assert!(!folder.path().join("data").exists(), "{told:?}");
        ended
    };
    let admin = ("VESTIBULE_LISTEN__ADMIN", "127.0.0.1:0");
    let port =
        cannot(&[], &[("VESTIBULE_LISTEN__PUBLIC", taken.as_str()), admin], 5, &[taken.as_str(), "`listen.public`"]);
    assert_eq!(port.stderr.matches("os error").count(), 1, "{port:?}");
    let public = ("VESTIBULE_LISTEN__PUBLIC", "127.0.0.1:0");
    cannot(&["--demo"], &[public, admin, ("VESTIBULE_PUBLIC_URL", "https://a.example")], 3, &["this machine only"]);
    let nowhere = [public, admin, ("VESTIBULE_SANDBOX__INTERPRETER", "/nowhere/at/all")];
    cannot(&[], &nowhere, 3, &["`sandbox.interpreter`", "vestibule interpreter build --to /nowhere/at/all"]);
}

#[test]
fn a_setting_nobody_knows_keeps_a_server_from_starting() {
    let folder = Folder::new();
    folder.write("vestibule.toml", "[listen]\nadmim = \"127.0.0.1:1\"\n");
    let ended = folder.run(&["serve", "--config", "vestibule.toml"]).with_code(3);
    assert!(ended.stderr.contains("admim"), "{ended:?}");
    folder.write("vestibule.toml", "public_url = \"http://login.example.com\"\n");
    let ended = folder.run(&["serve", "--config", "vestibule.toml"]).with_code(3);
    assert!(ended.stderr.contains("public_url") && ended.stderr.contains("https"), "{ended:?}");
}

/// The file that `settings` prints is one that a server starts with, and a list in a variable is written as it says.
#[test]
fn the_example_of_the_settings_is_one() {
    let folder = Folder::new();
    folder.write("vestibule.toml", folder.run(&["settings"]).with_code(0).stdout);
    let list = ("VESTIBULE_TRUSTED_PROXIES", r#"["10.0.0.0/8"]"#);
    let _node = Node::start_with(&folder, "data", &["--config", "vestibule.toml"], &[list]);
    let no_list = ("VESTIBULE_TRUSTED_PROXIES", "10.0.0.0/8");
    let ended = folder.run_with(&["verify"], &[no_list]).with_code(3);
    assert!(
        ended.stderr.contains("`VESTIBULE_TRUSTED_PROXIES`: ") && ended.stderr.contains("a list is written as"),
        "{ended:?}"
    );
    let ended = folder.run_with(&["verify"], &[("VESTIBULE_EGRESS__ALOW", "[]")]).with_code(3);
    assert!(ended.stderr.contains("`VESTIBULE_EGRESS__ALOW`: "), "{ended:?}");
}

#[test]
fn rules_are_deployed_whole_and_a_bad_bundle_leaves_the_last_good_one() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    assert_eq!(run_plan(&node)["outcome"], "allow");
    pipeline(&folder, "first", "silver");
    node.run(&folder, &["deploy", "first"]).with_code(2); // Nobody to ask.
    let deployed = node.run(&folder, &["deploy", "first", "--yes"]).with_code(0);
    assert!(deployed.stdout.contains("writes app_metadata.seen"), "{deployed:?}");
    assert_eq!(run_plan(&node)["id_token"]["https://example.com/plan"], "silver");
    let again = node.run(&folder, &["deploy", "first", "--yes"]).with_code(0);
    assert!(again.stdout.contains("Nothing changes"), "{again:?}");

    pipeline(&folder, "second", "gold");
    let deployed = node.run(&folder, &["deploy", "second", "--yes"]).with_code(0);
    assert!(deployed.stdout.contains("removed") && deployed.stdout.contains("new"), "{deployed:?}");
    assert!(deployed.stderr.contains("`first` runs now and is not among these rules"), "{deployed:?}");
    assert_eq!(run_plan(&node)["id_token"]["https://example.com/plan"], "gold");

    let endless = wat::parse_str(
        r#"(module (memory (export "memory") 1) (func (export "run")) (func $s (loop (br 0))) (start $s))"#,
    );
    folder.rule("third", 10, "", &endless.unwrap());
    let refused = node.run(&folder, &["deploy", "third", "--yes", "--json"]).with_code(4);
    assert_eq!(refused.json()["error"]["code"], "init_failed", "{refused:?}");
    folder.rule("fourth", 10, "[when]\nclients = [\"nobody\"]\n", &answering(r#"{"continue":{}}"#));
    let refused = node.run(&folder, &["deploy", "fourth", "--yes"]).with_code(4);
    assert!(refused.stderr.contains("`when.clients` names `nobody`"), "{refused:?}");
    assert_eq!(run_plan(&node)["id_token"]["https://example.com/plan"], "gold");

    node.run(&folder, &["rollback", "--yes"]).with_code(0);
    assert_eq!(run_plan(&node)["id_token"]["https://example.com/plan"], "silver");
    let versions = node.run(&folder, &["versions", "--json"]).with_code(0).json();
    let live: Vec<_> = versions.as_array().unwrap().iter().filter(|version| version["live"] == true).collect();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0]["rules"], json!(["first"]));
}

#[test]
fn what_a_server_runs_is_what_the_command_line_runs() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    pipeline(&folder, "plan", "gold");
    node.run(&folder, &["deploy", "plan", "--yes"]).with_code(0);
    let there = run_plan(&node);
    let here = folder.run(&["run", "--rule", "plan", "--event", "event.json", "--json"]).with_code(0).json();
    for part in
        ["outcome", "deny", "failure", "user", "user_metadata", "app_metadata", "id_token", "access_token", "scope"]
    {
        assert_eq!(there[part], here[part], "{part}");
    }
    assert_eq!(there["rules"][0]["fuel"], here["rules"][0]["fuel"]);
    let bearer = format!("Bearer {}", node.token());
    let with_configuration = r#"{"user":{},"context":{},"configuration":{}}"#;
    for body in ["", "{}", "[1]", r#"{"user":{},"user":{}}"#, with_configuration] {
        let refused = ask(node.admin, "POST", "/v1/pipeline/run", &[("authorization", &bearer)], body);
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
    }
}

/// From the folder of rules that people have to a server that runs them.
#[test]
fn imported_rules_are_deployed_and_run_as_on_the_command_line() {
    let folder = Folder::new();
    folder.write(
        "rules/1-plan.js",
        "function (user, context, callback) {\n  user.app_metadata = user.app_metadata || {};\n  \
         auth0.users.updateAppMetadata(user.user_id, { seen: true })\n    .then(() => {\n      \
         context.idToken['https://example.com/plan'] = require('lodash').get(user, 'app_metadata.plan', 'free');\n      \
         callback(null, user, context);\n    })\n    .catch(callback);\n}\n",
    );
    folder.write(
        "rules/2-gate.js",
        "function (user, context, callback) {\n  if (context.clientName === 'nobody') return callback(new \
         UnauthorizedError('no'));\n  callback(null, user, context);\n}\n",
    );
    folder.run(&["import", "auth0", "rules", "--out", "made"]).with_code(0);
    folder.run(&["test", "made"]).with_code(0);
    folder.run(&["interpreter", "build", "--data", "data"]).with_code(0);
    let node = Node::start(&folder, "data", &[]);
    node.run(&folder, &["deploy", "made", "--yes"]).with_code(0);
    let there = run_plan(&node);
    let here =
        folder.run(&["run", "--pipeline", "made/pipeline.toml", "--event", "event.json", "--json"]).with_code(0).json();
    assert_eq!(there["id_token"], json!({ "https://example.com/plan": "free" }), "{there}");
    assert_eq!(there["app_metadata"]["seen"], true, "{there}");
    for part in ["outcome", "id_token", "app_metadata"] {
        assert_eq!(there[part], here[part], "{part}");
    }
}

#[test]
fn a_request_that_was_begun_is_answered_when_the_node_stops() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    let mut begun = TcpStream::connect(node.public).unwrap();
    let head = "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                expect: 100-continue\r\n";
    let body = "grant_type=client_credentials&client_id=nobody&client_secret=x";
    write!(begun, "{head}content-length: {}\r\n\r\n", body.len()).unwrap();
    let mut go_on = [0; 25];
    begun.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n", "the server has begun with it");
    write!(begun, "{}", &body[..10]).unwrap();
    node.terminate();
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(node.public).is_ok() {
        assert!(Instant::now() < deadline, "the listener closes first");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(ask(node.admin, "GET", "/health/ready", &[], "").status, 503);
    write!(begun, "{}", &body[10..]).unwrap();
    let answered = answer(&mut begun);
    assert_eq!(answered.status, 401, "{answered:?}");
    assert_eq!(node.stopped().code(), Some(0));
}

#[test]
fn a_head_that_dawdles_is_cut_off_and_others_are_served() {
    let folder = Folder::new();
    folder.write("vestibule.toml", "[limits]\nheader = \"300ms\"\nconnections = 3\n");
    let node = Node::start(&folder, "data", &["--config", "vestibule.toml"]);
    let mut slow = TcpStream::connect(node.public).unwrap();
    write!(slow, "GET / HTTP/1.1\r\nhost: ").unwrap();
    let _idle = [TcpStream::connect(node.public).unwrap(), TcpStream::connect(node.public).unwrap()];
    let full = ask(node.public, "GET", "/.well-known/jwks.json", &[], "");
    assert_eq!(full.status, 503, "{full:?}");
    assert!(full.head.contains("retry-after: 1"), "{full:?}");
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut rest = Vec::new();
    let _reset = slow.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"), "{rest:?}");
    assert_eq!(ask(node.public, "GET", "/.well-known/jwks.json", &[], "").status, 200);
}

#[test]
fn two_nodes_on_one_postgresql_serve_one_generation() {
    let folder = Folder::new();
    let database = vestibule_testkit::postgres::Cluster::shared().database();
    let one = Node::start(&folder, "one", &["--database", &database]);
    fs::create_dir(folder.path().join("two")).unwrap();
    fs::copy(folder.path().join("one/installation.key"), folder.path().join("two/installation.key")).unwrap();
    let mut two = Node::start(&folder, "two", &["--database", &database]);
    pipeline(&folder, "plan", "gold");
    let rollout = one.run(&folder, &["deploy", "plan", "--yes", "--json"]).with_code(0).json();
    assert_eq!(rollout["ready"].as_array().unwrap().len(), 2, "{rollout}");
    let bearer = format!("Bearer {}", one.token());
    let there = ask(two.admin, "POST", "/v1/pipeline/run", &[("authorization", &bearer)], EVENT);
    assert!(there.body.contains("\"gold\""), "{there:?}");

    two.kill();
    pipeline(&folder, "other", "silver");
    let rollout = one.run(&folder, &["deploy", "other", "--yes", "--json"]).with_code(0).json();
    assert_eq!(rollout["ready"].as_array().unwrap().len(), 1, "a node that is gone keeps nobody waiting: {rollout}");
    assert_eq!(run_plan(&one)["id_token"]["https://example.com/plan"], "silver");
}

/// A candidate is code of whoever brings it: with `read` alone nobody makes a recorded login run it.
#[test]
fn a_candidate_is_replayed_only_by_whoever_may_deploy() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    let reader = node.run(&folder, &["token", "make", "reader", "--scope", "read", "--json"]).with_code(0).json();
    let replay = |token: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        ask(node.admin, "POST", "/v1/logins/none/replay", &[("authorization", &bearer)], body)
    };
    let reader = reader["token"].as_str().unwrap();
    assert_eq!(replay(reader, "").status, 404, "there is no such login");
    let refused = replay(reader, "a bundle");
    assert!(refused.status == 403 && refused.body.contains("`deploy`"), "{refused:?}");
    assert_eq!(replay(&node.token(), "a bundle").status, 404);
}
