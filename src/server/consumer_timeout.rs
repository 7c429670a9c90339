//! Consumers that keep a delivery for too long: they are cancelled, and what they hold goes back.
//!
//! Off unless asked for by the consumer, its queue, a policy or the configuration, in this order.
//! The connection looks when the oldest delivery may have become too old. What is taken back stays
//! on the list of unacknowledged deliveries without its message, so that a late acknowledgement is
//! no error, and has no effect.

use std::sync::Arc;
use std::time::Duration;

use super::channel::Channel;
use super::connection::Connection;
use super::consume::{Subscription, delete_unused};
use super::session::Session;
use crate::amqp::reply::Reply;
use crate::amqp::table::Table;
use crate::error::{Error, MethodId, Result};
use crate::queue::{Queue, Released, Volume};

/// The time between two looks at least, however many deadlines there are.
const PERIOD_MIN_MS: u64 = 10;
/// The argument of a consumer.
const ARGUMENT: &str = "x-consumer-timeout";

/// The time that a consumer asks for itself: `None` or 0 leaves it to others.
pub(super) fn own_timeout_ms(arguments: &Table, queue: &Queue) -> Result<Option<u64>> {
    let Some(value) = arguments.view().get(ARGUMENT) else { return Ok(None) };
    let invalid = |why: String| {
        Error::precondition_failed(format!("invalid arg '{ARGUMENT}' for {queue}: {why}"))
    };
    let Some(ms) = value.as_int() else {
        return Err(invalid(format!("\"expected integer, got {}\"", value.type_name())));
    };
    let ms = u64::try_from(ms).map_err(|_| invalid(format!("{{value_negative,{ms}}}")))?;
    Ok(Some(ms).filter(|ms| *ms > 0))
}

impl Subscription {
    /// How long a delivery may stay without acknowledgement.
    #[inline]
    fn timeout_ms(&self, default: Option<Duration>) -> Option<u64> {
        let own = self.timeout_ms.or_else(|| self.queue.as_ref()?.consumer_timeout_ms());
        own.or_else(|| default.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Session {
    /// A delivery that is to be acknowledged goes out.
    #[inline]
    pub(super) fn note_deadline(&mut self, subscription: &Subscription) {
        let Some(ms) = subscription.timeout_ms(self.node.config.consumer_timeout) else { return };
        let at_ms = self.wakes.now_ms().saturating_add(ms);
        self.timeouts_ms = Some(self.timeouts_ms.map_or(at_ms, |before| before.min(at_ms)));
    }
}

impl Connection {
    /// The oldest delivery may have become too old.
    pub(super) fn on_timeouts(&mut self) {
        let now_ms = self.session.wakes.now_ms();
        if self.session.timeouts_ms.is_none_or(|at_ms| at_ms > now_ms) {
            return;
        }
        self.session.timeouts_ms = None;
        let mut next_ms: Option<u64> = None;
        for number in self.channels.keys().copied().collect::<Vec<_>>() {
            let Some(channel) = self.channels.get_mut(&number) else { continue };
            let late = channel.late_consumers(&self.session, now_ms, &mut next_ms);
            for (subscription, ms) in late {
                let Some(channel) = self.channels.get_mut(&number) else { break };
                let result = channel.time_out(&mut self.session, &subscription, ms);
                self.close_on_error(number, MethodId::NONE, result);
            }
        }
        self.session.timeouts_ms = next_ms.map(|at_ms| at_ms.max(now_ms + PERIOD_MIN_MS));
    }
}

impl Channel {
    /// The consumers that hold a delivery for too long, and their time; when the next one will.
    fn late_consumers(
        &self,
        session: &Session,
        now_ms: u64,
        next_ms: &mut Option<u64>,
    ) -> Vec<(Arc<Subscription>, u64)> {
        let default = session.node.config.consumer_timeout;
        let mut late: Vec<(Arc<Subscription>, u64)> = Vec::new();
        for unacked in self.unacked.iter().filter(|unacked| unacked.subscription.id.is_some()) {
            let subscription = &unacked.subscription;
            let Some(ms) = subscription.timeout_ms(default) else { continue };
            let at_ms = unacked.delivered_ms.saturating_add(ms);
            if at_ms > now_ms {
                *next_ms = Some(next_ms.map_or(at_ms, |before| before.min(at_ms)));
            } else if !late.iter().any(|(known, _)| Arc::ptr_eq(known, subscription)) {
                late.push((subscription.clone(), ms));
            }
        }
        late
    }

    /// Cancels a consumer and gives back what it holds. A client that cannot be told loses its
    /// channel.
    fn time_out(
        &mut self,
        session: &mut Session,
        subscription: &Arc<Subscription>,
        ms: u64,
    ) -> Result<()> {
        let (Some(id), Some(queue)) = (subscription.id, &subscription.queue) else {
            return Ok(());
        };
        tracing::warn!(%queue, consumer = &*subscription.tag, ms, "a delivery was kept too long");
        // One that was cancelled is known already, and another may have its tag.
        let is_current = |current: &Arc<Subscription>| Arc::ptr_eq(current, subscription);
        let consumes = self.consumers.get(&subscription.tag).is_some_and(is_current);
        if !session.capabilities.consumer_cancel_notify {
            let number = self.number;
            return Err(Error::precondition_failed(format!(
                "delivery acknowledgement on channel {number} timed out. Timeout value used: {ms} \
                 ms. This timeout value can be configured, see consumers doc guide to learn more"
            ))
            .blame(MethodId::NONE));
        }
        queue.detach(id, &mut session.wakes);
        if consumes {
            self.consumers.remove(&subscription.tag);
            session.subscriptions.remove(&id);
        }
        let unseen = session.extract(id);
        let seen = self.unacked.take_back(subscription);
        let count = (seen.len() + unseen.len()) as u32;
        let mut unacked: Volume = seen.iter().collect();
        unacked.add(unseen.iter().collect());
        let released = Released { consumers: vec![id], seen, unseen, unacked };
        if consumes {
            session.reply(self.number, Reply::basic_cancel(&subscription.tag));
        }
        let unused = queue.release(released, &mut session.wakes);
        self.show(session);
        self.give_credit_back(session, subscription, count);
        if unused {
            delete_unused(session, queue);
        }
        Ok(())
    }
}
