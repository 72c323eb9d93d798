//! Logins that can be checked: each leaves the same count in both bags, a session and a code.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use vestibule_store::*;
use vestibule_testkit::stores::NOW;

pub(crate) fn tenant() -> TenantId {
    TenantId::default()
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

pub(crate) fn later() -> Timestamp {
    NOW.plus(std::time::Duration::from_secs(3_600))
}

/// Makes a user if there is none.
pub(crate) async fn ensure_user(store: &dyn Store, id: &str) {
    let new = NewUser {
        id: id.into(),
        connection: "db".into(),
        email: Some(format!("{id}@example.com")),
        email_verified: true,
        username: None,
        profile: object(json!({"name": id})),
        user_metadata: None,
        app_metadata: None,
        identities: Vec::new(),
        password: None,
        by: Author::User,
        at: NOW,
    };
    store.create_user(&tenant(), &new).await.unwrap();
}

/// A login that writes these bags and leaves a session and a code behind, all named after it.
pub(crate) fn login(user: &User, name: &str, user_bag: Value, app_bag: Value) -> LoginCommit {
    let bag = |bag| Some(Some(object(bag)));
    let session = NewSession {
        id: name.into(),
        cookie: TokenDigest::of(&format!("session {name}")),
        replaces: None,
        authenticated_at: NOW,
        methods: Vec::new(),
        document: Map::new(),
        idle_until: later(),
        expires_at: later(),
    };
    let code = NewCode {
        digest: TokenDigest::of(&format!("code {name}")),
        client: "shop".into(),
        redirect_uri: "https://shop.example.com".to_owned(),
        challenge: "challenge".to_owned(),
        offline: false,
        document: Map::new(),
        expires_at: later(),
    };
    let written = |bag| KeyWritten { bag, key: "count".to_owned(), rule: "count".to_owned(), revision: "r".into() };
    let allowed = Allowed {
        read: user.version,
        user_metadata: bag(user_bag),
        app_metadata: bag(app_bag),
        written: vec![written(Bag::UserMetadata), written(Bag::AppMetadata)],
        session: SessionUse::Open(session),
        code: Some(code),
        refresh: RefreshUse::None,
    };
    LoginCommit {
        login: name.into(),
        leg: 0,
        user: user.id.clone(),
        client: "shop".into(),
        generation: None,
        at: NOW,
        now: NOW,
        counts: Some(Facts { at: NOW, ip: None }),
        verdict: Verdict::Allow(Box::new(allowed)),
        entry: LoginEntry { outcome: "allow".to_owned(), summary: Map::new(), replay: Some(vec![7; 200]) },
    }
}

/// A login that counts in both bags.
pub(crate) fn counting(user: &User, name: &str) -> LoginCommit {
    let count = user.logins_count + 1;
    login(user, name, json!({"count": count}), json!({"count": count, "last": name}))
}

/// Logs in once, however many conflicts it takes; whether it was acknowledged, or its end is unknown.
pub(crate) async fn log_in(store: &dyn Store, user: &str, name: &str) -> Result<(), StoreError> {
    loop {
        let user = store.user(&tenant(), &user.into()).await?.unwrap();
        match store.commit_login(&tenant(), &counting(&user, name)).await {
            Ok(Committed::Done | Committed::Known(_)) => return Ok(()),
            Err(CommitError::Conflict) => {}
            Err(CommitError::Store(error)) => return Err(error),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Logs in for ever with several workers; each acknowledged login is told.
pub(crate) async fn log_in_for_ever(store: Arc<dyn Store>, run: String, told: impl Fn(&str) + Send + Sync + 'static) {
    let told = Arc::new(told);
    let workers = (0..4).map(|worker| {
        let (store, told, run) = (Arc::clone(&store), Arc::clone(&told), run.clone());
        tokio::spawn(async move {
            for number in 0_u64.. {
                let name = format!("{run}-{worker}-{number}");
                if log_in(&*store, USERS[usize::try_from(number).unwrap() % USERS.len()], &name).await.is_ok() {
                    told(&name);
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

pub(crate) const USERS: [&str; 3] = ["ada", "bob", "cleo"];

/// What must hold whatever happened: every acknowledged login is whole, and nothing is there by half. How many logins are
/// durable.
pub(crate) async fn check_logins(store: &dyn Store, acknowledged: &[String]) -> i64 {
    let mut durable = 0;
    for id in USERS {
        let Some(user) = store.user(&tenant(), &id.into()).await.unwrap() else { continue };
        let count = user.logins_count;
        durable += count;
        assert_eq!(user.version.0, count + 1, "{id}");
        if count > 0 {
            let (ours, theirs) = (user.user_metadata.unwrap(), user.app_metadata.unwrap());
            assert_eq!((&ours["count"], &theirs["count"]), (&json!(count), &json!(count)), "{id}");
            let last = theirs["last"].as_str().unwrap();
            assert!(is_whole(store, last).await, "{last} is what {id} says, and half of it is missing");
        }
    }
    for name in acknowledged {
        assert!(is_whole(store, name).await, "{name} was acknowledged and is lost");
    }
    durable
}

/// Whether a login has its entry, its session and its code.
async fn is_whole(store: &dyn Store, name: &str) -> bool {
    let Some(record) = store.login(&tenant(), &name.into()).await.unwrap() else { return false };
    let cookie = TokenDigest::of(&format!("session {name}"));
    record.issued.code == Some(TokenDigest::of(&format!("code {name}")))
        && store.session(&tenant(), &cookie, NOW).await.unwrap().is_some()
}
