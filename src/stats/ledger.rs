//! What outlives the things that it is about: how many have come and gone, and what they had
//! counted.

use parking_lot::Mutex;

use super::counter::SharedCounter;
use super::messages::MessageCounts;
use super::totals::{DeadCounts, QueueType, Totals};

/// Comings and goings. They are rare, so that anybody may count them.
#[derive(Debug, Default)]
pub struct Churn {
    /// Connections opened.
    pub connection_created: SharedCounter,
    /// Connections ended.
    pub connection_closed: SharedCounter,
    /// Channels opened.
    pub channel_created: SharedCounter,
    /// Channels ended.
    pub channel_closed: SharedCounter,
    /// Queues declared, those that were there already included.
    pub queue_declared: SharedCounter,
    /// Queues that were not there before.
    pub queue_created: SharedCounter,
    /// Queues deleted.
    pub queue_deleted: SharedCounter,
}

/// Values of [`Churn`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "as the counters")]
pub struct ChurnCounts {
    pub connection_created: u64,
    pub connection_closed: u64,
    pub channel_created: u64,
    pub channel_closed: u64,
    pub queue_declared: u64,
    pub queue_created: u64,
    pub queue_deleted: u64,
}

impl ChurnCounts {
    /// The names of [`values`](Self::values), in the same order.
    pub const NAMES: [&str; 7] = [
        "connection_created",
        "connection_closed",
        "channel_created",
        "channel_closed",
        "queue_declared",
        "queue_created",
        "queue_deleted",
    ];

    /// All of them.
    pub fn values(&self) -> [u64; 7] {
        [
            self.connection_created,
            self.connection_closed,
            self.channel_created,
            self.channel_closed,
            self.queue_declared,
            self.queue_created,
            self.queue_deleted,
        ]
    }
}

impl Churn {
    /// What they are.
    pub fn get(&self) -> ChurnCounts {
        ChurnCounts {
            connection_created: self.connection_created.get(),
            connection_closed: self.connection_closed.get(),
            channel_created: self.channel_created.get(),
            channel_closed: self.channel_closed.get(),
            queue_declared: self.queue_declared.get(),
            queue_created: self.queue_created.get(),
            queue_deleted: self.queue_deleted.get(),
        }
    }
}

/// Tries to log in, over one protocol.
#[derive(Debug, Default)]
pub struct LoginCounters {
    /// That were let in.
    pub succeeded: SharedCounter,
    /// That were not.
    pub failed: SharedCounter,
}

/// What queues that are gone had counted.
#[derive(Debug, Default, Clone, Copy)]
struct DepartedQueues {
    dead: [DeadCounts; 2],
    /// Only what queues alone know.
    disk_reads: u64,
    disk_writes: u64,
}

/// What outlives the things that it is about; one per node.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Comings and goings.
    pub churn: Churn,
    /// Over AMQP.
    pub amqp_logins: LoginCounters,
    /// Over HTTP.
    pub http_logins: LoginCounters,
    queues: Mutex<DepartedQueues>,
    sessions: Mutex<Totals>,
}

impl Ledger {
    /// A queue is gone: `leave` takes it from where it can be found, and gives its last counts if
    /// it was there. Nobody adds up in between.
    pub fn queue_leaves(
        &self,
        queue_type: QueueType,
        leave: impl FnOnce() -> Option<(MessageCounts, DeadCounts)>,
    ) -> bool {
        let mut departed = self.queues.lock();
        let Some((messages, dead)) = leave() else { return false };
        departed.disk_reads += messages.disk_reads;
        departed.disk_writes += messages.disk_writes;
        if let Some(sum) = departed.dead.get_mut(queue_type as usize) {
            sum.add(&dead);
        }
        self.churn.queue_deleted.add(1);
        true
    }

    /// Adds up over the queues that are gone and those that `each` names.
    pub fn queues(
        &self,
        each: impl FnOnce(&mut dyn FnMut(QueueType, &MessageCounts, &DeadCounts)),
    ) -> QueueTotals {
        let departed = self.queues.lock();
        let mut sum = QueueTotals {
            dead: departed.dead,
            disk_reads: departed.disk_reads,
            disk_writes: departed.disk_writes,
        };
        each(&mut |queue_type, messages, dead| {
            sum.disk_reads += messages.disk_reads;
            sum.disk_writes += messages.disk_writes;
            if let Some(of_type) = sum.dead.get_mut(queue_type as usize) {
                of_type.add(dead);
            }
        });
        sum
    }

    /// A connection is gone: `leave` takes it from where it can be found, and gives what it had
    /// counted if it was there. Nobody adds up in between.
    pub fn session_leaves(&self, leave: impl FnOnce() -> Option<Totals>) {
        let mut departed = self.sessions.lock();
        if let Some(counted) = leave() {
            departed.add(&counted);
            self.churn.connection_closed.add(1);
        }
    }

    /// Something was done without a connection.
    pub fn note(&self, done: &Totals) {
        self.sessions.lock().add(done);
    }

    /// Adds up over the connections that are gone and those that `each` names.
    pub fn sessions(&self, each: impl FnOnce(&mut Totals)) -> Totals {
        let departed = self.sessions.lock();
        let mut sum = *departed;
        each(&mut sum);
        sum
    }
}

/// What only queues count, over all there have been.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct QueueTotals {
    dead: [DeadCounts; 2],
    /// Messages read back from disk.
    pub disk_reads: u64,
    /// Messages handed to the store.
    pub disk_writes: u64,
}

impl QueueTotals {
    /// Deaths in queues of a type.
    pub fn dead(&self, queue_type: QueueType) -> DeadCounts {
        self.dead.get(queue_type as usize).copied().unwrap_or_default()
    }
}
