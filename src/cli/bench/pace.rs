//! So many messages a second, evenly.
//!
//! Time comes in; knows nothing of what is done at that pace.

use std::time::{Duration, Instant};

/// How much one may catch up after a stall, as time at the given rate: enough for the pauses of a
/// scheduler, and no burst after a broker that stood still.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);

/// Says how many are due.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    since: Instant,
    done: u64,
}

impl Pace {
    /// `per_second` is more than nothing.
    pub(super) fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, since: now, done: 0 }
    }

    /// How many may be done now; if none, when the next one may.
    pub(super) fn due(&mut self, now: Instant) -> Result<u64, Instant> {
        let due = self.due_by(now).saturating_sub(self.done);
        if due == 0 {
            let next = self.since.checked_add(self.time_for(self.done + 1));
            return Err(next.unwrap_or(now + CATCH_UP_MAX));
        }
        let catch_up_max = whole(CATCH_UP_MAX.as_secs_f64() * self.per_second).max(1);
        if due > catch_up_max {
            (self.since, self.done) = (now, 0);
            return Ok(1);
        }
        Ok(due)
    }

    /// Counts what was done.
    pub(super) fn did(&mut self, count: u64) {
        self.done += count;
    }

    fn due_by(&self, now: Instant) -> u64 {
        whole(now.saturating_duration_since(self.since).as_secs_f64() * self.per_second)
    }

    #[expect(clippy::cast_precision_loss, reason = "a day at a million a second is exact")]
    fn time_for(&self, count: u64) -> Duration {
        // Rounded up by a microsecond, so that the one waited for is really due then.
        let seconds = count as f64 / self.per_second;
        let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        time.saturating_add(Duration::from_micros(1))
    }
}

#[expect(clippy::cast_sign_loss, reason = "neither times nor rates are negative")]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_due_one_after_the_other() {
        let start = Instant::now();
        let mut pace = Pace::new(10.0, start);
        let wait = pace.due(start).expect_err("too early");
        assert_eq!(pace.due(wait), Ok(1));
        pace.did(1);
        assert!(pace.due(wait).is_err());
        assert_eq!(pace.due(start + Duration::from_millis(510)), Ok(4));
    }

    #[test]
    fn a_long_stall_is_not_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::new(1000.0, start);
        let later = start + Duration::from_mins(1);
        assert_eq!(pace.due(later), Ok(1));
        pace.did(1);
        assert!(pace.due(later).is_err());
    }
}
