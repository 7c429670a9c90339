//! What lies behind a queue: the store, as far as one queue's states know it.
//!
//! Everything here is called under the queue's lock, so an answer to `read` must come later, from
//! elsewhere.

use super::{Kept, Queue};
use crate::message::{Message, MessageId, Seq};
use crate::outbox::Wakes;
use crate::store::{Read, ReadBack, Wanted};

/// The store behind one queue. Tests have one that settles and answers when they say so.
pub trait Backing {
    /// Hands a message over.
    fn append(&self, id: MessageId, message: &Message, wakes: &mut Wakes) -> Seq;
    /// Whether what was handed over can be read back.
    fn is_settled(&self, seq: Seq) -> bool;
    /// Whether transient messages should be handed over too.
    fn is_memory_short(&self) -> bool;
    /// Messages are settled for good. There is at least one, and the store has had each.
    fn remove(&self, settled: &[(MessageId, Seq)], wakes: &mut Wakes);
    /// A message has come back.
    fn count(&self, kept: &Kept, wakes: &mut Wakes);
    /// All of them are, both ends included.
    fn remove_range(&self, first: MessageId, last: MessageId, wakes: &mut Wakes);
    /// Asks for messages.
    fn read(&self, wanted: Wanted, max_bytes: usize, token: u64);
    /// Another window in place of the present one.
    fn resize_window(&self, window_bytes: usize) -> usize;
    /// The smallest window will do.
    fn give_window_back(&self, window_bytes: usize);
}

impl Backing for Queue {
    fn append(&self, id: MessageId, message: &Message, wakes: &mut Wakes) -> Seq {
        self.store().append(self.spec.id, id, message, wakes)
    }

    fn is_settled(&self, seq: Seq) -> bool {
        self.store().is_settled(seq)
    }

    fn is_memory_short(&self) -> bool {
        self.store().is_memory_short()
    }

    fn remove(&self, settled: &[(MessageId, Seq)], wakes: &mut Wakes) {
        self.store().remove(self.spec.id, settled, wakes);
    }

    fn count(&self, kept: &Kept, wakes: &mut Wakes) {
        if kept.seq != Seq::NONE {
            self.store().count(self.spec.id, kept.id, kept.seq, kept.attempts, wakes);
        }
    }

    fn remove_range(&self, first: MessageId, last: MessageId, wakes: &mut Wakes) {
        self.store().remove_range(self.spec.id, first, last, wakes);
    }

    fn read(&self, wanted: Wanted, max_bytes: usize, token: u64) {
        // Without anybody who holds the queue nobody waits for its messages either.
        if let Some(this) = self.this.upgrade() {
            self.store().read(self.spec.id, wanted, max_bytes, token, this);
        }
    }

    fn resize_window(&self, window_bytes: usize) -> usize {
        self.store().windows().resize(window_bytes)
    }

    fn give_window_back(&self, window_bytes: usize) {
        self.store().windows().give_back(window_bytes);
    }
}

impl ReadBack for Queue {
    fn on_read(&self, token: u64, read: Read, wakes: &mut Wakes) {
        let answer = self.change(wakes, |state, wakes| state.on_read(token, read, self, wakes));
        self.report(answer);
    }
}
