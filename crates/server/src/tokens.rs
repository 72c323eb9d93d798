//! Tokens: what they say, and who is told what (spec S-11 to S-16, R-46 to R-53; OpenID Connect Core §2, §5.4; RFC 9068).
//!
//! A [`Grant`] is what a login came to. It is stored with the code or the refresh token, in the login's own transaction;
//! tokens are signed from it afterwards and never before.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use vestibule_store::{Client, ClientId, LoginId, SessionId, Timestamp, User};

use crate::{
    app::App,
    error::Fault,
    login::Method,
    oauth::scope::{self, Audience},
};

/// `typ` of an access token (RFC 9068 §2.1): no ID token passes for one, and the other way round.
pub(crate) const ACCESS_TOKEN: &str = "at+jwt";
/// `typ` of an ID token.
pub(crate) const ID_TOKEN: &str = "JWT";

/// Standard claims, and the scope that lets a client have them (Core §5.4; R-51).
const STANDARD_CLAIMS: &[(&str, &[&str])] = &[
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// What a login granted: all that tokens are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The login that granted it.
    pub(crate) login: LoginId,
    /// Who the tokens are for.
    pub(crate) subject: String,
    pub(crate) audience: Audience,
    /// The scope, as the rules left it.
    pub(crate) scope: Vec<String>,
    /// The scope before the rules: what a refresh begins with.
    pub(crate) granted: Vec<String>,
    pub(crate) nonce: Option<String>,
    /// When credentials were verified.
    pub(crate) authenticated_at: Timestamp,
    pub(crate) methods: Vec<Method>,
    pub(crate) connection: String,
    pub(crate) session: Option<SessionId>,
    /// `gty`: a grant without a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grant_type: Option<String>,
    /// No token of it outlives this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_after: Option<Timestamp>,
    /// The user's standard claims, as the rules left them.
    pub(crate) profile: Map<String, Value>,
    /// Custom claims of the ID token, and of `/userinfo`.
    pub(crate) id_token: Map<String, Value>,
    /// Custom claims of the access token.
    pub(crate) access_token: Map<String, Value>,
}

/// What a client is answered at the token endpoint (S-11).
#[derive(Debug, Serialize)]
pub(crate) struct TokenResponse {
    pub(crate) access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    pub(crate) expires_in: u64,
    pub(crate) token_type: &'static str,
}

/// What an access token says, as far as we read it ourselves.
#[derive(Debug, Deserialize)]
pub(crate) struct AccessClaims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: Value,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    #[serde(default)]
    pub(crate) scope: String,
}

/// What an `id_token_hint` says, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct HintClaims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: ClientId,
    pub(crate) sid: Option<SessionId>,
}

impl AccessClaims {
    /// Whether it is good for this audience, now.
    pub(crate) fn is_good_for(&self, audience: &str, issuer: &str, now: Timestamp) -> bool {
        let is_meant = match &self.aud {
            Value::String(one) => one == audience,
            Value::Array(many) => many.iter().any(|one| one == audience),
            _ => false,
        };
        is_meant && self.iss == issuer && now.0 < self.exp.saturating_mul(1_000)
    }
}

impl Grant {
    pub(crate) fn has_scope(&self, name: &str) -> bool {
        has_scope(&self.scope, name)
    }

    /// The document that is stored with a code or a refresh token.
    ///
    /// # Errors
    /// [`Fault`] when it is no object, which cannot be.
    pub(crate) fn to_document(&self) -> Result<Map<String, Value>, Fault> {
        match serde_json::to_value(self)? {
            Value::Object(document) => Ok(document),
            _ => Err(Fault::broken("a grant is no object")),
        }
    }

    /// Reads what was stored.
    ///
    /// # Errors
    /// [`Fault`] when another version wrote it.
    pub(crate) fn from_document(document: Map<String, Value>) -> Result<Self, Fault> {
        Ok(serde_json::from_value(Value::Object(document))?)
    }

    /// Signs the tokens of this grant. Call it once the grant is durable.
    ///
    /// # Errors
    /// [`Fault`] when they cannot be signed.
    pub(crate) fn issue(
        &self,
        app: &App,
        issuer: &str,
        client: &Client,
        refresh_token: Option<String>,
    ) -> Result<TokenResponse, Fault> {
        let now = app.now();
        let lifetimes = &app.settings.lifetimes;
        let left =
            self.not_after.map_or(Duration::MAX, |end| Duration::from_millis((end.0 - now.0).max(0).cast_unsigned()));
        let access_life = lifetime(client.settings.access_token_seconds, lifetimes.access_token).min(left);
        let access_token =
            app.keys.signing.sign(ACCESS_TOKEN, &self.access_claims(issuer, client, now, access_life), now)?;
        let id_token = self.has_scope("openid").then(|| {
            let life = lifetime(client.settings.id_token_seconds, lifetimes.id_token).min(left);
            app.keys.signing.sign(ID_TOKEN, &self.id_claims(issuer, client, now, life, &access_token), now)
        });
        Ok(TokenResponse {
            access_token,
            id_token: id_token.transpose()?,
            refresh_token,
            scope: Some(self.scope.join(" ")),
            expires_in: access_life.as_secs(),
            token_type: "Bearer",
        })
    }

    fn person(&self) -> Person<'_> {
        Person { subject: &self.subject, scope: &self.scope, profile: &self.profile, custom: &self.id_token }
    }

    fn access_claims(&self, issuer: &str, client: &Client, now: Timestamp, life: Duration) -> Map<String, Value> {
        let mut claims = self.access_token.clone();
        keep_allowed(&mut claims, &self.scope);
        let audience = match &self.audience {
            Audience::UserInfo => json!(scope::userinfo(issuer)),
            Audience::Api(api) if self.has_scope("openid") => json!([api, scope::userinfo(issuer)]),
            Audience::Api(api) => json!(api),
        };
        put(&mut claims, "iss", json!(issuer));
        put(&mut claims, "sub", json!(self.subject));
        put(&mut claims, "aud", audience);
        put(&mut claims, "azp", json!(client.id));
        put(&mut claims, "client_id", json!(client.id));
        put(&mut claims, "iat", json!(seconds(now)));
        put(&mut claims, "exp", json!(seconds(now.plus(life))));
        put(&mut claims, "jti", json!(self.login));
        put(&mut claims, "scope", json!(self.scope.join(" ")));
        if let Some(grant_type) = &self.grant_type {
            put(&mut claims, "gty", json!(grant_type));
        }
        claims
    }

    fn id_claims(
        &self,
        issuer: &str,
        client: &Client,
        now: Timestamp,
        life: Duration,
        access_token: &str,
    ) -> Map<String, Value> {
        let mut claims = self.person().claims();
        put(&mut claims, "iss", json!(issuer));
        put(&mut claims, "aud", json!(client.id));
        put(&mut claims, "iat", json!(seconds(now)));
        put(&mut claims, "exp", json!(seconds(now.plus(life))));
        put(&mut claims, "auth_time", json!(seconds(self.authenticated_at)));
        put(&mut claims, "amr", json!(self.methods.iter().map(|method| method.name.as_str()).collect::<Vec<_>>()));
        put(&mut claims, "at_hash", json!(half_hash(access_token)));
        if self.methods.iter().any(Method::is_second_factor) {
            put(&mut claims, "acr", json!(crate::oauth::request::MULTI_FACTOR));
        }
        if let Some(nonce) = &self.nonce {
            put(&mut claims, "nonce", json!(nonce));
        }
        if let Some(session) = &self.session {
            put(&mut claims, "sid", json!(session));
        }
        claims
    }
}

/// A person, as a client may know them.
pub(crate) struct Person<'g> {
    pub(crate) subject: &'g str,
    pub(crate) scope: &'g [String],
    /// Standard claims.
    pub(crate) profile: &'g Map<String, Value>,
    /// Custom claims of the ID token.
    pub(crate) custom: &'g Map<String, Value>,
}

impl Person<'_> {
    /// What an ID token and `/userinfo` say: the standard claims of the scope, over them the custom ones (R-46, R-51,
    ///
    pub(crate) fn claims(&self) -> Map<String, Value> {
        let mut claims = self.profile.clone();
        claims.extend(self.custom.clone());
        keep_allowed(&mut claims, self.scope);
        put(&mut claims, "sub", json!(self.subject));
        claims
    }
}

/// The claims of a client's own access token (S-13): no user, no rules.
pub(crate) fn client_claims(
    issuer: &str,
    client: &Client,
    audience: &str,
    scope: &[String],
    (id, now, life): (String, Timestamp, Duration),
) -> Value {
    json!({
        "iss": issuer,
        "sub": format!("{}@clients", client.id),
        "aud": audience,
        "azp": client.id,
        "client_id": client.id,
        "iat": seconds(now),
        "exp": seconds(now.plus(life)),
        "jti": id,
        "scope": scope.join(" "),
        "gty": "client-credentials",
    })
}

/// The standard claims in a profile as rules see it (§1): other names, other types (Core §5.1).
pub(crate) fn standard_claims(user: &Map<String, Value>) -> Map<String, Value> {
    let mut claims = Map::new();
    for (_, names) in STANDARD_CLAIMS {
        for name in *names {
            let value = match *name {
                "phone_number_verified" => user.get("phone_verified").cloned(),
                "updated_at" => user.get("updated_at").and_then(seconds_of_text),
                name => user.get(name).cloned(),
            };
            if let Some(value) = value.filter(|value| !value.is_null()) {
                put(&mut claims, name, value);
            }
        }
    }
    claims
}

/// The standard claims of a user as they are stored now.
pub(crate) fn stored_claims(user: &User) -> Map<String, Value> {
    let mut profile = user.profile.clone();
    put(&mut profile, "updated_at", json!(crate::login::date(user.updated_at)));
    if let Some(email) = &user.email {
        put(&mut profile, "email", json!(email));
        put(&mut profile, "email_verified", json!(user.email_verified));
    }
    standard_claims(&profile)
}

/// A time as Core §5.1 wants it: a number of seconds.
fn seconds_of_text(value: &Value) -> Option<Value> {
    let at: jiff::Timestamp = value.as_str()?.parse().ok()?;
    Some(json!(at.as_second()))
}

/// The claims that a scope lets a client have, among standard ones; all others stay.
fn keep_allowed(claims: &mut Map<String, Value>, scope: &[String]) {
    let is_withheld = |name: &str| {
        let of_scope = STANDARD_CLAIMS.iter().find(|(_, names)| names.contains(&name));
        of_scope.is_some_and(|(needed, _)| !has_scope(scope, needed))
    };
    claims.retain(|name, _| !is_withheld(name));
}

pub(crate) fn has_scope(scope: &[String], name: &str) -> bool {
    scope.iter().any(|granted| granted == name)
}

/// A lifetime: the client's own, or the server's.
pub(crate) fn lifetime(own: Option<u32>, default: Duration) -> Duration {
    own.map_or(default, |seconds| Duration::from_secs(seconds.into()))
}

/// Seconds since 1970 (RFC 7519 §2).
pub(crate) const fn seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000)
}

/// `at_hash` (Core §3.1.3.6).
fn half_hash(token: &str) -> String {
    let hash = digest(&SHA256, token.as_bytes());
    let half = hash.as_ref().split_at_checked(16).map(|(half, _)| half).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(half)
}

fn put(claims: &mut Map<String, Value>, name: &str, value: Value) {
    claims.insert(name.to_owned(), value);
}

#[cfg(test)]
mod tests;
