//! The demo client's own pages: it goes to `/authorize`, gets a code, exchanges it at `/oauth/token`, and shows the ID
//! token. It knows nothing that another client would not.

use askama::Template;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Query, State},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use axum_extra::extract::cookie::{Cookie, SameSite};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Request, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use super::{Frame, Visit};
use crate::{
    app::App,
    demo::{CLIENT, callback},
    error::{Fault, PageError},
    router,
};

const COOKIE: &str = "vestibule-demo";
/// The longest token response that is read.
const RESPONSE_BYTES: usize = 256 * 1024;

/// The client's own routes.
pub(crate) fn routes(app: App) -> Router {
    Router::new()
        .route("/demo", get(welcome))
        .route("/demo/login", get(begin))
        .route("/demo/callback", get(finish))
        .with_state(app)
}

#[derive(Template)]
#[template(path = "demo.html")]
struct DemoPage<'a> {
    frame: Frame,
    problem: Option<&'a str>,
    /// The claims as JSON text; empty before a login.
    claims: &'a str,
    back: String,
}

/// What `/authorize` sends back.
#[derive(Deserialize)]
struct Returned {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// `GET /demo`.
async fn welcome(visit: Visit) -> Response {
    page(visit, None, "")
}

/// `GET /demo/login`: the start of a code flow with PKCE.
async fn begin(State(app): State<App>, visit: Visit) -> Result<Response, PageError> {
    let (verifier, state) = (app.entropy.token(), app.entropy.token());
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_str()));
    let mut to = app.settings.public_url.join("/authorize").map_err(Fault::from)?;
    to.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", callback(&app.settings.public_url)?.as_str()),
        ("scope", "openid profile email"),
        ("state", state.as_str()),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let value = format!("{}.{}", state.as_str(), verifier.as_str());
    let cookie = Cookie::build((COOKIE, value)).path("/demo").http_only(true).same_site(SameSite::Lax);
    Ok((visit.jar.add(cookie), Redirect::to(to.as_str())).into_response())
}

/// `GET /demo/callback`: the code is exchanged, the ID token shown.
async fn finish(State(app): State<App>, Query(returned): Query<Returned>, visit: Visit) -> Result<Response, PageError> {
    if let Some(error) = returned.error {
        let told = returned.error_description.unwrap_or_default();
        return Ok(page(visit, Some(&format!("{error}: {told}")), ""));
    }
    let cookie = visit.jar.get(COOKIE).map(|cookie| cookie.value().to_owned()).unwrap_or_default();
    let (state, verifier) = cookie.split_once('.').unwrap_or_default();
    let (Some(code), Some(_)) = (&returned.code, returned.state.filter(|returned| returned == state)) else {
        return Ok(page(visit, Some("This answer belongs to no login that was begun in this browser."), ""));
    };
    let answer = exchange(&app, code, verifier).await?;
    let claims = answer.get("id_token").and_then(Value::as_str).and_then(claims_of);
    match claims {
        Some(claims) => Ok(page(visit, None, &serde_json::to_string_pretty(&claims).map_err(Fault::from)?)),
        None => Ok(page(visit, Some(&format!("The token endpoint said: {answer}")), "")),
    }
}

/// Asks the token endpoint, as any client would over the network.
async fn exchange(app: &App, code: &str, verifier: &str) -> Result<Value, Fault> {
    let redirect_uri = callback(&app.settings.public_url)?;
    let form = serde_urlencoded::to_string([
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", redirect_uri.as_str()),
    ])?;
    let request = Request::post("/oauth/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::HOST, app.settings.public_url.authority())
        .body(Body::from(form))?;
    let Ok(response) = router::router(app.clone()).oneshot(request).await;
    let body = to_bytes(response.into_body(), RESPONSE_BYTES).await?;
    Ok(serde_json::from_slice(&body)?)
}

/// What an ID token says. The signature is not checked: it comes straight from the token endpoint (OpenID Connect Core
/// §3.1.3.7, 6).
fn claims_of(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn page(visit: Visit, problem: Option<&str>, claims: &str) -> Response {
    let back = visit.app.settings.public_url.join("/demo").map(String::from).unwrap_or_default();
    let page = DemoPage { frame: visit.frame(), problem, claims, back };
    visit.show(StatusCode::OK, &page, &[])
}
