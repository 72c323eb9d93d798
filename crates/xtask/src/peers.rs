//! `cargo xtask bench --peers`: sets up whatever Vestibule is compared with, then measures all of it in one run.
//!
//! What cannot be set up is told and left out: the run goes on, and names it in its tables.

use std::{
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use crate::shell::{self, cargo, heading, root};

/// What Extism's runtime is compiled with at least: 1.96.
const RUST_MINOR: u32 = 96;

/// Sets up and measures.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let folder = root().join("benches/peers");
    if !arguments.iter().any(|argument| argument == "--render") {
        heading("building the rules and plug-ins");
        shell::loud(cargo(root()).args(["build", "--quiet", "--profile", "ci", "--bin", "vestibule"]))?;
        for guests in [folder.join("guests"), folder.join("extism/plugin")] {
            attempt(Command::new(shell::vestibule()?).arg("build").arg(&guests).stdin(Stdio::null()));
        }
        heading("installing isolated-vm");
        install_node_packages(&folder.join("node"));
    }
    heading("building the peers (minutes the first time)");
    attempt(&mut build(&folder));
    heading("measuring");
    let mut bench = cargo(root());
    bench.args(["bench", "--profile", "ci", "--workspace", "--bench", "peers", "--"]);
    bench.args(arguments.iter().filter(|argument| *argument != "--peers"));
    shell::loud(&mut bench)?;
    for picture in ["peers", "peers-events", "peers-rules", "peers-tenants"] {
        draw(&folder, &root().join("benches").join(picture));
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command that others do not depend on.
fn attempt(command: &mut Command) {
    if let Err(error) = shell::loud(command) {
        eprintln!("left out: {error:#}");
    }
}

/// Node's own headers lie beside many an installed Node, so that nothing is fetched to compile against.
fn install_node_packages(project: &Path) {
    if project.join("node_modules/isolated-vm/out/isolated_vm.node").is_file() {
        return;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(project).stdin(Stdio::null());
    if Path::new("/usr/include/node/node.h").is_file() {
        npm.env("npm_config_nodedir", "/usr");
    }
    attempt(&mut npm);
}

/// One call for all, so that one that does not compile leaves the others alone. A compiler that is too old for Extism is
/// replaced by Debian's where that is new enough; cargo would refuse the whole call otherwise.
fn build(folder: &Path) -> Command {
    let mut build = cargo(folder);
    build.args(["build", "--quiet", "--release", "--locked", "--workspace", "--keep-going"]);
    let is_enough = |rustc: &Path| minor_of(rustc) >= Some(RUST_MINOR);
    match Path::new("/usr/bin/rustc") {
        _ if is_enough(Path::new("rustc")) => {}
        debian if is_enough(debian) => {
            build.env("RUSTC", debian);
        }
        _ => {
            eprintln!("left out: Extism needs Rust 1.{RUST_MINOR} or newer");
            build.args(["--exclude", "peer-extism"]);
        }
    }
    build
}

fn minor_of(rustc: &Path) -> Option<u32> {
    let output = Command::new(rustc).arg("--version").stdin(Stdio::null()).output().ok()?;
    minor(&String::from_utf8(output.stdout).ok()?)
}

/// `96` of `rustc 1.96.0 (…)`.
fn minor(version: &str) -> Option<u32> {
    version.split_whitespace().nth(1)?.split('.').nth(1)?.parse().ok()
}

/// Makes a PNG of an SVG, for pages that show none: one for light pages, one for dark.
fn draw(peers: &Path, picture: &Path) {
    let svg = picture.with_extension("svg");
    let program = peers.join("target/release/picture");
    if !svg.is_file() || !program.is_file() {
        return;
    }
    let dark = format!("{}-dark.png", picture.display());
    attempt(Command::new(&program).arg(&svg).arg(picture.with_extension("png")).stdin(Stdio::null()));
    attempt(Command::new(&program).arg(&svg).arg(dark).arg("dark").stdin(Stdio::null()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_version_of_a_compiler_is_read() {
        assert_eq!(minor("rustc 1.96.0 (ac68faa20 2026-05-25)"), Some(96));
        assert_eq!(minor("nothing"), None);
    }
}
