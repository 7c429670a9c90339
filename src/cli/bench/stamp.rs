//! The time of sending, written into a message's body.
//!
//! The clock is anchored to the wall clock once and then runs steadily, so that two processes on
//! one machine can measure between them, and a step of the wall clock in a run does not matter.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells our messages from others in the same queue.
const MARK: [u8; 4] = *b"wrn1";
/// Mark and time: no body is shorter.
pub(super) const BODY_BYTES_MIN: usize = 12;

/// The time as it is written into messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    started_ns: u64,
}

impl Clock {
    pub(super) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_ns = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
        Self { started: Instant::now(), started_ns }
    }

    /// Nanoseconds since the epoch.
    pub(super) fn now_ns(&self) -> u64 {
        let elapsed_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.started_ns.saturating_add(elapsed_ns)
    }
}

/// A body of this size (or the smallest that holds a time) that was sent at `now_ns`.
pub(super) fn body(size: usize, now_ns: u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(size.max(BODY_BYTES_MIN));
    body.extend_from_slice(&MARK);
    body.extend_from_slice(&now_ns.to_be_bytes());
    body.resize(size.max(BODY_BYTES_MIN), b'.');
    body
}

/// When a message was sent; `None` if it is not one of ours.
pub(super) fn sent_ns(body: &[u8]) -> Option<u64> {
    let (time, _) = body.strip_prefix(&MARK)?.split_first_chunk()?;
    Some(u64::from_be_bytes(*time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_a_body_comes_back() {
        for size in [0, 12, 13, 1000] {
            let body = body(size, 123_456_789_012);
            assert_eq!(body.len(), size.max(BODY_BYTES_MIN));
            assert_eq!(sent_ns(&body), Some(123_456_789_012));
        }
        for foreign in [&b""[..], b"wrn1", b"wrn1\0\0\0\0\0\0\0", b"hello, queue of mine"] {
            assert_eq!(sent_ns(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn the_clock_does_not_go_back() {
        let clock = Clock::new();
        let first = clock.now_ns();
        assert!(clock.now_ns() >= first);
    }
}
