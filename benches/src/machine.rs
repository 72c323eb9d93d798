//! What the figures were measured on, and what the kernel counts for this process.

use std::{fs, process::Command};

pub use vestibule_contest::kernel::{memory_kib, minor_faults, reset_peak_memory, waited};

/// One line about the machine and the versions.
#[must_use]
pub fn described() -> String {
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = after(&cpu_info, "model name").unwrap_or("unknown CPU");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let rustc = String::from_utf8_lossy(&rustc);
    let rustc: Vec<&str> = rustc.split_whitespace().take(2).collect();
    format!("{cpu}, {cores} cores, Linux {}, {}, wasmtime {}", kernel.trim(), rustc.join(" "), wasmtime_version())
}

/// How busy the machine is with everything: the mean number of runnable threads over the last minute.
#[must_use]
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}

fn after<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.split_once(':')?.1.trim()))
}

/// The version of wasmtime in the lock file.
#[must_use]
pub fn wasmtime_version() -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let package = lock.split_once("name = \"wasmtime\"\nversion = \"").map(|(_, rest)| rest);
    package.and_then(|rest| rest.split_once('"')).map_or("?", |(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_lock_file() {
        assert_ne!(wasmtime_version(), "?");
    }
}
