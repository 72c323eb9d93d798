//! `pipeline.toml`: which rules make a pipeline.

use std::collections::BTreeSet;

use serde::Deserialize;
use vestibule_abi::limits;

use super::ManifestError;

/// A parsed `pipeline.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineFile {
    /// The folders of the rules, relative to the file; their `order` decides who runs first.
    pub rules: Vec<String>,
}

impl PipelineFile {
    /// Parses a `pipeline.toml`.
    ///
    /// # Errors
    /// [`ManifestError`], naming the key and the next step.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let file: Self = toml::from_str(text).map_err(|error| ManifestError::Toml(error.to_string()))?;
        let refused = |problem: String, next| Err(ManifestError::value("rules", problem, next));
        if file.rules.is_empty() {
            return refused("names no rule".to_owned(), "list the folders of your rules: `rules = [\"plan-claim\"]`");
        }
        if file.rules.len() > limits::RULES_PER_PIPELINE {
            return refused(
                format!("names more than {} rules", limits::RULES_PER_PIPELINE),
                "put fewer into one pipeline",
            );
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = file.rules.iter().find(|rule| !seen.insert(rule.trim_end_matches('/'))) {
            return refused(format!("names `{}` twice", twice.escape_debug()), "list each folder once");
        }
        if file.rules.iter().any(String::is_empty) {
            return refused("holds an empty path".to_owned(), "list the folders of your rules");
        }
        Ok(file)
    }
}

/// The published schema of `pipeline.toml`.
#[must_use]
pub fn pipeline_schema() -> serde_json::Value {
    schemars::schema_for!(PipelineFile).into()
}
