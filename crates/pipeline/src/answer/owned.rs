//! Names that belong to the host, or that a rule may set only where its manifest names them to the letter.

use vestibule_abi::owned::{CONTEXT, USER};

use crate::manifest::Bag;

/// Properties of the context that are outputs of the login: whose tokens, what an assertion says.
pub(crate) const CONTEXT_OUTPUTS: &[&str] = &[PRIMARY_USER, "samlConfiguration", "jwtConfiguration"];

/// The account that tokens will be for (C-6): one that is linked already.
pub(crate) const PRIMARY_USER: &str = "primaryUser";

/// Names that no `app_metadata` has (M-15).
const APP_METADATA: &[&str] = &[
    "__tenant",
    "_id",
    "blocked",
    "clientID",
    "created_at",
    "email_verified",
    "email",
    "globalClientID",
    "global_client_id",
    "identities",
    "lastIP",
    "lastLogin",
    "loginsCount",
    "metadata",
    "multifactor_last_modified",
    "multifactor",
    "updated_at",
    "user_id",
];

/// Whether a first-level key belongs to the host.
pub(crate) fn is_hosts(bag: Bag, key: &str) -> bool {
    match bag {
        Bag::AppMetadata => APP_METADATA.contains(&key),
        Bag::User => USER.contains(&key) || key.starts_with("last_"),
        Bag::Context => CONTEXT.contains(&key),
        Bag::UserMetadata | Bag::Shared | Bag::IdToken | Bag::AccessToken => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use vestibule_abi::owned::USER_LITERAL_ONLY;

    use super::*;

    /// The names in the set that a file of the JavaScript runtime declares.
    #[track_caller]
    fn set<'s>(source: &'s str, name: &str) -> BTreeSet<&'s str> {
        let declared =
            source.split_once(&format!("const {name} = setOf([")).and_then(|(_, rest)| rest.split_once("])"));
        let (names, _) = declared.unwrap_or_else(|| panic!("`{name}` is declared elsewhere now"));
        names.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty()).collect()
    }

    fn names<'s>(names: impl IntoIterator<Item = &'s &'s str>) -> BTreeSet<&'s str> {
        names.into_iter().copied().collect()
    }

    /// The runtime of JavaScript rules does not ask for what would be refused. It has these lists a second time, as the text
    /// of another language; this keeps them one.
    #[test]
    fn the_javascript_runtime_knows_the_same_names() {
        let event = include_str!("../../../../sdk/javascript/runtime/src/prelude/event.js");
        let answer = include_str!("../../../../sdk/javascript/runtime/src/prelude/answer.js");
        let metadata = include_str!("../../../../sdk/javascript/runtime/src/prelude/metadata.js");
        let of_the_language = ["constructor", "prototype"];
        let kept = USER.iter().chain(USER_LITERAL_ONLY).chain(&of_the_language);
        assert_eq!(set(event, "HOSTS_USER"), names(kept));
        // Four members of the context are how an Auth0 rule says what it wants: the runtime makes them parts of the answer.
        // Two are never in a script's context: they are its clock and its randomness.
        let asked = ["accessToken", "idToken", "multifactor", "redirect", "now", "seed"];
        let told = names(CONTEXT.iter().filter(|name| !asked.contains(name)));
        assert_eq!(set(answer, "HOSTS_CONTEXT"), told);
        assert_eq!(set(metadata, "RESERVED"), names(APP_METADATA));
    }
}
