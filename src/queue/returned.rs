//! Messages that have come back to their places, with or without their octets, and what they add
//! up to.

use std::collections::BTreeMap;

use super::kept::Kept;
use super::volume::Volume;
use crate::message::{Message, MessageId};
use crate::outbox::Entry;

/// Messages that have come back.
#[derive(Debug, Default)]
pub(super) struct Returned {
    all: BTreeMap<MessageId, Kept>,
    volume: Volume,
    /// Those that are in memory: how many, the octets of their bodies, and what they take.
    resident: usize,
    resident_body_bytes: u64,
    bytes: usize,
}

impl Returned {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn volume(&self) -> Volume {
        self.volume
    }

    /// Those that are in memory: how many, and the octets of their bodies.
    pub(super) fn resident(&self) -> (usize, u64) {
        (self.resident, self.resident_body_bytes)
    }

    /// What they take of memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.all.values()
    }

    pub(super) fn first(&self) -> Option<&Kept> {
        self.all.first_key_value().map(|(_, kept)| kept)
    }

    pub(super) fn insert(&mut self, kept: Kept) {
        self.volume.add(Volume::from(&kept));
        self.note_loaded(kept.message.as_ref());
        self.all.insert(kept.id, kept);
    }

    /// Takes the first one, if its message is in memory.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let first = self.all.first_entry()?;
        first.get().message.as_ref()?;
        let kept = first.remove();
        self.note_gone(&kept);
        kept.into_entry()
    }

    /// A message has been read; `None` if it cannot be. True if it is lost.
    pub(super) fn on_read(&mut self, id: MessageId, message: Option<&Message>) -> bool {
        // It may have come back with its message, or have gone, since it was asked for.
        let Some(kept) = self.all.get_mut(&id).filter(|kept| kept.message.is_none()) else {
            return false;
        };
        if message.is_some() {
            kept.message = message.cloned();
            self.note_loaded(message);
            return false;
        }
        if let Some(lost) = self.all.remove(&id) {
            self.note_gone(&lost);
        }
        true
    }

    fn note_loaded(&mut self, message: Option<&Message>) {
        if let Some(message) = message {
            self.resident += 1;
            self.resident_body_bytes += message.body_bytes() as u64;
            self.bytes += message.memory_bytes();
        }
    }

    fn note_gone(&mut self, kept: &Kept) {
        self.volume.subtract(Volume::from(kept));
        if let Some(message) = &kept.message {
            self.resident -= 1;
            self.resident_body_bytes -= message.body_bytes() as u64;
            self.bytes -= message.memory_bytes();
        }
    }
}
