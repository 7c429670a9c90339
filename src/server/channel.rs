//! A channel: its state, and the table of what it does with which method.
//!
//! The handlers live in the file of their class. Knows no sockets: what it has to say is appended
//! to the session's write queue.

use std::sync::Arc;

use hashbrown::HashMap;

use super::acknowledge::Settlement;
use super::confirms::Confirms;
use super::consume::Subscription;
use super::session::Session;
use super::transaction::Transaction;
use super::unacked::UnackedList;
use crate::amqp::content::Assembler;
use crate::amqp::frame::{FrameHead, FrameReader};
use crate::amqp::method::{Ack, Method, Publish};
use crate::amqp::reply::Reply;
use crate::error::{Error, Result};
use crate::queue::ChannelCredit;
use crate::stats::ChannelStatistics;

/// An open channel.
#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) number: u16,
    pub(super) assembler: Assembler,
    pub(super) unacked: UnackedList,
    /// By tag.
    pub(super) consumers: HashMap<Box<str>, Arc<Subscription>>,
    /// The limit of the whole channel.
    pub(super) credit: Arc<ChannelCredit>,
    /// What later consumers get as their own limit.
    pub(super) prefetch: u16,
    pub(super) confirms: Option<Confirms>,
    pub(super) transaction: Option<Transaction>,
    /// What an empty queue name stands for.
    pub(super) last_queue: Option<Arc<str>>,
    /// Where answers to this channel's requests go.
    pub(super) reply_address: Option<Arc<str>>,
    last_delivery_tag: u64,
    /// What others see of it.
    pub(super) statistics: Arc<ChannelStatistics>,
}

impl Channel {
    pub(super) fn new(number: u16, now_ms: u64) -> Self {
        let statistics = Arc::new(ChannelStatistics::new(number, now_ms));
        Self { number, statistics, ..Self::default() }
    }

    /// Acts on a method; the table is in the order of the specification.
    pub(super) fn on_method(&mut self, session: &mut Session, method: Method<'_>) -> Result<()> {
        match method {
            Method::ChannelOpen => Err(Error::channel_error("second 'channel.open' seen")),
            Method::ChannelFlow { active } => self.on_channel_flow(session, active),
            Method::ChannelFlowOk => Ok(()),
            Method::AccessRequest => {
                session.reply(self.number, Reply::access_request_ok());
                Ok(())
            }
            Method::ExchangeDeclare(m, table) => self.on_exchange_declare(session, &m, table),
            Method::ExchangeDelete(m) => self.on_exchange_delete(session, &m),
            Method::ExchangeBind(m, table) => self.on_exchange_bind(session, &m, &table),
            Method::ExchangeUnbind(m, table) => self.on_exchange_unbind(session, &m, &table),
            Method::QueueDeclare(m, table) => self.on_queue_declare(session, &m, table),
            Method::QueueBind(m, table) => self.on_queue_bind(session, &m, &table),
            Method::QueuePurge(m) => self.on_queue_purge(session, &m),
            Method::QueueDelete(m) => self.on_queue_delete(session, &m),
            Method::QueueUnbind(m, table) => self.on_queue_unbind(session, &m, &table),
            Method::BasicQos(m) => self.on_basic_qos(session, m),
            Method::BasicConsume(m, table) => self.on_basic_consume(session, &m, &table),
            Method::BasicCancel(m) => {
                self.on_basic_cancel(session, &m);
                Ok(())
            }
            Method::BasicCancelOk { consumer_tag } => {
                self.cancel(session, &consumer_tag);
                Ok(())
            }
            Method::BasicPublish(m) => self.on_basic_publish(session, &m),
            Method::BasicGet(m) => self.on_basic_get(session, &m),
            Method::BasicAck(ack) => self.on_settlement(session, ack, Settlement::Ack),
            Method::BasicReject { delivery_tag, requeue } => {
                let ack = Ack { delivery_tag, multiple: false };
                let requeued = Settlement::Requeue { failed: true };
                let settlement = if requeue { requeued } else { Settlement::Reject };
                self.on_settlement(session, ack, settlement)
            }
            Method::BasicRecover { requeue, wants_reply } => {
                self.on_basic_recover(session, requeue, wants_reply)
            }
            Method::BasicNack { ack, requeue } => {
                let requeued = Settlement::Requeue { failed: false };
                let settlement = if requeue { requeued } else { Settlement::Reject };
                self.on_settlement(session, ack, settlement)
            }
            Method::TxSelect => self.on_tx_select(session),
            Method::TxCommit => self.on_tx_commit(session),
            Method::TxRollback => self.on_tx_rollback(session),
            Method::ConfirmSelect { no_wait } => self.on_confirm_select(session, no_wait),
            _ => Err(Error::command_invalid("unimplemented method")),
        }
    }

    #[inline]
    pub(super) fn on_basic_publish(
        &mut self,
        session: &mut Session,
        publish: &Publish<'_>,
    ) -> Result<()> {
        if publish.immediate {
            return Err(Error::not_implemented("immediate=true"));
        }
        session.publishes = true;
        self.assembler.begin(publish, &mut session.spare);
        Ok(())
    }

    /// Takes the header or body frame at the front of the reader.
    #[inline]
    pub(super) fn on_content_frame(
        &mut self,
        session: &mut Session,
        reader: &mut FrameReader,
        head: FrameHead,
    ) -> Result<()> {
        let body_max_bytes = session.node.config.max_message_size_bytes;
        if !self.assembler.push(reader, head, body_max_bytes)? {
            return Ok(());
        }
        let mut content = self.assembler.take();
        let result = self.on_content(session, &mut content);
        Assembler::recycle(content, &mut session.spare);
        result
    }

    /// Lets others see how it is, after anything but a publish or a settlement.
    pub(super) fn show(&self, session: &Session) {
        let statistics = &self.statistics;
        statistics.active_ms.set(session.wakes.now_ms());
        statistics.consumers.set(self.consumers.len() as u64);
        statistics.prefetch.set(self.prefetch.into());
        statistics.global_prefetch.set(self.credit.limit().into());
        statistics.set_modes(self.confirms.is_some(), self.transaction.is_some());
        statistics.unacked.set(self.unacked.len() as u64);
        let (publishes, settlements) = self.transaction.as_ref().map_or((0, 0), |transaction| {
            (transaction.publishes.len(), transaction.settlements.len())
        });
        statistics.uncommitted.set(publishes as u64);
        statistics.uncommitted_acks.set(settlements as u64);
    }

    #[inline]
    pub(super) fn next_delivery_tag(&mut self) -> u64 {
        self.last_delivery_tag += 1;
        self.last_delivery_tag
    }

    /// Confirms what was published since the last time, as far as the store has settled it.
    pub(super) fn settle_confirms(&mut self, session: &mut Session) {
        let Some(confirms) = &mut self.confirms else { return };
        let (store, outbox) = (&session.node.store, &session.outbox);
        let confirm = confirms.settle(|owed| {
            store.pop_settled(owed, outbox);
        });
        let statistics = &self.statistics;
        statistics.confirmed.set(confirms.confirmed_count());
        statistics.unconfirmed.set(confirms.unanswered());
        if let Some(confirm) = confirm {
            session.out.confirm(self.number, confirm.delivery_tag, confirm.multiple);
        }
        // The outbox says when it is time to ask again.
        if confirms.is_waiting() {
            session.awaiting_confirms.push(self.number);
        }
    }

    fn on_channel_flow(&mut self, session: &mut Session, active: bool) -> Result<()> {
        if !active {
            return Err(Error::not_implemented("active=false"));
        }
        session.reply(self.number, Reply::channel_flow_ok(true));
        Ok(())
    }

    fn on_confirm_select(&mut self, session: &mut Session, no_wait: bool) -> Result<()> {
        if self.transaction.is_some() {
            return Err(Error::precondition_failed("cannot switch from tx to confirm mode"));
        }
        self.confirms.get_or_insert_default();
        session.reply_unless(no_wait, self.number, Reply::confirm_select_ok());
        Ok(())
    }
}
