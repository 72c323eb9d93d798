//! How a login's rules ended, and what the host is to do about it.
//!
//! Only [`Outcome::Allow`] carries changes. Every other outcome carries the profile as it is stored, so that no host
//! can keep what a refused login staged.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use crate::{
    answer::{Refusal, SecondFactor},
    event::Members,
    failure::RuleFailure,
    login::SkipReason,
    manifest::{Bag, RuleName},
};

/// How the rules of a login ended.
///
/// It serialises to what `vestibule run --json` prints: every member always there, `null` where it has no meaning.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The login goes on with these changes.
    Allow(Allow),
    /// A rule refused it.
    Deny {
        /// The rule that did.
        rule: RuleName,
        /// What it said.
        refusal: Refusal,
        /// What the login leaves behind.
        rest: Rest,
    },
    /// The browser goes elsewhere first; all rules run again when it is back.
    Redirect {
        /// The rule that asked for it last.
        rule: RuleName,
        /// A checked URL; the host adds `state`.
        url: String,
        /// What the login leaves behind: `profile.user` keeps the root properties that rules set.
        rest: Rest,
    },
    /// A second factor is needed; all rules run again after it.
    SecondFactor {
        /// The rule that asked for it first.
        rule: RuleName,
        /// What all rules together asked for.
        demand: SecondFactor,
        /// What the login leaves behind: `profile.user` keeps the root properties that rules set.
        rest: Rest,
    },
    /// A rule failed, or the host did: the login is denied.
    Failed {
        /// The rule, unless it was the host.
        rule: Option<RuleName>,
        /// What happened.
        failure: RuleFailure,
        /// What the login leaves behind.
        rest: Rest,
    },
}

/// What a login that is allowed changes.
#[derive(Debug, Clone)]
pub struct Allow {
    /// The user as the next rule would see it, and the metadata as they are to be stored.
    pub profile: Profile,
    /// Custom claims of the ID token.
    pub id_token: Map<String, Value>,
    /// Custom claims of the access token.
    pub access_token: Map<String, Value>,
    /// The scope to grant.
    pub scope: Vec<String>,
    /// Properties of the context that are outputs: `primaryUser`, `samlConfiguration`, `jwtConfiguration`, own ones.
    pub context: Map<String, Value>,
    /// Who set or deleted what: every metadata key and claim that a rule changed.
    pub provenance: Vec<Provenance>,
    /// What the journal tells beside it.
    pub journal: Vec<JournalLine>,
}

/// What a login that is not allowed (yet) leaves behind: nothing that was staged.
#[derive(Debug, Clone)]
pub struct Rest {
    /// The user, with the metadata as they are stored.
    pub profile: Profile,
    /// The root properties that rules set on the user: kept with a parked login, empty for one that is over.
    pub user_changes: Map<String, Value>,
    /// The scope as it was granted before the rules ran.
    pub scope: Vec<String>,
    /// What the journal tells.
    pub journal: Vec<JournalLine>,
}

/// The user and their metadata, put together only when somebody looks.
#[derive(Debug, Clone)]
pub struct Profile {
    pub(crate) user: Members,
    pub(crate) user_metadata: Members,
    pub(crate) app_metadata: Members,
}

impl Profile {
    /// The user, metadata included, as a rule would see it.
    #[must_use]
    pub fn user(&self) -> Map<String, Value> {
        let mut user = self.user.to_object();
        for (name, bag) in [("user_metadata", &self.user_metadata), ("app_metadata", &self.app_metadata)] {
            if bag.exists() {
                user.insert(name.to_owned(), Value::Object(bag.to_object()));
            }
        }
        user
    }

    /// What is to be stored for the user.
    #[must_use]
    pub fn user_metadata(&self) -> Map<String, Value> {
        self.user_metadata.to_object()
    }

    /// What is to be stored for the application.
    #[must_use]
    pub fn app_metadata(&self) -> Map<String, Value> {
        self.app_metadata.to_object()
    }
}

/// Which rule changed a key last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// Where.
    pub bag: Bag,
    /// The key.
    pub key: String,
    /// The rule.
    pub rule: RuleName,
}

/// One line of the journal about a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalLine {
    /// The rule.
    pub rule: RuleName,
    /// What there is to tell.
    pub note: Note,
}

/// What the journal tells about a rule beside its changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// It did not run.
    Skipped(SkipReason),
    /// It failed, and what it did was dropped, as its manifest says.
    SkippedAfterFailure(RuleFailure),
    /// It set a reserved claim, which was dropped, as its manifest says.
    ClaimDropped {
        /// The token.
        token: Bag,
        /// The claim.
        claim: String,
    },
    /// A script changed what says who the user is, such as `user.email`, which its manifest does not name; that was
    /// dropped, and later rules see what it was.
    ChangeDropped {
        /// The key of the user.
        key: String,
    },
    /// It asked for a redirect, and the browser is back from one already.
    RedirectIgnored,
    /// It asked for a second factor, and this login has one already.
    SecondFactorMet,
}

impl Outcome {
    /// Every word that [`Outcome::as_str`] gives.
    pub const WORDS: &[&str] = &["allow", "deny", "redirect", "second_factor", "failed"];

    /// The stable word, one of [`Outcome::WORDS`].
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Deny { .. } => "deny",
            Self::Redirect { .. } => "redirect",
            Self::SecondFactor { .. } => "second_factor",
            Self::Failed { .. } => "failed",
        }
    }

    /// The user and their metadata.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        match self {
            Self::Allow(allow) => &allow.profile,
            Self::Deny { rest, .. }
            | Self::Redirect { rest, .. }
            | Self::SecondFactor { rest, .. }
            | Self::Failed { rest, .. } => &rest.profile,
        }
    }

    /// What the journal tells beside the outcome.
    #[must_use]
    pub fn journal(&self) -> &[JournalLine] {
        match self {
            Self::Allow(allow) => &allow.journal,
            Self::Deny { rest, .. }
            | Self::Redirect { rest, .. }
            | Self::SecondFactor { rest, .. }
            | Self::Failed { rest, .. } => &rest.journal,
        }
    }

    /// The custom claims of both tokens and the scope to grant; without claims unless the login is allowed.
    fn tokens(&self) -> (&Map<String, Value>, &Map<String, Value>, &[String]) {
        static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        match self {
            Self::Allow(allow) => (&allow.id_token, &allow.access_token, &allow.scope),
            Self::Deny { rest, .. }
            | Self::Redirect { rest, .. }
            | Self::SecondFactor { rest, .. }
            | Self::Failed { rest, .. } => (&NONE, &NONE, &rest.scope),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mut deny, mut failure, mut redirect, mut second_factor) = (None, None, None, None);
        match self {
            Self::Allow(_) => {}
            Self::Deny { rule, refusal, .. } => deny = Some(ByRule { rule: Some(rule), what: refusal }),
            Self::Redirect { rule, url, .. } => redirect = Some(ByRule { rule: Some(rule), what: Url { url } }),
            Self::SecondFactor { rule, demand, .. } => {
                second_factor = Some(ByRule { rule: Some(rule), what: demand });
            }
            Self::Failed { rule, failure: what, .. } => failure = Some(ByRule { rule: rule.as_ref(), what }),
        }
        let profile = self.profile();
        let (id_token, access_token, scope) = self.tokens();
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("outcome", self.as_str())?;
        object.serialize_entry("deny", &deny)?;
        object.serialize_entry("failure", &failure)?;
        object.serialize_entry("redirect", &redirect)?;
        object.serialize_entry("second_factor", &second_factor)?;
        object.serialize_entry("user", &profile.user())?;
        object.serialize_entry("user_metadata", &profile.user_metadata())?;
        object.serialize_entry("app_metadata", &profile.app_metadata())?;
        object.serialize_entry("id_token", id_token)?;
        object.serialize_entry("access_token", access_token)?;
        object.serialize_entry("scope", scope)?;
        object.end()
    }
}

/// Something a rule brought about.
#[derive(Serialize)]
struct ByRule<'r, T> {
    rule: Option<&'r RuleName>,
    #[serde(flatten)]
    what: T,
}

#[derive(Serialize)]
struct Url<'u> {
    url: &'u str,
}
