//! Names and places in a manifest: rules, origins, redirect targets.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Serialize, Serializer};
use url::{Host, Url};

/// The longest name of a rule, in bytes.
const NAME_BYTES: usize = 64;

/// A rule's name: letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleName(Arc<str>); // INVARIANT: `from_str` and `lossy` are the only doors.

impl RuleName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest name, for a file that has no manifest.
    pub(super) fn lossy(name: &str) -> Self {
        let fits = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
        let name: String = name.chars().map(fits).take(NAME_BYTES).collect();
        let name = name.trim_start_matches(['-', '_', '.']);
        Self(if name.is_empty() { "rule".into() } else { name.into() })
    }
}

impl FromStr for RuleName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if begins && fits && name.len() <= NAME_BYTES {
            Ok(Self(name.into()))
        } else {
            Err("not letters, digits, `-`, `_` and `.` (at most 64), beginning with a letter or digit")
        }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RuleName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A scheme, host and port, `https` or `http`: `https://api.example.com`, `http://127.0.0.1:8080`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String); // INVARIANT: the ASCII serialisation, without the scheme's own port.

impl Origin {
    /// The origin a URL leads to, or `None` if its scheme is neither `https` nor `http`.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        matches!(url.scheme(), "https" | "http").then(|| Self(url.origin().ascii_serialization()))
    }

    /// The canonical text, without a final slash and without the scheme's own port.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a URL leads to this origin.
    #[must_use]
    pub fn holds(&self, url: &Url) -> bool {
        url.origin().ascii_serialization() == self.0
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = parse_plain(text)?;
        let origin = Self::of(&url).ok_or("not an `https` or `http` origin")?;
        if url.path() != "/" || url.query().is_some() {
            return Err("more than a scheme, a host and a port");
        }
        Ok(origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a rule may send the browser: an origin, or an origin with a path below which everything is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectTarget {
    origin: Origin,
    /// Without its final slash; empty for the whole origin.
    path: String,
}

impl RedirectTarget {
    /// Its scheme, host and port, as a page's policy names them.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin.0
    }

    /// Whether a URL leads there. The path ends at a slash: `/form` allows `/form/2`, not `/former`.
    #[must_use]
    pub fn holds(&self, url: &Url) -> bool {
        let below = url.path().strip_prefix(&self.path);
        self.origin.holds(url) && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for RedirectTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

impl FromStr for RedirectTarget {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = parse_plain(text)?;
        if !is_browsable(&url) {
            return Err("not `https` (`http` only for this machine)");
        }
        if url.query().is_some() {
            return Err("a target has no query");
        }
        let origin = Origin(url.origin().ascii_serialization());
        Ok(Self { origin, path: url.path().trim_end_matches('/').to_owned() })
    }
}

/// Whether a browser may be sent there at all: `https`, or `http` on this machine.
pub(crate) fn is_browsable(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}

/// A URL without tricks: nothing that parsers read in two ways, no user, no fragment.
fn parse_plain(text: &str) -> Result<Url, &'static str> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '*')) {
        return Err("no plain URL: it holds a space, a control character, `\\` or `*`");
    }
    let url = Url::parse(text).map_err(|_| "not a URL with a scheme and a host")?;
    if !url.has_host() || !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("no plain URL: it needs a host, and no user or fragment");
    }
    Ok(url)
}
