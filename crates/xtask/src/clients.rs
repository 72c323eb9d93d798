//! The OpenID Connect clients of the end-to-end tests: npm packages and a Python environment, as their lock files say.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::shell::{self, heading, root};

/// Installs both, each where its program is. What could not be had is told with the way to get it; the tests that need it
/// fail with the same words.
pub(crate) fn set_up() {
    let folder = root().join("tests/clients");
    if let Err(error) = npm_packages(&folder) {
        println!(
            "\nopenid-client is not there, and the tests that log in with it will fail: {error:#}\n\
             It takes Node 20 or newer with npm, and the npm registry: npm ci --prefix tests/clients"
        );
    }
    if let Err(error) = python_packages(&folder) {
        println!(
            "\nAuthlib is not there, and the tests that log in with it will fail: {error:#}\n\
             It takes Python 3.10 or newer with `venv` (on Debian: apt-get install python3-venv) and the Python package \
             index: python3 -m venv tests/clients/.venv && \
             tests/clients/.venv/bin/pip install -r tests/clients/requirements.txt"
        );
    }
}

/// Installs what a project's lock file says, unless that was done since the file was written.
pub(crate) fn npm_packages(project: &Path) -> anyhow::Result<()> {
    let lock = project.join("package-lock.json");
    if is_newer(&project.join("node_modules/.package-lock.json"), &lock)? {
        return Ok(());
    }
    heading(&format!("installing npm packages in {}", project.display()));
    let mut npm = Command::new("npm");
    shell::loud(npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(project).stdin(Stdio::null()))
}

fn python_packages(project: &Path) -> anyhow::Result<()> {
    let (environment, requirements) = (project.join(".venv"), project.join("requirements.txt"));
    let done = environment.join("done");
    if is_newer(&done, &requirements)? {
        return Ok(());
    }
    heading(&format!("making a Python environment in {}", environment.display()));
    let mut venv = Command::new("python3");
    shell::loud(venv.args(["-m", "venv", "--clear"]).arg(&environment).stdin(Stdio::null()))?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"]);
    shell::loud(pip.arg(&requirements).stdin(Stdio::null()))?;
    fs::write(&done, "").with_context(|| format!("cannot write {}", done.display()))
}

/// Whether a file is there and not older than another.
fn is_newer(this: &Path, than: &Path) -> anyhow::Result<bool> {
    let written = |file: &Path| fs::metadata(file).and_then(|facts| facts.modified());
    let than = written(than).with_context(|| format!("{} is not there", than.display()))?;
    Ok(written(this).is_ok_and(|this| this >= than))
}
