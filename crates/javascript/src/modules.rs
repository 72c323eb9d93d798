//! The modules that rules can require, as they are shipped: `sdk/javascript/runtime/dist`, made by its `npm run build`.

use std::sync::LazyLock;

use vestibule_engine::ModuleBundle;
use vestibule_javascript_analysis::ModuleTable;

macro_rules! embedded {
    ($($file:literal,)+) => {
        &[$(($file, include_str!(concat!("../../../sdk/javascript/runtime/dist/", $file))),)+]
    };
}

/// Every bundle, by the name the table has for it.
const BUNDLES: &[(&str, &str)] = embedded![
    "modules/async.js",
    "modules/auth0-rule-utilities.js",
    "modules/auth0.js",
    "modules/axios.js",
    "modules/bcrypt.js",
    "modules/buffer.js",
    "modules/crypto.js",
    "modules/events.js",
    "modules/ip.js",
    "modules/ipaddr.js.js",
    "modules/jsonwebtoken.js",
    "modules/lodash.js",
    "modules/moment-timezone.js",
    "modules/moment.js",
    "modules/node-fetch.js",
    "modules/oauth-sign.js",
    "modules/q.js",
    "modules/querystring.js",
    "modules/request-promise.js",
    "modules/request.js",
    "modules/slack-notify.js",
    "modules/stream.js",
    "modules/underscore.js",
    "modules/url.js",
    "modules/util.js",
    "modules/uuid.js",
    "modules/vestibule-abort.js",
    "modules/vestibule-actions.js",
    "modules/vestibule-clone.js",
    "modules/vestibule-encoding.js",
    "modules/vestibule-exchange.js",
    "modules/vestibule-locale.js",
    "modules/xml2js.js",
    "modules/xmldom.js",
    "modules/xpath.js",
    "modules/xtend.js",
];

const TABLE: &str = include_str!("../../../sdk/javascript/runtime/dist/modules.json");

/// The modules there are, and what there is to say about those that cannot be.
#[must_use]
#[expect(clippy::expect_used, reason = "the table is part of this program, and a test reads it")]
pub fn table() -> &'static ModuleTable {
    static PARSED: LazyLock<ModuleTable> =
        LazyLock::new(|| ModuleTable::parse(TABLE).expect("the table that is shipped"));
    &PARSED
}

/// The bundle of a module of the table.
pub(crate) fn bundle(name: &str) -> Option<ModuleBundle> {
    let wanted = table().file(name)?;
    let (_, source) = BUNDLES.iter().find(|(file, _)| *file == wanted)?;
    Some(ModuleBundle { name: name.to_owned(), source: (*source).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_table_is_shipped_and_nothing_else() {
        let table: serde_json::Value = serde_json::from_str(TABLE).unwrap();
        let modules = table["modules"].as_object().unwrap();
        assert_eq!(modules.len(), BUNDLES.len());
        for name in modules.keys() {
            assert!(bundle(name).is_some_and(|bundle| bundle.source.starts_with("__vestibuleModule(")), "{name}");
        }
    }
}
