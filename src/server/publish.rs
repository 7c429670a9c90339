//! `basic.publish`: checks, route, hand-over.

use std::sync::Arc;

use super::channel::Channel;
use super::reply_to;
use super::route_cache::{Destinations, Route};
use super::session::Session;
use crate::amqp::content::Content;
use crate::amqp::frame::erlang_binary;
use crate::amqp::properties::{BCC, CC, Properties};
use crate::broker::{Via, check_expiration, check_further_keys, traits};
use crate::error::{Error, ReplyCode, Result};
use crate::exchange::{self, Exchange, Routed, Subject};
use crate::message::{Message, Seq, Traits, short_strings};
use crate::queue::presented;
use crate::vhost::{Handed, Handover};

/// A message that has passed all checks, and where it goes.
#[derive(Debug)]
pub(super) struct Prepared {
    message: Message,
    resolved: Resolved,
    mandatory: bool,
}

/// What its address and its properties lead to.
#[derive(Debug)]
struct Resolved {
    route: Route,
    /// Nearly always nothing: one word in a message that is moved about.
    beside: Option<Box<Beside>>,
}

/// Where a message goes beside queues.
#[derive(Debug)]
struct Beside {
    /// Addresses of direct replies among the routing keys.
    replies: Replies,
    /// Exchanges that remember it.
    histories: Vec<Arc<Exchange>>,
    /// Exchanges that hold it back, and for how long.
    holders: Vec<(Arc<Exchange>, u64)>,
}

impl Beside {
    fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.histories.is_empty() && self.holders.is_empty()
    }

    /// Hands a message on. True if somebody has taken it; what a confirm has to wait for then.
    fn take(self, session: &mut Session, message: &Message, seq: &mut Seq) -> bool {
        let mut taken = !self.holders.is_empty();
        for exchange in self.histories {
            exchange.remember(message);
        }
        for (exchange, delay_ms) in self.holders {
            let held = exchange.hold(message, delay_ms, &mut session.wakes);
            *seq = session.node.store.both(*seq, held, &mut session.wakes);
        }
        for address in self.replies {
            taken |= session.vhost.reply(&address, message.clone(), &mut session.wakes);
        }
        taken
    }
}

impl Prepared {
    /// The queues take it in at that time.
    pub(super) fn at(mut self, now_ms: u64) -> Self {
        self.message = self.message.published_at(now_ms);
        self
    }
}

/// What became of a publish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It is where it belongs; a confirm has to wait for that.
    Taken(Seq),
    /// A queue had no room for it.
    Refused,
}

/// Nearly always empty, and then no allocation.
type Replies = Vec<Box<[u8]>>;

impl Channel {
    /// The content of a publish is complete.
    #[inline]
    pub(super) fn on_content(
        &mut self,
        session: &mut Session,
        content: &mut Content,
    ) -> Result<()> {
        let statistics = &self.statistics;
        statistics.received.add(1);
        if self.confirms.is_some() {
            statistics.received_confirm.add(1);
        }
        session.presence.sizes.note(content.body_bytes());
        let prepared = self.prepare(session, content)?;
        if session.traced {
            self.trace_publish(session, &prepared);
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.publishes.push(prepared);
            self.statistics.uncommitted.set(transaction.publishes.len() as u64);
            return Ok(());
        }
        let outcome = self.dispatch(session, prepared);
        let Some(confirms) = &mut self.confirms else { return Ok(()) };
        let is_new = match outcome {
            Outcome::Taken(seq) => confirms.publish(seq),
            Outcome::Refused => {
                let (refusal, is_new) = confirms.refuse();
                session.out.refuse(self.number, refusal.delivery_tag, refusal.multiple);
                is_new
            }
        };
        if is_new {
            session.to_confirm.push(self.number);
        }
        Ok(())
    }

    #[cold]
    fn trace_publish(&self, session: &mut Session, prepared: &Prepared) {
        let via = Via { connection: &session.presence.name, channel: self.number };
        let queues = &prepared.resolved.route.queues;
        session.actor.trace_publish(via, &prepared.message, queues, &mut session.wakes);
    }

    /// Hands a message to its queues, or returns it.
    #[inline]
    pub(super) fn dispatch(&mut self, session: &mut Session, prepared: Prepared) -> Outcome {
        let Prepared { message, resolved, mandatory } = prepared;
        let Resolved { route, beside } = resolved;
        let (mut handover, wakes) = (Handover::default(), &mut session.wakes);
        handover.publish(&message, route.queues.iter(), &session.node.store, wakes);
        if handover.met_closed {
            publish_again(session, &message, &route, &mut handover);
        }
        let Handed { mut taken, refused, mut seq } =
            handover.end(&session.node.store, &mut session.wakes);
        if let Some(beside) = beside {
            taken |= beside.take(session, &message, &mut seq);
        }
        self.count_publish(session, &route, taken, mandatory);
        if !taken && mandatory {
            let code = ReplyCode::NoRoute;
            let shown = presented(&message, None);
            let message = shown.as_ref().unwrap_or(&message);
            session.out.basic_return(self.number, code.number(), code.name(), message);
        }
        if refused { Outcome::Refused } else { Outcome::Taken(seq) }
    }

    /// A message has been handed over.
    #[inline]
    fn count_publish(&self, session: &mut Session, route: &Route, taken: bool, mandatory: bool) {
        let (statistics, queues) = (&self.statistics, route.queues.len() as u64);
        statistics.active_ms.set(session.wakes.now_ms());
        statistics.publish.add(1);
        statistics.routed.add(queues);
        let Some(exchange) = session.exchanges.of(&route.exchange) else { return };
        exchange.publish_in += 1;
        exchange.publish_out += queues;
        if !taken && mandatory {
            statistics.unroutable_returned.add(1);
            exchange.unroutable_returned += 1;
        } else if !taken {
            statistics.unroutable_dropped.add(1);
            exchange.unroutable_dropped += 1;
        }
    }

    /// Checks a message in RabbitMQ's order and finds its route.
    #[inline]
    fn prepare(&mut self, session: &mut Session, content: &mut Content) -> Result<Prepared> {
        let properties = Properties::check(content.properties()).map_err(|_| {
            let shown = erlang_binary(content.properties());
            Error::frame_error(format!("cannot decode {shown}"))
        })?;
        let plain = properties.headers.is_none_or(|h| h.get(CC).is_none() && h.get(BCC).is_none());
        let cached =
            if plain { session.routes.get(&session.vhost, content.address()) } else { None };
        let resolved = match cached {
            Some(route) => Resolved { route, beside: None },
            None => resolve(session, content.address(), &properties)?,
        };
        let rewritten = self.rewritten(&properties)?;
        check_expiration(properties.expiration)?;
        session.actor.check_user_id(properties.user_id)?;
        let traits = traits(&properties, plain);
        let mandatory = content.mandatory;
        let message = build(content, rewritten, traits).published_at(session.wakes.now_ms());
        Ok(Prepared { message, resolved, mandatory })
    }

    /// The properties, if the message may not keep those it came with.
    fn rewritten(&self, properties: &Properties<'_>) -> Result<Option<Vec<u8>>> {
        if properties.reply_to == Some(reply_to::NAME.as_bytes()) {
            let address = self
                .reply_address
                .as_ref()
                .ok_or_else(|| Error::precondition_failed("fast reply consumer does not exist"))?;
            return Ok(Some(properties.with_reply_to(address.as_bytes())));
        }
        Ok(None)
    }
}

fn build(content: &mut Content, rewritten: Option<Vec<u8>>, traits: Traits) -> Message {
    if let (None, Some((octets, address_bytes, properties_bytes))) = (&rewritten, content.inline())
    {
        return Message::from_octets(octets, address_bytes, properties_bytes, traits);
    }
    let address = content.address().to_vec();
    let properties = rewritten.unwrap_or_else(|| content.properties().to_vec());
    Message::new(&address, &properties, content.take_body(), traits)
}

/// Looks a route up and remembers it if the address alone tells it.
fn resolve(session: &mut Session, address: &[u8], properties: &Properties<'_>) -> Result<Resolved> {
    let (name, routing_key) = short_strings(address);
    let exchange = session.actor.publishable(name)?;
    check_further_keys(properties.headers)?;
    let keys = properties.routing_keys(routing_key);
    session.actor.check_publish_keys(&exchange, &keys)?;
    let subject = Subject { keys: &keys, properties };
    let routed = exchange::route(&exchange, &subject, &*session.vhost);
    let by_address = keys.len() == 1 && !routed.varies;
    let Routed { queues, histories, holders, .. } = routed;
    let route: Route = Arc::new(Destinations { exchange, queues: queues.into() });
    // The default exchange has no bindings whose change would be noticed, so that a queue which
    // does not exist yet must be looked for each time.
    if by_address && !(name.is_empty() && route.queues.is_empty()) {
        session.routes.insert(address, route.clone());
    }
    let mut replies = Replies::new();
    if name.is_empty() {
        let prefix = reply_to::ADDRESS_PREFIX.as_bytes();
        replies.extend(keys.iter().filter(|key| key.starts_with(prefix)).map(|key| (*key).into()));
    }
    let beside = Beside { replies, histories, holders };
    let beside = (!beside.is_empty()).then(|| Box::new(beside));
    Ok(Resolved { route, beside })
}

/// A queue on a remembered route was deleted. Looks the route up again, and publishes to the
/// queues that have not been tried.
fn publish_again(session: &mut Session, message: &Message, tried: &Route, handover: &mut Handover) {
    session.routes.remove(message.address());
    let properties = Properties::check(message.properties()).unwrap_or_default();
    let Ok(resolved) = resolve(session, message.address(), &properties) else { return };
    let untried =
        resolved.route.queues.iter().filter(|q| !tried.queues.iter().any(|t| Arc::ptr_eq(t, q)));
    handover.publish(message, untried, &session.node.store, &mut session.wakes);
}
