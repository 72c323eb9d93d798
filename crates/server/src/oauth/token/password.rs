//! The password grants (S-14): only for clients that are registered for them, and the rules run.

use serde_json::{Map, json};
use vestibule_store::{Alone, ConnectionName, OneTimeToken, Purpose};

use super::Asked;
use crate::{
    accounts::{self, Claim},
    error::{ApiError, Fault, Refused},
    login::{
        Counting, Decided, Flow, LoginTransaction, Method, Principal, Rules, Sent, browser::connection,
        parked::new_login, run,
    },
    oauth::{parameters::words, scope, scope::Audience, token::mfa::Continuing},
    password::Password,
    tokens::TokenResponse,
};

/// What rules see of the request.
const VISIBLE: &[&str] = &["audience", "client_id", "grant_type", "realm", "scope", "username"];
/// The connection of a client that names none: the name that Auth0 gives to the first database.
const DEFAULT_CONNECTION: &str = "Username-Password-Authentication";

/// Exchanges an identifier and a password for tokens.
pub(super) async fn exchange(asked: Asked<'_>) -> Result<TokenResponse, ApiError> {
    let Asked { app, caller, client, parameters } = &asked;
    let identifier = parameters.require("username")?;
    let password = Password::parse(parameters.require("password")?.to_owned()).ok();
    let name: ConnectionName = match parameters.get("realm") {
        Some(realm) => realm.into(),
        None => client.settings.connections.first().cloned().unwrap_or_else(|| DEFAULT_CONNECTION.into()),
    };
    let audience = Audience::parse(parameters.get("audience"), client)?;
    connection(app, caller, client, &name).await?.ok_or_else(|| Refused::invalid_request("Unknown realm"))?;
    let claim = Claim { connection: &name, identifier, password: password.as_ref(), cookies: None };
    let now = app.now(); // Before the password is looked at: one that is set meanwhile is later.
    let user = accounts::authenticate(app, caller, claim).await?.user;
    let continuing = Continuing {
        login: new_login(app),
        leg: 0,
        principal: Principal { user: user.id, connection: name, methods: vec![Method::password(now)], at: now },
        counting: Counting::First,
        scope: scope::grantable(&words(parameters.get("scope")), &audience, client),
        audience,
        sent: parameters.only(VISIBLE),
    };
    go_on(&asked, continuing).await
}

/// Runs a leg of a password grant.
pub(super) async fn go_on(asked: &Asked<'_>, continuing: Continuing) -> Result<TokenResponse, ApiError> {
    let Asked { app, caller, client, .. } = asked;
    let denied =
        || Refused::new(http::StatusCode::FORBIDDEN, "access_denied", "The client may not use this connection.");
    let connection = connection(app, caller, client, &continuing.principal.connection).await?.ok_or_else(denied)?;
    let next = continuing.next();
    let login = LoginTransaction {
        id: continuing.login,
        leg: continuing.leg,
        at: app.now(),
        caller,
        client: client.clone(),
        connection,
        principal: continuing.principal,
        flow: Flow::Password { scope: continuing.scope, audience: continuing.audience },
        counting: continuing.counting,
        rules: Rules::Of(app.generations.active(&caller.tenant)),
        sent: Sent { query: Map::new(), body: continuing.sent },
        is_after_redirect: false,
        user_changes: Map::new(),
    };
    match run(app, login).await? {
        Decided::Allowed(issued) => {
            let refresh = issued.refresh.map(|token| token.as_str().to_owned());
            Ok(issued.grant.issue(app, &caller.issuer, client, refresh)?)
        }
        Decided::Refused(refused) => Err(refused.into()),
        Decided::MfaRequired => Err(mfa_required(asked, &next).await?.into()),
        Decided::Redirect(_) | Decided::SecondFactor(_) => {
            Err(Fault::broken("a password grant cannot wait for a browser").into())
        }
    }
}

/// `mfa_required`, with the token by which the client goes on.
async fn mfa_required(asked: &Asked<'_>, next: &Continuing) -> Result<Refused, ApiError> {
    let Asked { app, caller, client, .. } = asked;
    let (token, now) = (app.entropy.token(), app.now());
    let kept = OneTimeToken {
        digest: token.digest(),
        purpose: Purpose::MfaToken,
        user: next.principal.user.clone(),
        client: Some(client.id.clone()),
        document: next.to_document()?,
        at: now,
        expires_at: now.plus(app.settings.lifetimes.mfa),
        attempts: 0,
    };
    app.store.put_token(&caller.tenant, &kept, Alone::No).await?;
    let mut refused = crate::login::refusal("mfa_required", "Multifactor authentication required");
    refused.extra.push(("mfa_token", json!(token.as_str())));
    Ok(refused)
}
