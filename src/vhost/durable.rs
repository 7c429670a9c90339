//! What of a virtual host survives a restart, and telling the store whenever that changes.
//!
//! A queue or exchange survives if it is durable and not there anyway, a binding if both its ends
//! are durable, and a policy always. All of this happens under the topology lock, so that the store
//! hears of changes in their order. Knows nothing of how the store keeps them.

use std::sync::Arc;

use super::predeclared;
use crate::amqp::table::Table;
use crate::events::Events;
use crate::exchange::{Destination, Exchange};
use crate::outbox::Wakes;
use crate::policy::{Policy, Scope};
use crate::queue::Queue;
use crate::store::{
    BindingDefinition, Definition, DestinationName, ExchangeDefinition, PolicyDefinition,
    QueueDefinition, Store,
};

/// Before the name of an exchange: where it holds messages back.
const SHELF_PREFIX: &str = "amq.delayed.";

/// Where changes are told.
pub(super) struct Changes<'a> {
    pub(super) store: &'a Store,
    /// The other ones who are told, with `announce.rs`.
    pub(super) events: &'a Events,
    pub(super) wakes: &'a mut Wakes,
}

impl Changes<'_> {
    /// Something is declared or bound; nothing happens unless it survives.
    pub(super) fn define(&mut self, definition: Option<Definition>) {
        if let Some(definition) = definition {
            self.store.define(definition.key(), definition.value(), self.wakes);
        }
    }

    /// Something is deleted or unbound; nothing happens unless it would have survived.
    pub(super) fn forget(&mut self, definition: Option<Definition>) {
        if let Some(definition) = definition {
            let queue = match &definition {
                Definition::Queue(queue) => Some(queue.id),
                _ => None,
            };
            self.store.forget(definition.key(), queue, self.wakes);
        }
    }
}

/// What is kept of an exchange.
pub(super) fn exchange(exchange: &Exchange) -> Option<Definition> {
    let spec = exchange.spec();
    let survives = spec.durable && predeclared(&spec.name).is_none();
    survives.then(|| {
        Definition::Exchange(ExchangeDefinition {
            vhost: spec.vhost.clone(),
            name: spec.name.clone(),
            kind: spec.kind.name().into(),
            auto_delete: spec.auto_delete,
            internal: spec.internal,
            arguments: spec.arguments.clone(),
        })
    })
}

/// Where a durable exchange holds messages back: kept as a queue is, under a name that no client
/// can declare.
pub(super) fn shelf(exchange: &Exchange) -> Option<Definition> {
    let (spec, shelf) = (exchange.spec(), exchange.shelf()?);
    spec.durable.then(|| {
        Definition::Queue(QueueDefinition {
            vhost: spec.vhost.clone(),
            name: format!("{SHELF_PREFIX}{}", spec.name).into(),
            id: shelf.id(),
            auto_delete: false,
            arguments: Table::default(),
        })
    })
}

/// The exchange whose messages are held back under that name, if it is such a name.
pub(super) fn exchange_of_shelf(name: &str) -> Option<&str> {
    name.strip_prefix(SHELF_PREFIX)
}

/// What is kept of a queue.
pub(super) fn queue(queue: &Queue) -> Option<Definition> {
    let spec = queue.spec();
    spec.durable.then(|| {
        Definition::Queue(QueueDefinition {
            vhost: spec.vhost.clone(),
            name: spec.name.clone(),
            id: spec.id,
            auto_delete: spec.auto_delete,
            arguments: spec.options.arguments.clone(),
        })
    })
}

/// What is kept of a policy.
pub(super) fn policy(vhost: &Arc<str>, policy: &Policy) -> Definition {
    let kept = PolicyDefinition {
        vhost: vhost.clone(),
        name: policy.name().clone(),
        pattern: policy.pattern().into(),
        apply_to: policy.apply_to().name().into(),
        priority: policy.priority(),
        definition: policy.definition_text().into(),
    };
    match policy.scope() {
        Scope::User => Definition::Policy(kept),
        Scope::Operator => Definition::OperatorPolicy(kept),
    }
}

/// What is kept of a binding.
pub(super) fn binding(
    source: &Exchange,
    key: &[u8],
    arguments: &Table,
    to: &Destination,
) -> Option<Definition> {
    let spec = source.spec();
    // What is bound to the default exchange is bound by its name.
    let survives = spec.durable && !spec.name.is_empty() && to.is_durable();
    survives.then(|| {
        let destination = match to {
            Destination::Queue(queue) => DestinationName::Queue(queue.name().clone()),
            Destination::Exchange(exchange) => DestinationName::Exchange(exchange.name().clone()),
        };
        Definition::Binding(BindingDefinition {
            vhost: spec.vhost.clone(),
            source: spec.name.clone(),
            destination,
            routing_key: key.into(),
            arguments: arguments.clone(),
        })
    })
}
