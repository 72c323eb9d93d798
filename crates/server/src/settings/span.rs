//! Lengths of time in settings.

use std::{fmt, str::FromStr, time::Duration};

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de};

/// A length of time, written as in `5s`, `10m` or `72h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    pub(super) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub(super) const fn hours(hours: u64) -> Self {
        Self::seconds(hours * 60 * 60)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed: Option<SignedDuration> = text.parse().ok();
        let length = parsed.and_then(|length| Duration::try_from(length).ok()).filter(|length| !length.is_zero());
        length.map(Self).ok_or_else(|| format!("`{text}` is no length of time; write it as in `5s`, `10m` or `72h`"))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
