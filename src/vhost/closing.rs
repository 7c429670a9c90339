//! The end of a virtual host: everything in it goes, from memory and from the store.
//!
//! Knows nothing of who is connected to it; whoever deletes it closes their connections.

use super::VirtualHost;
use crate::outbox::Wakes;
use crate::queue::Conditions;

impl VirtualHost {
    /// Deletes everything in it. Nothing can be declared, bound or set in it any more.
    pub fn close(&self, wakes: &mut Wakes) {
        // Who adds something holds the lock: it is there before this, or refused after.
        self.topology.lock().closed = true;
        let queues: Vec<_> = self.queues.iter().map(|queue| queue.value().clone()).collect();
        for queue in &queues {
            if let Err(error) = self.delete_queue(queue, Conditions::default(), wakes) {
                tracing::error!(%queue, %error, "a queue of a deleted virtual host stays");
            }
        }
        let exchanges = self.exchanges.iter().map(|exchange| exchange.value().clone()).collect();
        self.remove_exchanges(&mut self.topology.lock(), exchanges, &mut self.changes(wakes));
        self.drop_policies(wakes);
        self.reply_consumers.clear();
    }
}
