//! The browser that the tests of the hosted pages drive.

use std::{
    env,
    process::{Command, Stdio},
};

use crate::shell::{self, heading};

/// What the tests start. Debian's `chromium-driver` finds Debian's `chromium` by itself.
const PROGRAMS: [&str; 2] = ["chromium", "chromedriver"];

/// Installs the browser where that needs no question: on Debian, as root. Elsewhere it says how, and the tests that need
/// it fail with the same words.
pub(crate) fn set_up() -> anyhow::Result<()> {
    if PROGRAMS.into_iter().all(is_there) {
        return Ok(());
    }
    if !(is_root() && is_there("apt-get")) {
        println!(
            "\nchromium and chromedriver are not both there: the tests of the pages in a browser will fail.\n\
             On Debian: apt-get install chromium chromium-driver"
        );
        return Ok(());
    }
    heading("installing Chromium, for the tests of the pages");
    apt_get(&["update"])?;
    apt_get(&["install", "--no-install-recommends", "chromium", "chromium-driver"])
}

fn apt_get(words: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command.args(["--yes", "--quiet"]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
    shell::loud(command.stdin(Stdio::null()))
}

fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    let asked = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    asked.is_ok_and(|asked| asked.stdout.trim_ascii() == b"0")
}
