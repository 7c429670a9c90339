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
use crate::error::{Error, Result};
use crate::exchange::Destination;
use crate::names::without_line_breaks;
use crate::queue::{Conditions, Queue};
use crate::vhost::{DeclareExchange, DeclareQueue, refuse_default};

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
            refuse_default(&name)?;
            durable = session.vhost.exchange(&name)?.spec().durable;
        } else {
            let declare = DeclareExchange {
                name: &name,
                kind: m.kind.as_str(),
                durable: m.durable,
                auto_delete: m.auto_delete,
                internal: m.internal,
                arguments,
            };
            session.vhost.declare_exchange(declare, &mut session.wakes)?;
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
        session.vhost.delete_exchange(&name, m.if_unused, &mut session.wakes)?;
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
        refuse_default(&to)?;
        refuse_default(&from)?;
        let to = Destination::Exchange(session.vhost.exchange(&to)?);
        let key = m.routing_key.as_str().as_bytes();
        session.vhost.bind(&from, &to, key, arguments, &mut session.wakes)?;
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
        refuse_default(&to)?;
        let to = session.vhost.exchange(&to).ok().map(Destination::Exchange);
        let key = m.routing_key.as_str().as_bytes();
        session.vhost.unbind(&from, to.as_ref(), key, arguments, &mut session.wakes)?;
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
            let queue = session.vhost.queue(&name)?;
            queue.check_access(session.id)?;
            queue.note_use(&mut session.wakes);
            queue
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
        let exchange = without_line_breaks(m.exchange.as_str());
        refuse_default(&exchange)?;
        let queue = session.vhost.queue(&name)?;
        session.vhost.exchange(&exchange)?;
        queue.check_access(session.id)?;
        let (to, key) = (Destination::Queue(queue), key.as_bytes());
        session.vhost.bind(&exchange, &to, key, arguments, &mut session.wakes)?;
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
        let exchange = without_line_breaks(m.exchange.as_str());
        refuse_default(&exchange)?;
        let queue = session.vhost.queue(&name).ok();
        if let Some(queue) = &queue {
            queue.check_access(session.id)?;
        }
        let to = queue.map(Destination::Queue);
        let (to, key) = (to.as_ref(), key.as_bytes());
        session.vhost.unbind(&exchange, to, key, arguments, &mut session.wakes)?;
        session.reply_when_defined(false, self.number, Reply::queue_unbind_ok());
        Ok(())
    }

    pub(super) fn on_queue_purge(&mut self, session: &mut Session, m: &QueuePurge) -> Result<()> {
        let queue = session.vhost.queue(&self.queue_name(m.queue.as_str())?)?;
        queue.check_access(session.id)?;
        let reply = Reply::queue_purge_ok(as_u32(queue.purge(&mut session.wakes)));
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
        let mut ready = 0;
        if let Ok(queue) = session.vhost.queue(&name) {
            queue.check_access(session.id)?;
            let delete = Conditions {
                if_unused: m.if_unused,
                if_empty: m.if_empty,
                ..Conditions::default()
            };
            ready = session.vhost.delete_queue(&queue, delete, &mut session.wakes)?;
            session.forget_exclusive(&queue);
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
    let queue = session.vhost.declare_queue(&declare, &mut session.wakes)?;
    if m.exclusive {
        session.exclusive_queues.insert(queue.name().clone(), queue.clone());
    }
    Ok(queue)
}

/// A count as the wire carries it.
fn as_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
