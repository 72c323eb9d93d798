//! `vestibule new`: a folder with a rule that builds, passes its cases and shows where to go on.
//!
//! It asks nothing and never touches a folder that holds something.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::json;

use crate::{
    exit::{BadInput, Done, Exit, Fault},
    output::say,
};

/// The folder of the SDKs in the checkout this program was built from; it may be gone by now.
const SDKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk");
const NAME_BYTES: usize = 64;

/// Makes a new rule.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to make; its last part is the rule's name
    #[arg(value_name = "NAME")]
    dir: PathBuf,
    /// The language to write it in
    #[arg(long, visible_alias = "language", value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// The folder of the language's SDK; without it that of the checkout `vestibule` was built from, or the published one
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    #[value(name = "assemblyscript")]
    AssemblyScript,
    #[value(name = "javascript")]
    JavaScript,
}

/// A file of the scaffold: its path, and its text with placeholders.
type Template = (&'static str, &'static str);

const COMMON: &[Template] = &[
    ("rule.toml", include_str!("../templates/both/rule.toml.in")),
    ("README.md", include_str!("../templates/both/README.md.in")),
    ("cases/verified.json", include_str!("../templates/both/verified.json")),
    ("cases/unverified.json", include_str!("../templates/both/unverified.json")),
    ("events/sample.json", include_str!("../templates/both/sample.json")),
];
const RUST: &[Template] = &[
    ("Cargo.toml", include_str!("../templates/rust/Cargo.toml.in")),
    (".cargo/config.toml", include_str!("../templates/rust/cargo/config.toml")),
    ("src/lib.rs", include_str!("../templates/rust/src/lib.rs.in")),
    (".gitignore", include_str!("../templates/rust/gitignore")),
];
const ASSEMBLYSCRIPT: &[Template] = &[
    ("package.json", include_str!("../templates/assemblyscript/package.json.in")),
    ("asconfig.json", include_str!("../templates/assemblyscript/asconfig.json")),
    ("tsconfig.json", include_str!("../templates/assemblyscript/tsconfig.json")),
    ("assembly/index.ts", include_str!("../templates/assemblyscript/assembly/index.ts")),
    (".gitignore", include_str!("../templates/assemblyscript/gitignore")),
];

const JAVASCRIPT: &[Template] = &[
    ("rule.js", include_str!("../templates/javascript/rule.js")),
    (".gitignore", include_str!("../templates/javascript/gitignore")),
];

/// Runs the verb.
pub(crate) fn run(args: &Args, json: bool) -> Done {
    let name = name_of(&args.dir)?;
    if fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("`{}` holds something already: choose another name", args.dir.display());
        return Err(Fault::bad_input(BadInput::AlreadyThere, message));
    }
    let sdk = args.lang.dependency(args.sdk.as_deref())?;
    for (path, text) in COMMON.iter().chain(args.lang.templates()) {
        let text = text
            .replace("{{name}}", name)
            .replace("{{language}}", args.lang.word())
            .replace("{{code}}", args.lang.code())
            .replace("{{built}}", &args.lang.built())
            .replace("{{refusal}}", args.lang.refusal())
            .replace("{{sdk}}", &sdk);
        write(&args.dir.join(path), &text)?;
    }
    if json {
        let made = json!({
            "rule": name, "language": args.lang.word(), "dir": args.dir, "source": args.dir.join(args.lang.source()),
        });
        say!("{made}");
        return Ok(Exit::Reached);
    }
    say!("made {name}, a rule in {} that refuses unverified users and sets a claim. Next:", args.lang.title());
    say!("  cd {} && vestibule build && vestibule test", args.dir.display());
    say!("  $EDITOR {}", args.lang.source());
    Ok(Exit::Reached)
}

impl Language {
    const fn word(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::AssemblyScript => "assemblyscript",
            Self::JavaScript => "javascript",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::AssemblyScript => "AssemblyScript",
            Self::JavaScript => "JavaScript",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::AssemblyScript => "assembly/index.ts",
            Self::JavaScript => "rule.js",
        }
    }

    /// The line of `rule.toml` that names the code.
    const fn code(self) -> &'static str {
        match self {
            Self::Rust | Self::AssemblyScript => r#"module = "target/rule.wasm""#,
            Self::JavaScript => r#"source = "rule.js""#,
        }
    }

    /// What `vestibule build` does.
    fn built(self) -> String {
        match self {
            Self::Rust | Self::AssemblyScript => format!("{} → target/rule.wasm", self.source()),
            Self::JavaScript => format!("checks {}, which is deployed as it is", self.source()),
        }
    }

    /// The code with which the scaffold refuses: in JavaScript it is that of the error's class.
    const fn refusal(self) -> &'static str {
        match self {
            Self::Rust | Self::AssemblyScript => "email_not_verified",
            Self::JavaScript => "unauthorized",
        }
    }

    const fn templates(self) -> &'static [Template] {
        match self {
            Self::Rust => RUST,
            Self::AssemblyScript => ASSEMBLYSCRIPT,
            Self::JavaScript => JAVASCRIPT,
        }
    }

    /// The SDK as the language's own manifest names it.
    fn dependency(self, chosen: Option<&Path>) -> Result<String, Fault> {
        let path = match chosen {
            Some(chosen) => Some(fs::canonicalize(chosen).map_err(|_| no_sdk_at(chosen))?),
            None => fs::canonicalize(Path::new(SDKS).join(self.word())).ok(),
        };
        let version = env!("CARGO_PKG_VERSION");
        let path = path.map(|path| path.display().to_string());
        Ok(match (self, path) {
            // JSON strings are TOML strings for any path a person has.
            (Self::Rust, Some(path)) => format!("{{ path = {} }}", json!(path)),
            (Self::Rust, None) => format!("\"{version}\""),
            (Self::AssemblyScript, Some(path)) => format!("file:{path}"),
            (Self::AssemblyScript, None) => version.to_owned(),
            (Self::JavaScript, _) => String::new(), // It needs none.
        })
    }
}

/// The last part of the path, if it can name a rule, a crate and an npm package alike.
fn name_of(dir: &Path) -> Result<&str, Fault> {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_name {
        return Ok(name);
    }
    let message = format!(
        "`{}` cannot name a rule: use up to {NAME_BYTES} lower-case letters, digits and `-`, a letter first",
        name.escape_debug()
    );
    Err(Fault::bad_input(BadInput::OptionInvalid, message))
}

fn no_sdk_at(path: &Path) -> Fault {
    let message = format!("`{}`: there is no such folder; --sdk names the SDK of the rule's language", path.display());
    Fault::bad_input(BadInput::FileMissing, message)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
