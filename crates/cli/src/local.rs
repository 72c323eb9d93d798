//! A rule as a deploy would take it: its manifest, its inspected module and its data files.
//!
//! Reads and inspects; never compiles or runs anything.

use std::{fs, path::Path, sync::Arc};

use anyhow::Context as _;
use cap_std::{ambient_authority, fs::Dir};
use vestibule_abi::{codes::RefusalCode, limits::Budget};
use vestibule_engine::{DataFiles, Inspected, Refusal, inspect};
use vestibule_pipeline::{Manifest, Rule, pipeline::Digest};

use crate::{
    exit::{BadInput, Fault},
    project::{self, RULE_FILE, RuleFolder},
};

/// A rule that passed inspection.
#[derive(Debug, Clone)]
pub(crate) struct LocalRule {
    /// The revision as the pipeline sees it.
    pub(crate) rule: Rule,
    /// The module.
    pub(crate) inspected: Inspected,
    /// Its `data/` folder, if that is granted.
    pub(crate) files: Option<Arc<DataFiles>>,
    /// Whether it is a module without a manifest.
    pub(crate) is_bare: bool,
}

impl LocalRule {
    /// Reads a rule from its folder.
    ///
    /// # Errors
    /// [`Fault::BadInput`] when something is missing, [`Fault::Refused`] when the module fails inspection.
    pub(crate) fn read(folder: &RuleFolder) -> Result<Self, Fault> {
        let wasm = project::read_bytes(&folder.module()?, "build it with `vestibule build`")?;
        let inspected = inspect(&wasm).map_err(|refusal| refused(folder.name(), &refusal))?;
        let files = if folder.manifest.capabilities.files { Some(data_files(&folder.dir)?) } else { None };
        let mut revision = fs::read(folder.dir.join(RULE_FILE)).context("cannot read the manifest again")?;
        revision.extend_from_slice(&inspected.digest);
        revision.extend(files.iter().flat_map(|files| files.digest()));
        let rule = rule(folder.manifest.clone(), Digest::of(&revision))?;
        Ok(Self { rule, inspected, files, is_bare: false })
    }

    /// Reads a module that has no manifest: every write is allowed, no capability is granted.
    ///
    /// # Errors
    /// As [`LocalRule::read`].
    pub(crate) fn bare<'k>(module: &Path, configuration: impl Iterator<Item = &'k str>) -> Result<Self, Fault> {
        let wasm = project::read_bytes(module, "name a module, or the folder of a rule")?;
        let name = module.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let mut manifest = Manifest::permissive(&name);
        manifest.capabilities.configuration = configuration.map(str::to_owned).collect();
        let inspected = inspect(&wasm).map_err(|refusal| refused(&name, &refusal))?;
        let rule = rule(manifest, Digest(inspected.digest))?;
        Ok(Self { rule, inspected, files: None, is_bare: true })
    }

    /// The rule's name.
    pub(crate) fn name(&self) -> &str {
        self.rule.name()
    }
}

/// A refusal with the rule it is about, and a next step where its message has none.
pub(crate) fn refused(rule: &str, refusal: &Refusal) -> Fault {
    let next_step = match refusal.code {
        RefusalCode::ModuleMalformed => "; `vestibule build` makes one from source",
        RefusalCode::FeatureNotAllowed => "; `vestibule new` sets up a compiler that keeps to it",
        RefusalCode::ExportMissing | RefusalCode::ExportTypeMismatch => {
            "; a rule exports `memory` and `run: () -> ()`, which the SDKs do"
        }
        RefusalCode::ImportUnknown | RefusalCode::ImportTypeMismatch | RefusalCode::AbiVersionUnsupported => {
            "; build it again with the SDK of this version"
        }
        _ => "",
    };
    Fault::Refused { code: refusal.code, message: format!("rule `{rule}`: {}{next_step}", refusal.message) }
}

fn rule(manifest: Manifest, digest: Digest) -> Result<Rule, Fault> {
    let name = manifest.name.clone();
    Rule::new(manifest, digest, &Budget::CEILING)
        .map_err(|error| Fault::bad_input(BadInput::ManifestInvalid, format!("rule `{name}`: {error}")))
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
