//! A rule as a deploy would take it, read from its folder.
//!
//! Reads and inspects; never compiles or runs anything.

use std::{path::Path, sync::Arc};

use cap_std::{ambient_authority, fs::Dir};
use vestibule_engine::{DataFiles, Inspected, Refusal, Revision, RevisionError, inspect, inspect_javascript};
use vestibule_pipeline::manifest::Language;

use crate::{
    exit::{BadInput, Fault},
    installation,
    output::remark,
    project::{self, RULE_FILE, RuleFolder},
    stale,
};

/// A rule that passed inspection.
#[derive(Debug, Clone)]
pub(crate) struct LocalRule {
    /// What a deploy would take.
    pub(crate) revision: Revision,
    /// The text of its manifest; empty for a module without one.
    pub(crate) text: String,
    /// Whether it is a module without a manifest.
    pub(crate) is_bare: bool,
}

impl LocalRule {
    /// Reads a rule from its folder, and warns of a module that is older than its source.
    ///
    /// # Errors
    /// [`Fault::BadInput`] when something is missing, [`Fault::Refused`] when the module fails inspection.
    pub(crate) fn read(folder: &RuleFolder) -> Result<Self, Fault> {
        if let Some(warning) = stale::warning(folder) {
            remark!("warning: {warning}");
        }
        Self::read_quietly(folder)
    }

    /// Reads a rule from its folder; the caller tells what is stale.
    ///
    /// # Errors
    /// As [`LocalRule::read`].
    pub(crate) fn read_quietly(folder: &RuleFolder) -> Result<Self, Fault> {
        let files = if folder.manifest.capabilities.files { Some(data_files(&folder.dir)?) } else { None };
        let text = project::read_text(&folder.dir.join(RULE_FILE), "it was there a moment ago")?;
        let inspected = match folder.manifest.language {
            Language::JavaScript => inspected_script(folder.name(), &folder.code(), "rule.toml names it as `source`")?,
            Language::Rust | Language::AssemblyScript => {
                inspected_module(folder.name(), &folder.code(), "build it with `vestibule build`")?
            }
        };
        let revision = Revision::new(&text, inspected, files).map_err(|error| no_revision(folder.name(), error))?;
        Ok(Self { revision, text, is_bare: false })
    }

    /// Reads a module or a JavaScript source that has no manifest: every write is allowed, no capability is granted.
    ///
    /// # Errors
    /// As [`LocalRule::read`].
    pub(crate) fn bare<'k>(module: &Path, configuration: impl Iterator<Item = &'k str>) -> Result<Self, Fault> {
        let name = module.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let next_step = "name a module, a JavaScript source or the folder of a rule";
        if let Some(other) = other_script(module) {
            let message = format!(
                "rule `{name}`: `.{other}` is not the name of a rule: call the file `{name}.js`, or `{name}.ts`"
            );
            return Err(Fault::bad_input(BadInput::BuildFailed, message));
        }
        let inspected = match is_script(module) {
            true => inspected_script(&name, module, next_step)?,
            false => inspected_module(&name, module, next_step)?,
        };
        let revision = Revision::bare(&name, inspected, configuration.map(str::to_owned));
        Ok(Self { revision: revision.map_err(|error| no_revision(&name, error))?, text: String::new(), is_bare: true })
    }

    /// The rule's name.
    pub(crate) fn name(&self) -> &str {
        self.revision.name()
    }
}

/// Whether a file is JavaScript, by its name.
pub(crate) fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "js" || extension == "ts")
}

/// What Node and its tools call scripts beside that.
fn other_script(path: &Path) -> Option<&str> {
    let extension = path.extension()?.to_str()?;
    ["cjs", "cts", "jsx", "mjs", "mts", "tsx"].contains(&extension).then_some(extension)
}

fn inspected_module(rule: &str, path: &Path, next_step: &str) -> Result<Inspected, Fault> {
    inspect(&project::read_bytes(path, next_step)?).map_err(|refusal| refused(rule, &refusal))
}

fn inspected_script(rule: &str, path: &Path, next_step: &str) -> Result<Inspected, Fault> {
    let source = project::read_text(path, next_step)?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let upload = vestibule_javascript::upload(&file, &source).map_err(|wrong| {
        let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        Fault::bad_input(BadInput::BuildFailed, format!("rule `{rule}` cannot run\n{}", lines.join("\n")))
    })?;
    inspect_javascript(&upload.to_bytes(), installation::interpreter()?).map_err(|refusal| refused(rule, &refusal))
}

/// A refusal with the rule it is about; its message has the next step.
pub(crate) fn refused(rule: &str, refusal: &Refusal) -> Fault {
    Fault::Refused { code: refusal.code, message: format!("rule `{rule}`: {}", refusal.message) }
}

fn no_revision(rule: &str, error: RevisionError) -> Fault {
    match error {
        RevisionError::Manifest(error) => {
            Fault::bad_input(BadInput::ManifestInvalid, format!("rule `{rule}`: {error}"))
        }
        RevisionError::Refused(refusal) => refused(rule, &refusal),
    }
}

fn data_files(folder: &Path) -> Result<Arc<DataFiles>, Fault> {
    let data = folder.join("data");
    let missing = |problem: String| {
        let message = format!("`{}`: {problem}; `files = true` grants this folder to the rule", data.display());
        Fault::bad_input(BadInput::FileMissing, message)
    };
    let dir = Dir::open_ambient_dir(&data, ambient_authority()).map_err(|error| missing(error.to_string()))?;
    DataFiles::read(&dir).map(Arc::new).map_err(|error| missing(error.to_string()))
}
