//! What was asked and what came back: the record from which a login is run again and replayed.
//!
//! No secret is ever in it: headers keep their placeholders, and what a peer echoed is blanked before it gets here.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use vestibule_abi::codes::FailureCode;

/// What identifies a request: the same again gets the same answer on replay.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The URL in the parser's form, without fragment.
    pub url: String,
    /// The headers the rule set, in order, with `{{secret:NAME}}` as it wrote it.
    pub headers: Vec<(String, String)>,
    /// SHA-256 of the body, as 64 hexadecimal digits.
    pub body_sha256: String,
}

/// One request of a rule and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// What was asked.
    #[serde(flatten)]
    pub asked: Asked,
    /// What came back; `None` if the rule ended without waiting for it. It may have been sent all the same, so it
    /// counts as failed when it is asked for again, and is never sent twice.
    pub received: Option<Received>,
    /// The place in which the rule saw it finish, from 0; `None` if it never waited for it.
    pub finished: Option<u32>,
}

impl Exchange {
    /// The status of the response, if there is one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.received {
            Some(Received::Response(response)) => Some(response.status),
            Some(Received::Error(_)) | None => None,
        }
    }
}

/// The requests of one run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// What this run asked for, in order.
    pub exchanges: Vec<Exchange>,
    /// What an earlier run of this login had recorded and this one did not ask for. A further run gets both, so that
    /// no request of a login is sent twice.
    pub unused: Vec<Exchange>,
}

impl Record {
    /// All that a further run of the same rule in the same login is given.
    #[must_use]
    pub fn into_recorded(self) -> Vec<Exchange> {
        self.exchanges.into_iter().chain(self.unused).collect()
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Received {
    /// A response, whatever its status.
    Response(Response),
    /// None, for this reason.
    Error(FailureCode),
}

/// A response as the rule sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in order, names in lower case; without those of the transfer (length, encoding, connection).
    pub headers: Vec<(String, String)>,
    /// The body, decoded.
    #[serde(with = "body_as_text")]
    pub body: Vec<u8>,
}

/// Text where it can be, so that a journal is readable; base64 where it cannot.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BodyText {
    Text(String),
    Base64(String),
}

mod body_as_text {
    use serde::{Deserializer, Serializer, de::Error as _};

    use super::*;

    pub(super) fn serialize<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let text = match str::from_utf8(body) {
            Ok(text) => BodyText::Text(text.to_owned()),
            Err(_) => BodyText::Base64(BASE64_STANDARD.encode(body)),
        };
        text.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        match BodyText::deserialize(deserializer)? {
            BodyText::Text(text) => Ok(text.into_bytes()),
            BodyText::Base64(text) => BASE64_STANDARD.decode(text).map_err(D::Error::custom),
        }
    }
}
