//! Opening, migrating, checking, copying.

use std::path::Path;

use serde_json::json;
use vestibule_store::*;
use vestibule_testkit::stores::{NOW, TestStore, open};

use crate::given::*;

super::on_both![
    a_new_store_is_whole,
    a_newer_schema_is_refused,
    a_backup_is_restored_to_either_database,
    what_was_issued_before_a_restore_is_dead,
    files_are_their_owners_alone,
    a_backup_is_restored_to_an_empty_place_only,
    a_damaged_backup_is_not_restored,
    a_closed_store_refuses,
    an_unknown_address_is_refused,
];

async fn a_new_store_is_whole(store: TestStore) {
    store.ping().await.unwrap();
    assert_eq!(store.damage(), None);
    let report = store.verify().await.unwrap();
    assert_eq!((report.damage, report.remarks), (vec![], Vec::<String>::new()));
    assert_eq!(store.not_before().await.unwrap(), Timestamp(0));
}

async fn a_newer_schema_is_refused(store: TestStore) {
    user(&*store, "ada").await;
    store.close().await;
    let insert = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                  VALUES (999, 'later', (1 = 1), $1, 0)";
    execute(store.address(), insert).await;
    let refused = open(store.address()).await;
    assert!(matches!(refused, Err(OpenError::NewerSchema { found: 999, .. })), "{refused:?}");
    execute(store.address(), "DELETE FROM _sqlx_migrations WHERE version = 999 AND $1 = $1").await;
    let again = open(store.address()).await.unwrap();
    assert!(again.user(&tenant(), &"ada".into()).await.unwrap().is_some());
}

/// Runs a statement past the store.
async fn execute(address: &str, sql: &'static str) {
    use sqlx::Connection as _;
    if address.starts_with("postgres:") {
        let mut connection = sqlx::PgConnection::connect(address).await.unwrap();
        sqlx::query(sql).bind(vec![0_u8; 48]).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = sqlx::SqliteConnection::connect(address).await.unwrap();
        sqlx::query(sql).bind(vec![0_u8; 48]).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// A store in which every table has rows, and a backup of it.
async fn with_backup(store: &TestStore, backup: &Path) -> User {
    let ada = user(&**store, "ada").await;
    let commit = allow_with(&ada, "login", |allowed| {
        allowed.session = SessionUse::Open(new_session("s"));
        allowed.code = Some(new_code("code", true));
        allowed.refresh = RefreshUse::Issue { family: family("f"), document: object(json!({})) };
        allowed.app_metadata = Some(Some(object(json!({"plan": "gold"}))));
    });
    done(&**store, &commit).await;
    let revision = Revision {
        digest: "r".into(),
        name: "rule".to_owned(),
        manifest: String::new(),
        module: vec![1; 5_000],
        files: vec![("f".to_owned(), vec![2])],
        at: NOW,
    };
    store.put_revision(&tenant(), &revision).await.unwrap();
    let parked = Parked {
        handle: secret("h"),
        wait: Wait::SecondFactor,
        browser: secret("browser"),
        client: shop(),
        login: "parked".into(),
        user: Some(ada.id.clone()),
        document: object(json!({})),
        at: NOW,
        expires_at: later(),
        attempts: 0,
    };
    store.park(&tenant(), &parked).await.unwrap();
    for purpose in [Purpose::PasswordReset, Purpose::RememberedBrowser] {
        let token = OneTimeToken {
            digest: secret("t"),
            purpose,
            user: ada.id.clone(),
            client: None,
            document: object(json!({})),
            at: NOW,
            expires_at: later(),
            attempts: 0,
        };
        store.put_token(&tenant(), &token, Alone::No).await.unwrap();
    }
    let letter = NewLetter {
        id: "letter".to_owned(),
        user: ada.id.clone(),
        sealed: vec![3],
        only_one: Some("reset".to_owned()),
        at: NOW,
        due_at: NOW,
        expires_at: later(),
    };
    store.put_letter(&tenant(), &letter).await.unwrap();
    for number in 0..450 {
        let event = Event {
            kind: "event".to_owned(),
            user: None,
            by: "root".to_owned(),
            summary: object(json!({"n": number})),
            at: NOW,
        };
        store.record(&tenant(), &event).await.unwrap();
    }
    store.backup(backup).await.unwrap();
    read(&**store, &ada).await
}

async fn a_backup_is_restored_to_either_database(store: TestStore) {
    let backup = store.file("backup.db");
    let ada = with_backup(&store, &backup).await;
    store.change_user(&tenant(), &ada.id, ada.version, &UserChange::default(), &Author::User, NOW).await.unwrap();
    let file = store.file("restored.db").to_str().unwrap().to_owned();
    let server = vestibule_testkit::postgres::Cluster::shared().database();
    for address in [file, server] {
        for _looked in 0..2 {
            assert!(!exists(&address).await.unwrap(), "and looking makes nothing");
        }
        restore(&backup, &address, &NodeId::new("node-1"), at(100)).await.unwrap();
        assert!(exists(&address).await.unwrap());
        let restored = open(&address).await.unwrap();
        assert_eq!(restored.damage(), None);
        assert_eq!(restored.user(&tenant(), &ada.id).await.unwrap(), Some(ada.clone()));
        let revision = restored.revision(&tenant(), &"r".into()).await.unwrap().unwrap();
        assert_eq!((revision.module.len(), revision.files.len()), (5_000, 1));
        assert!(restored.login(&tenant(), &"login".into()).await.unwrap().is_some());
        let report = restored.verify().await.unwrap();
        assert_eq!((report.damage, report.entries), (vec![], 451));
        // The journal goes on.
        done(&*restored, &allow(&ada, "next")).await;
        assert_eq!(restored.verify().await.unwrap().damage, vec![]);
        restored.close().await;
    }
}

async fn what_was_issued_before_a_restore_is_dead(store: TestStore) {
    let backup = store.file("backup.db");
    let ada = with_backup(&store, &backup).await;
    let address = store.another();
    restore(&backup, &address, &NodeId::new("node-1"), at(100)).await.unwrap();
    let restored = open(&address).await.unwrap();
    assert_eq!(restored.not_before().await.unwrap(), at(100));
    assert_eq!(restored.session(&tenant(), &secret("s"), at(101)).await.unwrap(), None);
    assert_eq!(restored.refresh_token(&tenant(), &secret("f-0"), &shop(), at(101)).await.unwrap(), Presented::Refused);
    assert_eq!(restored.redeem_code(&tenant(), &redeem("code")).await.unwrap(), Redeemed::Refused);
    for (purpose, now) in [(Purpose::PasswordReset, at(101)), (Purpose::RememberedBrowser, at(101))] {
        assert_eq!(restored.token(&tenant(), purpose, &secret("t"), now).await.unwrap(), None, "{purpose:?}");
    }
    assert_eq!(restored.parked(&tenant(), &secret("h"), Wait::SecondFactor, at(101)).await.unwrap(), None);
    let mut join = allow_with(&ada, "join", |allowed| {
        allowed.session = SessionUse::Join { id: "s".into(), idle_until: later() };
    });
    join.now = at(101);
    assert!(matches!(restored.commit_login(&tenant(), &join).await, Err(CommitError::Ended)));
    let mut rotation = rotate(&ada, "rotate", "f-0", "f-1");
    rotation.now = at(101);
    assert!(matches!(restored.commit_login(&tenant(), &rotation).await, Err(CommitError::Spent)));
    let mut fresh = allow_with(&ada, "fresh", |allowed| allowed.session = SessionUse::Open(new_session("new")));
    fresh.now = at(101);
    done(&*restored, &fresh).await;
    assert!(restored.session(&tenant(), &secret("new"), at(102)).await.unwrap().is_some());
}

async fn files_are_their_owners_alone(store: TestStore) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let backup = store.file("backup.db");
    with_backup(&store, &backup).await;
    assert_eq!(mode(&backup), 0o600);
    let address = store.file("restored.db");
    std::fs::set_permissions(&backup, std::fs::Permissions::from_mode(0o644)).unwrap();
    restore(&backup, address.to_str().unwrap(), &NodeId::new("node-1"), at(100)).await.unwrap();
    let beside = |suffix: &str| std::path::PathBuf::from(format!("{}{suffix}", address.display()));
    // As an older version left them.
    for suffix in ["", "-witness", "-lock"] {
        assert_eq!(mode(&beside(suffix)), 0o600, "{suffix}");
        std::fs::set_permissions(beside(suffix), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let restored = open(address.to_str().unwrap()).await.unwrap();
    user(&*restored, "bob").await;
    for suffix in ["", "-wal", "-shm", "-witness", "-lock"] {
        assert_eq!(mode(&beside(suffix)), 0o600, "{suffix}");
    }
    restored.close().await;
}

async fn a_backup_is_restored_to_an_empty_place_only(store: TestStore) {
    let backup = store.file("backup.db");
    with_backup(&store, &backup).await;
    assert!(store.backup(&backup).await.is_err(), "an older backup is not overwritten");
    store.close().await;
    let refused = restore(&backup, store.address(), &NodeId::new("node-1"), NOW).await;
    assert!(matches!(refused, Err(OpenError::Exists(_) | OpenError::NotEmpty)), "{refused:?}");
}

async fn a_damaged_backup_is_not_restored(store: TestStore) {
    let backup = store.file("backup.db");
    with_backup(&store, &backup).await;
    let mut bytes = std::fs::read(&backup).unwrap();
    let place = bytes.windows(4).position(|text| text == b"gold").unwrap();
    bytes[place] ^= 1;
    std::fs::write(&backup, bytes).unwrap();
    let refused = restore(&backup, &store.another(), &NodeId::new("node-1"), NOW).await;
    assert!(matches!(refused, Err(OpenError::Store(StoreError::Damaged(Damage::Row { .. })))), "{refused:?}");
    std::fs::write(&backup, "this is no database").unwrap();
    let refused = restore(&backup, &store.another(), &NodeId::new("node-1"), NOW).await;
    assert!(matches!(refused, Err(OpenError::Store(StoreError::Damaged(_)))), "{refused:?}");
}

async fn a_closed_store_refuses(store: TestStore) {
    let ada = user(&*store, "ada").await;
    store.close().await;
    let answer = store.user(&tenant(), &ada.id).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    let answer = store.commit_login(&tenant(), &allow(&ada, "login")).await;
    assert!(matches!(answer, Err(CommitError::Store(StoreError::Unavailable(_)))), "{answer:?}");
}

async fn an_unknown_address_is_refused(_: TestStore) {
    for address in ["", "mysql://root:secret@localhost/x", "postgres://[bad"] {
        let refused = open(address).await;
        let Err(error @ OpenError::Address(_)) = refused else { panic!("{address}: {refused:?}") };
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
