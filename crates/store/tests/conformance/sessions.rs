//! Codes, refresh tokens and sessions.

use serde_json::json;
use vestibule_store::*;
use vestibule_testkit::stores::{NOW, TestStore};

use crate::given::*;

super::on_both![
    one_of_64_redemptions_wins_and_the_others_revoke_what_came_of_it,
    a_code_is_bound_to_client_redirect_and_verifier,
    an_expired_code_is_refused,
    a_code_that_is_presented_again_revokes_its_family,
    a_code_that_is_presented_again_revokes_all_logins_of_its_family,
    a_mark_of_what_was_revoked_outlives_a_block,
    a_refresh_token_rotates_in_the_commit,
    a_reused_refresh_token_kills_its_family,
    one_of_64_rotations_wins,
    a_denied_run_leaves_the_refresh_token_valid,
    a_token_without_rotation_stays_while_it_is_used,
    a_client_revokes_its_own_tokens_only,
    a_session_ends_by_time_or_by_hand,
    a_new_authentication_replaces_the_session,
    what_is_over_is_tidied_away,
];

/// A family with its first token `f-0`.
async fn with_family(store: &TestStore) -> User {
    let ada = user(&**store, "ada").await;
    let commit = allow_with(&ada, "login", |allowed| {
        allowed.refresh = RefreshUse::Issue { family: family("f"), document: object(json!({"scope": ["openid"]})) };
    });
    done(&**store, &commit).await;
    read(&**store, &ada).await
}

async fn with_code(store: &TestStore, offline: bool) -> User {
    let ada = user(&**store, "ada").await;
    let commit = allow_with(&ada, "login", |allowed| allowed.code = Some(new_code("code", offline)));
    done(&**store, &commit).await;
    read(&**store, &ada).await
}

async fn present(store: &TestStore, token: &str) -> Presented {
    store.refresh_token(&tenant(), &secret(token), &shop(), at(2_000)).await.unwrap()
}

async fn one_of_64_redemptions_wins_and_the_others_revoke_what_came_of_it(store: TestStore) {
    with_code(&store, true).await;
    let answers = race(|number| {
        let (store, mut redeem) = (store.share(), redeem("code"));
        redeem.refresh = family(&format!("f{number}"));
        async move { store.redeem_code(&tenant(), &redeem).await.unwrap() }
    })
    .await;
    let won: Vec<_> = (0..64).filter(|number| matches!(answers[*number], Redeemed::Code(_))).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Redeemed::Replayed("login".into())).count(), 63);
    for number in 0..64 {
        assert_eq!(present(&store, &format!("f{number}-0")).await, Presented::Refused);
    }
}

async fn a_code_is_bound_to_client_redirect_and_verifier(store: TestStore) {
    with_code(&store, false).await;
    let wrong = [
        Redeem { client: "forum".into(), ..redeem("code") },
        Redeem { redirect_uri: "https://shop.example.com/callback/".to_owned(), ..redeem("code") },
        Redeem { challenge: "Challenge".to_owned(), ..redeem("code") },
        redeem("another"),
    ];
    for wrong in &wrong {
        assert_eq!(store.redeem_code(&tenant(), wrong).await.unwrap(), Redeemed::Refused);
    }
    assert_eq!(store.redeem_code(&"t2".into(), &redeem("code")).await.unwrap(), Redeemed::Refused);
    assert!(matches!(store.redeem_code(&tenant(), &redeem("code")).await.unwrap(), Redeemed::Code(_)));
    // No refresh token was granted, so none was made.
    assert_eq!(present(&store, "family-of-code-0").await, Presented::Refused);
}

async fn an_expired_code_is_refused(store: TestStore) {
    with_code(&store, false).await;
    let late = Redeem { now: at(60_000), ..redeem("code") };
    assert_eq!(store.redeem_code(&tenant(), &late).await.unwrap(), Redeemed::Refused);
}

async fn a_code_that_is_presented_again_revokes_its_family(store: TestStore) {
    with_code(&store, true).await;
    assert!(matches!(store.redeem_code(&tenant(), &redeem("code")).await.unwrap(), Redeemed::Code(_)));
    assert!(matches!(present(&store, "family-of-code-0").await, Presented::Current(_)));
    let store = store.reopen().await;
    let marked = async |now| store.token(&tenant(), Purpose::RevokedLogin, &secret("login"), now).await.unwrap();
    assert_eq!(marked(at(70_000)).await, None);
    let late = Redeem { now: at(70_000), client: "forum".into(), ..redeem("code") };
    assert_eq!(store.redeem_code(&tenant(), &late).await.unwrap(), Redeemed::Replayed("login".into()));
    assert_eq!(present(&store, "family-of-code-0").await, Presented::Refused);
    let mark = marked(at(70_000)).await.unwrap();
    assert_eq!((mark.user, mark.client, mark.expires_at), ("ada".into(), Some(shop()), later()));
}

/// Whether what a login issued was revoked.
async fn is_revoked(store: &TestStore, login: &str) -> bool {
    let record = store.login(&tenant(), &login.into()).await.unwrap().expect("a login");
    store.is_revoked(&tenant(), &record.issued).await.unwrap()
}

async fn a_code_that_is_presented_again_revokes_all_logins_of_its_family(store: TestStore) {
    let ada = with_code(&store, true).await;
    assert!(matches!(store.redeem_code(&tenant(), &redeem("code")).await.unwrap(), Redeemed::Code(_)));
    let ada = read(&*store, &ada).await;
    done(&*store, &rotate(&ada, "refresh-1", "family-of-code-0", "next-1")).await;
    done(&*store, &rotate(&ada, "refresh-2", "next-1", "next-2")).await;
    done(&*store, &allow(&ada, "another")).await;
    for login in ["login", "refresh-1", "refresh-2", "another"] {
        assert!(!is_revoked(&store, login).await, "{login}");
    }
    store.redeem_code(&tenant(), &redeem("code")).await.unwrap();
    for (login, expected) in [("login", true), ("refresh-1", true), ("refresh-2", true), ("another", false)] {
        assert_eq!(is_revoked(&store, login).await, expected, "{login}");
    }
}

async fn a_mark_of_what_was_revoked_outlives_a_block(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let mark = |purpose, name: &str| OneTimeToken {
        digest: secret(name),
        purpose,
        user: ada.id.clone(),
        client: None,
        document: object(json!({})),
        at: NOW,
        expires_at: later(),
        attempts: 0,
    };
    store.put_token(&tenant(), &mark(Purpose::RevokedLogin, "m"), Alone::No).await.unwrap();
    store.put_token(&tenant(), &mark(Purpose::PasswordReset, "t"), Alone::No).await.unwrap();
    let block = UserChange { blocked: Some(true), ..UserChange::default() };
    store.change_user(&tenant(), &ada.id, ada.version, &block, &Author::User, NOW).await.unwrap();
    let left = |purpose, name: &'static str| {
        let store = store.share();
        async move { store.token(&tenant(), purpose, &secret(name), at(1)).await.unwrap().is_some() }
    };
    assert!(left(Purpose::RevokedLogin, "m").await);
    assert!(!left(Purpose::PasswordReset, "t").await);
    store.delete_user(&tenant(), &ada.id, NOW).await.unwrap();
    assert!(!left(Purpose::RevokedLogin, "m").await, "who is erased is erased");
}

async fn a_refresh_token_rotates_in_the_commit(store: TestStore) {
    let ada = with_family(&store).await;
    let Presented::Current(found) = present(&store, "f-0").await else { panic!("refused") };
    assert_eq!(
        (found.user, found.client, found.document),
        (ada.id.clone(), shop(), object(json!({"scope": ["openid"]})))
    );
    done(&*store, &rotate(&ada, "refresh-1", "f-0", "f-1")).await;
    assert_eq!(read(&*store, &ada).await, ada); // A refresh counts nothing.
    let store = store.reopen().await;
    assert!(matches!(present(&store, "f-1").await, Presented::Current(_)));
    done(&*store, &rotate(&ada, "refresh-2", "f-1", "f-2")).await;
    assert!(matches!(present(&store, "f-2").await, Presented::Current(_)));
}

async fn a_reused_refresh_token_kills_its_family(store: TestStore) {
    let ada = with_family(&store).await;
    done(&*store, &rotate(&ada, "refresh-1", "f-0", "f-1")).await;
    // Another client learns nothing from it, and does no harm with it.
    let other = store.refresh_token(&tenant(), &secret("f-0"), &"forum".into(), at(1)).await.unwrap();
    assert_eq!(other, Presented::Refused);
    assert!(matches!(present(&store, "f-1").await, Presented::Current(_)));
    assert_eq!(present(&store, "f-0").await, Presented::Reused("f".into()));
    assert_eq!(present(&store, "f-1").await, Presented::Refused);
    let answer = store.commit_login(&tenant(), &rotate(&ada, "refresh-2", "f-1", "f-2")).await;
    assert!(matches!(answer, Err(CommitError::Spent)), "{answer:?}");
    let store = store.reopen().await;
    assert_eq!(present(&store, "f-1").await, Presented::Refused);
}

async fn one_of_64_rotations_wins(store: TestStore) {
    let ada = with_family(&store).await;
    let answers = race(|number| {
        let (store, commit) = (store.share(), rotate(&ada, &format!("r{number}"), "f-0", &format!("n{number}")));
        async move { store.commit_login(&tenant(), &commit).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(Committed::Done))).count(), 1);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(CommitError::Spent))).count(), 63);
    for number in 0..64 {
        assert_eq!(present(&store, &format!("n{number}")).await, Presented::Refused); // Reuse killed the family.
    }
}

async fn a_denied_run_leaves_the_refresh_token_valid(store: TestStore) {
    let ada = with_family(&store).await;
    let mut denied = refuse(&ada, "refresh");
    denied.counts = None;
    done(&*store, &denied).await;
    assert!(matches!(present(&store, "f-0").await, Presented::Current(_)));
}

async fn a_token_without_rotation_stays_while_it_is_used(store: TestStore) {
    let ada = with_family(&store).await;
    for number in 0..3 {
        let mut keep = allow_with(&ada, &format!("refresh-{number}"), |allowed| {
            allowed.refresh = RefreshUse::Keep { presented: secret("f-0"), idle_until: at(5_000) };
        });
        keep.counts = None;
        done(&*store, &keep).await;
    }
    assert!(matches!(present(&store, "f-0").await, Presented::Current(_)));
    let idle = store.refresh_token(&tenant(), &secret("f-0"), &shop(), at(5_000)).await.unwrap();
    assert_eq!(idle, Presented::Refused);
}

async fn a_client_revokes_its_own_tokens_only(store: TestStore) {
    let ada = with_family(&store).await;
    store.revoke_token(&tenant(), &secret("f-0"), &"forum".into(), at(1)).await.unwrap();
    assert!(matches!(present(&store, "f-0").await, Presented::Current(_)));
    store.revoke_token(&tenant(), &secret("f-0"), &shop(), at(1)).await.unwrap();
    assert_eq!(present(&store, "f-0").await, Presented::Refused);
    let answer = store.commit_login(&tenant(), &rotate(&ada, "r", "f-0", "f-1")).await;
    assert!(matches!(answer, Err(CommitError::Spent)), "{answer:?}");
}

async fn a_session_ends_by_time_or_by_hand(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let mut session = new_session("s");
    session.idle_until = at(1_000);
    let commit = allow_with(&ada, "login", |allowed| {
        allowed.session = SessionUse::Open(session.clone());
        allowed.code = Some(new_code("code", false));
    });
    done(&*store, &commit).await;
    let find = |now| {
        let store = store.share();
        async move { store.session(&tenant(), &secret("s"), at(now)).await.unwrap() }
    };
    assert!(find(999).await.is_some());
    assert_eq!(find(1_000).await, None);
    assert!(store.touch_session(&tenant(), &session.id, at(999), at(2_000)).await.unwrap());
    assert_eq!(find(1_500).await.map(|session| session.seen_at), Some(at(999)));
    assert!(!store.touch_session(&tenant(), &session.id, at(2_000), at(9_000)).await.unwrap());
    assert_eq!(store.sessions_of(&tenant(), &ada.id, at(1_500)).await.unwrap().len(), 1);
    assert!(store.end_session(&"t2".into(), &session.id).await.unwrap().is_none());
    assert!(store.end_session(&tenant(), &session.id).await.unwrap().is_some());
    assert_eq!(find(1_500).await, None);
    assert_eq!(store.redeem_code(&tenant(), &redeem("code")).await.unwrap(), Redeemed::Refused);
    assert_eq!(store.end_sessions_of(&tenant(), &ada.id).await.unwrap(), 0);
}

async fn a_new_authentication_replaces_the_session(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let first = allow_with(&ada, "one", |allowed| allowed.session = SessionUse::Open(new_session("old")));
    done(&*store, &first).await;
    let second = allow_with(&read(&*store, &ada).await, "two", |allowed| {
        allowed.session = SessionUse::Open(NewSession { replaces: Some("old".into()), ..new_session("new") });
    });
    done(&*store, &second).await;
    assert_eq!(store.session(&tenant(), &secret("old"), at(1)).await.unwrap(), None);
    assert!(store.session(&tenant(), &secret("new"), at(1)).await.unwrap().is_some());
}

async fn what_is_over_is_tidied_away(store: TestStore) {
    let ada = user(&*store, "ada").await;
    let commit = allow_with(&ada, "login", |allowed| {
        allowed.session = SessionUse::Open(new_session("s"));
        allowed.code = Some(new_code("code", false));
        allowed.refresh = RefreshUse::Issue { family: family("f"), document: object(json!({})) };
    });
    done(&*store, &commit).await;
    assert_eq!(store.tidy(at(1)).await.unwrap(), Tidied::default());
    let tidied = store.tidy(later()).await.unwrap();
    assert_eq!(tidied, Tidied { sessions: 1, codes: 1, families: 1, one_time: 0, letters: 0 });
    assert_eq!(store.tidy(later()).await.unwrap(), Tidied::default());
    assert_eq!(store.verify().await.unwrap().damage, vec![]);
}
