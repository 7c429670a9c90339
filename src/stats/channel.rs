//! What is told of an open channel: written by its connection's task as it works, read by anybody.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counter::Counter;
use super::histogram::HistogramCounts;
use super::rates::Rates;
use super::totals::{QueueType, ServedCounters, Totals};
use super::{MESSAGE_SERIES, MessageCounts};

/// The statistics of a channel. One writer: the task of its connection.
#[derive(Debug, Default)]
pub struct ChannelStatistics {
    /// Its number in its connection.
    pub number: u16,
    /// When something was last done on it: milliseconds since 1970.
    pub active_ms: Counter,
    /// Publishes that have come in, counted before any check.
    pub received: Counter,
    /// Those of them in confirm mode.
    pub received_confirm: Counter,
    /// Publishes that have passed their checks and been handed over.
    pub publish: Counter,
    /// Confirms sent, one for each message.
    pub confirmed: Counter,
    /// Queues that messages went to.
    pub routed: Counter,
    /// Messages that no queue took and nobody asked back.
    pub unroutable_dropped: Counter,
    /// Messages that no queue took and that were given back.
    pub unroutable_returned: Counter,
    /// From classic queues; direct replies too.
    pub classic: ServedCounters,
    /// From quorum queues.
    pub quorum: ServedCounters,
    /// Deliveries that wait for an acknowledgement.
    pub unacked: Counter,
    /// Publishes that wait for a confirm.
    pub unconfirmed: Counter,
    /// Publishes that wait for a commit.
    pub uncommitted: Counter,
    /// Acknowledgements that wait for a commit.
    pub uncommitted_acks: Counter,
    /// Consumers.
    pub consumers: Counter,
    /// The limit that later consumers get as their own; 0 for none.
    pub prefetch: Counter,
    /// The limit of the whole channel; 0 for none.
    pub global_prefetch: Counter,
    modes: AtomicU64,
    /// How fast [`MessageCounts`] grow.
    pub rates: Rates<MESSAGE_SERIES>,
}

const CONFIRM: u64 = 1;
const TRANSACTIONAL: u64 = 2;

impl ChannelStatistics {
    /// Of a channel that was opened at that time.
    pub fn new(number: u16, now_ms: u64) -> Self {
        let statistics = Self { number, ..Self::default() };
        statistics.active_ms.set(now_ms);
        statistics
    }

    /// What queues of a type have handed out to it.
    #[inline]
    pub fn served(&self, queue_type: QueueType) -> &ServedCounters {
        match queue_type {
            QueueType::Classic => &self.classic,
            QueueType::Quorum => &self.quorum,
        }
    }

    /// Says in which modes it is.
    pub fn set_modes(&self, confirm: bool, transactional: bool) {
        let modes = (u64::from(confirm) * CONFIRM) | (u64::from(transactional) * TRANSACTIONAL);
        self.modes.store(modes, Ordering::Relaxed);
    }

    /// What it has done in all. The sizes of its messages are counted by its connection.
    pub fn totals(&self) -> Totals {
        Totals {
            received: self.received.get(),
            received_confirm: self.received_confirm.get(),
            publish: self.publish.get(),
            confirmed: self.confirmed.get(),
            routed: self.routed.get(),
            unroutable_dropped: self.unroutable_dropped.get(),
            unroutable_returned: self.unroutable_returned.get(),
            classic: self.classic.get(),
            quorum: self.quorum.get(),
            sizes: HistogramCounts::default(),
        }
    }

    /// What is told of it.
    pub fn details(&self) -> ChannelDetails {
        let modes = self.modes.load(Ordering::Relaxed);
        ChannelDetails {
            number: self.number,
            active_ms: self.active_ms.get(),
            messages: self.totals().messages(),
            rates: self.rates.get(),
            unacked: self.unacked.get(),
            unconfirmed: self.unconfirmed.get(),
            uncommitted: self.uncommitted.get(),
            uncommitted_acks: self.uncommitted_acks.get(),
            consumers: self.consumers.get(),
            prefetch: self.prefetch.get(),
            global_prefetch: self.global_prefetch.get(),
            confirm: modes & CONFIRM != 0,
            transactional: modes & TRANSACTIONAL != 0,
        }
    }
}

/// What is told of a channel, as it was at one moment.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ChannelDetails {
    /// Its number in its connection.
    pub number: u16,
    /// When something was last done on it: milliseconds since 1970.
    pub active_ms: u64,
    /// What was done with messages.
    pub messages: MessageCounts,
    /// How fast that grows, a second.
    pub rates: [f64; MESSAGE_SERIES],
    /// Deliveries that wait for an acknowledgement.
    pub unacked: u64,
    /// Publishes that wait for a confirm.
    pub unconfirmed: u64,
    /// Publishes that wait for a commit.
    pub uncommitted: u64,
    /// Acknowledgements that wait for a commit.
    pub uncommitted_acks: u64,
    /// Consumers.
    pub consumers: u64,
    /// The limit that later consumers get as their own; 0 for none.
    pub prefetch: u64,
    /// The limit of the whole channel; 0 for none.
    pub global_prefetch: u64,
    /// It confirms publishes.
    pub confirm: bool,
    /// It has transactions.
    pub transactional: bool,
}
