//! Tokens, secrets, keys, windows and clients, by the admin listener.

use std::fs;

use serde_json::json;

use crate::{
    folder::{EVENT, Folder, answering},
    node::{Node, ask},
    serving::{CANARY, run_plan},
};

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
