//! Users: uniqueness, versions, provenance, erasure.

use serde_json::json;
use vestibule_store::*;
use vestibule_testkit::stores::{NOW, TestStore};

use crate::given::*;

super::on_both![
    a_user_is_read_as_it_was_made,
    documents_keep_the_order_of_keys_and_the_form_of_numbers,
    a_text_with_a_nul_is_refused_as_the_callers_doing,
    an_id_an_email_or_a_username_is_taken_once,
    one_of_64_signups_wins,
    a_stale_writer_is_told,
    a_change_of_email_frees_the_old_one,
    who_wrote_a_key_is_known_even_when_it_is_gone,
    a_blocked_user_loses_everything,
    a_deleted_user_is_erased_and_the_journal_stays_valid,
    users_are_listed_by_id,
    one_of_64_changes_of_one_version_wins,
];

async fn a_user_is_read_as_it_was_made(store: TestStore) {
    let mut new = new_user("auth0|1", "a@example.com");
    new.username = Some("ada".to_owned());
    new.app_metadata = Some(object(json!({"plan": "gold"})));
    let Created::User(made) = store.create_user(&tenant(), &new).await.unwrap() else { panic!("taken") };
    assert_eq!(store.user(&tenant(), &made.id).await.unwrap(), Some(made.clone()));
    for identifier in [Identifier::Email("a@example.com"), Identifier::Username("ada")] {
        let found = store.user_by_identifier(&tenant(), &connection(), identifier).await.unwrap();
        assert_eq!(found, Some(made.clone()));
    }
    for identifier in [Identifier::Username("a@example.com"), Identifier::Email("A@example.com")] {
        assert_eq!(store.user_by_identifier(&tenant(), &connection(), identifier).await.unwrap(), None);
    }
    assert_eq!(store.user(&"another".into(), &made.id).await.unwrap(), None);
    assert_eq!((made.version, made.user_metadata.clone()), (Version(1), None));
    assert!(store.password(&tenant(), &made.id).await.unwrap().is_some());
}

async fn documents_keep_the_order_of_keys_and_the_form_of_numbers(store: TestStore) {
    let text = r#"{"z":1,"a":{"y":1.5,"b":[9007199254740991,1e300,-0.1,null,"\u0000 ü 😀"]},"":{}}"#;
    let mut new = new_user("auth0|1", "a@example.com");
    new.user_metadata = Some(serde_json::from_str(text).unwrap());
    store.create_user(&tenant(), &new).await.unwrap();
    let user = store.user(&tenant(), &"auth0|1".into()).await.unwrap().unwrap();
    let expected = serde_json::to_string(&new.user_metadata).unwrap();
    assert_eq!(serde_json::to_string(&user.user_metadata).unwrap(), expected);
}

async fn a_text_with_a_nul_is_refused_as_the_callers_doing(store: TestStore) {
    let asked = store.user(&tenant(), &"a\0b".into()).await;
    assert!(matches!(asked, Err(StoreError::Nul)), "{asked:?}");
    let told = store.create_user(&tenant(), &new_user("a\0b", "a@example.com")).await;
    assert!(matches!(told, Err(StoreError::Nul)), "{told:?}");
    let identifier = Identifier::Email("a@example.com");
    assert_eq!(store.user_by_identifier(&tenant(), &connection(), identifier).await.unwrap(), None);
}

async fn an_id_an_email_or_a_username_is_taken_once(store: TestStore) {
    let mut first = new_user("auth0|1", "a@example.com");
    first.username = Some("ada".to_owned());
    store.create_user(&tenant(), &first).await.unwrap();
    let mut same_id = new_user("auth0|1", "b@example.com");
    same_id.username = Some("bob".to_owned());
    let same_email = new_user("auth0|2", "a@example.com");
    let mut same_username = new_user("auth0|3", "c@example.com");
    same_username.username = Some("ada".to_owned());
    for (new, field) in
        [(same_id, TakenField::Id), (same_email, TakenField::Email), (same_username, TakenField::Username)]
    {
        assert_eq!(store.create_user(&tenant(), &new).await.unwrap(), Created::Taken(field));
    }
    // Nothing of them was kept, and another connection or tenant has names of its own.
    let users = store.users(&tenant(), None, 10).await.unwrap();
    assert_eq!(users.len(), 1);
    let mut elsewhere = new_user("other|1", "a@example.com");
    elsewhere.connection = "other".into();
    assert!(matches!(store.create_user(&tenant(), &elsewhere).await.unwrap(), Created::User(_)));
    assert!(matches!(store.create_user(&"t2".into(), &first).await.unwrap(), Created::User(_)));
}

async fn one_of_64_signups_wins(store: TestStore) {
    let answers =
        race(|number| {
            let store = store.share();
            async move {
                store.create_user(&tenant(), &new_user(&format!("auth0|{number}"), "a@example.com")).await.unwrap()
            }
        })
        .await;
    let made = answers.iter().filter(|answer| matches!(answer, Created::User(_))).count();
    assert_eq!(made, 1);
    assert!(answers.iter().all(|answer| matches!(answer, Created::User(_) | Created::Taken(TakenField::Email))));
    assert_eq!(store.users(&tenant(), None, 100).await.unwrap().len(), 1);
}

async fn a_stale_writer_is_told(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let change = UserChange { email_verified: Some(true), ..UserChange::default() };
    let first = store.change_user(&tenant(), &ada.id, ada.version, &change, &Author::User, at(5)).await.unwrap();
    assert_eq!(first, Changed::Done(Version(2)));
    let second = store.change_user(&tenant(), &ada.id, ada.version, &change, &Author::User, at(6)).await.unwrap();
    assert_eq!(second, Changed::Conflict);
    let now = read(&*store, &ada).await;
    assert_eq!((now.version, now.updated_at, now.email_verified), (Version(2), at(5), true));
    let nobody = store.change_user(&tenant(), &"nobody".into(), Version(1), &change, &Author::User, NOW).await.unwrap();
    assert_eq!(nobody, Changed::Gone);
}

async fn a_change_of_email_frees_the_old_one(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let bob = user(&*store, "bob").await;
    let taken = UserChange { email: Some(bob.email.clone()), ..UserChange::default() };
    let answer = store.change_user(&tenant(), &ada.id, ada.version, &taken, &Author::User, NOW).await.unwrap();
    assert_eq!(answer, Changed::Taken(TakenField::Email));
    let mail = |text: &str| UserChange { email: Some(Some(text.to_owned())), ..UserChange::default() };
    let answer = store.change_user(&tenant(), &ada.id, ada.version, &mail("new@example.com"), &Author::User, NOW).await;
    assert_eq!(answer.unwrap(), Changed::Done(Version(2)));
    let answer = store.change_user(&tenant(), &bob.id, bob.version, &mail("ada@example.com"), &Author::User, NOW).await;
    assert_eq!(answer.unwrap(), Changed::Done(Version(2)));
    let found = store.user_by_identifier(&tenant(), &connection(), Identifier::Email("ada@example.com")).await.unwrap();
    assert_eq!(found.map(|user| user.id), Some(bob.id.clone()));
}

async fn who_wrote_a_key_is_known_even_when_it_is_gone(store: TestStore) {
    let mut new = new_user("ada", "ada@example.com");
    new.user_metadata = Some(object(json!({"colour": "red", "size": 1})));
    store.create_user(&tenant(), &new).await.unwrap();
    let bag = Some(Some(object(json!({"size": 1, "shape": "round"}))));
    let change = UserChange { user_metadata: bag, ..UserChange::default() };
    let operator = Author::Operator { name: "root".to_owned() };
    store.change_user(&tenant(), &"ada".into(), Version(1), &change, &operator, at(9)).await.unwrap();
    let told = store.provenance(&tenant(), &"ada".into()).await.unwrap();
    let told: Vec<_> = told.iter().map(|line| (line.key.as_str(), &line.by, line.at, line.deleted)).collect();
    let expected = vec![
        ("colour", &operator, at(9), true),
        ("shape", &operator, at(9), false),
        ("size", &Author::User, NOW, false),
    ];
    assert_eq!(told, expected);
}

/// Everything that a user can hold.
async fn with_everything(store: &TestStore) -> User {
    let ada = user(&**store, "ada").await;
    let commit = allow_with(&ada, "login-1", |allowed| {
        allowed.session = SessionUse::Open(new_session("session"));
        allowed.code = Some(new_code("code", true));
        allowed.refresh = RefreshUse::Issue { family: family("family"), document: object(json!({})) };
    });
    done(&**store, &commit).await;
    store.put_token(&tenant(), &one_time_token("token", &ada), Alone::Yes).await.unwrap();
    read(&**store, &ada).await
}

fn one_time_token(name: &str, user: &User) -> OneTimeToken {
    OneTimeToken {
        digest: secret(name),
        purpose: Purpose::PasswordReset,
        user: user.id.clone(),
        client: None,
        document: object(json!({})),
        at: NOW,
        expires_at: later(),
        attempts: 0,
    }
}

async fn holds_nothing(store: &TestStore) {
    assert_eq!(store.session(&tenant(), &secret("session"), at(1)).await.unwrap(), None);
    assert_eq!(store.redeem_code(&tenant(), &redeem("code")).await.unwrap(), Redeemed::Refused);
    let token = store.refresh_token(&tenant(), &secret("family-0"), &shop(), at(1)).await.unwrap();
    assert_eq!(token, Presented::Refused);
    let token = store.take_token(&tenant(), Purpose::PasswordReset, &secret("token"), at(1)).await.unwrap();
    assert_eq!(token, None);
}

async fn a_blocked_user_loses_everything(store: TestStore) {
    let ada = with_everything(&store).await;
    assert!(store.session(&tenant(), &secret("session"), at(1)).await.unwrap().is_some());
    let change = UserChange { blocked: Some(true), ..UserChange::default() };
    store.change_user(&tenant(), &ada.id, ada.version, &change, &Author::User, NOW).await.unwrap();
    holds_nothing(&store).await;
    let change = UserChange { blocked: Some(false), ..UserChange::default() };
    let version = Version(ada.version.0 + 1);
    store.change_user(&tenant(), &ada.id, version, &change, &Author::User, NOW).await.unwrap();
    holds_nothing(&store).await;
}

async fn a_deleted_user_is_erased_and_the_journal_stays_valid(store: TestStore) {
    let ada = with_everything(&store).await;
    let bob = user(&*store, "bob").await;
    done(&*store, &allow(&bob, "login-2")).await;
    assert!(store.delete_user(&tenant(), &ada.id, NOW).await.unwrap());
    assert!(!store.delete_user(&tenant(), &ada.id, NOW).await.unwrap());
    assert_eq!(store.user(&tenant(), &ada.id).await.unwrap(), None);
    holds_nothing(&store).await;
    let record = store.login(&tenant(), &"login-1".into()).await.unwrap().unwrap();
    assert_eq!((record.user, record.client, record.replay), (None, None, None));
    assert!(record.summary.is_empty());
    let entries = store.journal(&tenant(), &JournalQuery { limit: 10, ..JournalQuery::default() }).await.unwrap();
    assert!(entries.iter().any(|entry| entry.what == EntryKind::Redacted));
    assert!(
        entries
            .iter()
            .any(|entry| matches!(&entry.what, EntryKind::Login(login) if login.user == Some(bob.id.clone())))
    );
    let report = store.verify().await.unwrap();
    assert_eq!((report.damage, report.entries), (vec![], 2));
    // The name is free again.
    user(&*store, "ada").await;
}

async fn users_are_listed_by_id(store: TestStore) {
    for id in ["c", "a", "b"] {
        user(&*store, id).await;
    }
    let ids = |users: Vec<User>| users.into_iter().map(|user| user.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(store.users(&tenant(), None, 2).await.unwrap()), ["a", "b"]);
    assert_eq!(ids(store.users(&tenant(), Some(&"b".into()), 2).await.unwrap()), ["c"]);
    assert!(store.users(&"t2".into(), None, 9).await.unwrap().is_empty());
}

async fn one_of_64_changes_of_one_version_wins(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let answers = race(|number| {
        let (store, id) = (store.share(), ada.id.clone());
        async move {
            let bag = Some(Some(object(json!({"winner": number}))));
            let change = UserChange { app_metadata: bag, ..UserChange::default() };
            store.change_user(&tenant(), &id, Version(1), &change, &Author::User, NOW).await.unwrap()
        }
    })
    .await;
    let winners: Vec<_> = (0..64).filter(|number| answers[*number] == Changed::Done(Version(2))).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Changed::Conflict).count(), 63);
    assert_eq!(read(&*store, &ada).await.app_metadata, Some(object(json!({"winner": winners[0]}))));
}
