//! How often the log tells of clients that were refused before they had logged in.
//!
//! Anybody can be refused as often as he likes: each time would be a line, and soon a full disk.
//! Knows neither clients nor reasons.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lines in one period: enough to see who it is and why. With the longest names it is 50 KiB.
const LINES_MAX: u32 = 50;
/// After this the count begins again.
const PERIOD: Duration = Duration::from_secs(1);

/// The count of one broker.
#[derive(Debug)]
pub struct Complaints(Mutex<Count>);

#[derive(Debug)]
struct Count {
    since: Instant,
    asked: u32,
}

impl Default for Complaints {
    fn default() -> Self {
        Self(Mutex::new(Count { since: Instant::now(), asked: 0 }))
    }
}

impl Complaints {
    /// Whether one more line may be logged. What was left out of the last period is told first.
    pub fn may_be_logged(&self) -> bool {
        let (may, left_out) = self.0.lock().ask(Instant::now());
        if left_out > 0 {
            tracing::warn!(left_out, "more clients were refused than are told of one by one");
        }
        may
    }
}

impl Count {
    /// Whether one more may, and how many might not in the period that is over with this.
    fn ask(&mut self, now: Instant) -> (bool, u32) {
        let mut left_out = 0;
        if now.saturating_duration_since(self.since) >= PERIOD {
            left_out = self.asked.saturating_sub(LINES_MAX);
            *self = Self { since: now, asked: 0 };
        }
        self.asked = self.asked.saturating_add(1);
        (self.asked <= LINES_MAX, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_told_and_the_rest_is_counted() {
        let now = Instant::now();
        let mut count = Count { since: now, asked: 0 };
        let told = (0..1000).filter(|_| count.ask(now).0).count();
        assert_eq!(told, LINES_MAX as usize);
        assert_eq!(count.ask(now + PERIOD), (true, 1000 - LINES_MAX));
        assert_eq!(count.ask(now + PERIOD * 2), (true, 0));
    }
}
