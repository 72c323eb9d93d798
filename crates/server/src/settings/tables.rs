//! The tables of the settings, with their defaults.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use secrecy::SecretString;
use serde::Deserialize;

use super::Span;

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
