//! The protocols that a login can begin with, as `when.protocols` names them.
//!
//! A word that nobody sends would switch its rule off without a sound, and a rule that refuses would let everybody pass. So
//! a name is one that this host or Auth0 knows, or a URL of the embedder's own.

use std::{
    borrow::{Borrow, Cow},
    mem,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::claim::is_namespaced;

/// What `context.protocol` can be when a login begins (C-1), in Rules and in Actions.
const KNOWN: &[&str] = &[
    "delegation",
    "oauth2-access-token",
    "oauth2-device-code",
    "oauth2-password",
    "oauth2-refresh-token",
    "oauth2-resource-owner",
    "oauth2-resource-owner-jwt-bearer",
    "oauth2-token-exchange",
    "oauth2-webauthn",
    "oidc-basic-profile",
    "oidc-ciba",
    "oidc-ciba-web-link",
    "oidc-hybrid-profile",
    "oidc-implicit-profile",
    "samlp",
    "wsfed",
    "wstrust-usernamemixed",
];
/// What `context.protocol` is when a login comes back from a redirect; none begins with it.
const REDIRECT_CALLBACK: &str = "redirect-callback";

/// A protocol that a login can begin with: a known one, or a URL or URN for one of an embedder's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Protocol(String); // INVARIANT: `parse` is the only door.

impl Protocol {
    /// Checks a name; for one that is none, what is wrong and what to write instead.
    pub(super) fn parse(name: &str) -> Result<Self, (String, String)> {
        if KNOWN.contains(&name) || is_namespaced(name) {
            return Ok(Self(name.to_owned()));
        }
        if name == REDIRECT_CALLBACK {
            let problem = format!("no login begins with `{name}`, so the rule would never run");
            let next = "name what the login began with; `context.protocol` tells the rule that it came back";
            return Err((problem, next.to_owned()));
        }
        let nearest = KNOWN.iter().min_by_key(|known| distance(name, known)).copied().unwrap_or_default();
        let problem = format!("`{}` is no protocol, so the rule would never run", name.escape_debug());
        let next = format!("did you mean `{nearest}`? Known are {}; one of your own is a URL", KNOWN.join(", "));
        Err((problem, next))
    }
}

impl Borrow<str> for Protocol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A protocol as it is written, with the schema of what is accepted.
#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub(super) struct Written(pub(super) String);

impl JsonSchema for Written {
    fn schema_name() -> Cow<'static, str> {
        "Protocol".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "enum": KNOWN },
                { "type": "string", "pattern": "^(https?://|urn:)", "description": "One of your own." },
            ],
            "description": "A protocol that a login can begin with.",
        })
    }
}

/// How many characters have to be added, removed or replaced to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, a) in one.chars().enumerate() {
        let mut left = line + 1;
        let mut diagonal = line;
        for (above, b) in row.iter_mut().skip(1).zip(other.chars()) {
            let cost = (diagonal + usize::from(a != b)).min(left + 1).min(*above + 1);
            diagonal = mem::replace(above, cost);
            left = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        for (one, other, edits) in
            [("", "", 0), ("abc", "abc", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(one, other), edits, "{one} and {other}");
        }
    }
}
