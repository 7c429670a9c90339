//! Where a message is in the log, in 16 octets, and the slot of a page that holds it.
//!
//! The byte form is in docs/format.md, "Index pages". Knows no files and no pages.

use super::record::{ALIGN_BYTES, Place};

/// Octets of a slot on disk.
pub(super) const SLOT_BYTES: usize = 16;

/// The parts of a slot, from its lowest bit on: how many bits each has.
const LOW_BITS: u32 = 8;
const OVERHEAD_BITS: u32 = 18;
const TRANSIENT_BITS: u32 = 1;
const QUEUES_BITS: u32 = 15;
const LENGTH_BITS: u32 = 27;
const OFFSET_BITS: u32 = 27;

const OVERHEAD_AT: u32 = LOW_BITS;
const TRANSIENT_AT: u32 = OVERHEAD_AT + OVERHEAD_BITS;
const QUEUES_AT: u32 = TRANSIENT_AT + TRANSIENT_BITS;
const LENGTH_AT: u32 = QUEUES_AT + QUEUES_BITS;
const OFFSET_AT: u32 = LENGTH_AT + LENGTH_BITS;
const SEGMENT_AT: u32 = OFFSET_AT + OFFSET_BITS;

const fn mask(bits: u32) -> u128 {
    (1 << bits) - 1
}

/// Where a message is in the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Locator(u128);

impl Locator {
    /// A record's place. `queues` share it. Segments are shorter than 1 GiB: offsets and lengths
    /// are kept in units of 8 octets.
    pub(super) fn new(
        segment: u64,
        offset: u64,
        bytes: u64,
        queues: usize,
        transient: bool,
    ) -> Self {
        let unit = ALIGN_BYTES as u64;
        let queues = (queues as u128).clamp(1, mask(QUEUES_BITS));
        let length = u128::from(bytes / unit) & mask(LENGTH_BITS);
        let offset = u128::from(offset / unit) & mask(OFFSET_BITS);
        let segment = u128::from(segment as u32);
        Self(
            u128::from(transient) << TRANSIENT_AT
                | queues << QUEUES_AT
                | length << LENGTH_AT
                | offset << OFFSET_AT
                | segment << SEGMENT_AT,
        )
    }

    /// The same for a record with a body of that size; what is not body counts up to 256 KiB.
    pub(super) fn with_body(self, body_bytes: u64) -> Self {
        let overhead = u128::from(self.bytes().saturating_sub(body_bytes));
        let without = self.0 & !(mask(OVERHEAD_BITS) << OVERHEAD_AT);
        Self(without | overhead.min(mask(OVERHEAD_BITS)) << OVERHEAD_AT)
    }

    fn part(self, at: u32, bits: u32) -> u64 {
        ((self.0 >> at) & mask(bits)) as u64
    }

    /// The segment's number.
    pub(super) fn segment(self) -> u32 {
        (self.0 >> SEGMENT_AT) as u32
    }

    /// The record's offset in its segment.
    pub(super) fn offset(self) -> u64 {
        self.part(OFFSET_AT, OFFSET_BITS) * ALIGN_BYTES as u64
    }

    /// The place of the record's header.
    pub(super) fn place(self, salt: u64) -> Place {
        Place { segment: self.segment().into(), offset: self.offset(), salt }
    }

    /// What the record takes.
    pub(super) fn bytes(self) -> u64 {
        self.part(LENGTH_AT, LENGTH_BITS) * ALIGN_BYTES as u64
    }

    /// The size of the message's body.
    pub(super) fn body_bytes(self) -> u64 {
        self.bytes().saturating_sub(self.part(OVERHEAD_AT, OVERHEAD_BITS))
    }

    /// The part of the record that one queue accounts for.
    pub(super) fn share_bytes(self) -> u64 {
        self.bytes() / self.part(QUEUES_AT, QUEUES_BITS).max(1)
    }

    /// Whether the message is not for after a restart.
    pub(super) fn is_transient(self) -> bool {
        self.part(TRANSIENT_AT, TRANSIENT_BITS) != 0
    }

    /// Whether it is the same record.
    pub(super) fn is_at(self, segment: u64, offset: u64) -> bool {
        u64::from(self.segment()) == segment && self.offset() == offset
    }
}

impl std::fmt::Debug for Locator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}:{}", self.segment(), self.offset(), self.bytes())
    }
}

/// A message on a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(u128);

impl Slot {
    /// A message whose id ends with `low`.
    pub(super) fn new(low: u8, at: Locator) -> Self {
        Self(at.0 & !mask(LOW_BITS) | u128::from(low))
    }

    /// The id within the page.
    pub(super) fn low(self) -> u8 {
        self.0 as u8
    }

    /// Where the message is; `None` once it is gone.
    pub(super) fn at(self) -> Option<Locator> {
        let at = Locator(self.0 & !mask(LOW_BITS));
        (at.bytes() > 0).then_some(at)
    }

    /// Takes the message out.
    pub(super) fn take(&mut self) -> Option<Locator> {
        let at = self.at();
        self.0 &= mask(LOW_BITS);
        at
    }

    /// As it is kept.
    pub(super) fn encode(self) -> [u8; SLOT_BYTES] {
        self.0.to_le_bytes()
    }

    /// Reads what was kept; `None` if there is no message in it.
    pub(super) fn decode(octets: [u8; SLOT_BYTES]) -> Option<Self> {
        let slot = Self(u128::from_le_bytes(octets));
        slot.at().map(|_| slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_keeps_to_its_bits() {
        let (segment, offset, bytes) = (u64::from(u32::MAX), (1 << 30) - 8, (1 << 30) - 16);
        let at = Locator::new(segment, offset, bytes, 40_000, true).with_body(bytes - 100_001);
        assert_eq!((at.segment(), at.offset(), at.bytes()), (u32::MAX, offset, bytes));
        assert_eq!((at.body_bytes(), at.share_bytes()), (bytes - 100_001, bytes / 32_767));
        assert!(at.is_transient() && at.is_at(segment, offset));
        let slot = Slot::new(255, at);
        assert_eq!((slot.low(), slot.at()), (255, Some(at)));
        assert_eq!(Slot::decode(slot.encode()), Some(slot));

        let least = Locator::new(0, 0, 16, 0, false).with_body(16);
        assert_eq!((least.body_bytes(), least.share_bytes()), (16, 16));
        assert!(!least.is_transient());
    }

    #[test]
    fn a_slot_is_empty_once_its_message_is_taken() {
        let at = Locator::new(7, 4096, 64, 1, false);
        let mut slot = Slot::new(3, at);
        assert_eq!((slot.take(), slot.take(), slot.low()), (Some(at), None, 3));
        assert_eq!(Slot::decode(slot.encode()), None);
    }
}
