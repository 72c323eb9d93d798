//! Talks to the admin listener of a server: the one on this machine, found in its data folder, or another by its URL.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{runtime, time::timeout};
use url::Url;
use vestibule_server::{
    first_start::{ADMIN_FILE, AdminFile},
    https,
    settings::{DATA_FOLDER, Settings},
};

use crate::exit::{BadInput, Fault};

/// Rollouts, verifications and backups take their time.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Which server a command speaks to.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AdminArgs {
    /// The data folder of the server on this machine [default: vestibule-data]
    #[arg(long, value_name = "DIR", env = "VESTIBULE_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// The admin listener of another server; its token comes from VESTIBULE_ADMIN_TOKEN
    #[arg(long, value_name = "URL", env = "VESTIBULE_ADMIN_URL")]
    admin_url: Option<String>,
    /// An admin token, instead of the one in the data folder
    #[arg(
        long = "admin-token",
        value_name = "TOKEN",
        env = "VESTIBULE_ADMIN_TOKEN",
        hide_env_values = true,
        hide = true
    )]
    token: Option<String>,
}

/// The admin listener of a server.
pub(crate) struct AdminClient {
    runtime: runtime::Runtime,
    base: Url,
    token: String,
}

impl AdminArgs {
    /// Finds the server.
    ///
    /// # Errors
    /// [`Fault::BadInput`] when there is none, or no token for it.
    pub(crate) fn client(&self) -> Result<AdminClient, Fault> {
        let known = self.known();
        let url = self.admin_url.clone().or_else(|| Some(known.as_ref()?.url.clone())).ok_or_else(|| {
            let message = format!(
                "`{}`: no server has run with this data folder; start one with `vestibule serve`, name its folder with \
                 --data or its admin listener with --admin-url",
                self.folder().display()
            );
            Fault::bad_input(BadInput::FileMissing, message)
        })?;
        let token = self.token.clone().or_else(|| known?.token).ok_or_else(|| {
            let message = "there is no admin token here: set VESTIBULE_ADMIN_TOKEN, or make one with `vestibule token make` \
                           on the machine that has one";
            Fault::bad_input(BadInput::OptionInvalid, message)
        })?;
        let base = Url::parse(&url)
            .map_err(|error| Fault::bad_input(BadInput::OptionInvalid, format!("`{url}` is no URL: {error}")))?;
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
        Ok(AdminClient { runtime, base, token })
    }

    fn known(&self) -> Option<AdminFile> {
        serde_json::from_slice(&fs::read(self.folder().join(ADMIN_FILE)).ok()?).ok()
    }

    fn folder(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new(DATA_FOLDER))
    }

    /// The server with these settings, if one answers; for what can be done without one as well.
    pub(crate) fn running(&self, settings: &Settings) -> Option<AdminClient> {
        let there = Self { data: Some(settings.data.clone()), ..self.clone() };
        let client = there.client().ok()?;
        client.is_there().then_some(client)
    }
}

impl AdminClient {
    /// Reads something.
    ///
    /// # Errors
    /// [`Fault::Server`] for what the server refused, [`Fault::Host`] when it cannot be reached.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Fault> {
        self.call(Method::GET, path, query, None)
    }

    /// Sends JSON and reads what comes back.
    ///
    /// # Errors
    /// As [`AdminClient::get`].
    pub(crate) fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Fault> {
        let body = serde_json::to_vec(body).context("cannot write the request")?;
        self.call(method, path, &[], Some(("application/json", body)))
    }

    /// Sends a bundle, or nothing, and reads what comes back.
    ///
    /// # Errors
    /// As [`AdminClient::get`].
    pub(crate) fn send_bundle<T: DeserializeOwned>(&self, path: &[&str], bundle: Vec<u8>) -> Result<T, Fault> {
        self.call(Method::POST, path, &[], Some(("application/x-tar", bundle)))
    }

    /// Removes something.
    ///
    /// # Errors
    /// As [`AdminClient::get`].
    pub(crate) fn delete(&self, path: &[&str]) -> Result<(), Fault> {
        self.call::<Value>(Method::DELETE, path, &[], None).map(drop)
    }

    fn is_there(&self) -> bool {
        self.exchange(Method::GET, &["health", "live"], &[], None).is_ok_and(|(status, _)| status == 200)
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<T, Fault> {
        let (status, answer) = self.exchange(method, path, query, body)?;
        let text = if answer.is_empty() { b"null" } else { answer.as_ref() };
        if (200..300).contains(&status) {
            return Ok(serde_json::from_slice(text).context("the server answered something else than it should")?);
        }
        let told: Value = serde_json::from_slice(text).unwrap_or_default();
        let word = |key: &str, or: &str| told.get(key).and_then(Value::as_str).unwrap_or(or).to_owned();
        let message = word("error_description", "the server gave no reason");
        Err(Fault::Server { status, code: word("error", &format!("http_{status}")), message })
    }

    fn exchange(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<(u16, Bytes), Fault> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| anyhow!("`{}` is no URL of a server", self.base))?.clear().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (kind, body) = body.unwrap_or(("application/json", Vec::new()));
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, kind)
            .body(Full::new(Bytes::from(body)))
            .context("cannot make the request")?;
        self.runtime.block_on(async {
            let client = https::client().context("cannot set up TLS")?;
            let response = timeout(PATIENCE, client.request(request)).await.context("the server takes too long")?;
            let response = response.with_context(|| {
                format!("cannot reach the admin listener at {}; is `vestibule serve` running there?", self.base)
            })?;
            let status = response.status().as_u16();
            let answer = response.into_body().collect().await.context("the server broke off its answer")?;
            Ok((status, answer.to_bytes()))
        })
    }
}
