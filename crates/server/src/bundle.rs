//! A bundle: the rules of a pipeline as one upload.
//!
//! It is an uncompressed tar file of what an author has on disk: `pipeline.toml`, and for each folder that it names the
//! `rule.toml`, the module and, where it is granted, `data/`. Paths are keys in a map here; nothing is ever unpacked to
//! a disk. `vestibule deploy` packs one; `tar` does as well.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    sync::Arc,
};

use vestibule_engine::{DataFiles, DataFilesError, Revision, RevisionError, inspect, inspect_javascript};
use vestibule_pipeline::{InvalidPipeline, Manifest, ManifestError, Pipeline, PipelineFile, manifest::Code};

use crate::interpreter::{Interpreter, NoInterpreter};

/// The longest bundle, in bytes.
pub const BUNDLE_BYTES: usize = 128 * 1024 * 1024;
/// The most files of a bundle.
const FILES: usize = 10_000;
/// What lists the rules.
const PIPELINE_FILE: &str = "pipeline.toml";
/// What a rule declares.
const RULE_FILE: &str = "rule.toml";

/// One rule of a bundle, as it was uploaded.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The text of its `rule.toml`.
    pub manifest: String,
    /// Its module, or the source of a JavaScript rule.
    pub module: Vec<u8>,
    /// Its `data/` folder, where that is granted.
    pub files: Option<Arc<DataFiles>>,
}

/// The rules of a bundle, inspected and in an order that is one.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The rules and what they may do.
    pub pipeline: Arc<Pipeline>,
    /// What was uploaded and what it came to, position by position the rules of the pipeline.
    pub revisions: Vec<(Upload, Revision)>,
}

/// Why a bundle is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Not a tar file that could be read.
    #[error("the bundle is not a tar file: {0}")]
    NotTar(#[from] io::Error),
    /// More or larger files than a bundle may have.
    #[error("the bundle holds more than {FILES} files")]
    TooMuch,
    /// Something that is neither a file nor a folder.
    #[error("`{0}` in the bundle is neither a file nor a folder; put a copy there instead of a link")]
    NotAFile(String),
    /// A path that says nothing about where it is.
    #[error("`{0}` in the bundle is no path below its root")]
    Path(String),
    /// A file that has to be there.
    #[error("the bundle has no `{0}`")]
    Missing(String),
    /// A manifest that is not acceptable.
    #[error("`{path}`: {source}")]
    Manifest {
        /// Where it stands.
        path: String,
        /// What is wrong with it.
        #[source]
        source: ManifestError,
    },
    /// A rule that is not acceptable.
    #[error("rule `{rule}`: {source}")]
    Rule {
        /// Its name.
        rule: String,
        /// What is wrong with it.
        #[source]
        source: RevisionError,
    },
    /// A source that cannot run: each reason with its line and what to do instead.
    #[error("rule `{rule}` cannot run\n{}", reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Source {
        /// Its name.
        rule: String,
        /// Why.
        reasons: Vec<vestibule_javascript::Diagnostic>,
    },
    /// A data folder that is not acceptable.
    #[error("rule `{rule}`: {source}")]
    Files {
        /// Its name.
        rule: String,
        /// What is wrong with it.
        #[source]
        source: DataFilesError,
    },
    /// A JavaScript rule, where none can run.
    #[error(transparent)]
    Interpreter(#[from] NoInterpreter),
    /// Rules that do not go together.
    #[error(transparent)]
    Pipeline(#[from] InvalidPipeline),
}

/// The files of a bundle by their path, with `/` between the parts.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    files: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// Reads a tar file.
    ///
    /// # Errors
    /// [`BundleError`] for what is none, for links, and above the limits.
    pub fn parse(tar: &[u8]) -> Result<Self, BundleError> {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(tar).entries()? {
            let mut entry = entry?;
            let path = plain(&entry.path_bytes())?;
            match entry.header().entry_type() {
                tar::EntryType::Directory | tar::EntryType::XGlobalHeader => continue,
                tar::EntryType::Regular | tar::EntryType::Continuous => {}
                _ => return Err(BundleError::NotAFile(path)),
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?; // No longer than the tar file, which the caller bounds.
            files.insert(path, bytes);
            if files.len() > FILES {
                return Err(BundleError::TooMuch);
            }
        }
        Ok(Self { files })
    }

    /// A bundle of these rules, each in a folder of its name.
    ///
    /// # Errors
    /// [`BundleError::Manifest`] for a manifest that is not acceptable.
    pub fn of<'u>(uploads: impl IntoIterator<Item = &'u Upload>) -> Result<Self, BundleError> {
        let mut bundle = Self::default();
        let mut folders = Vec::new();
        for upload in uploads {
            let manifest = manifest_of(RULE_FILE, &upload.manifest)?;
            let folder = manifest.name.as_str().to_owned();
            bundle.put(format!("{folder}/{RULE_FILE}"), upload.manifest.clone().into_bytes());
            bundle.put(code_path(&folder, &manifest), upload.module.clone());
            for (path, bytes) in upload.files.iter().flat_map(|files| files.iter()) {
                bundle.put(format!("{folder}/data/{path}"), bytes.to_vec());
            }
            folders.push(format!("{folder:?}"));
        }
        bundle.put(PIPELINE_FILE.to_owned(), format!("rules = [{}]\n", folders.join(", ")).into_bytes());
        Ok(bundle)
    }

    /// The tar file of it: the same bytes for the same files.
    ///
    /// # Errors
    /// None that can happen: it is written to memory.
    pub fn to_tar(&self) -> io::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, bytes.as_slice())?;
        }
        tar.into_inner()
    }

    /// What the folders of `pipeline.toml` hold.
    ///
    /// # Errors
    /// [`BundleError`], naming the file.
    pub fn uploads(&self) -> Result<Vec<Upload>, BundleError> {
        let text = self.text(PIPELINE_FILE)?;
        let pipeline = PipelineFile::parse(&text)
            .map_err(|source| BundleError::Manifest { path: PIPELINE_FILE.to_owned(), source })?;
        pipeline.rules.iter().map(|folder| self.upload(folder)).collect()
    }

    fn upload(&self, folder: &str) -> Result<Upload, BundleError> {
        let folder = plain(folder.as_bytes())?;
        let path = format!("{folder}/{RULE_FILE}");
        let text = self.text(&path)?;
        let manifest = manifest_of(&path, &text)?;
        let module = self.bytes(&code_path(&folder, &manifest))?.to_vec();
        let files = manifest.capabilities.files.then(|| self.data(&folder, &manifest)).transpose()?;
        Ok(Upload { manifest: text, module, files })
    }

    fn data(&self, folder: &str, manifest: &Manifest) -> Result<Arc<DataFiles>, BundleError> {
        let prefix = format!("{folder}/data/");
        let below = self.files.range(prefix.clone()..).map_while(|(path, bytes)| {
            let path = path.strip_prefix(&prefix)?;
            Some((path.to_owned(), bytes.clone()))
        });
        let files = DataFiles::of(below);
        files.map(Arc::new).map_err(|source| BundleError::Files { rule: manifest.name.to_string(), source })
    }

    fn put(&mut self, path: String, bytes: Vec<u8>) {
        self.files.insert(path, bytes);
    }

    fn bytes(&self, path: &str) -> Result<&[u8], BundleError> {
        self.files.get(path).map(Vec::as_slice).ok_or_else(|| BundleError::Missing(path.to_owned()))
    }

    fn text(&self, path: &str) -> Result<String, BundleError> {
        let text = String::from_utf8(self.bytes(path)?.to_vec());
        text.map_err(|_| BundleError::NotTar(io::Error::other(format!("`{path}` is not UTF-8 text"))))
    }
}

impl Rules {
    /// Inspects uploads and puts them in their order.
    ///
    /// # Errors
    /// [`BundleError`], naming the rule.
    pub fn inspect(uploads: Vec<Upload>, interpreter: &Interpreter) -> Result<Self, BundleError> {
        let mut revisions =
            uploads.into_iter().map(|upload| revision(upload, interpreter)).collect::<Result<Vec<_>, _>>()?;
        let pipeline = Pipeline::new(revisions.iter().map(|(_, revision)| revision.rule.clone()).collect())?;
        revisions.sort_by_key(|(_, revision)| revision.rule.manifest.order); // As the pipeline does.
        Ok(Self { pipeline: Arc::new(pipeline), revisions })
    }
}

fn revision(mut upload: Upload, interpreter: &Interpreter) -> Result<(Upload, Revision), BundleError> {
    let manifest = manifest_of(RULE_FILE, &upload.manifest)?;
    let rule = manifest.name.to_string();
    let inspected = match &manifest.code {
        Code::Module(_) => inspect(&upload.module),
        Code::Source(file) => {
            let interpreter = interpreter.get()?;
            // What was made of a source once stays as it is; the source itself is what an author has on disk.
            if inspect_javascript(&upload.module, interpreter).is_err() {
                let source = String::from_utf8_lossy(&upload.module);
                let made = vestibule_javascript::upload(file, &source)
                    .map_err(|reasons| BundleError::Source { rule: rule.clone(), reasons })?;
                upload.module = made.to_bytes();
            }
            inspect_javascript(&upload.module, interpreter)
        }
    };
    let revision = inspected
        .map_err(RevisionError::from)
        .and_then(|inspected| Revision::new(&upload.manifest, inspected, upload.files.clone()))
        .map_err(|source| BundleError::Rule { rule, source })?;
    Ok((upload, revision))
}

fn manifest_of(path: &str, text: &str) -> Result<Manifest, BundleError> {
    Manifest::parse(text).map_err(|source| BundleError::Manifest { path: path.to_owned(), source })
}

fn code_path(folder: &str, manifest: &Manifest) -> String {
    match &manifest.code {
        Code::Module(path) | Code::Source(path) => format!("{folder}/{}", path.trim_start_matches("./")),
    }
}

/// A path without `./`, and without anything that leads elsewhere.
fn plain(path: &[u8]) -> Result<String, BundleError> {
    let path = String::from_utf8_lossy(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if path.starts_with('/') || parts.contains(&"..") || path.contains('\\') {
        return Err(BundleError::Path(path.escape_debug().to_string()));
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> Interpreter {
        Interpreter::in_folder("/nonexistent".into())
    }

    const MODULE: &str = r#"(module (memory (export "memory") 1) (func (export "run")))"#;

    fn upload(name: &str, order: i64) -> Upload {
        let manifest = format!(
            "name = \"{name}\"\nlanguage = \"rust\"\nmodule = \"target/rule.wasm\"\norder = {order}\n[capabilities]\n\
             files = true\n"
        );
        let files = DataFiles::of([("ip/ranges.txt".to_owned(), b"10.0.0.0/8".to_vec())]).unwrap();
        Upload { manifest, module: wat::parse_str(MODULE).unwrap(), files: Some(Arc::new(files)) }
    }

    fn tar(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, kind, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn what_was_packed_is_what_is_read() {
        let uploads = [upload("second", 20), upload("first", 10)];
        let packed = Bundle::of(&uploads).unwrap().to_tar().unwrap();
        assert_eq!(packed, Bundle::of(&uploads).unwrap().to_tar().unwrap());
        let rules = Rules::inspect(Bundle::parse(&packed).unwrap().uploads().unwrap(), &nowhere()).unwrap();
        let names: Vec<&str> = rules.revisions.iter().map(|(_, revision)| revision.name()).collect();
        assert_eq!(names, ["first", "second"]);
        let files = rules.revisions[0].1.files.as_ref().unwrap();
        assert_eq!(files.get("ip/ranges.txt").map(|bytes| bytes.to_vec()), Some(b"10.0.0.0/8".to_vec()));
    }

    #[test]
    fn a_folder_packed_with_tar_is_a_bundle() {
        let [first] = [upload("first", 10)];
        let packed = tar(&[
            ("./", tar::EntryType::Directory, b""),
            ("./pipeline.toml", tar::EntryType::Regular, b"rules = [\"./dir/\"]"),
            ("./dir/rule.toml", tar::EntryType::Regular, first.manifest.as_bytes()),
            ("./dir/target/rule.wasm", tar::EntryType::Regular, &first.module),
        ]);
        assert_eq!(Bundle::parse(&packed).unwrap().uploads().unwrap().len(), 1);
    }

    #[test]
    fn nothing_leads_out_of_a_bundle() {
        use tar::EntryType::{Regular, Symlink};
        for (path, kind) in [("../pipeline.toml", Regular), ("/pipeline.toml", Regular), ("pipeline.toml", Symlink)] {
            let refused = Bundle::parse(&tar(&[(path, kind, b"")]));
            assert!(matches!(refused, Err(BundleError::Path(_) | BundleError::NotAFile(_))), "{path}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (entries, told) in [
            (&[][..], "no `pipeline.toml`"),
            (&[("pipeline.toml", "rules = [\"a\"]")][..], "no `a/rule.toml`"),
            (&[("pipeline.toml", "rule = [\"a\"]")][..], "pipeline.toml"),
            (&[("pipeline.toml", "rules = [\"a\"]"), ("a/rule.toml", "nmae = 1")][..], "a/rule.toml"),
        ] {
            let entries: Vec<_> =
                entries.iter().map(|(path, text)| (*path, tar::EntryType::Regular, text.as_bytes())).collect();
            let error = Bundle::parse(&tar(&entries)).unwrap().uploads().unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(Bundle::parse(b"no tar file at all, but long enough to be one ".repeat(20).as_slice()).is_err());
    }

    #[test]
    fn a_module_that_fails_inspection_is_named_with_its_rule() {
        let mut bad = upload("bad", 10);
        bad.module = b"\0asm no".to_vec();
        let error = Rules::inspect(vec![bad], &nowhere()).unwrap_err().to_string();
        assert!(error.starts_with("rule `bad`: "), "{error}");
    }
}
