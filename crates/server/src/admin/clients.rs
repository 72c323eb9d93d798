//! The clients of the login service: registered, listed, removed. A secret is made here and shown once.

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use url::Url;
use vestibule_store::{Client, ClientId, ClientSettings, OperatorAct, TenantId};

use super::{Ops, auth::Admin};
use crate::error::{ApiError, Refused};

/// A client to be registered, or to be changed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    /// Its name, shown to people.
    pub name: String,
    /// Whether it keeps a secret; a client in a browser or a phone cannot.
    #[serde(default)]
    pub confidential: bool,
    /// What it may do.
    #[serde(flatten)]
    pub settings: ClientSettings,
}

/// A client as it was registered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Registered {
    /// Its `client_id`.
    pub client_id: String,
    /// Its secret, if one was made just now; it is not shown again.
    pub client_secret: Option<String>,
}

/// What may be known of a client.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClientNote {
    /// Its `client_id`.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// Whether it has a secret.
    pub confidential: bool,
    /// What it may do.
    #[serde(flatten)]
    pub settings: ClientSettings,
}

/// `GET /v1/clients`.
pub(super) async fn list(State(ops): State<Ops>) -> Result<Json<Vec<ClientNote>>, ApiError> {
    let clients = ops.app.store.clients(&TenantId::default()).await?;
    Ok(Json(clients.into_iter().map(note).collect()))
}

/// `PUT /v1/clients/{id}`: makes a client, or changes it; a confidential one that has no secret gets one.
pub(super) async fn put(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Path(id): Path<String>,
    Json(new): Json<NewClient>,
) -> Result<Json<Registered>, ApiError> {
    acceptable(&id, &new)?;
    Ok(Json(register(&ops, &admin, ClientId::new(id), new).await?))
}

/// `DELETE /v1/clients/{id}`.
pub(super) async fn remove(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let client = ClientId::new(id.clone());
    let act = ops.act(&admin, OperatorAct::ClientRemoved { client: client.clone() });
    if !ops.app.store.remove_client(&TenantId::default(), &client, &act).await? {
        return Err(ApiError::refused(StatusCode::NOT_FOUND, "not_found", format!("there is no client `{id}`")));
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn register(ops: &Ops, admin: &Admin, id: ClientId, new: NewClient) -> Result<Registered, ApiError> {
    let (app, tenant) = (&ops.app, TenantId::default());
    let before = app.store.client(&tenant, &id).await?;
    let kept = before.as_ref().and_then(|client| client.secret);
    let made = (new.confidential && kept.is_none()).then(|| app.entropy.token());
    let secret = if new.confidential { made.as_ref().map(crate::clock::Token::digest).or(kept) } else { None };
    let created_at = before.map_or_else(|| app.now(), |client| client.created_at);
    let client = Client { id: id.clone(), name: new.name, secret, settings: new.settings, created_at };
    app.store.put_client(&tenant, &client, &ops.act(admin, OperatorAct::ClientPut { client: id.clone() })).await?;
    let client_secret = made.map(|token| token.as_str().to_owned());
    Ok(Registered { client_id: id.as_str().to_owned(), client_secret })
}

/// What would only be noticed at the first login is told here.
fn acceptable(id: &str, new: &NewClient) -> Result<(), ApiError> {
    let wrong = |told: String| Err(Refused::invalid_request(told).into());
    if id.is_empty() || id.len() > 128 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("a client id has 1 to 128 visible ASCII characters".to_owned());
    }
    let uris = new.settings.redirect_uris.iter().chain(&new.settings.logout_uris);
    for uri in uris {
        let parsed = Url::parse(uri);
        if parsed.is_err() || parsed.is_ok_and(|url| url.fragment().is_some()) {
            return wrong(format!("`{uri}` is no URL without a fragment"));
        }
    }
    let code = new.settings.grant_types.iter().any(|grant| grant == "authorization_code");
    if code && new.settings.redirect_uris.is_empty() {
        return wrong("a client with the grant `authorization_code` needs a redirect_uri".to_owned());
    }
    Ok(())
}

fn note(client: Client) -> ClientNote {
    let Client { id, name, secret, settings, .. } = client;
    ClientNote { client_id: id.as_str().to_owned(), name, confidential: secret.is_some(), settings }
}
