//! What the workers of a run count, and how long messages took.
//!
//! Workers count for themselves and bring in what they have once a batch, so that one lock does
//! for all of them. Knows nothing of AMQP and prints nothing.

use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// Longer than any message waits in a run that makes sense; what is above counts as this.
const LATENCY_MAX_US: u64 = 24 * 3600 * 1_000_000;
/// Three digits: a percentile is off by a thousandth at most.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Latencies in microseconds.
pub(super) type Latencies = Histogram<u64>;

/// Counts of one stretch of time.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) sent: u64,
    pub(super) returned: u64,
    pub(super) confirmed: u64,
    pub(super) nacked: u64,
    pub(super) received: u64,
    /// From publishing to receiving.
    pub(super) latency: Latencies,
    /// From publishing to the confirmation.
    pub(super) confirm_latency: Latencies,
}

/// What one worker has counted and not yet brought in.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) returned: u64,
    pub(super) confirmed: u64,
    pub(super) nacked: u64,
    pub(super) received: u64,
    pub(super) latencies_us: Vec<u64>,
    pub(super) confirm_latencies_us: Vec<u64>,
}

/// What all workers of a run have counted.
#[derive(Debug)]
pub(super) struct Meter {
    figures: Mutex<(Figures, Figures)>,
}

impl Figures {
    fn new() -> Self {
        Self {
            sent: 0,
            returned: 0,
            confirmed: 0,
            nacked: 0,
            received: 0,
            latency: latencies(),
            confirm_latency: latencies(),
        }
    }

    fn add(&mut self, tally: &Tally) {
        self.sent += tally.sent;
        self.returned += tally.returned;
        self.confirmed += tally.confirmed;
        self.nacked += tally.nacked;
        self.received += tally.received;
        for &us in &tally.latencies_us {
            self.latency.saturating_record(us);
        }
        for &us in &tally.confirm_latencies_us {
            self.confirm_latency.saturating_record(us);
        }
    }

    fn clear(&mut self) {
        (self.sent, self.returned, self.confirmed, self.nacked) = (0, 0, 0, 0);
        self.received = 0;
        self.latency.reset();
        self.confirm_latency.reset();
    }
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { figures: Mutex::new((Figures::new(), Figures::new())) }
    }

    /// Takes what a worker has counted; the tally is empty afterwards.
    pub(super) fn bring(&self, tally: &mut Tally) {
        {
            let mut figures = self.figures.lock();
            figures.0.add(tally);
            figures.1.add(tally);
        }
        tally.clear();
    }

    /// What was counted since this was asked last.
    pub(super) fn interval(&self) -> Figures {
        let mut figures = self.figures.lock();
        let interval = figures.0.clone();
        figures.0.clear();
        interval
    }

    /// What was counted since the start.
    pub(super) fn total(&self) -> Figures {
        self.figures.lock().1.clone()
    }

    /// Messages sent and received since the start.
    pub(super) fn sent_and_received(&self) -> (u64, u64) {
        let figures = self.figures.lock();
        (figures.1.sent, figures.1.received)
    }
}

impl Tally {
    /// Keeps the room of its lists for the next batch.
    fn clear(&mut self) {
        let (mut latencies_us, mut confirm_latencies_us) = (
            std::mem::take(&mut self.latencies_us),
            std::mem::take(&mut self.confirm_latencies_us),
        );
        latencies_us.clear();
        confirm_latencies_us.clear();
        *self = Self { latencies_us, confirm_latencies_us, ..Self::default() };
    }
}

fn latencies() -> Latencies {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, SIGNIFICANT_DIGITS)
        .unwrap_or_else(|_| unreachable!("1 to a day with three digits are good bounds"))
}

/// Events a second; none for no time at all.
pub(super) fn rate(count: u64, elapsed: Duration) -> u64 {
    if elapsed.is_zero() {
        return 0;
    }
    let millis = elapsed.as_millis().max(1);
    u64::try_from(u128::from(count) * 1000 / millis).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_begins_where_the_last_one_ended() {
        let meter = Meter::new();
        let mut tally = Tally { sent: 3, latencies_us: vec![10, 20], ..Tally::default() };
        meter.bring(&mut tally);
        assert_eq!((tally.sent, tally.latencies_us.len()), (0, 0));
        assert_eq!((meter.interval().sent, meter.interval().sent), (3, 0));
        meter.bring(&mut Tally { sent: 1, received: 2, ..Tally::default() });
        assert_eq!(meter.interval().sent, 1);
        assert_eq!(meter.sent_and_received(), (4, 2));
        assert_eq!(meter.total().latency.len(), 2);
    }

    #[test]
    fn a_latency_beyond_the_histogram_counts_as_its_largest() {
        let meter = Meter::new();
        meter.bring(&mut Tally { latencies_us: vec![0, u64::MAX], ..Tally::default() });
        let latency = meter.total().latency;
        assert_eq!(latency.len(), 2);
        assert!(latency.max() >= LATENCY_MAX_US, "{}", latency.max());
    }

    #[test]
    fn rates_are_of_a_second() {
        assert_eq!(rate(10, Duration::from_millis(500)), 20);
        assert_eq!(rate(10, Duration::ZERO), 0);
    }
}
