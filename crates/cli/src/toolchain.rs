//! Finds the tools that turn an author's source into a module, and fetches what may be fetched.
//!
//! Rust guests need a standard library for `wasm32-unknown-unknown`. The first way open is taken: a compiler that has
//! one; Debian's compiler, which builds its own from Debian's sources; `rustup target add`. AssemblyScript needs Node
//! and npm. Everything that is installed is announced on stderr first; nothing is ever installed with `sudo`.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use vestibule_javascript::tools::{self, on_path};

use crate::{exit::Fault, output::remark};

/// The target of every guest.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";
/// What Debian needs for [`RustGuests::BuildStd`]; all are in its main archive.
const DEBIAN_PACKAGES: &[&str] = &["rustc-web", "rust-web-src", "lld-19"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// A way to compile Rust for [`WASM_TARGET`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RustGuests {
    /// The compiler on the path has the target's standard library.
    Installed {
        /// Where the compiler lives.
        sysroot: PathBuf,
    },
    /// Cargo builds the standard library with the compiler that its sources belong to.
    BuildStd {
        /// That compiler.
        rustc: PathBuf,
        /// The linker for wasm.
        linker: PathBuf,
    },
}

/// Why there is no way yet, and what would open one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Debian's packages can be installed by us.
    DebianPackages,
    /// rustup can fetch the target.
    RustupTarget,
    /// Only a person can help.
    Everything,
}

impl RustGuests {
    /// Looks for a way without changing anything.
    pub(crate) fn find() -> Result<Self, Missing> {
        if let Some(sysroot) = sysroot_with_target() {
            return Ok(Self::Installed { sysroot });
        }
        if let Some(build_std) = debian_build_std() {
            return Ok(build_std);
        }
        // Debian before rustup: a machine set up by its packages often cannot reach rustup's servers.
        match () {
            () if tools::can_install_debian_packages() => Err(Missing::DebianPackages),
            () if on_path("rustup").is_some() => Err(Missing::RustupTarget),
            () => Err(Missing::Everything),
        }
    }

    /// Looks for a way, and opens one if there is none.
    ///
    /// # Errors
    /// [`Fault::Toolchain`] with what could not be got and how to get it.
    pub(crate) fn find_or_install() -> Result<Self, Fault> {
        if on_path("cargo").is_none() {
            return Err(Fault::Toolchain(
                "`cargo` is not on the path: install Rust from https://rustup.rs, then run this again".into(),
            ));
        }
        let missing = match Self::find() {
            Ok(found) => return Ok(found),
            Err(missing) => missing,
        };
        match missing {
            Missing::DebianPackages => install_debian_packages()?,
            Missing::RustupTarget => add_rustup_target()?,
            Missing::Everything => {}
        }
        Self::find().map_err(|_| Fault::Toolchain(how_to_get_rust_guests()))
    }

    /// A `cargo build --release` for the target, to which the caller adds what to build.
    pub(crate) fn cargo_build(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--target", WASM_TARGET]);
        if let Self::BuildStd { rustc, linker } = self {
            cargo.args(["-Z", "build-std=std,panic_abort"]);
            cargo.env("RUSTC", rustc);
            // The standard library is built from the compiler's own sources, so its unstable features are its own.
            cargo.env("RUSTC_BOOTSTRAP", "1");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        cargo
    }

    /// One line for `doctor`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Installed { sysroot } => format!("{WASM_TARGET} of the compiler in {}", sysroot.display()),
            Self::BuildStd { rustc, linker } => {
                format!("standard library built from source by {} with {}", rustc.display(), linker.display())
            }
        }
    }
}

/// Node and npm, found on the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// The version `node` reports.
    pub(crate) version: String,
    npm: PathBuf,
}

impl Node {
    /// Looks for Node and npm.
    ///
    /// # Errors
    /// [`Fault::Toolchain`] when either is missing.
    pub(crate) fn find() -> Result<Self, Fault> {
        let missing = |what: &str| Fault::Toolchain(format!("`{what}` is not on the path: {}", how_to_get_node()));
        let node = on_path("node").ok_or_else(|| missing("node"))?;
        let npm = on_path("npm").ok_or_else(|| missing("npm"))?;
        let version = first_line_of(Command::new(node).arg("--version")).ok_or_else(|| missing("node"))?;
        Ok(Self { version, npm })
    }

    /// An `npm` command in a project.
    pub(crate) fn npm(&self, project: &Path) -> Command {
        let mut npm = Command::new(&self.npm);
        npm.current_dir(project);
        npm
    }

    /// The command that installs a project's packages, and how it is called.
    pub(crate) fn install(&self, project: &Path) -> (Command, &'static str) {
        let verb = if project.join("package-lock.json").is_file() { "ci" } else { "install" };
        let mut npm = self.npm(project);
        npm.args([verb, "--no-audit", "--no-fund", "--loglevel=error"]);
        (npm, if verb == "ci" { "npm ci" } else { "npm install" })
    }
}

/// How a person gets what Rust guests need.
pub(crate) fn how_to_get_rust_guests() -> String {
    let debian = DEBIAN_PACKAGES.join(" ");
    format!(
        "no way to compile Rust for {WASM_TARGET}: run `rustup target add {WASM_TARGET}`, or on Debian \
         `apt-get install {debian}` as root"
    )
}

/// How a person gets Node.
pub(crate) const fn how_to_get_node() -> &'static str {
    "install Node 20 or newer with npm (Debian: `apt-get install nodejs npm`; elsewhere https://nodejs.org)"
}

/// The first line a command prints, if it succeeds.
pub(crate) fn first_line_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.lines().next().map(str::to_owned))?
}

fn sysroot_with_target() -> Option<PathBuf> {
    let rustc = env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    let sysroot = PathBuf::from(first_line_of(Command::new(rustc).args(["--print", "sysroot"]))?);
    has_target(&sysroot).then_some(sysroot)
}

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(WASM_TARGET).join("lib").is_dir()
}

fn debian_build_std() -> Option<RustGuests> {
    let rustc = PathBuf::from(DEBIAN_RUSTC);
    let sysroot = first_line_of(Command::new(&rustc).args(["--print", "sysroot"]))?;
    let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library/Cargo.toml");
    let linker = on_path("wasm-ld-19").or_else(|| on_path("wasm-ld"))?;
    sources.is_file().then_some(RustGuests::BuildStd { rustc, linker })
}

fn install_debian_packages() -> Result<(), Fault> {
    tools::install_debian_packages("Rust guests", DEBIAN_PACKAGES)
        .map_err(|error| Fault::Toolchain(format!("{error}: {}", how_to_get_rust_guests())))
}

fn add_rustup_target() -> Result<(), Fault> {
    remark!("fetching the standard library for Rust guests: rustup target add {WASM_TARGET}");
    let status = Command::new("rustup").args(["target", "add", WASM_TARGET]).stdin(Stdio::null()).status();
    if status.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(Fault::Toolchain(format!("`rustup target add {WASM_TARGET}` failed: {}", how_to_get_rust_guests())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_sysroot_counts_only_with_the_targets_libraries() {
        let sysroot = tempfile::tempdir().unwrap();
        assert!(!has_target(sysroot.path()));
        fs::create_dir_all(sysroot.path().join("lib/rustlib/wasm32-unknown-unknown/lib")).unwrap();
        assert!(has_target(sysroot.path()));
    }

    #[test]
    fn building_the_standard_library_names_its_compiler_and_linker() {
        let way = RustGuests::BuildStd { rustc: "/c/rustc".into(), linker: "/l/wasm-ld".into() };
        let command = format!("{:?}", way.cargo_build());
        for part in ["RUSTC=\"/c/rustc\"", "LINKER=\"/l/wasm-ld\"", "build-std=std,panic_abort", WASM_TARGET] {
            assert!(command.contains(part), "`{part}` is not in `{command}`");
        }
    }

    #[test]
    fn a_missing_program_is_told_from_one_that_is_there() {
        assert_eq!(on_path("no-such-program-anywhere"), None);
        assert!(on_path("sh").is_some());
    }
}
