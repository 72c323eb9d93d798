//! An authorization request, parsed once (STYLE P4; OpenID Connect Core §3.1.2.1, RFC 6749 §4.1.1, RFC 7636).
//!
//! It is read in two steps, because a mistake before the second is shown on a page and never sent anywhere: first who
//! asks and where the answer goes ([`Destination`]), then what is asked for ([`AuthorizationRequest`]).

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vestibule_store::{Client, ClientId};

use super::{
    parameters::{Parameters, words},
    pkce::Challenge,
    redirect_uri,
    scope::{self, Audience},
    token::GrantType,
};
use crate::error::Refused;

/// `acr_values` by which a client demands a second factor.
pub(crate) const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// Where the answer to a request goes: a client and a redirect URI it registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Destination {
    pub(crate) client: ClientId,
    pub(crate) redirect_uri: String,
    pub(crate) response_mode: ResponseMode,
    /// The client's own, given back to it.
    pub(crate) state: Option<String>,
}

/// How the answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResponseMode {
    /// In the query of the redirect URI.
    Query,
    /// In a form that the browser posts there (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// What a client asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AuthorizationRequest {
    #[serde(flatten)]
    pub(crate) destination: Destination,
    /// What is granted of the scope that was asked for: before the rules, who may change it within bounds.
    pub(crate) scope: Vec<String>,
    pub(crate) audience: Audience,
    pub(crate) challenge: Challenge,
    pub(crate) nonce: Option<String>,
    pub(crate) prompt: Prompt,
    pub(crate) max_age: Option<u64>,
    pub(crate) login_hint: Option<String>,
    /// The subject of `id_token_hint`.
    pub(crate) expects: Option<String>,
    /// Whether `acr_values` demand a second factor.
    pub(crate) wants_second_factor: bool,
    /// The connection to log in with, if the client names one.
    pub(crate) connection: Option<String>,
    /// The whole query, as rules see it in `context.request.query`.
    pub(crate) query: Map<String, Value>,
}

/// What the person is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Prompt {
    /// Whatever is needed.
    AsNeeded,
    /// Nothing: the answer comes at once, or an error does.
    None,
    /// The login page, session or not.
    Login,
}

impl Destination {
    /// Reads where the answer goes. The caller has looked the client up.
    ///
    /// # Errors
    /// What is wrong with it; to be shown on a page.
    pub(crate) fn parse(parameters: &Parameters, client: &Client) -> Result<Self, Refused> {
        for name in ["client_id", "redirect_uri", "state", "response_mode"] {
            if parameters.is_repeated(name) {
                return Err(Refused::invalid_request(format!("Repeated parameter: {name}")));
            }
        }
        let asked = parameters.require("redirect_uri")?;
        if !redirect_uri::is_registered(asked, &client.settings.redirect_uris, client.settings.native) {
            let description = "Callback URL mismatch. The redirect_uri is not in the list of allowed callback URLs.";
            return Err(Refused::new(StatusCode::FORBIDDEN, "unauthorized_client", description));
        }
        let response_mode = match parameters.get("response_mode") {
            None | Some("query") => ResponseMode::Query,
            Some("form_post") => ResponseMode::FormPost,
            Some(_) => return Err(Refused::invalid_request("response_mode must be query or form_post")),
        };
        Ok(Self {
            client: client.id.clone(),
            redirect_uri: asked.to_owned(),
            response_mode,
            state: parameters.get("state").map(str::to_owned),
        })
    }
}

impl AuthorizationRequest {
    /// Reads what is asked for. `expects` is the subject of a valid `id_token_hint`.
    ///
    /// # Errors
    /// What is wrong with it; the client is told, at the destination.
    pub(crate) fn parse(
        parameters: &Parameters,
        client: &Client,
        destination: Destination,
        expects: Option<String>,
    ) -> Result<Self, Refused> {
        parameters.check()?;
        refuse_unsupported(parameters)?;
        if !client.may_use(GrantType::AuthorizationCode.as_str()) {
            return Err(refused("unauthorized_client", "The client may not use the authorization code grant."));
        }
        let audience = Audience::parse(parameters.get("audience"), client)?;
        Ok(Self {
            scope: scope::grantable(&words(parameters.get("scope")), &audience, client),
            audience,
            challenge: challenge(parameters)?,
            nonce: parameters.get("nonce").map(str::to_owned),
            prompt: Prompt::parse(parameters.get("prompt"))?,
            max_age: max_age(parameters.get("max_age"))?,
            login_hint: parameters.get("login_hint").map(str::to_owned),
            expects,
            wants_second_factor: words(parameters.get("acr_values")).iter().any(|value| value == MULTI_FACTOR),
            connection: parameters.get("connection").map(str::to_owned),
            query: parameters.to_object(),
            destination,
        })
    }

    /// Whether a session in which the person authenticated so long ago is fresh enough.
    pub(crate) fn is_satisfied_by_age(&self, age: Duration) -> bool {
        self.prompt != Prompt::Login && self.max_age.is_none_or(|most| most > 0 && age <= Duration::from_secs(most))
    }
}

impl Prompt {
    fn parse(text: Option<&str>) -> Result<Self, Refused> {
        let words = words(text);
        let has = |word: &str| words.iter().any(|known| known == word);
        match words.as_slice() {
            _ if has("none") && words.len() > 1 => {
                Err(Refused::invalid_request("prompt=none cannot be combined with another value"))
            }
            _ if has("none") => Ok(Self::None),
            _ if has("login") || has("select_account") => Ok(Self::Login),
            // Clients are the operator's own: there is nothing to consent to.
            _ if words.iter().all(|word| word == "consent") => Ok(Self::AsNeeded),
            _ => Err(Refused::invalid_request("prompt must be none, login, consent or select_account")),
        }
    }
}

/// What OpenID Connect lets a provider refuse, and what we do not do.
fn refuse_unsupported(parameters: &Parameters) -> Result<(), Refused> {
    for (name, error) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        if parameters.get(name).is_some() {
            return Err(refused(error, format!("The parameter {name} is not supported.")));
        }
    }
    match parameters.require("response_type")? {
        "code" => Ok(()),
        _ => Err(refused("unsupported_response_type", "The only supported response_type is code.")),
    }
}

fn challenge(parameters: &Parameters) -> Result<Challenge, Refused> {
    let challenge = parameters.require("code_challenge")?;
    if parameters.get("code_challenge_method") != Some("S256") {
        return Err(Refused::invalid_request("code_challenge_method must be S256"));
    }
    Challenge::parse(challenge)
        .ok_or_else(|| Refused::invalid_request("code_challenge must be the base64url of a SHA-256"))
}

fn max_age(text: Option<&str>) -> Result<Option<u64>, Refused> {
    let parse = |text: &str| text.parse().map_err(|_| Refused::invalid_request("max_age must be a number of seconds"));
    text.map(parse).transpose()
}

fn refused(error: &'static str, description: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, error, description)
}
