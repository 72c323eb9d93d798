//! What the access token of a login may be good for.

use std::collections::BTreeSet;

use serde_json::Value;

/// What the access token of this login may be good for; the host's word, never a rule's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopePolicy {
    /// The scope that was granted before the rules ran.
    pub granted: Vec<String>,
    /// What a rule may put in its place.
    pub allowed: AllowedScopes,
    /// Whether the access token is for the host's own management API: then no rule changes its scope, and its claims
    /// need a namespace.
    pub is_management: bool,
}

/// The scopes a rule may grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedScopes {
    /// What is registered for the audience and allowed to the client.
    Only(BTreeSet<String>),
    /// Any: for trying rules out without a registry.
    Any,
}

impl ScopePolicy {
    /// What an event by itself says: the scope its request asked for, and no registry.
    #[must_use]
    pub fn of_event(event: &Value) -> Self {
        let asked = event.pointer("/context/request/query/scope").and_then(Value::as_str).unwrap_or_default();
        let granted = asked.split_ascii_whitespace().map(str::to_owned).collect();
        Self { granted, allowed: AllowedScopes::Any, is_management: false }
    }

    /// Whether a rule may put this scope into the answer. `openid` and `offline_access` are never added.
    pub(crate) fn permits(&self, scope: &str) -> bool {
        let is_granted = self.granted.iter().any(|granted| granted == scope);
        let is_allowed = match &self.allowed {
            AllowedScopes::Only(allowed) => allowed.contains(scope),
            AllowedScopes::Any => true,
        };
        is_granted || (is_allowed && !matches!(scope, "openid" | "offline_access"))
    }
}
