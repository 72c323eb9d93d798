//! Whether a built module is older than what it is built from.
//!
//! Compares times and nothing else. A checkout that was built nowhere has no module, and so none that is stale.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use vestibule_pipeline::manifest::Language;

use crate::project::RuleFolder;

/// Folders that hold no source of the rule: what was built, what was fetched, what it is tried with.
const APART: &[&str] = &["target", "build", "node_modules", "cases", "events", "data"];
/// What a build reads beside its sources.
const BUILD_FILES: &[&str] = &["Cargo.toml", "package.json", "asconfig.json"];
/// Folders below a rule's folder are followed this far.
const DEPTH: usize = 8;

/// What whoever runs a module should know that is older than its source: one line with the next step.
pub(crate) fn warning(folder: &RuleFolder) -> Option<String> {
    match folder.manifest.language {
        Language::JavaScript => None, // Its source is what runs.
        Language::Rust | Language::AssemblyScript => {
            let module = folder.code();
            let built = modified(&module)?;
            let (source, _) = newest(&folder.dir, DEPTH).filter(|(_, changed)| *changed > built)?;
            let below = |path: &Path| path.strip_prefix(&folder.dir).unwrap_or(path).display().to_string();
            let (name, dir) = (folder.name(), folder.dir.display());
            let (source, module) = (below(&source), below(&module));
            Some(format!("rule `{name}`: {source} is newer than {module}, which is what runs: `vestibule build {dir}`"))
        }
    }
}

/// The source that was changed last.
fn newest(dir: &Path, depth: usize) -> Option<(PathBuf, SystemTime)> {
    let entries = fs::read_dir(dir).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let of_entry = |path: PathBuf| match path.is_dir() {
        true if depth == 0 || is_apart(&path) => None,
        true => newest(&path, depth - 1),
        false if is_source(&path) => modified(&path).map(|changed| (path, changed)),
        false => None,
    };
    entries.filter_map(of_entry).max_by_key(|(_, changed)| *changed)
}

fn is_apart(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || APART.contains(&name.as_ref())
}

fn is_source(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let is_code = file.extension().is_some_and(|extension| extension == OsStr::new("rs") || extension == "ts");
    BUILD_FILES.contains(&name.as_ref()) || (is_code && !name.ends_with(".d.ts"))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::Duration};

    use vestibule_pipeline::Manifest;

    use super::*;

    /// A rule whose module was built at second 100, and a file beside it that was changed at `changed`.
    fn warned(language: &str, code: &str, file: &str, changed: u64) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, second: u64| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(path).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        };
        at("target/rule.wasm", 100);
        at(file, changed);
        let text = format!("name = \"r\"\nlanguage = \"{language}\"\n{code}\norder = 1\n");
        let manifest = Manifest::parse(&text).unwrap();
        let told = warning(&RuleFolder { dir: folder.path().to_owned(), manifest });
        told.map(|told| told.replace(&folder.path().display().to_string(), "DIR"))
    }

    #[test]
    fn a_source_newer_than_its_module_is_told_with_the_next_step() {
        let module = "module = \"target/rule.wasm\"";
        assert_eq!(
            warned("rust", module, "src/deep/lib.rs", 101).unwrap(),
            "rule `r`: src/deep/lib.rs is newer than target/rule.wasm, which is what runs: `vestibule build DIR`"
        );
        assert!(warned("rust", module, "Cargo.toml", 101).is_some());
        assert!(warned("assemblyscript", module, "assembly/index.ts", 101).is_some());
    }

    #[test]
    fn what_is_older_and_what_is_no_source_warns_of_nothing() {
        let module = "module = \"target/rule.wasm\"";
        assert_eq!(warned("rust", module, "src/lib.rs", 99), None);
        for file in ["target/x/out.rs", "node_modules/a/index.ts", "cases/one.json", "target/rule.d.ts", "rule.toml"] {
            assert_eq!(warned("rust", module, file, 101), None, "{file}");
        }
        assert_eq!(warned("javascript", "source = \"rule.js\"", "rule.js", 101), None);
        assert_eq!(warned("rust", "module = \"nowhere.wasm\"", "src/lib.rs", 101), None);
    }
}
