//! How fast counters grow: the difference of the last two samples.
//!
//! Samples are taken only while somebody looks. What nobody looks at costs one word.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Between two samples: as RabbitMQ's default.
pub const RATE_PERIOD: Duration = Duration::from_secs(5);
/// Samples are taken for so long after somebody has looked.
const WATCHED_MS: u64 = 5 * 60 * 1000;

/// Whether anybody looks at statistics.
#[derive(Debug, Default)]
pub struct Watch(AtomicU64);

impl Watch {
    /// Somebody looks.
    pub fn note(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }

    /// Nobody is taken to look any more. False if that was so before.
    pub fn stop(&self) -> bool {
        self.0.swap(0, Ordering::Relaxed) > 0
    }

    /// Whether somebody has looked lately.
    pub fn is_on(&self, now_ms: u64) -> bool {
        let looked_ms = self.0.load(Ordering::Relaxed);
        looked_ms > 0 && now_ms.saturating_sub(looked_ms) <= WATCHED_MS
    }
}

/// The rates of some counters.
#[derive(Debug, Default)]
pub struct Rates<const N: usize>(Mutex<Option<Box<Samples<N>>>>);

#[derive(Debug)]
struct Samples<const N: usize> {
    at_ms: u64,
    values: [u64; N],
    rates: [f64; N],
}

impl<const N: usize> Rates<N> {
    /// The counters are at that now.
    pub fn sample(&self, now_ms: u64, values: [u64; N]) {
        let mut samples = self.0.lock();
        let rates = match samples.as_deref() {
            Some(last) if now_ms > last.at_ms => rates(&last.values, &values, now_ms - last.at_ms),
            _ => [0.0; N],
        };
        *samples = Some(Box::new(Samples { at_ms: now_ms, values, rates }));
    }

    /// The counters are at that now; or nobody looks any more.
    pub fn update(&self, now: Option<(u64, [u64; N])>) {
        match now {
            Some((now_ms, values)) => self.sample(now_ms, values),
            None => *self.0.lock() = None,
        }
    }

    /// How much each grows a second; 0 as long as that is not known.
    pub fn get(&self) -> [f64; N] {
        self.0.lock().as_ref().map_or([0.0; N], |samples| samples.rates)
    }
}

/// What is counted can become less, if it is no counter but a length.
#[allow(clippy::cast_precision_loss, reason = "differences within seconds are small")]
fn rates<const N: usize>(before: &[u64; N], now: &[u64; N], ms: u64) -> [f64; N] {
    std::array::from_fn(|at| {
        let (before, now) = (before.get(at).copied(), now.get(at).copied());
        let grown = now.unwrap_or_default().wrapping_sub(before.unwrap_or_default());
        grown.cast_signed() as f64 * 1000.0 / ms as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(rates: [f64; 2], expected: [f64; 2]) -> bool {
        rates.iter().zip(expected).all(|(rate, expected)| (rate - expected).abs() < 1e-9)
    }

    #[test]
    fn a_rate_needs_two_samples() {
        let rates = Rates::<2>::default();
        assert!(is_near(rates.get(), [0.0, 0.0]));
        rates.sample(1_000, [10, 7]);
        assert!(is_near(rates.get(), [0.0, 0.0]));
        rates.sample(6_000, [60, 2]);
        assert!(is_near(rates.get(), [10.0, -1.0]));
        rates.sample(6_000, [60, 2]);
        assert!(is_near(rates.get(), [0.0, 0.0]), "no time has passed");
        rates.update(None);
        assert!(is_near(rates.get(), [0.0, 0.0]));
    }

    #[test]
    fn who_has_looked_counts_for_five_minutes() {
        let watch = Watch::default();
        assert!(!watch.is_on(1));
        watch.note(1_000);
        assert!(watch.is_on(1_000 + WATCHED_MS));
        assert!(!watch.is_on(1_001 + WATCHED_MS));
    }
}
