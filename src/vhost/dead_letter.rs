//! What becomes of a queue's dead messages, and of queues that nobody uses.

use std::sync::Arc;

use super::{Handover, VirtualHost};
use crate::amqp::properties::Properties;
use crate::exchange::{self, Names, Routed, Subject};
use crate::message::{Message, Seq};
use crate::outbox::Wakes;
use crate::queue::{
    Brought, Conditions, Dead, DeadLetter, DeadLettered, Host, Queue, dead_letter, is_cycle,
};

impl Host for VirtualHost {
    fn dead_letter(
        &self,
        from: &Queue,
        dead: &mut Dead,
        to: &DeadLetter,
        wakes: &mut Wakes,
    ) -> Brought {
        let nowhere = Brought { wholly: false, stored: false };
        let Some(original) = &dead.kept.message else { return nowhere };
        let Some(exchange) = Names::exchange(self, &to.exchange) else { return nowhere };
        let DeadLettered { message, keys } =
            dead_letter(original, from.name(), dead.reason, to, wakes.now_ms());
        let properties = Properties::check(message.properties()).unwrap_or_default();
        let keys: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
        let subject = Subject { keys: &keys, properties: &properties };
        let mut routed = exchange::route(&exchange, &subject, self);
        if routed.queues.is_empty() && routed.holders.is_empty() {
            self.tell_exchanges(&message, &routed, wakes);
            return nowhere;
        }
        routed.queues.retain(|target| {
            !dead.reached.contains(&target.spec().id) && !goes_round(&message, target)
        });
        if to.at_least_once {
            return self.bring_to_each(&message, &routed, dead, wakes);
        }
        let handed = self.hand_on(&message, &routed, wakes);
        Brought { wholly: handed.taken && !handed.refused, stored: handed.seq != Seq::NONE }
    }

    fn release(&self, exchange: &str, message: &Message, wakes: &mut Wakes) -> bool {
        let Some(exchange) = Names::exchange(self, exchange) else { return false };
        let routed = self.route_on(&exchange, message);
        self.hand_on(message, &routed, wakes).seq != Seq::NONE
    }

    fn lease_is_over(&self, queue: &Arc<Queue>, wakes: &mut Wakes) {
        let conditions = Conditions { if_lease_is_over: true, ..Conditions::default() };
        match self.delete_queue(queue, conditions, wakes) {
            Ok(messages) => tracing::info!(%queue, messages, "not used for too long: deleted"),
            Err(_) => queue.look_after_later(wakes), // somebody has just begun to use it
        }
    }
}

impl VirtualHost {
    /// Each queue for itself, so that it is known which of them has taken the message.
    fn bring_to_each(
        &self,
        message: &Message,
        routed: &Routed,
        dead: &mut Dead,
        wakes: &mut Wakes,
    ) -> Brought {
        // At a second try they have been told.
        let (held, seq) = if dead.reached.is_empty() {
            self.tell_exchanges(message, routed, wakes)
        } else {
            (false, Seq::NONE)
        };
        let stored = (held && seq != Seq::NONE) || !dead.reached.is_empty();
        let mut brought = Brought { wholly: true, stored };
        for target in &routed.queues {
            let mut handover = Handover::default();
            handover.publish(message, std::iter::once(target), &self.home.store, wakes);
            let met_closed = handover.met_closed;
            let handed = handover.end(&self.home.store, wakes);
            if met_closed || handed.refused {
                brought.wholly = false;
            } else {
                dead.reached.push(target.spec().id);
                brought.stored |= handed.seq != Seq::NONE;
            }
        }
        brought
    }
}

fn goes_round(message: &Message, target: &Queue) -> bool {
    let goes_round = is_cycle(message, target.name());
    if goes_round {
        tracing::debug!(queue = %target, "a dead message that goes round is dropped");
    }
    goes_round
}
