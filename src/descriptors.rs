//! How many files and sockets this process may have open.
//!
//! Knows nothing of connections but that each takes one descriptor.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Kept for listeners and one connection that waits at each, the log's segments, the catalogue and
/// the logs' own output.
const RESERVED: u64 = 64;
/// The most connections over HTTP: programs that look after brokers are few.
const HTTP_MAX: u64 = 512;
/// Where descriptors are rare, HTTP gets this share of them.
const HTTP_SHARE: u64 = 8;
/// Asked for where the system sets no limit at all; what Linux gives a process at most by default.
const UNLIMITED: u64 = 1 << 20;

/// Raises the limit of open files as far as this process may, and logs it. The usual soft limit
/// of 1024 is for programs that use `select`; it would be the first thing a broker runs into.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(UNLIMITED);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            warn!(%error, wanted, "cannot raise the limit of open files");
        }
    }
    info!(open_files_max = soft_limit(), "limit of open files");
}

/// The most connections over AMQP at a time: what the configuration wants, 0 for no wish, and never
/// more than there are descriptors for.
pub fn connections_max(wanted: usize) -> usize {
    within(wanted, soft_limit())
}

/// The most connections over HTTP at a time. They are set aside: whoever looks after a broker that
/// is full has to reach it.
pub fn http_connections_max() -> u32 {
    for_http(soft_limit()) as u32
}

fn for_http(descriptors: u64) -> u64 {
    (descriptors / HTTP_SHARE).clamp(1, HTTP_MAX)
}

/// How many files and sockets this process may have open, and has.
pub fn limit_and_used() -> (u64, Option<u64>) {
    // Each entry is one of them; reading them takes one more.
    let used = std::fs::read_dir("/proc/self/fd").ok();
    let used = used.map(|entries| (entries.count() as u64).saturating_sub(1));
    (soft_limit(), used)
}

fn soft_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED)
}

fn within(wanted: usize, descriptors: u64) -> usize {
    let others = RESERVED + for_http(descriptors);
    let possible = usize::try_from(descriptors.saturating_sub(others).max(1));
    let possible = possible.unwrap_or(usize::MAX);
    if wanted == 0 { possible } else { wanted.min(possible) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        assert_eq!(within(0, 20_000), 19_424);
        assert_eq!(within(500, 20_000), 500);
        assert_eq!(within(50_000, 20_000), 19_424);
        assert_eq!((within(0, 1024), for_http(1024)), (832, 128));
        assert_eq!(within(0, 10), 1, "a broker that accepts nobody is of no use");
    }

    #[test]
    fn the_limit_is_raised_to_what_is_allowed() {
        raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum.or(limit.current));
        assert!(connections_max(0) > 0);
    }
}
