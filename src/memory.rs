//! How much memory there is for this process, and how much of it is in use.
//!
//! The machine's memory or the limit of the container (cgroup 1 or 2), whichever is less. The
//! readers of `/proc` and `/sys` are pure functions over their contents. Knows nothing of what
//! should happen when memory runs short.

use std::fs;
use std::path::{Path, PathBuf};

/// Taken where the system does not tell: the smallest machine one would run a broker on.
const TOTAL_UNKNOWN_BYTES: u64 = 1024 * 1024 * 1024;
/// Control groups nested deeper than this are not searched. Real ones nest about five levels.
const CGROUP_DEPTH_MAX: usize = 32;

/// The memory this process may use: the machine's, or less inside a container.
pub fn total_bytes() -> u64 {
    let machine = read("/proc/meminfo").and_then(|text| meminfo_total_bytes(&text));
    let groups = read("/proc/self/cgroup").map(|text| limit_files(&text)).unwrap_or_default();
    let limits = groups.iter().filter_map(|path| limit_bytes(&read(path)?));
    limits.chain(machine).min().unwrap_or(TOTAL_UNKNOWN_BYTES)
}

/// So many percent of `total_bytes`.
pub fn share_of_total_bytes(percent: u64) -> u64 {
    // Divided first: no machine's memory overflows, and a hundred bytes do not matter.
    (total_bytes() / 100).saturating_mul(percent)
}

/// The memory this process has in use now (resident set). `None` where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    statm_resident_bytes(&read("/proc/self/statm")?, rustix::param::page_size() as u64)
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `MemTotal` of `/proc/meminfo`.
fn meminfo_total_bytes(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The second number of `/proc/self/statm`, which counts pages.
fn statm_resident_bytes(text: &str, page_bytes: u64) -> Option<u64> {
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(page_bytes)
}

/// A limit file of a control group: a number, or `max` for none.
fn limit_bytes(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The files that may hold a limit, from the lines of `/proc/self/cgroup`
/// (`ID:CONTROLLERS:PATH`; version 2 has an empty list of controllers).
fn limit_files(text: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, name) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        // A limit anywhere above holds for us too. Inside a container the path is often that of
        // the machine outside and only its root can be seen: going up finds that one as well.
        let groups = Path::new(path.trim_start_matches('/')).ancestors().take(CGROUP_DEPTH_MAX);
        files.extend(groups.map(|group| Path::new(root).join(group).join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read_from_meminfo() {
        let text = "MemTotal:       24684084 kB\nMemFree:        23711072 kB\n";
        assert_eq!(meminfo_total_bytes(text), Some(24_684_084 * 1024));
        for text in ["", "MemFree: 5 kB\n", "MemTotal: x kB", "MemTotal: 5 MB"] {
            assert_eq!(meminfo_total_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn resident_memory_is_the_second_number_in_pages() {
        assert_eq!(statm_resident_bytes("765 434 406 5 0 123 0\n", 4096), Some(434 * 4096));
        assert_eq!(statm_resident_bytes("765", 4096), None);
        assert_eq!(statm_resident_bytes("1 18446744073709551615", 4096), None);
    }

    #[test]
    fn limits_are_numbers_or_none() {
        assert_eq!(limit_bytes("536870912\n"), Some(536_870_912));
        assert_eq!(limit_bytes("max\n"), None);
    }

    #[test]
    fn limits_of_version_2_are_looked_for_up_to_the_root() {
        let expected = [
            "/sys/fs/cgroup/system.slice/warren.service/memory.max",
            "/sys/fs/cgroup/system.slice/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        let files = limit_files("0::/system.slice/warren.service\n");
        assert_eq!(files, expected.map(PathBuf::from));
        assert_eq!(limit_files("0::/\n"), [PathBuf::from("/sys/fs/cgroup/memory.max")]);
    }

    #[test]
    fn limits_of_version_1_are_those_of_the_memory_controller() {
        let files = limit_files("8:pids:/\n4:cpu,memory:/docker/1:2\n\nnonsense\n");
        let expected = [
            "/sys/fs/cgroup/memory/docker/1:2/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        ];
        assert_eq!(files, expected.map(PathBuf::from));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_less_than_there_is() {
        let resident = resident_bytes().expect("Linux tells");
        assert!(resident > 0 && resident < total_bytes());
    }
}
