//! One act is one transaction: whichever of its statements fails, nothing of it is there, and what the journal tells of it
//! is there with it.
//!
//! Each verb runs on a database that refuses the first thing it writes, then the second, and so on until it gets through.
//! After each refusal every table is what it was before.

mod failing;
mod fragile;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Map, json};

use self::fragile::Fragile;
use super::Sql;
use crate::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// What an act that nodes are told of changes, beside its own table.
const TOLD: [&str; 3] = ["chains", "installation", "journal"];

fn tenant() -> TenantId {
    TenantId::default()
}

fn at(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn act(what: OperatorAct, seconds: u64) -> Act {
    Act { what, by: "root".to_owned(), at: at(seconds) }
}

fn and_told(tables: &[&'static str]) -> BTreeSet<&'static str> {
    tables.iter().copied().chain(TOLD).collect()
}

fn token(name: &str, purpose: Purpose) -> OneTimeToken {
    OneTimeToken {
        digest: TokenDigest::of(name),
        purpose,
        user: "ada".into(),
        client: None,
        document: Map::new(),
        at: NOW,
        expires_at: at(60),
        attempts: 0,
    }
}

/// Makes two tests of each: one for each database.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Fragile::sqlite().await).await;
            }
        )*}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Fragile::postgres().await).await;
            }
        )*}
    };
}

on_both![
    a_secret_and_its_entry_come_together,
    a_client_and_its_entry_come_together,
    a_connection_and_a_tenant_come_with_their_entries,
    a_deploy_and_its_entry_come_together,
    a_window_and_its_entry_come_together,
    a_factor_its_recovery_codes_and_its_notice_come_together,
    a_lost_factor_goes_with_all_that_it_opened,
    a_new_password_and_what_it_ends_come_together,
    a_replayed_code_ends_all_that_came_of_it_together,
];

async fn a_secret_and_its_entry_come_together(fragile: Fragile) {
    let new = NewSealed {
        kind: SealedKind::Secret,
        name: "k".to_owned(),
        sealed: b"sealed".to_vec(),
        note: Map::new(),
        expected: None,
    };
    let set = act(OperatorAct::SecretSet { name: "k".to_owned() }, 1);
    let changed = fragile.changed_by(async |store| store.put_sealed(&tenant(), &new, &set).await).await;
    assert_eq!(changed, and_told(&["sealed_values"]));
    let told = fragile.last_event().await;
    assert_eq!((told.kind.as_str(), told.by.as_str()), ("secret_set", "root"));
    assert_eq!(told.summary, Map::from_iter([("name".to_owned(), json!("k")), ("version".to_owned(), json!(1))]));

    let gone = act(OperatorAct::SecretRemoved { name: "k".to_owned() }, 2);
    let remove = async |store: &Sql| store.remove_sealed(&tenant(), SealedKind::Secret, "k", &gone).await;
    assert_eq!(fragile.changed_by(remove).await, and_told(&["sealed_values"]));
    assert_eq!(fragile.last_event().await.kind, "secret_removed");
    // What removes nothing is no act.
    let before = fragile.tables().await;
    assert!(!remove(&fragile.store).await.unwrap());
    assert_eq!(fragile.tables().await, before);
}

async fn a_client_and_its_entry_come_together(fragile: Fragile) {
    let client = Client {
        id: "shop".into(),
        name: "Shop".to_owned(),
        secret: None,
        settings: ClientSettings::default(),
        created_at: NOW,
    };
    let put = act(OperatorAct::ClientPut { client: client.id.clone() }, 1);
    let changed = fragile.changed_by(async |store| store.put_client(&tenant(), &client, &put).await).await;
    assert_eq!(changed, and_told(&["clients"]));
    assert_eq!(fragile.last_event().await.kind, "client_put");
    let gone = act(OperatorAct::ClientRemoved { client: client.id.clone() }, 2);
    let changed = fragile.changed_by(async |store| store.remove_client(&tenant(), &client.id, &gone).await).await;
    assert_eq!(changed, and_told(&["clients"]));
    assert_eq!(fragile.last_event().await.kind, "client_removed");
}

async fn a_connection_and_a_tenant_come_with_their_entries(fragile: Fragile) {
    let connection =
        Connection { name: "db".into(), strategy: "auth0".to_owned(), settings: Map::new(), metadata: Map::new() };
    let put = act(OperatorAct::ConnectionPut { connection: "db".into() }, 1);
    let changed = fragile.changed_by(async |store| store.put_connection(&tenant(), &connection, &put).await).await;
    assert_eq!(changed, and_told(&["connections"]));
    let acme = Tenant {
        id: tenant(),
        hosts: Vec::new(),
        settings: Map::from_iter([("a".to_owned(), json!(1))]),
        created_at: NOW,
    };
    let put = act(OperatorAct::TenantPut { tenant: tenant() }, 2);
    let changed = fragile.changed_by(async |store| store.put_tenant(&acme, &put).await).await;
    assert_eq!(changed, and_told(&["tenants"]));
    assert_eq!(fragile.last_event().await.kind, "tenant_put");
}

async fn a_deploy_and_its_entry_come_together(fragile: Fragile) {
    let store = &fragile.store;
    let new =
        NewGeneration { digest: "d".into(), rules: Vec::new(), document: Map::new(), by: "root".to_owned(), at: NOW };
    for number in 1..=2 {
        let proposed = store.propose_generation(&tenant(), &new).await.unwrap();
        assert_eq!(proposed, Proposed::Generation(GenerationNumber(number)));
    }
    let (generation, digest) = (GenerationNumber(1), RevisionDigest::from("d"));
    let deploy = act(OperatorAct::Deploy { generation, digest, before: None }, 1);
    let changed = fragile.changed_by(async |store| store.activate(&tenant(), generation, None, &deploy).await).await;
    assert_eq!(changed, and_told(&["activations", "active_generations", "generations"]));
    let told = fragile.last_event().await;
    let summary = json!({"generation": 1, "digest": "d", "before": null});
    assert_eq!((told.kind.as_str(), json!(told.summary)), ("deploy", summary));

    let second = GenerationNumber(2);
    let revoke = act(OperatorAct::GenerationRevoked { generation: second }, 2);
    let changed = fragile.changed_by(async |store| store.revoke_generation(&tenant(), second, &revoke).await).await;
    assert_eq!(changed, and_told(&["generations"]));
    assert_eq!(fragile.last_event().await.kind, "generation_revoked");
}

async fn a_window_and_its_entry_come_together(fragile: Fragile) {
    let ada = fragile.user().await;
    let window = token("window", Purpose::BreakGlass);
    let what = OperatorAct::BreakGlassOpened { user: ada.id.clone(), until: at(60), reason: "fire".to_owned() };
    let opened = act(what, 1);
    let changed = fragile.changed_by(async |store| store.open_window(&tenant(), &window, &opened).await).await;
    assert_eq!(changed, BTreeSet::from(["chains", "journal", "one_time_tokens"]));
    let told = fragile.last_event().await;
    assert_eq!((told.kind.as_str(), told.user), ("break_glass_opened", Some(ada.id)));
    assert_eq!(json!(told.summary), json!({"until": at(60), "reason": "fire"}));
}

fn notice(user: &User) -> NewLetter {
    NewLetter {
        id: "notice".to_owned(),
        user: user.id.clone(),
        sealed: b"sealed".to_vec(),
        only_one: None,
        at: at(1),
        due_at: at(2),
        expires_at: at(60),
    }
}

async fn a_factor_its_recovery_codes_and_its_notice_come_together(fragile: Fragile) {
    let ada = fragile.user().await;
    let factor = Factor {
        id: "f".into(),
        kind: FactorKind::Totp,
        sealed: b"sealed".to_vec(),
        created_at: NOW,
        confirmed_at: None,
        last_step: None,
    };
    fragile.store.begin_factor(&tenant(), &ada.id, &factor).await.unwrap();
    let recovery = vec![TokenDigest::of("1"), TokenDigest::of("2")];
    let confirmed = Confirmed { step: 7, recovery, notice: Some(notice(&ada)), at: at(1) };
    let confirm = async |store: &Sql| store.confirm_factor(&tenant(), &ada.id, &factor.id, &confirmed).await;
    assert_eq!(fragile.changed_by(confirm).await, BTreeSet::from(["factors", "letters", "recovery_codes"]));
}

async fn a_lost_factor_goes_with_all_that_it_opened(fragile: Fragile) {
    let ada = fragile.user().await;
    let factor = Factor {
        id: "f".into(),
        kind: FactorKind::Totp,
        sealed: b"sealed".to_vec(),
        created_at: NOW,
        confirmed_at: None,
        last_step: None,
    };
    fragile.store.begin_factor(&tenant(), &ada.id, &factor).await.unwrap();
    let confirmed = Confirmed { step: 7, recovery: vec![TokenDigest::of("1")], notice: None, at: at(1) };
    assert!(fragile.store.confirm_factor(&tenant(), &ada.id, &factor.id, &confirmed).await.unwrap());
    fragile.store.commit_login(&tenant(), &login_with_a_code(&ada)).await.unwrap();
    let reset = act(OperatorAct::FactorsReset { user: ada.id.clone() }, 1);
    let changed = fragile.changed_by(async |store| store.reset_factors(&tenant(), &ada.id, &reset).await).await;
    // Nothing that nodes would have to take up: it is told, and not announced.
    assert_eq!(changed, BTreeSet::from(["chains", "codes", "factors", "journal", "recovery_codes", "users"]));
    let told = fragile.last_event().await;
    assert_eq!((told.kind.as_str(), told.user, json!(told.summary)), ("factors_reset", Some(ada.id), json!({})));
}

async fn a_new_password_and_what_it_ends_come_together(fragile: Fragile) {
    let ada = fragile.user().await;
    for (name, purpose) in [("reset", Purpose::PasswordReset), ("browser", Purpose::RememberedBrowser)] {
        fragile.store.put_token(&tenant(), &token(name, purpose), Alone::Yes).await.unwrap();
    }
    let new = NewPassword {
        phc: "new".to_owned(),
        instead_of: None,
        token: Some(TokenDigest::of("reset")),
        address: ada.email.clone(),
        keep: None,
        notice: Some(notice(&ada)),
        by: Author::User,
        at: at(1),
    };
    let set = async |store: &Sql| match store.set_password(&tenant(), &ada.id, &new).await? {
        PasswordSet::Done => Ok(()),
        other => panic!("{other:?}"),
    };
    assert_eq!(fragile.changed_by(set).await, BTreeSet::from(["letters", "one_time_tokens", "passwords", "users"]));
    let browsers = fragile.store.tokens(&tenant(), Purpose::RememberedBrowser, at(1)).await.unwrap();
    assert_eq!(browsers, []);
}

async fn a_replayed_code_ends_all_that_came_of_it_together(fragile: Fragile) {
    let ada = fragile.user().await;
    fragile.store.commit_login(&tenant(), &login_with_a_code(&ada)).await.unwrap();
    let redeem = Redeem {
        digest: TokenDigest::of("code"),
        client: "shop".into(),
        redirect_uri: "https://shop.example.com/callback".to_owned(),
        challenge: "challenge".to_owned(),
        refresh: NewFamily {
            id: "family".into(),
            token: TokenDigest::of("refresh"),
            idle_until: at(60),
            expires_at: at(60),
        },
        revoked_until: at(60),
        now: at(1),
    };
    let redeem = async |store: &Sql| store.redeem_code(&tenant(), &redeem).await;
    assert_eq!(fragile.changed_by(redeem).await, BTreeSet::from(["codes", "families"]));
    let again = async |store: &Sql| match redeem(store).await? {
        Redeemed::Replayed(login) => Ok(login),
        other => panic!("{other:?}"),
    };
    assert_eq!(fragile.changed_by(again).await, BTreeSet::from(["families", "one_time_tokens"]));
}

fn login_with_a_code(user: &User) -> LoginCommit {
    let code = NewCode {
        digest: TokenDigest::of("code"),
        client: "shop".into(),
        redirect_uri: "https://shop.example.com/callback".to_owned(),
        challenge: "challenge".to_owned(),
        document: Map::new(),
        offline: true,
        expires_at: at(60),
    };
    LoginCommit {
        login: "login".into(),
        leg: 0,
        user: user.id.clone(),
        client: "shop".into(),
        generation: None,
        at: NOW,
        now: NOW,
        counts: None,
        verdict: Verdict::Allow(Box::new(Allowed {
            read: user.version,
            user_metadata: None,
            app_metadata: None,
            written: Vec::new(),
            session: SessionUse::None,
            code: Some(code),
            refresh: RefreshUse::None,
        })),
        entry: LoginEntry::default(),
    }
}
