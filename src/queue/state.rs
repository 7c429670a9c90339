//! What a queue does, as a plain state machine: who gets which message, when.
//!
//! No lock, no async, no clock, no disk. Its one outward step is into an outbox, which in a test
//! is a list to read back. A delivered message that is to be acknowledged is kept by the channel
//! that it went to, which either settles it or puts it back.

use super::consumer::{ChannelCredit, ConsumerSpec, Consumers, Taken};
use super::ready::Ready;
use crate::message::{Message, MessageId};
use crate::outbox::{ConsumerId, Entry, Outbox, Wakes};
use std::sync::Arc;

/// The queue was deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed;

/// Why a consumer is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The queue was deleted.
    Closed,
    /// Somebody consumes exclusively, or the newcomer wants to and is not alone.
    ExclusiveUse,
}

/// Why a queue is not deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unless {
    /// It has consumers.
    Used,
    /// It has messages ready.
    NotEmpty,
}

/// What a queue leaves when it is deleted.
#[derive(Debug)]
pub struct Remains {
    /// The messages that were ready. Dropping a million of them takes a while: not under a lock.
    pub ready: Ready,
    /// The consumers that have to be told.
    pub consumers: Vec<(ConsumerId, Arc<Outbox>)>,
}

/// How many messages a queue has, and consumers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Waiting.
    pub ready: usize,
    /// Delivered and not settled.
    pub unacked: usize,
    /// Consumers, whether they have room or not.
    pub consumers: usize,
}

/// What a channel held of a queue when it ended.
#[derive(Debug, Default)]
pub struct Released {
    /// Consumers that it had.
    pub consumers: Vec<ConsumerId>,
    /// Delivered and not settled.
    pub seen: Vec<Entry>,
    /// On their way.
    pub unseen: Vec<Entry>,
    /// How many of all of them count as unacknowledged.
    pub unacked: usize,
}

/// The state of one queue.
#[derive(Debug, Default)]
pub struct QueueState {
    ready: Ready,
    consumers: Consumers,
    single_active: bool,
    unacked: usize,
    last_id: u64,
    closed: bool,
}

impl QueueState {
    /// An empty queue.
    pub fn new(single_active: bool) -> Self {
        Self { consumers: Consumers::new(single_active), single_active, ..Self::default() }
    }

    /// How full it is.
    pub fn counts(&self) -> Counts {
        Counts { ready: self.ready.len(), unacked: self.unacked, consumers: self.consumers.len() }
    }

    /// Takes a message in, and hands it out at once if it can.
    #[inline]
    pub fn publish(&mut self, message: Message, wakes: &mut Wakes) -> Result<MessageId, Closed> {
        if self.closed {
            return Err(Closed);
        }
        self.last_id += 1;
        let id = MessageId(self.last_id);
        self.ready.push(Entry { id, redelivered: false, message });
        self.deliver(wakes);
        Ok(id)
    }

    /// Takes the first message for `basic.get`; with it, how many remain.
    pub fn get(&mut self, no_ack: bool) -> Option<(Entry, usize)> {
        let entry = self.ready.pop()?;
        self.unacked += usize::from(!no_ack);
        Some((entry, self.ready.len()))
    }

    /// Settles deliveries for good: acknowledged, or rejected for ever.
    #[inline]
    pub fn settle(&mut self, consumer: Option<ConsumerId>, count: usize, wakes: &mut Wakes) {
        self.unacked = self.unacked.saturating_sub(count);
        if let Some(id) = consumer {
            self.consumers.settle(id, count as u32);
        }
        self.deliver(wakes);
    }

    /// Puts deliveries back to their old places.
    pub fn requeue(
        &mut self,
        consumer: Option<ConsumerId>,
        entries: impl IntoIterator<Item = Entry>,
        wakes: &mut Wakes,
    ) {
        let mut count = 0;
        for entry in entries {
            count += 1;
            if !self.closed {
                self.ready.put_back(Entry { redelivered: true, ..entry });
            }
        }
        self.settle(consumer, count, wakes);
    }

    /// Removes a consumer whose deliveries are about to come back with
    /// [`release`](Self::release).
    pub fn detach(&mut self, id: ConsumerId) {
        self.consumers.remove(id);
    }

    /// Takes back what a channel that has ended held: what its client has seen, and what was
    /// still on its way. True if no consumer is left.
    pub fn release(&mut self, held: Released, wakes: &mut Wakes) -> bool {
        self.unacked = self.unacked.saturating_sub(held.unacked);
        if !self.closed {
            for entry in held.unseen {
                self.ready.put_back(entry);
            }
            for entry in held.seen {
                self.ready.put_back(Entry { redelivered: true, ..entry });
            }
        }
        self.deliver(wakes);
        self.consumers.is_empty()
    }

    /// Adds a consumer and gives it what is there.
    pub fn consume(&mut self, spec: ConsumerSpec, wakes: &mut Wakes) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        let alone = self.consumers.is_empty();
        let exclusive = spec.exclusive && (self.single_active || !alone);
        if exclusive || self.consumers.has_exclusive() {
            return Err(Refused::ExclusiveUse);
        }
        self.consumers.add(spec);
        self.deliver(wakes);
        Ok(())
    }

    /// Removes a consumer. What it holds stays with its channel. True if it was the last one.
    pub fn cancel(&mut self, id: ConsumerId, wakes: &mut Wakes) -> bool {
        let was_there = self.consumers.remove(id);
        self.deliver(wakes);
        was_there && self.consumers.is_empty()
    }

    /// Looks again at a consumer that may have room now.
    pub fn resume(&mut self, id: ConsumerId, wakes: &mut Wakes) {
        self.consumers.resume(id);
        self.deliver(wakes);
    }

    /// Takes out what is ready, to be dropped.
    pub fn purge(&mut self) -> Ready {
        std::mem::take(&mut self.ready)
    }

    /// Ends the queue, unless it is in use or not empty and that matters.
    pub fn close(&mut self, if_unused: bool, if_empty: bool) -> Result<Remains, Unless> {
        if if_empty && !self.ready.is_empty() {
            return Err(Unless::NotEmpty);
        }
        if if_unused && !self.consumers.is_empty() {
            return Err(Unless::Used);
        }
        self.closed = true;
        self.unacked = 0;
        let ready = std::mem::take(&mut self.ready);
        Ok(Remains { ready, consumers: self.consumers.clear() })
    }

    /// Hands ready messages to consumers with room, in turn, until one of the two runs out.
    #[inline]
    fn deliver(&mut self, wakes: &mut Wakes) {
        while self.consumers.any_in_turn() {
            let Some(entry) = self.ready.pop() else { break };
            match self.consumers.offer(entry, wakes) {
                Ok(Taken::ToBeAcked) => self.unacked += 1,
                Ok(Taken::ForGood) => {}
                Err(back) => {
                    self.ready.unpop(back);
                    break;
                }
            }
        }
    }
}

/// A consumer for tests and for code that has no channel: no limits.
impl ConsumerSpec {
    /// A plain consumer with manual acknowledgements.
    pub fn plain(id: ConsumerId, outbox: Arc<Outbox>) -> Self {
        Self {
            id,
            no_ack: false,
            exclusive: false,
            priority: 0,
            prefetch: 0,
            channel: Arc::new(ChannelCredit::default()),
            outbox,
        }
    }
}
