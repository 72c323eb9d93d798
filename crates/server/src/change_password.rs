//! A new password by mail: `POST /dbconnections/change_password`, and the same for the page.
//!
//! Who asks is answered at once, and always the same: looking the account up, and writing to it, is done behind the
//! answer (HS-03, HS-05). The link is good once, for one account, while its address stays the same; using it ends all
//! sessions and refresh tokens, and forgets the browsers that were remembered, in the same transaction.

use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use vestibule_store::{
    Alone, Author, ConnectionName, Identifier, NewPassword, OneTimeToken, PasswordSet, Purpose, User,
};

use crate::{
    accounts::account_key,
    app::App,
    clock::Token,
    error::{ApiError, Fault},
    identifier::Email,
    letters,
    limits::TooMany,
    mail::{Letter, Says},
    password::{About, Password, Unhashed, Weakness},
    request::Caller,
    signup::{self, SignupRefused},
    verification::{self, spent},
};

/// What the endpoint says, whatever it did: Auth0's words.
const SENT: &str = "We've just sent you an email to reset your password.";

/// `POST /dbconnections/change_password`
pub(crate) async fn endpoint(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, SignupRefused> {
    let body: Body = signup::json_body(&headers, &body)?;
    let email = signup::email(&body.email)?;
    let asked = ask(&app, &caller, ConnectionName::new(body.connection), email);
    asked.map_err(|too_many| SignupRefused::Failed(too_many.into()))?;
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((StatusCode::OK, headers, SENT).into_response())
}

/// The body of the endpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    connection: String,
    email: String,
    #[serde(rename = "client_id")]
    #[expect(dead_code, reason = "all clients send it, and nothing depends on it")]
    client: Option<String>,
}

/// Sends a link to this address, if there is an account with it. Fails only by what the asker's address did before.
pub(crate) fn ask(app: &App, caller: &Caller, connection: ConnectionName, email: Email) -> Result<(), TooMany> {
    app.accounts.limits.mail_from(caller.address)?;
    let (behind, caller) = (app.clone(), caller.clone());
    app.accounts.behind(async move { send(&behind, &caller, &connection, &email).await });
    Ok(())
}

async fn send(app: &App, caller: &Caller, connection: &ConnectionName, email: &Email) -> Result<(), Fault> {
    let account = account_key(&caller.tenant, connection, email.as_str(), None);
    if app.accounts.limits.mail_to(account).is_err() {
        return Ok(()); // Nobody is told: whoever reads that address has mails enough.
    }
    let named = Identifier::Email(email.as_str());
    let Some(user) = app.store.user_by_identifier(&caller.tenant, connection, named).await? else { return Ok(()) };
    let token = app.entropy.token();
    let stored = OneTimeToken {
        digest: token.digest(),
        purpose: Purpose::PasswordReset,
        user: user.id.clone(),
        client: None,
        document: verification::bound_to(email.as_str()),
        at: app.now(),
        expires_at: app.now().plus(app.accounts.reset),
        attempts: 0,
    };
    app.store.put_token(&caller.tenant, &stored, Alone::Yes).await?;
    let link = format!("{}u/reset?token={}", caller.issuer, token.as_str());
    let minutes = app.accounts.reset.as_secs() / 60;
    letters::post(app, &user, Letter { to: email.as_str().to_owned(), says: Says::Reset { link, minutes } }).await
}

/// Why there is no new password.
#[derive(Debug)]
pub(crate) enum NotReset {
    /// It is too weak. The link stays good.
    Weak(Weakness),
    /// The link is no good, or a fault of ours.
    Failed(ApiError),
}

/// Whether a link is good; it stays so.
pub(crate) async fn look(app: &App, caller: &Caller, token: &str) -> Result<(OneTimeToken, User), ApiError> {
    let digest = Token::presented(token).digest();
    let stored =
        app.store.token(&caller.tenant, Purpose::PasswordReset, &digest, app.now()).await?.ok_or_else(spent)?;
    let user = app.store.user(&caller.tenant, &stored.user).await?.ok_or_else(spent)?;
    let is_theirs = user.email.as_deref() == verification::address(&stored);
    if is_theirs { Ok((stored, user)) } else { Err(spent().into()) }
}

/// Sets the password by a link, which is used up by it.
pub(crate) async fn reset(app: &App, caller: &Caller, token: &str, password: &Password) -> Result<(), NotReset> {
    let (stored, user) = look(app, caller, token).await?;
    let names: Vec<String> = user.username.iter().cloned().chain(texts(&user)).collect();
    let about = About { email: user.email.as_deref(), names: &names };
    app.accounts.policy.allows(password, about).map_err(NotReset::Weak)?;
    let phc = app.accounts.hasher.hash(password, app.entropy.as_ref()).await?;
    let (notice, unsent) = letters::notice(app, &user, Says::Changed)?.unzip();
    let new = NewPassword {
        phc,
        instead_of: None,
        token: Some(stored.digest),
        address: verification::address(&stored).map(str::to_owned),
        keep: None,
        notice,
        by: Author::User,
        at: app.now(),
    };
    match app.store.set_password(&user.tenant, &user.id, &new).await.map_err(ApiError::from)? {
        PasswordSet::Done => {}
        PasswordSet::TokenSpent | PasswordSet::Gone => return Err(NotReset::Failed(spent().into())),
        PasswordSet::Conflict => return Err(Fault::broken("a password conflicts with none").into()),
    }
    if let Some(unsent) = unsent {
        unsent.send(app);
    }
    // Whoever set the password reads the mail of this address.
    if let Some(email) = &user.email {
        verification::proven(app, caller, &stored, email).await?;
    }
    Ok(())
}

/// What a profile says of a person's name.
fn texts(user: &User) -> impl Iterator<Item = String> {
    let roots = ["name", "nickname", "given_name", "family_name"].map(|name| user.profile.get(name));
    let metadata = ["name", "first", "last"].map(|name| user.user_metadata.as_ref().and_then(|bag| bag.get(name)));
    roots.into_iter().chain(metadata).flatten().filter_map(serde_json::Value::as_str).map(str::to_owned)
}

impl From<ApiError> for NotReset {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<Fault> for NotReset {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.into())
    }
}

impl From<Unhashed> for NotReset {
    fn from(unhashed: Unhashed) -> Self {
        Self::Failed(unhashed.into())
    }
}
