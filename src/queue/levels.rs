//! The messages of a queue that wait, by priority: one list per level, the highest level first.
//!
//! A queue without priorities has one list and pays for no more. With them a bit per level tells
//! which have messages, so that the number of levels costs nothing. Lists are made when they are
//! needed. Strict: while the highest level with messages waits for the disk, lower ones wait too.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::backing::Backing;
use super::gap::{Answer, Request};
use super::kept::Kept;
use super::ready::Ready;
use super::volume::Volume;
use crate::message::{Message, MessageId};
use crate::outbox::{Entry, Wakes};
use crate::store::{Read, RecoveredQueue, Wanted};

/// Levels that a queue may have: priorities are octets.
const LEVELS_MAX: usize = 256;
/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// The messages that wait.
#[allow(clippy::large_enum_variant, reason = "most queues have no priorities: no detour for them")]
#[derive(Debug)]
pub enum Levels {
    /// Without priorities.
    One(Ready),
    /// With them.
    Many(Box<Many>),
}

/// A list per level, and what they have in all.
#[derive(Debug, Default)]
pub struct Many {
    lists: BTreeMap<u16, Ready>,
    occupied: Occupied,
    count: usize,
    body_bytes: u64,
    /// Levels whose last message has left since they were tended.
    drained: SmallVec<[u16; 4]>,
    window_min_bytes: usize,
}

/// Which levels have messages.
#[derive(Clone, Copy, Debug, Default)]
struct Occupied([u64; LEVELS_MAX / WORD]);

impl Occupied {
    fn set(&mut self, level: u16, on: bool) {
        let (word, bit) = (usize::from(level) / WORD, usize::from(level) % WORD);
        if let Some(word) = self.0.get_mut(word) {
            *word = *word & !(1 << bit) | u64::from(on) << bit;
        }
    }

    fn highest(self) -> Option<u16> {
        let (at, word) = self.0.iter().enumerate().rfind(|(_, word)| **word != 0)?;
        Some((at * WORD) as u16 + (u64::BITS - 1 - word.leading_zeros()) as u16)
    }
}

impl Levels {
    /// Nothing, with levels up to that one. Each list may keep so much in memory without asking.
    pub(super) fn new(highest: u16, window_min_bytes: usize) -> Self {
        if highest == 0 {
            return Self::One(Ready::new(window_min_bytes));
        }
        Self::Many(Box::new(Many { window_min_bytes, ..Many::default() }))
    }

    /// What the store has of a queue.
    pub(super) fn recovered(highest: u16, window_min_bytes: usize, queue: &RecoveredQueue) -> Self {
        let mut levels = Self::new(highest, window_min_bytes);
        for level in &queue.levels {
            let ready = Ready::recovered(window_min_bytes, *level, queue.delivered_to);
            match &mut levels {
                Self::One(one) => *one = ready,
                Self::Many(many) => many.on(level.first.level(), |list| *list = ready),
            }
        }
        levels
    }

    /// How many.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::One(one) => one.len(),
            Self::Many(many) => many.count,
        }
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::One(one) => one.is_empty(),
            Self::Many(many) => many.count == 0,
        }
    }

    /// Octets of their bodies.
    #[inline]
    pub fn body_bytes(&self) -> u64 {
        match self {
            Self::One(one) => one.body_bytes(),
            Self::Many(many) => many.body_bytes,
        }
    }

    /// How many of them are in memory with their messages, and what they take of it.
    pub fn resident(&self) -> (usize, usize) {
        self.all().map(Ready::resident).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// How many, and how large.
    pub(super) fn volume(&self) -> Volume {
        let mut volume = Volume::default();
        self.all().for_each(|ready| volume.add(ready.volume()));
        volume
    }

    /// Where the first message is, if it is not in memory.
    pub(super) fn unread_head(&self) -> Option<Wanted> {
        match self {
            Self::One(one) => one.unread_head(),
            Self::Many(many) => many.front_list()?.unread_head(),
        }
    }

    /// The octets of the bodies that are in memory.
    pub(super) fn resident_body_bytes(&self) -> u64 {
        self.all().map(Ready::resident_body_bytes).sum()
    }

    /// What has been handed out goes up to that sequence.
    pub(super) fn delivered_to(&self) -> u64 {
        self.all().map(|ready| ready.delivered_to().sequence()).max().unwrap_or(0)
    }

    /// Whether the store has something that need not survive.
    pub(super) fn handed_over(&self) -> bool {
        self.all().any(Ready::handed_over)
    }

    /// Appends a message with an id above all others of its level. True if it is time to
    /// [`page_out`](Self::page_out).
    #[inline]
    pub(super) fn push(&mut self, entry: Entry) -> bool {
        match self {
            Self::One(one) => one.push(entry),
            Self::Many(many) => many.on(entry.id.level(), |list| list.push(entry)),
        }
    }

    /// Puts a message back to its place.
    pub(super) fn put_back(&mut self, kept: Kept, backing: &impl Backing) {
        match self {
            Self::One(one) => one.put_back(kept, backing),
            Self::Many(many) => many.on(kept.id.level(), |list| list.put_back(kept, backing)),
        }
    }

    /// Takes the first message. `None` if there is none, or if it has to be read first.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry> {
        match self {
            Self::One(one) => one.pop(),
            Self::Many(many) => many.on(many.front_level()?, Ready::pop),
        }
    }

    /// Takes the first message of a level.
    pub(super) fn pop_of(&mut self, level: u16) -> Option<Entry> {
        match self {
            Self::One(one) => one.pop(),
            Self::Many(many) => many.on(level, Ready::pop),
        }
    }

    /// Undoes a [`pop`](Self::pop).
    pub(super) fn unpop(&mut self, entry: Entry) {
        match self {
            Self::One(one) => one.unpop(entry),
            Self::Many(many) => many.on(entry.id.level(), |list| list.unpop(entry)),
        }
    }

    /// The message that was popped has been handed out.
    #[inline]
    pub(super) fn note_delivered(&mut self, id: MessageId) {
        match self {
            Self::One(one) => one.note_delivered(id),
            Self::Many(many) => many.on(id.level(), |list| list.note_delivered(id)),
        }
    }

    /// The first message, if it is in memory.
    pub(super) fn front(&mut self) -> Option<&Message> {
        match self {
            Self::One(one) => one.front(),
            Self::Many(many) => many.lists.get_mut(&many.occupied.highest()?)?.front(),
        }
    }

    /// The first message of a level, if it is in memory.
    pub(super) fn front_of(&mut self, level: u16) -> Option<&Message> {
        match self {
            Self::One(one) => one.front(),
            Self::Many(many) => many.lists.get_mut(&level)?.front(),
        }
    }

    /// Of each level with messages: the level, and its first message if that is in memory.
    pub(super) fn each_front(&mut self, mut each: impl FnMut(u16, Option<&Message>)) {
        match self {
            Self::One(one) => {
                if !one.is_empty() {
                    each(0, one.front());
                }
            }
            Self::Many(many) => many.each(|level, list| {
                if !list.is_empty() {
                    each(level, list.front());
                }
            }),
        }
    }

    /// Takes everything out. What is asked of the store meanwhile is not wanted any more.
    pub(super) fn take_all(&mut self) -> Self {
        match self {
            Self::One(one) => Self::One(one.take_all()),
            Self::Many(many) => {
                let mut taken = Many { window_min_bytes: many.window_min_bytes, ..Many::default() };
                many.each(|level, list| taken.on(level, |into| *into = list.take_all()));
                Self::Many(Box::new(taken))
            }
        }
    }

    /// Tells the store that all of them are settled.
    pub fn remove_all(&self, backing: &impl Backing, wakes: &mut Wakes) {
        self.all().for_each(|ready| ready.remove_all(backing, wakes));
    }

    /// Lets go of messages of a level beyond its window that the store has.
    #[cold]
    pub(super) fn page_out_of(&mut self, level: u16, backing: &impl Backing, wakes: &mut Wakes) {
        match self {
            Self::One(one) => one.page_out(backing, wakes),
            Self::Many(many) => many.on(level, |list| list.page_out(backing, wakes)),
        }
    }

    /// The same for all levels.
    pub(super) fn page_out(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        match self {
            Self::One(one) => one.page_out(backing, wakes),
            Self::Many(many) => many.each(|_, list| list.page_out(backing, wakes)),
        }
    }

    /// Whether [`tend`](Self::tend) or [`wanted`](Self::wanted) may have something to do.
    #[inline]
    pub(super) fn needs_tending(&self) -> bool {
        match self {
            Self::One(one) => one.needs_tending(),
            Self::Many(many) => {
                !many.drained.is_empty() || many.front_list().is_some_and(Ready::needs_tending)
            }
        }
    }

    /// Gives windows back that are not needed any more.
    pub(super) fn tend(&mut self, backing: &impl Backing) {
        match self {
            Self::One(one) => one.tend(backing),
            Self::Many(many) => {
                for level in std::mem::take(&mut many.drained).into_iter().chain(many.front_level())
                {
                    many.on(level, |list| list.tend(backing));
                }
            }
        }
    }

    /// Gives all windows back.
    pub(super) fn give_windows_back(&mut self, backing: &impl Backing) {
        match self {
            Self::One(one) => one.give_window_back(backing),
            Self::Many(many) => many.each(|_, list| list.give_window_back(backing)),
        }
    }

    /// What has to be read so that the next messages are in memory when they are needed.
    pub(super) fn wanted(&mut self, backing: &impl Backing) -> Option<Request> {
        match self {
            Self::One(one) => one.wanted(backing),
            Self::Many(many) => many.on(many.front_level()?, |list| list.wanted(backing)),
        }
    }

    /// What has to be read so that a level's next messages are in memory.
    pub(super) fn wanted_of(&mut self, level: u16, backing: &impl Backing) -> Option<Request> {
        match self {
            Self::One(one) => one.wanted(backing),
            Self::Many(many) => many.on(level, |list| list.wanted(backing)),
        }
    }

    /// What was asked for is here.
    pub(super) fn on_read(&mut self, request: &Request, read: Read) -> Answer {
        let level = match &request.wanted {
            Wanted::Range { first, .. } => first.level(),
            Wanted::Ids(ids) => ids.first().map_or(0, |id| id.level()),
        };
        match self {
            Self::One(one) => one.on_read(request, read),
            Self::Many(many) => many.on(level, |list| list.on_read(request, read)),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Ready> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(many) => (None, Some(many.lists.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

impl Many {
    fn front_level(&self) -> Option<u16> {
        self.occupied.highest()
    }

    fn front_list(&self) -> Option<&Ready> {
        self.lists.get(&self.front_level()?)
    }

    /// Does something with the list of a level, and notes what that has changed.
    fn on<R>(&mut self, level: u16, act: impl FnOnce(&mut Ready) -> R) -> R {
        let new = || Ready::new(self.window_min_bytes);
        let list = self.lists.entry(level).or_insert_with(new);
        let (count, body_bytes) = (list.len(), list.body_bytes());
        let result = act(list);
        if count > 0 && list.is_empty() {
            self.drained.push(level);
        }
        self.count = self.count - count + list.len();
        self.body_bytes = self.body_bytes - body_bytes + list.body_bytes();
        self.occupied.set(level, !list.is_empty());
        result
    }

    fn each(&mut self, mut act: impl FnMut(u16, &mut Ready)) {
        for level in self.lists.keys().copied().collect::<Vec<_>>() {
            self.on(level, |list| act(level, list));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_level_with_messages_is_found() {
        let mut occupied = Occupied::default();
        assert_eq!(occupied.highest(), None);
        for level in [0, 63, 64, 200, 255] {
            occupied.set(level, true);
            assert_eq!(occupied.highest(), Some(level));
        }
        for (level, then) in [(255, Some(200)), (64, Some(200)), (200, Some(63)), (63, Some(0))] {
            occupied.set(level, false);
            assert_eq!(occupied.highest(), then);
        }
    }
}
