//! Who may do what on the admin listener: bearer tokens with scopes, kept as their SHA-256.

use std::{collections::BTreeSet, fmt, str::FromStr};

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use axum_extra::{
    TypedHeader,
    headers::{Authorization, authorization::Bearer},
    typed_header::TypedHeaderRejection,
};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use vestibule_store::{Act, NewSealed, OperatorAct, SealedKind, Store, TenantId, Timestamp, TokenDigest};

use super::Ops;
use crate::{
    clock::Entropy,
    error::{ApiError, Fault, Refused},
    generations::purpose,
    keys::Seal,
};

/// What a token begins with, so that it is found where it should not lie.
const PREFIX: &str = "vestibule_admin_";
/// What its row is called.
const ROW: &str = "admin-token/";

/// What a token may do. None includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Deploy rules, go back, register clients.
    Deploy,
    /// Set secrets, configuration and keys; make tokens.
    Secrets,
    /// Run the pipeline for another login service.
    Run,
    /// Read who wrote what, replay logins, verify. It sees personal data.
    Read,
    /// Back up: the file holds everything, password hashes too.
    Backup,
    /// Open a break-glass window; take a lost second factor away.
    BreakGlass,
}

impl Scope {
    /// All of them: the first token's.
    pub const ALL: [Self; 6] = [Self::Deploy, Self::Secrets, Self::Run, Self::Read, Self::Backup, Self::BreakGlass];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Secrets => "secrets",
            Self::Run => "run",
            Self::Read => "read",
            Self::Backup => "backup",
            Self::BreakGlass => "break-glass",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::as_str).join(", ");
        let scope = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        scope.ok_or_else(|| format!("`{text}` is no scope; there are {known}"))
    }
}

/// Whoever holds a token: what its row says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admin {
    /// The name of the token, by which the journal knows what was done with it.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
}

impl Admin {
    /// That the token has this scope.
    ///
    /// # Errors
    /// `403 insufficient_scope`.
    pub(super) fn needs(&self, scope: Scope) -> Result<(), Refused> {
        match self.scopes.contains(&scope) {
            true => Ok(()),
            false => {
                let told = format!("this token does not have the scope `{scope}`");
                Err(Refused::new(StatusCode::FORBIDDEN, "insufficient_scope", told))
            }
        }
    }
}

/// A new token; this is the only time its text is shown.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewToken {
    /// Its id, by which it is revoked.
    pub id: String,
    /// What to present as `Authorization: Bearer`.
    pub token: String,
}

/// What may be known of a token.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenNote {
    /// Its id.
    pub id: String,
    /// Its name and scopes.
    #[serde(flatten)]
    pub admin: Admin,
    /// When it was made.
    pub at: Timestamp,
}

/// Makes a token and keeps its digest; the journal tells of it as of an act of `by`.
///
/// # Errors
/// [`Fault`] when the store cannot keep it.
pub async fn make_token(
    store: &dyn Store,
    seal: &Seal,
    entropy: &dyn Entropy,
    admin: &Admin,
    by: &str,
    now: Timestamp,
) -> Result<NewToken, Fault> {
    let id = entropy.id::<6>();
    let secret = entropy.token();
    let name = format!("{ROW}{id}");
    let tenant = TenantId::default();
    let sealed = seal.seal(&purpose(SealedKind::Internal, &tenant, &name), &secret.digest().0)?;
    let note = serde_json::to_value(admin)?.as_object().cloned().unwrap_or_default();
    let new = NewSealed { kind: SealedKind::Internal, name, sealed, note, expected: Some(0) };
    let scopes = admin.scopes.iter().map(Scope::to_string).collect();
    let what = OperatorAct::AdminTokenMade { token: id.clone(), name: admin.name.clone(), scopes };
    let kept = store.put_sealed(&tenant, &new, &Act { what, by: by.to_owned(), at: now }).await?;
    kept.ok_or_else(|| Fault::broken("two admin tokens got one id"))?;
    let token = format!("{PREFIX}{id}_{}", secret.as_str());
    Ok(NewToken { id, token })
}

/// All tokens, without what they are. Those of before a restore are none any more: one that was revoked since the backup
/// would be among them.
///
/// # Errors
/// [`Fault`] when the store does not answer.
pub async fn tokens(store: &dyn Store) -> Result<Vec<TokenNote>, Fault> {
    let not_before = store.not_before().await?;
    let notes = store.list_sealed(&TenantId::default(), SealedKind::Internal).await?;
    let note = |note: vestibule_store::SealedNote| {
        let id = note.name.strip_prefix(ROW)?.to_owned();
        let admin = serde_json::from_value(note.note.into()).ok()?;
        Some(TokenNote { id, admin, at: note.at })
    };
    Ok(notes.into_iter().filter(|note| note.at >= not_before).filter_map(note).collect())
}

/// Lets a request pass whose token has the scope; whoever it is goes with it as an extension.
pub(super) async fn require(
    State((ops, scope)): State<(Ops, Scope)>,
    bearer: Result<TypedHeader<Authorization<Bearer>>, TypedHeaderRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    // No header and one that is none are alike.
    let token = bearer.as_ref().map_or("", |TypedHeader(bearer)| bearer.token());
    match admin_of(&ops, token).await {
        Ok(Some(admin)) => match admin.needs(scope) {
            Ok(()) => {
                request.extensions_mut().insert(admin);
                next.run(request).await
            }
            Err(refused) => refused.into_response(),
        },
        Ok(None) => {
            let told = "this needs `Authorization: Bearer` with an admin token";
            let refused = Refused::new(StatusCode::UNAUTHORIZED, "invalid_token", told).into_response();
            ([(header::WWW_AUTHENTICATE, "Bearer")], refused).into_response()
        }
        Err(fault) => ApiError::from(fault).into_response(),
    }
}

/// Whose token it is.
async fn admin_of(ops: &Ops, token: &str) -> Result<Option<Admin>, Fault> {
    let Some((id, secret)) = token.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')) else { return Ok(None) };
    let name = format!("{ROW}{id}");
    let tenant = TenantId::default();
    let Some(row) = ops.app.store.sealed(&tenant, SealedKind::Internal, &name).await? else { return Ok(None) };
    if row.note.at < ops.app.store.not_before().await? {
        return Ok(None);
    }
    let digest = ops.app.keys.seal.open(&purpose(SealedKind::Internal, &tenant, &name), &row.sealed)?;
    let is_it: bool = TokenDigest::of(secret).0.ct_eq(&digest).into();
    if !is_it {
        return Ok(None);
    }
    Ok(Some(serde_json::from_value(row.note.note.into())?))
}

/// `GET /v1/tokens`.
pub(super) async fn list(State(ops): State<Ops>) -> Result<Json<Vec<TokenNote>>, ApiError> {
    Ok(Json(tokens(ops.app.store.as_ref()).await?))
}

/// `POST /v1/tokens`: a token with no scope that its maker lacks.
pub(super) async fn create(
    State(ops): State<Ops>,
    Extension(maker): Extension<Admin>,
    Json(new): Json<Admin>,
) -> Result<Json<NewToken>, ApiError> {
    if let Some(more) = new.scopes.difference(&maker.scopes).next() {
        let told = format!("this token lacks the scope `{more}` and cannot give it");
        return Err(ApiError::refused(StatusCode::FORBIDDEN, "insufficient_scope", told));
    }
    if new.name.is_empty() || new.name.chars().count() > 100 || new.scopes.is_empty() {
        return Err(Refused::invalid_request("a token needs a name and at least one scope").into());
    }
    let app = &ops.app;
    let (seal, entropy) = (&app.keys.seal, app.entropy.as_ref());
    Ok(Json(make_token(app.store.as_ref(), seal, entropy, &new, &maker.name, app.now()).await?))
}

/// `DELETE /v1/tokens/{id}`: but for the last one that can make others, without which nobody could.
pub(super) async fn revoke(
    State(ops): State<Ops>,
    Extension(admin): Extension<Admin>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (tenant, name) = (TenantId::default(), format!("{ROW}{id}"));
    let known = tokens(ops.app.store.as_ref()).await?;
    let makers: Vec<_> = known.iter().filter(|token| token.admin.scopes.contains(&Scope::Secrets)).collect();
    if matches!(makers.as_slice(), [last] if last.id == id) {
        let told = "this is the last token that can make others, and without one nobody is let in here: make another first, \
                    with `vestibule token make NAME --scope secrets` and the scopes that you need";
        return Err(ApiError::refused(StatusCode::CONFLICT, "last_token", told));
    }
    let act = ops.act(&admin, OperatorAct::AdminTokenRevoked { token: id.clone() });
    if !ops.app.store.remove_sealed(&tenant, SealedKind::Internal, &name, &act).await? {
        return Err(ApiError::refused(StatusCode::NOT_FOUND, "not_found", format!("there is no token `{id}`")));
    }
    Ok(StatusCode::NO_CONTENT)
}

impl Ops {
    /// What an operator does now; the store writes it down with the change.
    pub(super) fn act(&self, admin: &Admin, what: OperatorAct) -> Act {
        Act { what, by: admin.name.clone(), at: self.app.now() }
    }
}
