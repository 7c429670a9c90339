//! What a queue does, as a plain state machine: who gets which message, when.
//!
//! No lock, no async, no clock, no disk. Its outward steps are into an outbox, which in a test is
//! a list to read back, and to the [`Backing`], which in a test is a map. A delivered message that
//! is to be acknowledged is kept by the channel that it went to, which either settles it or puts it
//! back.

use std::sync::Arc;

use super::backing::Backing;
use super::consumer::{ChannelCredit, ConsumerSpec, Consumers, Taken};
use super::gap::{Answer, Request};
use super::kept::Kept;
use super::ready::Ready;
use crate::message::{Message, MessageId, Seq};
use crate::outbox::{ConsumerId, Entry, Outbox, Wakes};
use crate::store::{Read, RecoveredQueue, WINDOW_MIN_BYTES};

/// The list of what has just left for good has room for so many when nothing leaves.
const KEEP_CAPACITY: usize = 64;

/// The queue was deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed;

/// Why a consumer is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The queue was deleted.
    Closed,
    /// Somebody consumes exclusively, or the newcomer wants to and is not alone.
    ExclusiveUse,
}

/// Why a queue is not deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unless {
    /// It has consumers.
    Used,
    /// It has messages ready.
    NotEmpty,
}

/// What a queue leaves when it is deleted.
#[derive(Debug)]
pub struct Remains {
    /// The messages that were ready. Dropping a million of them takes a while: not under a lock.
    pub ready: Ready,
    /// The store has messages of it that need not survive: it may not know of the end otherwise.
    pub handed_over: bool,
    /// The consumers that have to be told.
    pub consumers: Vec<(ConsumerId, Arc<Outbox>)>,
}

/// How many messages a queue has, and consumers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Waiting.
    pub ready: usize,
    /// Delivered and not settled.
    pub unacked: usize,
    /// Consumers, whether they have room or not.
    pub consumers: usize,
}

/// What a channel held of a queue when it ended.
#[derive(Debug, Default)]
pub struct Released {
    /// Consumers that it had.
    pub consumers: Vec<ConsumerId>,
    /// Delivered and not settled.
    pub seen: Vec<Kept>,
    /// On their way.
    pub unseen: Vec<Entry>,
    /// How many of all of them count as unacknowledged.
    pub unacked: usize,
}

/// What `basic.get` meets.
#[derive(Debug)]
pub enum Got {
    /// A message; with it, how many remain.
    Taken(Entry, usize),
    /// No message.
    Nothing,
    /// The first message is not in memory: read this, hand it to
    /// [`on_read_now`](QueueState::on_read_now), and ask again.
    Elsewhere(Request),
}

/// The state of one queue.
#[derive(Debug)]
pub struct QueueState {
    ready: Ready,
    consumers: Consumers,
    single_active: bool,
    unacked: usize,
    last_id: u64,
    closed: bool,
    /// What the store has been asked for, and the number of that question.
    asked: Option<(u64, Request)>,
    last_token: u64,
    /// What a delivery takes out for good, until the store has been told: empty in between.
    leaving: Vec<(MessageId, Seq)>,
}

impl QueueState {
    /// An empty queue.
    pub fn new(single_active: bool) -> Self {
        Self::with_window(single_active, WINDOW_MIN_BYTES)
    }

    /// An empty queue that may keep so many octets in memory without asking.
    pub fn with_window(single_active: bool, window_min_bytes: usize) -> Self {
        Self {
            ready: Ready::new(window_min_bytes),
            consumers: Consumers::new(single_active),
            single_active,
            unacked: 0,
            last_id: 0,
            closed: false,
            asked: None,
            last_token: 0,
            leaving: Vec::new(),
        }
    }

    /// A queue as the store knows it: nothing of it is in memory.
    pub fn recovered(single_active: bool, queue: &RecoveredQueue) -> Self {
        let ready = Ready::recovered(WINDOW_MIN_BYTES, queue);
        Self { ready, last_id: queue.last.0, ..Self::new(single_active) }
    }

    /// How full it is.
    pub fn counts(&self) -> Counts {
        Counts { ready: self.ready.len(), unacked: self.unacked, consumers: self.consumers.len() }
    }

    /// The messages that wait.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Whether the queue was deleted.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// No message above this one has been handed out.
    pub fn delivered_to(&self) -> MessageId {
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
    ) -> Result<(MessageId, Seq), Closed> {
        if self.closed {
            return Err(Closed);
        }
        self.last_id += 1;
        let id = MessageId(self.last_id);
        let seq = hand_over(id, &message, wakes);
        let is_time = self.ready.push(Entry { id, seq, redelivered: false, message });
        self.deliver(backing, wakes);
        if is_time {
            self.ready.page_out(backing, wakes);
        }
        Ok((id, seq))
    }

    /// Takes the first message for `basic.get`.
    pub fn get(&mut self, no_ack: bool, backing: &impl Backing, wakes: &mut Wakes) -> Got {
        let Some(entry) = self.ready.pop() else {
            return self.ready.wanted(backing).map_or(Got::Nothing, Got::Elsewhere);
        };
        self.ready.note_delivered(entry.id);
        self.unacked += usize::from(!no_ack);
        if no_ack && entry.seq != Seq::NONE {
            backing.remove(&[(entry.id, entry.seq)], wakes);
        }
        if self.ready.needs_tending() {
            self.tend(backing);
        }
        Got::Taken(entry, self.ready.len())
    }

    /// Settles deliveries for good: acknowledged, or rejected for ever.
    #[inline]
    pub fn settle(
        &mut self,
        consumer: Option<ConsumerId>,
        count: usize,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) {
        self.unacked = self.unacked.saturating_sub(count);
        if let Some(id) = consumer {
            self.consumers.settle(id, count as u32);
        }
        self.deliver(backing, wakes);
    }

    /// Puts deliveries back to their old places.
    pub fn requeue(
        &mut self,
        consumer: Option<ConsumerId>,
        entries: impl IntoIterator<Item = Kept>,
        backing: &impl Backing,
        wakes: &mut Wakes,
    ) {
        let mut count = 0;
        for kept in entries {
            count += 1;
            if !self.closed {
                self.ready.put_back(Kept { redelivered: true, ..kept }, backing);
            }
        }
        self.settle(consumer, count, backing, wakes);
    }

    /// Removes a consumer whose deliveries are about to come back with
    /// [`release`](Self::release).
    pub fn detach(&mut self, id: ConsumerId) {
        self.consumers.remove(id);
    }

    /// Takes back what a channel that has ended held: what its client has seen, and what was
    /// still on its way. True if no consumer is left.
    pub fn release(&mut self, held: Released, backing: &impl Backing, wakes: &mut Wakes) -> bool {
        self.unacked = self.unacked.saturating_sub(held.unacked);
        if !self.closed {
            for entry in held.unseen {
                self.ready.put_back(entry.into(), backing);
            }
            for kept in held.seen {
                self.ready.put_back(Kept { redelivered: true, ..kept }, backing);
            }
        }
        self.deliver(backing, wakes);
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
        let exclusive = spec.exclusive && (self.single_active || !alone);
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
        self.deliver(backing, wakes);
        was_there && self.consumers.is_empty()
    }

    /// Looks again at a consumer that may have room now.
    pub fn resume(&mut self, id: ConsumerId, backing: &impl Backing, wakes: &mut Wakes) {
        self.consumers.resume(id);
        self.deliver(backing, wakes);
    }

    /// Takes out what is ready: the store has to be told, then it can be dropped.
    pub fn purge(&mut self, backing: &impl Backing) -> Ready {
        self.asked = None;
        let purged = self.ready.take_all();
        self.ready.tend(backing);
        purged
    }

    /// Ends the queue, unless it is in use or not empty and that matters. The store is not told of
    /// single messages: they go with the queue.
    pub fn close(
        &mut self,
        if_unused: bool,
        if_empty: bool,
        backing: &impl Backing,
    ) -> Result<Remains, Unless> {
        if if_empty && !self.ready.is_empty() {
            return Err(Unless::NotEmpty);
        }
        if if_unused && !self.consumers.is_empty() {
            return Err(Unless::Used);
        }
        self.closed = true;
        self.unacked = 0;
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
        let answer = self.ready.on_read(request, read);
        // An answer that told nothing is no reason to ask the same again.
        if !answer.told_nothing {
            self.deliver(backing, wakes);
        }
        answer
    }

    /// Hands ready messages to consumers with room, in turn, until one of the two runs out.
    #[inline]
    fn deliver(&mut self, backing: &impl Backing, wakes: &mut Wakes) {
        while self.consumers.any_in_turn() {
            let Some(entry) = self.ready.pop() else { break };
            let (id, seq) = (entry.id, entry.seq);
            match self.consumers.offer(entry, wakes) {
                Ok(taken) => {
                    self.ready.note_delivered(id);
                    match taken {
                        Taken::ToBeAcked => self.unacked += 1,
                        Taken::ForGood if seq != Seq::NONE => self.leaving.push((id, seq)),
                        Taken::ForGood => {}
                    }
                }
                Err(back) => {
                    self.ready.unpop(back);
                    break;
                }
            }
        }
        if !self.leaving.is_empty() {
            backing.remove(&self.leaving, wakes);
            self.leaving.clear();
            self.leaving.shrink_to(KEEP_CAPACITY);
        }
        if self.ready.needs_tending() {
            self.tend(backing);
        }
    }

    /// Asks the store for what consumers will need next.
    fn tend(&mut self, backing: &impl Backing) {
        self.ready.tend(backing);
        if self.asked.is_some() || self.consumers.is_empty() {
            return;
        }
        if let Some(request) = self.ready.wanted(backing) {
            self.last_token += 1;
            backing.read(request.wanted.clone(), request.max_bytes, self.last_token);
            self.asked = Some((self.last_token, request));
        }
    }
}

/// A consumer for tests and for code that has no channel: no limits.
impl ConsumerSpec {
    /// A plain consumer with manual acknowledgements.
    pub fn plain(id: ConsumerId, outbox: Arc<Outbox>) -> Self {
        Self {
            id,
            no_ack: false,
            exclusive: false,
            priority: 0,
            prefetch: 0,
            channel: Arc::new(ChannelCredit::default()),
            outbox,
        }
    }
}
