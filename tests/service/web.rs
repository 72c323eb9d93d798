//! What listens on this machine, reached over HTTP: a serving node as its site, and other programs beside it.

use std::{net::SocketAddr, sync::Mutex};

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use url::{Position, Url};

use super::{Answer, Browser, NoAnswer, Site};

/// A serving node, and the way to it. Its URL stays when it is started again; where it listens need not.
pub(crate) struct Web {
    url: Url,
    at: Mutex<SocketAddr>,
    client: Client<HttpConnector, Body>,
}

impl Web {
    /// The node with this URL, which listens there.
    pub(crate) fn new(url: &str, at: SocketAddr) -> Self {
        Self {
            url: Url::parse(url).unwrap(),
            at: Mutex::new(at),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Another browser.
    pub(crate) fn browser(&self) -> Browser<'_, Self> {
        Browser::new(self)
    }

    /// Sends JSON, as a program would.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        let request = self.request("POST", path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// From now on it listens there.
    pub(crate) fn moves_to(&self, at: SocketAddr) {
        *self.at.lock().unwrap() = at;
    }

    /// A URL of the node leads to where it listens now; any other is what it is.
    fn led(&self, mut request: Request<Body>) -> Request<Body> {
        let asked = Url::parse(&request.uri().to_string()).unwrap();
        if asked.origin() == self.url.origin() {
            let host = self.url[Position::BeforeHost..Position::AfterPort].parse().unwrap();
            request.headers_mut().insert(header::HOST, host);
            let there = format!("http://{}{}", self.at.lock().unwrap(), &asked[Position::BeforePath..]);
            *request.uri_mut() = there.parse().unwrap();
        }
        request
    }
}

impl Site for Web {
    fn url(&self) -> &Url {
        &self.url
    }

    async fn try_send(&self, request: Request<Body>) -> Result<Answer, NoAnswer> {
        let lost = |error: &dyn std::fmt::Debug| NoAnswer(format!("{error:?}"));
        let response = self.client.request(self.led(request)).await.map_err(|error| lost(&error))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| lost(&error))?.to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        assert_ne!(parts.status, StatusCode::INTERNAL_SERVER_ERROR, "{body}");
        if parts.status.is_server_error() {
            return Err(NoAnswer(format!("{} {body}", parts.status)));
        }
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}
