//! Finds rules on disk: a rule's folder, a folder of rules, a `pipeline.toml` or a folder that holds one.
//!
//! Reads manifests and nothing else; never builds, compiles or runs anything.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use vestibule_pipeline::{Manifest, ManifestError, PipelineFile, manifest::Code};

use crate::exit::{BadInput, Fault};

/// The name of a rule's manifest.
pub(crate) const RULE_FILE: &str = "rule.toml";
/// The name of a pipeline's manifest.
pub(crate) const PIPELINE_FILE: &str = "pipeline.toml";
/// The file beside a pipeline with values for the configuration keys of its rules: `{"KEY": "value"}`. An empty value is
/// one that has still to be filled in.
pub(crate) const CONFIGURATION_FILE: &str = "configuration.json";

/// A rule as it lies on disk.
#[derive(Debug, Clone)]
pub(crate) struct RuleFolder {
    /// The folder that holds `rule.toml`; every path in the manifest starts here.
    pub(crate) dir: PathBuf,
    /// What `rule.toml` says.
    pub(crate) manifest: Manifest,
}

impl RuleFolder {
    /// Reads the rule in a folder.
    ///
    /// # Errors
    /// [`Fault::BadInput`] when there is no manifest or it is not acceptable.
    pub(crate) fn read(dir: &Path) -> Result<Self, Fault> {
        let path = dir.join(RULE_FILE);
        let text = read_text(&path, "`vestibule new NAME` writes one")?;
        let manifest = Manifest::parse(&text).map_err(|error| malformed(&path, &error))?;
        Ok(Self { dir: dir.to_owned(), manifest })
    }

    /// The rule's name.
    pub(crate) fn name(&self) -> &str {
        self.manifest.name.as_str()
    }

    /// Where the code lies that is deployed: the built module, or the source of a JavaScript rule.
    pub(crate) fn code(&self) -> PathBuf {
        match &self.manifest.code {
            Code::Module(path) | Code::Source(path) => self.dir.join(path),
        }
    }
}

/// The rules of a `pipeline.toml`, in the order it names them.
///
/// # Errors
/// [`Fault::BadInput`] when the file or one of its rules is missing or not acceptable.
pub(crate) fn rules_of_pipeline(file: &Path) -> Result<Vec<RuleFolder>, Fault> {
    let text = read_text(file, "it lists the folders of the rules: rules = [\"dir\", …]")?;
    let pipeline = PipelineFile::parse(&text).map_err(|error| malformed(file, &error))?;
    let base = file.parent().unwrap_or(Path::new("."));
    pipeline.rules.iter().map(|dir| RuleFolder::read(&base.join(dir))).collect()
}

/// The `pipeline.toml` that somebody means who names it, or the folder it lies in.
pub(crate) fn pipeline_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(PIPELINE_FILE) } else { path.to_owned() }
}

/// The `pipeline.toml` at a path: it is one, or a folder that holds one and is no rule's.
pub(crate) fn pipeline_at(path: &Path) -> Option<PathBuf> {
    let is_rules = path.file_name().is_some_and(|name| name == RULE_FILE) || path.join(RULE_FILE).is_file();
    let file = pipeline_file(path);
    (!is_rules && file.is_file() && file.extension().is_some_and(|extension| extension == "toml")).then_some(file)
}

/// The rules of one deploy: a `pipeline.toml`, a folder with one, or a rule's folder.
///
/// # Errors
/// As [`rules_at`].
pub(crate) fn rules_to_deploy(path: &Path) -> Result<Vec<RuleFolder>, Fault> {
    let file = path.join(PIPELINE_FILE);
    if file.is_file() { rules_of_pipeline(&file) } else { rules_at_path(path) }
}

/// The configuration file beside the `pipeline.toml` at a path, or of the folder that it is or lies in.
pub(crate) fn configuration_beside(path: &Path) -> Option<PathBuf> {
    let folder = if path.is_dir() { path } else { path.parent()? };
    let above = match folder.file_name() {
        Some(_) => folder.parent()?.to_owned(),
        None => folder.join(".."),
    };
    let pipeline = [folder.to_owned(), above].into_iter().find(|dir| dir.join(PIPELINE_FILE).is_file())?;
    let file = pipeline.join(CONFIGURATION_FILE);
    file.is_file().then_some(file)
}

/// The paths of a command line; the current folder when there are none.
pub(crate) fn or_here(paths: &[PathBuf]) -> Vec<PathBuf> {
    if paths.is_empty() { vec![PathBuf::from(".")] } else { paths.to_vec() }
}

/// Every rule that the paths of a command line mean, each once; the current folder when there are none.
///
/// # Errors
/// [`Fault::BadInput`] when a path holds no rule, or one that is not acceptable.
pub(crate) fn rules_at(paths: &[PathBuf]) -> Result<Vec<RuleFolder>, Fault> {
    let found = or_here(paths).iter().map(|path| rules_at_path(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(each_once(found.into_iter().flatten()))
}

/// Reads a file as text, with the next step for one that is not there.
///
/// # Errors
/// [`Fault::BadInput`] when it is missing, unreadable or not UTF-8.
pub(crate) fn read_text(path: &Path, next_step: &str) -> Result<String, Fault> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error, next_step))
}

/// A JSON text without the byte order mark that editors of Windows set before it: there is none, or this says so.
pub(crate) fn without_mark(text: &[u8]) -> Result<&[u8], &'static str> {
    const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
    if text.starts_with(BYTE_ORDER_MARK) {
        return Err("it begins with a byte order mark (EF BB BF): save it as UTF-8 without one");
    }
    Ok(text)
}

/// Reads a file as bytes, with the next step for one that is not there.
///
/// # Errors
/// [`Fault::BadInput`] when it is missing or unreadable.
pub(crate) fn read_bytes(path: &Path, next_step: &str) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| unreadable(path, &error, next_step))
}

fn unreadable(path: &Path, error: &io::Error, next_step: &str) -> Fault {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => format!("it cannot be read ({error})"),
    };
    Fault::bad_input(BadInput::FileMissing, format!("`{}`: {what}; {next_step}", path.display()))
}

fn rules_at_path(path: &Path) -> Result<Vec<RuleFolder>, Fault> {
    if path.file_name().is_some_and(|name| name == RULE_FILE) && path.is_file() {
        return Ok(vec![RuleFolder::read(path.parent().unwrap_or(Path::new(".")))?]);
    }
    if path.join(RULE_FILE).is_file() {
        return Ok(vec![RuleFolder::read(path)?]);
    }
    let below = if path.is_file() { Vec::new() } else { rules_below(path)? };
    let named = pipeline_at(path).map_or_else(|| Ok(Vec::new()), |file| rules_of_pipeline(&file))?;
    let rules = each_once(below.into_iter().chain(named));
    if rules.is_empty() { Err(no_rule_at(path)) } else { Ok(rules) }
}

/// Rules without those that were named before, in another way perhaps.
fn each_once(rules: impl Iterator<Item = RuleFolder>) -> Vec<RuleFolder> {
    let mut seen = BTreeSet::new();
    let place = |rule: &RuleFolder| fs::canonicalize(&rule.dir).unwrap_or_else(|_| rule.dir.clone());
    rules.filter(|rule| seen.insert(place(rule))).collect()
}

/// The rules in the folders of a folder, by name; no deeper.
fn rules_below(path: &Path) -> Result<Vec<RuleFolder>, Fault> {
    let entries = fs::read_dir(path).map_err(|error| unreadable(path, &error, "name a folder that holds rules"))?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.retain(|folder| folder.join(RULE_FILE).is_file());
    folders.sort();
    folders.iter().map(|folder| RuleFolder::read(folder)).collect()
}

fn malformed(path: &Path, error: &ManifestError) -> Fault {
    Fault::bad_input(BadInput::ManifestInvalid, format!("{}: {}", path.display(), error.to_string().trim_end()))
}

fn no_rule_at(path: &Path) -> Fault {
    let message = format!(
        "`{}` holds no rule: name a folder with a {RULE_FILE}, a folder of such folders or a {PIPELINE_FILE}; \
         `vestibule new NAME` makes a rule",
        path.display()
    );
    Fault::bad_input(BadInput::FileMissing, message)
}
