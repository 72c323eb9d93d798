//! HTTP answers from a file, for a rule's cases and for `--http-recording`. Nothing is sent.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use vestibule_abi::codes::FailureCode;
use vestibule_pipeline::manifest::Origin;

use super::{
    exchange::{Received, Response},
    outgoing::{METHODS, Outgoing},
};

/// Recorded answers: a list of requests and what comes back. Matched by method and URL, and by the body where one is
/// given; each is used once, in order.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<RecordedExchange>")]
pub struct Recording(#[schemars(with = "Vec<RecordedExchange>")] Vec<(RecordedRequest, Received)>);

/// One request and its answer, as they are written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RecordedExchange {
    request: RecordedRequest,
    response: RecordedResponse,
}

/// The request that is answered.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RecordedRequest {
    /// The method, in upper case.
    method: String,
    /// The whole URL.
    url: String,
    /// The body: a string is matched as text, any other JSON value as JSON. Absent matches every body.
    body: Option<Value>,
}

/// What comes back: a response with a `status`, or none for the reason in `error`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RecordedResponse {
    /// The status code, 100 to 599.
    status: Option<u16>,
    /// The headers, as an object or as a list of pairs.
    #[serde(default)]
    headers: RecordedHeaders,
    /// The body: a string is its text, any other JSON value its JSON text. Absent is empty.
    body: Option<Value>,
    /// Instead of a response: why there is none.
    error: Option<RecordedError>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the words of the vocabulary")]
enum RecordedError {
    HttpTimeout,
    HttpFailed,
    HttpTls,
    HttpTooLarge,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
enum RecordedHeaders {
    Object(std::collections::BTreeMap<String, String>),
    Pairs(Vec<(String, String)>),
}

impl Default for RecordedHeaders {
    fn default() -> Self {
        Self::Pairs(Vec::new())
    }
}

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "a recording is a list like [{{\"request\": {{\"method\", \"url\"}}, \"response\": {{\"status\", \"body\"}}}}]: {0}"
)]
pub struct RecordingError(#[from] serde_json::Error);

impl Recording {
    /// Reads the JSON of a recording; unknown keys are errors. One that is part of another file is deserialised with it.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] names what is wrong, and where.
    pub fn parse(json: &[u8]) -> Result<Self, RecordingError> {
        Ok(serde_json::from_slice(json)?)
    }

    /// The origins it holds, in order, each once.
    #[must_use]
    pub fn origins(&self) -> Vec<Origin> {
        let mut origins: Vec<Origin> = Vec::new();
        for origin in self.0.iter().filter_map(|(request, _)| Origin::of(&Url::parse(&request.url).ok()?)) {
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        origins
    }

    /// Starts answering from it. All rules of one run share it.
    #[must_use]
    pub fn play(self) -> Playback {
        let entries =
            self.0.into_iter().map(|(request, received)| Playable { request, answer: Some(received) }).collect();
        Playback(Arc::new(Mutex::new(entries)))
    }
}

impl TryFrom<Vec<RecordedExchange>> for Recording {
    type Error = String;

    fn try_from(written: Vec<RecordedExchange>) -> Result<Self, String> {
        let read = |(index, exchange): (usize, RecordedExchange)| {
            let read = exchange.request.normalised().and_then(|request| Ok((request, exchange.response.try_into()?)));
            read.map_err(|why| format!("entry {}: {why}", index + 1))
        };
        written.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// A recording that is being used up.
#[derive(Debug, Clone)]
pub struct Playback(Arc<Mutex<Vec<Playable>>>);

/// One request of a recording, and its answer until it was given.
#[derive(Debug)]
struct Playable {
    request: RecordedRequest,
    answer: Option<Received>,
}

/// Why a recording does not answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It has no such request.
    NeverRecorded,
    /// It was asked more often than it has answers.
    UsedUp,
}

impl Playback {
    /// The answer to this request, which is used up by it.
    pub(super) fn take(&self, outgoing: &Outgoing) -> Result<Received, Unanswered> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recorded = entries.iter_mut().filter(|entry| entry.request.is(outgoing)).peekable();
        recorded.peek().ok_or(Unanswered::NeverRecorded)?;
        recorded.find_map(|entry| entry.answer.take()).ok_or(Unanswered::UsedUp)
    }
}

impl RecordedRequest {
    /// The request with its URL in the form in which requests have it.
    fn normalised(mut self) -> Result<Self, String> {
        let Self { method, url, .. } = &mut self;
        if !METHODS.iter().any(|known| known.as_str() == method) {
            return Err(format!("the method `{method}` is not one a rule can use; write it in upper case"));
        }
        let parsed = Url::parse(url).ok().filter(|parsed| Origin::of(parsed).is_some());
        let mut parsed = parsed.ok_or_else(|| format!("`{url}` is not an http or https URL"))?;
        parsed.set_fragment(None);
        *url = parsed.into();
        Ok(self)
    }

    fn is(&self, outgoing: &Outgoing) -> bool {
        let same_body = match &self.body {
            None => true,
            Some(Value::String(text)) => text.as_bytes() == outgoing.body,
            Some(json) => serde_json::from_slice::<Value>(&outgoing.body).is_ok_and(|body| body == *json),
        };
        self.method == outgoing.asked.method && spelt(&self.url) == spelt(&outgoing.asked.url) && same_body
    }
}

/// A URL as Node sends it, which escapes more than the standard asks for: who writes down `auth0|1` means `auth0%7C1` too.
fn spelt(url: &str) -> Cow<'_, str> {
    const NODES: &[char] = &['\'', '\\', '^', '`', '{', '|', '}'];
    if !url.contains(NODES) {
        return url.into();
    }
    let escape = |c: char| match NODES.contains(&c) {
        true => format!("%{:02X}", u32::from(c)),
        false => c.into(),
    };
    url.chars().map(escape).collect::<String>().into()
}

impl TryFrom<RecordedResponse> for Received {
    type Error = String;

    fn try_from(recorded: RecordedResponse) -> Result<Self, String> {
        let status = match (recorded.status, recorded.error) {
            (Some(status @ 100..=599), None) => status,
            (Some(status), None) => return Err(format!("the status `{status}` is not between 100 and 599")),
            (None, Some(error)) => return Ok(Self::Error(error.into())),
            (None, None) | (Some(_), Some(_)) => {
                return Err("the response needs either `status` or `error`".to_owned());
            }
        };
        let headers = match recorded.headers {
            RecordedHeaders::Object(headers) => headers.into_iter().collect(),
            RecordedHeaders::Pairs(headers) => headers,
        };
        let body = match recorded.body {
            None => Vec::new(),
            Some(Value::String(text)) => text.into_bytes(),
            Some(json) => json.to_string().into_bytes(),
        };
        let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        Ok(Self::Response(Response { status, headers, body }))
    }
}

impl From<RecordedError> for FailureCode {
    fn from(error: RecordedError) -> Self {
        match error {
            RecordedError::HttpTimeout => Self::HttpTimeout,
            RecordedError::HttpFailed => Self::HttpFailed,
            RecordedError::HttpTls => Self::HttpTls,
            RecordedError::HttpTooLarge => Self::HttpTooLarge,
        }
    }
}
