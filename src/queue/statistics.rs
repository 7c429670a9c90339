//! What a queue tells of itself, for people and machines that watch it.

use std::sync::Arc;

use super::backing::Stored;
use super::volume::Volume;
use super::{ConsumerDetails, ConsumerFacts, Queue};
use crate::stats::{DeadCounts, HistogramCounts, MESSAGE_SERIES, MessageCounts};

/// The series of a queue that have rates: [`MessageCounts`], and behind them all messages, those
/// that are ready and those that are not acknowledged.
pub const QUEUE_SERIES: usize = MESSAGE_SERIES + 3;

/// Messages, and the octets of their bodies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// How many.
    pub count: u64,
    /// Octets of their bodies.
    pub bytes: u64,
}

/// A queue's statistics, as they were at one moment.
#[derive(Clone, Debug, Default)]
pub struct QueueStatistics {
    /// What was done with messages.
    pub messages: MessageCounts,
    /// What has died.
    pub dead: DeadCounts,
    /// How fast [`series`](Self::series) grow, a second.
    pub rates: Series,
    /// Messages that wait.
    pub ready: Volume,
    /// Messages delivered and not settled.
    pub unacked: Volume,
    /// Those of the waiting ones that are in memory.
    pub resident: Held,
    /// What the queue takes of memory, roughly.
    pub memory_bytes: u64,
    /// Dead, and not taken in elsewhere.
    pub dead_waiting: u64,
    /// The property `timestamp` of the first message: seconds since 1970. Unknown while that
    /// message is not in memory.
    pub head_timestamp: Option<u64>,
    /// For how long the oldest of the waiting messages has been in the queue. `None` if there is
    /// none, or if it cannot be read.
    pub oldest_age_ms: Option<u64>,
    /// How long messages have waited for their first delivery, by
    /// [`WAIT_BOUNDS_MS`](crate::stats::WAIT_BOUNDS_MS).
    pub waits: HistogramCounts<9>,
    /// Consumers.
    pub consumers: usize,
    /// The share of the last seconds in which a message would have been taken at once.
    pub consumer_capacity: f64,
    /// When something was last done with it: milliseconds since 1970.
    pub active_ms: u64,
    /// The one that consumes alone because it has asked for that.
    pub exclusive_consumer: Option<Arc<ConsumerFacts>>,
    /// The one that gets messages where only one does.
    pub single_active_consumer: Option<Arc<ConsumerFacts>>,
}

/// Rates in the order of [`QueueStatistics::series`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Series(pub [f64; QUEUE_SERIES]);

impl Default for Series {
    fn default() -> Self {
        Self([0.0; QUEUE_SERIES])
    }
}

impl QueueStatistics {
    /// The names of [`series`](Self::series) behind those of
    /// [`MessageCounts::NAMES`](MessageCounts::NAMES).
    pub const LENGTHS: [&str; 3] = ["messages", "messages_ready", "messages_unacknowledged"];

    /// Everything that has a rate.
    pub fn series(&self) -> [u64; QUEUE_SERIES] {
        let lengths = [self.len(), self.ready.count, self.unacked.count];
        let mut all = self.messages.values().into_iter().chain(lengths);
        std::array::from_fn(|_| all.next().unwrap_or_default())
    }

    /// The rates of [`MessageCounts`].
    pub fn message_rates(&self) -> [f64; MESSAGE_SERIES] {
        std::array::from_fn(|at| self.rates.0.get(at).copied().unwrap_or_default())
    }

    /// The rates of all messages, those that are ready and those that are not acknowledged.
    pub fn length_rates(&self) -> [f64; 3] {
        let rate = |at: usize| self.rates.0.get(MESSAGE_SERIES + at).copied();
        std::array::from_fn(|at| rate(at).unwrap_or_default())
    }

    /// All messages.
    pub fn len(&self) -> u64 {
        self.ready.count + self.unacked.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets of the bodies of all messages.
    pub fn bytes(&self) -> u64 {
        self.ready.bytes + self.unacked.bytes
    }
}

impl Queue {
    /// Its statistics at that time. May read the first message's time from the disk, once.
    pub fn statistics(&self, now_ms: u64) -> QueueStatistics {
        let (mut statistics, unknown_head) = {
            let mut state = self.state.lock();
            (state.statistics(now_ms), state.unknown_head())
        };
        if let Some(wanted) = unknown_head {
            // One message, whatever its size.
            let read = self.store().read_now(self.spec.id, &wanted, 1);
            if let Some((_, message, _)) = read.messages.first() {
                let published_ms = message.published_ms();
                statistics.oldest_age_ms = Some(now_ms.saturating_sub(published_ms));
                self.state.lock().note_head_time(&wanted, published_ms);
            }
        }
        statistics.rates = Series(self.rates.get());
        statistics.memory_bytes += size_of::<Self>() as u64;
        statistics
    }

    /// What it has counted: what was done with messages, and deaths.
    pub fn totals(&self) -> (MessageCounts, DeadCounts) {
        self.state.lock().totals()
    }

    /// Its consumers, in the order of their arrival.
    pub fn consumers(&self) -> Vec<ConsumerDetails> {
        self.state.lock().consumers()
    }

    /// Takes a sample, from which rates are made with the next one; or lets go of the last one.
    pub fn sample(&self, now_ms: Option<u64>) {
        let series = |now_ms| (now_ms, self.state.lock().statistics(now_ms).series());
        self.rates.update(now_ms.map(series));
    }
}
