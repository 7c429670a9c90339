//! Classes exchange and queue: `declare`, `bind`, `unbind`, `purge`, `delete`.

use std::sync::Arc;

use super::channel::Channel;
use super::reply_to;
use super::session::Session;
use crate::amqp::method::{
    ExchangeBind, ExchangeDeclare, ExchangeDelete, ExchangeUnbind, QueueBind, QueueDeclare,
    QueueDelete, QueuePurge, QueueUnbind,
};
use crate::amqp::reply::Reply;
use crate::amqp::table::Table;
use crate::broker::Bound;
use crate::error::{Error, Result};
use crate::names::without_line_breaks;
use crate::queue::{Conditions, Queue};
use crate::store::DestinationName;
use crate::vhost::{DeclareExchange, DeclareQueue};

impl Channel {
    pub(super) fn on_exchange_declare(
        &mut self,
        session: &mut Session,
        m: &ExchangeDeclare,
        arguments: Table,
    ) -> Result<()> {
        let name = without_line_breaks(m.exchange.as_str());
        let mut durable = m.durable;
        if m.passive {
            durable = session.actor.passive_exchange(&name)?.spec().durable;
        } else {
            let declare = DeclareExchange {
                name: &name,
                kind: m.kind.as_str(),
                durable: m.durable,
                auto_delete: m.auto_delete,
                internal: m.internal,
                arguments,
            };
            session.actor.declare_exchange(declare, &mut session.wakes)?;
        }
        let reply = Reply::exchange_declare_ok();
        if durable {
            session.reply_when_defined(m.nowait, self.number, reply);
        } else {
            session.reply_unless(m.nowait, self.number, reply);
        }
        Ok(())
    }

    pub(super) fn on_exchange_delete(
        &mut self,
        session: &mut Session,
        m: &ExchangeDelete,
    ) -> Result<()> {
        let name = without_line_breaks(m.exchange.as_str());
        session.actor.delete_exchange(&name, m.if_unused, &mut session.wakes)?;
        session.reply_when_defined(m.nowait, self.number, Reply::exchange_delete_ok());
        Ok(())
    }

    pub(super) fn on_exchange_bind(
        &mut self,
        session: &mut Session,
        m: &ExchangeBind,
        arguments: &Table,
    ) -> Result<()> {
        let (to, from) = (m.destination.as_str(), m.source.as_str());
        let (to, from) = (without_line_breaks(to), without_line_breaks(from));
        let to = DestinationName::Exchange(to.into());
        let key = m.routing_key.as_str().as_bytes();
        let bound = Bound { source: &from, to: &to, key, arguments };
        session.actor.bind(bound, &mut session.wakes)?;
        session.reply_when_defined(m.nowait, self.number, Reply::exchange_bind_ok());
        Ok(())
    }

    pub(super) fn on_exchange_unbind(
        &mut self,
        session: &mut Session,
        m: &ExchangeUnbind,
        arguments: &Table,
    ) -> Result<()> {
        let (to, from) = (m.destination.as_str(), m.source.as_str());
        let (to, from) = (without_line_breaks(to), without_line_breaks(from));
        let to = DestinationName::Exchange(to.into());
        let key = m.routing_key.as_str().as_bytes();
        let bound = Bound { source: &from, to: &to, key, arguments };
        session.actor.unbind(bound, &mut session.wakes)?;
        session.reply_when_defined(m.nowait, self.number, Reply::exchange_unbind_ok());
        Ok(())
    }

    pub(super) fn on_queue_declare(
        &mut self,
        session: &mut Session,
        m: &QueueDeclare,
        arguments: Table,
    ) -> Result<()> {
        let name = without_line_breaks(m.queue.as_str());
        if reply_to::is_reply_name(&name) {
            let reply = reply_to::declare_reply_address(session, &name)?;
            self.last_queue = Some(name.into());
            session.reply_unless(m.nowait, self.number, reply);
            return Ok(());
        }
        let queue = if m.passive {
            session.actor.passive_queue(&name, &mut session.wakes)?
        } else {
            declare_queue(session, &name, m, arguments)?
        };
        self.last_queue = Some(queue.name().clone());
        let counts = queue.counts();
        let reply =
            Reply::queue_declare_ok(queue.name(), as_u32(counts.ready), as_u32(counts.consumers));
        if queue.spec().durable {
            session.reply_when_defined(m.nowait, self.number, reply);
        } else {
            session.reply_unless(m.nowait, self.number, reply);
        }
        Ok(())
    }

    pub(super) fn on_queue_bind(
        &mut self,
        session: &mut Session,
        m: &QueueBind,
        arguments: &Table,
    ) -> Result<()> {
        let (name, key) = self.queue_and_key(m.queue.as_str(), m.routing_key.as_str())?;
        let source = without_line_breaks(m.exchange.as_str());
        let (to, key) = (DestinationName::Queue(name), key.as_bytes());
        let bound = Bound { source: &source, to: &to, key, arguments };
        session.actor.bind(bound, &mut session.wakes)?;
        session.reply_when_defined(m.nowait, self.number, Reply::queue_bind_ok());
        Ok(())
    }

    pub(super) fn on_queue_unbind(
        &mut self,
        session: &mut Session,
        m: &QueueUnbind,
        arguments: &Table,
    ) -> Result<()> {
        let (name, key) = self.queue_and_key(m.queue.as_str(), m.routing_key.as_str())?;
        let source = without_line_breaks(m.exchange.as_str());
        let (to, key) = (DestinationName::Queue(name), key.as_bytes());
        let bound = Bound { source: &source, to: &to, key, arguments };
        session.actor.unbind(bound, &mut session.wakes)?;
        session.reply_when_defined(false, self.number, Reply::queue_unbind_ok());
        Ok(())
    }

    pub(super) fn on_queue_purge(&mut self, session: &mut Session, m: &QueuePurge) -> Result<()> {
        let name = self.queue_name(m.queue.as_str())?;
        let (queue, purged) = session.actor.purge(&name, &mut session.wakes)?;
        let reply = Reply::queue_purge_ok(as_u32(purged));
        if queue.spec().durable && !m.nowait {
            let seq = session.node.store.fence(&mut session.wakes);
            session.reply_when(seq, self.number, reply);
        } else {
            session.reply_unless(m.nowait, self.number, reply);
        }
        Ok(())
    }

    pub(super) fn on_queue_delete(&mut self, session: &mut Session, m: &QueueDelete) -> Result<()> {
        let name = self.queue_name(&without_line_breaks(m.queue.as_str()))?;
        let (if_unused, if_empty) = (m.if_unused, m.if_empty);
        let conditions = Conditions { if_unused, if_empty, ..Conditions::default() };
        let deleted = session.actor.delete_queue(&name, conditions, &mut session.wakes)?;
        let mut ready = 0;
        if let Some((queue, messages)) = deleted {
            session.forget_exclusive(&queue);
            ready = messages;
        }
        session.reply_when_defined(m.nowait, self.number, Reply::queue_delete_ok(as_u32(ready)));
        Ok(())
    }

    /// A queue's name; the empty one stands for the queue declared last on this channel.
    pub(super) fn queue_name(&self, name: &str) -> Result<Arc<str>> {
        if !name.is_empty() {
            return Ok(name.into());
        }
        let last = self.last_queue.clone();
        last.ok_or_else(|| Error::not_found("no previously declared queue"))
    }

    /// The same for a binding: if queue and key are both empty, the key is the queue's name too.
    fn queue_and_key(&self, queue: &str, key: &str) -> Result<(Arc<str>, Arc<str>)> {
        let name = self.queue_name(&without_line_breaks(queue))?;
        let key = if queue.is_empty() && key.is_empty() { name.clone() } else { key.into() };
        if reply_to::is_reply_name(&name) {
            let text = "cannot bind or unbind to a volatile (direct reply-to) queue";
            return Err(Error::access_refused(text));
        }
        Ok((name, key))
    }
}

/// Declares a queue; an exclusive one goes with the connection.
fn declare_queue(
    session: &mut Session,
    name: &str,
    m: &QueueDeclare,
    arguments: Table,
) -> Result<Arc<Queue>> {
    let declare = DeclareQueue {
        name,
        connection: session.id,
        durable: m.durable,
        exclusive: m.exclusive,
        auto_delete: m.auto_delete,
        arguments,
    };
    let queue = session.actor.declare_queue(&declare, &mut session.wakes)?;
    if m.exclusive {
        session.exclusive_queues.insert(queue.name().clone(), queue.clone());
    }
    Ok(queue)
}

/// A count as the wire carries it.
fn as_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
