//! What has died in a queue and is on its way to the dead-letter exchange.
//!
//! The state machine puts it on a list; whoever holds no lock any more takes it from there, brings
//! it to its new queues, and only then has it removed from this one. With at-least-once it waits
//! here until all of them have taken it.

use std::collections::VecDeque;

use super::QueueState;
use crate::message::{MessageId, Seq};
use crate::outbox::Wakes;
use crate::queue::backing::Backing;
use crate::queue::death::{Dead, Reason};
use crate::queue::kept::Kept;
use crate::queue::rules::DeadLetter;
use crate::store::WINDOW_MAX_BYTES;

/// So many are brought on in one step.
const AT_ONCE: usize = 256;
/// What could not be brought on is tried again after this time.
const RETRY_MS: u64 = 1000;
/// And so many of it at once.
const RETRIED_MAX: usize = 4096;
/// While the store has too much to write, this is the time until the next look.
const CROWDED_MS: u64 = 10;
/// So many may wait for that before no more are made to expire: they are all in memory.
const CROWD_MAX: usize = 4096;

/// The dead of a queue.
#[derive(Debug, Default)]
pub(super) struct Burial {
    /// In the order of their deaths.
    dying: VecDeque<Dead>,
    /// Somebody brings them on, or is about to.
    under_way: bool,
    /// But not now.
    postponed: bool,
    /// Not taken everywhere so far.
    waiting: VecDeque<Dead>,
    waiting_bytes: u64,
    retry_ms: Option<u64>,
    /// Whoever brought them on had done enough, and somebody else has to go on.
    left_ms: Option<u64>,
}

impl Burial {
    pub(super) fn len(&self) -> usize {
        self.dying.len() + self.waiting.len()
    }

    /// Whether nothing has to be done for them.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.dying.is_empty() && self.retry_ms.is_none()
    }

    /// How many wait to be tried again, and the octets of their bodies.
    pub(super) fn waiting(&self) -> (u64, u64) {
        (self.waiting.len() as u64, self.waiting_bytes)
    }

    /// Whether so many have to wait that there should not be more of them.
    pub(super) fn is_crowded(&self) -> bool {
        self.postponed && self.dying.len() >= CROWD_MAX
    }

    /// The queue is deleted with what waits. Nobody will look after it later: what was only
    /// postponed is brought on now.
    pub(super) fn give_up(&mut self) {
        (self.waiting, self.waiting_bytes) = (VecDeque::new(), 0);
        if std::mem::take(&mut self.postponed) {
            self.under_way = false;
        }
    }
}

impl QueueState {
    /// A message has died: it goes to the dead-letter exchange, or for good.
    pub(super) fn bury(&mut self, kept: Kept, reason: Reason) {
        if self.rules.dead_letter.is_some() {
            self.burial.dying.push_back(Dead { kept, reason, reached: Vec::new() });
        } else if kept.seq != Seq::NONE {
            self.leaving.push((kept.id, kept.seq));
        }
    }

    /// Those that are still to be brought on, in the order in which they will be.
    pub fn dying(&self) -> impl Iterator<Item = &Dead> {
        self.burial.dying.iter()
    }

    /// True if somebody has to bring the dead on, and nobody else will.
    #[inline]
    pub fn begins_burial(&mut self) -> bool {
        let anybody = !self.burial.dying.is_empty() && self.rules.dead_letter.is_some();
        let begins = anybody && !self.burial.under_way;
        self.burial.under_way |= begins;
        begins
    }

    /// Some of the dead, and where they go. `None`: there are no more of them.
    pub fn take_dying(
        &mut self,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) -> Option<(Vec<Dead>, DeadLetter)> {
        // The exchange may have gone while some were on their way and had to come back.
        self.bury_for_good(backing, wakes);
        let count = self.burial.dying.len().min(AT_ONCE);
        let to = self.rules.dead_letter.clone().filter(|_| count > 0);
        let Some(to) = to else {
            self.burial.under_way = false;
            return None;
        };
        Some((self.burial.dying.drain(..count).collect(), to))
    }

    /// The store has too much to write: the dead have to wait.
    pub fn postpone_burial(&mut self, dead: Vec<Dead>, now_ms: u64) {
        for one in dead.into_iter().rev() {
            self.burial.dying.push_front(one);
        }
        self.burial.postponed = true;
        self.burial.retry_ms = Some(now_ms + CROWDED_MS);
    }

    /// Whoever brings them on has done enough: the next one who comes goes on, or the timer.
    pub fn leave_burial(&mut self, now_ms: u64) {
        self.burial.under_way = false;
        self.burial.left_ms = Some(now_ms);
    }

    /// Not all of its new queues have taken a message: it waits.
    pub fn keep_dead(&mut self, mut dead: Dead, backing: &impl Backing, now_ms: u64) {
        if self.closed {
            return;
        }
        if self.burial.waiting_bytes >= WINDOW_MAX_BYTES as u64 {
            dead.kept.page_out(|seq| backing.is_settled(seq));
        }
        self.burial.waiting_bytes += u64::from(dead.kept.body_bytes);
        self.burial.waiting.push_back(dead);
        self.burial.retry_ms.get_or_insert(now_ms + RETRY_MS);
    }

    /// Tries those again that have waited long enough. True if the dead have to be brought on.
    pub(super) fn retry_burial(&mut self, now_ms: u64) -> bool {
        self.burial.left_ms = None;
        if self.burial.retry_ms.is_none_or(|retry_ms| retry_ms > now_ms) {
            return self.begins_burial();
        }
        self.burial.retry_ms = None;
        let again = self.burial.waiting.len().min(RETRIED_MAX);
        for dead in self.burial.waiting.drain(..again) {
            self.burial.waiting_bytes -= u64::from(dead.kept.body_bytes);
            self.burial.dying.push_back(dead);
        }
        if !self.burial.waiting.is_empty() {
            self.burial.retry_ms = Some(now_ms + RETRY_MS);
        }
        if std::mem::take(&mut self.burial.postponed) {
            self.burial.under_way = false;
        }
        self.begins_burial()
    }

    /// Without a dead-letter exchange any more, the dead go for good.
    pub(super) fn bury_for_good(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        if self.rules.dead_letter.is_some() || self.burial.len() == 0 {
            return;
        }
        let gone = self.burial.dying.drain(..).chain(self.burial.waiting.drain(..));
        let stored = gone.map(|dead| (dead.kept.id, dead.kept.seq));
        self.leaving.extend(stored.filter(|(_, seq): &(MessageId, Seq)| *seq != Seq::NONE));
        self.burial.waiting_bytes = 0;
        self.tell_leaving(backing, wakes);
    }

    /// When somebody has to go on with them.
    pub(super) fn burial_ms(&self) -> Option<u64> {
        self.burial.retry_ms.into_iter().chain(self.burial.left_ms).min()
    }
}
