//! What there is, as definitions.
//!
//! Left out is what nobody could import: exclusive queues, what every virtual host has anyway
//! (names that begin with `amq.`, the default exchange and what is bound to it), and what belongs
//! to this broker alone. Each list is in the order of names, so that two exports can be compared.

use std::sync::Arc;

use super::entry::{
    BindingEntry, Document, ExchangeEntry, Limits, PermissionEntry, PolicyEntry, QueueEntry,
    Secret, TopicPermissionEntry, UserEntry, VhostEntry,
};
use super::read::INTERNAL_PREFIX;
use crate::access::{Entry, Permission, Right, Tag, TopicPermission, User, UserLimit};
use crate::broker::Node;
use crate::exchange::{Destination, Exchange};
use crate::policy::Scope;
use crate::queue::{Queue, QueueKind};
use crate::vhost::{VhostLimit, VirtualHost};

/// Names that only the broker gives out.
pub(super) const RESERVED_PREFIX: &str = "amq.";

impl Document {
    /// All that a broker is set up with.
    pub fn of_broker(node: &Node) -> Self {
        let mut document = Self::default();
        for vhost in node.vhosts() {
            document.add_vhost(node, &vhost);
        }
        document.users = node.access.users().iter().map(|user| user_entry(user)).collect();
        let permissions = node.access.permissions().into_iter();
        document.permissions = permissions.map(|entry| permission_entry(&entry)).collect();
        let permissions = node.access.topic_permissions().into_iter();
        document.topic_permissions = permissions.map(|entry| topic_entry(&entry)).collect();
        document.global_parameters = node
            .global_parameters()
            .into_iter()
            .filter(|(name, _)| !name.starts_with(INTERNAL_PREFIX))
            .filter_map(|(name, value)| {
                Some((name.to_string(), serde_json::from_str(&value).ok()?))
            })
            .collect();
        document
    }

    /// What a virtual host is set up with, and itself.
    pub fn of_vhost(node: &Node, vhost: &VirtualHost) -> Self {
        let mut document = Self::default();
        document.add_vhost(node, vhost);
        document
    }

    fn add_vhost(&mut self, node: &Node, vhost: &VirtualHost) {
        let (name, settings) = (vhost.name(), vhost.settings());
        let metadata = &settings.metadata;
        self.vhosts.push(VhostEntry {
            name: name.to_string(),
            description: Some(metadata.description.to_string()),
            tags: Some(metadata.tags.iter().map(ToString::to_string).collect()),
            default_queue_type: metadata.default_queue_type.map(|kind| kind.name().to_owned()),
            // Lost with a restart, and so not part of what a broker is set up with.
            tracing: None,
        });
        let limits = limits([
            (VhostLimit::MaxConnections.name(), settings.limits.max_connections),
            (VhostLimit::MaxQueues.name(), settings.limits.max_queues),
        ]);
        if !limits.is_empty() {
            self.vhost_limits.insert(name.to_string(), limits);
        }
        for scope in [Scope::User, Scope::Operator] {
            // It may have been deleted meanwhile.
            let policies = node.policies(name, scope).unwrap_or_default();
            let entry = |policy| PolicyEntry { vhost: name.to_string(), policy };
            self.policies.extend(policies.into_iter().map(entry));
        }
        let mut exchanges = vhost.exchanges();
        exchanges.sort_by(|one, other| one.name().cmp(other.name()));
        let mut queues = vhost.queues();
        queues.retain(|queue| !is_left_out(queue));
        queues.sort_by(|one, other| one.name().cmp(other.name()));
        self.queues.extend(queues.iter().map(|queue| queue_entry(queue)));
        for exchange in exchanges {
            if !exchange.name().is_empty() {
                self.add_bindings(&exchange);
            }
            if !is_given(exchange.name()) {
                self.exchanges.push(exchange_entry(&exchange));
            }
        }
    }

    fn add_bindings(&mut self, exchange: &Exchange) {
        let mut bindings: Vec<_> =
            exchange.bindings().into_iter().filter_map(|b| binding_entry(exchange, b)).collect();
        let order = |binding: &BindingEntry| {
            let BindingEntry { to_queue, destination, routing_key, arguments, .. } = binding;
            (!to_queue, destination.clone(), routing_key.clone(), arguments.sorted_bytes())
        };
        bindings.sort_by_cached_key(order);
        self.bindings.append(&mut bindings);
    }
}

/// Whether every virtual host has it, or the broker gives such names.
pub(super) fn is_given(name: &str) -> bool {
    name.is_empty() || name.starts_with(RESERVED_PREFIX)
}

fn is_left_out(queue: &Queue) -> bool {
    queue.spec().owner.is_some() || is_given(queue.name())
}

fn limits<const N: usize>(limits: [(&str, Option<i64>); N]) -> Limits {
    limits.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn user_entry(user: &User) -> UserEntry {
    let secret = user.password.as_ref().map_or(Secret::None, |hash| Secret::Hash {
        hash: hash.text(),
        algorithm: hash.algorithm().name().to_owned(),
    });
    UserEntry {
        name: user.name.to_string(),
        secret,
        tags: user.tags.iter().map(|tag| Tag::name(tag).to_owned()).collect(),
        limits: limits([
            (UserLimit::MaxConnections.name(), user.limits.max_connections),
            (UserLimit::MaxChannels.name(), user.limits.max_channels),
        ]),
    }
}

fn permission_entry(entry: &Entry<Permission>) -> PermissionEntry {
    let rule = |right| entry.what.rule(right).text().to_owned();
    PermissionEntry {
        vhost: entry.vhost.to_string(),
        user: entry.user.to_string(),
        configure: rule(Right::Configure),
        write: rule(Right::Write),
        read: rule(Right::Read),
    }
}

fn topic_entry(entry: &Entry<TopicPermission>) -> TopicPermissionEntry {
    let rule = |right| entry.what.rule(right).text().to_owned();
    TopicPermissionEntry {
        vhost: entry.vhost.to_string(),
        user: entry.user.to_string(),
        exchange: entry.what.exchange.to_string(),
        write: rule(Right::Write),
        read: rule(Right::Read),
    }
}

fn queue_entry(queue: &Queue) -> QueueEntry {
    let spec = queue.spec();
    QueueEntry {
        vhost: spec.vhost.to_string(),
        name: spec.name.to_string(),
        kind: Some(QueueKind::name(spec.options.nature.kind).to_owned()),
        durable: spec.durable,
        auto_delete: spec.auto_delete,
        arguments: spec.options.arguments.clone(),
    }
}

fn exchange_entry(exchange: &Arc<Exchange>) -> ExchangeEntry {
    let spec = exchange.spec();
    ExchangeEntry {
        vhost: spec.vhost.to_string(),
        name: spec.name.to_string(),
        kind: spec.kind.name().to_owned(),
        durable: spec.durable,
        auto_delete: spec.auto_delete,
        internal: spec.internal,
        arguments: spec.arguments.clone(),
    }
}

/// A binding, unless it leads to what is left out.
fn binding_entry(
    exchange: &Exchange,
    (key, arguments, to): (Vec<u8>, crate::amqp::table::Table, Destination),
) -> Option<BindingEntry> {
    let (to_queue, destination) = match &to {
        Destination::Queue(queue) if is_left_out(queue) => return None,
        Destination::Queue(queue) => (true, queue.name()),
        Destination::Exchange(exchange) => (false, exchange.name()),
    };
    Some(BindingEntry {
        vhost: exchange.spec().vhost.to_string(),
        source: exchange.name().to_string(),
        to_queue,
        destination: destination.to_string(),
        routing_key: String::from_utf8_lossy(&key).into_owned(),
        arguments,
    })
}
