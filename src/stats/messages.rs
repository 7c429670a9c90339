//! What was done with messages, as clients of the management API know it (`message_stats`).

/// How many series there are.
pub const MESSAGE_SERIES: usize = 14;

/// Counts of what was done with messages: of a channel, a queue, a virtual host or a node. What
/// does not apply stays 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MessageCounts {
    /// Published.
    pub publish: u64,
    /// Confirmed to publishers.
    pub confirm: u64,
    /// Given back to publishers, since no queue took them.
    pub return_unroutable: u64,
    /// Dropped, since no queue took them.
    pub drop_unroutable: u64,
    /// Delivered to consumers that acknowledge.
    pub deliver: u64,
    /// Delivered to consumers that do not.
    pub deliver_no_ack: u64,
    /// Got with `basic.get`, to be acknowledged.
    pub get: u64,
    /// Got with `basic.get`, for good.
    pub get_no_ack: u64,
    /// `basic.get` met no message.
    pub get_empty: u64,
    /// Those of the delivered and got ones that had been before.
    pub redeliver: u64,
    /// Acknowledged.
    pub ack: u64,
    /// Read back from disk.
    pub disk_reads: u64,
    /// Handed to the store.
    pub disk_writes: u64,
}

impl MessageCounts {
    /// The names of [`values`](Self::values), in the same order.
    pub const NAMES: [&str; MESSAGE_SERIES] = [
        "publish",
        "confirm",
        "return_unroutable",
        "drop_unroutable",
        "deliver",
        "deliver_no_ack",
        "get",
        "get_no_ack",
        "get_empty",
        "redeliver",
        "ack",
        "disk_reads",
        "disk_writes",
        "deliver_get",
    ];

    /// All of them, and behind them what was delivered and got in all.
    pub fn values(&self) -> [u64; MESSAGE_SERIES] {
        [
            self.publish,
            self.confirm,
            self.return_unroutable,
            self.drop_unroutable,
            self.deliver,
            self.deliver_no_ack,
            self.get,
            self.get_no_ack,
            self.get_empty,
            self.redeliver,
            self.ack,
            self.disk_reads,
            self.disk_writes,
            self.deliver_get(),
        ]
    }

    /// What was delivered and got in all.
    pub fn deliver_get(&self) -> u64 {
        self.deliver + self.deliver_no_ack + self.get + self.get_no_ack
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.publish += other.publish;
        self.confirm += other.confirm;
        self.return_unroutable += other.return_unroutable;
        self.drop_unroutable += other.drop_unroutable;
        self.deliver += other.deliver;
        self.deliver_no_ack += other.deliver_no_ack;
        self.get += other.get;
        self.get_no_ack += other.get_no_ack;
        self.get_empty += other.get_empty;
        self.redeliver += other.redeliver;
        self.ack += other.ack;
        self.disk_reads += other.disk_reads;
        self.disk_writes += other.disk_writes;
    }
}
