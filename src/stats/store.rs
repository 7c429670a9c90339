//! What the store has done. Written by its threads, each its own.

use super::counter::{Counter, SharedCounter};
use super::histogram::{HistogramCounts, LATENCY_BOUNDS_US, LatencyHistogram};

/// What the store's threads count.
#[derive(Debug)]
pub struct StoreCounters {
    /// From the taking of a batch to the telling of who waits for it: microseconds.
    pub commit_us: LatencyHistogram,
    /// One write of a batch.
    pub write_us: LatencyHistogram,
    /// One sync of a batch.
    pub sync_us: LatencyHistogram,
    /// Operations written: messages, settlements, definitions.
    pub written: Counter,
    /// Octets written.
    pub written_bytes: Counter,
    /// Messages read back.
    pub read: SharedCounter,
    /// Octets read for that, with what lay in between.
    pub read_bytes: SharedCounter,
    /// Reads of a file.
    pub reads: SharedCounter,
}

impl Default for StoreCounters {
    fn default() -> Self {
        Self {
            commit_us: LatencyHistogram::new(&LATENCY_BOUNDS_US),
            write_us: LatencyHistogram::new(&LATENCY_BOUNDS_US),
            sync_us: LatencyHistogram::new(&LATENCY_BOUNDS_US),
            written: Counter::default(),
            written_bytes: Counter::default(),
            read: SharedCounter::default(),
            read_bytes: SharedCounter::default(),
            reads: SharedCounter::default(),
        }
    }
}

/// What is told of a store, as it was at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StoreFigures {
    /// See [`StoreCounters`].
    pub commit_us: HistogramCounts<9>,
    /// See [`StoreCounters`].
    pub write_us: HistogramCounts<9>,
    /// See [`StoreCounters`].
    pub sync_us: HistogramCounts<9>,
    /// Operations written.
    pub written: u64,
    /// Octets written.
    pub written_bytes: u64,
    /// Messages read back.
    pub read: u64,
    /// Octets read for that.
    pub read_bytes: u64,
    /// Reads of a file.
    pub reads: u64,
    /// Octets of the log that something still wants.
    pub living_bytes: u64,
    /// Octets of the log's files that nothing wants: settled, or not written yet.
    pub dead_bytes: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Operations that wait to be written.
    pub waiting: u64,
    /// What they take of memory.
    pub waiting_bytes: u64,
}

impl StoreCounters {
    /// What they are; the rest of the figures is for the store to fill in.
    pub fn get(&self) -> StoreFigures {
        StoreFigures {
            commit_us: self.commit_us.counts(),
            write_us: self.write_us.counts(),
            sync_us: self.sync_us.counts(),
            written: self.written.get(),
            written_bytes: self.written_bytes.get(),
            read: self.read.get(),
            read_bytes: self.read_bytes.get(),
            reads: self.reads.get(),
            ..StoreFigures::default()
        }
    }
}
