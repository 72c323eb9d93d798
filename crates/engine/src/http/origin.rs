//! An origin: scheme, host and port, compared exactly after the URL parser has brought them to one form.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// Where a request goes: `https://api.example.com`. There are no wildcards and no suffix matches (HR-105).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    scheme: String,
    host: Host,
    port: u16,
}

/// Text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an origin; write scheme and host, and the port if it is unusual, as in `https://api.example.com`"
)]
pub struct InvalidOrigin(String);

impl Origin {
    /// The origin of a URL, or `None` if its scheme is neither `http` nor `https`.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        Some(Self { scheme: url.scheme().to_owned(), host: url.host()?.to_owned(), port: url.port_or_known_default()? })
    }

    /// The host: a name, or a literal address.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, the scheme's own if the URL named none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin(text.to_owned());
        let url = Url::parse(text).map_err(|_| invalid())?;
        let origin = Self::of(&url).ok_or_else(invalid)?;
        let rest = text.split_once("://").map(|(_, rest)| rest);
        let bare = rest.is_some_and(|rest| {
            let host = rest.strip_suffix('/').unwrap_or(rest);
            !host.contains(['/', '\\', '@', '?', '#']) && !text.contains(|c: char| c <= ' ' || c == '\x7f')
        });
        if bare { Ok(origin) } else { Err(invalid()) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (self.scheme.as_str(), self.port) {
            ("http", 80) | ("https", 443) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}
