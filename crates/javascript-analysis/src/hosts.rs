//! What a rule may set and nobody sees: members of the event that belong to the host (DESIGN §3).

use std::collections::BTreeSet;

/// Members of the context that tell rules of a login. The runtime drops what is set there.
const CONTEXT: &[&str] = &[
    "authentication",
    "authorization",
    "clientID",
    "clientMetadata",
    "clientName",
    "connection",
    "connectionID",
    "connectionMetadata",
    "connectionOptions",
    "connectionStrategy",
    "now",
    "organization",
    "original_protocol",
    "protocol",
    "request",
    "riskAssessment",
    "seed",
    "sessionID",
    "sso",
    "stats",
    "tenant",
];

/// Properties of the user, beside all that begin with `last_`.
const USER: &[&str] = &[
    "blocked",
    "connection",
    "created_at",
    "identities",
    "logins_count",
    "multifactor",
    "password",
    "password_hash",
    "provider",
    "tenant",
    "updated_at",
    "user_id",
];

/// Those of the paths that are set in vain.
pub(crate) fn hosts(sets: &BTreeSet<String>) -> BTreeSet<String> {
    let is_hosts = |path: &&String| match path.split('.').collect::<Vec<_>>().as_slice() {
        ["context", name, ..] => CONTEXT.contains(name),
        ["user", name, ..] => USER.contains(name) || name.starts_with("last_"),
        _ => false,
    };
    sets.iter().filter(is_hosts).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in the set that a file of the runtime declares.
    fn set(source: &str, name: &str) -> BTreeSet<String> {
        let declared =
            source.split_once(&format!("const {name} = setOf([")).and_then(|(_, rest)| rest.split_once("])"));
        let (names, _) = declared.unwrap_or_else(|| panic!("`{name}` is declared elsewhere now"));
        let names = names.split(',').map(|name| name.trim().trim_matches('"'));
        names.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_runtime_drops_the_same_names() {
        let answer = include_str!("../../../sdk/javascript/runtime/src/prelude/answer.js");
        let event = include_str!("../../../sdk/javascript/runtime/src/prelude/event.js");
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
        assert_eq!(owned(CONTEXT), &set(answer, "HOSTS_CONTEXT") | &set(answer, "HOSTS_ALONE"));
        // Metadata are stored by other means, and what is named is an answer.
        let kept = &set(event, "HOSTS_USER") - &set(answer, "BY_NAME");
        let others = owned(&["app_metadata", "constructor", "prototype", "user_metadata"]);
        assert_eq!(owned(USER), &kept - &others);
    }

    #[test]
    fn what_is_set_in_vain_is_found_at_any_depth() {
        let sets = [
            "context.stats.loginsCount",
            "context.now",
            "context.idToken.a",
            "user.last_ip",
            "user.email",
            "user.nickname",
        ];
        let found = hosts(&sets.map(str::to_owned).into());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["context.now", "context.stats.loginsCount", "user.last_ip"]);
    }
}
