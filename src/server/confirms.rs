//! Publisher confirms of one channel: what was published, and what that still owes.
//!
//! What the store has to settle first is owed with the number to wait for; all behind it waits
//! with it, so that confirms go out in order and one frame covers many. Knows no store: whoever
//! asks for the confirms takes what is settled off the front.

use std::collections::VecDeque;

use crate::message::Seq;

/// An empty list above this size gives its memory back.
const KEEP_CAPACITY: usize = 1024;

/// The publish sequence of a channel in confirm mode.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    published: u64,
    /// Every publish up to this one has had its answer.
    confirmed: u64,
    /// How many of them were confirmed, and not refused.
    confirmed_count: u64,
    /// Publishes after that one which were refused, in order.
    refused: VecDeque<u64>,
    owed: Owed,
    /// Somebody will call [`settle`](Self::settle).
    noted: bool,
}

/// Publishes that the store has not settled, so far as is known, with their delivery tags; both
/// grow.
pub(super) type Owed = VecDeque<(Seq, u64)>;

/// One `basic.ack` or `nack` to a publisher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Confirm {
    pub(super) delivery_tag: u64,
    pub(super) multiple: bool,
}

impl Confirms {
    /// A publish has passed its checks and been handed over. True if the channel has to be noted
    /// as one that owes confirms.
    #[inline]
    pub(super) fn publish(&mut self, seq: Seq) -> bool {
        self.published += 1;
        if seq != Seq::NONE {
            self.owed.push_back((seq, self.published));
        }
        !std::mem::replace(&mut self.noted, true)
    }

    /// A publish has passed its checks and was refused, which is told at once. True if the channel
    /// has to be noted as one that owes confirms. As in RabbitMQ, the bit for several is set when
    /// no earlier publish is without an answer.
    pub(super) fn refuse(&mut self) -> (Confirm, bool) {
        let multiple = self.confirmed + self.refused.len() as u64 == self.published;
        self.published += 1;
        self.refused.push_back(self.published);
        let refusal = Confirm { delivery_tag: self.published, multiple };
        (refusal, !std::mem::replace(&mut self.noted, true))
    }

    /// What is to be confirmed now: one frame for all that is settled since the last one.
    /// `pop_settled` takes off the front what the store has settled.
    pub(super) fn settle(&mut self, pop_settled: impl FnOnce(&mut Owed)) -> Option<Confirm> {
        if !self.owed.is_empty() {
            pop_settled(&mut self.owed);
        }
        let first = self.owed.front();
        let up_to = first.map_or(self.published, |(_, delivery_tag)| delivery_tag - 1);
        self.noted = first.is_some();
        if !self.noted && self.owed.capacity() > KEEP_CAPACITY {
            self.owed = VecDeque::new();
        }
        let answered = self.confirmed;
        self.confirmed = up_to.max(answered);
        let mut count = up_to.saturating_sub(answered);
        let mut last = up_to;
        let refused = self.refused.partition_point(|tag| *tag <= up_to);
        for refused in self.refused.drain(..refused).rev() {
            count -= 1;
            // A confirm names a publish that was taken, and covers others that were answered.
            if refused == last {
                last -= 1;
            }
        }
        self.confirmed_count += count;
        (count > 0).then_some(Confirm { delivery_tag: last, multiple: count > 1 })
    }

    /// How many publishes were confirmed.
    pub(super) fn confirmed_count(&self) -> u64 {
        self.confirmed_count
    }

    /// How many publishes have had no answer so far.
    pub(super) fn unanswered(&self) -> u64 {
        self.published - self.confirmed - self.refused.len() as u64
    }

    /// The store will settle more.
    pub(super) fn is_waiting(&self) -> bool {
        !self.owed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store that has settled everything up to there.
    fn up_to(settled: u64) -> impl Fn(&mut Owed) {
        move |owed| {
            while owed.front().is_some_and(|(seq, _)| seq.0 <= settled) {
                owed.pop_front();
            }
        }
    }

    fn single(delivery_tag: u64) -> Confirm {
        Confirm { delivery_tag, multiple: false }
    }

    fn multiple(delivery_tag: u64) -> Confirm {
        Confirm { delivery_tag, multiple: true }
    }

    #[test]
    fn what_was_refused_is_not_confirmed() {
        let mut confirms = Confirms::default();
        assert_eq!(confirms.refuse(), (multiple(1), true));
        assert_eq!(confirms.settle(up_to(0)), None);
        confirms.publish(Seq(5));
        assert_eq!(confirms.refuse(), (single(3), false));
        confirms.publish(Seq(6));
        assert_eq!(confirms.refuse().0, single(5));
        assert_eq!(confirms.refuse().0, single(6));
        assert_eq!(confirms.settle(up_to(5)), Some(single(2)));
        assert_eq!(confirms.settle(up_to(6)), Some(single(4)));
        assert_eq!(confirms.settle(up_to(6)), None);
        confirms.publish(Seq::NONE);
        confirms.refuse();
        confirms.publish(Seq::NONE);
        assert_eq!(confirms.settle(up_to(6)), Some(multiple(9)));
        assert!(confirms.refused.is_empty());
    }

    #[test]
    fn a_batch_is_confirmed_with_one_frame() {
        let mut confirms = Confirms::default();
        assert_eq!(confirms.settle(up_to(0)), None);
        assert!(confirms.publish(Seq::NONE));
        assert_eq!(confirms.settle(up_to(0)), Some(single(1)));
        assert!(confirms.publish(Seq::NONE));
        assert!(!confirms.publish(Seq::NONE));
        assert_eq!(confirms.settle(up_to(0)), Some(multiple(3)));
        assert_eq!(confirms.settle(up_to(0)), None);
        assert!(!confirms.is_waiting());
    }

    #[test]
    fn what_need_not_be_stored_waits_only_for_what_was_published_before() {
        let mut confirms = Confirms::default();
        for seq in [Seq::NONE, Seq(10), Seq::NONE, Seq(12)] {
            confirms.publish(seq);
        }
        assert_eq!(confirms.settle(up_to(9)), Some(single(1)));
        assert_eq!(confirms.settle(up_to(9)), None);
        assert_eq!(confirms.settle(up_to(11)), Some(multiple(3)));
        assert!(confirms.is_waiting());
        assert_eq!(confirms.settle(up_to(12)), Some(single(4)));
        assert!(!confirms.is_waiting());
    }

    #[test]
    fn a_channel_that_waits_is_noted_already() {
        let mut confirms = Confirms::default();
        assert!(confirms.publish(Seq(10)));
        assert_eq!(confirms.settle(up_to(9)), None);
        assert!(!confirms.publish(Seq(11)), "the store will wake us for it");
        assert_eq!(confirms.settle(up_to(11)), Some(multiple(2)));
        assert!(confirms.publish(Seq(12)), "nobody would ask again");
    }

    #[test]
    fn whatever_the_store_does_each_tag_is_confirmed_once_and_in_order() {
        let mut confirms = Confirms::default();
        let (mut confirmed, mut settled) = (0, 10);
        for round in 0..1000_u64 {
            for publish in 0..round % 7 {
                let stored = (round + publish) % 3 > 0;
                confirms.publish(if stored { Seq(10 + round) } else { Seq::NONE });
            }
            settled += round % 5;
            if let Some(confirm) = confirms.settle(up_to(settled)) {
                assert!(confirm.delivery_tag > confirmed);
                assert_eq!(confirm.multiple, confirm.delivery_tag > confirmed + 1);
                confirmed = confirm.delivery_tag;
            }
        }
        if let Some(confirm) = confirms.settle(up_to(u64::MAX)) {
            confirmed = confirm.delivery_tag;
        }
        assert_eq!(confirmed, (0..1000).map(|round| round % 7).sum::<u64>());
    }
}
