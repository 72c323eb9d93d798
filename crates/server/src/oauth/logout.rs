//! Logging out: `GET /v2/logout` (Auth0's) and `GET`, `POST /oidc/logout` (OpenID Connect RP-Initiated Logout 1.0).
//!
//! A browser is sent only where its client registered to the letter (HS-26). A session ends for whoever holds one of its
//! ID tokens, and for the person at the browser, who is asked if a mere link says so (HS-27): cookies are `SameSite=Lax`,
//! so no image or frame of another site can do it either.

use axum::{
    extract::RawQuery,
    response::{IntoResponse as _, Response},
};
use axum_extra::extract::CookieJar;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use url::Url;
use vestibule_store::{Client, ClientId, SessionId};

use super::{parameters::Parameters, respond::see_other};
use crate::{
    app::App,
    error::{ApiError, Fault, PageError, Refused},
    pages::{self, Posted, Visit},
    request::Caller,
    session::{self, CookieKind},
    tokens::{HintClaims, ID_TOKEN},
};

/// Where a browser goes once it is logged out: nowhere, or to a URI its client registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Afterwards(Option<String>);

/// The form on the page that asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmed {
    /// Where the browser goes afterwards; checked when the form was made, and bound to its token.
    #[serde(rename = "state")]
    about: String,
    csrf: String,
}

impl Posted for Confirmed {
    fn purpose(&self) -> &'static str {
        "logout"
    }

    fn about(&self) -> &str {
        &self.about
    }

    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /v2/logout?client_id=…&returnTo=…`. Auth0's clients expect it to ask nothing; only the browser's own navigation,
/// no resource of another page, gets here with the cookie.
pub(crate) async fn classic(
    visit: Visit,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes());
    parameters.check()?;
    if headers.get("sec-fetch-dest").is_some_and(|destination| destination != "document") {
        return Err(Refused::invalid_request("Logging out is not a resource of another page.").into());
    }
    let Visit { app, caller, jar, .. } = visit;
    let client = client(&app, &caller, parameters.get("client_id")).await?;
    let afterwards = Afterwards::of(client.as_ref(), parameters.get("returnTo"), None)?;
    let session = session::current(&app, &caller, &jar).await?.map(|session| session.id);
    end(&app, &caller, jar, session, afterwards).await
}

/// `GET /oidc/logout`.
pub(crate) async fn get(visit: Visit, RawQuery(query): RawQuery) -> Result<Response, PageError> {
    log_out(visit, Parameters::parse(query.unwrap_or_default().as_bytes())).await
}

/// `POST /oidc/logout`: the same, in a form of the client's; without the cookie only the hint speaks.
pub(crate) async fn post(visit: Visit, headers: HeaderMap, body: Bytes) -> Result<Response, PageError> {
    log_out(visit, Parameters::of_body(&headers, &body)?).await
}

/// `POST /u/logout`: the person says yes.
pub(crate) async fn confirmed(visit: Visit, body: Bytes) -> Result<Response, PageError> {
    let form: Confirmed = visit.posted(&body)?;
    let Visit { app, caller, jar, .. } = visit;
    let session = session::current(&app, &caller, &jar).await?.map(|session| session.id);
    let afterwards = Afterwards(Some(form.about).filter(|uri| !uri.is_empty()));
    end(&app, &caller, jar, session, afterwards).await
}

async fn log_out(visit: Visit, parameters: Parameters) -> Result<Response, PageError> {
    parameters.check()?;
    let (app, caller) = (&visit.app, &visit.caller);
    let hint = parameters.get("id_token_hint").and_then(|hint| valid(app, caller, hint));
    let named = parameters.get("client_id");
    if let (Some(hint), Some(named)) = (&hint, named)
        && hint.aud.as_str() != named
    {
        return Err(Refused::invalid_request("client_id is not the client of id_token_hint").into());
    }
    let client = client(app, caller, named.or(hint.as_ref().map(|hint| hint.aud.as_str()))).await?;
    let asked = parameters.get("post_logout_redirect_uri");
    let afterwards = Afterwards::of(client.as_ref(), asked, parameters.get("state"))?;
    let session = session::current(app, caller, &visit.jar).await?.map(|session| session.id);
    match (session, hint.and_then(|hint| hint.sid)) {
        (None, None) => end(app, caller, visit.jar.clone(), None, afterwards).await,
        (session, Some(hinted)) if session.as_ref().is_none_or(|session| *session == hinted) => {
            end(app, caller, visit.jar.clone(), Some(hinted), afterwards).await
        }
        (_, _) => Ok(pages::logout::show(visit, afterwards.0.as_deref().unwrap_or_default())),
    }
}

/// What an ID token of ours says, however old it is.
fn valid(app: &App, caller: &Caller, hint: &str) -> Option<HintClaims> {
    app.keys.signing.verify::<HintClaims>(ID_TOKEN, hint).ok().filter(|hint| hint.iss == caller.issuer)
}

async fn client(app: &App, caller: &Caller, id: Option<&str>) -> Result<Option<Client>, ApiError> {
    let Some(id) = id else { return Ok(None) };
    let client = app.store.client(&caller.tenant, &ClientId::from(id)).await?;
    client.map(Some).ok_or_else(|| Refused::invalid_request("Unknown client.").into())
}

impl Afterwards {
    /// Where a client may have the browser sent.
    ///
    /// # Errors
    /// `invalid_request` for a URI that is not registered to the letter.
    fn of(client: Option<&Client>, asked: Option<&str>, state: Option<&str>) -> Result<Self, Refused> {
        let Some(asked) = asked else { return Ok(Self(None)) };
        let is_registered = client.is_some_and(|client| client.settings.logout_uris.iter().any(|uri| uri == asked));
        let mut url = Url::parse(asked).ok().filter(|_| is_registered).ok_or_else(|| {
            Refused::invalid_request("The logout URL is not in the list of allowed logout URLs of the client.")
        })?;
        if let Some(state) = state {
            url.query_pairs_mut().append_pair("state", state);
        }
        Ok(Self(Some(url.into())))
    }
}

/// Ends a session, and sends the browser on without it.
async fn end(
    app: &App,
    caller: &Caller,
    jar: CookieJar,
    session: Option<SessionId>,
    afterwards: Afterwards,
) -> Result<Response, PageError> {
    if let Some(session) = session {
        app.store.end_session(&caller.tenant, &session).await?;
    }
    let to = match afterwards.0 {
        Some(uri) => uri,
        None => Url::parse(&caller.issuer).and_then(|base| base.join("u/logged-out")).map_err(Fault::from)?.into(),
    };
    let mut response = (CookieKind::Session.remove(app, jar), see_other(&to)?).into_response();
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    debug_assert_eq!(response.status(), StatusCode::SEE_OTHER);
    Ok(response)
}
