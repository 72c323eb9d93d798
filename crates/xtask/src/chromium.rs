//! The browser that the tests of the hosted pages drive.

use crate::shell;

/// What the tests start. Debian's `chromium-driver` finds Debian's `chromium` by itself.
const PROGRAMS: [&str; 2] = ["chromium", "chromedriver"];

/// Installs the browser where that needs no question: on Debian, as root. Elsewhere it says how, and the tests that need
/// it fail with the same words.
pub(crate) fn set_up() -> anyhow::Result<()> {
    if PROGRAMS.into_iter().all(shell::on_path) {
        return Ok(());
    }
    if !shell::can_install_debian_packages() {
        println!(
            "\nchromium and chromedriver are not both there: the tests of the pages in a browser will fail.\n\
             On Debian: apt-get install chromium chromium-driver"
        );
        return Ok(());
    }
    shell::install_debian_packages("Chromium, for the tests of the pages", &["chromium", "chromium-driver"])
}
