//! What operators do now and then: check what was ever committed, copy it, open a window in the wall.

use std::{fs, os::unix::fs::DirBuilderExt as _, path::PathBuf, time::Duration};

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

/// A backup to be made.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBackup {
    /// The file's name in the folder for backups; there must be none of that name. Absent, it is named by the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A backup that was made.
#[derive(Debug, Serialize, Deserialize)]
pub struct BackedUp {
    /// Where it is, on the server's machine.
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

/// Who has lost their second factor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorReset {
    /// The user, by id or e-mail address.
    pub user: String,
}

/// What was taken away.
#[derive(Debug, Serialize, Deserialize)]
pub struct FactorsReset {
    /// The account.
    pub user: String,
    /// How many factors it had, confirmed or not.
    pub factors: u64,
}

/// `POST /v1/verify`.
pub(super) async fn verify(State(ops): State<Ops>) -> Result<Json<Verified>, ApiError> {
    Ok(Json(ops.app.store.verify().await?.into()))
}

/// `POST /v1/backup`: into the folder for backups and nowhere else, for nobody else to read.
pub(super) async fn backup(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Json(new): Json<NewBackup>,
) -> Result<Json<BackedUp>, ApiError> {
    let name = new.name.unwrap_or_else(|| format!("vestibule-{}.db", ops.app.now().0));
    if !is_file_name(&name) {
        let told = "a backup's name has letters, digits, `.`, `-` and `_`, and begins with a letter or a digit";
        return Err(Refused::invalid_request(told).into());
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&ops.backups);
    made.map_err(|error| {
        let told = format!("the folder for backups, `{}`, cannot be made: {error}", ops.backups.display());
        ApiError::refused(StatusCode::CONFLICT, "no_folder", told)
    })?;
    let file = ops.backups.join(&name);
    if file.exists() {
        let told = "there is a file of that name already; a backup never replaces one";
        return Err(ApiError::refused(StatusCode::CONFLICT, "already_there", told));
    }
    let event = ops.act(&admin, OperatorAct::Backup).event()?;
    ops.app.store.record(&TenantId::default(), &event).await?;
    ops.app.store.backup(&file).await?;
    Ok(Json(BackedUp { file }))
}

/// Whether this names a file in a folder, and cannot lead out of it.
fn is_file_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    name.len() <= 128 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(is_plain)
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

/// `POST /v1/factors/reset`: for somebody who lost theirs, or whose account got one from somebody else. All that they
/// had open ends.
pub(super) async fn reset_factors(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Json(reset): Json<FactorReset>,
) -> Result<Json<FactorsReset>, ApiError> {
    let user = ops.user(&reset.user).await?.id;
    let act = ops.act(&admin, OperatorAct::FactorsReset { user: user.clone() });
    let removed = ops.app.store.reset_factors(&TenantId::default(), &user, &act).await?;
    let gone = || ApiError::refused(StatusCode::NOT_FOUND, "not_found", "there is no such user");
    let factors = removed.ok_or_else(gone)?;
    tracing::warn!(by = admin.name, "the second factors of an account were taken away");
    Ok(Json(FactorsReset { user: user.to_string(), factors }))
}

impl Ops {
    async fn open_window(&self, admin: &Admin, new: NewWindow, length: Duration) -> Result<Window, ApiError> {
        let (app, tenant) = (&self.app, TenantId::default());
        let user = self.user(&new.user).await?;
        if !app.store.factors(&tenant, &user.id).await?.iter().any(|factor| factor.confirmed_at.is_some()) {
            let told = "this account has no second factor, and a window lets nobody in without one, nor lets them enrol one: \
                        name an account that has, or go back to rules that let people in with `vestibule rollback`";
            return Err(ApiError::refused(StatusCode::CONFLICT, "no_second_factor", told));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_stays_in_its_folder() {
        for name in ["copy.db", "2026-11-25_a.db", "a"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["", ".", "..", "../x", "/etc/x", "a/b", "a\\b", ".hidden", "-x", "a\0b", "ä.db", &"a".repeat(129)]
        {
            assert!(!is_file_name(name), "{name:?}");
        }
    }
}
