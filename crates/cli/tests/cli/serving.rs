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
const CANARY: &str = "canary-8c1f4d7a2b";

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
fn the_admin_listener_wants_a_token_with_the_right_scope() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    for token in ["", "vestibule_admin_", "vestibule_admin_000000000000_x", &format!("{}x", node.token())] {
        let bearer = format!("Bearer {token}");
        for (method, path) in [("GET", "/v1/generations"), ("GET", "/v1/secrets"), ("POST", "/v1/pipeline/run")] {
            assert_eq!(ask(node.admin, method, path, &[("authorization", &bearer)], "").status, 401, "{token} {path}");
        }
    }
    let made = node.run(&folder, &["token", "make", "ci", "--scope", "run", "--json"]).with_code(0).json();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    assert_eq!(ask(node.admin, "POST", "/v1/pipeline/run", &[("authorization", &bearer)], EVENT).status, 200);
    assert_eq!(ask(node.admin, "GET", "/v1/generations", &[("authorization", &bearer)], "").status, 403);
    assert_eq!(ask(node.admin, "POST", "/v1/tokens", &[("authorization", &bearer)], "{}").status, 403);
    node.run(&folder, &["token", "revoke", made["id"].as_str().unwrap()]).with_code(0);
    assert_eq!(ask(node.admin, "POST", "/v1/pipeline/run", &[("authorization", &bearer)], EVENT).status, 401);

    // Nobody locks themselves out by revoking what they hold.
    let listed = node.run(&folder, &["token", "list", "--json"]).with_code(0).json();
    let first = listed[0]["id"].as_str().unwrap();
    let last = node.run(&folder, &["token", "revoke", first]).with_code(3);
    assert!(last.stderr.contains("make another first"), "{last:?}");
    node.run(&folder, &["token", "make", "next", "--scope", "secrets"]).with_code(0);
    node.run(&folder, &["token", "revoke", first]).with_code(0);
    let help = folder.run(&["token", "make", "--help"]).with_code(0).stdout;
    for scope in ["deploy", "secrets", "run", "read", "backup", "break-glass"] {
        assert!(help.contains(scope), "{scope}: {help}");
    }
}

#[test]
fn a_secret_is_set_once_used_and_never_seen_again() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    let grants = "[capabilities]\nhttp = [\"https://api.example.com\"]\nsecrets = { CRM = \"https://api.example.com\" }\n\
                  configuration = [\"REGION\"]\n";
    folder.rule("crm", 10, grants, &answering(r#"{"continue":{}}"#));
    let refused = node.run(&folder, &["deploy", "crm", "--yes"]).with_code(4);
    assert!(refused.stderr.contains("`CRM`") && refused.stderr.contains("secret set"), "{refused:?}");
    node.run(&folder, &["secret", "set", "CRM", CANARY]).with_code(0);
    let deployed = node.run(&folder, &["deploy", "crm", "--yes"]).with_code(0);
    assert!(deployed.stdout.contains("`REGION`, which has no value"), "{deployed:?}");
    node.run(&folder, &["config", "set", "REGION", CANARY]).with_code(0);
    assert_eq!(run_plan(&node)["outcome"], "allow");
    let used = node.run(&folder, &["secret", "remove", "CRM"]).with_code(3);
    assert!(used.stderr.contains("rule `crm`"), "{used:?}");
    let unsendable = node.run(&folder, &["secret", "set", "CRM", "two\nlines"]).with_code(3);
    assert!(unsendable.stderr.contains("header"), "{unsendable:?}");
    for verb in ["secret", "config"] {
        let listed = node.run(&folder, &[verb, "list", "--json"]).with_code(0);
        assert_eq!(listed.json().as_array().unwrap().len(), 1);
        assert!(!listed.stdout.contains(CANARY), "{listed:?}");
    }
    let password =
        [("content-type", "application/x-www-form-urlencoded"), ("cookie", "vestibule-session=canary-8c1f4d7a2b")];
    let form = format!("grant_type=password&client_id=x&username={CANARY}@example.com&password={CANARY}");
    ask(node.public, "POST", "/oauth/token", &password, &form);
    ask(node.public, "GET", &format!("/authorize?state={CANARY}&login_hint={CANARY}"), &password, "");
    ask(node.public, "GET", &format!("/{CANARY}"), &password, "");
    let metrics = ask(node.admin, "GET", "/metrics", &[], "").body;
    let log = node.log();
    assert!(log.contains("/oauth/token"), "the log is there: {log}");
    assert!(!log.contains(CANARY) && !metrics.contains(CANARY), "{log}");
    node.terminate();
    node.stopped();
    for entry in fs::read_dir(folder.path().join("data")).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let bytes = fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "{}", entry.path().display());
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
fn a_database_is_verified_backed_up_and_restored() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    pipeline(&folder, "plan", "gold");
    node.run(&folder, &["deploy", "plan", "--yes"]).with_code(0);
    let running = node.run(&folder, &["verify", "--json"]).with_code(0).json();
    assert_eq!(running["damage"], json!([]));
    assert!(running["entries"].as_u64().unwrap() > 0, "{running}");
    node.run(&folder, &["backup", "copy.db"]).with_code(0);
    node.run(&folder, &["backup", "copy.db"]).with_code(3);
    let mode = fs::metadata(folder.path().join("copy.db")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let before = node.token();
    // Its own scope, and its own folder.
    let reader = node.run(&folder, &["token", "make", "reader", "--scope", "read", "--json"]).with_code(0).json();
    let backing = |token: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        ask(node.admin, "POST", "/v1/backup", &headers, body)
    };
    assert_eq!(backing(reader["token"].as_str().unwrap(), "{}").status, 403);
    for name in ["../out.db", "/tmp/out.db", ".hidden"] {
        assert_eq!(backing(&before, &json!({"name": name}).to_string()).status, 400, "{name}");
    }
    let made = backing(&before, r#"{"name":"nightly.db"}"#);
    assert!(made.status == 200 && made.body.contains("data/backups/nightly.db"), "{made:?}");
    assert_eq!(backing(&before, r#"{"name":"nightly.db"}"#).status, 409);
    node.terminate();
    node.stopped();
    let stopped = folder.run(&["verify", "--json", "--data", "data"]).with_code(0).json();
    assert_eq!(stopped["damage"], json!([]));
    folder.run(&["restore", "copy.db", "--data", "data"]).with_code(5); // There is a database already.
    folder.run(&["restore", "copy.db", "--data", "other"]).with_code(0);
    let other = folder.run(&["--json", "serve", "--data", "other"]).with_code(5);
    assert!(other.stdout.contains("another installation key"), "{other:?}");
    assert!(!folder.path().join("other/installation.key").exists(), "no other key lies in the place of the right one");
    fs::copy(folder.path().join("data/installation.key"), folder.path().join("other/installation.key")).unwrap();
    let restored = Node::start(&folder, "other", &[]);
    assert_eq!(restored.announced["generation"], 1);
    // No token of before is good: one that was revoked since the backup would be as well.
    let status = |token: &str| {
        let bearer = format!("Bearer {token}");
        ask(restored.admin, "GET", "/v1/generations", &[("authorization", &bearer)], "").status
    };
    assert_eq!(status(&before), 401);
    assert_eq!(status(&restored.token()), 200);
    let listed = restored.run(&folder, &["token", "list", "--json"]).with_code(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
}

/// `--config` means the folder that the file names, and a look at a database never makes one.
#[test]
fn a_backup_is_of_the_database_that_the_settings_name() {
    let folder = Folder::new();
    folder.write("vestibule.toml", "data = \"named\"\n");
    for (arguments, place) in [
        (["backup", "copy.db", "--config", "vestibule.toml"].as_slice(), "named"),
        (&["verify", "--config", "vestibule.toml"], "named"),
        (&["backup", "copy.db"], "vestibule-data"),
        (&["verify", "--config", "vestibule.toml", "--data", "typed"], "typed"),
    ] {
        let none = folder.run(arguments).with_code(3);
        assert!(none.stderr.contains(&format!("there is no database in `{place}`")), "{none:?}");
        assert!(!folder.path().join(place).exists() && !folder.path().join("copy.db").exists(), "nothing was made");
    }
    let empty = vestibule_testkit::postgres::Cluster::shared().database();
    folder.write("server.toml", format!("data = \"named\"\ndatabase = \"{empty}\"\n"));
    for command in ["verify", "backup", "verify"] {
        let copy = (command == "backup").then_some("copy.db");
        let arguments: Vec<_> = [command].into_iter().chain(copy).chain(["--config", "server.toml"]).collect();
        let none = folder.run(&arguments).with_code(3);
        assert!(
            none.stderr.contains("there is no Vestibule in the database that `database` of the settings names"),
            "{none:?}"
        );
        assert!(!folder.path().join("named").exists() && !folder.path().join("copy.db").exists(), "nothing was made");
    }
    let node = Node::start(&folder, "named", &[]);
    let running = folder.run(&["verify", "--config", "vestibule.toml", "--json"]).with_code(0).json();
    node.terminate();
    node.stopped();
    let stopped = folder.run(&["verify", "--config", "vestibule.toml", "--json"]).with_code(0).json();
    for found in [running, stopped] {
        assert!(found["entries"].as_u64().unwrap() > 0, "{found}");
    }
    folder.run(&["backup", "copy.db", "--config", "vestibule.toml"]).with_code(0);
    assert!(folder.path().join("copy.db").exists() && !folder.path().join("vestibule-data").exists());
}

#[test]
fn keys_rotate_and_a_new_one_is_published_before_it_signs() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    let keys = node.run(&folder, &["keys", "rotate", "--json"]).with_code(0).json();
    let keys = keys.as_array().unwrap();
    assert_eq!(keys.iter().map(|key| key["signs"] == true).collect::<Vec<_>>(), [true, false]);
    let published = ask(node.public, "GET", "/.well-known/jwks.json", &[], "").body;
    assert!(keys.iter().all(|key| published.contains(key["kid"].as_str().unwrap())), "{published}");
}

#[test]
fn a_window_is_short_and_for_somebody() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &["--demo"]);
    let open = |user: &str, length: &str| {
        node.run(&folder, &["break-glass", "open", user, "--reason", "test", "--for", length])
    };
    open("ada@example.com", "16m").with_code(3);
    open("nobody@example.com", "5m").with_code(3);
    let useless = open("ada@example.com", "5m").with_code(3);
    assert!(useless.stderr.contains("this account has no second factor"), "{useless:?}");
    let reset = node.run(&folder, &["factor", "reset", "ada@example.com"]).with_code(0);
    assert!(reset.stdout.contains("had no second factor"), "{reset:?}");
    let explained = node.run(&folder, &["explain", "ada@example.com", "app_metadata.plan"]).with_code(0);
    assert!(explained.stdout.contains("\"gold\"") && explained.stdout.contains("by operator demo"), "{explained:?}");
}

#[test]
fn a_client_is_registered_and_its_secret_shown_once() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    let set =
        ["client", "set", "shop", "--confidential", "--redirect-uri", "https://shop.example.com/callback", "--json"];
    let made = node.run(&folder, &set).with_code(0).json();
    assert!(made["client_secret"].as_str().unwrap().len() > 40, "{made}");
    assert!(node.run(&folder, &set).with_code(0).json()["client_secret"].is_null());
    let listed = node.run(&folder, &["client", "list", "--json"]).with_code(0).json();
    assert_eq!(listed[0]["client_id"], "shop");
    node.run(&folder, &["client", "set", "shop", "--redirect-uri", "no url"]).with_code(3);
    node.run(&folder, &["client", "set", "shop", "--redirect-uri", "javascript:alert(1)//"]).with_code(3);

    // Only what is named changes; a secret does not go by itself.
    node.run(&folder, &["client", "set", "shop", "--name", "The Shop"]).with_code(0);
    let listed = node.run(&folder, &["client", "list", "--json"]).with_code(0).json();
    assert_eq!(listed[0]["name"], "The Shop");
    assert_eq!(listed[0]["confidential"], true, "{listed}");
    assert_eq!(listed[0]["redirect_uris"], json!(["https://shop.example.com/callback"]));

    // What is replaced is told, and what is added replaces nothing.
    let (old, new, more) =
        ("https://shop.example.com/callback", "https://new.example.com/cb", "https://more.example.com/cb");
    let replaced = node.run(&folder, &["client", "set", "shop", "--redirect-uri", new]).with_code(0);
    assert!(replaced.stdout.contains(&format!("redirect_uri {old}  (it is registered no more)")), "{replaced:?}");
    let added = node.run(&folder, &["client", "set", "shop", "--add-redirect-uri", more]).with_code(0);
    assert!(!added.stdout.contains("no more"), "{added:?}");
    let listed = node.run(&folder, &["client", "list", "--json"]).with_code(0).json();
    assert_eq!(listed[0]["redirect_uris"], json!([new, more]));
    folder.write("client.json", r#"{"name": "Shop", "confidential": true, "audiences": ["https://api"]}"#);
    let unread = node.run(&folder, &["client", "set", "shop", "--file", "client.json"]).with_code(3);
    assert!(unread.stderr.contains("`audiences`: ") && unread.stderr.contains("set --help"), "{unread:?}");
    let help = folder.run(&["client", "set", "--help"]).with_code(0).stdout;
    assert!(help.contains(r#""audiences": { "https://api.example.com""#), "{help}");

    let bearer = format!("Bearer {}", node.token());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let unnamed =
        r#"{"name":"Shop","redirect_uris":["https://shop.example.com/callback"],"grant_types":["authorization_code"]}"#;
    let refused = ask(node.admin, "PUT", "/v1/clients/shop", &headers, unnamed);
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.body.contains("has_a_secret"), "{refused:?}");
    node.run(&folder, &["client", "set", "shop", "--public"]).with_code(0);
    let listed = node.run(&folder, &["client", "list", "--json"]).with_code(0).json();
    assert_eq!(listed[0]["confidential"], false, "{listed}");
    assert_eq!(listed[0]["auth_methods"], json!(["none"]), "{listed}");
    folder.rule("shop-only", 10, "[when]\nclients = [\"shop\"]\n", &answering(r#"{"continue":{}}"#));
    node.run(&folder, &["deploy", "shop-only", "--yes"]).with_code(0);
    node.run(&folder, &["client", "remove", "shop"]).with_code(0);
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
