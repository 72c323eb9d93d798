//! The table of modules that ships with the bundles: what a rule can require, and what there is to say about the rest.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The modules there are for rules: `modules.json` beside the bundles.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleTable {
    modules: BTreeMap<String, Module>,
    /// Names that are there without `require`, each with its module.
    globals: BTreeMap<String, String>,
    /// Modules that cannot be there: why, and what to do instead.
    impossible: BTreeMap<String, String>,
    impossible_globals: BTreeMap<String, String>,
    refused_management: BTreeMap<String, String>,
    /// By module: methods of it that no rule can call.
    refused_methods: BTreeMap<String, BTreeMap<String, String>>,
    /// By module: what its option `algorithm` cannot be.
    refused_algorithms: BTreeMap<String, RefusedAlgorithms>,
    /// Methods of an Action's `api`: `group.method` or `group.*`.
    refused_actions: BTreeMap<String, String>,
    action_members: BTreeMap<String, String>,
    /// Names that need a module wherever they stand.
    mentions: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
struct RefusedAlgorithms {
    names: Vec<String>,
    why: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Module {
    /// The bundle, relative to the table.
    file: String,
    /// What has to be evaluated before it, in order.
    needs: Vec<String>,
    aliases: Vec<String>,
    http: bool,
    /// What whoever requires it should know.
    #[serde(default)]
    warning: Option<String>,
}

/// The table is not what the build makes.
#[derive(Debug, thiserror::Error)]
#[error("modules.json is not as `npm run build` writes it: {0}")]
pub struct InvalidTable(#[from] serde_json::Error);

/// What `require` comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found<'t> {
    /// The module of this name.
    Module(&'t str),
    /// It cannot be there, for this reason.
    Impossible(&'t str),
    /// Nobody has heard of it.
    Unknown,
}

impl ModuleTable {
    /// Reads `modules.json`.
    ///
    /// # Errors
    /// [`InvalidTable`] when it is of another shape.
    pub fn parse(json: &str) -> Result<Self, InvalidTable> {
        Ok(serde_json::from_str(json)?)
    }

    /// The bundle of a module, relative to the table.
    #[must_use]
    pub fn file(&self, module: &str) -> Option<&str> {
        self.modules.get(module).map(|module| module.file.as_str())
    }

    /// What whoever requires a module should know.
    pub(crate) fn warning(&self, module: &str) -> Option<&str> {
        self.modules.get(module)?.warning.as_deref()
    }

    /// The names people can require, without those of our own.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str).filter(|name| !name.starts_with("vestibule:"))
    }

    /// Finds what `require` asks for: `node:` and a version make no difference.
    pub(crate) fn find(&self, asked: &str) -> Found<'_> {
        let name = asked.strip_prefix("node:").unwrap_or(asked);
        let scope = usize::from(name.starts_with('@'));
        let version = name.char_indices().skip(scope).find(|(_, c)| *c == '@').map_or(name.len(), |(at, _)| at);
        let name = name.get(..version).unwrap_or(name);
        let is_called = |(own, module): &(&String, &Module)| {
            own.as_str() == name || module.aliases.iter().any(|alias| alias == name)
        };
        match self.modules.iter().filter(|(own, _)| !own.starts_with("vestibule:")).find(is_called) {
            Some((own, _)) => Found::Module(own),
            None => self.impossible.get(name).map_or(Found::Unknown, |why| Found::Impossible(why)),
        }
    }

    /// What a name that nobody declared comes to.
    pub(crate) fn find_global(&self, name: &str) -> Found<'_> {
        match self.globals.get(name) {
            Some(module) => Found::Module(module),
            None => self.impossible_globals.get(name).map_or(Found::Unknown, |why| Found::Impossible(why)),
        }
    }

    /// Why a rule cannot call a method of the `auth0` SDK.
    pub(crate) fn refused_management(&self, method: &str) -> Option<&str> {
        self.refused_management.get(method).map(String::as_str)
    }

    /// Why a rule cannot call a method of one of these modules.
    pub(crate) fn refused_method(&self, modules: &[String], method: &str) -> Option<&str> {
        modules.iter().find_map(|module| self.refused_methods.get(module)?.get(method)).map(String::as_str)
    }

    /// Why a rule cannot ask one of these modules for any of these algorithms; `None` where one of them is there.
    pub(crate) fn refused_algorithms(&self, modules: &[String], algorithms: &[String]) -> Option<&str> {
        let refused = modules.iter().find_map(|module| self.refused_algorithms.get(module))?;
        let is_all = !algorithms.is_empty() && algorithms.iter().all(|algorithm| refused.names.contains(algorithm));
        is_all.then_some(refused.why.as_str())
    }

    /// The modules that a text needs for the names in it.
    pub(crate) fn mentioned(&self, text: &str) -> impl Iterator<Item = &str> {
        self.mentions.iter().filter(|(name, _)| text.contains(name.as_str())).map(|(_, module)| module.as_str())
    }

    /// Why an Action cannot call a method of `api`.
    pub(crate) fn refused_action(&self, group: &str, method: &str) -> Option<&str> {
        let by_name = self.refused_actions.get(&format!("{group}.{method}"));
        by_name.or_else(|| self.refused_actions.get(&format!("{group}.*"))).map(String::as_str)
    }

    /// The module that a method of an Action's `api` needs.
    pub(crate) fn of_action_member(&self, member: &str) -> Option<&str> {
        self.action_members.get(member).map(String::as_str)
    }

    /// These modules and what they need, in the order of evaluation.
    pub(crate) fn in_order<'m>(&self, wanted: impl IntoIterator<Item = &'m str>) -> Vec<String> {
        let mut order: Vec<String> = Vec::new();
        for name in wanted {
            let needs = self.modules.get(name).map(|module| module.needs.as_slice()).unwrap_or_default();
            for name in needs.iter().map(String::as_str).chain([name]) {
                if !order.iter().any(|known| known == name) {
                    order.push(name.to_owned());
                }
            }
        }
        order
    }

    /// Whether any of these modules sends requests.
    pub(crate) fn sends_requests(&self, modules: &[String]) -> bool {
        modules.iter().any(|name| self.modules.get(name).is_some_and(|module| module.http))
    }
}
