//! Which passwords are too weak to be chosen, and how a caller is told (spec S-4, S-5).
//!
//! It is asked when a password is chosen, never at login.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Password;

/// The 10 000 passwords that people choose most, in lower case, one a line. From the frequency list of zxcvbn (MIT).
const COMMON: &str = include_str!("../../data/common-passwords.txt");

/// What a chosen password must be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Which characters it must have.
    pub level: Level,
    /// The fewest characters, at every level but `none`.
    pub min_length: usize,
    /// Whether the commonest passwords are refused.
    pub refuse_common: bool,
    /// Whether a password that holds the person's name or address is refused.
    pub refuse_personal: bool,
    /// More words that no password may hold, in any case: the name of the service, of the company.
    pub words: Vec<String>,
}

/// How much is asked of the characters of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing.
    None,
    /// A length.
    Low,
    /// And lower case, upper case and a digit.
    Fair,
    /// Or three of lower case, upper case, digits and special characters.
    Good,
    /// As `good`, and no character more than twice in a row.
    Excellent,
}

impl Default for Policy {
    fn default() -> Self {
        Self { level: Level::Good, min_length: 8, refuse_common: true, refuse_personal: true, words: Vec::new() }
    }
}

/// What is known of the person who chooses.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// The e-mail address.
    pub email: Option<&'a str>,
    /// Whatever else names the person: username, nickname, names.
    pub names: &'a [String],
}

/// Why a password may not be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weakness {
    /// It lacks length or kinds of characters.
    Strength(Vec<Demand>),
    /// It is one of the commonest, or holds a word that the operator refuses.
    Common,
    /// It holds the person's name or address.
    Personal,
}

/// One demand, and whether it was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    kind: DemandKind,
    met: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DemandKind {
    Length(usize),
    /// So many of these kinds, with whether the password has them. All of them is worded in another way.
    Kinds(usize, Vec<(Kind, bool)>),
    NoTriples,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lower,
    Upper,
    Digit,
    Special,
}

impl Policy {
    /// Whether this password may be chosen.
    pub fn allows(&self, password: &Password, about: About<'_>) -> Result<(), Weakness> {
        let password = password.as_str();
        let demands = self.demands(password);
        if demands.iter().any(|demand| !demand.met) {
            return Err(Weakness::Strength(demands));
        }
        let folded = password.to_lowercase();
        if self.refuse_common && (is_common(&folded) || self.words.iter().any(|word| holds(&folded, word))) {
            return Err(Weakness::Common);
        }
        if self.refuse_personal && about.pieces().any(|piece| holds(&folded, piece)) {
            return Err(Weakness::Personal);
        }
        Ok(())
    }

    /// What it asks for, in words, for the person who is to choose.
    #[must_use]
    pub fn advice(&self) -> Vec<String> {
        self.demands("").iter().map(Demand::sentence).collect()
    }

    fn demands(&self, password: &str) -> Vec<Demand> {
        let length =
            Demand { kind: DemandKind::Length(self.min_length), met: password.chars().count() >= self.min_length };
        let all = [Kind::Lower, Kind::Upper, Kind::Digit];
        let three_of = [Kind::Lower, Kind::Upper, Kind::Digit, Kind::Special];
        match self.level {
            Level::None => Vec::new(),
            Level::Low => vec![length],
            Level::Fair => vec![length, Demand::kinds(3, &all, password)],
            Level::Good => vec![length, Demand::kinds(3, &three_of, password)],
            Level::Excellent => vec![length, Demand::kinds(3, &three_of, password), Demand::no_triples(password)],
        }
    }
}

impl<'a> About<'a> {
    /// The parts of names and address that are long enough to give a person away.
    fn pieces(self) -> impl Iterator<Item = &'a str> {
        const SHORTEST: usize = 4;
        let local_part = self.email.and_then(|email| email.rsplit_once('@')).map(|(local, _)| local);
        let named = local_part.into_iter().chain(self.names.iter().map(String::as_str));
        let pieces = named.flat_map(|name| name.split(|c: char| !c.is_alphanumeric()).chain([name]));
        pieces.filter(|piece| piece.chars().count() >= SHORTEST)
    }
}

impl Weakness {
    /// The body of the answer, as Auth0 words it (S-4).
    #[must_use]
    pub fn body(&self) -> Value {
        let (name, message) = match self {
            Self::Strength(_) => ("PasswordStrengthError", "Password is too weak"),
            Self::Common => ("PasswordDictionaryError", "Password is too common"),
            Self::Personal => ("PasswordNoUserInfoError", "Password contains user information"),
        };
        let mut body = json!({"name": name, "message": message, "code": "invalid_password", "description": message});
        if let (Self::Strength(demands), Some(body)) = (self, body.as_object_mut()) {
            let rules: Vec<Value> = demands.iter().map(Demand::body).collect();
            body.insert("description".into(), json!({"rules": rules, "verified": false}));
            body.insert("policy".into(), demands.iter().map(Demand::policy).collect::<Vec<_>>().join("\n").into());
        }
        if let Some(body) = body.as_object_mut() {
            body.insert("statusCode".into(), 400.into());
        }
        body
    }

    /// The same for the person who chose.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        match self {
            Self::Strength(demands) => demands.iter().filter(|demand| !demand.met).map(Demand::sentence).collect(),
            Self::Common => vec!["This password is too common. Choose one that nobody would guess.".to_owned()],
            Self::Personal => vec!["This password contains your name or address. Choose another.".to_owned()],
        }
    }
}

impl Demand {
    fn kinds(least: usize, kinds: &[Kind], password: &str) -> Self {
        let kinds: Vec<_> = kinds.iter().map(|&kind| (kind, password.chars().any(|c| kind.holds(c)))).collect();
        let met = kinds.iter().filter(|(_, has)| *has).count() >= least;
        Self { kind: DemandKind::Kinds(least, kinds), met }
    }

    fn no_triples(password: &str) -> Self {
        let characters: Vec<char> = password.chars().collect();
        let met = !characters.windows(3).any(|three| three.iter().all(|c| three.first() == Some(c)));
        Self { kind: DemandKind::NoTriples, met }
    }

    fn body(&self) -> Value {
        match &self.kind {
            DemandKind::Length(least) => json!({
                "message": "At least %d characters in length", "format": [least], "code": "lengthAtLeast", "verified": self.met,
            }),
            DemandKind::Kinds(least, kinds) => {
                let items: Vec<Value> = kinds.iter().map(|(kind, has)| kind.body(*has)).collect();
                if *least == kinds.len() {
                    return json!({"message": "Should contain:", "code": "shouldContain", "items": items, "verified": self.met});
                }
                json!({
                    "message": "Contain at least %d of the following %d types of characters:", "code": "containsAtLeast",
                    "format": [least, kinds.len()], "items": items, "verified": self.met,
                })
            }
            DemandKind::NoTriples => json!({
                "message": "No more than %d identical characters in a row (e.g., \"%s\" not allowed)",
                "format": [2, "aaa"], "code": "identicalChars", "verified": self.met,
            }),
        }
    }

    fn policy(&self) -> String {
        match &self.kind {
            DemandKind::Length(least) => format!("* At least {least} characters in length"),
            DemandKind::Kinds(least, kinds) => {
                let mut policy = if *least == kinds.len() {
                    "* Should contain:".to_owned()
                } else {
                    format!("* Contain at least {least} of the following {} types of characters:", kinds.len())
                };
                for (kind, _) in kinds {
                    write!(policy, "\n * {}", kind.message()).ok(); // Writing to a string cannot fail.
                }
                policy
            }
            DemandKind::NoTriples => {
                "* No more than 2 identical characters in a row (e.g., \"aaa\" not allowed)".to_owned()
            }
        }
    }

    fn sentence(&self) -> String {
        match &self.kind {
            DemandKind::Length(least) => format!("Use at least {least} characters."),
            DemandKind::Kinds(least, kinds) => {
                let names: Vec<_> = kinds.iter().map(|(kind, _)| kind.name()).collect();
                if *least == kinds.len() {
                    format!("Use {}.", names.join(", "))
                } else {
                    format!("Use at least {least} of these: {}.", names.join(", "))
                }
            }
            DemandKind::NoTriples => "Do not use the same character three times in a row.".to_owned(),
        }
    }
}

impl Kind {
    fn holds(self, c: char) -> bool {
        match self {
            Self::Lower => c.is_lowercase(),
            Self::Upper => c.is_uppercase(),
            Self::Digit => c.is_numeric(),
            Self::Special => !c.is_alphanumeric(),
        }
    }

    fn body(self, has: bool) -> Value {
        let code = match self {
            Self::Lower => "lowerCase",
            Self::Upper => "upperCase",
            Self::Digit => "numbers",
            Self::Special => "specialCharacters",
        };
        json!({"message": self.message(), "code": code, "verified": has})
    }

    fn message(self) -> &'static str {
        match self {
            Self::Lower => "lower case letters (a-z)",
            Self::Upper => "upper case letters (A-Z)",
            Self::Digit => "numbers (i.e. 0-9)",
            Self::Special => "special characters (e.g. !@#$%^&*)",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower case letters",
            Self::Upper => "upper case letters",
            Self::Digit => "digits",
            Self::Special => "special characters",
        }
    }
}

fn is_common(folded: &str) -> bool {
    COMMON.lines().any(|common| common == folded)
}

fn holds(folded: &str, word: &str) -> bool {
    !word.is_empty() && folded.contains(&word.to_lowercase())
}
