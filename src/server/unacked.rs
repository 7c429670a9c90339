//! Delivery tags of one channel: which message a tag stands for until it is settled.
//!
//! Tags are per channel and grow by one with every delivery (0-9-1, 1.8.3.13), so the list is
//! always sorted and an ack of many takes a prefix. The message itself is kept here while its
//! consumer has it: nobody else needs it, and putting it back needs no search. When they become
//! large, messages that the store can give back are dropped, the oldest first.

use std::collections::VecDeque;
use std::sync::Arc;

use super::consume::Subscription;
use crate::message::Seq;
use crate::queue::Kept;

/// An empty list above this size gives its memory back.
const KEEP_CAPACITY: usize = 1024;

/// Settled deliveries behind an old unsettled one are swept out when they are this many more than
/// twice the others.
const SETTLED_MIN: usize = 64;

/// Messages of unsettled deliveries stay in memory up to this size per channel; then those that the
/// store has are dropped. Few clients leave so much unacknowledged.
const UNACKED_RESIDENT_MAX_BYTES: usize = 1024 * 1024;

/// Above that, it is looked for messages to drop each time so much has been added.
const SWEEP_EACH_BYTES: usize = UNACKED_RESIDENT_MAX_BYTES / 16;

/// At most so many deliveries are looked at each time: more than make up `SWEEP_EACH_BYTES`.
const SWEEP_MAX: usize = 1024;

/// A delivery that is to be acknowledged.
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) tag: u64,
    pub(super) subscription: Arc<Subscription>,
    /// Milliseconds since 1970.
    pub(super) delivered_ms: u64,
    pub(super) kept: Kept,
}

/// The deliveries of a channel that are not settled, by tag.
#[derive(Debug)]
pub(super) struct UnackedList {
    /// Sorted by tag; settled ones in the middle are `None` until they reach the front.
    deliveries: VecDeque<(u64, Option<Unacked>)>,
    live: usize,
    /// What the messages in it take of memory, roughly.
    resident_bytes: usize,
    /// At this size messages are dropped.
    sweep_at_bytes: usize,
    /// Up to this tag there is nothing left to be dropped.
    swept_to: u64,
}

impl Default for UnackedList {
    fn default() -> Self {
        Self {
            deliveries: VecDeque::new(),
            live: 0,
            resident_bytes: 0,
            sweep_at_bytes: UNACKED_RESIDENT_MAX_BYTES,
            swept_to: 0,
        }
    }
}

/// The tag is not outstanding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownTag;

impl UnackedList {
    /// Appends a delivery. `is_settled` says whether the store can give a message back.
    #[inline]
    pub(super) fn push(&mut self, unacked: Unacked, is_settled: impl Fn(Seq) -> bool) {
        self.live += 1;
        self.resident_bytes += unacked.kept.memory_bytes();
        self.deliveries.push_back((unacked.tag, Some(unacked)));
        if self.resident_bytes >= self.sweep_at_bytes {
            self.sweep(is_settled);
        }
    }

    /// Drops messages from where the last sweep has stopped.
    #[cold]
    fn sweep(&mut self, is_settled: impl Fn(Seq) -> bool) {
        let from = self.deliveries.partition_point(|(tag, _)| *tag <= self.swept_to);
        for (tag, slot) in self.deliveries.range_mut(from..).take(SWEEP_MAX) {
            if self.resident_bytes < UNACKED_RESIDENT_MAX_BYTES / 2 {
                break;
            }
            if let Some(Unacked { kept, .. }) = slot {
                let bytes = kept.memory_bytes();
                if kept.page_out(&is_settled) {
                    self.resident_bytes -= bytes;
                } else if kept.seq != Seq::NONE {
                    break; // the store will have it later
                }
            }
            self.swept_to = *tag;
        }
        let next = self.resident_bytes + SWEEP_EACH_BYTES;
        self.sweep_at_bytes = next.max(UNACKED_RESIDENT_MAX_BYTES);
    }

    /// A delivery has left the list.
    #[inline]
    fn note_taken(&mut self, unacked: &Unacked) {
        self.live -= 1;
        self.resident_bytes -= unacked.kept.memory_bytes();
        let next = self.resident_bytes + SWEEP_EACH_BYTES;
        self.sweep_at_bytes = next.max(UNACKED_RESIDENT_MAX_BYTES).min(self.sweep_at_bytes);
    }

    /// Takes one delivery.
    #[inline]
    pub(super) fn take(&mut self, tag: u64) -> Result<Unacked, UnknownTag> {
        if self.deliveries.front().is_some_and(|(first, _)| *first == tag) {
            let (_, unacked) = self.deliveries.pop_front().ok_or(UnknownTag)?;
            self.drop_settled_front();
            let unacked = unacked.ok_or(UnknownTag)?;
            self.note_taken(&unacked);
            return Ok(unacked);
        }
        let at = self.deliveries.binary_search_by_key(&tag, |(tag, _)| *tag);
        let at = at.map_err(|_| UnknownTag)?;
        let (_, slot) = self.deliveries.get_mut(at).ok_or(UnknownTag)?;
        let unacked = slot.take().ok_or(UnknownTag)?;
        self.note_taken(&unacked);
        if self.deliveries.len() > SETTLED_MIN + 2 * self.live {
            self.deliveries.retain(|(_, slot)| slot.is_some());
        }
        Ok(unacked)
    }

    /// Takes the delivery and all before it; tag 0 means all there are.
    pub(super) fn take_up_to(
        &mut self,
        tag: u64,
        mut each: impl FnMut(Unacked),
    ) -> Result<(), UnknownTag> {
        let end = if tag == 0 {
            self.deliveries.len()
        } else {
            let at = self.deliveries.binary_search_by_key(&tag, |(tag, _)| *tag);
            let at = at.map_err(|_| UnknownTag)?;
            if self.deliveries.get(at).is_none_or(|(_, slot)| slot.is_none()) {
                return Err(UnknownTag);
            }
            at + 1
        };
        for _ in 0..end {
            if let Some((_, Some(unacked))) = self.deliveries.pop_front() {
                self.note_taken(&unacked);
                each(unacked);
            }
        }
        self.drop_settled_front();
        Ok(())
    }

    /// How many.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// All of them, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Unacked> {
        self.deliveries.iter().filter_map(|(_, slot)| slot.as_ref())
    }

    /// Takes back what a consumer holds. Its tags stay: to settle them is no error, and has no
    /// effect any more.
    pub(super) fn take_back(&mut self, of: &Arc<Subscription>) -> Vec<Kept> {
        let nobody = Arc::new(Subscription::nobody());
        let mut taken = Vec::new();
        for unacked in self.deliveries.iter_mut().filter_map(|(_, slot)| slot.as_mut()) {
            if !Arc::ptr_eq(&unacked.subscription, of) {
                continue;
            }
            self.resident_bytes -= unacked.kept.memory_bytes();
            unacked.subscription = nobody.clone();
            let left = Kept { message: None, ..unacked.kept };
            taken.push(std::mem::replace(&mut unacked.kept, left));
        }
        taken
    }

    /// Puts deliveries back that were taken in a transaction, under their old tags.
    pub(super) fn restore(&mut self, taken: impl IntoIterator<Item = Unacked>) {
        let mut all: Vec<_> = std::mem::take(&mut self.deliveries).into();
        all.retain(|(_, slot)| slot.is_some());
        all.extend(taken.into_iter().map(|unacked| (unacked.tag, Some(unacked))));
        all.sort_unstable_by_key(|(tag, _)| *tag);
        self.live = all.len();
        let restored = all.iter().filter_map(|(_, slot)| slot.as_ref());
        self.resident_bytes = restored.map(|unacked| unacked.kept.memory_bytes()).sum();
        self.swept_to = 0;
        self.deliveries = all.into();
    }

    #[inline]
    fn drop_settled_front(&mut self) {
        while self.deliveries.front().is_some_and(|(_, slot)| slot.is_none()) {
            self.deliveries.pop_front();
        }
        if self.deliveries.is_empty() && self.deliveries.capacity() > KEEP_CAPACITY {
            self.deliveries = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Attempts, Body, Message, MessageId, address};
    use crate::outbox::Entry;

    fn list(tags: &[u64]) -> UnackedList {
        let mut list = UnackedList::default();
        for &tag in tags {
            list.push(unacked(tag), |_| true);
        }
        list
    }

    fn unacked(tag: u64) -> Unacked {
        sized(tag, Seq::NONE, 0)
    }

    fn sized(tag: u64, seq: Seq, bytes: usize) -> Unacked {
        let body = vec![0; bytes];
        let message = Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(&body), false);
        let attempts = Attempts::default();
        let kept = Entry { id: MessageId(tag), seq, redelivered: false, attempts, message }.into();
        let subscription = Arc::new(Subscription::nobody());
        Unacked { tag, subscription, delivered_ms: 0, kept }
    }

    /// Tags whose messages are in memory, checked against the list's own account.
    fn resident(list: &UnackedList) -> Vec<u64> {
        let live = list.deliveries.iter().filter_map(|(_, slot)| slot.as_ref());
        let resident: Vec<_> = live.filter(|u| u.kept.message.is_some()).collect();
        let bytes: usize = resident.iter().map(|u| u.kept.memory_bytes()).sum();
        assert_eq!(bytes, list.resident_bytes);
        resident.iter().map(|u| u.tag).collect()
    }

    fn up_to(list: &mut UnackedList, tag: u64) -> Result<Vec<u64>, UnknownTag> {
        let mut taken = Vec::new();
        list.take_up_to(tag, |unacked| taken.push(unacked.tag))?;
        Ok(taken)
    }

    #[test]
    fn a_tag_is_taken_once() {
        let mut list = list(&[1, 2, 5, 9]);
        assert_eq!(list.take(5).unwrap().tag, 5);
        assert_eq!(list.take(5).unwrap_err(), UnknownTag);
        assert_eq!(list.take(1).unwrap().tag, 1);
        assert_eq!(list.take(3).unwrap_err(), UnknownTag);
        assert_eq!(up_to(&mut list, 9), Ok(vec![2, 9]));
        assert_eq!(list.live, 0);
    }

    #[test]
    fn zero_takes_all_even_none_and_others_must_be_outstanding() {
        let mut list = list(&[2, 3]);
        assert_eq!(up_to(&mut list, 1), Err(UnknownTag));
        assert_eq!(up_to(&mut list, 4), Err(UnknownTag));
        assert_eq!(up_to(&mut list, 0), Ok(vec![2, 3]));
        assert_eq!(up_to(&mut list, 0), Ok(vec![]));
        assert_eq!(up_to(&mut list, 3), Err(UnknownTag));
    }

    #[test]
    fn one_old_delivery_does_not_keep_the_settled_ones() {
        let mut list = list(&[1]);
        for tag in 2..10_000 {
            list.push(unacked(tag), |_| true);
            list.take(tag).unwrap();
        }
        assert!(list.deliveries.len() < 2 * SETTLED_MIN);
        assert_eq!(list.take(1).unwrap().tag, 1);
    }

    #[test]
    fn what_a_transaction_took_comes_back_in_its_place() {
        let mut list = list(&[1, 2, 3, 4]);
        let taken = vec![list.take(3).unwrap(), list.take(2).unwrap()];
        list.restore(taken);
        assert_eq!(up_to(&mut list, 3), Ok(vec![1, 2, 3]));
        assert_eq!(list.live, 1);
    }

    #[test]
    fn what_the_store_has_is_dropped_when_it_becomes_too_much() {
        let mut list = UnackedList::default();
        let large = UNACKED_RESIDENT_MAX_BYTES / 8;
        for tag in 1..=7 {
            list.push(sized(tag, Seq(tag + 1), large), |_| true);
        }
        assert_eq!(resident(&list), [1, 2, 3, 4, 5, 6, 7]);
        list.push(sized(8, Seq(9), large), |_| true);
        let kept = resident(&list);
        assert!(!kept.contains(&1) && kept.contains(&8), "the oldest first: {kept:?}");
        for tag in 9..=100 {
            list.push(sized(tag, Seq(tag + 1), large), |_| true);
        }
        assert!(list.resident_bytes <= UNACKED_RESIDENT_MAX_BYTES);
        let first = list.take(1).unwrap().kept;
        assert_eq!((first.id, first.seq), (MessageId(1), Seq(2)));
        assert!(first.message.is_none());
        assert_eq!(up_to(&mut list, 100).map(|tags| tags.len()), Ok(99));
        assert_eq!(resident(&list), [0; 0]);
    }

    #[test]
    fn what_the_store_does_not_have_stays_and_holds_nothing_up() {
        let mut list = UnackedList::default();
        let large = UNACKED_RESIDENT_MAX_BYTES / 8;
        for tag in 1..=40 {
            let seq = if tag <= 10 { Seq::NONE } else { Seq(tag + 1) };
            // Nothing above 31 is settled.
            list.push(sized(tag, seq, large), |seq| seq.0 <= 31);
        }
        let kept = resident(&list);
        assert_eq!(kept, (1..=10).chain(31..=40).collect::<Vec<_>>());
        for tag in 41..=80 {
            list.push(sized(tag, Seq(tag + 1), large), |_| true);
        }
        assert_eq!(resident(&list)[..10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert!(resident(&list).len() < 20, "{:?}", resident(&list));
    }
}
