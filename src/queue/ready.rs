//! The messages of a queue that wait, in the order of their ids.
//!
//! New ones come at the end. One that is put back has an old id and goes to its old place; that is
//! rare and mostly at the front, so such messages are kept apart, sorted, and merged on the way
//! out.

use std::collections::{BTreeMap, VecDeque};

use crate::message::MessageId;
use crate::outbox::Entry;

/// An empty list above this size gives its memory back.
const KEEP_CAPACITY: usize = 4096;

/// The messages that wait.
#[derive(Debug, Default)]
pub struct Ready {
    fresh: VecDeque<Entry>,
    returned: BTreeMap<MessageId, Entry>,
}

impl Ready {
    /// How many.
    #[inline]
    pub fn len(&self) -> usize {
        self.fresh.len() + self.returned.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.returned.is_empty()
    }

    /// Appends a message with an id above all others.
    #[inline]
    pub(super) fn push(&mut self, entry: Entry) {
        self.fresh.push_back(entry);
    }

    /// Puts a message back to its place.
    pub(super) fn put_back(&mut self, entry: Entry) {
        self.returned.insert(entry.id, entry);
    }

    /// Takes the first message.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry> {
        if !self.returned.is_empty() && self.returned_first() {
            return self.returned.pop_first().map(|(_, entry)| entry);
        }
        let entry = self.fresh.pop_front();
        if self.fresh.is_empty() && self.fresh.capacity() > KEEP_CAPACITY {
            self.fresh = VecDeque::new();
        }
        entry
    }

    /// Undoes a [`pop`](Self::pop).
    pub(super) fn unpop(&mut self, entry: Entry) {
        self.fresh.push_front(entry);
        // A returned message may be older than nothing here: the popped one was the first of all.
    }

    fn returned_first(&self) -> bool {
        match (self.returned.first_key_value(), self.fresh.front()) {
            (Some((id, _)), Some(fresh)) => *id < fresh.id,
            (first, _) => first.is_some(),
        }
    }
}
