//! Histograms with fixed bounds.
//!
//! Small values come first: where most are small, a note costs one comparison.

use super::counter::Counter;

/// Bounds of message sizes, as RabbitMQ's dashboard has them.
pub const MESSAGE_SIZE_BOUNDS_BYTES: [u64; 8] =
    [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000];
/// Bounds of the time between a message's arrival and its first delivery: from a batch of work to
/// days.
pub const WAIT_BOUNDS_MS: [u64; 9] =
    [1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 86_400_000];
/// Bounds of what the disk takes: from a fast one's sync to one that is about to fail.
pub const LATENCY_BOUNDS_US: [u64; 9] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 100_000, 1_000_000];

/// Sizes of published bodies.
pub type MessageSizes = Histogram<8>;
/// Times that messages have waited.
pub type WaitHistogram = Histogram<9>;
/// Times that the disk has taken.
pub type LatencyHistogram = Histogram<9>;

/// Counts of values by size. One writer at a time.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    within: [Counter; N],
    above: Counter,
    sum: Counter,
}

impl<const N: usize> Histogram<N> {
    /// Nothing, with those bounds, each of which counts as below itself.
    pub fn new(bounds: &'static [u64; N]) -> Self {
        let within = std::array::from_fn(|_| Counter::default());
        Self { bounds, within, above: Counter::default(), sum: Counter::default() }
    }

    /// Counts a value.
    #[inline]
    pub fn note(&self, value: u64) {
        let fits = self.bounds.iter().zip(&self.within).find(|(bound, _)| value <= **bound);
        fits.map_or(&self.above, |(_, within)| within).add(1);
        if value > 0 {
            self.sum.add(value); // another line of the cache
        }
    }

    /// What there is.
    pub fn counts(&self) -> HistogramCounts<N> {
        let within = std::array::from_fn(|at| self.within.get(at).map_or(0, Counter::get));
        HistogramCounts { within, above: self.above.get(), sum: self.sum.get() }
    }
}

/// What a histogram has counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistogramCounts<const N: usize> {
    /// Values above the bound before and not above this one.
    pub within: [u64; N],
    /// Values above all bounds.
    pub above: u64,
    /// Of all values.
    pub sum: u64,
}

impl<const N: usize> Default for HistogramCounts<N> {
    fn default() -> Self {
        Self { within: [0; N], above: 0, sum: 0 }
    }
}

impl<const N: usize> HistogramCounts<N> {
    /// Adds another one of the same bounds.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.within.iter_mut().zip(&other.within) {
            *sum += more;
        }
        self.above += other.above;
        self.sum += other.sum;
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.within.iter().sum::<u64>() + self.above
    }

    /// How many were not above each of the bounds.
    pub fn cumulative(&self) -> [u64; N] {
        let mut so_far = 0;
        self.within.map(|count| {
            so_far += count;
            so_far
        })
    }

    /// The smallest of the bounds that this share of the values was not above; `None` if there is
    /// none.
    pub fn quantile(&self, share: f64, bounds: &[u64; N]) -> Option<u64> {
        let count = self.count();
        let found = self.cumulative().into_iter().zip(bounds).find(|(up_to, _)| {
            // Counts stay far below what a float tells apart.
            #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let (up_to, wanted) = (*up_to as f64, count as f64 * share);
            count > 0 && up_to >= wanted
        });
        found.map(|(_, bound)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_below_the_first_bound_that_is_not_smaller() {
        let sizes = MessageSizes::new(&MESSAGE_SIZE_BOUNDS_BYTES);
        for bytes in [0, 100, 101, 1_000, 100_000_000, 100_000_001] {
            sizes.note(bytes);
        }
        let counts = sizes.counts();
        assert_eq!(counts.within, [2, 2, 0, 0, 0, 0, 0, 1]);
        assert_eq!((counts.above, counts.count(), counts.sum), (1, 6, 200_001_202));
        assert_eq!(counts.cumulative(), [2, 4, 4, 4, 4, 4, 4, 5]);
    }

    #[test]
    fn quantiles_are_bounds() {
        let waits = WaitHistogram::new(&WAIT_BOUNDS_MS);
        assert_eq!(waits.counts().quantile(0.5, &WAIT_BOUNDS_MS), None);
        for ms in [0, 0, 0, 5, 700] {
            waits.note(ms);
        }
        let quantile = |share| waits.counts().quantile(share, &WAIT_BOUNDS_MS);
        assert_eq!([quantile(0.5), quantile(0.8), quantile(0.99)], [Some(1), Some(10), Some(1000)]);
    }
}
