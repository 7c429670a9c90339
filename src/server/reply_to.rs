//! Direct reply-to: answers that go straight to the requester, without a queue.
//!
//! A client consumes from the pseudo-queue [`NAME`]; its requests then carry an address of its own
//! in `reply-to`, and what is published to that address on the default exchange is delivered to it.

use super::channel::Channel;
use super::consume::Subscription;
use super::session::Session;
use crate::amqp::reply::Reply;
use crate::error::{Error, Result};
use crate::names;
use crate::outbox::ConsumerId;
use crate::stats::QueueType;

/// What clients consume from and put into `reply-to`.
pub(super) const NAME: &str = "amq.rabbitmq.reply-to";
/// What the addresses start with that stand for it.
pub(super) const ADDRESS_PREFIX: &str = crate::broker::REPLY_ADDRESS_PREFIX;

impl Channel {
    pub(super) fn consume_replies(
        &mut self,
        session: &mut Session,
        tag: &str,
        no_ack: bool,
        no_wait: bool,
    ) -> Result<()> {
        if self.reply_address.is_some() {
            return Err(Error::precondition_failed("reply consumer already set"));
        }
        if !no_ack {
            return Err(Error::precondition_failed("reply consumer cannot acknowledge"));
        }
        let address = names::generate(ADDRESS_PREFIX);
        let id = ConsumerId(names::next_number());
        session.vhost.add_reply_consumer(&address, id, session.outbox.clone());
        self.reply_address = Some(address.into());
        let (channel, tag) = (self.number, Box::from(tag));
        session.reply_unless(no_wait, self.number, Reply::basic_consume_ok(&tag));
        self.subscribe(
            session,
            Subscription {
                id: Some(id),
                channel,
                tag,
                no_ack: true,
                timeout_ms: None,
                queue_type: QueueType::default(),
                queue: None,
            },
        );
        Ok(())
    }

    /// The address leads nowhere from now on. No queue goes with it.
    pub(super) fn end_replies(&mut self, session: &mut Session) -> bool {
        if let Some(address) = self.reply_address.take() {
            session.vhost.remove_reply_consumer(&address);
        }
        false
    }
}

/// `queue.declare` of a reply address: it exists while somebody consumes from it. The bare name
/// always does.
pub(super) fn declare_reply_address(session: &Session, name: &str) -> Result<Reply> {
    if name == NAME || session.vhost.has_reply_consumer(name) {
        return Ok(Reply::queue_declare_ok(name, 0, 1));
    }
    let vhost = session.vhost.name();
    Err(Error::not_found(format!("no queue '{name}' in vhost '{vhost}'")))
}

/// Whether a queue's name is one of these.
pub(super) fn is_reply_name(name: &str) -> bool {
    name == NAME || name.starts_with(ADDRESS_PREFIX)
}
