//! What the kernel counts for this process and thread.

use std::{fs, time::Duration};

use anyhow::Context as _;

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
    Ok((kib(&status, "VmRSS")?, kib(&status, "VmHWM")?))
}

/// Resident memory of another process, in KiB.
///
/// # Errors
/// When there is no such process.
pub fn resident_kib_of(process: u32) -> anyhow::Result<u64> {
    kib(&fs::read_to_string(format!("/proc/{process}/status"))?, "VmRSS")
}

fn kib(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = line.and_then(|value| value.trim().split(' ').next()).context("no memory statistics")?;
    Ok(value.parse()?)
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
        assert!(resident_kib_of(std::process::id()).unwrap() > 8 << 10);
    }
}
