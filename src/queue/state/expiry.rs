//! Messages whose time is up.
//!
//! A message expires at the head of its level only, when its time is up or later; nobody gets it
//! after that. What is behind a longer-lived one stays until it comes to the head.

use super::QueueState;
use crate::amqp::properties::Properties;
use crate::message::{Message, Traits};
use crate::outbox::Wakes;
use crate::queue::backing::Backing;
use crate::queue::death::Reason;
use crate::queue::kept::Kept;

/// So many messages expire in one step at most: it is done under the queue's lock.
const EXPIRE_MAX: usize = 1024;

/// What is known of the times of the messages that wait.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// Some may have an expiration of their own.
    may_have_own: bool,
    /// The heads of all levels have to be looked at.
    look_at_all: bool,
    /// The earliest time of those that have become heads of their levels since it was asked for.
    noted_ms: Option<u64>,
}

impl Expiry {
    /// Nothing is known of what is there.
    pub(super) fn unknown(is_something: bool) -> Self {
        Self { may_have_own: is_something, look_at_all: is_something, noted_ms: None }
    }

    /// The heads of all levels are to be looked at.
    pub(super) fn look_at_all(&mut self) {
        self.look_at_all = true;
    }

    /// Whether no message has an expiration of its own.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        !self.may_have_own
    }
}

impl QueueState {
    /// A message comes in. True if it may expire.
    #[inline]
    pub(super) fn note_expiry(&mut self, message: &Message) -> bool {
        let has_own = message.traits().has(Traits::EXPIRES);
        self.expiry.may_have_own |= has_own;
        has_own || (self.demands.times && self.rules.message_ttl_ms.is_some())
    }

    /// Whether a message of it may expire.
    #[inline]
    pub(super) fn may_expire(&self) -> bool {
        (self.rules.message_ttl_ms.is_some() || self.expiry.may_have_own) && !self.ready.is_empty()
    }

    /// A message comes back. One that is not in memory may be any.
    pub(super) fn note_return(&mut self, kept: &Kept) {
        let has_own = |message: &Message| message.traits().has(Traits::EXPIRES);
        self.expiry.may_have_own |= kept.message.as_ref().is_none_or(has_own);
    }

    /// Another message may be the first of that level.
    pub(super) fn note_head(&mut self, level: u16) {
        if self.may_expire() {
            let ttl_ms = self.rules.message_ttl_ms;
            let head_ms = self.ready.front_of(level).and_then(|head| expires_ms(head, ttl_ms));
            self.expiry.noted_ms = self.expiry.noted_ms.into_iter().chain(head_ms).min();
        }
    }

    /// Whether a message's time is up.
    #[inline]
    pub(super) fn has_expired(&self, message: &Message, now_ms: u64) -> bool {
        if !self.demands.times && !message.traits().has(Traits::EXPIRES) {
            return false;
        }
        let expires_ms = expires_ms(message, self.rules.message_ttl_ms);
        expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }

    /// Drops what has expired at the head.
    pub(super) fn expire_front(&mut self, now_ms: u64) {
        if !self.may_expire() {
            return;
        }
        for _ in 0..EXPIRE_MAX {
            if self.burial.has_too_many() {
                return;
            }
            let Some(entry) = self.ready.pop() else { break };
            if !self.has_expired(&entry.message, now_ms) {
                self.ready.unpop(entry);
                break;
            }
            self.bury(entry.into(), Reason::Expired);
        }
        self.expiry.may_have_own &= !self.ready.is_empty();
    }

    /// Looks at the heads of all levels: drops what has expired, asks for what is not in memory.
    pub(super) fn expire_all(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        if self.burial.is_crowded() {
            return self.expiry.look_at_all();
        }
        self.expiry.look_at_all = false;
        if !self.may_expire() {
            return;
        }
        let (now_ms, mut levels) = (wakes.now_ms(), Vec::new());
        self.ready.each_front(|level, _| levels.push(level));
        let mut left = EXPIRE_MAX;
        for level in levels {
            self.expire_level(level, now_ms, &mut left);
            if let (None, Some(request)) = (&self.asked, self.ready.wanted_of(level, backing)) {
                self.ask(request, backing);
            }
        }
        // More than one step's worth, or what had to wait for another level's answer.
        self.expiry.look_at_all = left == 0;
        self.tell_leaving(backing, wakes);
    }

    fn expire_level(&mut self, level: u16, now_ms: u64, left: &mut usize) {
        while *left > 0 && !self.burial.has_too_many() {
            let Some(entry) = self.ready.pop_of(level) else { return };
            if !self.has_expired(&entry.message, now_ms) {
                return self.ready.unpop(entry);
            }
            self.bury(entry.into(), Reason::Expired);
            *left -= 1;
        }
    }

    /// When the first of the heads expires, as far as they are in memory.
    fn first_expiry_ms(&mut self) -> Option<u64> {
        let (ttl_ms, mut first_ms) = (self.rules.message_ttl_ms, None);
        self.ready.each_front(|_, front| {
            let front_ms = front.and_then(|front| expires_ms(front, ttl_ms));
            first_ms = first_ms.into_iter().chain(front_ms).min();
        });
        first_ms
    }

    /// When something is to be done that nobody else will ask for: `None` for never, or no earlier
    /// than was asked for. `all` looks at everything, else only at what may have changed.
    pub(super) fn next_expiry_ms(&mut self, all: bool, now_ms: u64) -> Option<u64> {
        let noted_ms = self.expiry.noted_ms.take();
        if !self.may_expire() {
            self.expiry.may_have_own &= !self.ready.is_empty();
            return None;
        }
        // Those that wait to be brought on have a time of their own.
        if self.burial.has_too_many() {
            return None;
        }
        if self.expiry.look_at_all {
            return Some(now_ms);
        }
        if all {
            return self.first_expiry_ms();
        }
        let ttl_ms = self.rules.message_ttl_ms;
        let front_ms = self.ready.front().and_then(|front| expires_ms(front, ttl_ms));
        noted_ms.into_iter().chain(front_ms).min()
    }
}

/// When a message expires in a queue with that time to live.
fn expires_ms(message: &Message, queue_ttl_ms: Option<u64>) -> Option<u64> {
    let own = message
        .traits()
        .has(Traits::EXPIRES)
        .then(|| Properties::check(message.properties()).ok().and_then(|p| p.expiration_ms()));
    let ttl_ms = own.flatten().into_iter().chain(queue_ttl_ms).min()?;
    Some(message.published_ms().saturating_add(ttl_ms))
}
