//! What a virtual host tells of what is in it.

use std::sync::Arc;

use super::VirtualHost;
use crate::exchange::Exchange;
use crate::queue::Queue;

impl VirtualHost {
    /// Its queues, in no order.
    pub fn queues(&self) -> Vec<Arc<Queue>> {
        self.queues.iter().map(|queue| queue.value().clone()).collect()
    }

    /// Its exchanges, in no order.
    pub fn exchanges(&self) -> Vec<Arc<Exchange>> {
        self.exchanges.iter().map(|exchange| exchange.value().clone()).collect()
    }

    /// How many queues it has.
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// How many exchanges it has.
    pub fn exchange_count(&self) -> usize {
        self.exchanges.len()
    }

    /// Takes a sample of everything that has a rate, or lets go of the last one.
    pub fn sample(&self, now_ms: Option<u64>) {
        self.queues().iter().for_each(|queue| queue.sample(now_ms));
        self.exchanges().iter().for_each(|exchange| exchange.sample(now_ms));
    }

    /// A queue that was closed can no longer be found, and what it had counted is kept. False if
    /// it could not be found before.
    pub(super) fn take_out(&self, queue: &Arc<Queue>) -> bool {
        let queue_type = queue.spec().options.nature.kind.statistics_type();
        self.ledger.queue_leaves(queue_type, || {
            self.queues.remove_if(queue.name(), |_, it| Arc::ptr_eq(it, queue))?;
            Some(queue.totals())
        })
    }
}
