//! Proof that somebody reads the mail of the address they gave.

use serde_json::Map;
use vestibule_store::{Alone, Author, Changed, OneTimeToken, Purpose, User, UserChange};

use crate::{
    app::App,
    clock::Token,
    error::{ApiError, Fault, Refused},
    letters,
    mail::{Letter, Says},
    request::Caller,
};

/// The member of a token's document that holds the address it proves. It proves this one and no later one.
const EMAIL: &str = "email";

/// Sends a mail with a link that proves the user's address. `base` is the URL of the service, with a slash at its end.
pub async fn send(app: &App, base: &str, user: &User) -> Result<(), Fault> {
    let Some(email) = &user.email else { return Ok(()) };
    let token = app.entropy.token();
    let stored = OneTimeToken {
        digest: token.digest(),
        purpose: Purpose::EmailVerification,
        user: user.id.clone(),
        client: None,
        document: bound_to(email),
        at: app.now(),
        expires_at: app.now().plus(app.accounts.verification),
        attempts: 0,
    };
    app.store.put_token(&user.tenant, &stored, Alone::Yes).await?;
    let link = format!("{base}u/verify?token={}", token.as_str());
    let hours = app.accounts.verification.as_secs() / 3_600;
    letters::post(app, user, Letter { to: email.clone(), says: Says::Verify { link, hours } }).await
}

/// The address that a link proves.
pub(crate) async fn look(app: &App, caller: &Caller, token: &str) -> Result<String, ApiError> {
    let digest = Token::presented(token).digest();
    let stored = app.store.token(&caller.tenant, Purpose::EmailVerification, &digest, app.now()).await?;
    Ok(stored.as_ref().and_then(address).ok_or_else(spent)?.to_owned())
}

/// Uses a link up: the address is proven, if it still is the user's.
pub(crate) async fn confirm(app: &App, caller: &Caller, token: &str) -> Result<(), ApiError> {
    let digest = Token::presented(token).digest();
    let taken = app.store.take_token(&caller.tenant, Purpose::EmailVerification, &digest, app.now()).await?;
    let taken = taken.ok_or_else(spent)?;
    let email = address(&taken).ok_or_else(spent)?;
    if proven(app, caller, &taken, email).await? { Ok(()) } else { Err(spent().into()) }
}

/// Notes that the owner of a token reads the mail of this address. Whether it is theirs still.
pub(crate) async fn proven(app: &App, caller: &Caller, token: &OneTimeToken, email: &str) -> Result<bool, ApiError> {
    const TRIES: usize = 20; // Against logins of the same user, each of which takes milliseconds.
    for _ in 0..TRIES {
        let user = app.store.user(&caller.tenant, &token.user).await?;
        let Some(user) = user.filter(|user| user.email.as_deref() == Some(email)) else { return Ok(false) };
        if user.email_verified {
            return Ok(true);
        }
        let change = UserChange { email_verified: Some(true), ..UserChange::default() };
        let now = app.now();
        match app.store.change_user(&user.tenant, &user.id, user.version, &change, &Author::User, now).await? {
            Changed::Done(_) => return Ok(true),
            Changed::Conflict => tokio::time::sleep(std::time::Duration::from_millis(25)).await,
            Changed::Gone | Changed::Taken(_) => return Ok(false),
        }
    }
    Err(Fault::broken("a user changed all the time while an address was confirmed").into())
}

/// The address that a token speaks of.
pub(crate) fn address(token: &OneTimeToken) -> Option<&str> {
    token.document.get(EMAIL).and_then(serde_json::Value::as_str)
}

/// The document of a token that is bound to an address.
pub(crate) fn bound_to(email: &str) -> Map<String, serde_json::Value> {
    Map::from_iter([(EMAIL.to_owned(), email.into())])
}

/// What is said of a link that is no good, whatever is wrong with it.
pub(crate) fn spent() -> Refused {
    Refused::invalid_request("This link is no longer good: it was used before, or is too old. Ask for a new one.")
}
