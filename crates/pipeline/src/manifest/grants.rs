//! `writes`: what a rule may change or ask for.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use vestibule_abi::{
    answer,
    owned::{CLAIMS_LITERAL_ONLY, USER_LITERAL_ONLY},
};

use crate::{answer::owned, claim::ClaimName};

/// Every form of an entry, for whoever wrote another.
const VOCABULARY: &str = "write `user_metadata.KEY`, `app_metadata.KEY`, `id_token.CLAIM`, `access_token.CLAIM`, \
                          `user.KEY`, `context.KEY`, `shared.KEY` (a final `*` stands for all that begin so), `scope`, \
                          `redirect`, `second_factor` or `deny`";

/// One entry of `writes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteGrant {
    /// First-level keys of a bag.
    Keys(Bag, KeyPattern),
    /// The scope.
    Scope,
    /// A redirect, to where `[capabilities] redirect` allows.
    Redirect,
    /// A second factor.
    SecondFactor,
    /// A refusal.
    Deny,
}

/// What holds first-level keys that a rule sets or deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bag {
    /// Stored for the user.
    UserMetadata,
    /// Stored for the application.
    AppMetadata,
    /// Claims of the ID token.
    IdToken,
    /// Claims of the access token.
    AccessToken,
    /// Root properties of the user, for later rules.
    User,
    /// Properties of the context, for later rules.
    Context,
    /// What rules of one login share.
    Shared,
}

impl Bag {
    /// All of them, in the order of the answer's members.
    pub const ALL: &'static [Self] = &[
        Self::UserMetadata,
        Self::AppMetadata,
        Self::User,
        Self::Context,
        Self::Shared,
        Self::IdToken,
        Self::AccessToken,
    ];

    /// Its name in `writes` and as a member of an answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserMetadata => answer::USER_METADATA,
            Self::AppMetadata => answer::APP_METADATA,
            Self::IdToken => answer::ID_TOKEN,
            Self::AccessToken => answer::ACCESS_TOKEN,
            Self::User => answer::USER,
            Self::Context => answer::CONTEXT,
            Self::Shared => answer::SHARED,
        }
    }

    /// Whether it is a token's claims.
    #[must_use]
    pub const fn is_token(self) -> bool {
        matches!(self, Self::IdToken | Self::AccessToken)
    }

    /// Whether it is stored metadata.
    #[must_use]
    pub const fn is_metadata(self) -> bool {
        matches!(self, Self::UserMetadata | Self::AppMetadata)
    }
}

impl fmt::Display for Bag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Bag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Which keys of a bag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPattern {
    /// This key.
    Exact(String),
    /// Every key that begins so; written with a final `*`.
    Prefix(String),
}

impl KeyPattern {
    fn holds(&self, key: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == key,
            Self::Prefix(prefix) => key.starts_with(prefix.as_str()),
        }
    }
}

/// As `writes` has it.
impl fmt::Display for WriteGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(bag, KeyPattern::Exact(key)) => write!(f, "{bag}.{key}"),
            Self::Keys(bag, KeyPattern::Prefix(prefix)) => write!(f, "{bag}.{prefix}*"),
            Self::Scope => f.write_str("scope"),
            Self::Redirect => f.write_str("redirect"),
            Self::SecondFactor => f.write_str("second_factor"),
            Self::Deny => f.write_str("deny"),
        }
    }
}

impl WriteGrant {
    /// Whether the security of a login may rest on it, so that the rule that holds it is never skipped on failure.
    ///
    /// Beside DESIGN §2's list: whose tokens these are, what an assertion says, and whether an address counts as
    /// verified.
    #[must_use]
    pub fn is_security_relevant(&self) -> bool {
        match self {
            Self::Scope | Self::SecondFactor | Self::Deny => true,
            Self::Redirect => false,
            Self::Keys(Bag::AppMetadata | Bag::IdToken | Bag::AccessToken, _) => true,
            Self::Keys(Bag::User, pattern) => USER_LITERAL_ONLY.iter().any(|key| pattern.holds(key)),
            Self::Keys(Bag::Context, pattern) => owned::CONTEXT_OUTPUTS.iter().any(|key| pattern.holds(key)),
            Self::Keys(Bag::UserMetadata | Bag::Shared, _) => false,
        }
    }
}

impl FromStr for WriteGrant {
    /// The problem and the next step.
    type Err = (String, &'static str);

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            answer::SCOPE => return Ok(Self::Scope),
            answer::REDIRECT => return Ok(Self::Redirect),
            answer::SECOND_FACTOR => return Ok(Self::SecondFactor),
            answer::DENY => return Ok(Self::Deny),
            _ => {}
        }
        let unknown = || {
            let problem = format!("`{}` is nothing that a rule can write", text.escape_debug());
            (problem, VOCABULARY)
        };
        let (bag, key) = text.split_once('.').ok_or_else(unknown)?;
        let bag = Bag::ALL.iter().copied().find(|known| known.as_str() == bag).ok_or_else(unknown)?;
        let pattern = match key.strip_suffix('*') {
            Some(prefix) => KeyPattern::Prefix(prefix.to_owned()),
            None => KeyPattern::Exact(key.to_owned()),
        };
        match &pattern {
            KeyPattern::Exact(key) | KeyPattern::Prefix(key) if key.contains('*') => {
                Err((format!("`{}` has a `*` before its end", text.escape_debug()), "a wildcard ends a prefix"))
            }
            KeyPattern::Exact(key) => possible(bag, key).map(|()| Self::Keys(bag, pattern)),
            KeyPattern::Prefix(_) => Ok(Self::Keys(bag, pattern)),
        }
    }
}

/// Refuses a grant that no answer could use: a reserved claim, a key of the host.
fn possible(bag: Bag, key: &str) -> Result<(), (String, &'static str)> {
    if key.is_empty() {
        return Err((format!("`{bag}.` names no key"), "name one, or write `*` for all"));
    }
    if bag.is_token() {
        return ClaimName::parse(key).map(drop).map_err(|error| (error.to_string(), "choose another claim"));
    }
    if owned::is_hosts(bag, key) {
        return Err((
            format!("`{bag}.{}` belongs to the host", key.escape_debug()),
            "remove it: no rule can change it",
        ));
    }
    Ok(())
}

/// All that a rule may change or ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writes(Vec<WriteGrant>);

impl Writes {
    /// These and nothing else.
    #[must_use]
    pub const fn new(grants: Vec<WriteGrant>) -> Self {
        Self(grants)
    }

    /// What a manifest without `writes` grants.
    #[must_use]
    pub fn refusal_only() -> Self {
        Self(vec![WriteGrant::Deny])
    }

    /// Everything that can be granted, the claims that have to be named included.
    pub(super) fn everything() -> Self {
        let all = Bag::ALL.iter().map(|bag| WriteGrant::Keys(*bag, KeyPattern::Prefix(String::new())));
        let literal = |bag| {
            let exact = move |claim: &&str| WriteGrant::Keys(bag, KeyPattern::Exact((*claim).to_owned()));
            CLAIMS_LITERAL_ONLY.iter().map(exact)
        };
        let whole = [WriteGrant::Scope, WriteGrant::Redirect, WriteGrant::SecondFactor, WriteGrant::Deny];
        Self(all.chain(literal(Bag::IdToken)).chain(literal(Bag::AccessToken)).chain(whole).collect())
    }

    /// The grants, as written.
    #[must_use]
    pub fn grants(&self) -> &[WriteGrant] {
        &self.0
    }

    /// Whether a key of a bag may be set or deleted.
    #[must_use]
    pub fn allows_key(&self, bag: Bag, key: &str) -> bool {
        self.0.iter().any(|grant| matches!(grant, WriteGrant::Keys(of, pattern) if *of == bag && pattern.holds(key)))
    }

    /// Whether a key of a bag is named to the letter.
    #[must_use]
    pub fn names_key(&self, bag: Bag, key: &str) -> bool {
        let exact = |grant: &WriteGrant| matches!(grant, WriteGrant::Keys(of, KeyPattern::Exact(named)) if *of == bag && named == key);
        self.0.iter().any(exact)
    }

    /// Whether a thing that has no keys may be asked for.
    #[must_use]
    pub fn allows(&self, grant: &WriteGrant) -> bool {
        self.0.contains(grant)
    }
}
