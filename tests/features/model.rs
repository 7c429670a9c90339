//! The naive queue: what has to be true of one, in the plainest words there are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;
use warren::message::{Attempts, MessageId};
use warren::outbox::{ConsumerId, Entry};
use warren::queue::{Counts, Nature, Overflow, QueueKind, Reason, Rules};

/// The order of a queue: the highest level first, in it the oldest.
pub(crate) type Place = (Reverse<u16>, u64);

pub(crate) fn place(id: MessageId) -> Place {
    (Reverse(id.level()), id.sequence())
}

/// A message as its publisher and its queue know it.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// Counts what was published.
    pub(crate) number: u64,
    pub(crate) id: MessageId,
    pub(crate) expiration_ms: Option<u64>,
    pub(crate) published_ms: u64,
    pub(crate) body_bytes: u64,
    pub(crate) redelivered: bool,
    pub(crate) attempts: Attempts,
}

/// Why a message is nowhere any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Settled,
    Purged,
    Refused,
    WentWithItsQueue,
    Died(Reason),
}

#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) id: ConsumerId,
    pub(crate) channel: usize,
    pub(crate) no_ack: bool,
    pub(crate) priority: i64,
    pub(crate) prefetch: u16,
    pub(crate) unacked: usize,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) nature: Nature,
    pub(crate) rules: Arc<Rules>,
    pub(crate) now_ms: u64,
    pub(crate) ready: BTreeMap<Place, Letter>,
    pub(crate) unacked: usize,
    /// Dead, in the order of their deaths.
    pub(crate) dying: VecDeque<(Letter, Reason)>,
    /// Dead, and refused where they should have gone.
    pub(crate) waiting: VecDeque<(Letter, Reason)>,
    pub(crate) gone: BTreeMap<u64, Fate>,
    /// In the order of their arrival.
    pub(crate) consumers: Vec<Consumer>,
    active: Option<ConsumerId>,
    gives_way: bool,
    pub(crate) used_ms: u64,
    pub(crate) closed: bool,
    /// Has come this very moment.
    pub(crate) fresh: Option<MessageId>,
}

impl Model {
    pub(crate) fn new(nature: Nature, rules: Arc<Rules>, now_ms: u64) -> Self {
        Self {
            nature,
            rules,
            now_ms,
            ready: BTreeMap::new(),
            unacked: 0,
            dying: VecDeque::new(),
            waiting: VecDeque::new(),
            gone: BTreeMap::new(),
            consumers: Vec::new(),
            active: None,
            gives_way: false,
            used_ms: now_ms,
            closed: false,
            fresh: None,
        }
    }

    // ---- priorities -----------------------------------------------------------------------

    pub(crate) fn level(&self, priority: Option<u8>) -> u16 {
        let (absent, max) = match (self.nature.kind, self.nature.max_priority) {
            (QueueKind::Quorum, _) => (4, 31),
            (QueueKind::Classic, None) => return 0,
            (QueueKind::Classic, Some(max)) => (0, max),
        };
        priority.unwrap_or(absent).min(max).into()
    }

    pub(crate) fn front(&self) -> Option<&Letter> {
        self.ready.values().next()
    }

    /// The first of each level.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Letter> {
        let mut before = None;
        self.ready
            .values()
            .filter(move |letter| before.replace(letter.id.level()) != Some(letter.id.level()))
    }

    fn is_head(&self, letter: &Letter) -> bool {
        self.heads().any(|head| head.id == letter.id)
    }

    // ---- time -----------------------------------------------------------------------------

    pub(crate) fn expires_ms(&self, letter: &Letter) -> Option<u64> {
        let ttl_ms = letter.expiration_ms.into_iter().chain(self.rules.message_ttl_ms).min()?;
        Some(letter.published_ms + ttl_ms)
    }

    pub(crate) fn has_expired(&self, letter: &Letter) -> bool {
        self.expires_ms(letter).is_some_and(|expires_ms| expires_ms <= self.now_ms)
    }

    /// When the queue itself goes, unless it is used until then.
    pub(crate) fn lease_ends_ms(&self) -> Option<u64> {
        let unused = !self.closed && self.consumers.is_empty();
        self.rules.expires_ms.filter(|_| unused).map(|expires_ms| self.used_ms + expires_ms)
    }

    pub(crate) fn lease_is_over(&self) -> bool {
        self.lease_ends_ms().is_some_and(|ends_ms| ends_ms <= self.now_ms)
    }

    // ---- limits ---------------------------------------------------------------------------

    fn would_exceed(&self, more: u64, more_bytes: u64) -> bool {
        let keeps_dead = self.rules.dead_letter.as_ref().is_some_and(|to| to.at_least_once);
        let waiting = self.waiting.iter().filter(|_| keeps_dead).map(|(letter, _)| letter);
        let (mut count, mut bytes) = (more, more_bytes);
        for letter in self.ready.values().chain(waiting) {
            (count, bytes) = (count + 1, bytes + letter.body_bytes);
        }
        self.rules.max_length.is_some_and(|max| count > max)
            || self.rules.max_length_bytes.is_some_and(|max| bytes > max)
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.rules.max_length.is_some() || self.rules.max_length_bytes.is_some()
    }

    /// Whether the first message has to make room.
    pub(crate) fn has_too_much(&self) -> bool {
        self.rules.overflow == Overflow::DropHead && self.would_exceed(0, 0)
    }

    /// Whether a message is refused.
    pub(crate) fn refuses(&self, body_bytes: u64) -> bool {
        let taken_at_once =
            self.ready.is_empty() && self.consumers.iter().any(|c| self.has_room(c));
        self.rules.overflow != Overflow::DropHead
            && !taken_at_once
            && self.would_exceed(1, body_bytes)
    }

    // ---- death ----------------------------------------------------------------------------

    pub(crate) fn bury(&mut self, letter: Letter, reason: Reason) {
        if self.rules.dead_letter.is_some() {
            self.dying.push_back((letter, reason));
        } else {
            self.gone.insert(letter.number, Fate::Died(reason));
        }
    }

    /// A message that was ready has died of that: it must have had reason to.
    pub(crate) fn die(&mut self, id: MessageId, reason: Reason) -> Result<(), TestCaseError> {
        let letter = self.ready.get(&place(id)).cloned();
        prop_assert!(letter.is_some(), "{:?} has died ({:?}) and was not ready", id, reason);
        let letter = letter.unwrap();
        let is_front = self.front().is_some_and(|front| front.id == id);
        let may = match reason {
            Reason::Expired => self.is_head(&letter) && self.has_expired(&letter),
            Reason::MaxLen => is_front && self.has_too_much(),
            Reason::Rejected | Reason::DeliveryLimit => false,
        };
        prop_assert!(may, "{:?} has died of {:?}", letter, reason);
        let wanted = self.fresh == Some(id) && self.consumers.iter().any(|c| self.has_room(c));
        prop_assert!(!wanted, "{:?} has died, and somebody would have taken it", letter);
        self.ready.remove(&place(id));
        self.bury(letter, reason);
        Ok(())
    }

    // ---- consumers ------------------------------------------------------------------------

    pub(crate) fn has_room(&self, c: &Consumer) -> bool {
        let its_turn = !self.nature.single_active || (self.active == Some(c.id) && !self.gives_way);
        its_turn && (c.no_ack || c.prefetch == 0 || c.unacked < usize::from(c.prefetch))
    }

    /// Who alone gets messages: the active one stays until it leaves; in a quorum queue it gives
    /// way to a higher priority, once it holds nothing.
    fn elect(&mut self) {
        let best = self.consumers.iter().min_by_key(|c| (Reverse(c.priority), c.id));
        let Some(best) = best else {
            (self.active, self.gives_way) = (None, false);
            return;
        };
        let active = self.consumers.iter().find(|c| Some(c.id) == self.active);
        let outranked = active.is_some_and(|active| {
            self.nature.kind == QueueKind::Quorum && best.priority > active.priority
        });
        let holds = active.is_some_and(|active| active.unacked > 0);
        if active.is_none() || (outranked && !holds) {
            (self.active, self.gives_way) = (Some(best.id), false);
        } else {
            self.gives_way = outranked;
        }
    }

    pub(crate) fn add(&mut self, consumer: Consumer) {
        self.consumers.push(consumer);
        self.elect();
    }

    pub(crate) fn remove(&mut self, id: ConsumerId) {
        self.consumers.retain(|c| c.id != id);
        self.used_ms = self.now_ms;
        self.elect();
    }

    pub(crate) fn settle(&mut self, id: Option<ConsumerId>, count: usize) {
        self.unacked -= if self.closed { 0 } else { count };
        if let Some(consumer) = self.consumers.iter_mut().find(|c| Some(c.id) == id) {
            consumer.unacked -= count;
        }
        self.elect();
    }

    // ---- in and out -----------------------------------------------------------------------

    /// A delivery comes back. One that its client has seen counts.
    pub(crate) fn put_back(&mut self, mut letter: Letter, seen: bool, failed: bool) {
        if self.closed {
            self.gone.insert(letter.number, Fate::WentWithItsQueue);
            return;
        }
        letter.redelivered |= seen;
        let is_quorum = self.nature.kind == QueueKind::Quorum;
        let limit = self.rules.delivery_limit;
        if seen && (is_quorum || limit.is_some()) {
            letter.attempts.acquired += 1;
            letter.attempts.failed += u32::from(failed || !is_quorum);
            if limit.is_some_and(|limit| letter.attempts.failed > limit) {
                return self.bury(letter, Reason::DeliveryLimit);
            }
        }
        self.ready.insert(place(letter.id), letter);
    }

    /// A message goes out: what was before it must have expired, and itself must not have, unless
    /// it has come this very moment.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<Letter, TestCaseError> {
        while let Some(front) = self.front().filter(|front| front.id != entry.id) {
            let id = front.id;
            prop_assert_ne!(Some(id), self.fresh, "overtaken by {:?}", entry.id);
            self.die(id, Reason::Expired)?;
        }
        let letter = self.ready.remove(&place(entry.id));
        prop_assert!(letter.is_some(), "{:?} goes out and was not ready", entry.id);
        let letter = letter.unwrap();
        prop_assert!(
            self.fresh == Some(entry.id) || !self.has_expired(&letter),
            "expired: {:?}",
            letter
        );
        let key = letter.number.to_string();
        prop_assert_eq!(entry.message.routing_key(), key.as_bytes());
        prop_assert_eq!(entry.redelivered, letter.redelivered, "{:?}", &letter);
        prop_assert_eq!(entry.attempts, letter.attempts, "{:?}", &letter);
        Ok(letter)
    }

    /// The same, to a consumer; it must have room.
    pub(crate) fn deliver(
        &mut self,
        to: ConsumerId,
        entry: &Entry,
    ) -> Result<Letter, TestCaseError> {
        let letter = self.take(entry)?;
        let at = self.consumers.iter().position(|c| c.id == to);
        prop_assert!(at.is_some(), "{:?} goes to {:?}, who is gone", letter, to);
        let at = at.unwrap();
        prop_assert!(self.has_room(&self.consumers[at]), "no room for {:?}", letter);
        if self.consumers[at].no_ack {
            self.gone.insert(letter.number, Fate::Settled);
        } else {
            self.consumers[at].unacked += 1;
            self.unacked += 1;
        }
        Ok(letter)
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            ready: self.ready.len(),
            unacked: self.unacked,
            consumers: self.consumers.len(),
            ready_bytes: self.ready.values().map(|letter| letter.body_bytes).sum(),
            dead: self.dying.len() + self.waiting.len(),
        }
    }
}
