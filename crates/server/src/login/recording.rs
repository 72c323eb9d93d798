//! What a replay of a login needs: the event, the seed, the time, and what the network answered. Sealed in the journal, all
//! but the seed, which is made again.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use vestibule_engine::http::Exchange;
use vestibule_pipeline::{CanonicalText, LoginInput, ScopePolicy, event::AllowedScopes};
use vestibule_store::LoginId;

use super::{LoginTransaction, decide::Ran, rules::seed};
use crate::{app::App, error::Fault, keys::Seal};

/// The inputs of a login's rules on the attempt that was committed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recording {
    /// What the rules saw.
    pub event: Box<RawValue>,
    /// What the rules saw as now, in milliseconds since 1970.
    pub now_ms: i64,
    /// The scope before the rules.
    pub granted: Vec<String>,
    /// What rules could put in its place.
    pub allowed: Vec<String>,
    /// Whether the access token was for the management API.
    pub is_management: bool,
    /// What each rule asked the network and was answered.
    pub exchanges: Vec<RuleExchanges>,
}

/// The exchanges of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleExchanges {
    /// The rule's name.
    pub rule: String,
    /// Its exchanges, in order.
    pub exchanges: Vec<Exchange>,
}

impl Recording {
    pub(super) fn of(login: &LoginTransaction<'_>, ran: &Ran<'_>) -> Self {
        let ScopePolicy { granted, allowed, is_management } = login.scopes();
        let of_rules = ran.report.rules.iter().zip(ran.recorded);
        Self {
            event: ran.event.clone(),
            now_ms: login.at.0,
            granted,
            allowed: match allowed {
                AllowedScopes::Only(allowed) => allowed.into_iter().collect(),
                AllowedScopes::Any => Vec::new(),
            },
            is_management,
            exchanges: of_rules
                .map(|(rule, exchanges)| RuleExchanges { rule: rule.name.clone(), exchanges: exchanges.clone() })
                .collect(),
        }
    }

    pub(super) fn seal(&self, seal: &Seal, login: &LoginId, leg: u32) -> Result<Vec<u8>, Fault> {
        seal.seal(&purpose(login, leg), &serde_json::to_vec(self)?)
    }

    /// Opens what the journal keeps of a leg.
    ///
    /// # Errors
    /// [`Fault`] when it is not this leg's, or not this installation's.
    pub fn open(seal: &Seal, login: &LoginId, leg: u32, sealed: &[u8]) -> Result<Self, Fault> {
        Ok(serde_json::from_slice(&seal.open(&purpose(login, leg), sealed)?)?)
    }

    /// The input of the state machine, to run the rules of this login again as they ran then. Its randomness is made again
    /// from its id: it is stored nowhere.
    #[must_use]
    pub fn input(&self, app: &App, login: &LoginId) -> LoginInput<CanonicalText<'_>> {
        LoginInput {
            event: CanonicalText(&self.event),
            seed: seed(app, login),
            now_ms: self.now_ms,
            scopes: ScopePolicy {
                granted: self.granted.clone(),
                allowed: AllowedScopes::Only(self.allowed.iter().cloned().collect()),
                is_management: self.is_management,
            },
            budget: app.settings.budget,
        }
    }
}

fn purpose(login: &LoginId, leg: u32) -> String {
    format!("replay/{login}/{leg}")
}
