//! Delivery tags of one channel: which message a tag stands for until it is settled.
//!
//! Tags are per channel and grow by one with every delivery (0-9-1, 1.8.3.13), so the list is
//! always sorted and an ack of many takes a prefix. The message itself is kept here while its
//! consumer has it: nobody else needs it, and putting it back needs no search.

use std::collections::VecDeque;
use std::sync::Arc;

use super::consume::Subscription;
use crate::outbox::Entry;

/// An empty list above this size gives its memory back.
const KEEP_CAPACITY: usize = 1024;

/// Settled deliveries behind an old unsettled one are swept out when they are this many more than
/// twice the others.
const SETTLED_MIN: usize = 64;

/// A delivery that is to be acknowledged.
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) tag: u64,
    pub(super) subscription: Arc<Subscription>,
    pub(super) entry: Entry,
}

/// The deliveries of a channel that are not settled, by tag.
#[derive(Debug, Default)]
pub(super) struct UnackedList {
    /// Sorted by tag; settled ones in the middle are `None` until they reach the front.
    deliveries: VecDeque<(u64, Option<Unacked>)>,
    live: usize,
}

/// The tag is not outstanding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownTag;

impl UnackedList {
    #[inline]
    pub(super) fn push(&mut self, unacked: Unacked) {
        self.live += 1;
        self.deliveries.push_back((unacked.tag, Some(unacked)));
    }

    /// Takes one delivery.
    #[inline]
    pub(super) fn take(&mut self, tag: u64) -> Result<Unacked, UnknownTag> {
        if self.deliveries.front().is_some_and(|(first, _)| *first == tag) {
            let (_, unacked) = self.deliveries.pop_front().ok_or(UnknownTag)?;
            self.drop_settled_front();
            self.live -= 1;
            return unacked.ok_or(UnknownTag);
        }
        let at = self.deliveries.binary_search_by_key(&tag, |(tag, _)| *tag);
        let at = at.map_err(|_| UnknownTag)?;
        let (_, slot) = self.deliveries.get_mut(at).ok_or(UnknownTag)?;
        let unacked = slot.take().ok_or(UnknownTag)?;
        self.live -= 1;
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
        for (_, slot) in self.deliveries.drain(..end) {
            if let Some(unacked) = slot {
                self.live -= 1;
                each(unacked);
            }
        }
        self.drop_settled_front();
        Ok(())
    }

    /// Puts deliveries back that were taken in a transaction, under their old tags.
    pub(super) fn restore(&mut self, taken: impl IntoIterator<Item = Unacked>) {
        let mut all: Vec<_> = std::mem::take(&mut self.deliveries).into();
        all.retain(|(_, slot)| slot.is_some());
        all.extend(taken.into_iter().map(|unacked| (unacked.tag, Some(unacked))));
        all.sort_unstable_by_key(|(tag, _)| *tag);
        self.live = all.len();
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
    use crate::message::{Body, Message, MessageId, address};

    fn list(tags: &[u64]) -> UnackedList {
        let mut list = UnackedList::default();
        for &tag in tags {
            list.push(unacked(tag));
        }
        list
    }

    fn unacked(tag: u64) -> Unacked {
        let message = Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(b""), false);
        let entry = Entry { id: MessageId(tag), redelivered: false, message };
        Unacked { tag, subscription: Arc::new(Subscription::for_tests()), entry }
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
            list.push(unacked(tag));
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
}
