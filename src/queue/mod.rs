//! Queues: the lock and the store around the state machine.
//!
//! Knows no channels, no frames and no exchanges.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::message::{Message, MessageId};
use crate::outbox::{ConsumerId, Entry, Outgoing, Wakes};
use crate::store::{QueueId, RecoveredQueue, Store};

mod consumer;
pub mod equivalence;
mod options;
mod ready;
mod state;

pub use consumer::{ChannelCredit, ConsumerSpec};
pub use options::{QueueKind, QueueOptions, Refusal};
pub use ready::Ready;
pub use state::{Closed, Counts, QueueState, Refused, Released, Remains, Unless};

/// Identifies a connection in the whole process; the owner of exclusive queues.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// What a queue is declared with.
#[derive(Clone, Debug)]
pub struct QueueSpec {
    /// Its number in the store.
    pub id: QueueId,
    /// Its name in its virtual host.
    pub name: Arc<str>,
    /// Its virtual host's name.
    pub vhost: Arc<str>,
    /// Survives a restart. Never set for an exclusive queue.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The connection that alone may use it, and that it goes with.
    pub owner: Option<ConnectionId>,
    /// Its arguments.
    pub options: QueueOptions,
}

/// A queue.
#[derive(Debug)]
pub struct Queue {
    spec: QueueSpec,
    store: Arc<Store>,
    state: Mutex<QueueState>,
}

impl Queue {
    /// An empty queue.
    pub fn new(spec: QueueSpec, store: Arc<Store>) -> Self {
        let state = Mutex::new(QueueState::new(spec.options.single_active));
        Self { spec, store, state }
    }

    /// A queue as it was before the start.
    pub fn recovered(spec: QueueSpec, _had: RecoveredQueue, store: Arc<Store>) -> Self {
        Self::new(spec, store)
    }

    /// Messages up to this one may have been delivered.
    pub fn delivered_to(&self) -> MessageId {
        MessageId::default()
    }

    /// What it was declared with.
    pub fn spec(&self) -> &QueueSpec {
        &self.spec
    }

    /// Its name in its virtual host.
    pub fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    /// Refuses anybody but the owner of an exclusive queue.
    pub fn check_access(&self, connection: ConnectionId) -> Result<()> {
        match self.spec.owner {
            Some(owner) if owner != connection => Err(self.locked()),
            _ => Ok(()),
        }
    }

    /// How full it is.
    pub fn counts(&self) -> Counts {
        self.state.lock().counts()
    }

    /// Takes a message in.
    #[inline]
    pub fn publish(&self, message: Message, wakes: &mut Wakes) -> std::result::Result<(), Closed> {
        if self.spec.durable && message.persistent() {
            let mut state = self.state.lock();
            let id = state.publish(message.clone(), wakes)?;
            // Under the lock, so that the log's order is the queue's.
            let _ = (id, &message);
        } else {
            self.state.lock().publish(message, wakes)?;
        }
        Ok(())
    }

    /// Takes the first message, for `basic.get`; with it, how many remain.
    pub fn get(&self, no_ack: bool) -> Option<(Entry, usize)> {
        let mut state = self.state.lock();
        let (entry, remaining) = state.get(no_ack)?;
        if no_ack {
            self.forget(&[entry.id]);
        }
        Some((entry, remaining))
    }

    /// Settles deliveries for good.
    #[inline]
    pub fn settle(&self, consumer: Option<ConsumerId>, ids: &[MessageId], wakes: &mut Wakes) {
        let mut state = self.state.lock();
        state.settle(consumer, ids.len(), wakes);
        self.forget(ids);
    }

    /// Puts deliveries back to their old places.
    pub fn requeue(
        &self,
        consumer: Option<ConsumerId>,
        entries: impl IntoIterator<Item = Entry>,
        wakes: &mut Wakes,
    ) {
        self.state.lock().requeue(consumer, entries, wakes);
    }

    /// Removes a consumer whose deliveries come back with [`release`](Self::release).
    pub fn detach(&self, id: ConsumerId) {
        self.state.lock().detach(id);
    }

    /// Takes back what a channel that has ended held. True if the queue has to go with it.
    pub fn release(&self, held: Released, wakes: &mut Wakes) -> bool {
        let had_consumers = !held.consumers.is_empty();
        let unused = self.state.lock().release(held, wakes);
        had_consumers && unused && self.spec.auto_delete
    }

    /// Adds a consumer.
    pub fn consume(&self, spec: ConsumerSpec, wakes: &mut Wakes) -> Result<()> {
        self.state.lock().consume(spec, wakes).map_err(|refused| match refused {
            Refused::Closed => Error::not_found(format!("no {self}")),
            Refused::ExclusiveUse => Error::access_refused(format!("{self} in exclusive use")),
        })
    }

    /// Removes a consumer. True if the queue has to go with it.
    pub fn cancel(&self, id: ConsumerId, wakes: &mut Wakes) -> bool {
        self.state.lock().cancel(id, wakes) && self.spec.auto_delete
    }

    /// Looks again at a consumer that may have room now.
    pub fn resume(&self, id: ConsumerId, wakes: &mut Wakes) {
        self.state.lock().resume(id, wakes);
    }

    /// Drops what is ready; how much that was.
    pub fn purge(&self) -> usize {
        let purged = {
            let mut state = self.state.lock();

            state.purge()
        };
        purged.len() // and dropped, without the lock
    }

    /// Ends the queue, unless it is in use or not empty and that matters, and tells its consumers;
    /// gives the messages that were ready, which are better dropped without a lock.
    pub fn close(
        &self,
        if_unused: bool,
        if_empty: bool,
        wakes: &mut Wakes,
    ) -> std::result::Result<Ready, Unless> {
        let remains = self.state.lock().close(if_unused, if_empty)?;
        for (id, outbox) in remains.consumers {
            outbox.push(Outgoing::Cancelled(id), wakes);
        }
        Ok(remains.ready)
    }

    fn locked(&self) -> Error {
        Error::resource_locked(format!(
            "cannot obtain exclusive access to locked {self}. It could be originally declared on \
             another connection or the exclusive property value does not match that of the \
             original declaration."
        ))
    }

    #[inline]
    fn forget(&self, ids: &[MessageId]) {
        if self.spec.durable {
            let _ = ids;
        }
    }
}

impl std::fmt::Display for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "queue '{}' in vhost '{}'", self.spec.name, self.spec.vhost)
    }
}
