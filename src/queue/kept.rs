//! A delivered message that may come back to its queue, with or without its octets.
//!
//! Whoever holds many of them drops the messages of those that the store can give back; the place
//! in the queue is all that is needed to settle one, and to put it back.

use crate::message::{Attempts, Message, MessageId, Seq};
use crate::outbox::Entry;

/// An entry whose message may have been dropped, since the store has it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its place in the queue.
    pub id: MessageId,
    /// When the store got it.
    pub seq: Seq,
    /// Whether the queue has handed it out before.
    pub redelivered: bool,
    /// How often it has come back, in a queue that counts.
    pub attempts: Attempts,
    /// The size of its body.
    pub body_bytes: u32,
    /// The message, if it is in memory.
    pub message: Option<Message>,
}

impl Kept {
    /// What of it is in memory, roughly.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, Message::memory_bytes)
    }

    /// Drops the message if the store can give it back. False if it stays.
    pub fn page_out(&mut self, is_settled: impl FnOnce(Seq) -> bool) -> bool {
        if self.message.is_some() && self.seq != Seq::NONE && is_settled(self.seq) {
            self.message = None;
        }
        self.message.is_none()
    }

    /// As an entry, if the message is in memory.
    pub(super) fn into_entry(self) -> Option<Entry> {
        let Self { id, seq, redelivered, attempts, message, .. } = self;
        message.map(|message| Entry { id, seq, redelivered, attempts, message })
    }
}

impl From<Entry> for Kept {
    fn from(Entry { id, seq, redelivered, attempts, message }: Entry) -> Self {
        let body_bytes = u32::try_from(message.body_bytes()).unwrap_or(u32::MAX);
        Self { id, seq, redelivered, attempts, body_bytes, message: Some(message) }
    }
}
