//! What operators do now and then: check what was ever committed, copy it, open a window in the wall.

use std::{path::PathBuf, time::Duration};

use axum::{Extension, Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use vestibule_store::{Act, OneTimeToken, OperatorAct, Purpose, TenantId, Timestamp, Verification};

use super::{Ops, auth::Admin};
use crate::error::{ApiError, Refused};

/// The longest a break-glass window stays open.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(15 * 60);

/// What a full check found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Verified {
    /// Journal entries that were checked.
    pub entries: u64,
    /// Rows that were checked against their checksums.
    pub rows: u64,
    /// Commits that the witness file tells of.
    pub witnessed: u64,
    /// What is wrong; empty when all is well.
    pub damage: Vec<String>,
    /// What could not be checked, and why.
    pub remarks: Vec<String>,
}

/// Where a backup goes: a file on the server's machine.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupTo {
    /// The file; there must be none.
    pub file: PathBuf,
}

/// Whom a window is opened for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewWindow {
    /// The user, by id or e-mail address.
    pub user: String,
    /// For how long.
    pub seconds: u64,
    /// Why; it goes into the journal.
    pub reason: String,
}

/// A window that is open.
#[derive(Debug, Serialize, Deserialize)]
pub struct Window {
    /// The account.
    pub user: String,
    /// When it closes.
    pub until: Timestamp,
}

/// `POST /v1/verify`.
pub(super) async fn verify(State(ops): State<Ops>) -> Result<Json<Verified>, ApiError> {
    Ok(Json(ops.app.store.verify().await?.into()))
}

/// `POST /v1/backup`.
pub(super) async fn backup(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Json(to): Json<BackupTo>,
) -> Result<StatusCode, ApiError> {
    if !to.file.is_absolute() {
        return Err(Refused::invalid_request("name the file with its whole path").into());
    }
    if to.file.exists() {
        let told = "there is a file of that name already; a backup never replaces one";
        return Err(ApiError::refused(StatusCode::CONFLICT, "already_there", told));
    }
    let event = ops.act(&admin, OperatorAct::Backup).event()?;
    ops.app.store.record(&TenantId::default(), &event).await?;
    ops.app.store.backup(&to.file).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/break-glass`: for a while, one account gets in without rules, with its second factor, to the management
/// audience only. Everybody who reads the journal sees it.
pub(super) async fn open_break_glass(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Json(new): Json<NewWindow>,
) -> Result<Json<Window>, ApiError> {
    let length = Duration::from_secs(new.seconds);
    if length.is_zero() || length > LONGEST_WINDOW {
        return Err(Refused::invalid_request("a window stays open for 15 minutes at most").into());
    }
    if new.reason.trim().is_empty() || new.reason.chars().count() > 500 {
        return Err(Refused::invalid_request("say why, in up to 500 characters").into());
    }
    Ok(Json(ops.open_window(&admin, new, length).await?))
}

impl Ops {
    async fn open_window(&self, admin: &Admin, new: NewWindow, length: Duration) -> Result<Window, ApiError> {
        let (app, tenant) = (&self.app, TenantId::default());
        let user = self.user(&new.user).await?;
        let (at, until) = (app.now(), app.now().plus(length));
        let token = OneTimeToken {
            digest: app.entropy.token().digest(), // Nobody holds it: the window is found by its user.
            purpose: Purpose::BreakGlass,
            user: user.id.clone(),
            client: None,
            document: Map::new(),
            at,
            expires_at: until,
            attempts: 0,
        };
        let what = OperatorAct::BreakGlassOpened { user: user.id.clone(), until, reason: new.reason };
        app.store.open_window(&tenant, &token, &Act { what, by: admin.name.clone(), at }).await?;
        tracing::warn!(by = admin.name, seconds = length.as_secs(), "a break-glass window was opened");
        Ok(Window { user: user.id.to_string(), until })
    }
}

impl From<Verification> for Verified {
    fn from(found: Verification) -> Self {
        let Verification { entries, rows, witnessed, damage, remarks } = found;
        Self { entries, rows, witnessed, damage: damage.iter().map(ToString::to_string).collect(), remarks }
    }
}
