//! The keys that sign tokens: listed, and rotated before anybody has to ask.

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use vestibule_store::Timestamp;

use super::{Ops, auth::Admin};
use crate::{error::ApiError, first_start};

/// A key that signs tokens.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyNote {
    /// Its name in tokens and in the key set.
    pub kid: String,
    /// When it begins to sign; it is published before.
    pub from: Timestamp,
    /// Whether it signs now.
    pub signs: bool,
}

/// `GET /v1/keys`.
pub(super) async fn list(State(ops): State<Ops>) -> Json<Vec<KeyNote>> {
    Json(notes(&ops))
}

/// `POST /v1/keys/rotate`: a new key, published at once, that signs once every relying party can have seen it.
pub(super) async fn rotate(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
) -> Result<Json<Vec<KeyNote>>, ApiError> {
    let app = &ops.app;
    let from = app.now().plus(first_start::PUBLISHED_BEFORE);
    first_start::make_signing_key(app.store.as_ref(), &app.keys.seal, from, &admin.name, app.now()).await?;
    first_start::read_signing_keys(app).await?;
    Ok(Json(notes(&ops)))
}

fn notes(ops: &Ops) -> Vec<KeyNote> {
    let keys = ops.app.keys.signing.list();
    let now = ops.app.now();
    let signs = keys.iter().rposition(|(_, from)| *from <= now);
    let note = |(at, (kid, from)): (usize, (String, Timestamp))| KeyNote { kid, from, signs: Some(at) == signs };
    keys.into_iter().enumerate().map(note).collect()
}
