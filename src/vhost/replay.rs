//! A new binding of an exchange that remembers its last messages is told them.
//!
//! Only what is bound by a client: bindings that come back at the start find no history yet. What
//! is published while somebody binds may be told before what is replayed.

use super::VirtualHost;
use crate::exchange::{Destination, Exchange, Routed};
use crate::outbox::Wakes;

impl VirtualHost {
    /// Publishes what `source` remembers to where a binding leads that has just been made.
    pub(super) fn replay(&self, source: &Exchange, to: &Destination, wakes: &mut Wakes) {
        for message in source.remembered() {
            let routed = match to {
                Destination::Queue(queue) => {
                    Routed { queues: vec![queue.clone()], ..Routed::default() }
                }
                Destination::Exchange(exchange) => self.route_on(exchange, &message),
            };
            // A queue that was deleted meanwhile has no use for it.
            self.hand_on(&message, &routed, wakes);
        }
    }
}
