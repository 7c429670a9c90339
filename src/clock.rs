//! What time it is: the system's clock as it was at the start, and a steady clock since.
//!
//! Times of messages outlive the process, so they count from 1970; but while it runs nothing
//! expires early or late because somebody has set the system's clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static START: OnceLock<(Instant, Duration)> = OnceLock::new();

fn start() -> (Instant, Duration) {
    let read = || {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        (Instant::now(), since_1970.unwrap_or_default())
    };
    *START.get_or_init(read)
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let (began, at) = start();
    as_ms(at + began.elapsed())
}

/// For how long the process has run, as far as this clock knows.
pub fn running_ms() -> u64 {
    as_ms(start().0.elapsed())
}

/// The steady clock's time of such a moment, which may be far ahead.
pub fn instant_of(ms: u64) -> Option<Instant> {
    let (began, at) = start();
    began.checked_add(Duration::from_millis(ms.saturating_sub(as_ms(at))))
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_agree() {
        let (now, then) = (Instant::now(), instant_of(now_ms() + 1000).expect("soon"));
        let apart = then.duration_since(now);
        assert!(apart <= Duration::from_millis(1001) && apart > Duration::from_millis(900));
    }
}
