//! Index pages: where in the log a queue's messages are, some hundred ids to a page.
//!
//! The byte form is in docs/format.md, "Index pages". Knows no files and no catalogue.

use smallvec::SmallVec;

use super::locator::{Locator, SLOT_BYTES, Slot};
use crate::message::{Attempts, MessageId};

/// Ids that share a page: those with the same number of this many less bits. sled rewrites up to
/// sixteen neighbours along with a page, and keeps what is larger than an eighth of its segments
/// in files of their own: 4 KiB a page is well below that.
const PAGE_BITS: u32 = u8::BITS;
/// So many ids share a page.
pub const PAGE_IDS: u64 = 1 << PAGE_BITS;
const VERSION: u8 = 2;
/// Octets of a page's value before its slots.
const PAGE_FIXED_BYTES: usize = 3;
/// Octets per message that has come back.
const ATTEMPTS_BYTES: usize = 8;
const SUMMARY_FIXED_BYTES: usize = 13;
const SHARE_BYTES: usize = 16;

/// The number of the page that an id is on.
pub(super) fn page_number(id: MessageId) -> u64 {
    id.0 >> PAGE_BITS
}

/// The first id of a page.
pub(super) fn first_id(page: u64) -> MessageId {
    MessageId(page << PAGE_BITS)
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
    /// Octets of their bodies.
    pub body_bytes: u64,
    /// In which segments they are.
    pub shares: SmallVec<[Share; 2]>,
}

/// The slots of a page, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Slots {
    list: Vec<Slot>,
    live: u16,
    /// Of those that have come back, in order.
    attempts: Vec<(u8, Attempts)>,
}

impl Slots {
    /// How many messages.
    pub(super) fn live(&self) -> u16 {
        self.live
    }

    /// Puts a message in its place; gives what was there.
    pub(super) fn insert(&mut self, id: MessageId, at: Locator) -> Option<Locator> {
        let low = low(id);
        let slot = Slot::new(low, at);
        if self.list.last().is_none_or(|last| last.low() < low) {
            self.list.push(slot);
            self.live += 1;
            return None;
        }
        match self.list.binary_search_by_key(&low, |slot| slot.low()) {
            Ok(found) => {
                let old = self.list.get_mut(found).map(|old| std::mem::replace(old, slot));
                let old = old.and_then(Slot::at);
                self.live += u16::from(old.is_none());
                old
            }
            Err(place) => {
                self.list.insert(place, slot);
                self.live += 1;
                None
            }
        }
    }

    /// Where a message is.
    pub(super) fn get(&self, id: MessageId) -> Option<Locator> {
        let found = self.list.binary_search_by_key(&low(id), |slot| slot.low()).ok()?;
        self.list.get(found)?.at()
    }

    /// Notes how often a message has come back. False if it is not here.
    pub(super) fn set_attempts(&mut self, id: MessageId, attempts: Attempts) -> bool {
        if self.get(id).is_none() {
            return false;
        }
        match self.attempts.binary_search_by_key(&low(id), |(low, _)| *low) {
            Ok(found) => {
                if let Some((_, old)) = self.attempts.get_mut(found) {
                    *old = attempts;
                }
            }
            Err(place) => self.attempts.insert(place, (low(id), attempts)),
        }
        true
    }

    /// How often a message has come back.
    pub(super) fn attempts(&self, id: MessageId) -> Attempts {
        let found = self.attempts.binary_search_by_key(&low(id), |(low, _)| *low);
        let found = found.ok().and_then(|found| self.attempts.get(found));
        found.map_or_else(Attempts::default, |(_, attempts)| *attempts)
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
        let to = if page_number(last) > page { u8::MAX } else { low(last) };
        let start = match self.list.first() {
            // The usual case: dense, and from the front.
            Some(slot) if slot.low() == from => 0,
            _ => self.list.partition_point(|slot| slot.low() < from),
        };
        for slot in self.list.iter_mut().skip(start).take_while(|slot| slot.low() <= to) {
            if let Some(at) = slot.take() {
                self.live -= 1;
                gone.push(at);
            }
        }
        if !self.attempts.is_empty() {
            self.attempts.retain(|(low, _)| !(from..=to).contains(low));
        }
        if usize::from(self.live) < self.list.len() / 4 {
            self.list.retain(|slot| slot.at().is_some());
        }
    }

    /// Takes out what is transient.
    pub(super) fn remove_transient(&mut self) {
        self.retain(|at| !at.is_transient());
    }

    /// Takes out what is in that segment.
    pub(super) fn remove_segment(&mut self, segment: u64) {
        self.retain(|at| u64::from(at.segment()) != segment);
    }

    fn retain(&mut self, stays: impl Fn(Locator) -> bool) {
        self.list.retain(|slot| slot.at().is_some_and(&stays));
        self.live = self.list.len() as u16;
        let slots = &self.list;
        let is_there = |low: &u8| slots.binary_search_by_key(low, |slot| slot.low()).is_ok();
        self.attempts.retain(|(low, _)| is_there(low));
    }

    /// The messages, in order.
    pub(super) fn iter(
        &self,
        page: u64,
    ) -> impl Iterator<Item = (MessageId, Locator, Attempts)> + '_ {
        let id = move |low: u8| MessageId(first_id(page).0 + u64::from(low));
        let mut attempts = self.attempts.iter().peekable();
        self.list.iter().filter_map(move |slot| {
            let at = slot.at()?;
            while attempts.next_if(|(low, _)| *low < slot.low()).is_some() {}
            let mine = attempts.peek().filter(|(low, _)| *low == slot.low());
            Some((id(slot.low()), at, mine.map_or_else(Attempts::default, |(_, a)| *a)))
        })
    }

    /// The page in short.
    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary { live: self.live, ..Summary::default() };
        for at in self.list.iter().filter_map(|slot| slot.at()) {
            summary.transient += u16::from(at.is_transient());
            summary.body_bytes += at.body_bytes();
            match summary.shares.iter_mut().rfind(|share| share.segment == at.segment()) {
                Some(share) => {
                    share.messages += 1;
                    share.bytes += at.share_bytes();
                }
                None => summary.shares.push(Share {
                    segment: at.segment(),
                    messages: 1,
                    bytes: at.share_bytes(),
                }),
            }
        }
        summary
    }

    /// As it is kept in the catalogue.
    pub(super) fn encode(&self) -> Vec<u8> {
        let slots_bytes = usize::from(self.live) * SLOT_BYTES;
        let attempts_bytes = self.attempts.len() * ATTEMPTS_BYTES;
        let mut out = Vec::with_capacity(PAGE_FIXED_BYTES + slots_bytes + attempts_bytes);
        out.push(VERSION);
        out.extend_from_slice(&self.live.to_le_bytes());
        for slot in self.list.iter().filter(|slot| slot.at().is_some()) {
            out.extend_from_slice(&slot.encode());
        }
        for (low, attempts) in &self.attempts {
            out.extend_from_slice(&[*low, 0]);
            out.extend_from_slice(&attempts.acquired.to_le_bytes());
            out.extend_from_slice(&attempts.failed.to_le_bytes());
        }
        out
    }

    /// Reads what was kept; `None` if that is no page.
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let (&[VERSION, l0, l1], rest) = value.split_first_chunk::<PAGE_FIXED_BYTES>()? else {
            return None;
        };
        let live = u16::from_le_bytes([l0, l1]);
        let (slots, attempts) = rest.split_at_checked(usize::from(live) * SLOT_BYTES)?;
        if attempts.len() % ATTEMPTS_BYTES != 0 {
            return None;
        }
        let slots: Option<Vec<Slot>> = slots
            .chunks_exact(SLOT_BYTES)
            .map(|octets| Slot::decode(*octets.first_chunk()?))
            .collect();
        let attempts: Option<Vec<(u8, Attempts)>> = attempts
            .chunks_exact(ATTEMPTS_BYTES)
            .map(|octets| {
                let &[low, _, a0, a1, f0, f1, f2, f3] = octets.first_chunk()?;
                let acquired = u16::from_le_bytes([a0, a1]);
                let failed = u32::from_le_bytes([f0, f1, f2, f3]);
                Some((low, Attempts { failed, acquired }))
            })
            .collect();
        let (slots, attempts) = (slots?, attempts?);
        let sorted =
            slots.is_sorted_by(|a, b| a.low() < b.low()) && attempts.is_sorted_by(|a, b| a.0 < b.0);
        sorted.then_some(Self { list: slots, live, attempts })
    }
}

impl Summary {
    /// As it is kept in the catalogue.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.live.to_le_bytes());
        out.extend_from_slice(&self.transient.to_le_bytes());
        out.extend_from_slice(&self.body_bytes.to_le_bytes());
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
        let ([VERSION, l0, l1, t0, t1], body_bytes) = fixed.split_first_chunk()? else {
            return None;
        };
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
            live: u16::from_le_bytes([*l0, *l1]),
            transient: u16::from_le_bytes([*t0, *t1]),
            body_bytes: u64::from_le_bytes(*body_bytes.first_chunk()?),
            shares: shares.collect(),
        })
    }
}

fn low(id: MessageId) -> u8 {
    id.0 as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Locator {
        Locator::new(3, offset, 64, 2, false).with_body(10)
    }

    fn attempts(acquired: u16) -> Attempts {
        Attempts { failed: u32::from(acquired) * 100_000, acquired }
    }

    #[test]
    fn a_page_comes_back_as_it_was() {
        let mut slots = Slots::default();
        for id in [512_u64, 513, 524, 767] {
            assert_eq!(slots.insert(MessageId(id), at(id * 8)), None);
        }
        slots.insert(MessageId(519), Locator::new(4, 8, 80, 1, true));
        let (once, twice) = (attempts(1), attempts(2));
        assert!(slots.set_attempts(MessageId(767), once));
        assert!(slots.set_attempts(MessageId(519), twice));
        assert!(slots.set_attempts(MessageId(524), twice));
        assert!(!slots.set_attempts(MessageId(520), twice));
        let mut gone = Vec::new();
        slots.remove(2, MessageId(513), MessageId(519), &mut gone);
        assert_eq!(gone.len(), 2);
        let back = Slots::decode(&slots.encode()).expect("sound");
        let ids: Vec<_> = back.iter(2).map(|(id, ..)| id.0).collect();
        assert_eq!(ids, [512, 524, 767]);
        assert_eq!(back.get(MessageId(524)), Some(at(524 * 8)));
        let counted: Vec<_> = back.iter(2).map(|(.., attempts)| attempts).collect();
        assert_eq!(counted, [attempts(0), twice, once]);
        assert_eq!(
            (back.attempts(MessageId(524)), back.attempts(MessageId(519))),
            (twice, attempts(0))
        );
        let summary = back.summary();
        assert_eq!(Summary::decode(&summary.encode()), Some(summary.clone()));
        let share = Share { segment: 3, messages: 3, bytes: 96 };
        assert_eq!((summary.live, summary.body_bytes), (3, 30));
        assert_eq!(summary.shares.as_slice(), &[share][..]);
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for value in [&[][..], &[9], &[2, 0], &[2; 16], &[1, 0, 0]] {
            assert_eq!(Slots::decode(value), None);
        }
        let slot = Slot::new(5, at(8)).encode();
        let unsorted = [&[2, 2, 0][..], &slot, &slot].concat();
        assert_eq!(Slots::decode(&unsorted), None);
        let empty = [&[2, 1, 0][..], &[0; SLOT_BYTES]].concat();
        assert_eq!(Slots::decode(&empty), None);
    }
}
