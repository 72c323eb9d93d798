//! The MFA grants: a password grant goes on once its second factor is presented (S-10, R-45).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vestibule_store::{LoginId, Purpose};

use super::{Asked, password};
use crate::{
    clock::Token,
    error::{ApiError, Fault, Refused},
    factor::{self, Presented},
    login::{Counting, Method, Principal, refusal},
    oauth::scope::Audience,
    tokens::TokenResponse,
};

/// How many second factors may be tried with one token (HS-14).
const TRIES: u32 = 10;

/// A password grant between two legs; the document of its MFA token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Continuing {
    pub(super) login: LoginId,
    pub(super) leg: u32,
    pub(super) principal: Principal,
    pub(super) counting: Counting,
    pub(super) scope: Vec<String>,
    pub(super) audience: Audience,
    pub(super) sent: Map<String, Value>,
}

impl Continuing {
    /// The leg after this one.
    pub(super) fn next(&self) -> Self {
        Self { leg: self.leg + 1, counting: Counting::Counted, ..self.clone() }
    }

    pub(super) fn to_document(&self) -> Result<Map<String, Value>, Fault> {
        match serde_json::to_value(self)? {
            Value::Object(document) => Ok(document),
            _ => Err(Fault::broken("a password grant is no object")),
        }
    }
}

/// Exchanges an MFA token and a second factor for tokens.
pub(super) async fn exchange(asked: &Asked<'_>, presented: Presented<'_>) -> Result<TokenResponse, ApiError> {
    let Asked { app, caller, client, parameters } = asked;
    let (tenant, now) = (&caller.tenant, app.now());
    let digest = Token::presented(parameters.require("mfa_token")?).digest();
    let token = app.store.token(tenant, Purpose::MfaToken, &digest, now).await?;
    let token = token.filter(|token| token.client.as_ref() == Some(&client.id)).ok_or_else(unknown)?;
    let tries = app.store.count_token_attempt(tenant, Purpose::MfaToken, &digest, now).await?;
    if tries.is_none_or(|tries| tries > TRIES) {
        return Err(unknown().into());
    }
    factor::check(app, caller, &token.user, presented).await?;
    // Whoever wins this goes on; the others presented a factor that is used up.
    let token = app.store.take_token(tenant, Purpose::MfaToken, &digest, now).await?.ok_or_else(unknown)?;
    let mut continuing: Continuing = serde_json::from_value(Value::Object(token.document)).map_err(Fault::from)?;
    continuing.principal.methods.push(Method::second_factor(now));
    password::go_on(asked, continuing).await
}

fn unknown() -> Refused {
    refusal("invalid_grant", "Unknown or expired mfa_token.")
}
