//! Class tx: publishes and settlements that wait for a commit.
//!
//! Publishes are checked and routed when they come, and handed to the queues at commit;
//! settlements leave the list of unacknowledged deliveries at once and take effect at commit.

use super::acknowledge::Settlement;
use super::channel::Channel;
use super::publish::{Outcome, Prepared};
use super::session::Session;
use super::unacked::Unacked;
use crate::amqp::reply::Reply;
use crate::error::{Error, Result};
use crate::message::Seq;

/// What a commit will do.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) publishes: Vec<Prepared>,
    pub(super) settlements: Vec<(Unacked, Settlement)>,
}

impl Channel {
    pub(super) fn on_tx_select(&mut self, session: &mut Session) -> Result<()> {
        if self.confirms.is_some() {
            return Err(Error::precondition_failed("cannot switch from confirm to tx mode"));
        }
        self.transaction.get_or_insert_default();
        session.reply(self.number, Reply::tx_select_ok());
        Ok(())
    }

    pub(super) fn on_tx_commit(&mut self, session: &mut Session) -> Result<()> {
        let transaction = self.transaction()?;
        let (mut stored, mut refused) = (false, false);
        for prepared in transaction.publishes {
            // The time of a message counts from when its queue has it.
            match self.dispatch(session, prepared.at(session.wakes.now_ms())) {
                Outcome::Taken(seq) => stored |= seq != Seq::NONE,
                Outcome::Refused => refused = true,
            }
        }
        for (unacked, settlement) in transaction.settlements {
            stored |= unacked.kept.seq != Seq::NONE;
            self.settle(session, vec![unacked], settlement);
        }
        if refused {
            return Err(Error::precondition_failed("partial tx completion"));
        }
        // What is wholly transient has nothing to wait for.
        let seq = if stored { session.node.store.fence(&mut session.wakes) } else { Seq::NONE };
        session.reply_when(seq, self.number, Reply::tx_commit_ok());
        Ok(())
    }

    pub(super) fn on_tx_rollback(&mut self, session: &mut Session) -> Result<()> {
        let transaction = self.transaction()?;
        self.unacked.restore(transaction.settlements.into_iter().map(|(unacked, _)| unacked));
        session.reply(self.number, Reply::tx_rollback_ok());
        Ok(())
    }

    /// Ends the current transaction and begins the next.
    fn transaction(&mut self) -> Result<Transaction> {
        let current = self.transaction.as_mut().map(std::mem::take);
        current.ok_or_else(|| Error::precondition_failed("channel is not transactional"))
    }
}
