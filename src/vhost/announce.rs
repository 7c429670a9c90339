//! What is told of changes in a virtual host, in the words of RabbitMQ's events.
//!
//! Called under the topology lock, so that events come in the order of the changes. Knows nothing
//! of who listens.

use super::VirtualHost;
use crate::amqp::table::{Table, TableBuilder};
use crate::events::{Events, with_terms};
use crate::exchange::{Destination, Exchange};
use crate::queue::Queue;

/// A queue has been declared.
pub(super) fn queue_created(events: &Events, queue: &Queue) {
    let spec = queue.spec();
    events.note("queue.created", |about| {
        let owner = spec.owner.map(|owner| events.pid(owner.0, 0)).unwrap_or_default();
        let about = about.bool("exclusive", spec.owner.is_some()).long_string("owner_pid", &owner);
        with_terms(about, "arguments", spec.options.arguments.view())
            .bool("auto_delete", spec.auto_delete)
            .bool("durable", spec.durable)
            .long_string("name", &spec.name)
            .long_string("vhost", &spec.vhost)
    });
}

/// A queue is gone.
pub(super) fn queue_deleted(events: &Events, queue: &Queue) {
    events.note("queue.deleted", |about| named(about, queue.name(), &queue.spec().vhost));
}

/// An exchange has been declared.
pub(super) fn exchange_created(events: &Events, exchange: &Exchange) {
    let spec = exchange.spec();
    events.note("exchange.created", |about| {
        let policy = exchange.effective_policy().and_then(|shown| shown.policy.clone());
        let about = about.long_string("policy", policy.as_deref().unwrap_or_default());
        let about = with_terms(about, "arguments", spec.arguments.view())
            .bool("internal", spec.internal)
            .bool("auto_delete", spec.auto_delete)
            .bool("durable", spec.durable)
            .long_string("type", spec.kind.name());
        named(about, &spec.name, &spec.vhost)
    });
}

/// An exchange is gone.
pub(super) fn exchange_deleted(events: &Events, exchange: &Exchange) {
    let spec = exchange.spec();
    events.note("exchange.deleted", |about| named(about, &spec.name, &spec.vhost));
}

/// Something has been bound.
pub(super) fn binding_created(
    events: &Events,
    source: &Exchange,
    key: &[u8],
    arguments: &Table,
    to: &Destination,
) {
    events.note("binding.created", |about| binding(about, source, key, arguments, to));
}

/// Something is not bound any more.
pub(super) fn binding_deleted(
    events: &Events,
    source: &Exchange,
    key: &[u8],
    arguments: &Table,
    to: &Destination,
) {
    events.note("binding.deleted", |about| binding(about, source, key, arguments, to));
}

fn binding(
    about: TableBuilder,
    source: &Exchange,
    key: &[u8],
    arguments: &Table,
    to: &Destination,
) -> TableBuilder {
    let (kind, name) = match to {
        Destination::Queue(queue) => ("queue", queue.name()),
        Destination::Exchange(exchange) => ("exchange", exchange.name()),
    };
    with_terms(about.long_string("vhost", &source.spec().vhost), "arguments", arguments.view())
        .long_string("routing_key", &String::from_utf8_lossy(key))
        .long_string("destination_kind", kind)
        .long_string("destination_name", name)
        .long_string("source_kind", "exchange")
        .long_string("source_name", source.name())
}

fn named(about: TableBuilder, name: &str, vhost: &str) -> TableBuilder {
    about.long_string("name", name).long_string("vhost", vhost)
}

impl VirtualHost {
    /// Tells of the exchanges that every virtual host has.
    pub fn announce_exchanges(&self) {
        for exchange in &self.exchanges {
            exchange_created(&self.events, &exchange);
        }
    }
}
