//! What a rule may set and nobody sees: members of the event that belong to the host (DESIGN §3).

use std::collections::BTreeSet;

use vestibule_abi::owned::{CONTEXT, USER};

/// Members of the context by which a script says what it wants, and metadata, which are stored by other means.
const ASKED: &[&str] = &["accessToken", "idToken", "multifactor", "redirect"];
const METADATA: &[&str] = &["app_metadata", "user_metadata"];

/// Those of the paths that are set in vain.
pub(crate) fn hosts(sets: &BTreeSet<String>) -> BTreeSet<String> {
    let is_hosts = |path: &&String| match path.split('.').collect::<Vec<_>>().as_slice() {
        ["context", name, ..] => CONTEXT.contains(name) && !ASKED.contains(name),
        ["user", name, ..] => (USER.contains(name) || name.starts_with("last_")) && !METADATA.contains(name),
        _ => false,
    };
    sets.iter().filter(is_hosts).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_in_vain_is_found_at_any_depth() {
        let sets = [
            "context.stats.loginsCount",
            "context.now",
            "context.idToken.a",
            "context.redirect",
            "user.app_metadata.a",
            "user.last_ip",
            "user.email",
            "user.nickname",
        ];
        let found = hosts(&sets.map(str::to_owned).into());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["context.now", "context.stats.loginsCount", "user.last_ip"]);
    }
}
