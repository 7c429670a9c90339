//! Queues come and go.

use std::sync::Arc;

use super::{Permit, RESERVED_PREFIX, VirtualHost, announce, durable};
use crate::amqp::table::Table;
use crate::error::{Error, Result};
use crate::exchange::Destination;
use crate::names;
use crate::outbox::Wakes;
use crate::queue::equivalence::Asked;
use crate::queue::{Conditions, ConnectionId, Queue, QueueOptions, QueueSpec, Refusal, Unless};

/// `queue.declare` (50, 10), when it is not passive.
#[derive(Debug)]
pub struct DeclareQueue<'a> {
    /// Its name; empty for one that the broker gives.
    pub name: &'a str,
    /// Who declares it.
    pub connection: ConnectionId,
    /// Survives a restart.
    pub durable: bool,
    /// Only for this connection, and gone with it.
    pub exclusive: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments.
    pub arguments: Table,
}

impl VirtualHost {
    /// Declares a queue, or checks that it is what it is declared as.
    pub fn declare_queue(
        &self,
        asked: &DeclareQueue<'_>,
        permit: &dyn Permit,
        wakes: &mut Wakes,
    ) -> Result<Arc<Queue>> {
        if asked.name.starts_with(RESERVED_PREFIX) {
            let text = format!(
                "queue name '{}' contains reserved prefix '{RESERVED_PREFIX}*'",
                asked.name
            );
            return Err(Error::access_refused(text));
        }
        // An exclusive queue cannot outlive its connection, whatever it was asked to be.
        let durable = asked.durable && !asked.exclusive;
        let owner = asked.exclusive.then_some(asked.connection);
        let name: Arc<str> = match asked.name {
            "" => names::generate(names::QUEUE_PREFIX).into(),
            name => name.into(),
        };
        permit.queue(&name)?;
        let flags = (asked.durable, asked.exclusive, asked.auto_delete);
        let with_type = self.with_default_type(&asked.arguments, flags);
        let arguments = with_type.as_ref().unwrap_or(&asked.arguments);
        let mut topology = self.open_topology()?;
        self.ledger.churn.queue_declared.add(1);
        if !asked.name.is_empty()
            && let Ok(queue) = self.queue(asked.name)
        {
            let auto_delete = asked.auto_delete;
            queue.check_equivalent(&Asked { owner, durable, auto_delete, arguments })?;
            queue.note_use(wakes);
            return Ok(queue);
        }
        self.check_queue_limit(&name)?;
        permit.new_queue(&name, arguments)?;
        let options = self.check_new(asked, arguments)?;
        let spec = QueueSpec {
            id: self.home.store.new_queue_id(),
            name: name.clone(),
            vhost: self.name().clone(),
            durable,
            auto_delete: asked.auto_delete,
            owner,
            options,
        };
        let options = &spec.options;
        let (rules, shown) =
            topology.policies.rules(options.nature.kind, &name, &options.arguments);
        let queue = Queue::new(spec, Arc::new(rules), self.home.clone());
        queue.set_effective_policy(shown);
        // First, so that the store knows the queue before any of its messages.
        self.changes(wakes).define(durable::queue(&queue));
        self.ledger.churn.queue_created.add(1);
        announce::queue_created(&self.events, &queue);
        self.queues.insert(name, queue.clone());
        Ok(queue)
    }

    /// Deletes a queue with its bindings and tells its consumers; how many messages were ready.
    pub fn delete_queue(
        &self,
        queue: &Arc<Queue>,
        conditions: Conditions,
        wakes: &mut Wakes,
    ) -> Result<usize> {
        let mut topology = self.topology.lock();
        let ready = queue.close(conditions, wakes).map_err(|unless| {
            Error::precondition_failed(match unless {
                Unless::Used => format!("{queue} in use"),
                Unless::NotEmpty => format!("{queue} not empty"),
            })
        })?;
        let was_there = self.take_out(queue);
        let destination = Destination::Queue(queue.clone());
        let mut changes = self.changes(wakes);
        if topology.leads_to(&destination) {
            let gone = topology.remove_destination(&destination, &mut changes);
            self.remove_exchanges(&mut topology, gone, &mut changes);
        }
        // Somebody else may have deleted it, and declared another one under its name.
        if was_there {
            changes.forget(durable::queue(queue));
            announce::queue_deleted(changes.events, queue);
        }
        drop(topology);
        Ok(ready.len())
    }

    fn check_queue_limit(&self, name: &str) -> Result<()> {
        let limit = self.settings().limits.max_queues;
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else {
            return Ok(());
        };
        if self.queues.len() < limit {
            return Ok(());
        }
        Err(Error::precondition_failed(format!(
            "cannot declare queue '{name}': queue limit in vhost '{}' ({limit}) is reached",
            self.name()
        )))
    }

    fn check_new(&self, asked: &DeclareQueue<'_>, arguments: &Table) -> Result<QueueOptions> {
        let refuse = |refusal: Refusal| {
            let text = refusal.text(&self.describe_queue(asked.name));
            match refusal {
                Refusal::StreamsMissing => Error::not_implemented(text),
                _ => Error::precondition_failed(text),
            }
        };
        let options = QueueOptions::parse(arguments).map_err(refuse)?;
        options.check_name(asked.name).map_err(refuse)?;
        options.check_flags(asked.durable, asked.exclusive, asked.auto_delete).map_err(refuse)?;
        for argument in options.without_effect() {
            tracing::warn!(queue = asked.name, argument, "accepted, but without effect so far");
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DataDirectory, Definition, Recovered, Store};
    use crate::vhost::{Unchecked, VhostSettings};

    fn open(path: &std::path::Path) -> (Arc<Store>, Recovered) {
        Store::open(DataDirectory::open(path).expect("opened")).expect("opened")
    }

    /// Somebody holds on to a queue that is deleted and declared again, and deletes it later: an
    /// auto-delete one that has lost its last consumer, for instance.
    #[test]
    fn deleting_what_is_gone_leaves_the_new_one_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let (store, _) = open(directory.path());
        let (settings, ledger) = (VhostSettings::default(), Arc::default());
        let (timers, events) = (Arc::default(), Arc::default());
        let vhost = VirtualHost::new("/", settings, store.clone(), timers, ledger, events)
            .expect("a vhost");
        let wakes = &mut Wakes::default();
        let declare = DeclareQueue {
            name: "jobs",
            connection: ConnectionId(1),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: Table::default(),
        };
        let old = vhost.declare_queue(&declare, &Unchecked, wakes).expect("declared");
        vhost.delete_queue(&old, Conditions::default(), wakes).expect("deleted");
        let new = vhost.declare_queue(&declare, &Unchecked, wakes).expect("declared again");
        vhost.delete_queue(&old, Conditions::default(), wakes).expect("gone already");
        assert!(Arc::ptr_eq(&vhost.queue("jobs").expect("there"), &new));
        let id = new.spec().id;
        wakes.flush();
        store.close(&[]);
        drop((vhost, old, new, store));

        let (_, recovered) = open(directory.path());
        let [Definition::Queue(found)] = &recovered.definitions[..] else {
            panic!("not one queue: {:?}", recovered.definitions);
        };
        assert_eq!((&*found.name, found.id), ("jobs", id));
    }
}
