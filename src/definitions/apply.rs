//! Puts definitions in force that have been checked.
//!
//! In RabbitMQ's order: policies before queues, so that a queue never follows other rules, and both
//! ends before a binding. Nothing is deleted. What somebody else changes meanwhile can still make
//! an entry fail; the answer says which, and what came before it stays.

use std::fmt;

use hashbrown::HashSet;

use super::check::{Checked, refused};
use super::entry::{BindingEntry, Document};
use super::fields::Refused;
use super::write::binding as binding_to_json;
use crate::broker::Node;
use crate::exchange::Destination;
use crate::outbox::Wakes;
use crate::queue::ConnectionId;
use crate::vhost::{DeclareExchange, DeclareQueue, Unchecked, VirtualHost};

/// What an import has done.
#[derive(Clone, Copy, Default, Debug)]
pub struct Imported {
    /// Users that were made or changed.
    pub users: usize,
    /// Virtual hosts that were made or changed.
    pub vhosts: usize,
    /// Exchanges that were made.
    pub exchanges: usize,
    /// Queues that were made.
    pub queues: usize,
    /// Bindings that were made.
    pub bindings: usize,
    /// Entries that were here already.
    pub skipped: usize,
    /// Bindings that were left out for want of an end.
    pub dangling: usize,
}

impl Checked {
    /// Puts all of it in force. It is on disk when [`Node::definitions_on_disk`] returns.
    pub fn apply(self, node: &Node) -> Result<Imported, Refused> {
        let Self { document, users, vhosts, vhost_limits, skipped, dangling } = self;
        let mut imported = Imported {
            users: users.len(),
            vhosts: vhosts.len(),
            skipped,
            dangling,
            ..Imported::default()
        };
        for (update, limits) in users {
            let name = update.name.clone();
            let set = node.set_user(update);
            set.map_err(|error| Refused(format!("user '{name}': {error}")))?;
            for (limit, value) in limits {
                node.set_user_limit(&name, limit, value)
                    .map_err(|error| Refused(format!("user '{name}': {error}")))?;
            }
        }
        for (name, metadata) in vhosts {
            node.create_vhost(&name, metadata)
                .map_err(|error| Refused(format!("vhost '{name}': {error}")))?;
        }
        apply_permissions(node, &document)?;
        imported.exchanges = apply_exchanges(node, &document)?;
        for (name, value) in &document.global_parameters {
            node.set_global_parameter(name, &value.to_string())
                .map_err(|error| Refused(format!("global parameter '{name}': {error}")))?;
        }
        for entry in &document.policies {
            let name = entry.policy.name();
            node.set_policy(&entry.vhost, entry.policy.as_ref().clone()).map_err(|error| {
                Refused(format!("policy '{name}' in vhost '{}': {error}", entry.vhost))
            })?;
        }
        for (vhost, limit, value) in vhost_limits {
            node.set_vhost_limit(&vhost, limit, value)
                .map_err(|error| Refused(format!("limits of vhost '{vhost}': {error}")))?;
        }
        imported.queues = apply_queues(node, &document)?;
        let (made, had) = apply_bindings(node, &document)?;
        imported.bindings = made;
        imported.skipped += had;
        Ok(imported)
    }
}

impl Document {
    /// Checks all of it, and then puts it in force.
    pub fn import(self, node: &Node) -> Result<Imported, Refused> {
        self.check(node)?.apply(node)
    }
}

fn apply_permissions(node: &Node, document: &Document) -> Result<(), Refused> {
    for entry in &document.permissions {
        let (vhost, user) = (&*entry.vhost, &*entry.user);
        node.set_permission(vhost, user, &entry.configure, &entry.write, &entry.read).map_err(
            |error| Refused(format!("permission of user '{user}' in vhost '{vhost}': {error}")),
        )?;
    }
    for entry in &document.topic_permissions {
        let (vhost, user) = (&*entry.vhost, &*entry.user);
        node.set_topic_permission(vhost, user, &entry.exchange, &entry.write, &entry.read)
            .map_err(|error| {
                let text = format!("topic permission of user '{user}' in vhost '{vhost}': {error}");
                Refused(text)
            })?;
    }
    Ok(())
}

fn apply_exchanges(node: &Node, document: &Document) -> Result<usize, Refused> {
    for entry in &document.exchanges {
        let declare = DeclareExchange {
            name: &entry.name,
            kind: &entry.kind,
            durable: entry.durable,
            auto_delete: entry.auto_delete,
            internal: entry.internal,
            arguments: entry.arguments.clone(),
        };
        let vhost = node.vhost(&entry.vhost).map_err(|error| refused(entry, &error))?;
        vhost
            .declare_exchange(declare, &Unchecked, &mut Wakes::default())
            .map_err(|error| refused(entry, &error))?;
    }
    Ok(document.exchanges.len())
}

fn apply_queues(node: &Node, document: &Document) -> Result<usize, Refused> {
    for entry in &document.queues {
        let declare = DeclareQueue {
            name: &entry.name,
            connection: ConnectionId::NOBODY,
            durable: entry.durable,
            exclusive: false,
            auto_delete: entry.auto_delete,
            arguments: entry.arguments.clone(),
        };
        let vhost = node.vhost(&entry.vhost).map_err(|error| refused(entry, &error))?;
        vhost
            .declare_queue(&declare, &Unchecked, &mut Wakes::default())
            .map_err(|error| refused(entry, &error))?;
    }
    Ok(document.queues.len())
}

/// How many were made, and how many were there. A binding is there if it says the same in JSON: a
/// client's number of 32 bits comes back as one of 64, and would be another binding otherwise.
fn apply_bindings(node: &Node, document: &Document) -> Result<(usize, usize), Refused> {
    let meant: HashSet<&str> = document.bindings.iter().map(|entry| &*entry.vhost).collect();
    let mut there = HashSet::new();
    for vhost in node.vhosts() {
        if meant.contains(&**vhost.name()) {
            let now = Document::of_vhost(node, &vhost);
            there.extend(now.bindings.iter().map(|entry| binding_to_json(entry).to_string()));
        }
    }
    let mut made = 0;
    for entry in &document.bindings {
        if there.contains(&binding_to_json(entry).to_string()) {
            continue;
        }
        let vhost = node.vhost(&entry.vhost).map_err(|error| refused(entry, &error))?;
        bind(&vhost, entry)?;
        made += 1;
    }
    Ok((made, document.bindings.len() - made))
}

fn bind(vhost: &VirtualHost, entry: &BindingEntry) -> Result<(), Refused> {
    let name = &*entry.destination;
    let to = if entry.to_queue {
        vhost.queue(name).map(Destination::Queue)
    } else {
        vhost.exchange(name).map(Destination::Exchange)
    };
    let (key, arguments) = (entry.routing_key.as_bytes(), &entry.arguments);
    let bound =
        to.and_then(|to| vhost.bind(&entry.source, &to, key, arguments, &mut Wakes::default()));
    bound.map_err(|error| refused(entry, &error))
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, vhosts, exchanges, queues, bindings, skipped, dangling } = self;
        write!(
            f,
            "{users} users, {vhosts} vhosts, {exchanges} exchanges, {queues} queues, {bindings} \
             bindings; {skipped} were there, {dangling} left out"
        )
    }
}
