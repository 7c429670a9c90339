//! What a node has done in all, by protocol and type of queue, in the names that dashboards read.

use super::text::{Kind, Name, Text, labels, number};
use crate::broker::{Node, ObjectCounts};
use crate::stats::{DeathCause, DeathStrategy, QueueType, Served, Totals};

const PREFIX: &str = "rabbitmq_";
const PROTOCOL: (&str, &str) = ("protocol", "amqp091");
/// The bounds of message sizes, spelled as dashboards ask for them.
const SIZE_BOUNDS: [&str; 8] =
    ["100.0", "1000.0", "10000.0", "100000.0", "1e+06", "1e+07", "5e+07", "1e+08"];

/// A counter of publishers' messages.
type OfPublishers = (&'static str, &'static str, fn(&Totals) -> u64);
/// A counter of what consumers got, by type of queue.
type OfConsumers = (&'static str, &'static str, fn(&Served) -> u64);

const OF_PUBLISHERS: [OfPublishers; 6] = [
    ("received", "Publishes that have come in", |t| t.received),
    ("received_confirm", "Publishes that have come in and are to be confirmed", |t| {
        t.received_confirm
    }),
    ("confirmed", "Messages confirmed to their publishers", |t| t.confirmed),
    ("routed", "Queues that messages went to", |t| t.routed),
    ("unroutable_dropped", "Messages dropped, since no queue took them", |t| t.unroutable_dropped),
    ("unroutable_returned", "Messages given back, since no queue took them", |t| {
        t.unroutable_returned
    }),
];

const OF_CONSUMERS: [OfConsumers; 8] = [
    ("delivered", "Messages delivered and got", Served::delivered),
    ("delivered_consume_auto_ack", "Messages delivered for good", |s| s.deliver_no_ack),
    ("delivered_consume_manual_ack", "Messages delivered, to be acknowledged", |s| s.deliver),
    ("delivered_get_auto_ack", "Messages got for good", |s| s.get_no_ack),
    ("delivered_get_manual_ack", "Messages got, to be acknowledged", |s| s.get),
    ("get_empty", "Gets that met no message", |s| s.get_empty),
    ("redelivered", "Messages handed out again", |s| s.redeliver),
    ("acknowledged", "Messages acknowledged", |s| s.ack),
];

/// Everything of it.
pub(super) fn show(text: &mut Text, node: &Node, counts: &ObjectCounts) {
    let totals = node.totals();
    let protocol = labels(&[PROTOCOL]);
    let gauges = [
        ("global_publishers", "Channels that have published", counts.publishers),
        ("global_consumers", "Consumers", counts.consumers),
    ];
    for (name, help, value) in gauges {
        let name = Name { prefix: PREFIX, name };
        text.family(&name, Kind::Gauge, help);
        text.sample(&name, &protocol, number(value as u64));
    }
    for (stem, help, value) in OF_PUBLISHERS {
        let name = format!("global_messages_{stem}_total");
        let name = Name { prefix: PREFIX, name: &name };
        text.family(&name, Kind::Counter, help);
        text.sample(&name, &protocol, number(value(&totals)));
    }
    for (stem, help, value) in OF_CONSUMERS {
        let name = format!("global_messages_{stem}_total");
        let name = Name { prefix: PREFIX, name: &name };
        text.family(&name, Kind::Counter, help);
        for queue_type in QueueType::ALL {
            let labels = labels(&[PROTOCOL, ("queue_type", queue_type.label())]);
            text.sample(&name, &labels, number(value(totals.served(queue_type))));
        }
    }
    show_deaths(text, node);
    let name = Name { prefix: PREFIX, name: "message_size_bytes" };
    text.family(&name, Kind::Histogram, "Sizes of the bodies that were published");
    text.histogram(&name, &protocol, &SIZE_BOUNDS, &totals.sizes, 1.0);
}

fn show_deaths(text: &mut Text, node: &Node) {
    let totals = node.queue_totals();
    for cause in DeathCause::ALL {
        let name = format!("global_messages_dead_lettered_{}_total", cause.name());
        let name = Name { prefix: PREFIX, name: &name };
        text.family(&name, Kind::Counter, "Messages that have died of that");
        for queue_type in QueueType::ALL {
            let dead = totals.dead(queue_type);
            for strategy in DeathStrategy::ALL {
                let labels = death_labels(queue_type, strategy);
                text.sample(&name, &labels, number(dead.of(strategy, cause)));
            }
        }
    }
    let name = Name { prefix: PREFIX, name: "global_messages_dead_lettered_confirmed_total" };
    text.family(&name, Kind::Counter, "Dead messages that every target has taken in");
    for queue_type in QueueType::ALL {
        let labels = death_labels(queue_type, DeathStrategy::AtLeastOnce);
        text.sample(&name, &labels, number(totals.dead(queue_type).confirmed));
    }
}

fn death_labels(queue_type: QueueType, strategy: DeathStrategy) -> String {
    let strategy = ("dead_letter_strategy", strategy.label());
    labels(&[("queue_type", queue_type.label()), strategy])
}
