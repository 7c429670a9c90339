//! What a queue does, as a plain state machine: who gets which message, when.
//!
//! No lock, no async, no clock, no disk. Its outward steps are into an outbox, which in a test is
//! a list to read back, and to the [`Backing`], which in a test is a map. A delivered message that
//! is to be acknowledged is kept by the channel that it went to, which either settles it or puts it
//! back.

use std::sync::Arc;

use super::backing::Backing;
use super::consumer::{ConsumerSpec, Consumers, Taken};
use super::death::Reason;
use super::gap::{Answer, Request};
use super::kept::Kept;
use super::levels::Levels;
use super::options::Nature;
use super::outcome::{Conditions, Counts, Got, NotTaken, Refused, Released, Remains, Unless};
use super::rules::{Demands, Rules};
use super::sequences::Sequences;
use super::volume::Volume;
use crate::message::{Attempts, Message, MessageId, Seq};
use crate::outbox::{ConsumerId, Entry, Wakes};
use crate::store::{Read, RecoveredQueue, WINDOW_MIN_BYTES};

mod attempts;
mod burial;
mod expiry;
mod lease;
mod overflow;
mod tally;

use tally::Going;

/// The list of what has just left for good has room for so many when nothing leaves.
const KEEP_CAPACITY: usize = 64;

/// The state of one queue.
#[derive(Debug)]
pub struct QueueState {
    nature: Nature,
    rules: Arc<Rules>,
    demands: Demands,
    ready: Levels,
    consumers: Consumers,
    unacked: Volume,
    sequences: Sequences,
    closed: bool,
    /// What the store has been asked for, and the number of that question.
    asked: Option<(u64, Request)>,
    last_token: u64,
    /// What leaves the queue for good, until the store has been told: empty in between.
    leaving: Vec<(MessageId, Seq)>,
    burial: burial::Burial,
    expiry: expiry::Expiry,
    /// More is ready than may be: what is to be dropped is not in memory, or has to wait.
    exceeds: bool,
    /// When it was last used, as [`lease`] counts it.
    used_ms: u64,
    /// When it is to be looked after next.
    armed_ms: Option<u64>,
    tally: tally::Tally,
}

impl QueueState {
    /// An empty queue.
    pub fn new(nature: Nature, rules: Arc<Rules>) -> Self {
        Self::with_window(nature, rules, WINDOW_MIN_BYTES)
    }

    /// An empty queue that may keep so many octets in memory without asking.
    pub fn with_window(nature: Nature, rules: Arc<Rules>, window_min_bytes: usize) -> Self {
        Self {
            nature,
            demands: rules.demands(),
            rules,
            ready: Levels::new(nature.highest_level(), window_min_bytes),
            consumers: Consumers::new(nature.succession()),
            unacked: Volume::default(),
            sequences: Sequences::default(),
            closed: false,
            asked: None,
            last_token: 0,
            leaving: Vec::new(),
            burial: burial::Burial::default(),
            expiry: expiry::Expiry::default(),
            exceeds: false,
            used_ms: 0,
            armed_ms: None,
            tally: tally::Tally::default(),
        }
    }

    /// A queue as the store knows it: nothing of it is in memory.
    pub fn recovered(nature: Nature, rules: Arc<Rules>, queue: &RecoveredQueue) -> Self {
        let ready = Levels::recovered(nature.highest_level(), WINDOW_MIN_BYTES, queue);
        let expiry = expiry::Expiry::unknown(!ready.is_empty());
        let sequences = Sequences::after(queue.last);
        Self { ready, sequences, expiry, ..Self::new(nature, rules) }
    }

    /// What is in force for it.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Other rules are in force.
    pub fn set_rules(&mut self, rules: Arc<Rules>, backing: &impl Backing, wakes: &mut Wakes) {
        self.demands = rules.demands();
        self.rules = rules;
        // Which may be less long than what it was armed for.
        self.expiry.look_at_all();
        self.note_use(wakes.now_ms());
        self.bury_for_good(backing, wakes);
        self.deliver(backing, wakes);
        self.drop_what_may_not_stay(backing, wakes);
    }

    /// Whether time brings nothing, and nobody has died: the usual case.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        !self.demands.times && self.expiry.is_idle() && self.burial.is_idle() && !self.exceeds
    }

    /// If it is to be looked after earlier than was asked for so far: when that was, and when now.
    pub fn rearm(&mut self, now_ms: u64) -> Option<(Option<u64>, u64)> {
        if self.closed {
            return None;
        }
        let expiry_ms = self.next_expiry_ms(self.armed_ms.is_none(), now_ms);
        let next = [expiry_ms, self.lease_ends_ms(), self.burial_ms()];
        let next_ms = next.into_iter().flatten().min()?;
        let old_ms = self.armed_ms;
        if old_ms.is_some_and(|old_ms| old_ms <= next_ms) {
            return None;
        }
        self.armed_ms = Some(next_ms);
        Some((old_ms, next_ms))
    }

    /// The time has come that was asked for. True if somebody has to bring the dead on.
    pub fn on_time(&mut self, backing: &impl Backing, wakes: &mut Wakes) -> bool {
        self.armed_ms = None;
        // What somebody had in hand when the dead-letter exchange was taken away.
        self.bury_for_good(backing, wakes);
        self.expire_all(backing, wakes);
        self.retry_burial(wakes.now_ms())
    }

    /// When it is to be looked after, if ever: nobody is to ask any more.
    pub fn disarm(&mut self) -> Option<u64> {
        self.armed_ms.take()
    }

    /// How full it is.
    pub fn counts(&self) -> Counts {
        Counts {
            ready: self.ready.len(),
            unacked: self.unacked.count as usize,
            consumers: self.consumers.len(),
            ready_bytes: self.ready.body_bytes(),
            dead: self.burial.len(),
        }
    }

    /// The messages that wait.
    pub fn ready(&self) -> &Levels {
        &self.ready
    }

    /// Whether the queue was deleted.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// No message above this sequence has been handed out.
    pub fn delivered_to(&self) -> u64 {
        self.ready.delivered_to()
    }

    /// Takes a message in, and hands it out at once if it can. `hand_over` tells the store of it
    /// if it must: the id is there by then, and nobody has the message yet.
    #[inline]
    pub fn publish(
        &mut self,
        message: Message,
        hand_over: impl FnOnce(MessageId, &Message, &mut Wakes) -> Seq,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) -> Result<(MessageId, Seq), NotTaken> {
        if self.closed {
            return Err(NotTaken::Closed);
        }
        if self.demands.limits && self.rules.overflow.refuses() && self.has_no_room_for(&message) {
            self.refuse(message);
            return Err(NotTaken::Full);
        }
        let level = self.nature.level(message.traits());
        let id = self.sequences.next(level);
        let seq = hand_over(id, &message, wakes);
        self.tally.on_publish(seq, wakes.now_ms());
        let is_timed = self.note_expiry(&message);
        let attempts = Attempts::default();
        let is_time = self.ready.push(Entry { id, seq, redelivered: false, attempts, message });
        self.deliver_but(Some(id), backing, wakes);
        if is_timed || self.demands.limits {
            self.drop_what_may_not_stay(backing, wakes);
        }
        if is_timed {
            self.note_head(level);
        }
        if is_time {
            self.ready.page_out_of(level, backing, wakes);
        }
        Ok((id, seq))
    }

    /// Takes the first message for `basic.get`.
    pub fn get(&mut self, no_ack: bool, backing: &impl Backing, wakes: &mut Wakes) -> Got {
        self.note_use(wakes.now_ms());
        let entry = loop {
            let Some(entry) = self.ready.pop() else {
                self.tell_leaving(backing, wakes);
                let wanted = self.ready.wanted(backing);
                self.tally.get_empty += u64::from(wanted.is_none());
                return wanted.map_or(Got::Nothing, Got::Elsewhere);
            };
            if !self.has_expired(&entry.message, wakes.now_ms()) {
                break entry;
            }
            if self.burial.is_crowded() {
                self.ready.unpop(entry);
                self.tally.get_empty += 1;
                return Got::Nothing;
            }
            self.bury(entry.into(), Reason::Expired);
        };
        self.ready.note_delivered(entry.id);
        let going = Going::from(&entry);
        self.tally.on_get(going, no_ack, wakes.now_ms());
        if !no_ack {
            self.unacked.add(going.volume);
        }
        if no_ack && entry.seq != Seq::NONE {
            self.leaving.push((entry.id, entry.seq));
        }
        self.drop_what_may_not_stay(backing, wakes);
        Got::Taken(entry, self.ready.len())
    }

    /// Settles deliveries for good.
    #[inline]
    pub fn settle(
        &mut self,
        consumer: Option<ConsumerId>,
        settled: Volume,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) {
        self.tally.on_ack(settled.count, wakes.now_ms());
        self.give_room_back(consumer, settled);
        self.deliver(backing, wakes);
    }

    /// Deliveries are rejected for good.
    pub fn reject(
        &mut self,
        consumer: Option<ConsumerId>,
        entries: impl IntoIterator<Item = Kept>,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) {
        let mut settled = Volume::default();
        for kept in entries {
            settled.add(Volume::from(&kept));
            if !self.closed {
                self.bury(kept, Reason::Rejected);
            }
        }
        self.give_room_back(consumer, settled);
        self.deliver(backing, wakes);
    }

    /// Puts deliveries back to their old places. `failed`: for a reason that counts as a failure.
    pub fn requeue(
        &mut self,
        consumer: Option<ConsumerId>,
        entries: impl IntoIterator<Item = Kept>,
        failed: bool,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) {
        let mut settled = Volume::default();
        for kept in entries {
            settled.add(Volume::from(&kept));
            self.put_back(kept, failed, backing, wakes);
        }
        self.give_room_back(consumer, settled);
        self.deliver(backing, wakes);
        self.drop_what_may_not_stay(backing, wakes);
    }

    fn give_room_back(&mut self, consumer: Option<ConsumerId>, settled: Volume) {
        self.unacked.subtract(settled);
        if let Some(id) = consumer {
            self.consumers.settle(id, settled.count as u32);
        }
    }

    /// Removes a consumer whose deliveries are about to come back with
    /// [`release`](Self::release).
    pub fn detach(&mut self, id: ConsumerId, now_ms: u64) {
        self.consumers.remove(id);
        self.note_use(now_ms);
    }

    /// Takes back what a channel that has ended held: what its client has seen, and what was
    /// still on its way. True if no consumer is left.
    pub fn release(&mut self, held: Released, backing: &impl Backing, wakes: &mut Wakes) -> bool {
        self.unacked.subtract(held.unacked);
        if !self.closed {
            for entry in held.unseen {
                self.put_in_place(entry.into(), backing);
            }
        }
        for kept in held.seen {
            self.put_back(kept, true, backing, wakes);
        }
        self.deliver(backing, wakes);
        self.drop_what_may_not_stay(backing, wakes);
        self.consumers.is_empty()
    }

    /// Adds a consumer and gives it what is there.
    pub fn consume(
        &mut self,
        spec: ConsumerSpec,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        let alone = self.consumers.is_empty();
        let exclusive = spec.exclusive && (self.nature.single_active || !alone);
        if exclusive || self.consumers.has_exclusive() {
            return Err(Refused::ExclusiveUse);
        }
        self.consumers.add(spec);
        self.deliver(backing, wakes);
        Ok(())
    }

    /// Removes a consumer. What it holds stays with its channel. True if it was the last one.
    pub fn cancel(&mut self, id: ConsumerId, backing: &impl Backing, wakes: &mut Wakes) -> bool {
        let was_there = self.consumers.remove(id);
        self.note_use(wakes.now_ms());
        self.deliver(backing, wakes);
        was_there && self.consumers.is_empty()
    }

    /// Looks again at a consumer that may have room now.
    pub fn resume(&mut self, id: ConsumerId, backing: &impl Backing, wakes: &mut Wakes) {
        self.consumers.resume(id);
        self.deliver(backing, wakes);
    }

    /// Takes out what is ready: the store has to be told, then it can be dropped.
    pub fn purge(&mut self, backing: &impl Backing) -> Levels {
        self.asked = None;
        let purged = self.ready.take_all();
        self.ready.give_windows_back(backing);
        self.expiry = expiry::Expiry::default();
        purged
    }

    /// Ends the queue, unless it is in use or not empty and that matters. The store is not told of
    /// single messages: they go with the queue.
    pub fn close(
        &mut self,
        conditions: Conditions,
        now_ms: u64,
        backing: &impl Backing,
    ) -> Result<Remains, Unless> {
        if conditions.if_empty && !self.ready.is_empty() {
            return Err(Unless::NotEmpty);
        }
        let in_use = conditions.if_lease_is_over && !self.lease_is_over(now_ms);
        if in_use || (conditions.if_unused && !self.consumers.is_empty()) {
            return Err(Unless::Used);
        }
        self.closed = true;
        self.unacked = Volume::default();
        self.burial.give_up();
        let ready = self.purge(backing);
        let handed_over = ready.handed_over();
        Ok(Remains { ready, handed_over, consumers: self.consumers.clear() })
    }

    /// Looks for messages that may leave memory. It happens while messages come; somebody else
    /// has to ask for it when none do.
    pub fn page_out(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        self.ready.page_out(backing, wakes);
    }

    /// The answer to a question, if it still is one.
    pub fn on_read(
        &mut self,
        token: u64,
        read: Read,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) -> Answer {
        match self.asked.take_if(|(asked, _)| *asked == token) {
            Some((_, request)) => self.on_read_now(&request, read, backing, wakes),
            None => Answer::default(),
        }
    }

    /// What [`get`](Self::get) asked for.
    pub fn on_read_now(
        &mut self,
        request: &Request,
        read: Read,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) -> Answer {
        self.tally.disk_reads += read.messages.len() as u64;
        let answer = self.ready.on_read(request, read);
        // An answer that told nothing is no reason to ask the same again.
        if !answer.told_nothing {
            self.deliver(backing, wakes);
            self.drop_what_may_not_stay(backing, wakes);
            if self.may_expire() {
                self.expiry.look_at_all();
            }
        }
        answer
    }

    /// Hands ready messages to consumers with room, in turn, until one of the two runs out.
    #[inline]
    fn deliver(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        self.deliver_but(None, backing, wakes);
    }

    /// The same. The `fresh` message has come this very moment: it has not waited.
    #[inline]
    fn deliver_but(&mut self, fresh: Option<MessageId>, backing: &impl Backing, wakes: &mut Wakes) {
        let mut has_room = self.consumers.any_in_turn();
        while has_room {
            let Some(entry) = self.ready.pop() else { break };
            let (id, seq) = (entry.id, entry.seq);
            if fresh != Some(id) && self.has_expired(&entry.message, wakes.now_ms()) {
                if self.burial.is_crowded() {
                    self.ready.unpop(entry);
                    break;
                }
                self.bury(entry.into(), Reason::Expired);
                continue;
            }
            let going = Going::from(&entry);
            match self.consumers.offer(entry, wakes) {
                Ok(taken) => {
                    self.ready.note_delivered(id);
                    self.tally.on_delivery(going, taken, wakes.now_ms());
                    match taken {
                        Taken::ToBeAcked => self.unacked.add(going.volume),
                        Taken::ForGood if seq != Seq::NONE => self.leaving.push((id, seq)),
                        Taken::ForGood => {}
                    }
                }
                Err(back) => {
                    self.ready.unpop(back);
                    has_room = false;
                    break;
                }
            }
            has_room = self.consumers.any_in_turn();
        }
        self.tally.note_room(has_room, wakes.now_ms());
        self.tell_leaving(backing, wakes);
        if self.ready.needs_tending() {
            self.tend(backing);
        }
    }

    /// Tells the store what has left for good.
    #[inline]
    fn tell_leaving(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        if !self.leaving.is_empty() {
            backing.remove(&self.leaving, wakes);
            self.leaving.clear();
            self.leaving.shrink_to(KEEP_CAPACITY);
        }
    }

    /// Drops what has expired or exceeds a limit, and tells the store.
    fn drop_what_may_not_stay(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        self.expire_front(wakes.now_ms());
        self.drop_excess();
        self.tell_leaving(backing, wakes);
        if self.ready.needs_tending() {
            self.tend(backing);
        }
    }

    /// Asks the store for what will be needed next.
    fn tend(&mut self, backing: &impl Backing) {
        self.ready.tend(backing);
        let nobody_asks = self.consumers.is_empty() && !self.may_expire() && !self.exceeds_limits();
        if self.asked.is_some() || nobody_asks {
            return;
        }
        if let Some(request) = self.ready.wanted(backing) {
            self.ask(request, backing);
        }
    }

    fn ask(&mut self, request: Request, backing: &impl Backing) {
        self.last_token += 1;
        backing.read(request.wanted.clone(), request.max_bytes, self.last_token);
        self.asked = Some((self.last_token, request));
    }
}

#[cfg(test)]
mod tests;
