//! A request as a rule asks for it, read strictly and held against its grants before anything is sent.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body_util::Full;
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;
use vestibule_abi::{
    codes::FailureCode::{self, HostcallBadArgs, HostcallLimit, HttpBlocked},
    limits,
};
use vestibule_pipeline::{RuleFailure, manifest::Origin};

use super::{
    exchange::Asked,
    grants::HttpGrants,
    secret::{names_secret, put_in},
};

/// Marks our own requests, so that a login a rule causes here can be told from a person's (HR-112).
pub const HOP_HEADER: &str = "vestibule-hop";

pub(super) const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Headers that belong to the connection, the framing or the host (HR-109), besides `proxy-…`.
const HOST_OWNED: [HeaderName; 12] = [
    header::HOST,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::TE,
    header::UPGRADE,
    header::TRAILER,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("http2-settings"),
    header::EXPECT,
    header::ACCEPT_ENCODING,
    HeaderName::from_static(HOP_HEADER),
];

/// All that another origin gets to see after a redirect: nothing that could be a credential, known to us or not.
const KEPT_ACROSS_ORIGINS: [HeaderName; 3] = [header::ACCEPT, header::ACCEPT_LANGUAGE, header::USER_AGENT];

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("vestibule/", env!("CARGO_PKG_VERSION")));

/// The head of a request, as it crosses the ABI.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    timeout_ms: Option<u64>,
    /// Redirects to follow, for GET and HEAD: 0, the default, to [`limits::HTTP_REDIRECTS`].
    #[serde(default)]
    redirects: u32,
}

/// A request that its rule may make.
pub(super) struct Outgoing {
    /// What is recorded of it.
    pub(super) asked: Asked,
    /// Where it goes; changes with each redirect.
    pub(super) origin: Origin,
    pub(super) url: Url,
    /// The redirects it may still follow.
    pub(super) redirects: u32,
    /// The time it has in all.
    pub(super) timeout: Duration,
    method: Method,
    /// With secrets put in.
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Outgoing {
    /// Reads a request and checks it against what is granted. Sends nothing, resolves nothing.
    ///
    /// # Errors
    ///
    /// `hostcall_limit` for one that is too large, `hostcall_bad_args` for one that is malformed or misplaces a
    /// secret, `http_blocked` for an origin that is not granted.
    pub(super) fn parse(
        head: &[u8],
        body: Vec<u8>,
        grants: &HttpGrants,
        from_recording: bool,
    ) -> Result<Self, RuleFailure> {
        within("the head of a request", head.len(), limits::HTTP_HEAD_BYTES)?;
        within("the body of a request", body.len(), limits::HTTP_BODY_BYTES)?;
        if names_secret(&body) {
            return Err(bad("a secret can be put into a header value only, not into a body"));
        }
        let head: Head = serde_json::from_slice(head)
            .map_err(|error| bad(format!("the head of a request is not as the contract says: {error}")))?;
        let method = parse_method(&head, &body)?;
        let url = parse_url(&head.url)?;
        let origin = granted_origin(&url, grants, from_recording)?;
        let headers = parse_headers(&head.headers, grants, &origin)?;
        Ok(Self {
            asked: Asked {
                method: head.method,
                url: url.to_string(),
                headers: head.headers,
                body_sha256: format!("{:x}", Sha256::digest(&body)),
            },
            timeout: parse_timeout(head.timeout_ms)?,
            redirects: head.redirects,
            origin,
            url,
            method,
            headers,
            body: body.into(),
        })
    }

    /// The request to send for this hop.
    pub(super) fn request(&self) -> Result<http::Request<Full<Bytes>>, FailureCode> {
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.as_str().parse().map_err(|_| FailureCode::HttpFailed)?;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(HOP_HEADER, HeaderValue::from_static("1"));
        request.headers_mut().entry(header::USER_AGENT).or_insert(USER_AGENT);
        Ok(request)
    }

    /// The same request at the next hop, if its origin is granted too.
    pub(super) fn redirected(mut self, url: Url, grants: &HttpGrants) -> Result<Self, FailureCode> {
        let credentials = !url.username().is_empty() || url.password().is_some();
        let origin = Origin::of(&url).filter(|origin| grants.allows(origin, false) && !credentials);
        let origin = origin.ok_or(FailureCode::HttpBlocked)?;
        if origin != self.origin {
            let headers = std::mem::take(&mut self.headers);
            self.headers = KEPT_ACROSS_ORIGINS
                .into_iter()
                .filter_map(|name| headers.get(&name).cloned().map(|value| (name, value)))
                .filter(|(_, value)| !value.is_sensitive())
                .collect();
        }
        self.redirects = self.redirects.saturating_sub(1);
        Ok(Self { origin, url, ..self })
    }

    /// Whether the response to this request has no body whatever its headers say.
    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }
}

fn parse_method(head: &Head, body: &[u8]) -> Result<Method, RuleFailure> {
    let method = METHODS.into_iter().find(|method| method.as_str() == head.method).ok_or_else(|| {
        bad(format!("the method {:?} is not one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS", head.method))
    })?;
    let is_safe = matches!(method, Method::GET | Method::HEAD);
    if is_safe && !body.is_empty() {
        return Err(bad(format!("a {method} request cannot have a body")));
    }
    if head.redirects > limits::HTTP_REDIRECTS || (head.redirects > 0 && !is_safe) {
        let most = limits::HTTP_REDIRECTS;
        return Err(bad(format!("`redirects` can be up to {most} for GET and HEAD, and 0 for other methods")));
    }
    Ok(method)
}

fn parse_timeout(asked_ms: Option<u64>) -> Result<Duration, RuleFailure> {
    match asked_ms {
        None => Ok(limits::HTTP_TOTAL),
        Some(0) => Err(bad("`timeout_ms` must be at least 1")),
        Some(asked_ms) => Ok(Duration::from_millis(asked_ms).min(limits::HTTP_TOTAL)),
    }
}

fn parse_url(text: &str) -> Result<Url, RuleFailure> {
    if names_secret(text.as_bytes()) {
        return Err(bad("a secret can be put into a header value only, not into a URL"));
    }
    // The URL parser drops these without a word; a rule that has them in a URL is being tricked.
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(bad(format!("the URL {text:?} has white space or control characters in it; percent-encode them")));
    }
    let mut url = Url::parse(text).map_err(|error| bad(format!("the URL {text:?} cannot be read: {error}")))?;
    url.set_fragment(None);
    Ok(url)
}

fn granted_origin(url: &Url, grants: &HttpGrants, from_recording: bool) -> Result<Origin, RuleFailure> {
    let origin = Origin::of(url)
        .ok_or_else(|| RuleFailure::new(HttpBlocked, format!("the scheme `{}` is not http or https", url.scheme())))?;
    if !grants.allows(&origin, from_recording) {
        let message = format!("`{origin}` is not granted; add it to `http` in the `[capabilities]` of `rule.toml`");
        return Err(RuleFailure::new(HttpBlocked, message));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("a URL cannot hold a user name or password; use a header with a secret"));
    }
    Ok(origin)
}

fn parse_headers(headers: &[(String, String)], grants: &HttpGrants, origin: &Origin) -> Result<HeaderMap, RuleFailure> {
    let mut parsed = HeaderMap::new();
    for (name, value) in headers {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad(format!("{name:?} is not a header name")))?;
        if HOST_OWNED.contains(&name) || name.as_str().starts_with("proxy-") {
            return Err(bad(format!("the header `{name}` belongs to the host")));
        }
        let filled = put_in(value, |secret| grants.secret(secret, origin)).map_err(|secret| {
            bad(format!("the secret {secret:?} is not granted for `{origin}`; see `secrets` in `rule.toml`"))
        })?;
        let mut filled = header_value(filled.expose_secret())
            .ok_or_else(|| bad(format!("the value of the header `{name}` is not visible ASCII")))?;
        filled.set_sensitive(names_secret(value.as_bytes()));
        parsed.append(name, filled);
    }
    Ok(parsed)
}

/// A header value of visible ASCII, spaces and tabs: what else a header may carry, peers read in different ways.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    let plain = text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    HeaderValue::from_str(text).ok().filter(|_| plain)
}

fn within(what: &str, len: usize, most: u32) -> Result<(), RuleFailure> {
    if u32::try_from(len).is_ok_and(|len| len <= most) {
        return Ok(());
    }
    Err(RuleFailure::new(HostcallLimit, format!("{what} has {len} bytes; it may have {most}")))
}

fn bad(message: impl Into<String>) -> RuleFailure {
    RuleFailure::new(HostcallBadArgs, message)
}
