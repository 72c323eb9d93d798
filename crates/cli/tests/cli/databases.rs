//! `vestibule verify`, `backup` and `restore`, with and without a server.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;

use crate::{
    folder::Folder,
    node::{Node, ask},
    serving::pipeline,
};

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
