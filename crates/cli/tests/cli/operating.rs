//! What operators do with a node: replay a login and see who wrote what, deploy to nodes that are slow, watch traces, go on
//! after damage.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rcgen::{CertifiedKey, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use serde_json::Value;

use crate::{
    folder::{Folder, answering},
    node::{Answer, Node, ask},
    serving::{pipeline, run_plan},
};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];
const EMAIL: &str = "grace.hopper@example.com";
const PASSWORD: &str = "Purple-Rhubarb-97-canary";

/// A client for the password grant, and somebody who has signed up.
pub(crate) fn furnish(folder: &Folder, node: &Node) {
    folder
        .write("client.json", r#"{"name": "App", "grant_types": ["password", "refresh_token"], "first_party": true}"#);
    node.run(folder, &["client", "set", "app", "--file", "client.json"]).with_code(0);
    let account = format!(
        r#"{{"client_id":"app","connection":"Username-Password-Authentication","email":"{EMAIL}","password":"{PASSWORD}"}}"#
    );
    let signed_up =
        ask(node.public, "POST", "/dbconnections/signup", &[("content-type", "application/json")], &account);
    assert_eq!(signed_up.status, 200, "{signed_up:?}");
}

pub(crate) fn log_in(node: &Node) -> Answer {
    let form = format!("grant_type=password&client_id=app&username={EMAIL}&password={PASSWORD}&scope=openid");
    ask(node.public, "POST", "/oauth/token", &FORM, &form)
}

/// A rule that stores what it saw and grants a plan.
fn storing(folder: &Folder, name: &str, seen: &str, plan: &str) {
    let answer = format!(
        r#"{{"continue":{{"app_metadata":{{"seen":"{seen}"}},"id_token":{{"https://example.com/plan":"{plan}"}}}}}}"#
    );
    folder.rule(name, 10, "", &answering(&answer));
}

#[test]
fn a_login_is_explained_and_replayed_on_what_is_live_and_on_a_candidate() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    storing(&folder, "first", "here", "silver");
    node.run(&folder, &["deploy", "first", "--yes"]).with_code(0);
    furnish(&folder, &node);
    assert_eq!(log_in(&node).status, 200);
    let explained = node.run(&folder, &["explain", EMAIL, "app_metadata.seen", "--json"]).with_code(0).json();
    assert_eq!(explained[0]["value"], "here");
    assert_eq!(explained[0]["by"]["rule"], "first", "{explained}");
    let login = explained[0]["by"]["login"].as_str().unwrap().to_owned();
    let told = node.run(&folder, &["explain", EMAIL, "app_metadata.seen"]).with_code(0).stdout;
    assert!(told.contains("by rule first (revision ") && told.contains(&login), "{told}");

    let same = node.run(&folder, &["replay", &login]).with_code(0).stdout;
    assert!(same.contains("came to `allow` on generation 1") && same.contains("Nothing differs"), "{same}");

    storing(&folder, "candidate", "there", "gold");
    let candidate = node.run(&folder, &["replay", &login, "--on", "candidate"]).with_code(0).stdout;
    for line in ["- ", "+ ", "\"silver\"", "\"gold\"", "\"here\"", "\"there\""] {
        assert!(candidate.contains(line), "{line}: {candidate}");
    }
    let live = run_plan(&node)["id_token"]["https://example.com/plan"].clone();
    assert_eq!(live, "silver", "a replay deploys nothing");
    let unchanged = node.run(&folder, &["explain", EMAIL, "app_metadata.seen", "--json"]).with_code(0).json();
    assert_eq!(unchanged, explained, "and stores nothing");

    folder.rule("refusing", 10, "", &answering(r#"{"deny":{"code":"closed","reason":"Closed."}}"#));
    node.run(&folder, &["deploy", "refusing", "--yes"]).with_code(0);
    let today = node.run(&folder, &["replay", &login, "--json"]).with_code(0).json();
    assert_eq!((&today["then"], &today["now"]["outcome"]), (&Value::from("allow"), &Value::from("deny")), "{today}");
    assert_eq!(today["before"]["id_token"]["https://example.com/plan"], "silver", "the rules that ran then are kept");
    node.run(&folder, &["replay", "nobody-knows-this-login"]).with_code(3);
}

/// Whoever looks after a node finds in its log which login was not let in, by which rule and why, and nothing about whom.
#[test]
fn the_log_tells_how_a_login_ended_and_replay_explains_it() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    furnish(&folder, &node);
    assert_eq!(log_in(&node).status, 200);
    folder.rule("refusing", 10, "", &answering(r#"{"deny":{"code":"closed","reason":"Go home, Grace."}}"#));
    node.run(&folder, &["deploy", "refusing", "--yes"]).with_code(0);
    assert_eq!(log_in(&node).status, 403);
    let trapping =
        wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "run") unreachable))"#).unwrap();
    folder.rule("failing", 10, "", &trapping);
    node.run(&folder, &["deploy", "failing", "--yes"]).with_code(0);
    assert_eq!(log_in(&node).status, 403);
    let form = format!("grant_type=password&client_id=app&username={EMAIL}&password=wrong-canary&scope=openid");
    assert_eq!(ask(node.public, "POST", "/oauth/token", &FORM, &form).status, 403);

    let log = node.log();
    let line = |told: &str| {
        let line =
            log.lines().find(|line| line.contains(told)).unwrap_or_else(|| panic!("no line tells `{told}`: {log}"));
        let login = line.split("login=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        (line.to_owned(), login.to_owned())
    };
    assert!(line("a login was allowed").0.contains("INFO"), "{log}");
    let (refused, refused_id) = line("a login was refused");
    let (failed, failed_id) = line("a login failed");
    for told in ["INFO", "outcome=\"deny\"", "rule=\"refusing\"", "code=\"closed\""] {
        assert!(refused.contains(told), "{told}: {refused}");
    }
    for told in ["WARN", "outcome=\"failed\"", "rule=\"failing\"", "code=\"trap\""] {
        assert!(failed.contains(told), "{told}: {failed}");
    }
    for told in ["Grace", "grace", "canary"] {
        assert!(!log.contains(told), "{told}: {log}");
    }
    let metrics = ask(node.admin, "GET", "/metrics", &[], "").body;
    for outcome in ["allow", "deny", "failed", "wrong_credentials"] {
        let count = format!("vestibule_logins_total{{outcome=\"{outcome}\"}} 1");
        assert!(metrics.contains(&count), "{count}: {metrics}");
    }

    let listed = |arguments: &[&str]| {
        node.run(&folder, &[["logins", "--json"].as_slice(), arguments].concat()).with_code(0).json()
    };
    let outcomes = |listed: &Value| -> Vec<String> {
        listed.as_array().unwrap().iter().map(|login| login["outcome"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(outcomes(&listed(&["--user", EMAIL])), ["trap", "deny", "allow"]);
    let found = listed(&["--outcome", "failed"]);
    assert_eq!(outcomes(&found), ["trap"]);
    assert_eq!((&found[0]["login"], &found[0]["rule"]), (&Value::from(failed_id.as_str()), &Value::from("failing")));
    let page = listed(&["--limit", "1"]);
    let older = listed(&["--before", &page[0]["at"].to_string()]);
    assert_eq!(
        (outcomes(&page), outcomes(&older)),
        (vec!["trap".to_owned()], vec!["deny".to_owned(), "allow".to_owned()])
    );
    let told = node.run(&folder, &["logins", "--outcome", "deny"]).with_code(0).stdout;
    assert!(told.contains(&format!("{refused_id}  deny by rule refusing: closed  auth0|")), "{told}");
    node.run(&folder, &["logins", "--limit", "501"]).with_code(3);

    let refused = node.run(&folder, &["replay", &refused_id]).with_code(0).stdout;
    assert!(
        refused.contains("came to `deny` on generation 1.\n  by rule `refusing`: closed: Go home, Grace."),
        "{refused}"
    );
    assert!(refused.contains("comes to `failed`.\n  by rule `failing`: trap: "), "{refused}");
    let failed = node.run(&folder, &["replay", &failed_id]).with_code(0).stdout;
    assert!(failed.contains("came to `trap` on generation 2.\n  by rule `failing`: trap: "), "{failed}");
}

#[test]
fn no_node_is_switched_before_every_live_one_has_compiled() {
    let folder = Folder::new();
    let database = vestibule_testkit::postgres::Cluster::shared().database();
    let one = Node::start(&folder, "one", &["--database", &database]);
    fs::create_dir(folder.path().join("two")).unwrap();
    fs::copy(folder.path().join("one/installation.key"), folder.path().join("two/installation.key")).unwrap();
    let two = Node::start(&folder, "two", &["--database", &database]);
    pipeline(&folder, "first", "silver");
    one.run(&folder, &["deploy", "first", "--yes"]).with_code(0);
    pipeline(&folder, "second", "gold");
    two.freeze();
    let rollout = thread::scope(|scope| {
        let deploying = scope.spawn(|| one.run(&folder, &["deploy", "second", "--yes", "--json"]));
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(100));
            let plan = run_plan(&one)["id_token"]["https://example.com/plan"].clone();
            assert_eq!(plan, "silver", "the other node has not compiled it");
        }
        two.thaw();
        deploying.join().unwrap().with_code(0).json()
    });
    assert_eq!(rollout["ready"].as_array().unwrap().len(), 2, "{rollout}");
    assert_eq!(run_plan(&one)["id_token"]["https://example.com/plan"], "gold");
    let rollout = one.run(&folder, &["rollback", "--yes", "--json"]).with_code(0).json();
    assert_eq!(rollout["ready"].as_array().unwrap().len(), 2, "{rollout}");
    assert_eq!(run_plan(&one)["id_token"]["https://example.com/plan"], "silver");
}

/// A collector of traces that keeps what it is sent; with TLS if it is given a certificate for `localhost`.
fn collector(certified: Option<&CertifiedKey<KeyPair>>) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let scheme = if certified.is_some() { "https" } else { "http" };
    let tls = certified.map(|certified| {
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        Arc::new(config.with_single_cert(vec![certified.cert.der().clone()], key).unwrap())
    });
    let received = Arc::<Mutex<Vec<u8>>>::default();
    let kept = Arc::clone(&received);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (kept, tls) = (Arc::clone(&kept), tls.clone());
            thread::spawn(move || match tls {
                Some(tls) => collect(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &kept),
                None => collect(stream, &kept),
            });
        }
    });
    (format!("{scheme}://localhost:{port}"), received)
}

/// Keeps the requests of one connection, and says of each that it arrived.
fn collect(mut stream: impl Read + Write, kept: &Mutex<Vec<u8>>) {
    let (mut request, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut part) {
        request.extend_from_slice(&part[..read]);
        if let Some(length) = whole(&request) {
            kept.lock().unwrap().extend(request.drain(..length));
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
        }
    }
}

/// The length of the request that these bytes begin with, once all of it is there.
fn whole(request: &[u8]) -> Option<usize> {
    let head = request.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse::<usize>().ok()?;
    (request.len() >= head + length).then_some(head + length)
}

/// OpenTelemetry by its standard variables (HS-68: nothing personal in any span).
#[test]
fn traces_reach_a_collector_and_tell_nothing_of_anybody() {
    let folder = Folder::new();
    let (endpoint, received) = collector(None);
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_SERVICE_NAME", "logins-of-the-test")];
    let node = Node::start_with(&folder, "data", &[], &variables);
    storing(&folder, "first", "canary-metadata", "canary-claim");
    node.run(&folder, &["deploy", "first", "--yes"]).with_code(0);
    furnish(&folder, &node);
    let tokens = log_in(&node);
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let tokens: Value = serde_json::from_str(&tokens.body).unwrap();
    let signature = tokens["access_token"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
    ask(node.public, "GET", "/authorize?login_hint=canary-hint", &[("cookie", "vestibule-session=canary-cookie")], "");
    let (metrics, log) = (ask(node.admin, "GET", "/metrics", &[], "").body, node.log());
    node.terminate();
    assert_eq!(node.stopped().code(), Some(0)); // What is left is sent on the way out.
    let received = received.lock().unwrap();
    let has = |text: &str| received.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("post /v1/traces") || has("POST /v1/traces"), "by HTTP, where the standard says");
    for told in ["logins-of-the-test", "request", "login", "rules", "commit", "/oauth/token", "oauth2-password"] {
        assert!(has(told), "no span tells `{told}`");
    }
    for secret in ["canary", "grace", &signature] {
        assert!(!has(secret), "a span tells `{secret}`");
        assert!(!metrics.contains(secret), "a metric tells `{secret}`: {metrics}");
        assert!(!log.contains(secret), "the log tells `{secret}`: {log}");
    }
}

#[test]
fn traces_reach_a_collector_behind_tls_whose_certificate_is_trusted_and_no_other() {
    let [trusted, other] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    for (certified, arrives) in [(&trusted, true), (&other, false)] {
        let folder = Folder::new();
        folder.write("trusted.pem", trusted.cert.pem());
        let roots = folder.path().join("trusted.pem");
        let (endpoint, received) = collector(Some(certified));
        let variables =
            [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("SSL_CERT_FILE", roots.to_str().unwrap())];
        let node = Node::start_with(&folder, "data", &[], &variables);
        ask(node.public, "GET", "/.well-known/openid-configuration", &[], "");
        node.terminate();
        assert_eq!(node.stopped().code(), Some(0));
        assert_eq!(!received.lock().unwrap().is_empty(), arrives);
    }
}

#[test]
fn damage_is_told_with_what_to_do_and_accepted_only_when_that_is_said() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    node.run(&folder, &["verify", "--accept-damage"]).with_code(3); // Not under a running server.
    node.terminate();
    node.stopped();
    let witness = folder.path().join("data/vestibule.db-witness");
    let text = fs::read_to_string(&witness).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(1, 2);
    fs::write(&witness, lines.join("\n") + "\n").unwrap();
    let found = folder.run(&["verify", "--data", "data"]).with_code(5);
    assert!(found.stdout.contains("damage") && found.stdout.contains("--accept-damage"), "{found:?}");
    let refused = folder.run(&["serve", "--data", "data"]).with_code(5);
    assert!(refused.stderr.contains("`vestibule verify` tells"), "{refused:?}");
    let accepted = folder.run(&["verify", "--data", "data", "--accept-damage", "--json"]).with_code(0).json();
    assert_eq!(accepted["damage"], serde_json::json!([]));
    let again = Node::start(&folder, "data", &[]);
    assert_eq!(ask(again.admin, "GET", "/health/ready", &[], "").status, 200);

    again.run(&folder, &["verify"]).with_code(0);
    fs::remove_file(&witness).unwrap();
    let missed = again.run(&folder, &["verify"]).with_code(5);
    assert!(missed.stdout.contains("the witness file is missing"), "{missed:?}");
    again.terminate();
    again.stopped();
    let missed = folder.run(&["verify", "--data", "data"]).with_code(5);
    assert!(missed.stdout.contains("the witness file is missing"), "{missed:?}");
}

/// HS-64: what was begun behind an answer is done before the process ends, and what was committed is there afterwards.
#[test]
fn a_mail_on_its_way_and_the_journal_outlive_the_node() {
    let folder = Folder::new();
    let node = Node::start(&folder, "data", &[]);
    storing(&folder, "first", "here", "silver");
    node.run(&folder, &["deploy", "first", "--yes"]).with_code(0);
    furnish(&folder, &node);
    assert_eq!(log_in(&node).status, 200);
    let mail = r#"{"client_id":"app","connection":"Username-Password-Authentication","email":"EMAIL"}"#;
    let json = [("content-type", "application/json")];
    let asked = ask(node.public, "POST", "/dbconnections/change_password", &json, &mail.replace("EMAIL", EMAIL));
    assert_eq!(asked.status, 200, "{asked:?}");
    node.terminate(); // The mail is made behind the answer.
    assert_eq!(node.stopped().code(), Some(0));
    let outbox = fs::read_dir(folder.path().join("data/outbox")).unwrap().flatten();
    let mails: Vec<String> = outbox.map(|mail| fs::read_to_string(mail.path()).unwrap()).collect();
    assert!(mails.iter().any(|mail| mail.contains("/u/reset?token=")), "{mails:?}");
    let again = Node::start(&folder, "data", &[]);
    let explained = again.run(&folder, &["explain", EMAIL, "app_metadata.seen", "--json"]).with_code(0).json();
    assert_eq!(explained[0]["by"]["rule"], "first", "{explained}");
    assert_eq!(again.run(&folder, &["verify", "--json"]).with_code(0).json()["damage"], serde_json::json!([]));
}
