//! Builds the interpreter: QuickJS-NG and our shim, from C, as one WebAssembly module without imports but the host's.
//!
//! The sources of QuickJS-NG and a C library come from the package of crate `rquickjs-sys`, fetched by cargo under a lock
//! file of ours (both are under the MIT licence; `sdk/javascript/engine/README.md` says what is taken). The module is
//! kept in a cache folder under the digest of everything it is made of.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use vestibule_abi::symbols;
use vestibule_engine::{Readers, replace_file};

use crate::tools::CTools;

/// Our part of the interpreter, by the names of the files.
const SHIM: &[(&str, &str)] = &[
    ("vestibule.h", include_str!("../../../sdk/javascript/engine/vestibule.h")),
    ("vestibule.c", include_str!("../../../sdk/javascript/engine/vestibule.c")),
    ("slots.c", include_str!("../../../sdk/javascript/engine/slots.c")),
    ("host.c", include_str!("../../../sdk/javascript/engine/host.c")),
    ("event.c", include_str!("../../../sdk/javascript/engine/event.c")),
    ("contract.c", include_str!("../../../sdk/javascript/engine/contract.c")),
    ("changes.c", include_str!("../../../sdk/javascript/engine/changes.c")),
    ("promises.c", include_str!("../../../sdk/javascript/engine/promises.c")),
    ("json.c", include_str!("../../../sdk/javascript/engine/json.c")),
    ("hash.c", include_str!("../../../sdk/javascript/engine/hash.c")),
    ("memory.c", include_str!("../../../sdk/javascript/engine/memory.c")),
];
/// What cargo fetches the rest by.
const FETCH: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../../sdk/javascript/engine/Cargo.toml")),
    ("Cargo.lock", include_str!("../../../sdk/javascript/engine/Cargo.lock")),
    ("nothing.rs", include_str!("../../../sdk/javascript/engine/nothing.rs")),
];
const PRELUDE: &str = include_str!("../../../sdk/javascript/runtime/dist/prelude.js");

const PACKAGE: &str = "rquickjs-sys";
/// The C files of that package; `quickjs.c` is compiled as one with our `slots.c`, from a copy with [`ARENA`].
const QUICKJS: &[&str] = &["quickjs/libregexp.c", "quickjs/libunicode.c", "quickjs/dtoa.c", "wasm-shim/shim.c"];
const LIBC: &str = "vendor/wasi-libc";
/// QuickJS keeps blocks of one size together in an arena. Reading a source leaves many arenas behind that are nearly empty; smaller
/// ones are given back whole, and less memory is laid back after each run.
const ARENA: (&str, &str) = ("#define JS_ARENA_SIZE              4096\n", "#define JS_ARENA_SIZE 1024\n");

/// `-O2`: -O3 is not measurably faster, -Oz runs 40 % slower. `EMSCRIPTEN` is QuickJS's word for "a machine without
/// threads and stack addresses"; wasm has no rounding modes.
const COMPILE: &[&str] = &[
    "--target=wasm32-unknown-unknown",
    "-O2",
    "-nostdlib",
    "-nostdlibinc",
    "-DEMSCRIPTEN=1",
    "-DFE_DOWNWARD=0",
    "-DFE_UPWARD=0",
    "-D_GNU_SOURCE",
    "-DNDEBUG",
    "-mbulk-memory",
    "-msign-ext",
    "-mnontrapping-fptoint",
    "-w",
];
/// The stack lies below everything, so that what a run touches lies together. The memory has room for a rule of some kilobytes
/// and what it makes; all of it is what stays resident ([`Settings::resident_bytes`](vestibule_engine::Settings)), because
/// giving any back costs a system call, and growing costs only the rules that do.
const LINK: &[&str] = &[
    "--no-entry",
    "--gc-sections",
    "--stack-first",
    "-z",
    "stack-size=65536",
    "--initial-memory=524288",
    "--strip-all",
    "--export-memory",
];

/// Why there is no interpreter.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The tools are missing and could not be installed.
    #[error("{0}")]
    Tools(String),
    /// Cargo, which fetches the sources, could not be started.
    #[error(
        "cargo fetches the sources of the interpreter and cannot be started ({0}): install Rust from https://rustup.rs"
    )]
    NoCargo(io::Error),
    /// Cargo could not fetch the sources.
    #[error(
        "cargo could not fetch the sources of the interpreter:\n{0}\nIf that is the network or the registry of cargo, run this again when it is there"
    )]
    Fetch(String),
    /// A tool failed.
    #[error("the interpreter for JavaScript rules does not build: `{tool}` says\n{said}")]
    Build {
        /// The tool.
        tool: String,
        /// What it printed.
        said: String,
    },
    /// A file could not be read or written.
    #[error("the interpreter for JavaScript rules cannot be built in `{path}`")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The interpreter as a WebAssembly module: from the cache folder, or built and kept there. Building is announced on
/// stderr, because it takes about 15 seconds.
///
/// # Errors
/// [`BuildError`] with the next step.
pub fn interpreter(cache: &Path) -> Result<Vec<u8>, BuildError> {
    let kept = kept_in(cache);
    if let Ok(module) = fs::read(&kept) {
        return Ok(module);
    }
    let tools = CTools::find_or_install()?;
    eprintln!("building the interpreter for JavaScript rules, once (about 15 s)");
    let folder = tempfile::tempdir().map_err(|source| BuildError::Io { path: std::env::temp_dir(), source })?;
    let package = fetch(folder.path())?;
    let module = build(&tools, &package, folder.path())?;
    keep(&kept, &module)?;
    Ok(module)
}

/// The interpreter as it was built into a folder by [`interpreter`] of this version; `None` if it was not. Reads, and does
/// nothing else: this is for whoever serves.
///
/// # Errors
/// What the file system says of a file that is there.
pub fn built_interpreter(folder: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(kept_in(folder)) {
        Ok(module) => Ok(Some(module)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name that the interpreter of this version has in a folder.
fn kept_in(folder: &Path) -> PathBuf {
    folder.join(format!("interpreter-{}.wasm", digest()))
}

/// A digest of everything the module is made of but the tools.
fn digest() -> String {
    let mut digest = Sha256::new();
    for (name, content) in SHIM.iter().chain(FETCH).chain([&("prelude.js", PRELUDE)]) {
        digest.update(name);
        digest.update([0]);
        digest.update((content.len() as u64).to_le_bytes());
        digest.update(content);
    }
    for word in COMPILE.iter().chain(LINK).chain([&ARENA.1]).chain(symbols::NAMES) {
        digest.update(word);
        digest.update([0]);
    }
    digest.finalize().iter().take(12).fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap_or_default();
        hex
    })
}

/// Has cargo fetch the package, and says where its files are.
fn fetch(folder: &Path) -> Result<PathBuf, BuildError> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        manifest_path: PathBuf,
    }
    for (name, content) in FETCH {
        write_file(&folder.join(name), content.as_bytes())?;
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder).args(["metadata", "--format-version=1", "--locked", "--all-features"]);
    let output = output_of(&mut cargo).map_err(BuildError::NoCargo)?;
    let said = || BuildError::Fetch(String::from_utf8_lossy(&output.stderr).trim_end().to_owned());
    if !output.status.success() {
        return Err(said());
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(|_| said())?;
    let package = metadata.packages.into_iter().find(|package| package.name == PACKAGE).ok_or_else(said)?;
    package.manifest_path.parent().map(Path::to_owned).ok_or_else(said)
}

fn build(tools: &CTools, package: &Path, folder: &Path) -> Result<Vec<u8>, BuildError> {
    for (name, content) in SHIM {
        write_file(&folder.join(name), content.as_bytes())?;
    }
    write_file(&folder.join("quickjs.c"), with_small_arenas(package)?.as_bytes())?;
    let prelude: String = PRELUDE.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "{},", byte as i8).unwrap_or_default();
        text
    });
    write_file(&folder.join("prelude.inc"), prelude.as_bytes())?;
    let names: String = symbols::NAMES.iter().map(|name| format!("\"{name}\",\n")).collect();
    write_file(&folder.join("symbols.inc"), names.as_bytes())?;
    let ours = SHIM.iter().filter(|(name, _)| name.ends_with(".c")).map(|(name, _)| folder.join(name));
    let sources: Vec<PathBuf> = ours.chain(QUICKJS.iter().map(|name| package.join(name))).collect();
    let objects = compile_all(tools, package, folder, &sources)?;
    let module = folder.join("interpreter.wasm");
    let mut link = Command::new(&tools.linker);
    link.args(LINK)
        .args(&objects)
        .arg(package.join(LIBC).join("lib/libc.a"))
        .arg(&tools.builtins)
        .arg("-o")
        .arg(&module);
    run("wasm-ld", &mut link)?;
    fs::read(&module).map_err(|source| BuildError::Io { path: module, source })
}

/// The source of QuickJS with [`ARENA`] in it.
fn with_small_arenas(package: &Path) -> Result<String, BuildError> {
    let path = package.join("quickjs/quickjs.c");
    let source = fs::read_to_string(&path).map_err(|source| BuildError::Io { path, source })?;
    let (theirs, ours) = ARENA;
    if !source.contains(theirs) {
        let said = format!("there is no `{}` in it", theirs.trim_end());
        return Err(BuildError::Build { tool: "quickjs.c".into(), said });
    }
    Ok(source.replacen(theirs, ours, 1))
}

/// Compiles each source in a process of its own, all at once.
fn compile_all(tools: &CTools, package: &Path, folder: &Path, sources: &[PathBuf]) -> Result<Vec<PathBuf>, BuildError> {
    let compile = |source: &PathBuf| {
        let object = folder.join(source.file_name().unwrap_or_default()).with_extension("o");
        let mut clang = Command::new(&tools.clang);
        clang.args(COMPILE).arg("-isystem").arg(package.join(LIBC).join("include"));
        clang.arg("-I").arg(folder).arg("-I").arg(package.join("quickjs")).arg("-c").arg(source).arg("-o").arg(&object);
        run("clang", &mut clang).map(|()| object)
    };
    thread::scope(|scope| {
        let compiling: Vec<_> = sources.iter().map(|source| scope.spawn(move || compile(source))).collect();
        let lost = || BuildError::Build { tool: "clang".into(), said: "its thread was lost".into() };
        compiling.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(lost()))).collect()
    })
}

fn run(tool: &str, command: &mut Command) -> Result<(), BuildError> {
    let failed = |said: String| BuildError::Build { tool: tool.to_owned(), said };
    let output = output_of(command).map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()))
}

fn output_of(command: &mut Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).output()
}

/// Keeps the module, whole or not at all: another command may be building it at this moment.
fn keep(path: &Path, module: &[u8]) -> Result<(), BuildError> {
    let failed = |source| BuildError::Io { path: path.to_owned(), source };
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    // A server may run as another user than whoever builds.
    replace_file(path, &[module], Readers::Everybody).map_err(failed)
}

fn write_file(path: &Path, content: &[u8]) -> Result<(), BuildError> {
    fs::write(path, content).map_err(|source| BuildError::Io { path: path.to_owned(), source })
}
