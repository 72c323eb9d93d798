//! What the operator decides: one TOML file, the environment over it, the command line over both.
//!
//! Every value has a default that is right for `vestibule serve` on one machine. A key nobody knows is an error that
//! names it, in the file as in the environment: a setting that is misspelt must not be a setting that is ignored.

mod span;
mod tables;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    error::Kind,
    providers::{Env, Format, Serialized},
};
use ipnet::IpNet;
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned},
};
use url::{Host, Url};

pub use self::{
    span::Span,
    tables::{EgressList, Enrolment, Journal, Level, Limits, Listen, Log, LogFormat, Login, Mail, Profile, Sandbox},
};
use crate::{limits::LimitSettings, password::Policy, signup::SignupSettings};

/// What the variables of the environment begin with: `VESTIBULE_PUBLIC_URL`, `VESTIBULE_LISTEN__ADMIN`.
pub const PREFIX: &str = "VESTIBULE_";

/// Every setting with its default, for people: what `vestibule settings` prints.
pub const EXAMPLE: &str = include_str!("../settings.example.toml");

/// The data folder where none is named.
pub const DATA_FOLDER: &str = "vestibule-data";

/// The format of the file, read by the crate that reads manifests too.
struct Toml;

impl Format for Toml {
    type Error = toml::de::Error;

    const NAME: &'static str = "TOML";

    fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Self::Error> {
        toml::from_str(text)
    }
}

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
