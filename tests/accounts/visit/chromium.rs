//! Chromium, without a window, by way of its WebDriver (W3C WebDriver 2, and Chromium's own additions).

use std::{
    process::Stdio,
    sync::Mutex,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
};

/// How to get it where it is not there.
const MISSING: &str = "chromedriver cannot be started: this test needs Chromium and its driver. On Debian: \
                       `apt-get install chromium chromium-driver` (`cargo xtask test` does that by itself when run as root)";
/// The key of an element's id (WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser.
pub(super) struct Chromium {
    driver: Mutex<Option<Child>>,
    session: String,
    _profile: tempfile::TempDir,
}

/// What the person's system prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Light {
    Day,
    Night,
}

impl Chromium {
    pub(super) async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect(MISSING);
        let base = format!("http://127.0.0.1:{port}");
        let since = Instant::now();
        while call(Method::GET, &format!("{base}/status"), &Value::Null).await.is_err() {
            assert!(since.elapsed() < Duration::from_secs(60), "chromedriver does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let profile = tempfile::tempdir().unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "unhandledPromptBehavior": "ignore",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
                "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", data,
            ]},
        }}});
        let made = call(Method::POST, &format!("{base}/session"), &wanted).await.unwrap().unwrap();
        let session = format!("{base}/session/{}", made["sessionId"].as_str().unwrap());
        Self { driver: Mutex::new(Some(driver)), session, _profile: profile }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, Value> {
        call(method, &format!("{}{path}", self.session), &body).await.expect("the driver answers")
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(Method::POST, path, body).await.unwrap_or_else(|error| panic!("{path}: {error:#}"))
    }

    pub(super) async fn go(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
    }

    pub(super) async fn url(&self) -> String {
        self.ask(Method::GET, "/url", Value::Null).await.unwrap().as_str().unwrap().to_owned()
    }

    /// Waits until the page has this heading.
    pub(super) async fn arrives_at(&self, heading: &str) {
        self.shows("h1", heading).await;
    }

    /// Waits until something on the page has this text.
    pub(super) async fn shows(&self, selector: &str, text: &str) {
        let script = format!("return document.querySelector('{selector}')?.innerText ?? ''");
        let since = Instant::now();
        while !self.eval(&script).await.as_str().unwrap().contains(text) {
            if since.elapsed() > Duration::from_secs(20) {
                let page = self.eval("return document.body.innerText").await;
                panic!("`{text}` does not come at {}: {page}\n{:#?}", self.url().await, self.complaints().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) async fn click(&self, selector: &str) {
        let path = format!("/element/{}/click", self.find(selector).await);
        self.post(&path, json!({})).await;
    }

    /// Writes into a field, in place of what is in it.
    pub(super) async fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.post(&format!("/element/{element}/clear"), json!({})).await;
        self.post(&format!("/element/{element}/value"), json!({"text": text})).await;
    }

    pub(super) async fn choose(&self, selector: &str, value: &str) {
        self.click(&format!("{selector} option[value='{value}']")).await;
    }

    async fn find(&self, selector: &str) -> String {
        match self.ask(Method::POST, "/element", json!({"using": "css selector", "value": selector})).await {
            Ok(found) => found[ELEMENT].as_str().unwrap().to_owned(),
            Err(_) => {
                panic!("no `{selector}` at {}: {}", self.url().await, self.eval("return document.body.innerText").await)
            }
        }
    }

    /// What a script says of the page. The page's policy does not concern it: it comes from the driver.
    pub(super) async fn eval(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": []})).await
    }

    pub(super) async fn has_dialog(&self) -> bool {
        self.ask(Method::GET, "/alert/text", Value::Null).await.is_ok()
    }

    /// What the browser's console complains of since it was last asked.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let lines = self.post("/se/log", json!({"type": "browser"})).await;
        lines.as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) async fn show_as(&self, width: u32, light: Light) {
        let light = if light == Light::Day { "light" } else { "dark" };
        let features = json!([{"name": "prefers-color-scheme", "value": light}]);
        self.command("Emulation.setEmulatedMedia", json!({"features": features})).await;
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500});
        self.command("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    pub(super) async fn screenshot(&self) -> Vec<u8> {
        let taken = self.command("Page.captureScreenshot", json!({"captureBeyondViewport": true})).await;
        BASE64_STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
    }

    async fn command(&self, name: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": name, "params": parameters})).await
    }

    /// Closes the browser, and waits for its driver to end.
    pub(super) async fn quit(&self) {
        self.ask(Method::DELETE, "", Value::Null).await.unwrap();
        let driver = self.driver.lock().unwrap().take();
        if let Some(mut driver) = driver {
            driver.kill().await.unwrap();
        }
    }
}

/// Calls the driver. The outer error: it does not answer; the inner one: it says no.
async fn call(
    method: Method,
    url: &str,
    body: &Value,
) -> Result<Result<Value, Value>, hyper_util::client::legacy::Error> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request::builder().method(method).uri(url).header("content-type", "application/json");
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let answer = client.request(request.body(Full::from(body)).unwrap()).await?;
    let is_ok = answer.status().is_success();
    let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
    let value = serde_json::from_slice::<Value>(&body).expect("JSON")["value"].take();
    Ok(if is_ok { Ok(value) } else { Err(value) })
}
