//! The refresh token grant: the rules run again, and the token rotates only if they let the login go on (S-14, S-15;
//! RFC 9700 §4.14; HS-33).

use serde_json::Map;
use vestibule_store::{Family, Presented};

use super::Asked;
use crate::{
    clock::Token,
    error::{ApiError, Fault, Refused},
    login::{
        Counting, Decided, Flow, LoginTransaction, Principal, Rules, Sent, browser::connection, parked::new_login,
        refresh_token_spent, run,
    },
    oauth::{parameters::words, scope},
    tokens::{Grant, TokenResponse},
};

/// What rules see of the request.
const VISIBLE: &[&str] = &["audience", "client_id", "grant_type", "scope"];

/// Exchanges a refresh token for tokens and the next refresh token.
pub(super) async fn exchange(asked: Asked<'_>) -> Result<TokenResponse, ApiError> {
    let Asked { app, caller, client, parameters } = asked;
    let presented = Token::presented(parameters.require("refresh_token")?).digest();
    let family = match app.store.refresh_token(&caller.tenant, &presented, &client.id, app.now()).await? {
        Presented::Current(family) => family,
        Presented::Reused(family) => {
            tracing::warn!(%family, client = %client.id, "a refresh token was used again; its family is revoked");
            return Err(refresh_token_spent().into());
        }
        Presented::Refused => return Err(refresh_token_spent().into()),
    };
    let grant = Grant::from_document(family.document.clone())?;
    let connection = connection(app, caller, &client, &grant.connection.as_str().into()).await?;
    let connection = connection.ok_or_else(refresh_token_spent)?;
    let scope = narrowed(&scope::grantable(&grant.granted, &grant.audience, &client), parameters.get("scope"))?;
    let login = LoginTransaction {
        id: new_login(app),
        leg: 0,
        at: app.now(),
        caller,
        principal: principal(&family, &grant),
        flow: Flow::Refresh { presented, family, scope, audience: grant.audience },
        client: client.clone(),
        connection,
        counting: Counting::Never,
        rules: Rules::Of(app.generations.active(&caller.tenant)),
        sent: Sent { query: Map::new(), body: parameters.only(VISIBLE) },
        is_after_redirect: false,
        user_changes: Map::new(),
    };
    match run(app, login).await? {
        Decided::Allowed(issued) => {
            let refresh = issued.refresh.map(|token| token.as_str().to_owned());
            Ok(issued.grant.issue(app, &caller.issuer, &client, refresh)?)
        }
        Decided::Refused(refused) => Err(refused.into()),
        Decided::Redirect(_) | Decided::SecondFactor(_) | Decided::MfaRequired => {
            Err(Fault::broken("a refresh cannot wait for a browser").into())
        }
    }
}

fn principal(family: &Family, grant: &Grant) -> Principal {
    Principal {
        user: family.user.clone(),
        connection: grant.connection.as_str().into(),
        methods: grant.methods.clone(),
        at: grant.authenticated_at,
    }
}

/// The scope a client asks for this time: never more than was granted (RFC 6749 §6).
fn narrowed(granted: &[String], asked: Option<&str>) -> Result<Vec<String>, Refused> {
    let asked = words(asked);
    match asked.iter().find(|scope| !granted.contains(scope)) {
        _ if asked.is_empty() => Ok(granted.to_vec()),
        Some(_) => {
            let description = "The scope asked for exceeds what was granted.";
            Err(Refused::new(http::StatusCode::BAD_REQUEST, "invalid_scope", description))
        }
        None => Ok(asked),
    }
}
