//! As much of an HTTP client as load needs: one connection that is kept, one request at a time.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::sleep};

/// How long somebody waits who was turned away.
const TURNED_AWAY: Duration = Duration::from_millis(100);

/// A connection to a server.
pub struct Connection {
    to: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// Cookies, as a browser keeps them.
    cookies: BTreeMap<String, String>,
}

/// What came back.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Connection {
    /// To this address, made when it is needed.
    #[must_use]
    pub const fn new(to: SocketAddr) -> Self {
        Self { to, sender: None, cookies: BTreeMap::new() }
    }

    /// Forgets all cookies: another browser, on the same connection.
    pub fn forget(&mut self) {
        self.cookies.clear();
    }

    /// Looks at a page.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, String::new()).await
    }

    /// Sends a form.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, serde_urlencoded::to_string(form)?).await
    }

    /// Sends a form, and sends it again for as long as it is turned away: on a machine that does other things as well even
    /// a few callers may be too many for a moment.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn post_patiently(&mut self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<Answer> {
        loop {
            let answer = self.post(path, form).await?;
            if answer.status != StatusCode::SERVICE_UNAVAILABLE || !answer.tells_when() {
                return Ok(answer);
            }
            sleep(TURNED_AWAY).await;
        }
    }

    async fn send(&mut self, method: Method, path: &str, body: String) -> anyhow::Result<Answer> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let host = format!("localhost:{}", self.to.port());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ORIGIN, format!("http://{host}"))
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, cookies.join("; "))
            .body(Full::new(Bytes::from(body)))?;
        sender.ready().await?;
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        self.sender = Some(sender);
        self.keep_cookies(&parts.headers)?;
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.to).await.context("nobody listens")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) -> anyhow::Result<()> {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie without a value")?;
            self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        Ok(())
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("{}: no JSON", self.status))
    }

    /// Whether it says when to come again.
    #[must_use]
    pub fn tells_when(&self) -> bool {
        self.headers.contains_key(header::RETRY_AFTER)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where it leads, without the scheme and host of the server itself.
    ///
    /// # Errors
    /// When it leads nowhere.
    pub fn leads_to(&self) -> anyhow::Result<String> {
        let to = self.headers.get(header::LOCATION).with_context(|| format!("{}: {}", self.status, self.text()))?;
        Ok(to.to_str()?.to_owned())
    }
}
