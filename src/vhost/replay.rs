//! A new binding of an exchange that remembers its last messages is told them.
//!
//! Only what is bound by a client: bindings that come back at the start find no history yet. What
//! is published while somebody binds may be told before what is replayed.

use super::{Handover, VirtualHost};
use crate::amqp::properties::Properties;
use crate::exchange::{Destination, Exchange, Routed, Subject, route};
use crate::message::Message;
use crate::outbox::Wakes;

impl VirtualHost {
    /// Publishes what `source` remembers to where a binding leads that has just been made.
    pub(super) fn replay(&self, source: &Exchange, to: &Destination, wakes: &mut Wakes) {
        for message in source.remembered() {
            let Routed { queues, histories, .. } = self.lead_on(&message, to);
            for exchange in histories {
                exchange.remember(&message);
            }
            // A queue that was deleted meanwhile has no use for it.
            let mut handover = Handover::default();
            handover.publish(&message, queues.iter(), &self.home.store, wakes);
            handover.end(&self.home.store, wakes);
        }
    }

    /// Where a message goes from there, by the keys that it still says.
    fn lead_on(&self, message: &Message, to: &Destination) -> Routed {
        let exchange = match to {
            Destination::Queue(queue) => {
                return Routed { queues: vec![queue.clone()], ..Routed::default() };
            }
            Destination::Exchange(exchange) => exchange,
        };
        let properties = Properties::check(message.properties()).unwrap_or_default();
        let keys = properties.routing_keys(message.routing_key());
        route(exchange, &Subject { keys: &keys, properties: &properties }, self)
    }
}
