//! One message on its way into the queues of its route, and into the store for those that keep it.
//!
//! The store has a message once, however many queues keep it, and in all of them or in none: what
//! goes to several is begun before the first and ended behind the last. Knows no routes.

use std::sync::Arc;

use crate::message::{Message, Seq};
use crate::outbox::Wakes;
use crate::queue::{NotTaken, Queue};
use crate::store::Store;

/// How far a message is. It has to be brought to its [`end`](Self::end); if it is dropped before,
/// the store is told all the same, since it waits for that.
#[derive(Debug, Default)]
pub struct Handover {
    /// The number under which several queues keep it.
    shared: Option<(Seq, Arc<Store>)>,
    so_far: Handed,
    /// The store has it under several numbers: one of them may be settled long before another.
    split: bool,
    /// A queue was deleted, so that the route is not what it was.
    pub met_closed: bool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handed {
    /// A queue was there for it, whether it had room or not.
    pub taken: bool,
    /// A queue had no room for it.
    pub refused: bool,
    /// What a confirm has to wait for.
    pub seq: Seq,
}

impl Handover {
    /// Publishes it to queues.
    #[inline]
    pub fn publish<'a>(
        &mut self,
        message: &Message,
        queues: impl Iterator<Item = &'a Arc<Queue>> + Clone,
        store: &Arc<Store>,
        wakes: &mut Wakes,
    ) {
        if self.shared.is_none() {
            let mut keeping = queues.clone().filter(|queue| queue.keeps(message));
            if let (Some(_), Some(_)) = (keeping.next(), keeping.next()) {
                let seq = if message.persistent() {
                    store.begin(message)
                } else {
                    store.begin(&message.clone().kept())
                };
                self.shared = Some((seq, store.clone()));
            }
        }
        let shared = self.shared.as_ref().map(|(seq, _)| *seq);
        for queue in queues {
            match queue.publish(message.clone(), shared, wakes) {
                Ok(seq) => {
                    let so_far = &mut self.so_far;
                    so_far.taken = true;
                    let others = [Seq::NONE, seq];
                    self.split |= seq != Seq::NONE && !others.contains(&so_far.seq);
                    so_far.seq = so_far.seq.max(seq);
                }
                Err(NotTaken::Full) => {
                    self.so_far.taken = true;
                    self.so_far.refused = true;
                }
                Err(NotTaken::Closed) => self.met_closed = true,
            }
        }
    }

    /// It has been everywhere.
    #[inline]
    pub fn end(mut self, store: &Store, wakes: &mut Wakes) -> Handed {
        if let Some((seq, _)) = self.shared.take() {
            store.end(seq, wakes);
        }
        if self.split {
            self.so_far.seq = store.fence(wakes);
        }
        self.so_far
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if let Some((seq, store)) = self.shared.take() {
            store.end(seq, &mut Wakes::default());
        }
    }
}
