//! What the operator decides: one TOML file, the environment over it, the command line over both.
//!
//! Every value has a default that is right for `vestibule serve` on one machine. A key nobody knows is an error that
//! names it, in the file as in the environment: a setting that is misspelt must not be a setting that is ignored.

mod span;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    error::Kind,
    providers::{Env, Format as _, Serialized, Toml},
};
use ipnet::IpNet;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};
use url::{Host, Url};

pub use self::span::Span;
use crate::{limits::LimitSettings, password::Policy, signup::SignupSettings};

/// What the variables of the environment begin with: `VESTIBULE_PUBLIC_URL`, `VESTIBULE_LISTEN__ADMIN`.
pub const PREFIX: &str = "VESTIBULE_";

/// Every setting with its default, for people: what `vestibule settings` prints.
pub const EXAMPLE: &str = include_str!("../settings.example.toml");

/// The data folder where none is named.
pub const DATA_FOLDER: &str = "vestibule-data";

/// Variables with the prefix that are no settings.
const NO_SETTINGS: &[&str] = &["admin_token", "admin_url", "compile_worker", "config", "installation_key"];

/// All settings of `vestibule serve`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The folder that holds what this node keeps: keys, the SQLite database, compiled rules, undelivered mail.
    #[serde(default = "data_folder")]
    pub data: PathBuf,
    /// The folder that backups of a running server go to; without it, `backups` in the data folder.
    #[serde(default)]
    pub backups: Option<PathBuf>,
    /// `postgres://user:password@host/name`; without it, SQLite in the data folder.
    #[serde(default)]
    pub database: Option<SecretString>,
    /// Where browsers reach the service; without it, the public listener on `localhost`.
    #[serde(default, deserialize_with = "url")]
    pub public_url: Option<Url>,
    /// The proxies whose `X-Forwarded-For` is believed; nobody's, unless named.
    #[serde(default, deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Where it listens.
    #[serde(default)]
    pub listen: Listen,
    /// What one client may occupy, and for how long.
    #[serde(default)]
    pub limits: Limits,
    /// What it writes to its log.
    #[serde(default)]
    pub log: Log,
    /// The rules' sandbox.
    #[serde(default)]
    pub sandbox: Sandbox,
    /// Where rules may reach beyond public addresses.
    #[serde(default)]
    pub egress: EgressList,
    /// How mail leaves.
    #[serde(default)]
    pub mail: Mail,
    /// What a login asks for, and how long it counts.
    #[serde(default)]
    pub login: Login,
    /// The service, as its pages and mails name it.
    #[serde(default = "service")]
    pub service: String,
    /// Who may sign up, and what is asked.
    #[serde(default)]
    pub signup: SignupSettings,
    /// Which passwords may be chosen.
    #[serde(default)]
    pub password: Policy,
    /// How often things may be tried.
    #[serde(default)]
    pub rates: LimitSettings,
    /// How long what is recorded is kept.
    #[serde(default)]
    pub journal: Journal,
}

/// Where it listens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// For browsers and clients.
    pub public: SocketAddr,
    /// For operators: health, metrics, deployment. Never reachable from the internet.
    pub admin: SocketAddr,
}

/// What one client may occupy, and for how long.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections to the public listener at one time.
    pub connections: usize,
    /// How many of them one address prefix may have (/24 of IPv4, /56 of IPv6). Trusted proxies have as many as they like.
    pub connections_of_one: usize,
    /// Requests that are worked on at one time; further ones are told to come again.
    pub requests: usize,
    /// How many of them may come from one address prefix, as trusted proxies tell it.
    pub requests_of_one: usize,
    /// From the first byte of a request's head to its last.
    pub header: Span,
    /// For the whole body of a request to arrive, however it is cut into pieces.
    pub body: Span,
    /// How long a connection may wait for its next request.
    pub idle: Span,
    /// The longest a request may take.
    pub request: Span,
    /// For requests to end when the server is stopped, and then for mails to leave.
    pub drain: Span,
}

/// What it writes to its log.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much: `error`, `warn`, `info`, `debug` or `trace`.
    pub level: Level,
    /// For people or for programs.
    pub format: LogFormat,
}

/// How much is logged of what this program does. What libraries log about requests is never logged: it may quote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What somebody has to look at.
    Error,
    /// What may become one.
    Warn,
    /// What happens.
    Info,
    /// How.
    Debug,
    /// All of it.
    Trace,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The rules' sandbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sandbox {
    /// How instances get their memory.
    pub profile: Profile,
    /// Rules that run at one time.
    pub concurrent_runs: u32,
    /// The folder with the interpreter of JavaScript rules (`vestibule interpreter build`); the data folder, if not set.
    pub interpreter: Option<PathBuf>,
}

/// How instances get their memory; the answers are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Slots made ahead and reset after each run.
    Fast,
    /// Fresh mappings for every run.
    Hardened,
}

/// Where rules may reach beyond public addresses.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressList {
    /// Exact addresses and ports, such as `10.1.2.3:443`.
    pub allow: Vec<SocketAddr>,
}

/// How mail leaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// `smtps://user:password@host:465`, or `smtp://…?tls=required`; without it, mail is put into `outbox` in the data
    /// folder.
    pub smtp: Option<SecretString>,
    /// The sender.
    pub from: String,
}

/// What a login asks for, and how long it counts.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// Whether somebody without a second factor may enrol one because a rule demands it: whoever has the password can.
    pub enrolment: Enrolment,
    /// A session that is not used.
    pub session_idle: Span,
    /// A session, however much it is used.
    pub session: Span,
    /// An access token, unless its client says otherwise.
    pub access_token: Span,
    /// An ID token, unless its client says otherwise.
    pub id_token: Span,
    /// A family of refresh tokens, unless its client says otherwise.
    pub refresh_token: Span,
}

/// Whether somebody without a second factor may enrol one because a rule demands it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enrolment {
    /// They enrol on the spot.
    OnDemand,
    /// The login is denied.
    Deny,
}

/// How long what is recorded is kept.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// What a login's entry tells about a person, and what it takes to replay it.
    pub keep: Span,
}

impl Default for Listen {
    fn default() -> Self {
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self { public: loopback(3000), admin: loopback(3001) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            connections_of_one: 1_024,
            requests: 512,
            requests_of_one: 256,
            header: Span::seconds(5), // HS-61
            body: Span::seconds(10),
            idle: Span::seconds(60),
            request: Span::seconds(30),
            drain: Span::seconds(5),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Text }
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { profile: Profile::Fast, concurrent_runs: 128, interpreter: None }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self { smtp: None, from: "Vestibule <no-reply@localhost>".to_owned() }
    }
}

impl Default for Login {
    fn default() -> Self {
        Self {
            enrolment: Enrolment::Deny,
            session_idle: Span::hours(3 * 24),
            session: Span::hours(7 * 24),
            access_token: Span::hours(24),
            id_token: Span::hours(10),
            refresh_token: Span::hours(30 * 24),
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self { keep: Span::hours(90 * 24) }
    }
}

/// What the command line decides, over the file and the environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The data folder.
    pub data: Option<PathBuf>,
    /// The database's URL.
    pub database: Option<String>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file that was named is not there.
    #[error("`{0}`: there is no such file")]
    NoFile(String),
    /// A key that nobody knows, or a value of another type; it names both and where they stand.
    #[error("{}", told(.0))]
    Malformed(Box<figment::Error>),
    /// A value that cannot be.
    #[error("`{key}`: {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it, and what to do.
        problem: String,
    },
}

impl Settings {
    /// Reads a file, if one is named, then the environment, then the command line's overrides.
    ///
    /// # Errors
    /// [`SettingsError`] that names the key and where it stands.
    pub fn read(file: Option<&Path>, overrides: &Overrides) -> Result<Self, SettingsError> {
        let mut figment = Figment::new();
        if let Some(file) = file {
            if !file.is_file() {
                return Err(SettingsError::NoFile(file.display().to_string()));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment.merge(Env::prefixed(PREFIX).ignore(NO_SETTINGS).split("__"));
        if let Some(data) = &overrides.data {
            figment = figment.merge(Serialized::default("data", data));
        }
        if let Some(database) = &overrides.database {
            figment = figment.merge(Serialized::default("database", database));
        }
        let settings: Self = figment.extract().map_err(|error| SettingsError::Malformed(Box::new(error)))?;
        settings.checked()
    }

    /// Where browsers reach the service, given where the public listener came to listen.
    ///
    /// # Errors
    /// [`SettingsError::Value`] when that makes no URL.
    pub fn public_url(&self, public: SocketAddr) -> Result<Url, SettingsError> {
        if let Some(url) = &self.public_url {
            return Ok(url.clone());
        }
        let url = format!("http://localhost:{}", public.port());
        Url::parse(&url).map_err(|error| SettingsError::Value { key: "public_url", problem: error.to_string() })
    }

    fn checked(self) -> Result<Self, SettingsError> {
        let wrong = |key, problem: &str| Err(SettingsError::Value { key, problem: problem.to_owned() });
        if let Some(url) = &self.public_url {
            if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(url)) {
                return wrong("public_url", "it has to be `https`; `http` is for localhost only");
            }
            if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
                return wrong("public_url", "it is a scheme, a host and perhaps a port; write no path behind it");
            }
        }
        let Limits { connections, connections_of_one, requests, requests_of_one, .. } = self.limits;
        if [connections, connections_of_one, requests, requests_of_one].contains(&0) {
            return wrong("limits", "a server that serves nobody is of no use; write 1 or more");
        }
        if self.listen.public == self.listen.admin && self.listen.public.port() != 0 {
            return wrong("listen", "the public and the admin listener need addresses of their own");
        }
        Ok(self)
    }
}

/// What is wrong, with the key or the variable as whoever wrote it knows it.
fn told(error: &figment::Error) -> String {
    let mut path = error.path.clone();
    if let Kind::UnknownField(key, _) = &error.kind
        && path.last() != Some(key)
    {
        path.push(key.clone());
    }
    let is_list = matches!(&error.kind, Kind::InvalidType(_, expected) if expected.contains("sequence"));
    let next = if is_list { "; a list is written as in `[\"first\", \"second\"]`" } else { "" };
    let what = &error.kind;
    match error.metadata.as_ref().map(|metadata| &metadata.source) {
        Some(Some(source)) if path.is_empty() => format!("{source}: {what}"),
        Some(Some(source)) => format!("`{}` in {source}: {what}{next}", path.join(".")),
        Some(None) if !path.is_empty() => {
            let variable = path.join("__").to_ascii_uppercase();
            format!("the variable `{PREFIX}{variable}`: {what}{next}")
        }
        Some(None) | None => error.to_string(),
    }
}

/// Whether a URL leads to this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| Url::parse(&text).map_err(|error| de::Error::custom(format!("`{text}` is no URL: {error}"))))
        .transpose()
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let parse = |text: &String| {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let network = text.parse::<IpNet>().or(address);
        network.map_err(|_| de::Error::custom(format!("`{text}` is no network; write it as in `10.0.0.0/8`")))
    };
    Vec::<String>::deserialize(deserializer)?.iter().map(parse).collect()
}

fn service() -> String {
    "Vestibule".to_owned()
}

fn data_folder() -> PathBuf {
    PathBuf::from(DATA_FOLDER)
}

#[cfg(test)]
mod tests;
