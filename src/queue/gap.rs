//! The part of a queue that is only in the store, and what is asked of the store to get it back.

use crate::message::{Message, MessageId};
use crate::outbox::Entry;
use crate::store::Wanted;

/// A run of ready messages that are on disk and not in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The first one's id.
    pub first: MessageId,
    /// The last one's id, or one above it that belongs to no other message of the queue.
    pub last: MessageId,
    /// How many there are.
    pub count: u64,
    /// Octets of their bodies.
    pub body_bytes: u64,
}

impl Gap {
    /// The message behind all others has left memory.
    pub(super) fn append(gap: &mut Option<Self>, entry: &Entry) {
        let gap = gap.get_or_insert_with(|| Self::before(entry.id));
        gap.last = entry.id;
        gap.note(entry);
    }

    /// The message before all others has.
    pub(super) fn prepend(gap: &mut Option<Self>, entry: &Entry) {
        let gap = gap.get_or_insert_with(|| Self::before(entry.id));
        gap.first = entry.id;
        gap.note(entry);
    }

    fn before(id: MessageId) -> Self {
        Self { first: id, last: id, count: 0, body_bytes: 0 }
    }

    fn note(&mut self, entry: &Entry) {
        self.count += 1;
        self.body_bytes += entry.message.body_bytes() as u64;
    }

    /// A message of it is in memory again.
    pub(super) fn give_back(&mut self, id: MessageId, message: &Message) {
        self.begin_behind(id);
        self.count = self.count.saturating_sub(1);
        self.body_bytes = self.body_bytes.saturating_sub(message.body_bytes() as u64);
    }

    /// Everything up to there has been looked for.
    pub(super) fn begin_behind(&mut self, id: MessageId) {
        self.first = self.first.max(MessageId(id.0.saturating_add(1)));
    }

    pub(super) fn contains(&self, id: MessageId) -> bool {
        (self.first..=self.last).contains(&id)
    }

    pub(super) fn is_over(&self) -> bool {
        self.count == 0 || self.first > self.last
    }
}

/// Messages that have been asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which.
    pub wanted: Wanted,
    /// About how many octets of them.
    pub max_bytes: usize,
}

/// What an answer of the store has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// Messages that turned out to be missing.
    pub lost: u64,
    /// The answer told nothing: to ask again would be to ask for ever.
    pub told_nothing: bool,
}
