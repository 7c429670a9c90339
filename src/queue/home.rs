//! What a queue has around it: the store, the timers, and whoever knows other queues.

use std::sync::{Arc, Weak};

use super::Queue;
use super::death::Dead;
use super::rules::DeadLetter;
use crate::message::Message;
use crate::outbox::Wakes;
use crate::store::Store;
use crate::timers::Timers;

/// What would go to a store that has too much to write is looked at again after this time.
pub(super) const STORE_FULL_RETRY_MS: u64 = 10;

/// What all queues of a virtual host have around them.
#[derive(Clone)]
pub struct Home {
    /// What survives.
    pub store: Arc<Store>,
    /// Who looks after queues when their time has come.
    pub timers: Arc<Timers>,
    /// Who knows the other queues.
    pub host: Weak<dyn Host>,
}

/// Whoever knows the exchanges and the other queues. Called without any lock of a queue.
pub trait Host: Send + Sync {
    /// Brings a dead message, which is in memory, to the queues that the dead-letter exchange has
    /// for it, but for those that it has reached already; notes those that take it.
    fn dead_letter(
        &self,
        from: &Queue,
        dead: &mut Dead,
        to: &DeadLetter,
        wakes: &mut Wakes,
    ) -> Brought;

    /// A message that this exchange has held back goes on. True if the store has it there.
    fn release(&self, exchange: &str, message: &Message, wakes: &mut Wakes) -> bool;

    /// Nobody has used the queue for as long as it may be left alone.
    fn lease_is_over(&self, queue: &Arc<Queue>, wakes: &mut Wakes);
}

/// How far a dead message has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Brought {
    /// It has a place to go to, and all its new queues have taken it.
    pub wholly: bool,
    /// The store has it there.
    pub stored: bool,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Home").finish_non_exhaustive()
    }
}
