//! What a process takes of this machine, where the system tells (Linux).

use std::time::Duration;

/// Lets a process's peak of memory begin anew. Answers with what is in use, in KiB.
pub(crate) fn forget_peak_memory(process: u32) -> Option<u64> {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").ok()?;
    status(process, "VmRSS:")
}

/// The peak since then, in KiB.
pub(crate) fn peak_memory(process: u32) -> Option<u64> {
    status(process, "VmHWM:")
}

/// The processor time that a process has taken so far, to a hundredth of a second.
pub(crate) fn processor_time(process: u32) -> Option<Duration> {
    // Whatever the hardware, the kernel shows these in hundredths.
    const TICK_MS: u64 = 10;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name may hold spaces; it ends with the last bracket, and `state` follows.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    let (user, system) = (ticks(11)?, ticks(12)?);
    Some(Duration::from_millis((user + system) * TICK_MS))
}

fn status(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
