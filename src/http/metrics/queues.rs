//! What metrics tell of queues.

use super::series::{Fold, Labelled, Series};
use super::text::{Kind, Name, Text, labels, number};
use crate::broker::Node;
use crate::queue::QueueStatistics;
use crate::stats::HistogramCounts;

/// Bounds of the times that messages wait, as they are written: seconds.
pub(super) const WAIT_BOUNDS: [&str; 9] =
    ["0.001", "0.01", "0.1", "1", "10", "60", "600", "3600", "86400"];
/// The family of what RabbitMQ does not have.
pub(super) const OWN_FAMILY: &str = "warren_queue_metrics";
const WAIT: Name<'_> = Name { prefix: "warren_", name: "queue_wait_seconds" };
const WAIT_HELP: &str = "How long messages have waited for their first delivery";
const MILLISECONDS: f64 = 1000.0;

/// Which queues are told of.
pub(super) struct Which<'a> {
    /// Of these virtual hosts; of all, if none is named.
    pub(super) vhosts: &'a [&'a str],
    /// Those of these names; all, if none is named.
    pub(super) queues: &'a [&'a str],
}

impl Which<'_> {
    pub(super) fn has_vhost(&self, vhost: &str) -> bool {
        self.vhosts.is_empty() || self.vhosts.contains(&vhost)
    }

    fn has_queue(&self, queue: &str) -> bool {
        self.queues.is_empty() || self.queues.contains(&queue)
    }
}

/// Asks the queues. Labels are only made when they are to be shown.
pub(super) fn collect(
    node: &Node,
    which: &Which<'_>,
    with_labels: bool,
    now_ms: u64,
) -> Vec<Labelled<QueueStatistics>> {
    let mut found = Vec::new();
    for vhost in node.vhosts().into_iter().filter(|vhost| which.has_vhost(vhost.name())) {
        for queue in vhost.queues().into_iter().filter(|queue| which.has_queue(queue.name())) {
            let labels = if with_labels {
                labels(&[("vhost", vhost.name()), ("queue", queue.name())])
            } else {
                String::new()
            };
            found.push(Labelled { labels, object: queue.statistics(now_ms) });
        }
    }
    found
}

/// How long messages have waited, in all queues together.
pub(super) fn show_waits_folded(text: &mut Text, queues: &[Labelled<QueueStatistics>]) {
    let mut sum = HistogramCounts::default();
    for queue in queues {
        sum.add(&queue.object.waits);
    }
    text.family(&WAIT, Kind::Histogram, WAIT_HELP);
    text.histogram(&WAIT, "", &WAIT_BOUNDS, &sum, MILLISECONDS);
}

/// The same for each queue that has delivered anything.
pub(super) fn show_waits(text: &mut Text, queues: &[Labelled<QueueStatistics>]) {
    text.family(&WAIT, Kind::Histogram, WAIT_HELP);
    for Labelled { labels, object } in queues.iter().filter(|q| q.object.waits.count() > 0) {
        text.histogram(&WAIT, labels, &WAIT_BOUNDS, &object.waits, MILLISECONDS);
    }
}

/// Under their own prefix.
pub(super) static OWN: &[Series<QueueStatistics>] = &[
    Series {
        family: OWN_FAMILY,
        name: "queue_oldest_message_age_seconds",
        kind: Kind::Gauge,
        fold: Fold::Max,
        help: "For how long the oldest of the waiting messages has been there",
        value: |q| q.oldest_age_ms.map(|ms| number(ms) / MILLISECONDS),
    },
    Series {
        family: OWN_FAMILY,
        name: "queue_messages_dead_waiting",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Dead messages that have not been taken in elsewhere",
        value: |q| Some(number(q.dead_waiting)),
    },
];

/// The number of consumers alone, for who does not want the rest.
pub(super) static CONSUMER_COUNT: &[Series<QueueStatistics>] = &[Series {
    family: "queue_consumer_count",
    name: "queue_consumers",
    kind: Kind::Gauge,
    fold: Fold::Sum,
    help: "Consumers",
    value: |q| Some(number(q.consumers as u64)),
}];

/// What queues handed out, each for itself: there are the node's counters for the sum.
pub(super) static DELIVERIES: &[Series<QueueStatistics>] = &[
    Series {
        family: "queue_delivery_metrics",
        name: "queue_get_ack_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages got, to be acknowledged",
        value: |q| Some(number(q.messages.get)),
    },
    Series {
        family: "queue_delivery_metrics",
        name: "queue_get_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages got for good",
        value: |q| Some(number(q.messages.get_no_ack)),
    },
    Series {
        family: "queue_delivery_metrics",
        name: "queue_messages_delivered_ack_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages delivered, to be acknowledged",
        value: |q| Some(number(q.messages.deliver)),
    },
    Series {
        family: "queue_delivery_metrics",
        name: "queue_messages_delivered_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages delivered for good",
        value: |q| Some(number(q.messages.deliver_no_ack)),
    },
    Series {
        family: "queue_delivery_metrics",
        name: "queue_messages_redelivered_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages handed out again",
        value: |q| Some(number(q.messages.redeliver)),
    },
    Series {
        family: "queue_delivery_metrics",
        name: "queue_messages_acked_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages acknowledged",
        value: |q| Some(number(q.messages.ack)),
    },
    Series {
        family: "queue_delivery_metrics",
        name: "queue_get_empty_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Gets that met no message",
        value: |q| Some(number(q.messages.get_empty)),
    },
];

/// What is told of queues.
pub(super) static QUEUES: &[Series<QueueStatistics>] = &[
    Series {
        family: "queue_coarse_metrics",
        name: "queue_messages_ready",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Messages that wait for a consumer",
        value: |q| Some(number(q.ready.count)),
    },
    Series {
        family: "queue_coarse_metrics",
        name: "queue_messages_unacked",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Messages delivered and not settled",
        value: |q| Some(number(q.unacked.count)),
    },
    Series {
        family: "queue_coarse_metrics",
        name: "queue_messages",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Messages, waiting or not settled",
        value: |q| Some(number(q.len())),
    },
    Series {
        family: "queue_metrics",
        name: "queue_consumers",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Consumers",
        value: |q| Some(number(q.consumers as u64)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_consumer_capacity",
        kind: Kind::Gauge,
        fold: Fold::Never,
        help: "Share of the last seconds in which a message would have been taken at once",
        value: |q| Some(q.consumer_capacity),
    },
    Series {
        family: "queue_metrics",
        name: "queue_consumer_utilisation",
        kind: Kind::Gauge,
        fold: Fold::Never,
        help: "The same as the consumer capacity",
        value: |q| Some(q.consumer_capacity),
    },
    Series {
        family: "queue_metrics",
        name: "queue_process_memory_bytes",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Memory that the queue takes, roughly",
        value: |q| Some(number(q.memory_bytes)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_ram",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Messages in memory",
        value: |q| Some(number(q.resident.count + q.unacked.count)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_ram_bytes",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Octets of the bodies in memory",
        value: |q| Some(number(q.resident.bytes + q.unacked.bytes)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_ready_ram",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Waiting messages in memory",
        value: |q| Some(number(q.resident.count)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_unacked_ram",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Delivered messages that may be in memory",
        value: |q| Some(number(q.unacked.count)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_persistent",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Messages that the store has",
        value: |q| Some(number(q.ready.kept + q.unacked.kept)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_persistent_bytes",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Octets of the bodies that the store has",
        value: |q| Some(number(q.ready.kept_bytes + q.unacked.kept_bytes)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_bytes",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Octets of all bodies",
        value: |q| Some(number(q.bytes())),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_ready_bytes",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Octets of the bodies that wait",
        value: |q| Some(number(q.ready.bytes)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_unacked_bytes",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Octets of the bodies that are not settled",
        value: |q| Some(number(q.unacked.bytes)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_paged_out",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Waiting messages that are on disk only",
        value: |q| Some(number(q.ready.count.saturating_sub(q.resident.count))),
    },
    Series {
        family: "queue_metrics",
        name: "queue_messages_paged_out_bytes",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Octets of the bodies that are on disk only",
        value: |q| Some(number(q.ready.bytes.saturating_sub(q.resident.bytes))),
    },
    Series {
        family: "queue_metrics",
        name: "queue_head_message_timestamp",
        kind: Kind::Gauge,
        fold: Fold::Never,
        help: "What its publisher says of the first message's time",
        value: |q| q.head_timestamp.map(number),
    },
    Series {
        family: "queue_metrics",
        name: "queue_disk_reads_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages read back from disk",
        value: |q| Some(number(q.messages.disk_reads)),
    },
    Series {
        family: "queue_metrics",
        name: "queue_disk_writes_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages handed to the store",
        value: |q| Some(number(q.messages.disk_writes)),
    },
    Series {
        family: "queue_exchange_metrics",
        name: "queue_messages_published_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages taken in",
        value: |q| Some(number(q.messages.publish)),
    },
];
