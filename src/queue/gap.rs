//! The part of a queue that is only in the store, and what is asked of the store to get it back.

use crate::message::MessageId;
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
}

impl Gap {
    /// The message behind all others has left memory.
    pub(super) fn append(gap: &mut Option<Self>, id: MessageId) {
        match gap {
            Some(gap) => (gap.last, gap.count) = (id, gap.count + 1),
            None => *gap = Some(Self { first: id, last: id, count: 1 }),
        }
    }

    /// The message before all others has.
    pub(super) fn prepend(gap: &mut Option<Self>, id: MessageId) {
        match gap {
            Some(gap) => (gap.first, gap.count) = (id, gap.count + 1),
            None => *gap = Some(Self { first: id, last: id, count: 1 }),
        }
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
