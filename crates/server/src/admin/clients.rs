//! The clients of the login service: registered, listed, removed. A secret is made here and shown once.

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use vestibule_store::{Client, ClientId, ClientSettings, OperatorAct, TenantId};

use super::{Ops, auth::Admin};
use crate::{
    error::{ApiError, Refused},
    oauth::{
        client_auth::METHODS,
        redirect_uri::{check_origin, check_registration},
    },
};

/// A client to be registered, or to be changed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    /// Its name, shown to people.
    pub name: String,
    /// Whether it keeps a secret; a client in a browser or a phone cannot. Absent, a new client is public, and one that
    /// has a secret is not changed: nobody loses it by leaving a word out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidential: Option<bool>,
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
    if new.confidential.is_none() && kept.is_some() {
        let told = format!(
            "`{id}` has a secret: write `\"confidential\": true` to keep it, or `false` to make the client public"
        );
        return Err(ApiError::refused(StatusCode::CONFLICT, "has_a_secret", told));
    }
    let is_confidential = new.confidential.unwrap_or(false);
    let made = (is_confidential && kept.is_none()).then(|| app.entropy.token());
    let secret = if is_confidential { made.as_ref().map(crate::clock::Token::digest).or(kept) } else { None };
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
    for uri in new.settings.redirect_uris.iter().chain(&new.settings.logout_uris) {
        if let Err(why) = check_registration(uri) {
            return wrong(format!("`{uri}` cannot be registered: {why}"));
        }
    }
    for origin in &new.settings.origins {
        if let Err(why) = check_origin(origin) {
            return wrong(format!("`{origin}` is no origin such as `https://app.example.com`: {why}"));
        }
    }
    check_methods(new)?;
    if new.settings.grant_types.iter().any(|grant| grant == "client_credentials") && new.confidential != Some(true) {
        let told = "a client with the grant `client_credentials` has nothing but its secret to prove who it is: make it \
                    confidential, or leave that grant out";
        return wrong(told.to_owned());
    }
    let code = new.settings.grant_types.iter().any(|grant| grant == "authorization_code");
    if code && new.settings.redirect_uris.is_empty() {
        return wrong("a client with the grant `authorization_code` needs a redirect_uri".to_owned());
    }
    Ok(())
}

/// A client authenticates in a way that its kind has: a method that is listed and cannot be used hides a mistake.
fn check_methods(new: &NewClient) -> Result<(), ApiError> {
    let is_confidential = new.confidential.unwrap_or(false);
    let fits = |method: &str| METHODS.contains(&method) && (method == "none") != is_confidential;
    match new.settings.auth_methods.iter().find(|method| !fits(method)) {
        None => Ok(()),
        Some(method) => {
            let (kind, fitting) = match is_confidential {
                true => ("confidential", "`client_secret_basic` and `client_secret_post`"),
                false => ("public", "`none`"),
            };
            let told = format!("a {kind} client cannot have the auth_method `{method}`: it may have {fitting}");
            Err(Refused::invalid_request(told).into())
        }
    }
}

fn note(client: Client) -> ClientNote {
    let Client { id, name, secret, settings, .. } = client;
    ClientNote { client_id: id.as_str().to_owned(), name, confidential: secret.is_some(), settings }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use serde_json::json;

    use super::*;

    fn told(change: Value) -> Option<String> {
        let mut client = json!({
            "name": "Shop", "redirect_uris": ["https://shop.example.com/cb"], "grant_types": ["authorization_code"],
        });
        client.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let client = serde_json::from_value(client).unwrap();
        acceptable("shop", &client).err().map(|error| error.into_refused().description.into_owned())
    }

    #[test]
    fn what_would_lead_elsewhere_is_not_registered() {
        assert_eq!(told(json!({})), None);
        for uri in ["javascript:alert(1)//", "http://evil.example/cb", "https://a:b@x.example/*", "/cb", "https://x/#f"]
        {
            for list in ["redirect_uris", "logout_uris"] {
                let why = told(json!({list: [uri]}));
                assert!(why.as_ref().is_some_and(|why| why.contains("cannot be registered")), "{list} {uri}: {why:?}");
            }
        }
        let good =
            ["https://app.example.com", "http://localhost:3000", "http://127.0.0.1", "https://app.example.com:8443"];
        assert_eq!(told(json!({"origins": good})), None);
        for origin in [
            "null",
            "*",
            "https://*.example.com",
            "https://app.example.com/",
            "https://app.example.com/x",
            "HTTPS://app.example.com",
            "https://app.example.com:443",
            "http://app.example.com",
            "app.example.com",
            "https://a@app.example.com",
            "file://",
            "com.example.app://x",
        ] {
            let why = told(json!({"origins": [origin]}));
            assert!(why.is_some_and(|why| why.contains("is no origin")), "{origin}");
        }
    }

    #[test]
    fn a_client_without_a_secret_acts_for_nobody_but_people() {
        let grants = json!(["client_credentials"]);
        for (confidential, fits) in [(json!(true), true), (json!(false), false), (json!(null), false)] {
            let why = told(json!({"confidential": confidential, "grant_types": grants}));
            assert_eq!(why.is_none(), fits, "{confidential}: {why:?}");
        }
    }

    #[test]
    fn a_client_has_the_methods_of_its_kind() {
        for (confidential, methods, fits) in [
            (json!(true), json!(["client_secret_basic", "client_secret_post"]), true),
            (json!(true), json!([]), true),
            (json!(true), json!(["client_secret_basic", "none"]), false),
            (json!(false), json!(["none"]), true),
            (json!(null), json!(["client_secret_basic"]), false),
            (json!(false), json!(["private_key_jwt"]), false),
            (json!(true), json!(["private_key_jwt"]), false),
        ] {
            let why = told(json!({"confidential": confidential, "auth_methods": methods}));
            assert_eq!(why.is_none(), fits, "{confidential} {methods}: {why:?}");
        }
    }
}
