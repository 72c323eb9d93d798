//! Requests to the origins that `rule.toml` grants. Using this module asks for that capability.
//!
//! Trouble on the way is a value that the rule can handle; a request that is not allowed ends the run.
//!
//! ```
//! use core::time::Duration;
//! use vestibule::{http, log};
//!
//! # let host = vestibule::testing::Host::new()
//! #     .reply("GET", "https://crm.example.com/v1/people/7", vestibule::testing::Reply::json(200, r#"{"tier": "gold"}"#));
//! #[derive(serde::Deserialize)]
//! struct Person {
//!     tier: String,
//! }
//!
//! let answer = http::get("https://crm.example.com/v1/people/7")
//!     .secret_header("x-api-key", "CRM_TOKEN")
//!     .timeout(Duration::from_millis(300))
//!     .redirects(1)
//!     .send();
//! # assert_eq!(host.requests()[0].head["redirects"], 1);
//! match answer {
//!     Ok(response) if response.status() == 200 => assert_eq!(response.json::<Person>()?.tier, "gold"),
//!     Ok(response) => log::warn!("the CRM answered {}", response.status()),
//!     Err(http::Error::Timeout) => log::warn!("the CRM is slow today"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok::<(), vestibule::Error>(())
//! ```

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use vestibule_abi::codes::FailureCode;

use crate::{host, json};

/// A `GET` request.
pub fn get(url: &str) -> Request {
    Request::new("GET", url)
}

/// A `POST` request.
pub fn post(url: &str) -> Request {
    Request::new("POST", url)
}

/// Waits for the first of several requests to finish, and takes it out of `pending`; `None` if there are none.
pub fn wait_any(pending: &mut Vec<Pending>) -> Option<(Pending, Result<Response>)> {
    if pending.is_empty() {
        return None;
    }
    let handles: Vec<i32> = pending.iter().map(|each| each.handle).collect();
    let finished = host::http_wait(&handles);
    let at = handles.iter().position(|&handle| handle == finished)?;
    let first = pending.remove(at);
    let result = Response::of(finished);
    Some((first, result))
}

/// What a request came to.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It took longer than it may.
    Timeout,
    /// The response is larger than 1 MiB.
    TooLarge,
    /// The other side could not prove who it is.
    Tls,
    /// Anything else: no such host, connection refused, not HTTP.
    Failed,
}

impl Error {
    fn of(code: &str) -> Self {
        match code.parse() {
            Ok(FailureCode::HttpTimeout) => Self::Timeout,
            Ok(FailureCode::HttpTooLarge) => Self::TooLarge,
            Ok(FailureCode::HttpTls) => Self::Tls,
            _ => Self::Failed,
        }
    }

    const fn code(&self) -> FailureCode {
        match self {
            Self::Timeout => FailureCode::HttpTimeout,
            Self::TooLarge => FailureCode::HttpTooLarge,
            Self::Tls => FailureCode::HttpTls,
            Self::Failed => FailureCode::HttpFailed,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request failed: {}", self.code())
    }
}

impl core::error::Error for Error {}

/// A request that is being put together.
#[derive(Debug, Clone, Serialize)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirects: Option<u32>,
    #[serde(skip)]
    body: Vec<u8>,
}

impl Request {
    /// A request with any method.
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            timeout_ms: None,
            redirects: None,
            body: Vec::new(),
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header whose value is a secret. The host puts it in on the way out, for the origin that `rule.toml`
    /// grants it to; the rule never sees it.
    pub fn secret_header(self, name: &str, secret: &str) -> Self {
        self.header(name, &format!("{{{{secret:{secret}}}}}"))
    }

    /// As [`Request::secret_header`], for `authorization: Bearer …`.
    pub fn bearer_secret(self, secret: &str) -> Self {
        self.header("authorization", &format!("Bearer {{{{secret:{secret}}}}}"))
    }

    /// Sets the body, of up to 256 KiB.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body and its content type.
    ///
    /// # Errors
    /// When the value cannot be JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> crate::Result<Self> {
        let mut body = Vec::new();
        json::write(value, &mut body)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// How long it may take in all; at most, and without this, 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Follows up to so many redirects, of a `GET` or `HEAD`; without this, none, and the rule sees the 3xx. At most 2.
    /// Each has to lead to an origin that `rule.toml` grants; another origin gets no header of the rule's but `accept`,
    /// `accept-language` and `user-agent`.
    pub fn redirects(mut self, most: u32) -> Self {
        self.redirects = Some(most);
        self
    }

    /// Sends it and waits for the response.
    ///
    /// # Errors
    /// When there is no response; the rule may go on without.
    pub fn send(self) -> Result<Response> {
        self.start()?.wait()
    }

    /// Sends it and goes on at once: several can be in flight.
    ///
    /// # Errors
    /// When the request cannot be written down.
    pub fn start(self) -> Result<Pending> {
        let mut head = Vec::new();
        json::write(&self, &mut head).map_err(|_| Error::Failed)?;
        Ok(Pending { handle: host::http_start(&head, &self.body) })
    }
}

/// A request in flight.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a request in flight is waited for, or it was for nothing"]
pub struct Pending {
    handle: i32,
}

impl Pending {
    /// Waits for the response.
    ///
    /// # Errors
    /// When there is none; the rule may go on without.
    pub fn wait(self) -> Result<Response> {
        Response::of(host::http_wait(&[self.handle]))
    }
}

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    handle: i32,
    status: u16,
    headers: Vec<(String, String)>,
    body_len: usize,
}

/// The head of a response on the wire; with an error there is none.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    error: Option<String>,
    status: u16,
    headers: Vec<(String, String)>,
    body_len: usize,
}

impl Response {
    fn of(handle: i32) -> Result<Self> {
        match serde_json::from_slice(&host::http_result(handle)) {
            Ok(Head { error: None, status, headers, body_len }) => Ok(Self { handle, status, headers, body_len }),
            Ok(Head { error: Some(code), .. }) => Err(Error::of(&code)),
            Err(_) => Err(Error::Failed),
        }
    }

    /// The status, such as 200.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers, in order, as they came.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Fetches the body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        host::http_body(self.handle, self.body_len)
    }

    /// Fetches the body and reads it as JSON.
    ///
    /// # Errors
    /// When it is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> crate::Result<T> {
        serde_json::from_slice(&self.body()).map_err(|error| crate::Error::new(error.to_string()))
    }
}
