//! Uses a store as a broker would, at random, and notes what it asks for and what it is promised.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use warren::message::{Attempts, Body, LINK_FROM_BYTES, Message, MessageId, Seq, address};
use warren::outbox::Wakes;
use warren::store::{Definition, OnFailure, QueueId, Recovered, Store, StoreError, StoreOptions};

use super::machine::{Event, Gate, Machine};
use super::model::{
    Found, Model, Op, Ref, body_of, exchange_definition, queue_definition, read_all,
};
use super::random::Random;

/// Small, so that a test fills many.
pub const SEGMENT_BYTES: u64 = 64 * 1024;
/// Longer than any disk in memory takes.
const DEADLINE: Duration = Duration::from_secs(30);
const QUEUES_MAX: usize = 4;
/// Levels of a queue; most messages are on the lowest.
const LEVELS: usize = 4;

/// Opens a store on a machine.
pub fn open(machine: &Arc<Machine>) -> Result<(Arc<Store>, Recovered), StoreError> {
    let options = StoreOptions { on_failure: OnFailure::Stop, segment_bytes: SEGMENT_BYTES };
    Store::open_with(machine.files(), machine.catalogue(), options, None)
}

struct Queue {
    id: QueueId,
    /// `None` for one that does not survive.
    definition: Option<Definition>,
    /// The last sequence that was given.
    last: u64,
    /// In the order in which they came, whatever their levels.
    living: Vec<(u64, Seq)>,
}

pub struct Driver {
    pub machine: Arc<Machine>,
    pub store: Arc<Store>,
    pub model: Model,
    pub random: Random,
    /// The disk was seen to be full.
    pub was_full: bool,
    wakes: Wakes,
    queues: Vec<Queue>,
    /// How often those have come back that have.
    attempts: BTreeMap<Ref, Attempts>,
}

impl Driver {
    /// Goes on with what a start has found.
    pub fn new(machine: Arc<Machine>, store: Arc<Store>, found: &Found, random: Random) -> Self {
        let model = Model::after(found);
        let mut queues = Vec::new();
        for definition in &found.definitions {
            let Definition::Queue(queue) = definition else { continue };
            let (id, definition) = (queue.id, Some(definition.clone()));
            let last = found.last.get(&id).copied().unwrap_or(0);
            let own = found.messages.keys().filter(|at| at.0 == id);
            let mut living: Vec<_> = own.map(|at| (at.1, Seq::ON_DISK)).collect();
            living.sort_by_key(|(id, _)| MessageId(*id).sequence());
            queues.push(Queue { id, definition, last, living });
        }
        machine.note(Event::Opened);
        let (wakes, attempts) = (Wakes::default(), found.attempts.clone());
        Self { machine, store, model, random, was_full: false, wakes, queues, attempts }
    }

    /// Does something, so many times.
    pub fn work(&mut self, steps: usize) {
        for _ in 0..steps {
            if self.store.has_failed() {
                return;
            }
            self.step();
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            _ if self.queues.is_empty() => self.declare(true),
            0..=26 => self.publish(),
            27..=35 => self.publish_to_several(),
            36..=45 => self.remove_some(),
            46..=48 => self.publish_again(),
            49..=54 => self.dead_letter(),
            55..=59 => {
                let at = self.random.below(self.queues.len());
                self.count(at);
            }
            60..=63 => self.remove_many(),
            64..=75 => self.settle(),
            76..=81 => self.define_or_forget(),
            82..=84 => {
                let durable = !self.random.one_in(3);
                self.declare(durable);
            }
            85..=86 => self.delete(),
            87..=91 => self.read(),
            92..=95 => self.settle_last_publish(),
            _ => self.tidy(),
        }
    }

    fn ask(&mut self, op: Op) {
        self.model.ops.push(op);
        self.machine.note(Event::Asked(self.model.ops.len()));
    }

    fn message(&mut self) -> (Message, Bytes, bool) {
        let persistent = !self.random.one_in(8);
        let bytes = match self.random.below(20) {
            0 => LINK_FROM_BYTES + self.random.below(60_000),
            1..=4 => self.random.below(9_000),
            _ => self.random.below(600),
        };
        let body = Bytes::from(self.random.octets(bytes));
        let kind = if bytes >= LINK_FROM_BYTES {
            let (front, back) = (body.slice(..bytes / 3), body.slice(bytes / 3..));
            Body::Linked(vec![front, back])
        } else {
            Body::Inline(&body)
        };
        (Message::new(&address(b"", b"q"), &[0, 0], kind, persistent), body, persistent)
    }

    /// The next id of a queue, on some level; now and then on another page of its index.
    fn next_id(&mut self, queue: usize) -> u64 {
        let skip = if self.random.one_in(12) { 700 } else { 1 };
        self.queues[queue].last += skip;
        let level = if self.random.one_in(3) { self.random.below(LEVELS) } else { 0 };
        MessageId::in_level(level as u16, self.queues[queue].last).0
    }

    pub fn publish(&mut self) {
        let at = self.random.below(self.queues.len());
        let (message, body, persistent) = self.message();
        let (queue, id) = (self.queues[at].id, self.next_id(at));
        self.ask(Op::Publish { refs: vec![(queue, id)], body, persistent });
        let seq = self.store.append(queue, MessageId(id), &message, &mut self.wakes);
        self.queues[at].living.push((id, seq));
        if !self.random.one_in(3) {
            self.wakes.flush();
        }
    }

    fn publish_to_several(&mut self) {
        let (message, body, persistent) = self.message();
        let ids: Vec<(usize, u64)> =
            (0..self.queues.len()).map(|at| (at, self.next_id(at))).collect();
        let refs = ids.iter().map(|(at, id)| (self.queues[*at].id, *id)).collect();
        self.ask(Op::Publish { refs, body, persistent });
        let seq = self.store.begin(&message);
        for (at, id) in ids {
            self.store.add(seq, self.queues[at].id, MessageId(id));
            self.queues[at].living.push((id, seq));
            if self.random.one_in(6) {
                // A consumer was faster than the next queue.
                self.remove(at, 1);
            }
            if self.random.one_in(6) {
                self.count_around(seq);
            }
        }
        self.store.end(seq, &mut self.wakes);
    }

    /// What was settled when it was sent is put back to its place, since it was not seen.
    fn publish_again(&mut self) {
        let at = self.random.below(self.queues.len());
        let queue = self.queues[at].id;
        let Some((id, seq)) = self.queues[at].living.last().copied() else { return };
        if self.random.one_in(2) {
            self.count_at(at, self.queues[at].living.len() - 1);
            self.settle();
        }
        let (body, persistent) = self.published((queue, id));
        let message = Message::new(&address(b"", b"q"), &[0, 0], Body::Inline(&body), persistent);
        self.ask(Op::Remove(vec![(queue, id)]));
        self.store.remove(queue, &[(MessageId(id), seq)], &mut self.wakes);
        self.attempts.remove(&(queue, id));
        if self.random.one_in(2) {
            self.wakes.flush();
        }
        self.ask(Op::Publish { refs: vec![(queue, id)], body, persistent });
        let seq = self.store.append(queue, MessageId(id), &message, &mut self.wakes);
        if let Some(last) = self.queues[at].living.last_mut() {
            last.1 = seq;
        }
    }

    /// A message comes back, is written, and comes back again, while nothing from `open` on can be
    /// written.
    fn count_around(&mut self, open: Seq) {
        let newest = |queue: &Queue| queue.living.last().is_some_and(|(_, seq)| *seq < open);
        let Some(at) = self.queues.iter().position(newest) else { return };
        let (_, seq) = *self.queues[at].living.last().expect("just looked at");
        self.count_at(at, self.queues[at].living.len() - 1);
        if self.wait(seq) {
            self.count_at(at, self.queues[at].living.len() - 1);
        }
    }

    /// One of a queue's messages has come back.
    fn count(&mut self, at: usize) {
        if let Some(which) = self.queues[at].living.len().checked_sub(1) {
            let which = if self.random.one_in(2) { which } else { self.random.below(which + 1) };
            self.count_at(at, which);
        }
    }

    fn count_at(&mut self, at: usize, which: usize) {
        let (queue, (id, seq)) = (self.queues[at].id, self.queues[at].living[which]);
        let before = self.attempts.get(&(queue, id)).copied().unwrap_or_default();
        // Like no other number.
        let failed = self.model.ops.len() as u32;
        let attempts = Attempts { failed, acquired: before.acquired + 1 };
        self.attempts.insert((queue, id), attempts);
        self.ask(Op::Count((queue, id), attempts));
        self.store.count(queue, MessageId(id), seq, attempts, &mut self.wakes);
    }

    /// A message has died: copies of it go to other queues, and then it goes.
    fn dead_letter(&mut self) {
        let from = self.random.below(self.queues.len());
        let Some(last) = self.queues[from].living.len().checked_sub(1) else { return };
        let which = if self.random.one_in(2) { last } else { 0 };
        let (queue, (id, seq)) = (self.queues[from].id, self.queues[from].living.remove(which));
        let (body, persistent) = self.published((queue, id));
        let kind = Body::Linked(vec![body.clone()]);
        let message = Message::new(&address(b"", b"q"), &[0, 0], kind, persistent);
        let count = 1 + self.random.below(2);
        let targets: Vec<usize> =
            (0..count).map(|_| self.random.below(self.queues.len())).collect();
        let ids: Vec<(usize, u64)> = targets.into_iter().map(|to| (to, self.next_id(to))).collect();
        let copies: Vec<Ref> = ids.iter().map(|(to, id)| (self.queues[*to].id, *id)).collect();
        self.ask(Op::Publish { refs: copies.clone(), body, persistent });
        let seq_of_copies = self.store.begin(&message);
        for (to, id) in ids {
            self.store.add(seq_of_copies, self.queues[to].id, MessageId(id));
            self.queues[to].living.push((id, seq_of_copies));
        }
        self.store.end(seq_of_copies, &mut self.wakes);
        self.ask(Op::RemoveBehind { of: (queue, id), copies });
        self.store.remove_behind(queue, &[(MessageId(id), seq)], &mut self.wakes);
        if self.random.one_in(2) {
            self.wakes.flush();
        }
    }

    /// The body of a message, and whether it survives.
    fn published(&self, at: Ref) -> (Bytes, bool) {
        let of = |op: &Op| match op {
            Op::Publish { refs, body, persistent } if refs.contains(&at) => {
                Some((body.clone(), *persistent))
            }
            _ => None,
        };
        self.model.ops.iter().find_map(of).expect("it was published")
    }

    /// Removes some of the newest or oldest messages of a queue.
    fn remove(&mut self, at: usize, count: usize) {
        let newest = self.random.one_in(3);
        let Queue { id, living, .. } = &mut self.queues[at];
        let (queue, count) = (*id, count.min(living.len()));
        let from = if newest { living.len() - count } else { 0 };
        let gone: Vec<(u64, Seq)> = living.drain(from..from + count).collect();
        self.ask(Op::Remove(gone.iter().map(|(id, _)| (queue, *id)).collect()));
        let gone: Vec<_> = gone.into_iter().map(|(id, seq)| (MessageId(id), seq)).collect();
        self.store.remove(queue, &gone, &mut self.wakes);
    }

    fn remove_some(&mut self) {
        let (at, count) = (self.random.below(self.queues.len()), 1 + self.random.below(5));
        self.remove(at, count);
    }

    /// Drops the front of a queue in one go, which is all on disk then.
    fn remove_many(&mut self) {
        self.settle();
        let at = self.random.below(self.queues.len());
        let Queue { id, living, .. } = &mut self.queues[at];
        let queue = *id;
        let Some(level) = living.first().map(|(id, _)| MessageId(*id).level()) else { return };
        let mut gone: Vec<u64> = living.iter().map(|(id, _)| *id).collect();
        gone.retain(|id| MessageId(*id).level() == level);
        gone.truncate(gone.len() * 2 / 3);
        living.retain(|(id, _)| !gone.contains(id));
        let (Some(first), Some(last)) = (gone.first().copied(), gone.last().copied()) else {
            return;
        };
        self.ask(Op::Remove(gone.into_iter().map(|id| (queue, id)).collect()));
        self.store.remove_range(queue, MessageId(first), MessageId(last), &mut self.wakes);
    }

    fn define_or_forget(&mut self) {
        let definition = exchange_definition(self.random.below(3), self.model.ops.len());
        if self.random.one_in(3) {
            self.ask(Op::Forget { key: definition.key(), queue: None });
            self.store.forget(definition.key(), None, &mut self.wakes);
        } else {
            self.ask(Op::Define(definition.clone()));
            self.store.define(definition.key(), definition.value(), &mut self.wakes);
        }
    }

    pub fn declare(&mut self, durable: bool) {
        if self.queues.len() >= QUEUES_MAX {
            return;
        }
        let id = self.store.new_queue_id();
        let definition = durable.then(|| queue_definition(id));
        if let Some(definition) = &definition {
            self.ask(Op::Define(definition.clone()));
            self.store.define(definition.key(), definition.value(), &mut self.wakes);
        }
        self.queues.push(Queue { id, definition, last: 0, living: Vec::new() });
    }

    fn delete(&mut self) {
        if self.queues.len() < 2 {
            return;
        }
        let at = self.random.below(self.queues.len());
        let Queue { id, definition, .. } = self.queues.swap_remove(at);
        let Some(key) = definition.map(|definition| definition.key()) else {
            self.ask(Op::Drop(id));
            return self.store.drop_queue(id, &mut self.wakes);
        };
        self.ask(Op::Forget { key: key.clone(), queue: Some(id) });
        self.store.forget(key, Some(id), &mut self.wakes);
    }

    /// Waits until everything is on disk.
    pub fn settle(&mut self) {
        self.ask(Op::Fence);
        let seq = self.store.fence(&mut self.wakes);
        if self.wait(seq) {
            self.machine.note(Event::Kept(self.model.ops.len()));
        }
    }

    /// Waits for a message, as a publisher does.
    fn settle_last_publish(&mut self) {
        self.publish();
        let count = self.model.ops.len();
        let newest = self.queues.iter().filter_map(|queue| queue.living.last()).map(|(_, s)| *s);
        if self.wait(newest.max().expect("just published")) {
            self.machine.note(Event::Written(count));
        }
    }

    fn wait(&mut self, seq: Seq) -> bool {
        self.wakes.flush();
        let until = Instant::now() + DEADLINE;
        while !self.store.is_settled(seq) {
            assert!(Instant::now() < until, "{seq:?} is not settled");
            if self.store.has_failed() {
                return false;
            }
            if self.store.is_out_of_space() {
                self.was_full = true;
                self.machine.set_fault(None);
                self.store.fence(&mut self.wakes);
                self.wakes.flush();
            }
            std::thread::yield_now();
        }
        true
    }

    /// What is on disk and was not removed can be read, whatever else is going on.
    fn read(&mut self) {
        self.settle();
        if self.store.has_failed() {
            return;
        }
        for queue in &self.queues {
            let read = read_all(&self.store, queue.id);
            let ids: Vec<u64> = read.iter().map(|(id, ..)| id.0).collect();
            let mut living: Vec<u64> = queue.living.iter().map(|(id, _)| *id).collect();
            living.sort_unstable();
            assert_eq!(ids, living, "{:?}", queue.id);
            for (id, message, attempts) in read {
                let at = (queue.id, id.0);
                assert_eq!(self.published(at).0, body_of(&message), "{at:?}");
                let expected = self.attempts.get(&at).copied().unwrap_or_default();
                assert_eq!(attempts, expected, "{at:?}");
            }
        }
    }

    /// Has a checkpoint made, and does something in front of everything that it does to the
    /// catalogue.
    pub fn tidy(&mut self) {
        let ((arrived, arrivals), (go, gone)) = (mpsc::channel(), mpsc::channel());
        let (store, gate) = (self.store.clone(), Gate { arrived, go: gone });
        let tidying = std::thread::spawn(move || {
            gate.set();
            // Failing is allowed: the log goes on.
            let _ = store.tidy_now();
        });
        while arrivals.recv_timeout(DEADLINE).is_ok() {
            match self.random.below(8) {
                0 | 1 if !self.queues.is_empty() => self.publish(),
                2 | 3 if !self.queues.is_empty() => self.remove_some(),
                4 => self.define_or_forget(),
                5 => self.delete(),
                _ => {}
            }
            if self.random.one_in(2) {
                self.settle();
            }
            let _ = go.send(());
        }
        assert!(tidying.join().is_ok(), "a checkpoint has panicked");
    }

    /// Stops in good order; how far each queue had delivered.
    pub fn close(&mut self) {
        let durable = self.queues.iter().filter(|queue| queue.definition.is_some());
        let delivered: Vec<(QueueId, u64)> =
            durable.map(|queue| (queue.id, queue.last / 2)).collect();
        self.machine.note(Event::Closing(delivered.clone().into()));
        self.store.close(&delivered);
        if !self.store.has_failed() {
            self.machine.note(Event::Closed);
        }
    }
}
