//! What has gone through an exchange, as far as messages were published to it by name.

use super::counter::SharedCounter;

/// What has gone through an exchange. Sessions add up before they tell.
#[derive(Debug, Default)]
pub struct ExchangeCounters {
    publish_in: SharedCounter,
    publish_out: SharedCounter,
    unroutable_dropped: SharedCounter,
    unroutable_returned: SharedCounter,
}

/// Values of [`ExchangeCounters`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExchangeCounts {
    /// Messages published to it.
    pub publish_in: u64,
    /// Queues that they went to.
    pub publish_out: u64,
    /// Those that no queue took and nobody asked back.
    pub unroutable_dropped: u64,
    /// Those that no queue took and that were given back.
    pub unroutable_returned: u64,
}

impl ExchangeCounts {
    /// How many series have rates: the first two.
    pub const RATED: usize = 2;
}

impl ExchangeCounters {
    /// Adds what somebody has counted.
    pub fn add(&self, more: &ExchangeCounts) {
        let pairs = [
            (&self.publish_in, more.publish_in),
            (&self.publish_out, more.publish_out),
            (&self.unroutable_dropped, more.unroutable_dropped),
            (&self.unroutable_returned, more.unroutable_returned),
        ];
        for (counter, more) in pairs.into_iter().filter(|(_, more)| *more > 0) {
            counter.add(more);
        }
    }

    /// What they are.
    pub fn get(&self) -> ExchangeCounts {
        ExchangeCounts {
            publish_in: self.publish_in.get(),
            publish_out: self.publish_out.get(),
            unroutable_dropped: self.unroutable_dropped.get(),
            unroutable_returned: self.unroutable_returned.get(),
        }
    }
}
