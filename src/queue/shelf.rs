//! Where an exchange keeps the messages that it holds back: the lock, the store and the timer
//! around [`Delayed`].
//!
//! It has a number in the store as a queue has, and nobody can consume from it. Knows no exchanges
//! but by name.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::backing::Stored;
use super::delayed::{Delayed, held_back};
use super::home::{Home, STORE_FULL_RETRY_MS};
use super::kept::Kept;
use crate::message::{Message, MessageId, Seq};
use crate::outbox::Wakes;
use crate::store::{QueueId, Read, ReadBack, RecoveredQueue, Store, Wanted};
use crate::timers::OnTime;

/// So many messages are released in one step.
const AT_ONCE: usize = 256;

/// The messages that an exchange holds back.
#[derive(Debug)]
pub struct Shelf {
    /// Its number in the store.
    id: QueueId,
    /// The exchange.
    exchange: Arc<str>,
    /// What is persistent survives a restart.
    durable: bool,
    home: Arc<Home>,
    state: Mutex<State>,
    this: Weak<Self>,
}

#[derive(Debug, Default)]
struct State {
    delayed: Delayed,
    armed_ms: Option<u64>,
}

impl Shelf {
    /// An empty one, or what the store has of it.
    pub fn new(
        id: QueueId,
        exchange: Arc<str>,
        durable: bool,
        had: Option<&RecoveredQueue>,
        home: Arc<Home>,
    ) -> Arc<Self> {
        let delayed = had.map(Delayed::recovered).unwrap_or_default();
        let state = Mutex::new(State { delayed, armed_ms: None });
        let new =
            |this: &Weak<Self>| Self { id, exchange, durable, home, state, this: this.clone() };
        let shelf = Arc::new_cyclic(new);
        if had.is_some() {
            // Looked at when everything is there again.
            shelf.arm(&mut shelf.state.lock(), 0);
        }
        shelf
    }

    /// Its number in the store.
    pub fn id(&self) -> QueueId {
        self.id
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.state.lock().delayed.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Holds a message back for so long. Gives what a confirm has to wait for.
    pub fn hold(&self, message: &Message, delay_ms: u64, wakes: &mut Wakes) -> Seq {
        let message = held_back(message, delay_ms);
        let keeps = self.durable && message.persistent();
        let hand_over = |id, message: &Message, wakes: &mut Wakes| {
            if keeps { self.store().append(self.id, id, message, wakes) } else { Seq::NONE }
        };
        let mut state = self.state.lock();
        if state.delayed.closed {
            return Seq::NONE;
        }
        let seq = state.delayed.hold(message, hand_over, self, wakes);
        self.look_after(&mut state);
        seq
    }

    /// Has every message that may leave memory do so.
    pub fn page_out(&self, wakes: &mut Wakes) {
        self.state.lock().delayed.page_out(self, wakes);
    }

    /// The exchange is deleted, and with it what it held back.
    pub fn close(&self, wakes: &mut Wakes) {
        let mut state = self.state.lock();
        if let Some(armed_ms) = state.armed_ms.take() {
            self.home.timers.disarm(self.id.0, armed_ms);
        }
        let handed_over = state.delayed.close(self);
        if handed_over && !self.durable {
            self.store().drop_queue(self.id, wakes);
        }
    }

    /// Asks to be told when the next one is due.
    fn look_after(&self, state: &mut State) {
        if let Some(due_ms) = state.delayed.next_due_ms() {
            self.arm(state, due_ms);
        }
    }

    fn arm(&self, state: &mut State, at_ms: u64) {
        if state.armed_ms.is_some_and(|armed_ms| armed_ms <= at_ms) {
            return;
        }
        let old_ms = state.armed_ms.replace(at_ms);
        let who = self.this.clone() as Weak<dyn OnTime>;
        self.home.timers.arm(self.id.0, old_ms, at_ms, who);
    }

    /// Lets a message go, and has it removed from here only after that.
    fn release(&self, mut due: Vec<Kept>, wakes: &mut Wakes) {
        let Some(host) = self.home.host.upgrade() else { return };
        let (mut stored, mut gone) = (Vec::new(), Vec::new());
        for kept in &mut due {
            let message = kept.message.take().or_else(|| self.read_back(kept.id));
            let Some(message) = message else { continue };
            let message = message.published_at(wakes.now_ms());
            let is_stored = host.release(&self.exchange, &message, wakes);
            if kept.seq != Seq::NONE {
                let list = if is_stored { &mut stored } else { &mut gone };
                list.push((kept.id, kept.seq));
            }
        }
        self.store().remove_behind(self.id, &stored, wakes);
        self.store().remove(self.id, &gone, wakes);
    }

    fn read_back(&self, id: MessageId) -> Option<Message> {
        let read = self.store().read_now(self.id, &Wanted::Ids(vec![id]), 1);
        read.messages.into_iter().next().map(|(_, message, _)| message)
    }
}

impl OnTime for Shelf {
    fn on_time(self: Arc<Self>, wakes: &mut Wakes) {
        let due = {
            let mut state = self.state.lock();
            state.armed_ms = None;
            if self.store().is_full() {
                return self.arm(&mut state, wakes.now_ms() + STORE_FULL_RETRY_MS);
            }
            state.delayed.ask_for_unknown(&*self);
            state.delayed.take_due(AT_ONCE, &*self, wakes.now_ms())
        };
        // One task has all the times: nobody else releases meanwhile, so they stay in order.
        self.release(due, wakes);
        self.look_after(&mut self.state.lock());
    }
}

impl ReadBack for Shelf {
    fn on_read(&self, token: u64, read: Read, _: &mut Wakes) {
        let mut state = self.state.lock();
        let lost = state.delayed.on_read(token, read, self);
        if lost > 0 {
            tracing::error!(exchange = &*self.exchange, lost, "messages could not be read back");
        }
        self.look_after(&mut state);
    }
}

impl Stored for Shelf {
    fn store(&self) -> &Arc<Store> {
        &self.home.store
    }

    fn store_id(&self) -> QueueId {
        self.id
    }

    fn reader(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }
}
