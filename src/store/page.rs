//! Index pages: where in the log a queue's messages are, some hundred ids to a page.
//!
//! The byte form is in docs/format.md, "Index pages". Knows no files and no catalogue.

use smallvec::SmallVec;

use super::record::{ALIGN_BYTES, Place};
use crate::message::MessageId;

/// Ids that share a page: those with the same number of this many less bits. sled rewrites up to
/// sixteen neighbours along with a page, and keeps what is larger than an eighth of its segments
/// in files of their own: 4 KiB a page is well below that.
const PAGE_BITS: u32 = 8;
/// Ids per page.
pub(super) const PAGE_IDS: u64 = 1 << PAGE_BITS;
const VERSION: u8 = 1;
const SLOT_BYTES: usize = 16;
const SUMMARY_FIXED_BYTES: usize = 5;
const SHARE_BYTES: usize = 16;
/// The bit of `Slot::queues` that says that the message is not for after a restart.
const TRANSIENT: u16 = 0x8000;

/// The number of the page that an id is on.
pub(super) fn page_number(id: MessageId) -> u64 {
    id.0 >> PAGE_BITS
}

/// The first id of a page.
pub(super) fn first_id(page: u64) -> MessageId {
    MessageId(page << PAGE_BITS)
}

/// Where a message is in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Locator {
    /// The segment's number.
    pub segment: u32,
    /// The record's offset there, in units of 8 octets.
    offset: u32,
    /// What the record takes, in units of 8 octets.
    length: u32,
    /// In how many queues it was put (at most 32,767 are counted), and whether it is transient.
    queues: u16,
}

impl Locator {
    /// A record's place. `queues` share it.
    pub(super) fn new(
        segment: u64,
        offset: u64,
        bytes: u64,
        queues: usize,
        transient: bool,
    ) -> Self {
        let unit = ALIGN_BYTES as u64;
        let queues = queues.clamp(1, usize::from(TRANSIENT - 1)) as u16;
        Self {
            segment: segment as u32,
            offset: (offset / unit) as u32,
            length: (bytes / unit) as u32,
            queues: if transient { queues | TRANSIENT } else { queues },
        }
    }

    /// The record's offset in its segment.
    pub(super) fn offset(self) -> u64 {
        u64::from(self.offset) * ALIGN_BYTES as u64
    }

    /// The place of the record's header.
    pub(super) fn place(self, salt: u64) -> Place {
        Place { segment: self.segment.into(), offset: self.offset(), salt }
    }

    /// What the record takes.
    pub(super) fn bytes(self) -> u64 {
        u64::from(self.length) * ALIGN_BYTES as u64
    }

    /// The part of the record that one queue accounts for.
    pub(super) fn share_bytes(self) -> u64 {
        self.bytes() / u64::from(self.queues & !TRANSIENT).max(1)
    }

    /// Whether the message is not for after a restart.
    pub(super) fn is_transient(self) -> bool {
        self.queues & TRANSIENT != 0
    }

    /// Whether it is the same record.
    pub(super) fn is_at(self, segment: u64, offset: u64) -> bool {
        u64::from(self.segment) == segment && self.offset() == offset
    }
}

/// A message on a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot {
    /// The id within the page.
    low: u16,
    /// `None` once it is gone.
    at: Option<Locator>,
}

/// What a page's messages take of one segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Share {
    /// The segment's number.
    pub segment: u32,
    /// How many messages.
    pub messages: u32,
    /// How much of the segment.
    pub bytes: u64,
}

/// What a page holds, in short.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Summary {
    /// Messages.
    pub live: u16,
    /// How many of them are transient.
    pub transient: u16,
    /// In which segments they are.
    pub shares: SmallVec<[Share; 2]>,
}

/// The slots of a page, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    live: u16,
}

impl Slots {
    /// How many messages.
    pub(super) fn live(&self) -> u16 {
        self.live
    }

    /// Puts a message in its place; gives what was there.
    pub(super) fn insert(&mut self, id: MessageId, at: Locator) -> Option<Locator> {
        let low = low(id);
        let slot = Slot { low, at: Some(at) };
        if self.slots.last().is_none_or(|last| last.low < low) {
            self.slots.push(slot);
            self.live += 1;
            return None;
        }
        match self.slots.binary_search_by_key(&low, |slot| slot.low) {
            Ok(found) => {
                let old = self.slots.get_mut(found).and_then(|s| s.at.replace(at));
                self.live += u16::from(old.is_none());
                old
            }
            Err(place) => {
                self.slots.insert(place, slot);
                self.live += 1;
                None
            }
        }
    }

    /// Where a message is.
    pub(super) fn get(&self, id: MessageId) -> Option<Locator> {
        let low = low(id);
        let found = self.slots.binary_search_by_key(&low, |slot| slot.low).ok()?;
        self.slots.get(found)?.at
    }

    /// Takes out the messages from one id to another that are on this page.
    pub(super) fn remove(
        &mut self,
        page: u64,
        first: MessageId,
        last: MessageId,
        gone: &mut Vec<Locator>,
    ) {
        let from = if page_number(first) < page { 0 } else { low(first) };
        let to = if page_number(last) > page { u16::MAX } else { low(last) };
        let start = match self.slots.first() {
            // The usual case: dense, and from the front.
            Some(slot) if slot.low == from => 0,
            _ => self.slots.partition_point(|slot| slot.low < from),
        };
        for slot in self.slots.iter_mut().skip(start).take_while(|slot| slot.low <= to) {
            if let Some(at) = slot.at.take() {
                self.live -= 1;
                gone.push(at);
            }
        }
        if usize::from(self.live) < self.slots.len() / 4 {
            self.slots.retain(|slot| slot.at.is_some());
        }
    }

    /// Takes out what is transient.
    pub(super) fn remove_transient(&mut self) {
        self.slots.retain(|slot| slot.at.is_some_and(|at| !at.is_transient()));
        self.live = self.slots.len() as u16;
    }

    /// Takes out what is in that segment; how many that were.
    pub(super) fn remove_segment(&mut self, segment: u64) -> u16 {
        let before = self.live;
        self.slots.retain(|slot| slot.at.is_some_and(|at| u64::from(at.segment) != segment));
        self.live = self.slots.len() as u16;
        before - self.live
    }

    /// The messages, in order.
    pub(super) fn iter(&self, page: u64) -> impl Iterator<Item = (MessageId, Locator)> + '_ {
        let id = move |low: u16| MessageId(first_id(page).0 + u64::from(low));
        self.slots.iter().filter_map(move |slot| slot.at.map(|at| (id(slot.low), at)))
    }

    /// The page in short.
    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary { live: self.live, ..Summary::default() };
        for at in self.slots.iter().filter_map(|slot| slot.at) {
            summary.transient += u16::from(at.is_transient());
            match summary.shares.iter_mut().rfind(|share| share.segment == at.segment) {
                Some(share) => {
                    share.messages += 1;
                    share.bytes += at.share_bytes();
                }
                None => summary.shares.push(Share {
                    segment: at.segment,
                    messages: 1,
                    bytes: at.share_bytes(),
                }),
            }
        }
        summary
    }

    /// As it is kept in the catalogue.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + usize::from(self.live) * SLOT_BYTES);
        out.push(VERSION);
        for slot in &self.slots {
            let Some(at) = slot.at else { continue };
            out.extend_from_slice(&slot.low.to_le_bytes());
            out.extend_from_slice(&at.queues.to_le_bytes());
            for value in [at.segment, at.offset, at.length] {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        out
    }

    /// Reads what was kept; `None` if that is no page.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let (&VERSION, slots) = value.split_first()? else { return None };
        if slots.len() % SLOT_BYTES != 0 {
            return None;
        }
        let u32_at = |slot: &[u8], at: usize| {
            slot.get(at..).and_then(|o| o.first_chunk()).map_or(0, |o| u32::from_le_bytes(*o))
        };
        let read = |slot: &[u8]| {
            let head = u32_at(slot, 0);
            let (segment, offset, length) = (u32_at(slot, 4), u32_at(slot, 8), u32_at(slot, 12));
            let at = Locator { segment, offset, length, queues: (head >> 16) as u16 };
            Slot { low: head as u16, at: Some(at) }
        };
        let slots: Vec<Slot> = slots.chunks_exact(SLOT_BYTES).map(read).collect();
        let sorted = slots.is_sorted_by(|a, b| a.low < b.low);
        let on_page = slots.last().is_none_or(|last| u64::from(last.low) < PAGE_IDS);
        let live = slots.len() as u16;
        (sorted && on_page).then_some(Self { slots, live })
    }
}

impl Summary {
    /// As it is kept in the catalogue.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.live.to_le_bytes());
        out.extend_from_slice(&self.transient.to_le_bytes());
        for share in &self.shares {
            out.extend_from_slice(&share.segment.to_le_bytes());
            out.extend_from_slice(&share.messages.to_le_bytes());
            out.extend_from_slice(&share.bytes.to_le_bytes());
        }
        out
    }

    /// Reads what was kept; `None` if that is no summary.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let (fixed, shares) = value.split_at_checked(SUMMARY_FIXED_BYTES)?;
        let [VERSION, l0, l1, t0, t1] = *fixed else { return None };
        if shares.len() % SHARE_BYTES != 0 {
            return None;
        }
        let shares = shares.chunks_exact(SHARE_BYTES).filter_map(|share| {
            Some(Share {
                segment: u32::from_le_bytes(*share.first_chunk()?),
                messages: u32::from_le_bytes(*share.get(4..)?.first_chunk()?),
                bytes: u64::from_le_bytes(*share.get(8..)?.first_chunk()?),
            })
        });
        Some(Self {
            live: u16::from_le_bytes([l0, l1]),
            transient: u16::from_le_bytes([t0, t1]),
            shares: shares.collect(),
        })
    }
}

fn low(id: MessageId) -> u16 {
    (id.0 & (PAGE_IDS - 1)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Locator {
        Locator::new(3, offset, 64, 2, false)
    }

    #[test]
    fn a_page_comes_back_as_it_was() {
        let mut slots = Slots::default();
        for id in [512_u64, 513, 524, 767] {
            assert_eq!(slots.insert(MessageId(id), at(id * 8)), None);
        }
        slots.insert(MessageId(519), Locator::new(4, 8, 80, 1, true));
        let mut gone = Vec::new();
        slots.remove(2, MessageId(513), MessageId(519), &mut gone);
        assert_eq!(gone.len(), 2);
        let back = Slots::decode(&slots.encode()).expect("sound");
        let ids: Vec<_> = back.iter(2).map(|(id, _)| id.0).collect();
        assert_eq!(ids, [512, 524, 767]);
        assert_eq!(back.get(MessageId(524)), Some(at(524 * 8)));
        let summary = back.summary();
        assert_eq!(Summary::decode(&summary.encode()), Some(summary.clone()));
        let share = Share { segment: 3, messages: 3, bytes: 96 };
        assert_eq!((summary.live, summary.shares.as_slice()), (3, &[share][..]));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for value in [&[][..], &[9], &[1, 0], &[1; 16]] {
            assert_eq!(Slots::decode(value), None);
        }
        let unsorted = [&[1][..], &[5, 0, 1, 0], &[0; 12], &[5, 0, 1, 0], &[0; 12]].concat();
        assert_eq!(Slots::decode(&unsorted), None);
    }
}
