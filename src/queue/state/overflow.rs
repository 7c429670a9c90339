//! `x-max-length` and `x-max-length-bytes`: what happens when a queue is full.
//!
//! Only what is ready counts; with at-least-once dead-lettering also what is dead and has not been
//! taken in elsewhere.

use super::QueueState;
use crate::message::{Attempts, Message, MessageId, Seq};
use crate::outbox::Entry;
use crate::queue::backing::Backing;
use crate::queue::death::Reason;
use crate::queue::gap::Request;
use crate::queue::settings::Overflow;

impl QueueState {
    /// Whether more is ready than may be.
    #[inline]
    pub(super) fn exceeds_limits(&self) -> bool {
        self.demands.limits && self.would_exceed(0, 0)
    }

    fn would_exceed(&self, more: u64, more_bytes: u64) -> bool {
        // Other rules may be in force since they began to wait: then they will not wait for long.
        let keeps_dead = self.rules.dead_letter.as_ref().is_some_and(|to| to.at_least_once);
        let (waiting, waiting_bytes) = if keeps_dead { self.burial.waiting() } else { (0, 0) };
        let count = self.ready.len() as u64 + waiting + more;
        let bytes = self.ready.body_bytes() + waiting_bytes + more_bytes;
        self.rules.max_length.is_some_and(|max| count > max)
            || self.rules.max_length_bytes.is_some_and(|max| bytes > max)
    }

    /// Whether a message would be too much. One that a consumer takes at once needs no room.
    #[inline]
    pub(super) fn has_no_room_for(&self, message: &Message) -> bool {
        let passes = self.ready.is_empty() && self.consumers.any_with_room();
        !passes && self.would_exceed(1, message.body_bytes() as u64)
    }

    /// A message is refused; with that overflow a copy of it is dead.
    pub(super) fn refuse(&mut self, message: Message) {
        if self.rules.overflow == Overflow::RejectPublishDlx {
            let (id, seq, attempts) = (MessageId::default(), Seq::NONE, Attempts::default());
            let entry = Entry { id, seq, redelivered: false, attempts, message };
            self.bury(entry.into(), Reason::MaxLen);
        }
    }

    /// Drops from the head what is too much. What is not in memory follows when it has been read.
    #[inline]
    pub(super) fn drop_excess(&mut self) {
        if !self.demands.limits || self.rules.overflow.refuses() {
            self.exceeds = false;
            return;
        }
        // Where the dead are too many, no more than comes in: one for one.
        let mut crowded = false;
        while self.would_exceed(0, 0) && !crowded {
            crowded = self.burial.is_crowded();
            let Some(entry) = self.ready.pop() else { break };
            self.bury(entry.into(), Reason::MaxLen);
        }
        self.exceeds = self.would_exceed(0, 0);
    }

    /// Whether more is ready than may be, so that whoever adds to it has to help.
    #[inline]
    pub fn exceeds(&self) -> bool {
        self.exceeds
    }

    /// What has to be read so that something can be dropped.
    pub fn excess_wanted(&mut self, backing: &impl Backing) -> Option<Request> {
        if self.exceeds && !self.closed { self.ready.wanted(backing) } else { None }
    }
}
