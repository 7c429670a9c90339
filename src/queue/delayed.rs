//! Messages that are held back until they are due, as a plain state machine.
//!
//! They lie in runs: in a run each message is due no earlier than the one before it, so that only
//! the first one's time has to be known, and the rest may be on disk like the rest of a queue. A
//! message goes into the run whose last one is due closest before it; random delays make some
//! thousand runs of millions of messages. No lock, no clock, no disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::backing::Backing;
use super::gap::Request;
use super::kept::Kept;
use super::ready::Ready;
use super::sequences::Sequences;
use crate::amqp::properties::Properties;
use crate::amqp::table::{TableBuilder, Value};
use crate::message::{Attempts, Message, MessageId, Seq, Traits};
use crate::outbox::{Entry, Wakes};
use crate::store::{Read, RecoveredQueue, WINDOW_MIN_BYTES};

/// The header that says how long: negative while a message is held back and after, so that nobody
/// holds it back again.
const DELAY: &str = "x-delay";
/// So many runs at most: each takes some memory. What fits into none of them is a stray.
const RUNS_MAX: usize = 4096;
/// The level of strays; runs have lower ones.
const STRAYS: u16 = u16::MAX;

/// Messages in the order in which they are due.
#[derive(Debug)]
struct Run {
    ready: Ready,
    /// When its last message is due; `None` if that is not known: nothing more is appended.
    last_due_ms: Option<u64>,
    /// When its first one is; `None` while that is not in memory.
    first_due_ms: Option<u64>,
    /// The store has been asked for more of it.
    asked: Option<(u64, Request)>,
}

/// Messages that are held back.
#[derive(Debug, Default)]
pub(super) struct Delayed {
    runs: BTreeMap<u16, Run>,
    by_first: BTreeSet<(u64, u16)>,
    by_last: BTreeSet<(u64, u16)>,
    /// Those whose first message is not in memory.
    unknown: BTreeSet<u16>,
    /// By time. What the store has of them may not be in memory.
    strays: BTreeMap<(u64, MessageId), Kept>,
    strays_bytes: usize,
    /// Those that may be in memory with their messages, in the order in which they came.
    whole_strays: VecDeque<(u64, MessageId)>,
    sequences: Sequences,
    last_token: u64,
    /// Something that need not survive has been handed to the store.
    handed_over: bool,
    pub(super) closed: bool,
}

/// A message as it is while it is held back: the header tells how long, and that it has been.
pub(super) fn held_back(message: &Message, delay_ms: u64) -> Message {
    let properties = Properties::check(message.properties()).unwrap_or_default();
    let headers = properties.headers.unwrap_or_default();
    let negative = i64::try_from(delay_ms).map_or(i64::MIN, |delay_ms| -delay_ms);
    // With the type that it came with, where that can be negative.
    let value = match headers.get(DELAY) {
        Some(Value::I8(_)) => i8::try_from(negative).map(Value::I8).ok(),
        Some(Value::I16(_)) => i16::try_from(negative).map(Value::I16).ok(),
        Some(Value::I32(_)) => i32::try_from(negative).map(Value::I32).ok(),
        _ => None,
    };
    let value = value.unwrap_or(Value::I64(negative));
    let mut changed = TableBuilder::new();
    for (name, old) in &headers {
        let is_delay = name == DELAY.as_bytes();
        changed = changed.raw_named(name, if is_delay { &value } else { &old });
    }
    let properties = properties.with_headers(&changed.build());
    let held = message.readdressed(message.address(), &properties, message.traits());
    held.published_at(message.published_ms())
}

/// When a message that is held back is due.
fn due_ms(message: &Message) -> u64 {
    let properties = Properties::check(message.properties()).unwrap_or_default();
    let delay = properties.headers.and_then(|headers| headers.get(DELAY)?.as_int());
    message.published_ms().saturating_add(delay.unwrap_or(0).unsigned_abs())
}

impl Delayed {
    /// What the store knows from before.
    pub(super) fn recovered(queue: &RecoveredQueue) -> Self {
        let mut delayed = Self { sequences: Sequences::after(queue.last), ..Self::default() };
        for level in &queue.levels {
            let ready = Ready::recovered(WINDOW_MIN_BYTES, *level, 0);
            let level = level.first.level();
            delayed.unknown.insert(level);
            let run = Run { ready, last_due_ms: None, first_due_ms: None, asked: None };
            delayed.runs.insert(level, run);
        }
        delayed
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.strays.len() + self.runs.values().map(|run| run.ready.len()).sum::<usize>()
    }

    /// Whether the store has something that need not survive.
    pub(super) fn handed_over(&self) -> bool {
        self.handed_over || self.runs.values().any(|run| run.ready.handed_over())
    }

    /// Takes a message in that [`held_back`] has made.
    pub(super) fn hold(
        &mut self,
        message: Message,
        hand_over: impl FnOnce(MessageId, &Message, &mut Wakes) -> Seq,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) -> Seq {
        let due_ms = due_ms(&message);
        let level = self.run_for(due_ms);
        let id = self.sequences.next(level);
        let seq = hand_over(id, &message, wakes);
        let attempts = Attempts::default();
        let entry = Entry { id, seq, redelivered: false, attempts, message };
        let Some(run) = self.runs.get_mut(&level).filter(|_| level != STRAYS) else {
            self.hold_stray(due_ms, entry, backing);
            return seq;
        };
        if let Some(last_ms) = run.last_due_ms.replace(due_ms) {
            self.by_last.remove(&(last_ms, level));
        }
        self.by_last.insert((due_ms, level));
        if run.first_due_ms.is_none() && run.ready.is_empty() {
            run.first_due_ms = Some(due_ms);
            self.by_first.insert((due_ms, level));
        }
        if run.ready.push(entry) {
            run.ready.page_out(backing, wakes);
        }
        seq
    }

    /// The run that a message belongs to, which is made if there is none.
    fn run_for(&mut self, due_ms: u64) -> u16 {
        let before = self.by_last.range(..=(due_ms, u16::MAX)).next_back();
        if let Some((_, level)) = before {
            return *level;
        }
        if self.runs.len() >= RUNS_MAX {
            return STRAYS;
        }
        let free = (0..STRAYS).find(|level| !self.runs.contains_key(level)).unwrap_or(STRAYS);
        let ready = Ready::new(WINDOW_MIN_BYTES);
        let run = Run { ready, last_due_ms: None, first_due_ms: None, asked: None };
        self.runs.insert(free, run);
        free
    }

    fn hold_stray(&mut self, due_ms: u64, entry: Entry, backing: &impl Backing) {
        let kept = Kept::from(entry);
        self.strays_bytes += kept.memory_bytes();
        self.whole_strays.push_back((due_ms, kept.id));
        self.strays.insert((due_ms, kept.id), kept);
        self.page_strays_out(backing);
    }

    /// Lets go of the messages of strays that the store has settled meanwhile, oldest first.
    fn page_strays_out(&mut self, backing: &impl Backing) {
        while let Some(key) = self.whole_strays.front() {
            if let Some(kept) = self.strays.get_mut(key).filter(|kept| kept.seq != Seq::NONE) {
                let bytes = kept.memory_bytes();
                let enough = self.strays_bytes < crate::store::WINDOW_MAX_BYTES;
                if enough || !kept.page_out(|seq| backing.is_settled(seq)) {
                    break;
                }
                self.strays_bytes -= bytes;
            }
            self.whole_strays.pop_front();
        }
        if self.whole_strays.len() > 2 * self.strays.len() + RUNS_MAX {
            self.whole_strays.retain(|key| self.strays.contains_key(key));
        }
    }

    /// When the next one is due. `None` while that is not known, or if there is none.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        if !self.unknown.is_empty() {
            return None;
        }
        let run = self.by_first.first().map(|(due_ms, _)| *due_ms);
        let stray = self.strays.first_key_value().map(|((due_ms, _), _)| *due_ms);
        run.into_iter().chain(stray).min()
    }

    /// Takes out what is due, in order, up to a number of messages. Not all may be in memory.
    pub(super) fn take_due(
        &mut self,
        max: usize,
        backing: &impl Backing,
        now_ms: u64,
    ) -> Vec<Kept> {
        let mut due = Vec::new();
        while due.len() < max
            && let Some(next_ms) = self.next_due_ms().filter(|next_ms| *next_ms <= now_ms)
        {
            let stray = self.strays.first_entry().filter(|stray| stray.key().0 == next_ms);
            if let Some(stray) = stray {
                let kept = stray.remove();
                self.strays_bytes -= kept.memory_bytes();
                due.push(kept);
                continue;
            }
            let Some((_, level)) = self.by_first.pop_first() else { break };
            let Some(run) = self.runs.get_mut(&level) else { continue };
            due.extend(run.ready.pop().map(Kept::from));
            run.first_due_ms = None;
            self.look_at(level, backing);
        }
        due
    }

    /// Strays that a start has found are in no order: each gets its place once it has been read.
    fn sort_strays(&mut self, backing: &impl Backing) {
        while let Some(entry) = self.runs.get_mut(&STRAYS).and_then(|run| run.ready.pop()) {
            self.hold_stray(due_ms(&entry.message), entry, backing);
        }
    }

    /// The first message of a run has changed.
    fn look_at(&mut self, level: u16, backing: &impl Backing) {
        if level == STRAYS {
            self.sort_strays(backing);
        }
        let Some(run) = self.runs.get_mut(&level) else { return };
        if run.ready.is_empty() {
            run.ready.give_window_back(backing);
            if let Some(last_ms) = run.last_due_ms {
                self.by_last.remove(&(last_ms, level));
            }
            self.unknown.remove(&level);
            self.runs.remove(&level);
            return;
        }
        if run.first_due_ms.is_none() {
            run.first_due_ms = run.ready.front().map(due_ms);
            match run.first_due_ms {
                Some(due_ms) => {
                    self.by_first.insert((due_ms, level));
                    self.unknown.remove(&level);
                }
                None => {
                    self.unknown.insert(level);
                }
            }
        }
        if run.asked.is_none()
            && let Some(request) = run.ready.wanted(backing)
        {
            self.last_token += 1;
            backing.read(request.wanted.clone(), request.max_bytes, self.last_token);
            run.asked = Some((self.last_token, request));
        }
    }

    /// Asks for the first messages of the runs that a start has found.
    pub(super) fn ask_for_unknown(&mut self, backing: &impl Backing) {
        for level in self.unknown.iter().copied().collect::<Vec<_>>() {
            self.look_at(level, backing);
        }
    }

    /// An answer of the store; how many messages turned out to be missing.
    pub(super) fn on_read(&mut self, token: u64, read: Read, backing: &impl Backing) -> u64 {
        let asked = |run: &Run| run.asked.as_ref().is_some_and(|(asked, _)| *asked == token);
        let Some((level, run)) = self.runs.iter_mut().find(|(_, run)| asked(run)) else { return 0 };
        let (level, Some((_, request))) = (*level, run.asked.take()) else { return 0 };
        let answer = run.ready.on_read(&request, read);
        let mut lost = answer.lost;
        if answer.told_nothing {
            // To ask again would be to ask for ever.
            lost += run.ready.take_all().len() as u64;
        }
        self.look_at(level, backing);
        lost
    }

    /// Memory is short: lets go of what the store has or can take.
    pub(super) fn page_out(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        for run in self.runs.values_mut() {
            run.ready.page_out(backing, wakes);
        }
        for kept in self.strays.values_mut() {
            let Some(message) = &kept.message else { continue };
            if kept.seq == Seq::NONE && backing.is_memory_short() {
                kept.seq = backing.append(kept.id, message, wakes);
                self.handed_over |= !message.traits().has(Traits::PERSISTENT);
            }
            let bytes = kept.memory_bytes();
            if kept.page_out(|seq| backing.is_settled(seq)) {
                self.strays_bytes -= bytes;
            }
        }
    }

    /// Everything goes, with whoever held it.
    pub(super) fn close(&mut self, backing: &impl Backing) -> bool {
        let handed_over = self.handed_over();
        for run in self.runs.values_mut() {
            run.ready.give_window_back(backing);
        }
        *self = Self { closed: true, ..Self::default() };
        handed_over
    }
}

#[cfg(test)]
mod tests;
