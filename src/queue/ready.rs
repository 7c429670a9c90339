//! The messages of a queue that wait, in the order of their ids, in memory or on disk.
//!
//! There are four parts, each older than the next: what has been put back, the head, a gap that is
//! only in the store, and the tail, where new ones come. Without a gap the tail is what exceeds
//! the window. The tail's front becomes the gap when the store has it; the gap is read back into
//! the head. Knows no consumers, and the store only as a [`Backing`].

use super::backing::Backing;
use super::gap::{Answer, Gap, Request};
use super::kept::Kept;
use super::returned::Returned;
use super::run::Run;
use super::volume::Volume;
use crate::message::{Attempts, Message, MessageId, Seq};
use crate::outbox::{Entry, Wakes};
use crate::store::{Read, RecoveredLevel, WINDOW_MAX_BYTES, Wanted};

/// What may leave memory is looked for so many times while a window's worth of messages comes.
const CHECKS_PER_WINDOW: usize = 4;
/// So many messages leave memory in one step at most: it is done under the queue's lock. More
/// than come between two steps, so that a backlog is caught up with.
const LEAVE_MAX: usize = 1024;
/// So many transient messages are handed to the store in one step at most, likewise.
const HAND_OVER_MAX: usize = 256;
/// Messages that are put back stay in memory up to this size.
const RETURNED_MAX_BYTES: usize = WINDOW_MAX_BYTES;
/// So many of those that have been put back without their messages are read at once.
const RETURNED_READ_MAX: usize = 256;
/// And up to so many octets of them.
const RETURNED_READ_MAX_BYTES: usize = 64 * 1024;
/// A window that is filled by less than this part is given back.
const IDLE_PART: usize = 8;

/// The messages that wait.
#[derive(Debug)]
pub struct Ready {
    returned: Returned,
    head: Run,
    gap: Option<Gap>,
    tail: Run,
    /// So many at the front of the tail have been handed to the store.
    tail_handed_over: usize,
    /// What has come into the tail since it was last looked at.
    unchecked_bytes: usize,
    window_bytes: usize,
    window_min_bytes: usize,
    /// Nothing above this has been handed out: all that waits above is new, and was never seen.
    delivered_to: MessageId,
    /// Something that need not survive has been handed to the store.
    handed_over: bool,
}

impl Ready {
    /// Nothing. The window is what the queue may keep without asking.
    pub(super) fn new(window_min_bytes: usize) -> Self {
        Self {
            returned: Returned::default(),
            head: Run::default(),
            gap: None,
            tail: Run::default(),
            tail_handed_over: 0,
            unchecked_bytes: 0,
            window_bytes: window_min_bytes,
            window_min_bytes,
            delivered_to: MessageId::default(),
            handed_over: false,
        }
    }

    /// What the store has of a level: all of it is still there. Nothing above that sequence has
    /// been handed out.
    pub(super) fn recovered(
        window_min_bytes: usize,
        level: RecoveredLevel,
        delivered_to: u64,
    ) -> Self {
        let RecoveredLevel { first, last, count, body_bytes } = level;
        let delivered_to = MessageId::in_level(first.level(), delivered_to);
        let gap = Some(Gap { first, last, count, body_bytes }).filter(|gap| !gap.is_over());
        Self { gap, delivered_to, ..Self::new(window_min_bytes) }
    }

    /// How many.
    #[inline]
    pub fn len(&self) -> usize {
        let in_gap = self.gap.map_or(0, |gap| gap.count as usize);
        self.returned.len() + self.head.len() + in_gap + self.tail.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets of their bodies.
    #[inline]
    pub fn body_bytes(&self) -> u64 {
        let in_gap = self.gap.map_or(0, |gap| gap.body_bytes);
        self.returned.volume().bytes + self.head.body_bytes() + in_gap + self.tail.body_bytes()
    }

    /// The first message, if it is in memory. Without a gap, what is in the tail is moved up.
    pub(super) fn front(&mut self) -> Option<&Message> {
        if self.returned.is_empty() {
            if self.head.is_empty() && !self.tail.is_empty() && self.gap.is_none() {
                self.refill();
            }
            return self.head.front().map(|entry| &entry.message);
        }
        self.returned.first()?.message.as_ref()
    }

    /// How many of them are in memory with their messages, and what they take of it.
    pub fn resident(&self) -> (usize, usize) {
        let count = self.returned.resident().0 + self.head.len() + self.tail.len();
        (count, self.returned.bytes() + self.head.bytes() + self.tail.bytes())
    }

    /// How many, and how large.
    pub(super) fn volume(&self) -> Volume {
        let mut volume = self.returned.volume();
        volume.add(self.head.volume());
        volume.add(self.tail.volume());
        if let Some(Gap { count, body_bytes, .. }) = self.gap {
            volume.add(Volume { count, bytes: body_bytes, kept: count, kept_bytes: body_bytes });
        }
        volume
    }

    /// The octets of the bodies that are in memory.
    pub(super) fn resident_body_bytes(&self) -> u64 {
        self.returned.resident().1 + self.head.body_bytes() + self.tail.body_bytes()
    }

    /// Where the first message is, if it is not in memory.
    pub(super) fn unread_head(&self) -> Option<Wanted> {
        if let Some(first) = self.returned.first() {
            return first.message.is_none().then(|| Wanted::Ids(vec![first.id]));
        }
        let Gap { first, last, .. } = self.gap.filter(|_| self.head.is_empty())?;
        Some(Wanted::Range { first, last })
    }

    /// What has been handed out goes up to there.
    pub(super) fn delivered_to(&self) -> MessageId {
        self.delivered_to
    }

    /// Whether the store has something that need not survive.
    pub(super) fn handed_over(&self) -> bool {
        self.handed_over
    }

    // ---- in and out -----------------------------------------------------------------------

    /// Appends a message with an id above all others. True if it is time to
    /// [`page_out`](Self::page_out).
    #[inline]
    pub(super) fn push(&mut self, entry: Entry) -> bool {
        if self.tail.is_empty() && self.gap.is_none() && self.head.bytes() < self.window_bytes {
            self.head.push_back(entry);
            return false;
        }
        self.unchecked_bytes += entry.message.memory_bytes();
        self.tail.push_back(entry);
        self.unchecked_bytes >= self.window_bytes / CHECKS_PER_WINDOW
    }

    /// Puts a message back to its place.
    pub(super) fn put_back(&mut self, mut kept: Kept, backing: &impl Backing) {
        if self.returned.bytes() >= RETURNED_MAX_BYTES {
            kept.page_out(|seq| backing.is_settled(seq));
        }
        self.returned.insert(kept);
    }

    /// Takes the first message. `None` if there is none, or if it has to be read first.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry> {
        if !self.returned.is_empty() {
            return self.returned.pop();
        }
        if self.head.is_empty() && !self.tail.is_empty() && self.gap.is_none() {
            self.refill();
        }
        self.head.pop_front()
    }

    /// Undoes a [`pop`](Self::pop).
    pub(super) fn unpop(&mut self, entry: Entry) {
        // What has been handed out before was put back, and so may have neighbours there.
        if entry.id <= self.delivered_to {
            self.returned.insert(entry.into());
        } else {
            self.head.push_front(entry);
        }
    }

    /// The message that was popped has been handed out.
    #[inline]
    pub(super) fn note_delivered(&mut self, id: MessageId) {
        self.delivered_to = self.delivered_to.max(id);
    }

    /// Without a gap: fills the window from the tail.
    fn refill(&mut self) {
        if self.head.is_empty() && self.tail.bytes() <= self.window_bytes {
            std::mem::swap(&mut self.head, &mut self.tail);
            self.tail_handed_over = 0;
            return;
        }
        while self.head.bytes() < self.window_bytes {
            let Some(entry) = self.pop_tail_if(|_| true) else { break };
            self.head.push_back(entry);
        }
    }

    fn pop_tail_if(&mut self, allowed: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        let entry = self.tail.pop_front_if(allowed)?;
        self.tail_handed_over = self.tail_handed_over.saturating_sub(1);
        Some(entry)
    }

    /// Takes everything out. What is asked of the store meanwhile is not wanted any more.
    pub(super) fn take_all(&mut self) -> Self {
        let rest = Self {
            window_bytes: self.window_bytes,
            delivered_to: self.delivered_to,
            handed_over: self.handed_over,
            ..Self::new(self.window_min_bytes)
        };
        std::mem::replace(self, rest)
    }

    /// Tells the store that all of them are settled.
    pub fn remove_all(&self, backing: &impl Backing, wakes: &mut Wakes) {
        let returned = self.returned.iter().map(|kept| (kept.id, kept.seq));
        let resident = self.head.iter().chain(self.tail.iter()).map(|entry| (entry.id, entry.seq));
        let mut settled = Vec::with_capacity(LEAVE_MAX);
        for one in returned.chain(resident).filter(|(_, seq)| *seq != Seq::NONE) {
            settled.push(one);
            if settled.len() == LEAVE_MAX {
                backing.remove(&settled, wakes);
                settled.clear();
            }
        }
        if !settled.is_empty() {
            backing.remove(&settled, wakes);
        }
        if let Some(gap) = self.gap {
            backing.remove_range(gap.first, gap.last, wakes);
        }
    }

    // ---- out of memory --------------------------------------------------------------------

    /// Lets go of messages beyond the window that the store has.
    #[cold]
    pub(super) fn page_out(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        self.unchecked_bytes = 0;
        if self.tail.is_empty() && self.gap.is_none() {
            return;
        }
        self.window_bytes = backing.resize_window(self.window_bytes);
        if self.gap.is_none() {
            self.refill();
        }
        if backing.is_memory_short() {
            self.hand_tail_over(backing, wakes);
        }
        self.trim_head(backing);
        for _ in 0..LEAVE_MAX {
            let Some(entry) = self.pop_tail_if(|entry| is_on_disk(entry, backing)) else { break };
            Gap::append(&mut self.gap, &entry);
        }
        self.tail.shrink();
    }

    /// The window may have become much smaller than what was read for it.
    fn trim_head(&mut self, backing: &impl Backing) {
        if self.head.bytes() / 2 <= self.window_bytes {
            return;
        }
        while self.head.bytes() > self.window_bytes && self.head.len() > 1 {
            let last = self.head.pop_back_if(|entry| is_on_disk(entry, backing));
            let Some(entry) = last else { break };
            Gap::prepend(&mut self.gap, &entry);
        }
    }

    /// Memory is short: the store gets what need not survive too, so that it can leave memory.
    fn hand_tail_over(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        let mut handed = Volume::default();
        let behind = self.tail.iter_mut_from(self.tail_handed_over);
        for entry in behind.take(HAND_OVER_MAX) {
            if entry.seq == Seq::NONE {
                entry.seq = backing.append(entry.id, &entry.message, wakes);
                handed.add(Volume::from(&*entry));
            }
            self.tail_handed_over += 1;
        }
        self.handed_over |= handed.kept > 0;
        self.tail.note_kept(handed);
    }

    /// Whether [`tend`](Self::tend) or [`wanted`](Self::wanted) may have something to do.
    #[inline]
    pub(super) fn needs_tending(&self) -> bool {
        self.gap.is_some() || !self.returned.is_empty() || self.window_is_idle()
    }

    /// Gives the window back if it is not needed any more.
    pub(super) fn tend(&mut self, backing: &impl Backing) {
        if self.window_is_idle() {
            self.give_window_back(backing);
        }
    }

    pub(super) fn give_window_back(&mut self, backing: &impl Backing) {
        backing.give_window_back(self.window_bytes);
        self.window_bytes = self.window_min_bytes;
    }

    #[inline]
    fn window_is_idle(&self) -> bool {
        self.window_bytes > self.window_min_bytes
            && self.gap.is_none()
            && self.tail.is_empty()
            && self.head.bytes() <= self.window_bytes / IDLE_PART
    }

    // ---- back into memory -----------------------------------------------------------------

    /// What has to be read so that the next messages are in memory when they are needed.
    pub(super) fn wanted(&mut self, backing: &impl Backing) -> Option<Request> {
        if let Some(kept) = self.returned.first()
            && kept.message.is_none()
        {
            let missing = self.returned.iter().filter(|kept| kept.message.is_none());
            let ids = missing.take(RETURNED_READ_MAX).map(|kept| kept.id).collect();
            let max_bytes = RETURNED_READ_MAX_BYTES;
            return Some(Request { wanted: Wanted::Ids(ids), max_bytes });
        }
        let Gap { first, last, .. } = self.gap?;
        if self.head.bytes() > self.window_bytes / 2 {
            return None;
        }
        self.window_bytes = backing.resize_window(self.window_bytes);
        let max_bytes = self.window_bytes.saturating_sub(self.head.bytes()).max(1);
        Some(Request { wanted: Wanted::Range { first, last }, max_bytes })
    }

    /// What was asked for is here.
    pub(super) fn on_read(&mut self, request: &Request, read: Read) -> Answer {
        match &request.wanted {
            Wanted::Range { first, .. } => self.on_range(*first, read),
            Wanted::Ids(ids) => self.on_ids(ids, read),
        }
    }

    fn on_range(&mut self, first: MessageId, read: Read) -> Answer {
        // Two may have asked at once, and what the second one gets is here already. Or there was a
        // purge; or the end of the head has left memory again and would be missing.
        let Some(gap) = self.gap.as_mut().filter(|gap| gap.first == first) else {
            return Answer::default();
        };
        for (id, message, attempts) in read.messages {
            if !gap.contains(id) {
                continue;
            }
            let redelivered = id <= self.delivered_to || attempts != Attempts::default();
            gap.give_back(id, &message);
            self.head.push_back(Entry { id, seq: Seq::ON_DISK, redelivered, attempts, message });
        }
        gap.begin_behind(read.up_to);
        let mut answer = Answer { lost: 0, told_nothing: gap.first == first };
        if gap.is_over() {
            answer.lost = gap.count;
            self.gap = None;
        }
        answer
    }

    fn on_ids(&mut self, ids: &[MessageId], read: Read) -> Answer {
        let mut answer = Answer { lost: 0, told_nothing: true };
        let mut found = read.messages.into_iter().peekable();
        for id in ids.iter().take_while(|id| **id <= read.up_to) {
            answer.told_nothing = false;
            while found.next_if(|(other, ..)| other < id).is_some() {}
            let message = found.next_if(|(other, ..)| other == id).map(|(_, message, _)| message);
            answer.lost += u64::from(self.returned.on_read(*id, message.as_ref()));
        }
        answer
    }
}

/// Whether the store can give a message back at any time.
fn is_on_disk(entry: &Entry, backing: &impl Backing) -> bool {
    entry.seq != Seq::NONE && backing.is_settled(entry.seq)
}

#[cfg(test)]
mod tests;
