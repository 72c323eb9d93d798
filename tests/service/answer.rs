//! What a service answered.

use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use url::Url;

use super::CALLBACK;

/// What the service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The whole of a response, which is no fault of ours.
    pub(super) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        assert_ne!(parts.status, StatusCode::INTERNAL_SERVER_ERROR, "{body}");
        Self { status: parts.status, headers: parts.headers, body }
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    /// Where it sends the browser.
    #[track_caller]
    pub(crate) fn location(&self) -> Url {
        let location = self.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        Url::parse(location.unwrap_or_else(|| panic!("no redirect: {} {}", self.status, self.body))).unwrap()
    }

    /// A parameter of where it sends the browser.
    pub(crate) fn sent(&self, name: &str) -> Option<String> {
        self.location().query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The code that it sends to the client.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        assert!(self.location().as_str().starts_with(CALLBACK), "{}", self.location());
        self.sent("code").unwrap_or_else(|| panic!("no code: {}", self.location()))
    }

    /// The code of an error page: what stands where it tells the people who run the service.
    #[track_caller]
    pub(crate) fn error_page(&self) -> &str {
        assert!(self.status.is_client_error() && !self.headers.contains_key(header::LOCATION), "{self:?}");
        let code = self.body.split_once("<code>").and_then(|(_, rest)| rest.split_once("</code>"));
        code.unwrap_or_else(|| panic!("no code: {}", self.body)).0
    }

    /// Status and `error`, of a JSON answer or of a redirect to the client.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        match self.headers.contains_key(header::LOCATION) {
            true => self.sent("error").unwrap_or_else(|| panic!("no error: {}", self.location())),
            false => format!("{} {}", self.status.as_u16(), self.json()["error"].as_str().unwrap_or("-")),
        }
    }
}
