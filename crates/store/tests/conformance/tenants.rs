//! Tenants, connections and clients.

use serde_json::{Map, json};
use vestibule_store::*;
use vestibule_testkit::stores::{NOW, TestStore};

use crate::given::*;

super::on_both![
    the_default_tenant_always_exists,
    a_tenant_is_found_by_its_hosts,
    two_tenants_share_nothing,
    a_client_is_read_as_it_was_put,
    a_removed_client_takes_its_codes_and_tokens_along,
];

async fn the_default_tenant_always_exists(store: TestStore) {
    let found = store.tenant(&TenantId::default()).await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.hosts.len(), found.created_at), ("default", 0, NOW));
}

async fn a_tenant_is_found_by_its_hosts(store: TestStore) {
    let tenant = Tenant {
        id: "acme".into(),
        hosts: vec!["a.example.com".to_owned(), "b.example.com".to_owned()],
        settings: object(json!({"x": 1})),
        created_at: NOW,
    };
    store.put_tenant(&tenant, &some_act()).await.unwrap();
    assert_eq!(store.tenant_by_host("b.example.com").await.unwrap(), Some(tenant.clone()));
    assert_eq!(store.tenant_by_host("c.example.com").await.unwrap(), None);
    let moved = Tenant { hosts: vec!["c.example.com".to_owned()], ..tenant };
    store.put_tenant(&moved, &some_act()).await.unwrap();
    assert_eq!(store.tenant_by_host("a.example.com").await.unwrap(), None);
    assert_eq!(store.tenants().await.unwrap().len(), 2);
    let thief = Tenant { id: "thief".into(), ..moved };
    assert!(matches!(store.put_tenant(&thief, &some_act()).await, Err(StoreError::Database(_))));
    assert_eq!(store.tenant(&"thief".into()).await.unwrap(), None);
}

fn client(id: &str) -> Client {
    let settings = ClientSettings {
        redirect_uris: vec!["https://shop.example.com/callback".to_owned()],
        grant_types: vec!["authorization_code".to_owned()],
        audiences: [("https://api".to_owned(), vec!["read".to_owned()])].into(),
        metadata: object(json!({"tier": "1"})),
        access_token_seconds: Some(60),
        ..ClientSettings::default()
    };
    Client { id: id.into(), name: "Shop".to_owned(), secret: Some(secret("s")), settings, created_at: NOW }
}

async fn two_tenants_share_nothing(store: TestStore) {
    let other = TenantId::new("t2");
    let connection = Connection {
        name: "db".into(),
        strategy: "auth0".to_owned(),
        settings: Map::new(),
        metadata: object(json!({"a": "b"})),
    };
    store.put_connection(&tenant(), &connection, &some_act()).await.unwrap();
    store.put_client(&tenant(), &client("shop"), &some_act()).await.unwrap();
    assert_eq!(store.connections(&tenant()).await.unwrap(), [connection]);
    assert_eq!(store.connection(&other, &"db".into()).await.unwrap(), None);
    assert_eq!(store.client(&other, &"shop".into()).await.unwrap(), None);
    assert!(store.clients(&other).await.unwrap().is_empty());
    assert!(!store.remove_client(&other, &"shop".into(), &some_act()).await.unwrap());

    let ada = user(&*store, "ada").await;
    let commit = allow_with(&ada, "login", |allowed| {
        allowed.session = SessionUse::Open(new_session("s"));
        allowed.refresh = RefreshUse::Issue { family: family("f"), document: Map::new() };
    });
    done(&*store, &commit).await;
    assert_eq!(store.session(&other, &secret("s"), at(1)).await.unwrap(), None);
    assert_eq!(store.refresh_token(&other, &secret("f-0"), &shop(), at(1)).await.unwrap(), Presented::Refused);
    assert!(!store.touch_session(&other, &"s".into(), at(1), later()).await.unwrap());
    let change = UserChange::default();
    let answer = store.change_user(&other, &ada.id, Version(2), &change, &Author::User, NOW).await.unwrap();
    assert_eq!(answer, Changed::Gone);
    assert!(matches!(store.commit_login(&other, &allow(&ada, "x")).await, Err(CommitError::Gone)));
    assert!(!store.delete_user(&other, &ada.id, NOW).await.unwrap());
    assert!(store.provenance(&other, &ada.id).await.unwrap().is_empty());
}

async fn a_client_is_read_as_it_was_put(store: TestStore) {
    store.put_client(&tenant(), &client("shop"), &some_act()).await.unwrap();
    assert_eq!(store.client(&tenant(), &"shop".into()).await.unwrap(), Some(client("shop")));
    let public = Client { secret: None, created_at: at(9), ..client("shop") };
    store.put_client(&tenant(), &public, &some_act()).await.unwrap();
    let found = store.client(&tenant(), &"shop".into()).await.unwrap().unwrap();
    assert_eq!((found.secret, found.created_at), (None, NOW));
}

async fn a_removed_client_takes_its_codes_and_tokens_along(store: TestStore) {
    store.put_client(&tenant(), &client("shop"), &some_act()).await.unwrap();
    let ada = user(&*store, "ada").await;
    let commit = allow_with(&ada, "login", |allowed| {
        allowed.code = Some(new_code("code", true));
        allowed.refresh = RefreshUse::Issue { family: family("f"), document: Map::new() };
    });
    done(&*store, &commit).await;
    assert!(store.remove_client(&tenant(), &"shop".into(), &some_act()).await.unwrap());
    assert_eq!(store.redeem_code(&tenant(), &redeem("code")).await.unwrap(), Redeemed::Refused);
    assert_eq!(store.refresh_token(&tenant(), &secret("f-0"), &shop(), at(1)).await.unwrap(), Presented::Refused);
}
