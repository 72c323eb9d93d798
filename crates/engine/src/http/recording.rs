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
    outgoing::{METHODS, Outgoing},
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
pub enum RecordingError {
    /// It is not the JSON it should be.
    #[error(
        "a recording is a list like [{{\"request\": {{\"method\", \"url\"}}, \"response\": {{\"status\", \"body\"}}}}]: {0}"
    )]
    Json(#[from] serde_json::Error),
    /// An entry could never be used, or says two things.
    #[error("entry {position} of the recording: {why}")]
    Entry {
        /// Which entry, from 1.
        position: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl Recording {
    /// Reads the JSON of a recording; unknown keys are errors.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] names what is wrong, and where.
    pub fn parse(json: &[u8]) -> Result<Self, RecordingError> {
        serde_json::from_slice::<Self>(json)?.checked()
    }

    /// Reads a recording that is part of another file, such as the `http` of a case.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn from_value(json: Value) -> Result<Self, RecordingError> {
        serde_json::from_value::<Self>(json)?.checked()
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

    /// Checks what the shape cannot say.
    fn checked(mut self) -> Result<Self, RecordingError> {
        for (index, entry) in self.0.iter_mut().enumerate() {
            let position = index + 1;
            entry.check().map_err(|why| RecordingError::Entry { position, why })?;
        }
        Ok(self)
    }
}

impl Entry {
    /// Checks the entry, and brings its URL to the form in which requests have it.
    fn check(&mut self) -> Result<(), String> {
        let RecordedRequest { method, url, .. } = &mut self.request;
        if !METHODS.iter().any(|known| known.as_str() == method) {
            return Err(format!("the method `{method}` is not one a rule can use; write it in upper case"));
        }
        let parsed = Url::parse(url).ok().filter(|parsed| Origin::of(parsed).is_some());
        let mut parsed = parsed.ok_or_else(|| format!("`{url}` is not an http or https URL"))?;
        parsed.set_fragment(None);
        *url = parsed.into();
        match (self.response.status, self.response.error) {
            (Some(100..=599), None) | (None, Some(_)) => Ok(()),
            (Some(status), None) => Err(format!("the status `{status}` is not between 100 and 599")),
            (None, None) | (Some(_), Some(_)) => Err("the response needs either `status` or `error`".to_owned()),
        }
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
        let status = match (recorded.status, recorded.error) {
            (_, Some(error)) => return Self::Error(error.into()),
            (status, None) => status.unwrap_or(200), // Checked: there is one.
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
        Self::Response(Response { status, headers, body })
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
