//! The naive queue: ids in order, and who may get the first of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use warren::outbox::{ConsumerId, Entry, OUTBOX_MAX_BYTES};
use warren::queue::Counts;

use super::steps::CHANNELS;

/// A consumer as the model sees it.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) id: ConsumerId,
    pub(crate) channel: usize,
    pub(crate) no_ack: bool,
    pub(crate) exclusive: bool,
    pub(crate) priority: i64,
    pub(crate) prefetch: u16,
    pub(crate) unacked: usize,
    /// When it last got a message.
    pub(crate) served_at: u64,
    /// Since when it has had room without a break, as far as the queue was told.
    pub(crate) waits_since: Option<u64>,
}

/// The naive queue: ids in order, and who may get the first of them.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Each with its redelivered flag.
    pub(crate) ready: BTreeMap<u64, bool>,
    /// Of every message that was ever published.
    pub(crate) body_bytes: BTreeMap<u64, u64>,
    pub(crate) unacked: usize,
    /// In the order of their arrival.
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) single_active: bool,
    pub(crate) active: Option<ConsumerId>,
    pub(crate) closed: bool,
    /// Counts deliveries and commands: the time of the model.
    pub(crate) now: u64,
    pub(crate) limits: [usize; CHANNELS],
    pub(crate) used: [usize; CHANNELS],
    pub(crate) boxes_bytes: [usize; CHANNELS],
}

impl Model {
    pub(crate) fn has_room(&self, c: &Consumer) -> bool {
        let limit = self.limits[c.channel];
        (c.no_ack || c.prefetch == 0 || c.unacked < usize::from(c.prefetch))
            && (limit == 0 || self.used[c.channel] < limit)
            && self.boxes_bytes[c.channel] < OUTBOX_MAX_BYTES
            && (!self.single_active || self.active == Some(c.id))
    }

    /// Who had room and lost it waits no longer, until the queue is told that there is room.
    pub(crate) fn note_lost_room(&mut self) {
        let lost: Vec<_> = self.consumers.iter().map(|c| !self.has_room(c)).collect();
        for (consumer, lost) in self.consumers.iter_mut().zip(lost) {
            if lost {
                consumer.waits_since = None;
            }
        }
    }

    pub(crate) fn note_room(&mut self, id: ConsumerId) {
        self.now += 1;
        let now = self.now;
        let with_room = |c: &Consumer| c.id == id && self.has_room(c);
        if let Some(at) = self.consumers.iter().position(with_room) {
            self.consumers[at].waits_since.get_or_insert(now);
        }
    }

    /// One delivery: it must be the first message, and this consumer's turn.
    pub(crate) fn on_delivery(
        &mut self,
        id: ConsumerId,
        entry: &Entry,
    ) -> Result<(), TestCaseError> {
        self.now += 1;
        let (first, redelivered) = self.ready.pop_first().expect("delivered from an empty queue");
        prop_assert_eq!(entry.id.0, first, "not the first message");
        prop_assert_eq!(entry.redelivered, redelivered, "redelivered flag of {}", first);
        let key = first.to_string();
        prop_assert_eq!(entry.message.routing_key(), key.as_bytes());
        let at = self.consumers.iter().position(|c| c.id == id);
        prop_assert!(at.is_some(), "delivered to {:?}, which is gone", id);
        let at = at.unwrap();
        let chosen = &self.consumers[at];
        prop_assert!(self.has_room(chosen), "no room for {}: {:?}", first, chosen);
        for other in self.consumers.iter().filter(|c| c.id != id && c.waits_since.is_some()) {
            prop_assert!(other.priority <= chosen.priority, "{:?} before {:?}", chosen, other);
            let twice = other.priority == chosen.priority
                && other.served_at < chosen.served_at
                && other.waits_since.is_some_and(|since| since < chosen.served_at);
            prop_assert!(!twice, "{:?} twice before {:?}", chosen, other);
        }
        let (now, channel) = (self.now, chosen.channel);
        self.boxes_bytes[channel] += entry.message.memory_bytes();
        let chosen = &mut self.consumers[at];
        chosen.served_at = now;
        if !chosen.no_ack {
            chosen.unacked += 1;
            self.used[channel] += 1;
            self.unacked += 1;
        }
        self.note_lost_room();
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: ConsumerId) {
        self.consumers.retain(|c| c.id != id);
        if self.single_active && self.active == Some(id) {
            let best = self.consumers.iter().map(|c| c.priority).max();
            let next = self.consumers.iter().find(|c| Some(c.priority) == best);
            self.active = next.map(|c| c.id);
            if let Some(id) = self.active {
                self.note_room(id);
            }
        }
    }

    pub(crate) fn settle(&mut self, id: Option<ConsumerId>, count: usize) {
        self.unacked -= if self.closed { 0 } else { count };
        if let Some(c) = self.consumers.iter_mut().find(|c| Some(c.id) == id) {
            c.unacked -= count;
        }
        if let Some(id) = id {
            self.note_room(id);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let consumers = self.consumers.len();
        let ready_bytes = self.ready.keys().map(|id| self.body_bytes[id]).sum();
        Counts { ready: self.ready.len(), unacked: self.unacked, consumers, ready_bytes, dead: 0 }
    }
}
