//! Messages that nobody publishes at this moment go on: dead ones, held back ones, remembered ones.

use std::sync::Arc;

use super::{Handed, Handover, VirtualHost};
use crate::amqp::properties::Properties;
use crate::exchange::{Exchange, Routed, Subject, route};
use crate::message::{Message, Seq};
use crate::outbox::Wakes;
use crate::stats::ExchangeCounts;

impl VirtualHost {
    /// Publishes a message of the broker's own to one of its exchanges, as the exchange counts it.
    pub fn publish_own(&self, exchange: &Arc<Exchange>, message: &Message, wakes: &mut Wakes) {
        let routed = self.route_on(exchange, message);
        exchange.counters().add(&ExchangeCounts {
            publish_in: 1,
            publish_out: routed.queues.len() as u64,
            ..ExchangeCounts::default()
        });
        self.hand_on(message, &routed, wakes);
    }

    /// Routes a message by the keys that it still says.
    pub(super) fn route_on(&self, start: &Arc<Exchange>, message: &Message) -> Routed {
        let properties = Properties::check(message.properties()).unwrap_or_default();
        let keys = properties.routing_keys(message.routing_key());
        route(start, &Subject { keys: &keys, properties: &properties }, self)
    }

    /// Hands a message to where it goes.
    pub(super) fn hand_on(&self, message: &Message, routed: &Routed, wakes: &mut Wakes) -> Handed {
        let mut handover = Handover::default();
        handover.publish(message, routed.queues.iter(), &self.home.store, wakes);
        let mut handed = handover.end(&self.home.store, wakes);
        let (held, seq) = self.tell_exchanges(message, routed, wakes);
        handed.taken |= held;
        handed.seq = self.home.store.both(handed.seq, seq, wakes);
        handed
    }

    /// Has the exchanges on its way remember a message, or hold it back. Whether any of them does
    /// the latter, and what has to be waited for then.
    pub(super) fn tell_exchanges(
        &self,
        message: &Message,
        routed: &Routed,
        wakes: &mut Wakes,
    ) -> (bool, Seq) {
        for exchange in &routed.histories {
            exchange.remember(message);
        }
        let mut seq = Seq::NONE;
        for (exchange, delay_ms) in &routed.holders {
            let held = exchange.hold(message, *delay_ms, wakes);
            seq = self.home.store.both(seq, held, wakes);
        }
        (!routed.holders.is_empty(), seq)
    }
}
