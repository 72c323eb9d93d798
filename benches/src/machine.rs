//! What the figures were measured on, and what the kernel counts for this process.

use std::{fs, process::Command, time::Duration};

use anyhow::Context as _;

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

/// Page faults of this thread that needed no disk, since it began.
///
/// # Errors
/// Where the kernel does not tell.
pub fn minor_faults() -> anyhow::Result<u64> {
    let stat = fs::read_to_string("/proc/thread-self/stat")?;
    // The second field is the thread's name, in parentheses, and may hold anything; the seventh after it counts.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields).context("no thread statistics")?;
    Ok(fields.split(' ').nth(7).context("no fault count")?.parse()?)
}

/// How long this thread has been ready and waited for a core, since it began.
///
/// # Errors
/// Where the kernel does not tell.
pub fn waited() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(stat.split(' ').nth(1).context("no scheduling statistics")?.parse()?))
}

/// Forgets the highest memory use of this process so far.
///
/// # Errors
/// Where the kernel does not allow it.
pub fn reset_peak_memory() -> anyhow::Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("the peak of memory use cannot be reset")
}

/// Memory of this process, in KiB: what is resident now, and the most since [`reset_peak_memory`].
///
/// # Errors
/// Where the kernel does not tell.
pub fn memory_kib() -> anyhow::Result<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = |name| -> anyhow::Result<u64> {
        let value = after(&status, name).and_then(|value| value.split(' ').next()).context("no memory statistics")?;
        Ok(value.parse()?)
    };
    Ok((kib("VmRSS")?, kib("VmHWM")?))
}

fn after<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.split_once(':')?.1.trim()))
}

fn wasmtime_version() -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let package = lock.split_once("name = \"wasmtime\"\nversion = \"").map(|(_, rest)| rest);
    package.and_then(|rest| rest.split_once('"')).map_or("?", |(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_counts_what_a_thread_touches_first() {
        let before = minor_faults().unwrap();
        let touched = vec![1u8; 8 << 20];
        assert!(touched.iter().all(|byte| *byte == 1));
        assert!(minor_faults().unwrap() > before);
        let (now, peak) = memory_kib().unwrap();
        assert!(now > 8 << 10 && peak >= now);
        assert_ne!(wasmtime_version(), "?");
    }
}
