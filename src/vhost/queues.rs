//! Queues come and go.

use std::sync::Arc;

use super::{RESERVED_PREFIX, VirtualHost};
use crate::amqp::table::Table;
use crate::error::{Error, Result};
use crate::exchange::Destination;
use crate::names;
use crate::outbox::Wakes;
use crate::queue::equivalence::Asked;
use crate::queue::{ConnectionId, Queue, QueueOptions, QueueSpec, Refusal, Unless};

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

/// `queue.delete` (50, 40), or what stands for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeleteQueue {
    /// Not while it has consumers.
    pub if_unused: bool,
    /// Not while it has messages ready.
    pub if_empty: bool,
}

impl VirtualHost {
    /// Declares a queue, or checks that it is what it is declared as.
    pub fn declare_queue(&self, asked: &DeclareQueue<'_>) -> Result<Arc<Queue>> {
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
        let _turn = self.topology.lock();
        if !asked.name.is_empty()
            && let Ok(queue) = self.queue(asked.name)
        {
            let arguments = &asked.arguments;
            let auto_delete = asked.auto_delete;
            queue.check_equivalent(&Asked { owner, durable, auto_delete, arguments })?;
            return Ok(queue);
        }
        let options = self.check_new(asked)?;
        let name: Arc<str> = match asked.name {
            "" => names::generate(names::QUEUE_PREFIX).into(),
            name => name.into(),
        };
        let vhost = self.name().clone();
        let auto_delete = asked.auto_delete;
        let id = self.store.new_queue_id();
        let spec =
            QueueSpec { id, name: name.clone(), vhost, durable, auto_delete, owner, options };
        let queue = Queue::new(spec, self.store.clone());
        self.queues.insert(name, queue.clone());
        Ok(queue)
    }

    /// Deletes a queue with its bindings and tells its consumers; how many messages were ready.
    pub fn delete_queue(
        &self,
        queue: &Arc<Queue>,
        delete: DeleteQueue,
        wakes: &mut Wakes,
    ) -> Result<usize> {
        let mut topology = self.topology.lock();
        let ready = queue.close(delete.if_unused, delete.if_empty, wakes).map_err(|unless| {
            Error::precondition_failed(match unless {
                Unless::Used => format!("{queue} in use"),
                Unless::NotEmpty => format!("{queue} not empty"),
            })
        })?;
        self.queues.remove_if(queue.name(), |_, current| Arc::ptr_eq(current, queue));
        let destination = Destination::Queue(queue.clone());
        if topology.leads_to(&destination) {
            let gone = topology.remove_destination(&destination);
            self.remove_exchanges(&mut topology, gone);
        }
        drop(topology);
        Ok(ready.len())
    }

    fn check_new(&self, asked: &DeclareQueue<'_>) -> Result<QueueOptions> {
        let refuse = |refusal: Refusal| {
            let text = refusal.text(&self.describe_queue(asked.name));
            match refusal {
                Refusal::StreamsMissing => Error::not_implemented(text),
                _ => Error::precondition_failed(text),
            }
        };
        let options = QueueOptions::parse(&asked.arguments).map_err(refuse)?;
        options.check_name(asked.name).map_err(refuse)?;
        options.check_flags(asked.durable, asked.exclusive, asked.auto_delete).map_err(refuse)?;
        for argument in options.without_effect() {
            tracing::warn!(queue = asked.name, argument, "accepted, but without effect so far");
        }
        Ok(options)
    }
}
