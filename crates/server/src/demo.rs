//! `vestibule serve --demo`: a client and a user to try the login with, and a page that is the client.
//!
//! For one's own machine only: `serve` refuses it anywhere else. The pages of the client are in `pages/demo.rs`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use url::Url;
use vestibule_store::{
    Act, Author, Client, ClientId, ClientSettings, ConnectionName, Created, Identifier, NewUser, OperatorAct, TenantId,
    UserId,
};

use crate::{
    app::App,
    error::Fault,
    first_start::{self, CONNECTION},
    password::Password,
};

/// The id of the demo client.
pub const CLIENT: &str = "demo";
/// The demo user.
pub const EMAIL: &str = "ada@example.com";
/// Where the password of the demo user is kept, for the next start.
const FILE: &str = "demo.json";

/// Who may log in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// The e-mail address.
    pub email: String,
    /// The password, made at the first start with `--demo`.
    pub password: String,
}

/// Registers the client and makes the user, where they are not there yet.
///
/// # Errors
/// [`Fault`] of the store or the data folder.
pub async fn prepare(app: &App, data: &Path) -> Result<Account, Fault> {
    let tenant = TenantId::default();
    let act = Act { what: OperatorAct::ClientPut { client: CLIENT.into() }, by: "demo".to_owned(), at: app.now() };
    app.store.put_client(&tenant, &client(app)?, &act).await?;
    let connection = ConnectionName::from(CONNECTION);
    let known = app.store.user_by_identifier(&tenant, &connection, Identifier::Email(EMAIL)).await?;
    let path = data.join(FILE);
    if known.is_some() {
        return Ok(serde_json::from_slice(&std::fs::read(&path)?)?);
    }
    let account =
        Account { email: EMAIL.to_owned(), password: app.entropy.token().as_str().chars().take(16).collect() };
    first_start::replace(&path, &serde_json::to_vec_pretty(&account)?)?;
    let password =
        Password::parse(account.password.clone()).map_err(|_| Fault::broken("a made password is no password"))?;
    let phc = app.accounts.hasher.hash(&password, app.entropy.as_ref()).await;
    let phc = phc.map_err(|_| Fault::broken("the demo user's password could not be hashed"))?;
    match app.store.create_user(&tenant, &user(app, connection, phc)).await? {
        Created::User(_) | Created::Taken(_) => Ok(account),
    }
}

fn client(app: &App) -> Result<Client, Fault> {
    let settings = ClientSettings {
        redirect_uris: vec![callback(&app.settings.public_url)?.into()],
        logout_uris: vec![app.settings.public_url.join("/demo")?.into()],
        grant_types: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        auth_methods: vec!["none".to_owned()],
        first_party: true,
        ..ClientSettings::default()
    };
    let (id, name) = (ClientId::from(CLIENT), "The demo".to_owned());
    Ok(Client { id, name, secret: None, settings, created_at: app.now() })
}

fn user(app: &App, connection: ConnectionName, phc: String) -> NewUser {
    let id = app.entropy.id::<12>();
    let profile = json!({"name": "Ada Lovelace", "nickname": "ada", "given_name": "Ada", "family_name": "Lovelace"});
    let identity = json!({"connection": CONNECTION, "provider": "auth0", "user_id": id, "isSocial": false});
    NewUser {
        id: UserId::new(format!("auth0|{id}")),
        connection,
        email: Some(EMAIL.to_owned()),
        email_verified: true,
        username: None,
        profile: profile.as_object().cloned().unwrap_or_default(),
        user_metadata: None,
        app_metadata: Some(Map::from_iter([
            ("plan".to_owned(), json!("gold")),
            ("roles".to_owned(), json!(["editor"])),
        ])),
        identities: vec![identity],
        password: Some(phc),
        by: Author::Operator { name: "demo".to_owned() },
        at: app.now(),
    }
}

/// Where the demo client gets its codes.
pub(crate) fn callback(public_url: &Url) -> Result<Url, Fault> {
    Ok(public_url.join("/demo/callback")?)
}
