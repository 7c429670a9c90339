//! What lies behind a queue: the store, as far as one queue's states know it.
//!
//! Everything here is called under the queue's lock, so an answer to `read` must come later, from
//! elsewhere.

use std::sync::Arc;

use super::{Kept, Queue};
use crate::message::{Message, MessageId, Seq};
use crate::outbox::Wakes;
use crate::store::{QueueId, Read, ReadBack, Store, Wanted};

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

/// Whoever has a number in the store, which is all that lies behind it.
pub(super) trait Stored: ReadBack + Sized {
    fn store(&self) -> &Arc<Store>;
    fn store_id(&self) -> QueueId;
    /// Who gets the store's answers. Without anybody who holds it, nobody waits for them either.
    fn reader(&self) -> Option<Arc<Self>>;
}

impl<T: Stored + 'static> Backing for T {
    fn append(&self, id: MessageId, message: &Message, wakes: &mut Wakes) -> Seq {
        self.store().append(self.store_id(), id, message, wakes)
    }

    fn is_settled(&self, seq: Seq) -> bool {
        self.store().is_settled(seq)
    }

    fn is_memory_short(&self) -> bool {
        self.store().is_memory_short()
    }

    fn remove(&self, settled: &[(MessageId, Seq)], wakes: &mut Wakes) {
        self.store().remove(self.store_id(), settled, wakes);
    }

    fn count(&self, kept: &Kept, wakes: &mut Wakes) {
        if kept.seq != Seq::NONE {
            self.store().count(self.store_id(), kept.id, kept.seq, kept.attempts, wakes);
        }
    }

    fn remove_range(&self, first: MessageId, last: MessageId, wakes: &mut Wakes) {
        self.store().remove_range(self.store_id(), first, last, wakes);
    }

    fn read(&self, wanted: Wanted, max_bytes: usize, token: u64) {
        if let Some(reader) = self.reader() {
            self.store().read(self.store_id(), wanted, max_bytes, token, reader);
        }
    }

    fn resize_window(&self, window_bytes: usize) -> usize {
        self.store().windows().resize(window_bytes)
    }

    fn give_window_back(&self, window_bytes: usize) {
        self.store().windows().give_back(window_bytes);
    }
}

impl Stored for Queue {
    fn store(&self) -> &Arc<Store> {
        &self.home.store
    }

    fn store_id(&self) -> QueueId {
        self.spec.id
    }

    fn reader(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }
}

impl ReadBack for Queue {
    fn on_read(&self, token: u64, read: Read, wakes: &mut Wakes) {
        let answer = self.change(wakes, |state, wakes| state.on_read(token, read, self, wakes));
        self.report(answer);
    }
}
