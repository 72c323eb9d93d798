//! How scripts share changes to metadata in memory: what the author most likely meant instead, where that is not granted.

use vestibule_abi::codes::FailureCode;

use crate::{failure::RuleFailure, manifest::Bag};

/// The keys of `shared` that the JavaScript runtime uses for it, and what would store them.
const IN_MEMORY: &[(&str, &str)] =
    &[("user.user_metadata", "updateUserMetadata"), ("user.app_metadata", "updateAppMetadata")];

/// The method that stores what a script shares under this key.
pub(super) fn stores(bag: Bag, key: &str) -> Option<&'static str> {
    let (_, method) = IN_MEMORY.iter().find(|(shared, _)| bag == Bag::Shared && *shared == key)?;
    Some(method)
}

/// A script changed the metadata it was given, and `writes` does not grant that.
pub(super) fn unstored(key: &str, method: &str) -> RuleFailure {
    let message = format!(
        "the answer writes `shared.{key}`, which `writes` in rule.toml does not hold: `{key}.KEY = …` is a change in memory, \
         which later rules see and nobody stores, and `\"shared.{key}\"` grants that; `auth0.users.{method}(user.user_id, {key})` \
         stores it"
    );
    RuleFailure::new(FailureCode::CapabilityDenied, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runtime has these names a second time, as the text of another language.
    #[test]
    fn the_javascript_runtime_shares_under_the_same_keys() {
        let shared = include_str!("../../../../sdk/javascript/runtime/src/prelude/shared.js");
        let transient = shared.split_once("const TRANSIENT = {").and_then(|(_, rest)| rest.split_once('}'));
        let (transient, _) = transient.expect("`TRANSIENT` is declared elsewhere now");
        assert_eq!(transient.split(',').count(), IN_MEMORY.len());
        let methods = include_str!("../../../../sdk/javascript/runtime/src/prelude/auth0.js");
        for (key, method) in IN_MEMORY {
            let update = format!("{method}: update(\"{}\")", key.trim_start_matches("user."));
            assert!(transient.contains(&format!("\"{key}\"")) && methods.contains(&update), "{key}, {method}");
        }
    }
}
