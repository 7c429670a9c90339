//! What metrics tell of connections and channels.

use std::sync::Arc;

use super::queues::Which;
use super::series::{Fold, Labelled, Series};
use super::text::{Kind, labels, number};
use crate::broker::{Node, Presence};
use crate::stats::ChannelDetails;

/// Asks the connections, and their channels.
pub(super) fn collect(
    node: &Node,
    which: &Which<'_>,
) -> (Vec<Labelled<Arc<Presence>>>, Vec<Labelled<ChannelDetails>>) {
    let (mut connections, mut channels) = (Vec::new(), Vec::new());
    let all = node.presences();
    for presence in all.into_iter().filter(|it| which.has_vhost(&it.identity.vhost)) {
        for channel in presence.channels() {
            let name = format!("{} ({})", presence.name, channel.number);
            let pairs = [("connection", &*presence.name), ("channel", &*name)];
            channels.push(Labelled { labels: labels(&pairs), object: channel.details() });
        }
        let labels = labels(&[("connection", &*presence.name)]);
        connections.push(Labelled { labels, object: presence });
    }
    (connections, channels)
}

/// What is told of connections.
pub(super) static CONNECTIONS: &[Series<Arc<Presence>>] = &[
    Series {
        family: "connection_coarse_metrics",
        name: "connection_incoming_bytes_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Octets received",
        value: |c| Some(number(c.traffic.received_bytes.get())),
    },
    Series {
        family: "connection_coarse_metrics",
        name: "connection_outgoing_bytes_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Octets sent",
        value: |c| Some(number(c.traffic.sent_bytes.get())),
    },
    Series {
        family: "connection_metrics",
        name: "connection_incoming_packets_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Reads of the socket",
        value: |c| Some(number(c.traffic.reads.get())),
    },
    Series {
        family: "connection_metrics",
        name: "connection_outgoing_packets_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Writes to the socket",
        value: |c| Some(number(c.traffic.writes.get())),
    },
    Series {
        family: "connection_metrics",
        name: "connection_pending_packets",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Whether something waits to be sent",
        value: |c| Some(number(u64::from(c.traffic.pending_bytes.get() > 0))),
    },
    Series {
        family: "connection_metrics",
        name: "connection_channels",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Channels",
        value: |c| Some(number(c.channel_count() as u64)),
    },
];

/// What is told of channels.
pub(super) static CHANNELS: &[Series<ChannelDetails>] = &[
    Series {
        family: "channel_metrics",
        name: "channel_consumers",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Consumers",
        value: |c| Some(number(c.consumers)),
    },
    Series {
        family: "channel_metrics",
        name: "channel_messages_unacked",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Messages delivered and not settled",
        value: |c| Some(number(c.unacked)),
    },
    Series {
        family: "channel_metrics",
        name: "channel_messages_unconfirmed",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Messages published and not confirmed",
        value: |c| Some(number(c.unconfirmed)),
    },
    Series {
        family: "channel_metrics",
        name: "channel_messages_uncommitted",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Messages that wait for a commit",
        value: |c| Some(number(c.uncommitted)),
    },
    Series {
        family: "channel_metrics",
        name: "channel_acks_uncommitted",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Acknowledgements that wait for a commit",
        value: |c| Some(number(c.uncommitted_acks)),
    },
    Series {
        family: "channel_metrics",
        name: "consumer_prefetch",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Messages that each consumer may hold",
        value: |c| Some(number(c.prefetch)),
    },
    Series {
        family: "channel_metrics",
        name: "channel_prefetch",
        kind: Kind::Gauge,
        fold: Fold::Sum,
        help: "Messages that all consumers together may hold",
        value: |c| Some(number(c.global_prefetch)),
    },
    Series {
        family: "channel_exchange_metrics",
        name: "channel_messages_published_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages published",
        value: |c| Some(number(c.messages.publish)),
    },
    Series {
        family: "channel_exchange_metrics",
        name: "channel_messages_confirmed_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages confirmed",
        value: |c| Some(number(c.messages.confirm)),
    },
    Series {
        family: "channel_exchange_metrics",
        name: "channel_messages_unroutable_returned_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages given back to their publisher",
        value: |c| Some(number(c.messages.return_unroutable)),
    },
    Series {
        family: "channel_exchange_metrics",
        name: "channel_messages_unroutable_dropped_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages dropped, since no queue took them",
        value: |c| Some(number(c.messages.drop_unroutable)),
    },
    Series {
        family: "channel_queue_metrics",
        name: "channel_get_ack_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages got, to be acknowledged",
        value: |c| Some(number(c.messages.get)),
    },
    Series {
        family: "channel_queue_metrics",
        name: "channel_get_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages got for good",
        value: |c| Some(number(c.messages.get_no_ack)),
    },
    Series {
        family: "channel_queue_metrics",
        name: "channel_messages_delivered_ack_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages delivered, to be acknowledged",
        value: |c| Some(number(c.messages.deliver)),
    },
    Series {
        family: "channel_queue_metrics",
        name: "channel_messages_delivered_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages delivered for good",
        value: |c| Some(number(c.messages.deliver_no_ack)),
    },
    Series {
        family: "channel_queue_metrics",
        name: "channel_messages_redelivered_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages handed out again",
        value: |c| Some(number(c.messages.redeliver)),
    },
    Series {
        family: "channel_queue_metrics",
        name: "channel_messages_acked_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Messages acknowledged",
        value: |c| Some(number(c.messages.ack)),
    },
    Series {
        family: "channel_queue_metrics",
        name: "channel_get_empty_total",
        kind: Kind::Counter,
        fold: Fold::Sum,
        help: "Gets that met no message",
        value: |c| Some(number(c.messages.get_empty)),
    },
];
