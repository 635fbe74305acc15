//! Memory is looked for before it is asked for.

use anyhow::{Result, ensure};

/// Whether there are so many `bytes` for `what`.
///
/// # Errors
/// If there are not: what the machine has free, or what its control group leaves.
pub(crate) fn check_memory(what: &str, bytes: u64) -> Result<()> {
    // Where the system does not say, nothing is refused.
    let free = free().unwrap_or(u64::MAX);
    ensure!(
        bytes <= free,
        "{what} needs about {}, {} are free",
        shown(bytes),
        shown(free)
    );
    Ok(())
}

/// Bytes that are free, where the system says so: on Linux.
///
/// Read here because a library for it would change the features of Burn's dependencies, and whoever
/// depends on this package would compile Burn again.
fn free() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    let available = machine
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes = available.trim().strip_suffix("kB")?.trim();
    let free = kilobytes.parse::<u64>().ok()?.saturating_mul(1024);
    Some(left_to_group().map_or(free, |left| left.min(free)))
}

/// Bytes that the limit of the control group leaves, if there is one: that of a container.
fn left_to_group() -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let (most, current) = (number("memory.max")?, number("memory.current")?);
    // What the system keeps of files in memory is given up for programs.
    let files = read("memory.stat").and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("inactive_file "));
        line?.parse::<u64>().ok()
    });
    Some(most.saturating_sub(current.saturating_sub(files.unwrap_or(0))))
}

/// Such as `1.2 GB`.
fn shown(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        1e9.. => format!("{:.1} GB", bytes / 1e9),
        _ => format!("{:.0} MB", bytes / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_megabyte_and_no_exabyte() {
        check_memory("a test", 1_000_000).expect("a megabyte");
        let error = check_memory("a test", u64::MAX).expect_err("no such machine");
        let error = error.to_string();
        assert!(
            error.starts_with("a test needs about 18446744073.7 GB, "),
            "{error}"
        );
    }
}
