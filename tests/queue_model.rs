//! The queue's state machine against a naive model: random commands from several channels, each
//! delivery checked when it comes, and all counts after every step.
//!
//! The test plays the connections: it drains the outboxes, keeps what its clients have and have
//! not seen, and tells the queue when there is room again, as the server does. It plays the store
//! too, which settles late, answers late, and lets the queue keep next to nothing in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use warren::message::{Body, Message, Seq, address};
use warren::outbox::{ConsumerId, Entry, OUTBOX_MAX_BYTES, Outbox, Outgoing, Wakes};
use warren::queue::{
    Answer, Backing, ChannelCredit, Conditions, ConsumerSpec, Got, Kept, Nature, NotTaken,
    QueueState, Refused, Released, Remains, Unless, Volume,
};

mod plain;
#[path = "common/shelf.rs"]
mod shelf;

use plain::model::{Consumer, Model};
use plain::steps::{CHANNELS, Step, any_step};
use shelf::Shelf;

/// Some messages are so large that few of them fill an outbox.
const BIG_BYTES: usize = OUTBOX_MAX_BYTES / 2;

/// A delivery that a channel has.
#[derive(Clone, Debug)]
struct Held {
    consumer: Option<ConsumerId>,
    no_ack: bool,
    kept: Kept,
}

/// A channel and its connection, as the server keeps them.
#[derive(Debug, Default)]
struct Channel {
    outbox: Arc<Outbox>,
    credit: Arc<ChannelCredit>,
    /// Drained, not written to the client.
    unseen: Vec<Held>,
    /// Written to the client, not settled.
    seen: Vec<Held>,
}

/// The queue under test, the model, and the world between them.
struct World {
    queue: QueueState,
    shelf: Shelf,
    model: Model,
    channels: [Channel; CHANNELS],
    wakes: Wakes,
    last_consumer: u64,
    published: u64,
    /// Messages that are gone for good: acked, taken without ack, purged.
    gone: BTreeSet<u64>,
    big_body: Bytes,
}

impl World {
    fn new(single_active: bool, window_bytes: usize) -> Self {
        let nature = Nature { single_active, ..Nature::default() };
        Self {
            queue: QueueState::with_window(nature, Arc::default(), window_bytes),
            shelf: Shelf::new(window_bytes),
            model: Model { single_active, ..Model::default() },
            channels: Default::default(),
            wakes: Wakes::default(),
            last_consumer: 0,
            published: 0,
            gone: BTreeSet::new(),
            big_body: Bytes::from(vec![0; BIG_BYTES]),
        }
    }

    fn run(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Publish { big, stored } => self.publish(big, stored),
            Step::Get { channel, no_ack } => self.get(channel, no_ack),
            Step::Consume { channel, no_ack, exclusive, priority, prefetch } => {
                self.last_consumer += 1;
                let id = ConsumerId(self.last_consumer);
                let (served_at, waits_since) = (0, None);
                let consumer = Consumer {
                    id,
                    channel,
                    no_ack,
                    exclusive,
                    priority,
                    prefetch,
                    served_at,
                    waits_since,
                    unacked: 0,
                };
                self.consume(consumer)
            }
            Step::Cancel { which } => self.cancel(which),
            Step::See { channel, count } => {
                let channel = &mut self.channels[channel];
                let count = count.min(channel.unseen.len());
                channel.seen.extend(channel.unseen.drain(..count).filter(|held| !held.no_ack));
                Ok(())
            }
            Step::Ack { channel, picks } => self.settle(channel, &picks, false),
            Step::Requeue { channel, picks } => self.settle(channel, &picks, true),
            Step::EndChannel { channel } => self.end_channel(channel),
            Step::Limit { channel, limit } => {
                self.channels[channel].credit.set_limit(limit);
                self.model.limits[channel] = limit as usize;
                self.model.note_lost_room();
                self.resume(channel)
            }
            Step::Purge => {
                let purged = self.queue.purge(&self.shelf);
                prop_assert_eq!(purged.len(), self.model.ready.len());
                purged.remove_all(&self.shelf, &mut self.wakes);
                self.shelf.note_purged();
                self.gone.extend(std::mem::take(&mut self.model.ready).into_keys());
                Ok(())
            }
            Step::Settle { count } => {
                self.shelf.settle(count);
                Ok(())
            }
            Step::Answer { which } => self.answer(which),
            Step::MemoryShort(short) => {
                self.shelf.memory_short.set(short);
                Ok(())
            }
            Step::PageOut { channel } => {
                for held in &mut self.channels[channel].seen {
                    held.kept.page_out(|seq| self.shelf.is_settled(seq));
                }
                Ok(())
            }
            Step::PageOutQueue => {
                self.queue.page_out(&self.shelf, &mut self.wakes);
                Ok(())
            }
            Step::Close { if_unused, if_empty } => self.close(if_unused, if_empty),
        }
    }

    /// Answers one question; a stale answer must change nothing.
    fn answer(&mut self, which: usize) -> Result<(), TestCaseError> {
        let Some(question) = self.shelf.take_question(which) else { return Ok(()) };
        let before = self.queue.ready().resident();
        let read = self.shelf.answer(&question);
        let answer = self.queue.on_read(question.token, read, &self.shelf, &mut self.wakes);
        prop_assert_eq!(answer, Answer::default());
        if question.stale {
            prop_assert_eq!(self.queue.ready().resident(), before);
        }
        self.drain()
    }

    fn publish(&mut self, big: bool, stored: bool) -> Result<(), TestCaseError> {
        let address = address(b"", (self.published + 1).to_string().as_bytes());
        let body =
            if big { Body::Linked(vec![self.big_body.clone()]) } else { Body::Inline(b"small") };
        let message = Message::new(&address, &[0, 0], body, false);
        let body_bytes = message.body_bytes() as u64;
        let hand_over = |id, message: &Message, wakes: &mut Wakes| {
            if stored { self.shelf.append(id, message, wakes) } else { Seq::NONE }
        };
        let published = self.queue.publish(message, hand_over, &self.shelf, &mut self.wakes);
        if self.model.closed {
            prop_assert_eq!(published, Err(NotTaken::Closed));
            return Ok(());
        }
        self.published += 1;
        prop_assert_eq!(published.map(|(id, _)| id.0), Ok(self.published));
        prop_assert_eq!(published.is_ok_and(|(_, seq)| seq != Seq::NONE), stored);
        self.model.ready.insert(self.published, false);
        self.model.body_bytes.insert(self.published, body_bytes);
        self.drain()
    }

    fn get(&mut self, channel: usize, no_ack: bool) -> Result<(), TestCaseError> {
        let got = loop {
            match self.queue.get(no_ack, &self.shelf, &mut self.wakes) {
                Got::Taken(entry, remaining) => break Some((entry, remaining)),
                Got::Nothing => break None,
                Got::Elsewhere(request) => {
                    let read = self.shelf.read_now(&request.wanted, request.max_bytes);
                    let answer =
                        self.queue.on_read_now(&request, read, &self.shelf, &mut self.wakes);
                    prop_assert_eq!(answer, Answer::default());
                    self.drain()?;
                }
            }
        };
        let expected = self.model.ready.pop_first();
        let shown = got.as_ref().map(|(entry, _)| (entry.id.0, entry.redelivered));
        prop_assert_eq!(shown, expected);
        let Some((entry, remaining)) = got else { return Ok(()) };
        prop_assert_eq!(remaining, self.model.ready.len());
        if no_ack {
            self.gone.insert(entry.id.0);
        } else {
            self.model.unacked += 1;
            let held = Held { consumer: None, no_ack, kept: entry.into() };
            self.channels[channel].seen.push(held);
        }
        Ok(())
    }

    fn consume(&mut self, consumer: Consumer) -> Result<(), TestCaseError> {
        let model = &mut self.model;
        let alone = model.consumers.is_empty();
        let refused = if model.closed {
            Some(Refused::Closed)
        } else if (consumer.exclusive && (model.single_active || !alone))
            || model.consumers.iter().any(|c| c.exclusive)
        {
            Some(Refused::ExclusiveUse)
        } else {
            None
        };
        let Channel { outbox, credit, .. } = &self.channels[consumer.channel];
        let spec = ConsumerSpec {
            id: consumer.id,
            no_ack: consumer.no_ack,
            exclusive: consumer.exclusive,
            priority: consumer.priority,
            prefetch: consumer.prefetch,
            channel: credit.clone(),
            outbox: outbox.clone(),
            facts: Arc::default(),
        };
        prop_assert_eq!(self.queue.consume(spec, &self.shelf, &mut self.wakes).err(), refused);
        if refused.is_none() {
            let id = consumer.id;
            model.consumers.push(consumer);
            model.active = model.active.filter(|_| model.single_active);
            if model.single_active && model.active.is_none() {
                model.active = Some(id);
            }
            model.note_room(id);
        }
        self.drain()
    }

    fn cancel(&mut self, which: usize) -> Result<(), TestCaseError> {
        let count = self.model.consumers.len();
        let Some(id) = which.checked_rem(count).map(|at| self.model.consumers[at].id) else {
            prop_assert!(
                !self.queue.cancel(ConsumerId(0), &self.shelf, &mut self.wakes),
                "nobody to cancel"
            );
            return Ok(());
        };
        let was_last = self.queue.cancel(id, &self.shelf, &mut self.wakes);
        self.model.remove(id);
        prop_assert_eq!(was_last, self.model.consumers.is_empty());
        self.drain()
    }

    /// Acks or requeues some of what a channel's client has seen, in the order of the picks.
    fn settle(&mut self, at: usize, picks: &[usize], back: bool) -> Result<(), TestCaseError> {
        let channel = &mut self.channels[at];
        let mut taken: Vec<Held> = Vec::new();
        for pick in picks {
            if let Some(pick) = pick.checked_rem(channel.seen.len()) {
                taken.push(channel.seen.remove(pick));
            }
        }
        // As the server: one call for neighbours of the same consumer.
        for run in taken.chunk_by(|a, b| a.consumer == b.consumer) {
            let (id, ids) = (run[0].consumer, run.iter().map(|held| held.kept.id.0));
            if back {
                let ready = ids.filter(|_| !self.model.closed).map(|id| (id, true));
                self.model.ready.extend(ready);
                let entries = run.iter().map(|held| held.kept.clone());
                self.queue.requeue(id, entries, false, &self.shelf, &mut self.wakes);
            } else {
                self.gone.extend(ids);
                let volume = run.iter().map(|held| &held.kept).collect();
                self.queue.settle(id, volume, &self.shelf, &mut self.wakes);
                let stored = run.iter().map(|held| (held.kept.id, held.kept.seq));
                let stored: Vec<_> = stored.filter(|(_, seq)| *seq != Seq::NONE).collect();
                if !stored.is_empty() && !self.queue.is_closed() {
                    self.shelf.remove(&stored, &mut self.wakes);
                }
            }
            self.model.settle(id, run.len());
            self.drain()?;
            if id.is_some() {
                self.channels[at].credit.give_back(run.len() as u32);
                self.model.used[at] -= run.len();
                self.resume(at)?;
            }
        }
        Ok(())
    }

    /// The channel's consumers go, and what it held goes back; then it is there anew.
    fn end_channel(&mut self, at: usize) -> Result<(), TestCaseError> {
        let channel = std::mem::take(&mut self.channels[at]);
        let own = self.model.consumers.iter().filter(|c| c.channel == at);
        let consumers: Vec<_> = own.map(|c| c.id).collect();
        for id in &consumers {
            self.queue.detach(*id, self.wakes.now_ms());
        }
        for id in &consumers {
            self.model.remove(*id);
        }
        let Channel { seen, mut unseen, .. } = channel;
        // The client of a cancelled consumer gets what was on its way, so that it counts as seen.
        let (alive, late): (Vec<_>, Vec<_>) = unseen
            .drain(..)
            .partition(|held| held.consumer.is_some_and(|id| consumers.contains(&id)));
        let late = late.into_iter().filter(|held| !held.no_ack);
        let seen: Vec<Held> = seen.into_iter().chain(late).collect();
        let unacked = seen.len() + alive.iter().filter(|held| !held.no_ack).count();
        for (held, redelivered) in
            alive.iter().map(|h| (h, h.kept.redelivered)).chain(seen.iter().map(|h| (h, true)))
        {
            self.gone.remove(&held.kept.id.0);
            if held.no_ack {
                self.shelf.ever.borrow_mut().remove(&held.kept.id.0);
            }
            if !self.model.closed {
                self.model.ready.insert(held.kept.id.0, redelivered);
            }
        }
        self.model.unacked -= if self.model.closed { 0 } else { unacked };
        self.model.limits[at] = 0;
        self.model.used[at] = 0;
        self.model.boxes_bytes[at] = 0;
        let alive_unacked = alive.iter().filter(|held| !held.no_ack).map(|held| &held.kept);
        let unacked = seen.iter().map(|held| &held.kept).chain(alive_unacked).collect();
        let seen = seen.into_iter().map(|held| held.kept).collect();
        let unseen = alive.into_iter().map(on_its_way).collect();
        let held = Released { consumers, seen, unseen, unacked };
        let unused = self.queue.release(held, &self.shelf, &mut self.wakes);
        prop_assert_eq!(unused, self.model.consumers.is_empty());
        self.drain()
    }

    fn close(&mut self, if_unused: bool, if_empty: bool) -> Result<(), TestCaseError> {
        let model = &mut self.model;
        let expected = if if_empty && !model.ready.is_empty() {
            Err(Unless::NotEmpty)
        } else if if_unused && !model.consumers.is_empty() {
            Err(Unless::Used)
        } else {
            Ok((model.ready.len(), model.consumers.iter().map(|c| c.id).collect::<Vec<_>>()))
        };
        let conditions = Conditions { if_unused, if_empty, ..Conditions::default() };
        let remains = self.queue.close(conditions, self.wakes.now_ms(), &self.shelf);
        let remains = remains.map(|Remains { ready, consumers, .. }| {
            (ready.len(), consumers.into_iter().map(|(id, _)| id).collect::<Vec<_>>())
        });
        prop_assert_eq!(&remains, &expected);
        if remains.is_ok() {
            self.shelf.clear();
            model.closed = true;
            model.unacked = 0;
            self.gone.extend(std::mem::take(&mut model.ready).into_keys());
            model.consumers.clear();
            model.active = None;
        }
        Ok(())
    }

    /// Tells the queue that a channel's consumers may have room, one after the other.
    fn resume(&mut self, channel: usize) -> Result<(), TestCaseError> {
        let own = self.model.consumers.iter().filter(|c| c.channel == channel);
        for id in own.map(|c| c.id).collect::<Vec<_>>() {
            self.model.note_room(id);
            self.queue.resume(id, &self.shelf, &mut self.wakes);
            self.drain()?;
        }
        Ok(())
    }

    /// Plays the connections: takes what the queue has handed out, checks it in the order in which
    /// that happened, and tells the queue of the room that this makes, until nothing more comes.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        let mut refused = self.take_deliveries()?;
        while let Some(channel) = refused.pop() {
            let own = self.model.consumers.iter().filter(|c| c.channel == channel);
            for id in own.map(|c| c.id).collect::<Vec<_>>() {
                self.model.note_room(id);
                self.queue.resume(id, &self.shelf, &mut self.wakes);
                refused.extend(self.take_deliveries()?);
            }
        }
        Ok(())
    }

    /// Which channels' outboxes have refused something since they were last emptied.
    fn take_deliveries(&mut self) -> Result<Vec<usize>, TestCaseError> {
        self.wakes.flush();
        let (mut refused, mut new) = (Vec::new(), Vec::new());
        for (at, channel) in self.channels.iter().enumerate() {
            let mut drained = Vec::new();
            if channel.outbox.swap(&mut drained) {
                refused.push(at);
            }
            for item in drained {
                let Outgoing::Delivery { consumer, entry } = item else {
                    return Err(TestCaseError::fail("neither delivery nor anything asked for"));
                };
                new.push((at, consumer, entry));
            }
        }
        let per_channel: Vec<_> = new.iter().map(|(at, _, entry)| (*at, entry.id)).collect();
        prop_assert!(per_channel.is_sorted(), "out of order: {:?}", per_channel);
        new.sort_by_key(|(_, _, entry)| entry.id);
        for (at, id, entry) in new {
            self.model.on_delivery(id, &entry)?;
            let no_ack = self.model.consumers.iter().any(|c| c.id == id && c.no_ack);
            if no_ack {
                self.gone.insert(entry.id.0);
            }
            let held = Held { consumer: Some(id), no_ack, kept: entry.into() };
            self.channels[at].unseen.push(held);
        }
        // Whoever was told of room and still has it would have been served.
        let idle = self.model.consumers.iter().find(|c| c.waits_since.is_some());
        let served = self.model.ready.is_empty() || idle.is_none() || self.shelf.is_asked();
        prop_assert!(served, "not served: {:?}", idle);
        self.model.boxes_bytes = [0; CHANNELS];
        Ok(refused)
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.queue.counts(), self.model.counts());
        let (told, counts) = (self.queue.statistics(self.wakes.now_ms()), self.queue.counts());
        prop_assert_eq!(
            (told.ready.count, told.ready.bytes),
            (counts.ready as u64, counts.ready_bytes)
        );
        prop_assert_eq!(told.unacked.count, counts.unacked as u64);
        prop_assert!(
            told.ready.kept <= told.ready.count && told.resident.count <= told.ready.count
        );
        // Nobody is forgotten: with messages ready, no consumer at all has room, unless the first
        // message has to be read.
        let idle = self.model.consumers.iter().find(|c| self.model.has_room(c));
        let served = self.model.ready.is_empty() || idle.is_none() || self.shelf.is_asked();
        prop_assert!(served, "forgotten: {:?}", idle);
        if self.model.closed {
            return Ok(());
        }
        let in_store: BTreeSet<_> =
            self.shelf.ever.borrow().difference(&self.gone).copied().collect();
        prop_assert_eq!(self.shelf.ids(), in_store, "the store has what is not settled");
        let held = self.channels.iter().flat_map(|c| c.seen.iter().chain(&c.unseen));
        let held = held.filter(|held| !held.no_ack).map(|held| held.kept.id.0);
        let mut all: Vec<u64> = held.chain(self.model.ready.keys().copied()).collect();
        prop_assert_eq!(all.len(), self.model.ready.len() + self.model.unacked);
        all.extend(&self.gone);
        all.sort_unstable();
        prop_assert_eq!(all, (1..=self.published).collect::<Vec<_>>(), "lost or duplicated");
        Ok(())
    }
}

/// A delivery that goes back. The store has forgotten it if it needed no acknowledgement.
fn on_its_way(Held { kept, no_ack, .. }: Held) -> Entry {
    let Kept { id, seq, redelivered, attempts, message, .. } = kept;
    let seq = if no_ack { Seq::NONE } else { seq };
    Entry { id, seq, redelivered, attempts, message: message.expect("still in memory") }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_queue_does_what_its_model_says(
        single_active in prop::bool::weighted(0.25),
        window_bytes in prop_oneof![Just(1), Just(500), Just(2 * BIG_BYTES), Just(usize::MAX / 4)],
        steps in vec(any_step(), 1..150),
    ) {
        let mut world = World::new(single_active, window_bytes);
        for step in steps {
            world.run(step)?;
            world.check()?;
        }
        // Once all is answered and the clients have settled everything, nothing is left behind.
        let mut rounds = 0;
        while world.shelf.is_asked() {
            world.answer(0)?;
            world.check()?;
            rounds += 1;
            prop_assert!(rounds < 10_000, "it asks for ever");
        }
        let ready = world.model.ready.len();
        for _ in 0..ready {
            world.get(0, true)?;
            world.check()?;
        }
        prop_assert_eq!(world.queue.counts().ready, 0);
        let told = world.queue.statistics(1);
        prop_assert_eq!(told.ready, Volume::default(), "what is told of nothing");
        prop_assert_eq!(world.queue.ready().resident(), (0, 0));
    }
}
