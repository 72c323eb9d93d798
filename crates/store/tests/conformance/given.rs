//! What tests begin with, and the commits they make.

use std::{future::Future, time::Duration};

use serde_json::{Map, Value, json};
use vestibule_store::*;
use vestibule_testkit::stores::{NOW, act};

/// The tenant of most tests.
pub(crate) fn tenant() -> TenantId {
    TenantId::default()
}

/// A moment after the tests' beginning.
pub(crate) fn at(milliseconds: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(milliseconds))
}

/// An hour later.
pub(crate) fn later() -> Timestamp {
    NOW.plus(Duration::from_secs(3_600))
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

pub(crate) fn secret(name: &str) -> TokenDigest {
    TokenDigest::of(name)
}

pub(crate) fn connection() -> ConnectionName {
    "Username-Password-Authentication".into()
}

pub(crate) fn shop() -> ClientId {
    "shop".into()
}

/// An act of which a test asks no more than that it is told.
pub(crate) fn some_act() -> Act {
    act(OperatorAct::Backup)
}

/// A user to be made.
pub(crate) fn new_user(id: &str, email: &str) -> NewUser {
    NewUser {
        id: id.into(),
        connection: connection(),
        email: Some(email.to_owned()),
        email_verified: false,
        username: None,
        profile: object(json!({"name": id, "nickname": "n"})),
        user_metadata: None,
        app_metadata: None,
        identities: vec![json!({"provider": "auth0", "user_id": id, "connection": "Username-Password-Authentication"})],
        password: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned()),
        by: Author::User,
        at: NOW,
    }
}

/// A user that exists.
pub(crate) async fn user(store: &dyn Store, id: &str) -> User {
    match store.create_user(&tenant(), &new_user(id, &format!("{id}@example.com"))).await.unwrap() {
        Created::User(user) => user,
        Created::Taken(field) => panic!("{field:?} of {id} is taken"),
    }
}

/// The user as it is now.
pub(crate) async fn read(store: &dyn Store, user: &User) -> User {
    store.user(&tenant(), &user.id).await.unwrap().unwrap()
}

/// A login that is allowed and changes nothing.
pub(crate) fn allow(user: &User, login: &str) -> LoginCommit {
    let allowed = Allowed {
        read: user.version,
        user_metadata: None,
        app_metadata: None,
        written: Vec::new(),
        session: SessionUse::None,
        code: None,
        refresh: RefreshUse::None,
    };
    LoginCommit {
        login: login.into(),
        leg: 0,
        user: user.id.clone(),
        client: shop(),
        generation: Some(GenerationNumber(1)),
        at: NOW,
        now: NOW,
        counts: Some(Facts { at: NOW, ip: Some("192.0.2.1".to_owned()) }),
        verdict: Verdict::Allow(Box::new(allowed)),
        entry: LoginEntry {
            outcome: "allow".to_owned(),
            summary: object(json!({"protocol": "oidc-basic-profile"})),
            replay: Some(b"sealed".to_vec()),
        },
    }
}

/// The same, with changes to what is allowed.
pub(crate) fn allow_with(user: &User, login: &str, change: impl FnOnce(&mut Allowed)) -> LoginCommit {
    let mut commit = allow(user, login);
    if let Verdict::Allow(allowed) = &mut commit.verdict {
        change(allowed);
    }
    commit
}

/// A login that is refused.
pub(crate) fn refuse(user: &User, login: &str) -> LoginCommit {
    let mut commit = allow(user, login);
    commit.verdict = Verdict::Refuse { read: Some(user.version) };
    commit.entry.outcome = "deny".to_owned();
    commit
}

pub(crate) fn new_session(name: &str) -> NewSession {
    NewSession {
        id: name.into(),
        cookie: secret(name),
        replaces: None,
        authenticated_at: NOW,
        methods: vec![json!({"name": "pwd"})],
        document: Map::new(),
        idle_until: later(),
        expires_at: later(),
    }
}

pub(crate) fn new_code(name: &str, offline: bool) -> NewCode {
    NewCode {
        digest: secret(name),
        client: shop(),
        redirect_uri: "https://shop.example.com/callback".to_owned(),
        challenge: "challenge".to_owned(),
        offline,
        document: object(json!({"scope": ["openid"]})),
        expires_at: at(60_000),
    }
}

pub(crate) fn family(name: &str) -> NewFamily {
    NewFamily { id: name.into(), token: secret(&format!("{name}-0")), idle_until: later(), expires_at: later() }
}

/// How a client redeems what [`new_code`] issued.
pub(crate) fn redeem(code: &str) -> Redeem {
    Redeem {
        revoked_until: later(),
        digest: secret(code),
        client: shop(),
        redirect_uri: "https://shop.example.com/callback".to_owned(),
        challenge: "challenge".to_owned(),
        refresh: family(&format!("family-of-{code}")),
        now: at(1_000),
    }
}

/// A login that swaps the tokens of a family.
pub(crate) fn rotate(user: &User, login: &str, presented: &str, next: &str) -> LoginCommit {
    let mut commit = allow_with(user, login, |allowed| {
        allowed.refresh = RefreshUse::Rotate { presented: secret(presented), next: secret(next), idle_until: later() };
    });
    commit.counts = None;
    commit
}

/// Commits what must go well.
pub(crate) async fn done(store: &dyn Store, commit: &LoginCommit) {
    let committed = store.commit_login(&tenant(), commit).await.unwrap();
    assert!(matches!(committed, Committed::Done), "{committed:?}");
}

/// Sixty-four at the same time; their answers.
pub(crate) async fn race<T, F>(attempt: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let running: Vec<_> = (0..64).map(|number| tokio::spawn(attempt(number))).collect();
    let mut answers = Vec::new();
    for attempt in running {
        answers.push(attempt.await.unwrap());
    }
    answers
}
