//! `basic.ack`, `nack`, `reject` and `recover`: what becomes of deliveries.

use std::sync::Arc;

use super::channel::Channel;
use super::consume::Subscription;
use super::session::Session;
use super::unacked::{Unacked, UnknownTag};
use crate::amqp::method::Ack;
use crate::amqp::reply::Reply;
use crate::error::{Error, Result};
use crate::queue::{Kept, Volume};

/// What a client decided about a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Settlement {
    /// Done with it.
    Ack,
    /// Not wanted: to the dead-letter exchange, if the queue has one.
    Reject,
    /// Back to its place in the queue.
    Requeue {
        /// For a reason that counts as a failed delivery.
        failed: bool,
    },
}

impl Channel {
    /// `basic.ack` and `nack`.
    #[inline]
    pub(super) fn on_settlement(
        &mut self,
        session: &mut Session,
        ack: Ack,
        settlement: Settlement,
    ) -> Result<()> {
        if !ack.multiple {
            let unacked = self.unacked.take(ack.delivery_tag).map_err(|_| unknown(ack))?;
            match &mut self.transaction {
                Some(transaction) => transaction.settlements.push((unacked, settlement)),
                None => self.settle_one(session, unacked, settlement),
            }
            self.show_unacked(session);
            return Ok(());
        }
        let mut taken = Vec::new();
        let all = self.unacked.take_up_to(ack.delivery_tag, |unacked| taken.push(unacked));
        all.map_err(|UnknownTag| unknown(ack))?;
        match &mut self.transaction {
            Some(transaction) => {
                transaction.settlements.extend(taken.into_iter().map(|u| (u, settlement)));
            }
            None => self.settle(session, taken, settlement),
        }
        self.show_unacked(session);
        Ok(())
    }

    #[inline]
    fn show_unacked(&self, session: &Session) {
        self.statistics.active_ms.set(session.wakes.now_ms());
        self.statistics.unacked.set(self.unacked.len() as u64);
        if let Some(transaction) = &self.transaction {
            self.statistics.uncommitted_acks.set(transaction.settlements.len() as u64);
        }
    }

    pub(super) fn on_basic_recover(
        &mut self,
        session: &mut Session,
        requeue: bool,
        wants_reply: bool,
    ) -> Result<()> {
        if !requeue {
            return Err(Error::not_implemented("requeue=false"));
        }
        let mut taken = Vec::new();
        let all = self.unacked.take_up_to(0, |unacked| taken.push(unacked));
        debug_assert_eq!(all, Ok(()), "tag 0 is always fine");
        self.settle(session, taken, Settlement::Requeue { failed: false });
        session.reply_unless(!wants_reply, self.number, Reply::basic_recover_ok());
        Ok(())
    }

    #[inline]
    fn settle_one(&mut self, session: &mut Session, unacked: Unacked, settlement: Settlement) {
        if settlement != Settlement::Ack {
            return self.settle(session, vec![unacked], settlement);
        }
        let Unacked { subscription, kept, .. } = unacked;
        if let Some(queue) = &subscription.queue {
            self.statistics.served(subscription.queue_type).ack.add(1);
            let (settled, volume) = ([(kept.id, kept.seq)], Volume::from(&kept));
            queue.settle(subscription.id, &settled, volume, &mut session.wakes);
        }
        self.give_credit_back(session, &subscription, 1);
    }

    /// Settles deliveries, in the order of their tags, with one step per run of the same consumer.
    pub(super) fn settle(
        &mut self,
        session: &mut Session,
        deliveries: Vec<Unacked>,
        settlement: Settlement,
    ) {
        let mut run: Vec<Kept> = Vec::new();
        let mut of: Option<Arc<Subscription>> = None;
        for Unacked { subscription, kept, .. } in deliveries {
            if let Some(last) = of.take_if(|last| !Arc::ptr_eq(last, &subscription)) {
                self.settle_run(session, &last, std::mem::take(&mut run), settlement);
            }
            of = Some(subscription);
            run.push(kept);
        }
        if let Some(last) = of {
            self.settle_run(session, &last, run, settlement);
        }
    }

    fn settle_run(
        &mut self,
        session: &mut Session,
        subscription: &Subscription,
        run: Vec<Kept>,
        settlement: Settlement,
    ) {
        let count = run.len() as u32;
        if let Some(queue) = &subscription.queue {
            match settlement {
                Settlement::Ack => {
                    self.statistics.served(subscription.queue_type).ack.add(count.into());
                    let settled: Vec<_> = run.iter().map(|kept| (kept.id, kept.seq)).collect();
                    let volume = run.iter().collect();
                    queue.settle(subscription.id, &settled, volume, &mut session.wakes);
                }
                Settlement::Reject => {
                    // The dead may be written to other queues: as much as a publish is.
                    session.floods = true;
                    queue.reject(subscription.id, run, &mut session.wakes);
                }
                Settlement::Requeue { failed } => {
                    queue.requeue(subscription.id, run, failed, &mut session.wakes);
                }
            }
        }
        self.give_credit_back(session, subscription, count);
    }

    /// Only a consumer's deliveries use the channel's room.
    #[inline]
    pub(super) fn give_credit_back(
        &self,
        session: &mut Session,
        subscription: &Subscription,
        count: u32,
    ) {
        if subscription.id.is_some() && self.credit.give_back(count) {
            self.resume_consumers(session);
        }
    }
}

fn unknown(ack: Ack) -> Error {
    Error::precondition_failed(format!("unknown delivery tag {}", ack.delivery_tag))
}
