//! What a node has done in all: the sum over channels and queues, those that are gone included.

use super::counter::Counter;
use super::histogram::HistogramCounts;
use super::messages::MessageCounts;

/// A queue's type, as far as counters are told apart by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QueueType {
    /// `rabbit_classic_queue`
    #[default]
    Classic,
    /// `rabbit_quorum_queue`
    Quorum,
}

impl QueueType {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Classic, Self::Quorum];

    /// As the label `queue_type` has it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
        }
    }
}

/// What queues of one type have handed out, counted by who gets it.
#[derive(Debug, Default)]
pub struct ServedCounters {
    /// To consumers that acknowledge.
    pub deliver: Counter,
    /// To consumers that do not.
    pub deliver_no_ack: Counter,
    /// By `basic.get`, to be acknowledged.
    pub get: Counter,
    /// By `basic.get`, for good.
    pub get_no_ack: Counter,
    /// `basic.get` met no message.
    pub get_empty: Counter,
    /// Of those handed out: had been before.
    pub redeliver: Counter,
    /// Acknowledged.
    pub ack: Counter,
}

impl ServedCounters {
    /// What they are.
    pub fn get(&self) -> Served {
        Served {
            deliver: self.deliver.get(),
            deliver_no_ack: self.deliver_no_ack.get(),
            get: self.get.get(),
            get_no_ack: self.get_no_ack.get(),
            get_empty: self.get_empty.get(),
            redeliver: self.redeliver.get(),
            ack: self.ack.get(),
        }
    }
}

/// Values of [`ServedCounters`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "as the counters")]
pub struct Served {
    pub deliver: u64,
    pub deliver_no_ack: u64,
    pub get: u64,
    pub get_no_ack: u64,
    pub get_empty: u64,
    pub redeliver: u64,
    pub ack: u64,
}

impl Served {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.deliver += other.deliver;
        self.deliver_no_ack += other.deliver_no_ack;
        self.get += other.get;
        self.get_no_ack += other.get_no_ack;
        self.get_empty += other.get_empty;
        self.redeliver += other.redeliver;
        self.ack += other.ack;
    }

    /// Delivered and got.
    pub fn delivered(&self) -> u64 {
        self.deliver + self.deliver_no_ack + self.get + self.get_no_ack
    }
}

/// Why a message died, in the order of [`DeadCounts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeathCause {
    /// A consumer did not want it.
    Rejected,
    /// Its time was up.
    Expired,
    /// The queue was full.
    MaxLen,
    /// It had come back too often.
    DeliveryLimit,
}

impl DeathCause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rejected, Self::Expired, Self::MaxLen, Self::DeliveryLimit];

    /// As in the names of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLen => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// Where the dead of a queue go, in the order of [`DeadCounts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeathStrategy {
    /// Nowhere: there is no dead-letter exchange.
    Disabled,
    /// To the dead-letter exchange, once.
    AtMostOnce,
    /// There, until every target has taken them.
    AtLeastOnce,
}

impl DeathStrategy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Disabled, Self::AtMostOnce, Self::AtLeastOnce];

    /// As the label `dead_letter_strategy` has it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::AtMostOnce => "at_most_once",
            Self::AtLeastOnce => "at_least_once",
        }
    }
}

/// Deaths by strategy and cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeadCounts {
    counts: [[u64; 4]; 3],
    /// With at-least-once: taken in by every target.
    pub confirmed: u64,
}

impl DeadCounts {
    /// Counts a death.
    pub fn note(&mut self, strategy: DeathStrategy, cause: DeathCause) {
        let count = self.counts.get_mut(strategy as usize).and_then(|c| c.get_mut(cause as usize));
        if let Some(count) = count {
            *count += 1;
        }
    }

    /// So many have died like that.
    pub fn of(&self, strategy: DeathStrategy, cause: DeathCause) -> u64 {
        let counts = self.counts.get(strategy as usize);
        counts.and_then(|counts| counts.get(cause as usize)).copied().unwrap_or_default()
    }

    /// So many have died of that.
    pub fn by_cause(&self, cause: DeathCause) -> u64 {
        DeathStrategy::ALL.into_iter().map(|strategy| self.of(strategy, cause)).sum()
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        let (ours, theirs) = (self.counts.as_flattened_mut(), other.counts.as_flattened());
        for (ours, theirs) in ours.iter_mut().zip(theirs) {
            *ours += theirs;
        }
        self.confirmed += other.confirmed;
    }
}

/// What a node, a connection or a channel has done in all. None of its counters ever goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Publishes that have come in, counted before any check.
    pub received: u64,
    /// Those of them on channels in confirm mode.
    pub received_confirm: u64,
    /// Publishes that have passed their checks and been handed over.
    pub publish: u64,
    /// Confirms sent, one for each message.
    pub confirmed: u64,
    /// Queues that messages went to.
    pub routed: u64,
    /// Messages that no queue took and nobody asked back.
    pub unroutable_dropped: u64,
    /// Messages that no queue took and that were given back.
    pub unroutable_returned: u64,
    /// From classic queues; direct replies too.
    pub classic: Served,
    /// From quorum queues.
    pub quorum: Served,
    /// Sizes of the bodies of what was received, by
    /// [`MESSAGE_SIZE_BOUNDS_BYTES`](super::MESSAGE_SIZE_BOUNDS_BYTES).
    pub sizes: HistogramCounts<8>,
}

impl Totals {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.received_confirm += other.received_confirm;
        self.publish += other.publish;
        self.confirmed += other.confirmed;
        self.routed += other.routed;
        self.unroutable_dropped += other.unroutable_dropped;
        self.unroutable_returned += other.unroutable_returned;
        self.classic.add(&other.classic);
        self.quorum.add(&other.quorum);
        self.sizes.add(&other.sizes);
    }

    /// What queues of a type have handed out.
    pub fn served(&self, queue_type: QueueType) -> &Served {
        match queue_type {
            QueueType::Classic => &self.classic,
            QueueType::Quorum => &self.quorum,
        }
    }

    /// The same for clients of the management API. Without what only queues know.
    pub fn messages(&self) -> MessageCounts {
        let mut served = self.classic;
        served.add(&self.quorum);
        MessageCounts {
            publish: self.publish,
            confirm: self.confirmed,
            return_unroutable: self.unroutable_returned,
            drop_unroutable: self.unroutable_dropped,
            deliver: served.deliver,
            deliver_no_ack: served.deliver_no_ack,
            get: served.get,
            get_no_ack: served.get_no_ack,
            get_empty: served.get_empty,
            redeliver: served.redeliver,
            ack: served.ack,
            ..MessageCounts::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_are_told_apart() {
        let mut dead = DeadCounts::default();
        dead.note(DeathStrategy::AtMostOnce, DeathCause::Expired);
        dead.note(DeathStrategy::Disabled, DeathCause::Expired);
        dead.note(DeathStrategy::AtLeastOnce, DeathCause::DeliveryLimit);
        let mut sum = dead;
        sum.add(&dead);
        assert_eq!(sum.of(DeathStrategy::AtMostOnce, DeathCause::Expired), 2);
        assert_eq!(sum.by_cause(DeathCause::Expired), 4);
        assert_eq!(sum.by_cause(DeathCause::DeliveryLimit), 2);
        assert_eq!(sum.by_cause(DeathCause::Rejected), 0);
    }
}
