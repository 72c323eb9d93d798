//! The three rules, natively: what every contestant's own version of them has to come to.
//!
//! Each refuses an address that is not verified, sets two claims and stores one key. `guests/`, `peers/*/` and
//! `peers/node/` say the same in other languages.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Reads three fields of the profile.
    Fields,
    /// Goes through two hundred groups.
    Groups,
    /// Computes for about a millisecond of native code.
    Compute,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fields, Self::Groups, Self::Compute];

    /// What it is called on the wire and in folders.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fields => "fields",
            Self::Groups => "groups",
            Self::Compute => "compute",
        }
    }
}

/// Steps of [`Rule::Compute`].
pub const STEPS: u32 = 500_000;

/// What a rule asks for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Claims of the ID token.
    #[serde(default)]
    pub id_token: Map<String, Value>,
    /// Keys to store.
    #[serde(default)]
    pub app_metadata: Map<String, Value>,
}

/// What a rule answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Go on, with changes.
    Continue(Changes),
    /// Refuse, with a code.
    Deny(String),
}

/// The code of every refusal.
pub const REFUSAL: &str = "email_not_verified";

/// Runs a rule on an event that is there as a tree.
///
/// # Errors
/// When a field is missing.
pub fn on_tree(rule: Rule, event: &Value) -> anyhow::Result<Answer> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).with_context(|| format!("no text at {path}"));
    if !event.pointer("/user/email_verified").and_then(Value::as_bool).context("no email_verified")? {
        return Ok(Answer::Deny(REFUSAL.to_owned()));
    }
    let email = text("/user/email")?;
    Ok(Answer::Continue(match rule {
        Rule::Fields => fields(text("/user/app_metadata/plan")?, email),
        Rule::Groups => {
            let groups = event.pointer("/user/groups").and_then(Value::as_array).context("no groups")?;
            groups_of(groups.iter().filter_map(Value::as_str))
        }
        Rule::Compute => computed(email),
    }))
}

/// Parses only what a rule needs, into types that borrow from the text.
///
/// # Errors
/// When the text is not JSON, or a field is missing.
pub fn on_text(rule: Rule, json: &[u8]) -> anyhow::Result<Answer> {
    #[derive(Deserialize)]
    struct Event<U> {
        user: U,
    }
    #[derive(Deserialize)]
    struct Fields<'e> {
        email: &'e str,
        email_verified: bool,
        #[serde(borrow)]
        app_metadata: AppMetadata<'e>,
    }
    #[derive(Deserialize)]
    struct AppMetadata<'e> {
        plan: &'e str,
    }
    #[derive(Deserialize)]
    struct Groups<'e> {
        email_verified: bool,
        #[serde(borrow)]
        groups: Vec<&'e str>,
    }
    #[derive(Deserialize)]
    struct Compute<'e> {
        email: &'e str,
        email_verified: bool,
    }
    let (verified, changes) = match rule {
        Rule::Fields => {
            let event: Event<Fields<'_>> = serde_json::from_slice(json)?;
            (event.user.email_verified, fields(event.user.app_metadata.plan, event.user.email))
        }
        Rule::Groups => {
            let event: Event<Groups<'_>> = serde_json::from_slice(json)?;
            (event.user.email_verified, groups_of(event.user.groups.into_iter()))
        }
        Rule::Compute => {
            let event: Event<Compute<'_>> = serde_json::from_slice(json)?;
            (event.user.email_verified, computed(event.user.email))
        }
    };
    Ok(if verified { Answer::Continue(changes) } else { Answer::Deny(REFUSAL.to_owned()) })
}

fn fields(plan: &str, email: &str) -> Changes {
    changes([("plan", json!(plan)), ("email", json!(email))], ("last_plan", json!(plan)))
}

fn groups_of<'g>(groups: impl Iterator<Item = &'g str>) -> Changes {
    let (mut count, mut last) = (0_u32, "");
    for group in groups.filter(|group| group.starts_with("sales:")) {
        (count, last) = (count + 1, group);
    }
    changes([("sales_groups", json!(count)), ("last_sales_group", json!(last))], ("sales_groups", json!(count)))
}

fn computed(email: &str) -> Changes {
    let mut state = 2_463_534_242 ^ u32::try_from(email.len()).unwrap_or_default();
    for _ in 0..STEPS {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    changes([("proof", json!(state)), ("steps", json!(STEPS))], ("proof", json!(state)))
}

fn changes(claims: [(&str, Value); 2], stored: (&str, Value)) -> Changes {
    Changes {
        id_token: claims.into_iter().map(|(name, value)| (format!("https://example.com/{name}"), value)).collect(),
        app_metadata: Map::from_iter([(stored.0.to_owned(), stored.1)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;

    #[test]
    fn both_native_versions_answer_alike() {
        for rule in Rule::ALL {
            let verified = event::of_size(4_000);
            for event in [verified.clone(), event::unverified(verified)] {
                let text = event.to_string();
                assert_eq!(on_tree(rule, &event).unwrap(), on_text(rule, text.as_bytes()).unwrap(), "{rule:?}");
            }
        }
    }

    #[test]
    fn a_rule_sets_two_claims_and_one_key() {
        let Answer::Continue(changes) = on_tree(Rule::Groups, &event::of_size(4_000)).unwrap() else {
            panic!("refused");
        };
        assert_eq!(changes.id_token.get("https://example.com/sales_groups"), Some(&json!(event::SALES_GROUPS)));
        assert_eq!((changes.id_token.len(), changes.app_metadata.len()), (2, 1));
    }
}
