//! Secrets and configuration values of rules: set, listed, removed; never read back (HS-54).

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use vestibule_engine::http::HttpGrants;
use vestibule_store::{NewSealed, OperatorAct, SealedKind, TenantId, Timestamp};

use super::{Ops, auth::Admin};
use crate::{
    error::{ApiError, Fault, Refused},
    generations::purpose,
};

/// The longest value, in bytes.
const VALUE_BYTES: usize = 16 * 1024;
/// The longest name, in bytes.
const NAME_BYTES: usize = 128;

/// A value to be kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewValue {
    value: SecretString,
}

/// What may be known of a value.
#[derive(Debug, Serialize, Deserialize)]
pub struct ValueNote {
    /// Its name.
    pub name: String,
    /// How often it was set.
    pub version: i64,
    /// When it was set last.
    pub at: Timestamp,
}

/// `GET /v1/secrets`.
pub(super) async fn list_secrets(State(ops): State<Ops>) -> Result<Json<Vec<ValueNote>>, ApiError> {
    Ok(Json(list(&ops, Sort::Secret).await?))
}

/// `GET /v1/configuration`.
pub(super) async fn list_configuration(State(ops): State<Ops>) -> Result<Json<Vec<ValueNote>>, ApiError> {
    Ok(Json(list(&ops, Sort::Configuration).await?))
}

/// `PUT /v1/secrets/{name}`.
pub(super) async fn set_secret(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Path(name): Path<String>,
    Json(new): Json<NewValue>,
) -> Result<Json<ValueNote>, ApiError> {
    sendable(&name, &new.value)?;
    Ok(Json(set(&ops, &admin, Sort::Secret, &name, &new.value).await?))
}

/// `PUT /v1/configuration/{name}`.
pub(super) async fn set_configuration(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Path(name): Path<String>,
    Json(new): Json<NewValue>,
) -> Result<Json<ValueNote>, ApiError> {
    Ok(Json(set(&ops, &admin, Sort::Configuration, &name, &new.value).await?))
}

/// `DELETE /v1/secrets/{name}`.
pub(super) async fn remove_secret(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let active = ops.generations.active_rules();
    if let Some(rule) = active.iter().find(|rule| rule.manifest.capabilities.secrets.contains_key(&name)) {
        let told = format!("rule `{}` is granted the secret `{name}`; deploy without it first", rule.name());
        return Err(ApiError::refused(StatusCode::CONFLICT, "in_use", told));
    }
    remove(&ops, &admin, Sort::Secret, &name).await
}

/// `DELETE /v1/configuration/{name}`.
pub(super) async fn remove_configuration(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    remove(&ops, &admin, Sort::Configuration, &name).await
}

async fn list(ops: &Ops, sort: Sort) -> Result<Vec<ValueNote>, Fault> {
    let notes = ops.app.store.list_sealed(&TenantId::default(), sort.kind()).await?;
    let note = |note: vestibule_store::SealedNote| ValueNote { name: note.name, version: note.version, at: note.at };
    Ok(notes.into_iter().map(note).collect())
}

async fn set(ops: &Ops, admin: &Admin, sort: Sort, name: &str, value: &SecretString) -> Result<ValueNote, ApiError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(is_name) {
        let told = format!("a name has 1 to {NAME_BYTES} letters, digits, `_`, `-` and `.`");
        return Err(Refused::invalid_request(told).into());
    }
    if value.expose_secret().len() > VALUE_BYTES {
        return Err(Refused::invalid_request(format!("a value has at most {VALUE_BYTES} bytes")).into());
    }
    let (app, tenant, kind) = (&ops.app, TenantId::default(), sort.kind());
    let sealed = app.keys.seal.seal(&purpose(kind, &tenant, name), value.expose_secret().as_bytes())?;
    let new = NewSealed { kind, name: name.to_owned(), sealed, note: Map::new(), expected: None };
    let act = ops.act(admin, sort.set(name));
    let kept = app.store.put_sealed(&tenant, &new, &act).await?;
    let version = kept.ok_or_else(|| Fault::broken("a value was refused whatever its version"))?;
    ops.take_up().await;
    Ok(ValueNote { name: name.to_owned(), version, at: act.at })
}

async fn remove(ops: &Ops, admin: &Admin, sort: Sort, name: &str) -> Result<StatusCode, ApiError> {
    let act = ops.act(admin, sort.removed(name));
    if !ops.app.store.remove_sealed(&TenantId::default(), sort.kind(), name, &act).await? {
        return Err(ApiError::refused(StatusCode::NOT_FOUND, "not_found", format!("there is no `{name}`")));
    }
    ops.take_up().await;
    Ok(StatusCode::NO_CONTENT)
}

/// A secret goes into a header, so it has to be something that a header can carry.
fn sendable(name: &str, value: &SecretString) -> Result<(), ApiError> {
    let origin = "https://example.com".parse().map_err(|_| Fault::broken("an origin is an origin"))?;
    let secrets = BTreeMap::from([(name.to_owned(), (value.clone(), origin))]);
    HttpGrants::new(Vec::new(), secrets).map_err(|error| Refused::invalid_request(error.to_string()))?;
    Ok(())
}

/// The two sorts of values that operators give to rules.
#[derive(Clone, Copy)]
enum Sort {
    Secret,
    Configuration,
}

impl Sort {
    const fn kind(self) -> SealedKind {
        match self {
            Self::Secret => SealedKind::Secret,
            Self::Configuration => SealedKind::Configuration,
        }
    }

    fn set(self, name: &str) -> OperatorAct {
        let name = name.to_owned();
        match self {
            Self::Secret => OperatorAct::SecretSet { name },
            Self::Configuration => OperatorAct::ConfigurationSet { name },
        }
    }

    fn removed(self, name: &str) -> OperatorAct {
        let name = name.to_owned();
        match self {
            Self::Secret => OperatorAct::SecretRemoved { name },
            Self::Configuration => OperatorAct::ConfigurationRemoved { name },
        }
    }
}
