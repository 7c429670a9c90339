//! A queue, its model, and what is around both: connections, a store and a clock.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use warren::message::{Attempts, Body, Message, MessageId, Seq, Traits, address};
use warren::outbox::{ConsumerId, Outbox, Outgoing, Wakes};
use warren::queue::{
    Answer, Backing, ChannelCredit, Conditions, ConsumerSpec, Got, Kept, Nature, NotTaken,
    Overflow, QueueState, Released, Unless, Volume,
};

use super::host::Host;
use super::model::{Consumer, Fate, Letter, Model};
use super::steps::{AnyRules, CHANNELS, How, Outcome, Step};
use crate::shelf::Shelf;

/// When the world begins.
const BEGIN_MS: u64 = 1_000_000;
/// A queue that has not come to rest after so many rounds never will.
const ROUNDS_MAX: usize = 5_000;

/// Which messages must not be there any more if their time is up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Enforced {
    Nothing,
    AtFront,
    AtHeads,
}

/// A delivery that a channel has.
#[derive(Clone, Debug)]
struct Held {
    consumer: Option<ConsumerId>,
    kept: Kept,
    letter: Letter,
}

#[derive(Debug, Default)]
struct Channel {
    outbox: Arc<Outbox>,
    credit: Arc<ChannelCredit>,
    held: Vec<Held>,
}

pub(crate) struct World {
    pub(super) queue: QueueState,
    pub(super) shelf: Shelf,
    pub(super) model: Model,
    pub(super) host: Host,
    pub(super) wakes: Wakes,
    pub(super) published: u64,
    /// When the queue has asked to be looked after.
    pub(super) armed_ms: Option<u64>,
    /// Have been read back, and have not left memory since.
    pub(super) read_back: BTreeSet<MessageId>,
    channels: [Channel; CHANNELS],
    last_sequence: u64,
    /// The same of each level, since the queue began.
    last_of_level: BTreeMap<u16, u64>,
    last_consumer: u64,
}

impl World {
    pub(crate) fn new(nature: Nature, rules: &AnyRules, window_bytes: usize) -> Self {
        let rules = rules.of(nature.kind);
        let mut queue = QueueState::with_window(nature, rules.clone(), window_bytes);
        queue.note_use(BEGIN_MS);
        Self {
            queue,
            shelf: Shelf::new(window_bytes),
            model: Model::new(nature, rules, BEGIN_MS),
            host: Host::Idle,
            wakes: Wakes::at(BEGIN_MS),
            published: 0,
            armed_ms: None,
            read_back: BTreeSet::new(),
            channels: Default::default(),
            last_sequence: 0,
            last_of_level: BTreeMap::new(),
            last_consumer: 0,
        }
    }

    pub(super) fn held(&self) -> impl Iterator<Item = &Letter> {
        self.channels.iter().flat_map(|channel| &channel.held).map(|held| &held.letter)
    }

    /// The highest sequence that a message has.
    pub(super) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// All connections are gone, and nothing is in memory.
    pub(super) fn begin_anew(&mut self) {
        self.channels = Default::default();
        self.read_back.clear();
    }

    pub(crate) fn run(&mut self, step: Step) -> Result<(), TestCaseError> {
        let enforced = self.act(step)?;
        self.look_after()?;
        self.check(enforced)
    }

    fn act(&mut self, step: Step) -> Result<Enforced, TestCaseError> {
        let mut enforced = Enforced::Nothing;
        if matches!(step, Step::Publish { .. } | Step::PageOutQueue) {
            self.read_back.clear();
        }
        match step {
            Step::Publish { body_bytes, priority, expiration_ms, stored } => {
                return self.publish(body_bytes, priority, expiration_ms, stored);
            }
            Step::Get { channel, no_ack } => drop(self.get(channel, no_ack)?),
            Step::Consume { channel, no_ack, priority, prefetch } => {
                self.consume(channel, no_ack, priority, prefetch)?;
            }
            Step::Cancel { which } => self.cancel(which)?,
            Step::Settle { channel, picks, how } => return self.settle(channel, &picks, how),
            Step::EndChannel { channel, seen } => return self.end_channel(channel, seen),
            // A deleted queue is not known to whoever sets rules, nor after a restart.
            Step::Rules(_) | Step::Restart if self.model.closed => {}
            Step::Rules(rules) => return self.set_rules(&rules),
            Step::Declare => {
                self.queue.note_use(self.model.now_ms);
                self.model.used_ms = self.model.now_ms;
            }
            Step::Purge => self.purge()?,
            Step::Close { if_unused, if_empty, if_lease_is_over } => {
                self.close(Conditions { if_unused, if_empty, if_lease_is_over })?;
            }
            Step::Restart => return self.restart(),
            Step::Time { ms, in_time } => {
                self.model.now_ms += ms;
                self.wakes = Wakes::at(self.model.now_ms);
                let mut rounds = 0;
                while in_time && self.is_due() && rounds < ROUNDS_MAX {
                    enforced = self.tick()?;
                    self.look_after()?;
                    rounds += 1;
                }
                prop_assert!(rounds < ROUNDS_MAX, "it is looked after for ever");
            }
            Step::Tick if self.is_due() => return self.tick(),
            Step::Tick => {}
            Step::Host(outcomes) => self.host(&outcomes)?,
            Step::StoreSettles { count } => self.shelf.settle(count),
            Step::StoreAnswers { which } => return self.answer(which),
            Step::MemoryShort(short) => self.shelf.memory_short.set(short),
            Step::PageOut { channel } => {
                for held in &mut self.channels[channel].held {
                    held.kept.page_out(|seq| self.shelf.is_settled(seq));
                }
            }
            Step::PageOutQueue => self.queue.page_out(&self.shelf, &mut self.wakes),
        }
        Ok(enforced)
    }

    // ---- from connections -----------------------------------------------------------------

    fn publish(
        &mut self,
        body_bytes: usize,
        priority: Option<u8>,
        expiration_ms: Option<u64>,
        stored: bool,
    ) -> Result<Enforced, TestCaseError> {
        let (number, size) = (self.published + 1, body_bytes as u64);
        let message = message(number, body_bytes, priority, expiration_ms);
        let message = message.published_at(self.model.now_ms);
        let refused = self.model.refuses(size);
        let hand_over = |id, message: &Message, wakes: &mut Wakes| {
            if stored { self.shelf.append(id, message, wakes) } else { Seq::NONE }
        };
        let taken = self.queue.publish(message, hand_over, &self.shelf, &mut self.wakes);
        let model = &mut self.model;
        if model.closed {
            prop_assert_eq!(taken, Err(NotTaken::Closed));
            return Ok(Enforced::Nothing);
        }
        self.published = number;
        let mut letter = Letter {
            number,
            id: MessageId::default(),
            expiration_ms,
            published_ms: model.now_ms,
            body_bytes: size,
            redelivered: false,
            attempts: Attempts::default(),
        };
        if refused {
            prop_assert_eq!(taken, Err(NotTaken::Full));
            if model.rules.overflow == Overflow::RejectPublishDlx {
                model.bury(letter, warren::queue::Reason::MaxLen);
            } else {
                model.gone.insert(number, Fate::Refused);
            }
            self.follow(None)?;
            return Ok(Enforced::Nothing);
        }
        prop_assert!(taken.is_ok(), "{:?}", taken);
        let id = taken.map_or_else(|_| MessageId::default(), |(id, _)| id);
        let level = model.level(priority);
        let before = self.last_of_level.insert(level, id.sequence());
        prop_assert_eq!(id.level(), level);
        prop_assert!(before.unwrap_or(0) < id.sequence(), "{:?} again", id);
        self.last_sequence = self.last_sequence.max(id.sequence());
        letter.id = id;
        let timed = model.expires_ms(&letter).is_some();
        model.ready.insert(super::model::place(id), letter);
        self.follow(Some(id))?;
        Ok(if timed { Enforced::AtFront } else { Enforced::Nothing })
    }

    /// True if there was a message.
    fn get(&mut self, channel: usize, no_ack: bool) -> Result<bool, TestCaseError> {
        self.model.used_ms = self.model.now_ms;
        loop {
            let (entry, remaining) = match self.queue.get(no_ack, &self.shelf, &mut self.wakes) {
                Got::Taken(entry, remaining) => (entry, remaining),
                Got::Nothing => {
                    self.follow(None)?;
                    prop_assert_eq!(self.model.ready.len(), 0, "there is something to get");
                    return Ok(false);
                }
                Got::Elsewhere(request) => {
                    self.follow(None)?;
                    let read = self.shelf.read_now(&request.wanted, request.max_bytes);
                    let (queue, wakes) = (&mut self.queue, &mut self.wakes);
                    let answer = queue.on_read_now(&request, read, &self.shelf, wakes);
                    prop_assert_eq!(answer, Answer::default());
                    self.follow(None)?;
                    continue;
                }
            };
            let letter = self.model.take(&entry)?;
            self.read_back.remove(&entry.id);
            if no_ack {
                self.model.gone.insert(letter.number, Fate::Settled);
            } else {
                self.model.unacked += 1;
                let held = Held { consumer: None, kept: entry.into(), letter };
                self.channels[channel].held.push(held);
            }
            self.follow(None)?;
            prop_assert_eq!(remaining, self.model.ready.len());
            return Ok(true);
        }
    }

    fn consume(
        &mut self,
        channel: usize,
        no_ack: bool,
        priority: i64,
        prefetch: u16,
    ) -> Result<(), TestCaseError> {
        self.last_consumer += 1;
        let id = ConsumerId(self.last_consumer);
        let Channel { outbox, credit, .. } = &self.channels[channel];
        let (outbox, credit) = (outbox.clone(), credit.clone());
        let exclusive = false;
        let plain = ConsumerSpec::plain(id, outbox);
        let spec = ConsumerSpec { no_ack, exclusive, priority, prefetch, channel: credit, ..plain };
        let taken = self.queue.consume(spec, &self.shelf, &mut self.wakes);
        prop_assert_eq!(taken.is_err(), self.model.closed);
        if !self.model.closed {
            let unacked = 0;
            self.model.add(Consumer { id, channel, no_ack, priority, prefetch, unacked });
        }
        self.follow(None)
    }

    fn cancel(&mut self, which: usize) -> Result<(), TestCaseError> {
        let count = self.model.consumers.len();
        let Some(at) = which.checked_rem(count) else { return Ok(()) };
        let id = self.model.consumers[at].id;
        let was_last = self.queue.cancel(id, &self.shelf, &mut self.wakes);
        self.model.remove(id);
        prop_assert_eq!(was_last, self.model.consumers.is_empty());
        self.follow(None)
    }

    fn settle(&mut self, at: usize, picks: &[usize], how: How) -> Result<Enforced, TestCaseError> {
        let held = &mut self.channels[at].held;
        let mut taken: Vec<Held> = Vec::new();
        for pick in picks {
            if let Some(pick) = pick.checked_rem(held.len()) {
                taken.push(held.remove(pick));
            }
        }
        let mut enforced = Enforced::Nothing;
        // As the server: one call for neighbours of the same consumer.
        for run in taken.chunk_by(|a, b| a.consumer == b.consumer) {
            enforced = self.settle_run(run[0].consumer, run, how)?;
        }
        Ok(enforced)
    }

    fn settle_run(
        &mut self,
        consumer: Option<ConsumerId>,
        run: &[Held],
        how: How,
    ) -> Result<Enforced, TestCaseError> {
        let (queue, store, wakes) = (&mut self.queue, &self.shelf, &mut self.wakes);
        let entries = run.iter().map(|held| held.kept.clone());
        match how {
            How::Ack => {
                let volume = run.iter().map(|held| &held.kept).collect();
                queue.settle(consumer, volume, store, wakes);
                let stored = run.iter().map(|held| (held.kept.id, held.kept.seq));
                let stored: Vec<_> = stored.filter(|(_, seq)| *seq != Seq::NONE).collect();
                if !stored.is_empty() && !queue.is_closed() {
                    store.remove(&stored, wakes);
                }
            }
            How::Reject => queue.reject(consumer, entries, store, wakes),
            How::Requeue { failed } => queue.requeue(consumer, entries, failed, store, wakes),
        }
        let model = &mut self.model;
        for Held { letter, .. } in run {
            match how {
                How::Ack => drop(model.gone.insert(letter.number, Fate::Settled)),
                How::Reject if model.closed => {
                    model.gone.insert(letter.number, Fate::WentWithItsQueue);
                }
                How::Reject => model.bury(letter.clone(), warren::queue::Reason::Rejected),
                How::Requeue { failed } => model.put_back(letter.clone(), true, failed),
            }
        }
        model.settle(consumer, run.len());
        self.follow(None)?;
        self.look_after()?;
        let comes_back = matches!(how, How::Requeue { .. });
        Ok(if comes_back { Enforced::AtFront } else { Enforced::Nothing })
    }

    /// The channel's consumers go, and what it held goes back; then it is there anew.
    fn end_channel(&mut self, at: usize, seen: usize) -> Result<Enforced, TestCaseError> {
        let held = std::mem::take(&mut self.channels[at]).held;
        let own = self.model.consumers.iter().filter(|c| c.channel == at);
        let consumers: Vec<ConsumerId> = own.map(|c| c.id).collect();
        for id in &consumers {
            self.queue.detach(*id, self.model.now_ms);
            self.model.remove(*id);
        }
        let (mut seen_ones, mut unseen) = (Vec::new(), Vec::new());
        for (number, Held { consumer, kept, letter }) in held.into_iter().enumerate() {
            let was_its = consumer.is_some_and(|id| consumers.contains(&id));
            match kept.message.clone().filter(|_| was_its && number >= seen) {
                Some(message) => unseen.push((on_its_way(&kept, message), letter)),
                None => seen_ones.push((kept, letter)),
            }
        }
        let unacked = seen_ones.len() + unseen.len();
        self.model.settle(None, unacked);
        let mut unacked: Volume = seen_ones.iter().map(|(kept, _)| kept).collect();
        unacked.add(unseen.iter().map(|(entry, _)| entry).collect());
        let (unseen, unseen_letters): (Vec<_>, Vec<_>) = unseen.into_iter().unzip();
        let (seen, seen_letters): (Vec<_>, Vec<_>) = seen_ones.into_iter().unzip();
        for letter in unseen_letters {
            self.model.put_back(letter, false, false);
        }
        for letter in seen_letters {
            self.model.put_back(letter, true, true);
        }
        let held = Released { consumers, seen, unseen, unacked };
        let unused = self.queue.release(held, &self.shelf, &mut self.wakes);
        prop_assert_eq!(unused, self.model.consumers.is_empty());
        self.follow(None)?;
        Ok(Enforced::AtFront)
    }

    fn set_rules(&mut self, rules: &AnyRules) -> Result<Enforced, TestCaseError> {
        let model = &mut self.model;
        model.rules = rules.of(model.nature.kind);
        model.used_ms = model.now_ms;
        if model.rules.dead_letter.is_none() {
            for (letter, reason) in model.dying.drain(..).chain(model.waiting.drain(..)) {
                model.gone.insert(letter.number, Fate::Died(reason));
            }
        }
        self.queue.set_rules(model.rules.clone(), &self.shelf, &mut self.wakes);
        self.follow(None)?;
        Ok(Enforced::AtFront)
    }

    fn purge(&mut self) -> Result<(), TestCaseError> {
        let purged = self.queue.purge(&self.shelf);
        prop_assert_eq!(purged.len(), self.model.ready.len());
        purged.remove_all(&self.shelf, &mut self.wakes);
        self.shelf.note_purged();
        for letter in std::mem::take(&mut self.model.ready).into_values() {
            self.model.gone.insert(letter.number, Fate::Purged);
        }
        Ok(())
    }

    fn close(&mut self, conditions: Conditions) -> Result<(), TestCaseError> {
        let model = &mut self.model;
        let Conditions { if_unused, if_empty, if_lease_is_over } = conditions;
        let expected = if if_empty && !model.ready.is_empty() {
            Err(Unless::NotEmpty)
        } else if (if_lease_is_over && !model.lease_is_over())
            || (if_unused && !model.consumers.is_empty())
        {
            Err(Unless::Used)
        } else {
            Ok((model.ready.len(), model.consumers.iter().map(|c| c.id).collect::<Vec<_>>()))
        };
        let remains = self.queue.close(conditions, model.now_ms, &self.shelf);
        let remains = remains.map(|remains| {
            let consumers = remains.consumers.into_iter().map(|(id, _)| id);
            (remains.ready.len(), consumers.collect::<Vec<_>>())
        });
        prop_assert_eq!(&remains, &expected);
        if remains.is_ok() {
            self.queue.disarm();
            self.armed_ms = None;
            self.shelf.clear();
            (model.closed, model.unacked) = (true, 0);
            model.consumers.clear();
            let ready = std::mem::take(&mut model.ready).into_values();
            let waiting = std::mem::take(&mut model.waiting).into_iter().map(|(letter, _)| letter);
            let gone = ready.chain(waiting).map(|l| (l.number, Fate::WentWithItsQueue));
            model.gone.extend(gone);
        }
        Ok(())
    }

    // ---- from elsewhere -------------------------------------------------------------------

    fn answer(&mut self, which: usize) -> Result<Enforced, TestCaseError> {
        let Some(question) = self.shelf.take_question(which) else { return Ok(Enforced::Nothing) };
        let before = self.queue.ready().resident();
        let read = self.shelf.answer(&question);
        let ids: Vec<MessageId> = read.messages.iter().map(|(id, ..)| *id).collect();
        let answer = self.queue.on_read(question.token, read, &self.shelf, &mut self.wakes);
        prop_assert_eq!(answer, Answer::default());
        if question.stale {
            prop_assert_eq!(self.queue.ready().resident(), before);
            return Ok(Enforced::Nothing);
        }
        // What nobody has any use for any more is not taken.
        if self.queue.ready().resident().0 == before.0 + ids.len() {
            self.read_back.extend(ids);
        }
        self.follow(None)?;
        Ok(Enforced::AtFront)
    }

    pub(super) fn is_due(&self) -> bool {
        self.armed_ms.is_some_and(|armed_ms| armed_ms <= self.model.now_ms)
    }

    pub(super) fn tick(&mut self) -> Result<Enforced, TestCaseError> {
        self.armed_ms = None;
        if self.queue.on_time(&self.shelf, &mut self.wakes) {
            self.call_host()?;
        }
        self.follow(None)?;
        if self.queue.lease_is_over(self.model.now_ms) {
            self.close(Conditions { if_lease_is_over: true, ..Conditions::default() })?;
        }
        Ok(Enforced::AtHeads)
    }

    /// As whoever holds the queue does after every change.
    pub(super) fn look_after(&mut self) -> Result<(), TestCaseError> {
        if self.queue.is_quiet() {
            return Ok(());
        }
        if let Some((old_ms, new_ms)) = self.queue.rearm(self.model.now_ms) {
            prop_assert_eq!(old_ms, self.armed_ms);
            prop_assert!(old_ms.is_none_or(|old_ms| new_ms < old_ms));
            self.armed_ms = Some(new_ms);
        }
        if self.queue.begins_burial() {
            self.call_host()?;
        }
        Ok(())
    }

    /// Takes what the queue has handed out, checks it in the order in which that happened, and
    /// learns who has died.
    fn follow(&mut self, fresh: Option<MessageId>) -> Result<(), TestCaseError> {
        self.model.fresh = fresh;
        self.wakes.flush();
        let mut new = Vec::new();
        for (at, channel) in self.channels.iter().enumerate() {
            let mut drained = Vec::new();
            prop_assert!(!channel.outbox.swap(&mut drained), "nothing fills an outbox here");
            for item in drained {
                let Outgoing::Delivery { consumer, entry } = item else {
                    return Err(TestCaseError::fail("not a delivery"));
                };
                new.push((at, consumer, entry));
            }
        }
        new.sort_by_key(|(_, _, entry)| super::model::place(entry.id));
        for (at, consumer, entry) in new {
            let letter = self.model.deliver(consumer, &entry)?;
            self.read_back.remove(&entry.id);
            if !self.model.gone.contains_key(&letter.number) {
                let held = Held { consumer: Some(consumer), kept: entry.into(), letter };
                self.channels[at].held.push(held);
            }
        }
        self.see_deaths()?;
        self.model.fresh = None;
        Ok(())
    }

    /// Everything that is waited for happens: what can expire has done so, and all dead are gone.
    pub(crate) fn come_to_rest(&mut self) -> Result<(), TestCaseError> {
        self.run(Step::StoreSettles { count: u64::MAX })?;
        let mut rounds = 0;
        loop {
            if self.shelf.is_asked() {
                self.run(Step::StoreAnswers { which: 0 })?;
            } else if !self.host.is_idle() {
                self.run(Step::Host(vec![Outcome::Taken]))?;
            } else if let Some(armed_ms) = self.armed_ms {
                let ms = armed_ms.saturating_sub(self.model.now_ms);
                self.run(Step::Time { ms, in_time: false })?;
                self.run(Step::Tick)?;
            } else {
                break;
            }
            rounds += 1;
            prop_assert!(rounds < ROUNDS_MAX, "it never comes to rest");
        }
        if self.model.closed {
            return Ok(());
        }
        let mortal = self.model.heads().find(|head| self.model.expires_ms(head).is_some());
        prop_assert!(mortal.is_none(), "never expires: {:?}", mortal);
        prop_assert_eq!(self.queue.counts().dead, 0, "dead, and nobody brings them on");
        while self.get(0, true)? {
            self.look_after()?;
            self.check(Enforced::Nothing)?;
        }
        prop_assert_eq!(self.queue.ready().resident(), (0, 0));
        Ok(())
    }
}

/// A delivery that goes back as if it had never been sent.
fn on_its_way(kept: &Kept, message: Message) -> warren::outbox::Entry {
    let Kept { id, seq, redelivered, attempts, .. } = *kept;
    warren::outbox::Entry { id, seq, redelivered, attempts, message }
}

/// A message whose routing key is its number.
fn message(
    number: u64,
    body_bytes: usize,
    priority: Option<u8>,
    expiration_ms: Option<u64>,
) -> Message {
    let address = address(b"", number.to_string().as_bytes());
    let mut properties = vec![0, 0];
    if let Some(expiration_ms) = expiration_ms {
        let text = expiration_ms.to_string();
        // The flag of `expiration`, and its value.
        properties = vec![1, 0, text.len() as u8];
        properties.extend_from_slice(text.as_bytes());
    }
    let traits = Traits::new(0, priority.unwrap_or_default())
        .with(Traits::PRIORITY, priority.is_some())
        .with(Traits::EXPIRES, expiration_ms.is_some());
    Message::new(&address, &properties, Body::Inline(&vec![b'x'; body_bytes]), traits)
}
