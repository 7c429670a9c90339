//! Entries in the order of their ids, all in memory, and how much of it they take.

use std::collections::VecDeque;

use super::volume::Volume;
use crate::message::Seq;
use crate::outbox::Entry;

/// A list with room for more than this gives memory back when it has become short.
const KEEP_CAPACITY: usize = 4096;
/// It is short when it fills less than this part of its room.
const SHORT_PART: usize = 8;

/// Entries that are in memory.
#[derive(Debug, Default)]
pub(super) struct Run {
    entries: VecDeque<Entry>,
    bytes: usize,
    body_bytes: u64,
    /// Those that the store has, and the octets of their bodies.
    kept: u64,
    kept_bytes: u64,
}

impl Run {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What they take of memory, roughly.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What their bodies have.
    #[inline]
    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// How many, and how large.
    pub(super) fn volume(&self) -> Volume {
        let (count, bytes) = (self.len() as u64, self.body_bytes);
        Volume { count, bytes, kept: self.kept, kept_bytes: self.kept_bytes }
    }

    /// The store has been given some of those that it did not have.
    pub(super) fn note_kept(&mut self, handed: Volume) {
        self.kept += handed.kept;
        self.kept_bytes += handed.kept_bytes;
    }

    /// The first one.
    #[inline]
    pub(super) fn front(&self) -> Option<&Entry> {
        self.entries.front()
    }

    #[inline]
    pub(super) fn push_back(&mut self, entry: Entry) {
        self.note_in(&entry);
        self.entries.push_back(entry);
    }

    #[inline]
    pub(super) fn push_front(&mut self, entry: Entry) {
        self.note_in(&entry);
        self.entries.push_front(entry);
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.note_out(&entry);
        if self.entries.is_empty() && self.entries.capacity() > KEEP_CAPACITY {
            self.entries = VecDeque::new();
        }
        Some(entry)
    }

    /// Takes the first one if that is allowed.
    pub(super) fn pop_front_if(&mut self, allowed: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        if allowed(self.entries.front()?) { self.pop_front() } else { None }
    }

    /// Takes the last one if that is allowed.
    pub(super) fn pop_back_if(&mut self, allowed: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        if !allowed(self.entries.back()?) {
            return None;
        }
        let entry = self.entries.pop_back()?;
        self.note_out(&entry);
        Some(entry)
    }

    #[inline]
    fn note_in(&mut self, entry: &Entry) {
        self.bytes += entry.message.memory_bytes();
        let body_bytes = entry.message.body_bytes() as u64;
        self.body_bytes += body_bytes;
        if entry.seq != Seq::NONE {
            self.kept += 1;
            self.kept_bytes += body_bytes;
        }
    }

    #[inline]
    fn note_out(&mut self, entry: &Entry) {
        self.bytes -= entry.message.memory_bytes();
        let body_bytes = entry.message.body_bytes() as u64;
        self.body_bytes -= body_bytes;
        if entry.seq != Seq::NONE {
            self.kept -= 1;
            self.kept_bytes -= body_bytes;
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Those from an index on. Their messages stay as they are, or the size would be wrong; for
    /// what the store is given meanwhile there is [`note_kept`](Self::note_kept).
    pub(super) fn iter_mut_from(&mut self, index: usize) -> impl Iterator<Item = &mut Entry> {
        let index = index.min(self.entries.len());
        self.entries.range_mut(index..)
    }

    /// Gives memory back that a burst has taken.
    pub(super) fn shrink(&mut self) {
        let (length, capacity) = (self.entries.len(), self.entries.capacity());
        if capacity > KEEP_CAPACITY && length < capacity / SHORT_PART {
            self.entries.shrink_to(length * 2);
        }
    }
}
