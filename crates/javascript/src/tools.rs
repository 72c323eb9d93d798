//! The C compiler and linker that build the interpreter: found, or installed where that can be done and said.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::BuildError;

/// Debian's packages with the tools; all are in its main archive.
const DEBIAN_PACKAGES: &[&str] = &["clang-19", "lld-19", "libclang-rt-19-dev-wasm32"];
/// Where compilers keep the helper functions that WebAssembly code calls, below their resource folder.
const BUILTINS: &[&str] = &[
    "lib/wasi/libclang_rt.builtins-wasm32.a",
    "lib/wasm32-unknown-wasi/libclang_rt.builtins.a",
    "lib/wasm32-unknown-unknown/libclang_rt.builtins.a",
];

/// A C compiler for WebAssembly, its linker and its run-time library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CTools {
    /// clang.
    pub clang: PathBuf,
    /// wasm-ld.
    pub linker: PathBuf,
    /// The library of helper functions.
    pub builtins: PathBuf,
}

impl CTools {
    /// Looks for the tools without changing anything.
    #[must_use]
    pub fn find() -> Option<Self> {
        let clang = ["clang-19", "clang"].into_iter().find_map(on_path)?;
        let linker = ["wasm-ld-19", "wasm-ld"].into_iter().find_map(on_path)?;
        let output = Command::new(&clang).arg("-print-resource-dir").stdin(Stdio::null()).output().ok()?;
        let resources = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        let builtins = BUILTINS.iter().map(|library| resources.join(library)).find(|library| library.is_file())?;
        Some(Self { clang, linker, builtins })
    }

    /// Looks for the tools, and installs them on a Debian machine where we may.
    ///
    /// # Errors
    /// [`BuildError::Tools`] with what to install.
    pub fn find_or_install() -> Result<Self, BuildError> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        let how = Self::how_to_get();
        if can_install_debian_packages() {
            install_debian_packages("the interpreter for JavaScript rules", DEBIAN_PACKAGES)
                .map_err(|error| BuildError::Tools(format!("{error}: {how}")))?;
        }
        Self::find().ok_or(BuildError::Tools(how))
    }

    /// How a person gets the tools.
    #[must_use]
    pub fn how_to_get() -> String {
        format!(
            "the interpreter for JavaScript rules is built with clang and lld: on Debian, `apt-get install {}` as root; \
             elsewhere clang 19 with wasm-ld and compiler-rt for wasm32",
            DEBIAN_PACKAGES.join(" ")
        )
    }
}

/// The first program of that name on the path.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

/// Whether this is a Debian machine on which we are root. Nothing is ever installed with `sudo`.
#[must_use]
pub fn can_install_debian_packages() -> bool {
    Path::new("/etc/debian_version").is_file() && is_root() && on_path("apt-get").is_some()
}

/// Installs Debian's packages, having said so on stderr.
///
/// # Errors
/// What failed, as a sentence.
pub fn install_debian_packages(what_for: &str, packages: &[&str]) -> Result<(), String> {
    let names = packages.join(" ");
    eprintln!("installing Debian's packages for {what_for}: apt-get install {names}");
    let apt = |arguments: &[&str]| {
        Command::new("apt-get")
            .args(["-qq", "-y", "-o", "Dpkg::Use-Pty=0"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    // A stale list is no reason to stop: the packages may be known already.
    let updated = apt(&["update"]);
    let arguments: Vec<&str> = ["install", "--no-install-recommends"].iter().chain(packages).copied().collect();
    if apt(&arguments) {
        return Ok(());
    }
    let update = if updated { "" } else { " (`apt-get update` failed too)" };
    Err(format!("`apt-get install {names}` failed{update}"))
}

/// Whether we run as root, by the owner of our own process entry; only asked on Debian.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
