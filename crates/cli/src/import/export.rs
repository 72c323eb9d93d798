//! What people can export from Auth0, in each of its forms, as one list of scripts.
//!
//! A script is named by a path inside the export: one that leads out of it is refused, so that an export from somebody
//! else cannot pull in files of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use super::malformed;
use crate::{exit::Fault, project};

/// The only stage and trigger that have a place in a login pipeline.
const LOGIN_STAGE: &str = "login_success";
const LOGIN_TRIGGER: &str = "post-login";

/// What an export holds.
#[derive(Debug, Default)]
pub(super) struct Export {
    /// Rules by their order, then Actions.
    pub(super) scripts: Vec<Script>,
    /// What was found and has no place here.
    pub(super) left_out: Vec<String>,
}

/// A rule or an Action as it was exported.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: String,
    /// Its place; rules without one follow in the order of their files.
    pub(super) order: Option<i64>,
    pub(super) enabled: bool,
    pub(super) source: String,
    /// `js` or `ts`.
    pub(super) extension: &'static str,
    pub(super) is_action: bool,
}

/// A rule in `rules.json`, in a rule's own JSON file and in `tenant.yaml`.
#[derive(Debug, Deserialize)]
struct RuleEntry {
    name: String,
    /// The source, or the path of its file.
    script: String,
    order: Option<i64>,
    #[serde(default = "yes")]
    enabled: bool,
    stage: Option<String>,
}

/// An Action of the Deploy CLI.
#[derive(Debug, Deserialize)]
struct ActionEntry {
    name: String,
    code: String,
    #[serde(default)]
    supported_triggers: Vec<Trigger>,
    #[serde(default = "yes")]
    deployed: bool,
}

#[derive(Debug, Deserialize)]
struct Trigger {
    id: String,
}

/// What of `tenant.yaml` concerns logins.
#[derive(Debug, Deserialize)]
struct Tenant {
    #[serde(default)]
    rules: Vec<RuleEntry>,
    #[serde(default)]
    actions: Vec<ActionEntry>,
}

const fn yes() -> bool {
    true
}

/// Reads an export.
///
/// # Errors
/// [`Fault::BadInput`] when it is none, names files that are not there or outside it, or holds no rule.
pub(super) fn read(path: &Path) -> Result<Export, Fault> {
    let mut export = Export::default();
    if path.is_dir() {
        export.read_folder(path)?;
    } else {
        export.read_file(path)?;
    }
    if export.scripts.is_empty() {
        return Err(malformed(path, "there is no rule in it"));
    }
    export.scripts.sort_by_key(|script| (script.is_action, script.order.unwrap_or(i64::MAX)));
    Ok(export)
}

impl Export {
    fn read_folder(&mut self, folder: &Path) -> Result<(), Fault> {
        for file in ["tenant.yaml", "tenant.yml", "rules.json"] {
            if folder.join(file).is_file() {
                return self.read_file(&folder.join(file));
            }
        }
        let rules = folder.join("rules");
        let is_deploy_cli = rules.is_dir() || folder.join("actions").is_dir();
        if !is_deploy_cli {
            return self.read_scripts(folder, folder);
        }
        if rules.is_dir() {
            self.read_scripts(&rules, folder)?;
        }
        for entry in files(&folder.join("actions"), &["json"]) {
            let action = serde_json::from_str(&text(&entry)?).map_err(|error| malformed(&entry, error))?;
            self.add_action(action, &entry, folder)?;
        }
        Ok(())
    }

    /// A folder of sources, each with a JSON file beside it or none.
    fn read_scripts(&mut self, folder: &Path, root: &Path) -> Result<(), Fault> {
        let mut named: Vec<PathBuf> = Vec::new();
        for entry in files(folder, &["json"]) {
            let Ok(rule) = serde_json::from_str::<RuleEntry>(&text(&entry)?) else {
                self.left_out.push(format!("{}: no rule", entry.display()));
                continue;
            };
            named.extend(source_file(&rule.script, &entry, root)?);
            self.add_rule(rule, &entry, root)?;
        }
        for file in files(folder, &["js", "ts"]) {
            let path = fs::canonicalize(&file).map_err(|error| malformed(&file, error))?;
            if named.contains(&path) || file.to_string_lossy().ends_with(".d.ts") {
                continue;
            }
            let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let extension = extension(&file);
            let source = text(&file)?;
            let is_action = source.contains("onExecutePostLogin");
            self.scripts.push(Script { name, order: None, enabled: true, source, extension, is_action });
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> Result<(), Fault> {
        let root = path.parent().unwrap_or(Path::new("."));
        let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => {
                let tenant: Tenant = serde_yaml_ng::from_str(&text(path)?).map_err(|error| malformed(path, error))?;
                tenant.rules.into_iter().try_for_each(|rule| self.add_rule(rule, path, root))?;
                tenant.actions.into_iter().try_for_each(|action| self.add_action(action, path, root))
            }
            Some("json") => {
                let value: Value = serde_json::from_str(&text(path)?).map_err(|error| malformed(path, error))?;
                // A bare array, or one with totals beside it (G-5).
                let rules = value.get("rules").cloned().unwrap_or(value);
                let rules: Vec<RuleEntry> = serde_json::from_value(rules).map_err(|error| malformed(path, error))?;
                rules.into_iter().try_for_each(|rule| self.add_rule(rule, path, root))
            }
            Some("js" | "ts") => {
                let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                let source = text(path)?;
                let is_action = source.contains("onExecutePostLogin");
                let script = Script { name, order: None, enabled: true, source, extension: extension(path), is_action };
                self.scripts.push(script);
                Ok(())
            }
            _ => Err(malformed(path, "it is none of the files that hold rules")),
        }
    }

    fn add_rule(&mut self, rule: RuleEntry, from: &Path, root: &Path) -> Result<(), Fault> {
        if let Some(stage) = rule.stage.filter(|stage| stage != LOGIN_STAGE) {
            self.left_out
                .push(format!("rule `{}`: its stage is `{stage}`, only `{LOGIN_STAGE}` runs at a login", rule.name));
            return Ok(());
        }
        let (source, extension) = source(&rule.script, from, root)?;
        let RuleEntry { name, order, enabled, .. } = rule;
        self.scripts.push(Script { name, order, enabled, source, extension, is_action: false });
        Ok(())
    }

    fn add_action(&mut self, action: ActionEntry, from: &Path, root: &Path) -> Result<(), Fault> {
        if !action.supported_triggers.iter().any(|trigger| trigger.id == LOGIN_TRIGGER) {
            self.left_out.push(format!("action `{}`: its trigger is not `{LOGIN_TRIGGER}`", action.name));
            return Ok(());
        }
        let (source, extension) = source(&action.code, from, root)?;
        let ActionEntry { name, deployed: enabled, .. } = action;
        self.scripts.push(Script { name, order: None, enabled, source, extension, is_action: true });
        Ok(())
    }
}

/// The source that an entry holds or names.
fn source(script: &str, from: &Path, root: &Path) -> Result<(String, &'static str), Fault> {
    match source_file(script, from, root)? {
        Some(file) => Ok((text(&file)?, extension(&file))),
        None => Ok((script.to_owned(), "js")),
    }
}

/// The file that an entry names: beside the entry, or from the export's root. `None`: the text is the source itself.
fn source_file(script: &str, from: &Path, root: &Path) -> Result<Option<PathBuf>, Fault> {
    let is_path = !script.contains('\n') && [".js", ".ts"].iter().any(|ending| script.ends_with(ending));
    if !is_path {
        return Ok(None);
    }
    let beside = from.parent().unwrap_or(root).join(script);
    let file = [beside, root.join(script)].into_iter().find(|file| file.is_file());
    let file = file.ok_or_else(|| malformed(from, format!("there is no file `{script}`")))?;
    let inside = |path: &Path| fs::canonicalize(path).map_err(|error| malformed(path, error));
    let (file, root) = (inside(&file)?, inside(root)?);
    if file.starts_with(&root) {
        Ok(Some(file))
    } else {
        Err(malformed(from, format!("`{script}` leads out of the export")))
    }
}

fn text(path: &Path) -> Result<String, Fault> {
    project::read_text(path, "name what was exported")
}

fn extension(path: &Path) -> &'static str {
    if path.extension().is_some_and(|extension| extension == "ts") { "ts" } else { "js" }
}

/// The files of a folder with one of these endings, by name; none when there is no such folder.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let has = |file: &PathBuf| {
        let extension = file.extension().and_then(|extension| extension.to_str());
        file.is_file() && extension.is_some_and(|extension| extensions.contains(&extension))
    };
    files.retain(has);
    files.sort();
    files
}
