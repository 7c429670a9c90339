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

/// So many are brought on in one step.
const AT_ONCE: usize = 256;
/// What could not be brought on is tried again after this time.
const RETRY_MS: u64 = 1000;
/// And so many of it at once.
const RETRIED_MAX: usize = 4096;
/// While so many wait to be brought on, nothing else dies that may as well stay: a queue's messages
/// are not to come into memory faster than they leave it.
const DYING_MAX: usize = 1024;
/// And while so many octets of them are in memory. A thousand queues whose dead have to wait for
/// the store hold 64 MiB like that.
const DYING_MAX_BYTES: usize = 64 * 1024;
/// So many that nobody has taken wait in memory; what expires beyond that stays where it is. More
/// of them only come from consumers.
const WAITING_MAX: usize = RETRIED_MAX;

/// The dead of a queue.
#[derive(Debug, Default)]
pub(super) struct Burial {
    /// In the order of their deaths.
    dying: VecDeque<Dead>,
    /// What of them is in memory.
    dying_bytes: usize,
    /// Something else would have died, had they not been too many.
    held_up: bool,
    /// Somebody brings them on, or is about to.
    under_way: bool,
    /// But not before this time.
    resume_ms: Option<u64>,
    /// Not taken everywhere so far.
    waiting: VecDeque<Dead>,
    waiting_bytes: u64,
    retry_ms: Option<u64>,
    /// Since the last try one of them was not taken again.
    failed: bool,
}

impl Burial {
    pub(super) fn len(&self) -> usize {
        self.dying.len() + self.waiting.len()
    }

    /// Whether nothing has to be done for them.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.dying.is_empty() && self.retry_ms.is_none() && self.resume_ms.is_none()
    }

    /// How many wait to be tried again, and the octets of their bodies.
    pub(super) fn waiting(&self) -> (u64, u64) {
        (self.waiting.len() as u64, self.waiting_bytes)
    }

    /// Whether no more are to die now. What may not stay is looked at again when these are gone.
    pub(super) fn is_crowded(&mut self) -> bool {
        let crowded = self.are_many();
        self.held_up |= crowded;
        crowded
    }

    fn are_many(&self) -> bool {
        self.dying.len() >= DYING_MAX || self.dying_bytes >= DYING_MAX_BYTES
    }

    /// The same for what nobody but time makes die: it can wait for its new queues where it is.
    pub(super) fn has_too_many(&mut self) -> bool {
        let too_many = self.waiting.len() >= WAITING_MAX;
        self.held_up |= too_many;
        too_many || self.is_crowded()
    }

    fn push(&mut self, dead: Dead) {
        self.dying_bytes += dead.kept.memory_bytes();
        self.dying.push_back(dead);
    }

    /// The queue is deleted with what waits. Nobody will look after it later: what was only
    /// postponed is brought on now.
    pub(super) fn give_up(&mut self) {
        (self.waiting, self.waiting_bytes) = (VecDeque::new(), 0);
        if self.resume_ms.take().is_some() {
            self.under_way = false;
        }
    }
}

impl QueueState {
    /// A message has died: it goes to the dead-letter exchange, or for good.
    pub(super) fn bury(&mut self, kept: Kept, reason: Reason) {
        self.note_death(reason);
        if self.rules.dead_letter.is_some() {
            self.burial.push(Dead { kept, reason, reached: Vec::new() });
        } else if kept.seq != Seq::NONE {
            self.leaving.push((kept.id, kept.seq));
        }
    }

    /// Those that are still to be brought on, in the order in which they will be.
    pub fn dying(&self) -> impl Iterator<Item = &Dead> {
        self.burial.dying.iter()
    }

    /// True if somebody has to bring the dead on, and nobody else will; or if they are so many that
    /// whoever adds to them has to help.
    #[inline]
    pub fn begins_burial(&mut self) -> bool {
        let anybody = !self.burial.dying.is_empty() && self.rules.dead_letter.is_some();
        let begins = anybody && (!self.burial.under_way || self.burial.are_many());
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
        if self.burial.dying.is_empty() {
            self.go_on_after_burial(backing, wakes);
        }
        let count = self.burial.dying.len().min(AT_ONCE);
        let to = self.rules.dead_letter.clone().filter(|_| count > 0);
        let Some(to) = to else {
            self.burial.under_way = false;
            return None;
        };
        let taken: Vec<Dead> = self.burial.dying.drain(..count).collect();
        let taken_bytes: usize = taken.iter().map(|dead| dead.kept.memory_bytes()).sum();
        self.burial.dying_bytes = self.burial.dying_bytes.saturating_sub(taken_bytes);
        Some((taken, to))
    }

    /// The dead have been brought on: does what they have held up.
    fn go_on_after_burial(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        if !self.burial.failed && !self.burial.waiting.is_empty() {
            // Those that were tried again have been taken: the rest need not wait.
            self.burial.retry_ms = Some(wakes.now_ms());
        }
        if std::mem::take(&mut self.burial.held_up) && !self.closed {
            self.deliver(backing, wakes);
            self.drop_what_may_not_stay(backing, wakes);
            self.expire_all(backing, wakes);
        }
    }

    /// The dead have to wait until then.
    pub fn postpone_burial(&mut self, dead: Vec<Dead>, until_ms: u64) {
        for one in dead.into_iter().rev() {
            self.burial.dying_bytes += one.kept.memory_bytes();
            self.burial.dying.push_front(one);
        }
        self.burial.resume_ms = Some(until_ms);
    }

    /// Not all of its new queues have taken a message: it waits.
    pub fn keep_dead(&mut self, mut dead: Dead, backing: &impl Backing, now_ms: u64) {
        if self.closed {
            return;
        }
        dead.kept.page_out(|seq| backing.is_settled(seq));
        self.burial.failed = true;
        self.burial.waiting_bytes += u64::from(dead.kept.body_bytes);
        self.burial.waiting.push_back(dead);
        self.burial.retry_ms.get_or_insert(now_ms + RETRY_MS);
    }

    /// Tries those again that have waited long enough. True if the dead have to be brought on.
    pub(super) fn retry_burial(&mut self, now_ms: u64) -> bool {
        if self.burial.retry_ms.is_some_and(|retry_ms| retry_ms <= now_ms) {
            self.burial.retry_ms = None;
            self.burial.failed = false;
            let again = self.burial.waiting.len().min(RETRIED_MAX);
            for dead in self.burial.waiting.drain(..again).collect::<Vec<_>>() {
                self.burial.waiting_bytes -= u64::from(dead.kept.body_bytes);
                self.burial.push(dead);
            }
            if !self.burial.waiting.is_empty() {
                self.burial.retry_ms = Some(now_ms + RETRY_MS);
            }
        }
        let resumes = self.burial.resume_ms.take_if(|resume_ms| *resume_ms <= now_ms).is_some();
        resumes || self.begins_burial()
    }

    /// Without a dead-letter exchange any more, the dead go for good.
    pub(super) fn bury_for_good(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        if self.rules.dead_letter.is_some() || self.burial.len() == 0 {
            return;
        }
        let gone = self.burial.dying.drain(..).chain(self.burial.waiting.drain(..));
        let stored = gone.map(|dead| (dead.kept.id, dead.kept.seq));
        self.leaving.extend(stored.filter(|(_, seq): &(MessageId, Seq)| *seq != Seq::NONE));
        (self.burial.waiting_bytes, self.burial.dying_bytes) = (0, 0);
        self.tell_leaving(backing, wakes);
    }

    /// When somebody has to go on with them.
    pub(super) fn burial_ms(&self) -> Option<u64> {
        self.burial.retry_ms.into_iter().chain(self.burial.resume_ms).min()
    }
}
