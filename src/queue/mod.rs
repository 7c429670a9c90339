//! Queues: the lock and the store around the state machine.
//!
//! Knows no channels, no frames and no exchanges.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use crate::error::{Error, Result};
use crate::message::{Attempts, Message, MessageId, Seq};
use crate::outbox::{ConsumerId, Entry, Outgoing, Wakes};
use crate::stats::Rates;
use crate::store::{QueueId, RecoveredQueue};
use crate::timers::OnTime;

mod backing;
mod consumer;
mod death;
mod delayed;
pub mod equivalence;
mod gap;
mod home;
mod kept;
mod levels;
mod options;
mod outcome;
mod presented;
mod ready;
mod returned;
pub mod rules;
mod run;
mod sequences;
mod settings;
mod shelf;
mod state;
mod statistics;
mod undertaker;
mod volume;

pub use backing::Backing;
use backing::Stored;
pub use consumer::{Activity, ChannelCredit, ConsumerDetails, ConsumerFacts, ConsumerSpec};
pub use death::{Dead, DeadLettered, Reason, dead_letter, is_cycle};
pub use gap::{Answer, Gap, Request};
pub use home::{Brought, Home, Host};
pub use kept::Kept;
pub use levels::Levels;
pub use options::{Nature, QueueKind, QueueOptions, Refusal};
pub use outcome::{Conditions, Counts, Got, NotTaken, Refused, Released, Remains, Unless};
pub use presented::presented;
pub use ready::Ready;
pub use rules::{DeadLetter, Rules};
pub use settings::{EffectivePolicy, Overflow, Settings, Strategy};
pub use shelf::Shelf;
pub use state::QueueState;
pub use statistics::{Held, QUEUE_SERIES, QueueStatistics, Series};
pub use volume::Volume;

/// Identifies a connection in the whole process; the owner of exclusive queues.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// Of who has no connection, and so nothing exclusive.
    pub const NOBODY: Self = Self(0);
}

/// What a queue is declared with.
#[derive(Clone, Debug)]
pub struct QueueSpec {
    /// Its number in the store.
    pub id: QueueId,
    /// Its name in its virtual host.
    pub name: Arc<str>,
    /// Its virtual host's name.
    pub vhost: Arc<str>,
    /// Survives a restart. Never set for an exclusive queue.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The connection that alone may use it, and that it goes with.
    pub owner: Option<ConnectionId>,
    /// Its arguments.
    pub options: QueueOptions,
}

/// A queue.
#[derive(Debug)]
pub struct Queue {
    spec: QueueSpec,
    home: Arc<Home>,
    state: Mutex<QueueState>,
    /// Held by whoever brings the dead on, in front of `state`.
    burial_turn: Mutex<()>,
    /// A copy out of the rules that is read without a lock; 0 for none.
    consumer_timeout_ms: AtomicU64,
    effective_policy: RwLock<Option<Arc<EffectivePolicy>>>,
    rates: Rates<QUEUE_SERIES>,
    /// For the store, to answer to.
    this: Weak<Self>,
}

impl Queue {
    /// An empty queue.
    pub fn new(spec: QueueSpec, rules: Arc<Rules>, home: Arc<Home>) -> Arc<Self> {
        let state = QueueState::new(spec.options.nature, rules);
        Self::with_state(spec, home, state)
    }

    /// A queue that the store knows from before.
    pub fn recovered(
        spec: QueueSpec,
        rules: Arc<Rules>,
        queue: &RecoveredQueue,
        home: Arc<Home>,
    ) -> Arc<Self> {
        let state = QueueState::recovered(spec.options.nature, rules, queue);
        Self::with_state(spec, home, state)
    }

    fn with_state(spec: QueueSpec, home: Arc<Home>, state: QueueState) -> Arc<Self> {
        let consumer_timeout_ms = state.rules().consumer_timeout_ms.unwrap_or(0).into();
        let state = Mutex::new(state);
        let queue = Arc::new_cyclic(|this| {
            let (effective_policy, this) = (RwLock::default(), this.clone());
            Self {
                spec,
                home,
                state,
                burial_turn: Mutex::default(),
                consumer_timeout_ms,
                effective_policy,
                rates: Rates::default(),
                this,
            }
        });
        queue.note_use(&mut Wakes::default());
        queue
    }

    /// Has it looked after when its time has come, and its dead brought on. To be called at the
    /// end of everything that changes the state.
    #[inline]
    fn look_after(&self, state: &mut QueueState, wakes: &mut Wakes) {
        if !state.is_quiet() {
            self.look_after_now(state, wakes);
        }
    }

    #[cold]
    fn look_after_now(&self, state: &mut QueueState, wakes: &mut Wakes) {
        self.arm(state, wakes);
        if let Some(this) = self.this.upgrade()
            && state.begins_burial()
        {
            wakes.defer(this);
        }
    }

    /// Has it looked after when its time has come.
    fn arm(&self, state: &mut QueueState, wakes: &mut Wakes) {
        if let Some((old_ms, at_ms)) = state.rearm(wakes.now_ms()) {
            let who = self.this.clone() as Weak<dyn OnTime>;
            self.home.timers.arm(self.spec.id.0, old_ms, at_ms, who);
        }
    }

    /// What is in force for it.
    pub fn rules(&self) -> Arc<Rules> {
        self.state.lock().rules().clone()
    }

    /// Other rules are in force from now on.
    pub fn set_rules(&self, rules: Arc<Rules>, wakes: &mut Wakes) {
        let timeout_ms = rules.consumer_timeout_ms.unwrap_or(0);
        self.consumer_timeout_ms.store(timeout_ms, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.set_rules(rules, self, wakes);
        self.look_after(&mut state, wakes);
    }

    /// How long its consumers may keep a delivery, if it or a policy says that.
    #[inline]
    pub fn consumer_timeout_ms(&self) -> Option<u64> {
        Some(self.consumer_timeout_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0)
    }

    /// Somebody has declared it again.
    pub fn note_use(&self, wakes: &mut Wakes) {
        let mut state = self.state.lock();
        state.note_use(wakes.now_ms());
        self.look_after(&mut state, wakes);
    }

    fn is_closed(&self) -> bool {
        self.state.lock().is_closed()
    }

    /// Its time had come, but nothing was to be done: it is to be looked after again.
    pub fn look_after_later(&self, wakes: &mut Wakes) {
        self.look_after(&mut self.state.lock(), wakes);
    }

    /// The policies that are in force, for people.
    pub fn effective_policy(&self) -> Option<Arc<EffectivePolicy>> {
        self.effective_policy.read().clone()
    }

    /// Shows other policies; what they ask for comes with [`set_rules`](Self::set_rules).
    pub fn set_effective_policy(&self, policy: Option<Arc<EffectivePolicy>>) {
        *self.effective_policy.write() = policy;
    }

    /// Whether deliveries tell how often a message has come back.
    pub fn counts_attempts(&self) -> bool {
        self.state.lock().counts_attempts()
    }

    /// What it was declared with.
    pub fn spec(&self) -> &QueueSpec {
        &self.spec
    }

    /// Its name in its virtual host.
    pub fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    /// Refuses anybody but the owner of an exclusive queue.
    pub fn check_access(&self, connection: ConnectionId) -> Result<()> {
        match self.spec.owner {
            Some(owner) if owner != connection => Err(self.locked()),
            _ => Ok(()),
        }
    }

    /// Refuses `basic.get` where only one consumer is to get messages, if its type has that rule.
    pub fn check_get(&self) -> Result<()> {
        let nature = self.spec.options.nature;
        if nature.single_active && nature.kind == QueueKind::Quorum {
            return Err(Error::resource_locked(format!(
                "cannot obtain access to locked {self}. basic.get operations are not supported by \
                 quorum queues with single active consumer"
            )));
        }
        Ok(())
    }

    /// How full it is.
    pub fn counts(&self) -> Counts {
        self.state.lock().counts()
    }

    /// No message above this sequence has been handed out.
    pub fn delivered_to(&self) -> u64 {
        self.state.lock().delivered_to()
    }

    /// Whether it hands that message to the store.
    #[inline]
    pub fn keeps(&self, message: &Message) -> bool {
        self.spec.durable && (self.keeps_all() || message.persistent())
    }

    /// Whether it hands every message to the store: a quorum queue's are all persistent.
    #[inline]
    pub fn keeps_all(&self) -> bool {
        self.spec.options.nature.kind == QueueKind::Quorum
    }

    /// Takes a message in. `shared` is the number that the store gave it if it goes to several
    /// queues that keep it. Gives the number that a confirm has to wait for.
    #[inline]
    pub fn publish(
        &self,
        message: Message,
        shared: Option<Seq>,
        wakes: &mut Wakes,
    ) -> std::result::Result<Seq, NotTaken> {
        let keeps = self.keeps(&message);
        let message = if self.keeps_all() { message.kept() } else { message };
        // Under the lock, so that the log's order is the queue's.
        let hand_over = |id, message: &Message, wakes: &mut Wakes| match shared {
            _ if !keeps => Seq::NONE,
            None => self.store().append(self.spec.id, id, message, wakes),
            Some(seq) => {
                self.store().add(seq, self.spec.id, id);
                seq
            }
        };
        let mut state = self.state.lock();
        let taken = state.publish(message, hand_over, self, wakes);
        self.look_after(&mut state, wakes);
        if state.exceeds() {
            // Who adds to what is too much has to help.
            self.this.upgrade().into_iter().for_each(|this| wakes.defer(this));
        }
        taken.map(|(_, seq)| seq)
    }

    /// Takes the first message, for `basic.get`; with it, how many remain.
    pub fn get(&self, no_ack: bool, wakes: &mut Wakes) -> Option<(Entry, usize)> {
        loop {
            let got = self.change(wakes, |state, wakes| state.get(no_ack, self, wakes));
            let request = match got {
                Got::Taken(entry, remaining) => return Some((entry, remaining)),
                Got::Nothing => return None,
                Got::Elsewhere(request) => request,
            };
            // Without the lock: it takes as long as the disk does.
            let read = self.store().read_now(self.spec.id, &request.wanted, request.max_bytes);
            let answer =
                self.change(wakes, |state, wakes| state.on_read_now(&request, read, self, wakes));
            self.report(answer);
            if answer.told_nothing {
                return None;
            }
        }
    }

    /// Settles deliveries for good; how much they are in all.
    #[inline]
    pub fn settle(
        &self,
        consumer: Option<ConsumerId>,
        settled: &[(MessageId, Seq)],
        volume: Volume,
        wakes: &mut Wakes,
    ) {
        let mut state = self.state.lock();
        state.settle(consumer, volume, self, wakes);
        self.look_after(&mut state, wakes);
        // A deleted queue's messages have gone with it.
        if !state.is_closed() && settled.iter().any(|(_, seq)| *seq != Seq::NONE) {
            self.store().remove(self.spec.id, settled, wakes);
        }
    }

    /// Deliveries are rejected for good: they go to the dead-letter exchange, if there is one.
    pub fn reject(
        &self,
        consumer: Option<ConsumerId>,
        entries: impl IntoIterator<Item = Kept>,
        wakes: &mut Wakes,
    ) {
        self.change(wakes, |state, wakes| state.reject(consumer, entries, self, wakes));
    }

    /// Puts deliveries back to their old places. `failed`: for a reason that counts as a failure.
    pub fn requeue(
        &self,
        consumer: Option<ConsumerId>,
        entries: impl IntoIterator<Item = Kept>,
        failed: bool,
        wakes: &mut Wakes,
    ) {
        self.change(wakes, |state, wakes| state.requeue(consumer, entries, failed, self, wakes));
    }

    /// One step of the state machine, and what follows from it.
    fn change<R>(
        &self,
        wakes: &mut Wakes,
        step: impl FnOnce(&mut QueueState, &mut Wakes) -> R,
    ) -> R {
        let mut state = self.state.lock();
        let result = step(&mut state, wakes);
        self.look_after(&mut state, wakes);
        result
    }

    /// Removes a consumer whose deliveries come back with [`release`](Self::release).
    pub fn detach(&self, id: ConsumerId, wakes: &mut Wakes) {
        self.change(wakes, |state, wakes| state.detach(id, wakes.now_ms()));
    }

    /// Takes back what a channel that has ended held. True if the queue has to go with it.
    pub fn release(&self, mut held: Released, wakes: &mut Wakes) -> bool {
        let had_consumers = !held.consumers.is_empty();
        let mut state = self.state.lock();
        if self.spec.durable && !state.is_closed() {
            self.keep_again(&mut held.unseen, wakes);
        }
        let unused = state.release(held, self, wakes);
        self.look_after(&mut state, wakes);
        had_consumers && unused && self.spec.auto_delete
    }

    /// What was on its way to a consumer that would not acknowledge it was settled, and is not.
    fn keep_again(&self, unseen: &mut [Entry], wakes: &mut Wakes) {
        let settled = |entry: &&mut Entry| entry.seq == Seq::NONE && entry.message.survives();
        for entry in unseen.iter_mut().filter(settled) {
            entry.seq = self.store().append(self.spec.id, entry.id, &entry.message, wakes);
            if entry.attempts != Attempts::default() {
                self.store().count(self.spec.id, entry.id, entry.seq, entry.attempts, wakes);
            }
        }
    }

    /// Adds a consumer.
    pub fn consume(&self, spec: ConsumerSpec, wakes: &mut Wakes) -> Result<()> {
        let taken = self.change(wakes, |state, wakes| state.consume(spec, self, wakes));
        taken.map_err(|refused| match refused {
            Refused::Closed => Error::not_found(format!("no {self}")),
            Refused::ExclusiveUse => Error::access_refused(format!("{self} in exclusive use")),
        })
    }

    /// Removes a consumer. True if the queue has to go with it.
    pub fn cancel(&self, id: ConsumerId, wakes: &mut Wakes) -> bool {
        self.change(wakes, |state, wakes| state.cancel(id, self, wakes)) && self.spec.auto_delete
    }

    /// Looks again at a consumer that may have room now.
    pub fn resume(&self, id: ConsumerId, wakes: &mut Wakes) {
        self.change(wakes, |state, wakes| state.resume(id, self, wakes));
    }

    /// Drops what is ready; how much that was.
    pub fn purge(&self, wakes: &mut Wakes) -> usize {
        let purged = self.state.lock().purge(self);
        // Nobody else knows them any more: the store can be told without the lock.
        purged.remove_all(self, wakes);
        purged.len()
    }

    /// Looks for messages that may leave memory: for a queue that nobody publishes to.
    pub fn page_out(&self, wakes: &mut Wakes) {
        self.state.lock().page_out(self, wakes);
    }

    /// Ends the queue, unless it is in use or not empty and that matters, and tells its consumers;
    /// gives the messages that were ready, which are better dropped without a lock.
    pub fn close(
        &self,
        conditions: Conditions,
        wakes: &mut Wakes,
    ) -> std::result::Result<Levels, Unless> {
        let remains = {
            let mut state = self.state.lock();
            let remains = state.close(conditions, wakes.now_ms(), self)?;
            if let Some(armed_ms) = state.disarm() {
                self.home.timers.disarm(self.spec.id.0, armed_ms);
            }
            self.look_after(&mut state, wakes);
            remains
        };
        if remains.handed_over && !self.spec.durable {
            self.store().drop_queue(self.spec.id, wakes);
        }
        for (id, outbox) in remains.consumers {
            outbox.push(Outgoing::Cancelled(id), wakes);
        }
        Ok(remains.ready)
    }

    fn locked(&self) -> Error {
        Error::resource_locked(format!(
            "cannot obtain exclusive access to locked {self}. It could be originally declared on \
             another connection or the exclusive property value does not match that of the \
             original declaration."
        ))
    }

    fn report(&self, answer: Answer) {
        if answer.lost > 0 {
            tracing::error!(queue = %self, lost = answer.lost, "messages could not be read back");
        }
        if answer.told_nothing {
            tracing::error!(queue = %self, "the store did not read what was asked for");
        }
    }
}

impl std::fmt::Display for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "queue '{}' in vhost '{}'", self.spec.name, self.spec.vhost)
    }
}
