//! The pages that people see: plain HTML from the server, with one style sheet and no script.
//!
//! Everything that somebody typed, or a client sent, is put in as text by the templates, and the policy of the page would
//! not let it run if it were not (HS-21). Nothing is stored by a cache, framed, or told to another site (HS-20, HS-25, HS-37).
//!
//! [`Visit`] is a request for a page: who asks, with which cookies, in which browser. A page that changes something is a
//! form with a token ([`crate::csrf`]); a POST that worked is answered 303.

pub(crate) mod factor;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod reset;
pub(crate) mod signup;
pub(crate) mod verify;

pub(crate) mod demo;

use askama::Template;
use axum::{
    body::Bytes,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use vestibule_pipeline::manifest::Redirects;
use vestibule_store::{Connection, ConnectionName};

use crate::{
    app::App,
    csrf::{self, Forged},
    error::{ApiError, PageError, Refused},
    login::parked::Pending,
    request::Caller,
    session,
};

const STYLE: &str = include_str!("../templates/style.css");
const ICON: &str = include_str!("../templates/icon.svg");
/// The only script of all pages; its digest stands in the policy of the page that has it.
const SEND_FORM: &str = "document.forms[0].submit()";

/// Somebody looks at a page.
pub(crate) struct Visit {
    pub(crate) app: App,
    pub(crate) caller: Caller,
    pub(crate) jar: CookieJar,
    headers: HeaderMap,
    /// What forms are bound to: the digest of the browser's cookie.
    browser: String,
}

/// `?state=`: which login it is about.
#[derive(Deserialize)]
pub(crate) struct State {
    #[serde(default)]
    pub(crate) state: String,
}

impl FromRequestParts<App> for Visit {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PageError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let jar = CookieJar::from_headers(&parts.headers);
        let (browser, jar) = session::browser(app, jar);
        let browser = browser.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { app: app.clone(), caller, jar, headers: parts.headers.clone(), browser })
    }
}

impl Visit {
    /// What a form that does this to that carries.
    pub(crate) fn form(&self, purpose: &'static str, about: &str) -> Form {
        let form = csrf::Form { purpose, about, browser: &self.browser };
        Form { about: about.to_owned(), csrf: form.token(&self.app.keys.seal) }
    }

    /// Reads a form that was posted, and refuses one that is not ours.
    pub(crate) fn posted<T: DeserializeOwned + Posted>(&self, body: &Bytes) -> Result<T, PageError> {
        csrf::same_origin(&self.headers, &self.caller)?;
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(Refused::invalid_request("This is not a form of ours.").into());
        }
        let posted: T = serde_urlencoded::from_bytes(body)
            .map_err(|error| Refused::invalid_request(format!("This is not a form of ours: {error}.")))?;
        let form = csrf::Form { purpose: posted.purpose(), about: posted.about(), browser: &self.browser };
        form.check(posted.csrf(), &self.app.keys.seal)?;
        Ok(posted)
    }

    /// What is around a page.
    pub(crate) fn frame(&self) -> Frame {
        Frame { service: self.app.accounts.service.clone(), problems: Vec::new() }
    }

    /// The same, with what was wrong with the form.
    pub(crate) fn frame_with(&self, problems: Vec<Problem>) -> Frame {
        Frame { problems, ..self.frame() }
    }

    /// Answers with a page. `leads_to` names where its form may end, beside us.
    pub(crate) fn show(self, status: StatusCode, page: &impl Template, leads_to: &[String]) -> Response {
        (self.jar, shown(status, page, &Policy { leads_to, script: None })).into_response()
    }

    /// A page that only says something.
    pub(crate) fn notice(self, heading: &str, text: &str, link: &Link<'_>) -> Response {
        let page = NoticePage { frame: self.frame(), heading, text, link: &link.to, link_text: link.text };
        self.show(StatusCode::OK, &page, &[])
    }

    /// The database connection that a page is about: the one that is asked for, or else the first that the client may use.
    pub(crate) async fn connection(&self, pending: Option<&Pending>) -> Result<Connection, PageError> {
        let (app, tenant) = (&self.app, &self.caller.tenant);
        let allowed: &[ConnectionName] = pending.map_or(&[], |pending| &pending.client().settings.connections);
        let wanted = pending.and_then(Pending::connection);
        let connections = app.store.connections(tenant).await?;
        let mut usable = connections.into_iter().filter(|connection| {
            connection.strategy == "auth0"
                && (allowed.is_empty() || allowed.contains(&connection.name))
                && wanted.is_none_or(|wanted| wanted == connection.name.as_str())
        });
        usable.next().ok_or_else(|| Refused::invalid_request("There is no way to log in here with a password.").into())
    }
}

/// A form as it was posted.
pub(crate) trait Posted {
    /// What it does.
    fn purpose(&self) -> &'static str;
    /// What it does it to.
    fn about(&self) -> &str;
    /// Its token.
    fn csrf(&self) -> &str;
}

/// What every form carries.
pub(crate) struct Form {
    pub(crate) about: String,
    pub(crate) csrf: String,
}

impl Form {
    /// What it is about, for a link to another page about it.
    fn query(&self) -> String {
        url::form_urlencoded::byte_serialize(self.about.as_bytes()).collect()
    }
}

/// What is around every page.
pub(crate) struct Frame {
    service: String,
    problems: Vec<Problem>,
}

impl Frame {
    fn has_problem(&self, field: &str) -> bool {
        self.problems.iter().any(|problem| problem.field == field)
    }

    /// A name for the version of the style sheet, so that browsers keep one and notice another.
    #[expect(clippy::unused_self, reason = "templates reach it through the frame")]
    fn style(&self) -> String {
        let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(STYLE).into();
        format!("{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

/// Something that is wrong with a form.
pub(crate) struct Problem {
    /// The field; empty if it is about all of them.
    pub(crate) field: String,
    /// What is wrong, and what to do.
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn new(field: &str, text: impl Into<String>) -> Self {
        Self { field: field.to_owned(), text: text.into() }
    }
}

/// Where somebody can go from a notice.
pub(crate) struct Link<'a> {
    pub(crate) to: String,
    pub(crate) text: &'a str,
}

impl Link<'_> {
    /// Nowhere.
    pub(crate) const NONE: Self = Self { to: String::new(), text: "" };
}

/// Where the login page's form may end: at the client, and wherever rules may send the browser. Browsers check it against
/// every redirect that follows a form.
pub(crate) fn leads_to(app: &App, caller: &Caller, pending: &Pending) -> Vec<String> {
    let client = source_of(pending.redirect_uri());
    let generation = app.generations.active(&caller.tenant);
    let rules = generation.loaded.pipeline.rules().iter().flat_map(|rule| match &rule.manifest.capabilities.redirect {
        Redirects::To(targets) => targets.iter().map(|target| target.origin().to_owned()).collect(),
        Redirects::Anywhere => vec!["https:".to_owned()],
    });
    client.into_iter().chain(rules).collect()
}

/// A URL as a source of a content security policy: its origin, or its scheme where it has none.
fn source_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    Some(if url.origin().is_tuple() { url.origin().ascii_serialization() } else { format!("{}:", url.scheme()) })
}

/// The page that says why something did not work; it leads nowhere.
pub(crate) fn error_page(status: StatusCode, error: &str, description: &str) -> Response {
    let frame = Frame { service: "Log in".to_owned(), problems: Vec::new() };
    shown(status, &ErrorPage { frame, code: error, description }, &Policy::NOWHERE)
}

/// A page whose form the browser posts to a client at once (OAuth 2.0 Form Post Response Mode).
pub(crate) fn form_post(action: &str, parameters: &[(&str, &str)]) -> Response {
    let frame = Frame { service: "Log in".to_owned(), problems: Vec::new() };
    let leads_to: Vec<String> = source_of(action).into_iter().collect();
    let page = FormPostPage { frame, action, parameters, script: SEND_FORM };
    shown(StatusCode::OK, &page, &Policy { leads_to: &leads_to, script: Some(SEND_FORM) })
}

/// `GET /u/logged-out`
pub(crate) async fn logged_out(visit: Visit) -> Response {
    visit.notice("You are logged out", "You can close this page.", &Link::NONE)
}

/// `GET /u/style.css`
pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// `GET /u/icon.svg`
pub(crate) async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let kept = "public, max-age=86400";
    let policy = "default-src 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, kept),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

/// What a page may do.
struct Policy<'a> {
    leads_to: &'a [String],
    script: Option<&'a str>,
}

impl Policy<'_> {
    const NOWHERE: Self = Self { leads_to: &[], script: None };

    fn header(&self) -> Option<HeaderValue> {
        let mut form_action = "'self'".to_owned();
        for source in self.leads_to {
            form_action.push(' ');
            form_action.push_str(source);
        }
        let script = match self.script {
            Some(script) => format!(" script-src 'sha256-{}';", BASE64_STANDARD.encode(Sha256::digest(script))),
            None => String::new(),
        };
        let policy = format!(
            "default-src 'none'; style-src 'self'; img-src 'self';{script} base-uri 'none'; form-action {form_action}; \
             frame-ancestors 'none'"
        );
        HeaderValue::try_from(policy).ok()
    }
}

fn shown(status: StatusCode, page: &impl Template, policy: &Policy<'_>) -> Response {
    let (Ok(text), Some(policy)) = (page.render(), policy.header()) else {
        tracing::error!("a page could not be put together");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, text).into_response();
    response.headers_mut().extend([
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // Not `no-referrer`: with that, browsers hide the origin of our own forms from us.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ]);
    response
}

impl From<Forged> for PageError {
    fn from(forged: Forged) -> Self {
        let description = match forged {
            Forged::Origin => "This form was not sent from a page of ours, or your browser hides where it came from.",
            Forged::Token => "This form is out of date. Go back, reload the page, and send it again.",
        };
        ApiError::refused(StatusCode::FORBIDDEN, "forged_form", description).into()
    }
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage<'a> {
    frame: Frame,
    heading: &'a str,
    text: &'a str,
    link: &'a str,
    link_text: &'a str,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    code: &'a str,
    description: &'a str,
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPostPage<'a> {
    frame: Frame,
    action: &'a str,
    parameters: &'a [(&'a str, &'a str)],
    script: &'static str,
}

#[cfg(test)]
mod tests;
