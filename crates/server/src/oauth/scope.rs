//! Scopes and audiences: what a client may be granted, and what a rule may put in its place (DESIGN §2; HS-39).

use std::collections::BTreeSet;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use url::Url;
use vestibule_pipeline::event::{AllowedScopes, ScopePolicy};
use vestibule_store::Client;

use super::token::GrantType;
use crate::error::Refused;

/// Scopes of OpenID Connect: every client may ask for them (Core §5.4, §11).
pub(crate) const STANDARD: &[&str] = &["openid", "profile", "email", "address", "phone", "offline_access"];

/// Who an access token is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Audience {
    /// The login service itself: `/userinfo`.
    UserInfo,
    /// An API of this client.
    Api(String),
}

impl Audience {
    /// Reads the audience a client asks for.
    ///
    /// # Errors
    /// `access_denied` for one that is not registered for the client.
    pub(crate) fn parse(asked: Option<&str>, client: &Client) -> Result<Self, Refused> {
        match asked.or(client.settings.default_audience.as_deref()) {
            None => Ok(Self::UserInfo),
            Some(api) if client.settings.audiences.contains_key(api) => Ok(Self::Api(api.to_owned())),
            Some(_) => {
                let description = "The audience is not one that this client may ask for.";
                Err(Refused::new(StatusCode::FORBIDDEN, "access_denied", description))
            }
        }
    }

    /// What is registered for it and allowed to the client.
    fn registered<'c>(&self, client: &'c Client) -> impl Iterator<Item = &'c String> + use<'c> {
        let api = match self {
            Self::UserInfo => None,
            Self::Api(api) => client.settings.audiences.get(api),
        };
        api.into_iter().flatten()
    }

    /// Whether it is the host's own management API, whose scopes no user's login carries.
    pub(crate) fn is_management(&self, issuer: &str) -> bool {
        matches!(self, Self::Api(api) if *api == management(issuer))
    }
}

/// The audience of the management API.
pub(crate) fn management(issuer: &str) -> String {
    format!("{issuer}api/v2/")
}

/// The audience of `/userinfo`.
pub(crate) fn userinfo(issuer: &str) -> String {
    format!("{issuer}userinfo")
}

/// The issuer of a service that is reached at this URL: with a slash at its end, as Auth0's (S-13).
pub(crate) fn issuer(base: &Url) -> String {
    let mut issuer = base.to_string();
    if !issuer.ends_with('/') {
        issuer.push('/');
    }
    issuer
}

/// What of the scope asked for may be granted. What is unknown is left out, not refused (RFC 6749 §3.3).
pub(crate) fn grantable(asked: &[String], audience: &Audience, client: &Client) -> Vec<String> {
    let is_granted = |scope: &&String| match scope.as_str() {
        "offline_access" => client.may_use(GrantType::RefreshToken.as_str()),
        standard if STANDARD.contains(&standard) => true,
        _ => audience.registered(client).any(|known| known == *scope),
    };
    asked.iter().filter(is_granted).cloned().collect()
}

/// What rules may make of a scope.
pub(crate) fn policy(granted: &[String], audience: &Audience, client: &Client, issuer: &str) -> ScopePolicy {
    let standard = STANDARD.iter().map(|scope| (*scope).to_owned());
    let allowed: BTreeSet<String> = audience.registered(client).cloned().chain(standard).collect();
    ScopePolicy {
        granted: granted.to_vec(),
        allowed: AllowedScopes::Only(allowed),
        is_management: audience.is_management(issuer),
    }
}
