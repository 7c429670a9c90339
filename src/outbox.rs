//! What the broker has for a connection, pushed by anyone, drained by its one task.
//!
//! A producer wakes the owner only when the box was empty, and only once it is done with its own
//! batch: it collects the boxes in [`Wakes`]. The owner takes everything at once. Deliveries have
//! a limit; a queue that meets a full box keeps its message, and is told when there is room.
//! Knows no sockets and no frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::bell::Bell;
use crate::clock;
use crate::error::Reason;
use crate::message::{Attempts, Message, MessageId, Seq};

/// Deliveries that a connection has not picked up may take this much memory; then its consumers
/// count as having no room. Large enough to fill a socket's buffer many times over.
pub const OUTBOX_MAX_BYTES: usize = 1024 * 1024;

/// Direct replies are kept up to this limit; a requester that leaves more unread loses the rest.
pub const REPLIES_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Identifies a consumer in the whole process, for as long as it lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConsumerId(pub u64);

/// A message in a queue, or on its way out of one.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place in the queue.
    pub id: MessageId,
    /// When the store got it.
    pub seq: Seq,
    /// Whether the queue has handed it out before.
    pub redelivered: bool,
    /// How often it has come back, in a queue that counts.
    pub attempts: Attempts,
    /// The message.
    pub message: Message,
}

/// Something for a connection to act on.
#[derive(Debug)]
pub enum Outgoing {
    /// A message for one of its consumers.
    Delivery {
        /// Whose.
        consumer: ConsumerId,
        /// What.
        entry: Entry,
    },
    /// A consumer's queue is gone.
    Cancelled(ConsumerId),
    /// Somebody wants a consumer to end.
    CancelConsumer {
        /// Its channel.
        channel: u16,
        /// Its tag.
        tag: Box<str>,
    },
    /// Close the connection.
    Close(Reason),
    /// What its user may do has changed.
    AccessChanged,
}

impl Outgoing {
    /// For `retain`: leaves everything but one consumer's deliveries, which go into `entries`.
    pub fn all_but(
        consumer: ConsumerId,
        entries: &mut Vec<Entry>,
    ) -> impl FnMut(&Self) -> bool + '_ {
        move |item| match item {
            Self::Delivery { consumer: id, entry } if *id == consumer => {
                entries.push(entry.clone());
                false
            }
            _ => true,
        }
    }
}

#[derive(Debug, Default)]
struct Pending {
    items: Vec<Outgoing>,
    deliveries_bytes: usize,
    /// A delivery was refused since the last swap.
    refused: bool,
}

/// An empty box above this size gives its memory back.
const KEEP_CAPACITY: usize = 64;

/// The box of one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    pending: Mutex<Pending>,
    wake: Notify,
    /// The store has settled something that the owner waits for.
    settled: AtomicBool,
}

/// Something to be done when no lock is held.
pub trait Deferred: Send + Sync {
    /// Does it. It may defer more.
    fn run(self: Arc<Self>, wakes: &mut Wakes);
}

/// A batch of work: when it began, and what is left to be done at its end. Boxes whose owners have
/// something to look at are woken, the store's bell is rung if there is something for it, and what
/// could not be done under a lock is done.
pub struct Wakes {
    now_ms: u64,
    outboxes: Vec<Arc<Outbox>>,
    bell: Option<Arc<Bell>>,
    deferred: Vec<Arc<dyn Deferred>>,
}

impl Default for Wakes {
    fn default() -> Self {
        Self::at(clock::now_ms())
    }
}

impl Wakes {
    /// A batch that began at that time.
    pub fn at(now_ms: u64) -> Self {
        Self { now_ms, outboxes: Vec::new(), bell: None, deferred: Vec::new() }
    }

    /// When it began: milliseconds since 1970.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The next batch begins.
    pub fn begin(&mut self) {
        self.now_ms = clock::now_ms();
    }

    /// Does that later, when no lock is held.
    pub fn defer(&mut self, work: Arc<dyn Deferred>) {
        self.deferred.push(work);
    }

    /// Does what was deferred, and what that defers, in order.
    #[inline]
    pub fn run_deferred(&mut self) {
        while !self.deferred.is_empty() {
            for work in std::mem::take(&mut self.deferred) {
                work.run(self);
            }
        }
    }

    /// Does what was deferred and wakes the owners.
    pub fn flush(&mut self) {
        self.run_deferred();
        if let Some(bell) = self.bell.take() {
            bell.ring();
        }
        for outbox in self.outboxes.drain(..) {
            outbox.wake.notify_one();
        }
    }

    /// Will ring that bell.
    #[inline]
    pub fn ring(&mut self, bell: &Arc<Bell>) {
        if self.bell.is_none() {
            self.bell = Some(bell.clone());
        }
    }
}

impl std::fmt::Debug for Wakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wakes").field("now_ms", &self.now_ms).finish_non_exhaustive()
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Outbox {
    /// Puts a delivery in, or gives it back if the box is full.
    #[inline]
    pub fn deliver(
        self: &Arc<Self>,
        consumer: ConsumerId,
        entry: Entry,
        wakes: &mut Wakes,
    ) -> Result<(), Entry> {
        self.deliver_up_to(OUTBOX_MAX_BYTES, consumer, entry, wakes)
    }

    /// Puts a direct reply in, or gives it back if far too much waits: there is no queue that
    /// would keep it.
    pub fn deliver_reply(
        self: &Arc<Self>,
        consumer: ConsumerId,
        entry: Entry,
        wakes: &mut Wakes,
    ) -> Result<(), Entry> {
        self.deliver_up_to(REPLIES_MAX_BYTES, consumer, entry, wakes)
    }

    #[inline]
    fn deliver_up_to(
        self: &Arc<Self>,
        max_bytes: usize,
        consumer: ConsumerId,
        entry: Entry,
        wakes: &mut Wakes,
    ) -> Result<(), Entry> {
        let was_empty = {
            let mut pending = self.pending.lock();
            if pending.deliveries_bytes >= max_bytes {
                pending.refused = true;
                return Err(entry);
            }
            pending.deliveries_bytes += entry.message.memory_bytes();
            pending.items.push(Outgoing::Delivery { consumer, entry });
            pending.items.len() == 1
        };
        if was_empty {
            wakes.outboxes.push(self.clone());
        }
        Ok(())
    }

    /// Puts something in that is no delivery, and wakes the owner in any case, since it may be
    /// leaving deliveries where they are. There is room always: there are few such things.
    pub fn push(self: &Arc<Self>, item: Outgoing, wakes: &mut Wakes) {
        self.pending.lock().items.push(item);
        wakes.outboxes.push(self.clone());
    }

    /// Takes everything into `drained`, which is empty. True if a queue was refused meanwhile
    /// and has to be told that there is room now.
    pub fn swap(&self, drained: &mut Vec<Outgoing>) -> bool {
        debug_assert!(drained.is_empty());
        let mut pending = self.pending.lock();
        std::mem::swap(&mut pending.items, drained);
        pending.deliveries_bytes = 0;
        std::mem::take(&mut pending.refused)
    }

    /// Wakes the owner for something that it will see for itself.
    pub fn nudge(self: &Arc<Self>, wakes: &mut Wakes) {
        wakes.outboxes.push(self.clone());
    }

    /// The store has settled something that the owner waits for.
    pub fn tell_settled(self: &Arc<Self>, wakes: &mut Wakes) {
        self.settled.store(true, Ordering::Release);
        wakes.outboxes.push(self.clone());
    }

    /// Whether the store has settled something since the last time.
    #[inline]
    pub fn take_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire) && self.settled.swap(false, Ordering::AcqRel)
    }

    /// Gives memory back that a burst has taken.
    pub fn release(&self) {
        let mut pending = self.pending.lock();
        if pending.items.is_empty() && pending.items.capacity() > KEEP_CAPACITY {
            pending.items = Vec::new();
        }
    }

    /// Takes out what waits for one consumer.
    pub fn extract(&self, consumer: ConsumerId, entries: &mut Vec<Entry>) {
        let mut pending = self.pending.lock();
        let before = entries.len();
        pending.items.retain(Outgoing::all_but(consumer, entries));
        let extracted = entries.iter().skip(before);
        pending.deliveries_bytes -= extracted.map(|e| e.message.memory_bytes()).sum::<usize>();
    }

    /// Waits until somebody has put something in since the last wait.
    pub async fn ready(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Body, address};

    fn entry(id: u64, body: &[u8]) -> Entry {
        let message = Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(body), false);
        let attempts = Attempts::default();
        Entry { id: MessageId(id), seq: Seq::NONE, redelivered: false, attempts, message }
    }

    #[test]
    fn only_the_first_push_wakes() {
        let outbox = Arc::new(Outbox::default());
        let mut wakes = Wakes::default();
        for id in 0..3 {
            outbox.deliver(ConsumerId(1), entry(id, b""), &mut wakes).unwrap();
        }
        assert_eq!(wakes.outboxes.len(), 1);
        let mut drained = Vec::new();
        assert!(!outbox.swap(&mut drained));
        assert_eq!(drained.len(), 3);
    }

    #[test]
    fn a_full_box_refuses_and_remembers_it() {
        let outbox = Arc::new(Outbox::default());
        let mut wakes = Wakes::default();
        let body = vec![0; OUTBOX_MAX_BYTES];
        outbox.deliver(ConsumerId(1), entry(1, &body), &mut wakes).unwrap();
        let back = outbox.deliver(ConsumerId(1), entry(2, b""), &mut wakes).unwrap_err();
        assert_eq!(back.id, MessageId(2));
        outbox.push(Outgoing::Cancelled(ConsumerId(1)), &mut wakes);
        let mut drained = Vec::new();
        assert!(outbox.swap(&mut drained));
        drained.clear();
        assert!(!outbox.swap(&mut drained));
        outbox.deliver(ConsumerId(1), entry(3, b""), &mut wakes).unwrap();
    }
}
