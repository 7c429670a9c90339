//! `basic.consume`, `cancel`, `qos` and `get`: the reading half of class basic.

use std::sync::Arc;

use super::channel::Channel;
use super::consumer_timeout::own_timeout_ms;
use super::session::Session;
use super::unacked::Unacked;
use crate::amqp::method::{BasicCancel, BasicConsume, BasicGet, Qos};
use crate::amqp::reply::Reply;
use crate::amqp::table::Table;
use crate::amqp::write::Outbound;
use crate::broker::Via;
use crate::error::{Error, Result};
use crate::events::{acting, with_terms};
use crate::message::{Attempts, Message};
use crate::names;
use crate::outbox::{ConsumerId, Entry};
use crate::queue::{Conditions, ConsumerFacts, ConsumerSpec, Queue, presented};
use crate::stats::QueueType;

/// What only consumers of streams may ask for.
const OF_STREAMS: [&str; 3] = ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"];

/// Why a channel holds a message: a consumer, or a `basic.get`.
#[derive(Debug)]
pub(super) struct Subscription {
    /// `None` for a `basic.get`.
    pub(super) id: Option<ConsumerId>,
    pub(super) channel: u16,
    pub(super) tag: Box<str>,
    pub(super) no_ack: bool,
    /// How long it may keep a delivery, if it has a time of its own.
    pub(super) timeout_ms: Option<u64>,
    /// The type of that queue.
    pub(super) queue_type: QueueType,
    /// `None` for direct replies, which come from no queue.
    pub(super) queue: Option<Arc<Queue>>,
}

/// What a delivery shows of how often its message has come back.
fn shown_attempts(queue: Option<&Arc<Queue>>, entry: &Entry) -> Option<Attempts> {
    let counts =
        entry.attempts != Attempts::default() && queue.is_some_and(|q| q.counts_attempts());
    counts.then_some(entry.attempts)
}

impl Channel {
    pub(super) fn on_basic_qos(&mut self, session: &mut Session, m: Qos) -> Result<()> {
        if m.prefetch_size != 0 {
            let text = format!("prefetch_size!=0 ({})", m.prefetch_size);
            return Err(Error::not_implemented(text));
        }
        if m.global {
            self.credit.set_limit(u32::from(m.prefetch_count));
        } else {
            self.prefetch = m.prefetch_count;
            self.credit.set_limit(0);
        }
        self.resume_consumers(session);
        session.reply(self.number, Reply::basic_qos_ok());
        Ok(())
    }

    pub(super) fn on_basic_consume(
        &mut self,
        session: &mut Session,
        m: &BasicConsume,
        arguments: &Table,
    ) -> Result<()> {
        let tag = m.consumer_tag.as_str();
        if self.consumers.contains_key(tag) {
            return Err(Error::not_allowed(format!("attempt to reuse consumer tag '{tag}'")));
        }
        let limit = session.node.config.consumers_per_channel_max;
        if limit > 0 && self.consumers.len() >= limit {
            let text = format!("reached maximum ({limit}) of consumers per channel");
            return Err(Error::not_allowed(text));
        }
        let tag: Box<str> = match tag {
            "" => names::generate(names::CONSUMER_TAG_PREFIX).into(),
            tag => tag.into(),
        };
        let name = self.queue_name(m.queue.as_str())?;
        if &*name == super::reply_to::NAME {
            return self.consume_replies(session, &tag, m.no_ack, m.nowait);
        }
        let queue = session.actor.readable_queue(&name)?;
        check_kind(arguments, &queue)?;
        let priority = priority(arguments, &queue)?;
        let timeout_ms = own_timeout_ms(arguments, &queue)?;
        let id = ConsumerId(names::next_number());
        let spec = ConsumerSpec {
            id,
            no_ack: m.no_ack,
            exclusive: m.exclusive,
            priority,
            prefetch: self.prefetch,
            channel: self.credit.clone(),
            outbox: session.outbox.clone(),
            facts: Arc::new(ConsumerFacts {
                tag: tag.clone(),
                arguments: arguments.clone(),
                connection: session.id,
                channel: self.number,
            }),
        };
        queue.consume(spec, &mut session.wakes)?;
        // Deliveries wait in our own outbox until this task drains it, so consume-ok is first.
        session.reply_unless(m.nowait, self.number, Reply::basic_consume_ok(&tag));
        self.note_consumer_created(session, m, (&tag, arguments, queue.name()));
        let (id, channel, no_ack) = (Some(id), self.number, m.no_ack);
        let (queue_type, queue) = (queue_type(&queue), Some(queue));
        self.subscribe(
            session,
            Subscription { id, channel, tag, no_ack, timeout_ms, queue_type, queue },
        );
        Ok(())
    }

    fn note_consumer_created(
        &self,
        session: &Session,
        m: &BasicConsume,
        (tag, arguments, queue): (&str, &Table, &str),
    ) {
        let pid = || session.node.events.pid(session.id.0, self.number);
        acting(&session.actor.user().name, || {
            session.node.events.note("consumer.created", |about| {
                with_terms(about, "arguments", arguments.view())
                    .long("prefetch_count", self.prefetch.into())
                    .long_string("queue", queue)
                    .long_string("vhost", session.vhost.name())
                    .long_string("channel", &pid())
                    .bool("ack_required", !m.no_ack)
                    .bool("exclusive", m.exclusive)
                    .long_string("consumer_tag", tag)
            });
        });
    }

    /// Notes a consumer of this channel.
    pub(super) fn subscribe(&mut self, session: &mut Session, subscription: Subscription) {
        let subscription = Arc::new(subscription);
        if let Some(id) = subscription.id {
            session.subscriptions.insert(id, subscription.clone());
        }
        self.consumers.insert(subscription.tag.clone(), subscription);
    }

    pub(super) fn on_basic_cancel(&mut self, session: &mut Session, m: &BasicCancel) {
        let tag = m.consumer_tag.as_str();
        self.cancel(session, tag);
        session.reply_unless(m.nowait, self.number, Reply::basic_cancel_ok(tag));
    }

    /// Ends a consumer after what is on its way to it; what it holds stays with the channel.
    pub(super) fn cancel(&mut self, session: &mut Session, tag: &str) {
        let Some(subscription) = self.consumers.remove(tag) else { return };
        let Some(id) = subscription.id else { return };
        let gone = match &subscription.queue {
            Some(queue) => queue.cancel(id, &mut session.wakes),
            None => self.end_replies(session),
        };
        for entry in session.extract(id) {
            self.deliver(session, &subscription, entry);
        }
        session.subscriptions.remove(&id);
        session.note_consumer_deleted(&subscription);
        if let (true, Some(queue)) = (gone, &subscription.queue) {
            delete_unused(session, queue);
        }
    }

    /// Forgets a consumer whose queue is gone, and tells the client if it wants to know.
    pub(super) fn on_cancelled(&mut self, session: &mut Session, subscription: &Subscription) {
        if self.consumers.remove(&subscription.tag).is_some() {
            session.note_consumer_deleted(subscription);
        }
        self.show(session);
        if session.capabilities.consumer_cancel_notify {
            session.reply(self.number, Reply::basic_cancel(&subscription.tag));
        }
    }

    /// Writes a delivery.
    #[inline]
    pub(super) fn deliver(
        &mut self,
        session: &mut Session,
        subscription: &Arc<Subscription>,
        entry: Entry,
    ) {
        let tag = self.next_delivery_tag();
        let shown = presented(&entry.message, shown_attempts(subscription.queue.as_ref(), &entry));
        let message = shown.as_ref().unwrap_or(&entry.message);
        if let (true, Some(queue)) = (session.traced, &subscription.queue) {
            self.trace_delivery(session, (queue, entry.redelivered), message);
        }
        let outbound = Outbound { message, redelivered: entry.redelivered };
        session.out.deliver(self.number, &subscription.tag, tag, &outbound);
        let served = self.statistics.served(subscription.queue_type);
        let count = if subscription.no_ack { &served.deliver_no_ack } else { &served.deliver };
        count.add(1);
        if entry.redelivered {
            served.redeliver.add(1);
        }
        self.statistics.active_ms.set(session.wakes.now_ms());
        if !subscription.no_ack {
            session.note_deadline(subscription);
            let (subscription, delivered_ms) = (subscription.clone(), session.wakes.now_ms());
            let unacked = Unacked { tag, subscription, delivered_ms, kept: entry.into() };
            self.unacked.push(unacked, |seq| session.node.store.is_settled(seq));
            self.statistics.unacked.set(self.unacked.len() as u64);
        }
    }

    pub(super) fn on_basic_get(&mut self, session: &mut Session, m: &BasicGet) -> Result<()> {
        let name = self.queue_name(m.queue.as_str())?;
        if &*name == super::reply_to::NAME {
            return Err(Error::not_implemented("basic.get on a direct reply-to address"));
        }
        let queue = session.actor.readable_queue(&name)?;
        queue.check_get()?;
        let served = self.statistics.served(queue_type(&queue));
        let Some((entry, remaining)) = queue.get(m.no_ack, &mut session.wakes) else {
            served.get_empty.add(1);
            session.reply(self.number, Reply::basic_get_empty());
            return Ok(());
        };
        let count = if m.no_ack { &served.get_no_ack } else { &served.get };
        count.add(1);
        served.redeliver.add(entry.redelivered.into());
        let tag = self.next_delivery_tag();
        let shown = presented(&entry.message, shown_attempts(Some(&queue), &entry));
        let message = shown.as_ref().unwrap_or(&entry.message);
        if session.traced {
            self.trace_delivery(session, (&queue, entry.redelivered), message);
        }
        let outbound = Outbound { message, redelivered: entry.redelivered };
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        session.out.get_ok(self.number, tag, remaining, &outbound);
        if !m.no_ack {
            let (queue_type, channel) = (queue_type(&queue), self.number);
            let got =
                Subscription { channel, queue_type, queue: Some(queue), ..Subscription::nobody() };
            let got = Arc::new(got);
            let delivered_ms = session.wakes.now_ms();
            let unacked = Unacked { tag, subscription: got, delivered_ms, kept: entry.into() };
            self.unacked.push(unacked, |seq| session.node.store.is_settled(seq));
        }
        Ok(())
    }

    #[cold]
    fn trace_delivery(&self, session: &mut Session, out_of: (&Queue, bool), message: &Message) {
        let via = Via { connection: &session.presence.name, channel: self.number };
        session.actor.trace_delivery(via, out_of, message, &mut session.wakes);
    }

    /// Room of the whole channel has grown: its consumers may go on.
    pub(super) fn resume_consumers(&self, session: &mut Session) {
        for subscription in self.consumers.values() {
            subscription.resume(session);
        }
    }
}

impl Session {
    /// A consumer has ended.
    pub(super) fn note_consumer_deleted(&self, subscription: &Subscription) {
        let Some(queue) = &subscription.queue else { return };
        acting(&self.actor.user().name, || {
            self.node.events.note("consumer.deleted", |about| {
                about
                    .long_string("queue", queue.name())
                    .long_string("vhost", self.vhost.name())
                    .long_string("channel", &self.node.events.pid(self.id.0, subscription.channel))
                    .long_string("consumer_tag", &subscription.tag)
            });
        });
    }
}

impl Subscription {
    /// Of no consumer and no queue.
    pub(super) fn nobody() -> Self {
        let (tag, timeout_ms) = ("".into(), None);
        let queue_type = QueueType::default();
        Self { id: None, channel: 0, tag, no_ack: false, timeout_ms, queue_type, queue: None }
    }

    /// Tells the queue that this consumer may have room again.
    pub(super) fn resume(&self, session: &mut Session) {
        if let (Some(id), Some(queue)) = (self.id, &self.queue) {
            queue.resume(id, &mut session.wakes);
        }
    }
}

fn queue_type(queue: &Queue) -> QueueType {
    queue.spec().options.nature.kind.statistics_type()
}

/// Deletes an auto-delete queue that has lost its last consumer, unless it has got a new one.
pub(super) fn delete_unused(session: &mut Session, queue: &Arc<Queue>) {
    let delete = Conditions { if_unused: true, ..Conditions::default() };
    match session.vhost.delete_queue(queue, delete, &mut session.wakes) {
        Ok(_) => session.forget_exclusive(queue),
        Err(error) => tracing::debug!(%queue, %error, "an auto-delete queue stays"),
    }
}

/// Arguments that only consumers of streams have.
fn check_kind(arguments: &Table, queue: &Queue) -> Result<()> {
    let Some(key) = OF_STREAMS.iter().find(|key| arguments.view().get(key).is_some()) else {
        return Ok(());
    };
    let module = queue.spec().options.nature.kind.module();
    let text = format!("invalid arg '{key}' for {queue} of queue type {module}");
    Err(Error::precondition_failed(text))
}

fn priority(arguments: &Table, queue: &Queue) -> Result<i64> {
    let Some(value) = arguments.view().get("x-priority") else { return Ok(0) };
    value.as_int().ok_or_else(|| {
        Error::precondition_failed(format!(
            "invalid arg 'x-priority' for {queue}: \"expected integer, got {}\"",
            value.type_name()
        ))
    })
}
