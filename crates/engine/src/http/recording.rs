//! HTTP answers from a file, for a rule's cases and for `--http-recording`. Nothing is sent.

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use vestibule_abi::codes::FailureCode;

use super::{
    exchange::{Received, Response},
    origin::Origin,
    outgoing::Outgoing,
};

/// Recorded answers: a list of requests and what comes back. Matched by method and URL, and by the body where one is
/// given; each is used once, in order.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Recording(Vec<Entry>);

/// One request and its answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Entry {
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
    #[serde(default)]
    body: Option<Value>,
}

/// What comes back: a response, or an error such as `http_timeout`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
enum RecordedResponse {
    Response(WholeResponse),
    Error(ErrorResponse),
}

/// A response.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WholeResponse {
    /// The status code.
    #[schemars(range(min = 100, max = 599))]
    status: u16,
    /// The headers, as an object or as a list of pairs.
    #[serde(default)]
    headers: RecordedHeaders,
    /// The body: a string is its text, any other JSON value its JSON text. Absent is empty.
    #[serde(default)]
    body: Option<Value>,
}

/// No response, for this reason.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ErrorResponse {
    error: RecordedError,
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
pub enum RecordingError {
    /// It is not the JSON it should be.
    #[error(
        "a recording is a list like [{{\"request\": {{\"method\", \"url\"}}, \"response\": {{\"status\", \"body\"}}}}]: {0}"
    )]
    Json(#[from] serde_json::Error),
    /// The URL of an entry is not one that could be asked for.
    #[error("`{url}` in entry {position} is not an http or https URL")]
    Url {
        /// Which entry, from 1.
        position: usize,
        /// What stands there.
        url: String,
    },
}

impl Recording {
    /// Reads the JSON of a recording; unknown keys are errors.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] names what is wrong, and where.
    pub fn parse(json: &[u8]) -> Result<Self, RecordingError> {
        serde_json::from_slice::<Self>(json)?.normalised()
    }

    /// Reads a recording that is part of another file, such as the `http` of a case.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn from_value(json: Value) -> Result<Self, RecordingError> {
        serde_json::from_value::<Self>(json)?.normalised()
    }

    /// The origins it holds, in order, each once.
    #[must_use]
    pub fn origins(&self) -> Vec<Origin> {
        let mut origins: Vec<Origin> = Vec::new();
        for origin in self.0.iter().filter_map(|entry| Origin::of(&Url::parse(&entry.request.url).ok()?)) {
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        origins
    }

    /// Starts answering from it. All rules of one run share it.
    #[must_use]
    pub fn play(self) -> Playback {
        Playback(Arc::new(Mutex::new(self.0)))
    }

    /// Brings the URLs to the form in which requests have them.
    fn normalised(mut self) -> Result<Self, RecordingError> {
        for (index, entry) in self.0.iter_mut().enumerate() {
            let url = &mut entry.request.url;
            let parsed = Url::parse(url).ok().filter(|parsed| Origin::of(parsed).is_some());
            let Some(mut parsed) = parsed else {
                return Err(RecordingError::Url { position: index + 1, url: url.clone() });
            };
            parsed.set_fragment(None);
            *url = parsed.into();
        }
        Ok(self)
    }
}

/// A recording that is being used up.
#[derive(Debug, Clone)]
pub struct Playback(Arc<Mutex<Vec<Entry>>>);

impl Playback {
    /// The answer to this request, which is used up by it; `None` if there is none left.
    pub(super) fn take(&self, outgoing: &Outgoing) -> Option<Received> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let position = entries.iter().position(|entry| entry.request.is(outgoing))?;
        Some(entries.remove(position).response.into())
    }
}

impl RecordedRequest {
    fn is(&self, outgoing: &Outgoing) -> bool {
        let same_body = match &self.body {
            None => true,
            Some(Value::String(text)) => text.as_bytes() == outgoing.body,
            Some(json) => serde_json::from_slice::<Value>(&outgoing.body).is_ok_and(|body| body == *json),
        };
        self.method == outgoing.asked.method && self.url == outgoing.asked.url && same_body
    }
}

impl From<RecordedResponse> for Received {
    fn from(recorded: RecordedResponse) -> Self {
        match recorded {
            RecordedResponse::Response(response) => Self::Response(response.into()),
            RecordedResponse::Error(error) => Self::Error(error.error.into()),
        }
    }
}

impl From<WholeResponse> for Response {
    fn from(recorded: WholeResponse) -> Self {
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
        Self { status: recorded.status, headers, body }
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
