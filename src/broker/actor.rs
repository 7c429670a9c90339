//! A user in a virtual host: the only door through which topology is changed, and messages are
//! published, got or consumed, on somebody's behalf.
//!
//! Here stands which operation needs which right, in RabbitMQ's order of checks and with its
//! texts. Knows neither frames nor requests; whatever a user asks for comes through here, however
//! it was asked.

use std::sync::Arc;

use super::Node;
use crate::access::{Grant, Resource, Right, User};
use crate::amqp::table::{Table, Value};
use crate::error::{Error, Result};
use crate::events::acting;
use crate::exchange::{Destination, Exchange, ExchangeKind};
use crate::outbox::Wakes;
use crate::queue::{Conditions, ConnectionId, Queue};
use crate::store::DestinationName;
use crate::vhost::{DeclareExchange, DeclareQueue, Permit, VirtualHost, refuse_default};

/// Arguments that name an exchange that messages will be written to.
const DEAD_LETTER_EXCHANGE: &str = "x-dead-letter-exchange";
const ALTERNATE_EXCHANGE: &str = "alternate-exchange";

/// A user in a virtual host.
#[derive(Debug)]
pub struct Actor {
    user: Arc<User>,
    vhost: Arc<VirtualHost>,
    grant: Grant,
    /// Its exclusive queues are its own.
    connection: ConnectionId,
}

/// A binding, as somebody names it.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// The exchange that it leads from.
    pub source: &'a str,
    /// Where it leads.
    pub to: &'a DestinationName,
    /// The routing key.
    pub key: &'a [u8],
    /// Its arguments.
    pub arguments: &'a Table,
}

impl Actor {
    /// A user in a virtual host. `connection` owns what is declared exclusive, and is
    /// [`ConnectionId::NOBODY`] for who has none.
    pub fn new(
        node: &Node,
        user: Arc<User>,
        vhost: Arc<VirtualHost>,
        connection: ConnectionId,
    ) -> Self {
        let grant = Grant::new(node.access.clone(), user.name.clone(), vhost.name().clone());
        Self { user, vhost, grant, connection }
    }

    /// Who it is, as of the login.
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// Where.
    pub fn vhost(&self) -> &Arc<VirtualHost> {
        &self.vhost
    }

    /// Does something in its name.
    fn act<T>(&self, work: impl FnOnce() -> T) -> T {
        acting(&self.user.name, work)
    }

    // ---- rights ---------------------------------------------------------------------------

    /// Whether that may be done with that, or 403.
    pub fn may(&self, right: Right, resource: Resource<'_>) -> Result<()> {
        if self.grant.may(right, resource) { Ok(()) } else { Err(self.refused(right, resource)) }
    }

    /// Whether anything at all may be done with that, or 403.
    pub fn may_see(&self, resource: Resource<'_>) -> Result<()> {
        let rights = [Right::Configure, Right::Write, Right::Read];
        if rights.iter().any(|right| self.grant.may(*right, resource)) {
            return Ok(());
        }
        Err(self.refused(Right::Configure, resource))
    }

    /// Whether messages may be published to that exchange, or 403.
    pub fn check_publish(&self, exchange: &str) -> Result<()> {
        self.may(Right::Write, Resource::Exchange(exchange))
    }

    /// Whether they may have these routing keys, or 403; only topic exchanges ask.
    pub fn check_publish_keys(&self, exchange: &Exchange, keys: &[&[u8]]) -> Result<()> {
        keys.iter().try_for_each(|key| self.check_key(Right::Write, exchange, key))
    }

    /// Whether messages of that queue may be got, consumed or purged, or 403.
    pub fn check_read(&self, queue: &str) -> Result<()> {
        self.may(Right::Read, Resource::Queue(queue))
    }

    /// Whether a message may name that one as its publisher, or 406.
    pub fn check_user_id(&self, user_id: Option<&[u8]>) -> Result<()> {
        let user = &self.user.name;
        let Some(claimed) = user_id.filter(|claimed| *claimed != user.as_bytes()) else {
            return Ok(());
        };
        // As it is now, and not as it was at the login.
        if self.grant.user().is_some_and(|user| user.may_impersonate()) {
            return Ok(());
        }
        let claimed = String::from_utf8_lossy(claimed);
        Err(Error::precondition_failed(format!(
            "user_id property set to '{claimed}' but authenticated user was '{user}'"
        )))
    }

    fn check_key(&self, right: Right, exchange: &Exchange, key: &[u8]) -> Result<()> {
        let spec = exchange.spec();
        let is_topic = spec.kind == ExchangeKind::Topic;
        if !is_topic || self.grant.may_use_key(right, &spec.name, key) {
            return Ok(());
        }
        let (key, vhost, user) = (String::from_utf8_lossy(key), self.vhost.name(), &self.user.name);
        Err(Error::access_refused(format!(
            "{right} access to topic '{key}' in exchange '{}' in vhost '{vhost}' refused for \
             user '{user}'",
            spec.name
        )))
    }

    fn refused(&self, right: Right, resource: Resource<'_>) -> Error {
        let (vhost, user) = (self.vhost.name(), &self.user.name);
        Error::access_refused(format!(
            "{right} access to {resource} in vhost '{vhost}' refused for user '{user}'"
        ))
    }

    // ---- exchanges ------------------------------------------------------------------------

    /// Declares an exchange, or checks that it is what it is declared as.
    pub fn declare_exchange(&self, asked: DeclareExchange<'_>, wakes: &mut Wakes) -> Result<()> {
        self.act(|| self.vhost.declare_exchange(asked, self, wakes))
    }

    /// The exchange of that name, as a passive declaration asks for it.
    pub fn passive_exchange(&self, name: &str) -> Result<Arc<Exchange>> {
        refuse_default(name)?;
        self.may_see(Resource::Exchange(name))?;
        self.vhost.exchange(name)
    }

    /// Deletes an exchange; one that does not exist is gone already.
    pub fn delete_exchange(&self, name: &str, if_unused: bool, wakes: &mut Wakes) -> Result<()> {
        refuse_default(name)?;
        self.may(Right::Configure, Resource::Exchange(name))?;
        self.act(|| self.vhost.delete_exchange(name, if_unused, wakes))
    }

    // ---- queues ---------------------------------------------------------------------------

    /// Declares a queue, or checks that it is what it is declared as.
    pub fn declare_queue(&self, asked: &DeclareQueue<'_>, wakes: &mut Wakes) -> Result<Arc<Queue>> {
        self.act(|| self.vhost.declare_queue(asked, self, wakes))
    }

    /// The queue of that name, as a passive declaration asks for it.
    pub fn passive_queue(&self, name: &str, wakes: &mut Wakes) -> Result<Arc<Queue>> {
        self.may_see(Resource::Queue(name))?;
        let queue = self.unlocked_queue(name)?;
        queue.note_use(wakes);
        Ok(queue)
    }

    /// Deletes a queue; how many messages were ready. `None` if it is gone already.
    pub fn delete_queue(
        &self,
        name: &str,
        conditions: Conditions,
        wakes: &mut Wakes,
    ) -> Result<Option<(Arc<Queue>, usize)>> {
        self.may(Right::Configure, Resource::Queue(name))?;
        let Ok(queue) = self.vhost.queue(name) else { return Ok(None) };
        queue.check_access(self.connection)?;
        let ready = self.act(|| self.vhost.delete_queue(&queue, conditions, wakes))?;
        Ok(Some((queue, ready)))
    }

    /// Drops what is ready in a queue; the queue, and how many messages that were.
    pub fn purge(&self, name: &str, wakes: &mut Wakes) -> Result<(Arc<Queue>, usize)> {
        let queue = self.readable_queue(name)?;
        let purged = queue.purge(wakes);
        Ok((queue, purged))
    }

    /// The queue of that name, to get or consume from.
    pub fn readable_queue(&self, name: &str) -> Result<Arc<Queue>> {
        self.check_read(name)?;
        self.unlocked_queue(name)
    }

    fn unlocked_queue(&self, name: &str) -> Result<Arc<Queue>> {
        let queue = self.vhost.queue(name)?;
        queue.check_access(self.connection)?;
        Ok(queue)
    }

    // ---- bindings -------------------------------------------------------------------------

    /// Binds a queue or an exchange to an exchange. Binding twice changes nothing.
    pub fn bind(&self, bound: Bound<'_>, wakes: &mut Wakes) -> Result<()> {
        self.check_binding(bound)?;
        let to = match bound.to {
            DestinationName::Queue(name) => {
                let queue = self.vhost.queue(name)?;
                self.vhost.exchange(bound.source)?;
                queue.check_access(self.connection)?;
                Destination::Queue(queue)
            }
            DestinationName::Exchange(name) => Destination::Exchange(self.vhost.exchange(name)?),
        };
        self.act(|| self.vhost.bind(bound.source, &to, bound.key, bound.arguments, wakes))
    }

    /// Removes a binding; what is not bound, or does not exist, is unbound already.
    pub fn unbind(&self, bound: Bound<'_>, wakes: &mut Wakes) -> Result<()> {
        self.check_binding(bound)?;
        let to = match bound.to {
            DestinationName::Queue(name) => {
                let queue = self.vhost.queue(name).ok();
                if let Some(queue) = &queue {
                    queue.check_access(self.connection)?;
                }
                queue.map(Destination::Queue)
            }
            DestinationName::Exchange(name) => {
                self.vhost.exchange(name).ok().map(Destination::Exchange)
            }
        };
        let Bound { source, key, arguments, .. } = bound;
        self.act(|| self.vhost.unbind(source, to.as_ref(), key, arguments, wakes))
    }

    fn check_binding(&self, bound: Bound<'_>) -> Result<()> {
        match bound.to {
            DestinationName::Queue(name) => self.may(Right::Write, Resource::Queue(name))?,
            DestinationName::Exchange(name) => {
                self.may(Right::Write, Resource::Exchange(name))?;
                refuse_default(name)?;
            }
        }
        refuse_default(bound.source)?;
        self.may(Right::Read, Resource::Exchange(bound.source))?;
        match self.vhost.exchange(bound.source) {
            Ok(source) => self.check_key(Right::Read, &source, bound.key),
            Err(_) => Ok(()),
        }
    }

    /// What is new and will hand messages on to another exchange: it is read from, and that one
    /// is written to.
    fn check_onward(&self, from: Resource<'_>, arguments: &Table, key: &str) -> Result<()> {
        let to = match arguments.view().get(key) {
            Some(Value::LongString(name)) => String::from_utf8_lossy(name),
            // Anything else is refused for what it is.
            _ => return Ok(()),
        };
        self.may(Right::Read, from)?;
        self.may(Right::Write, Resource::Exchange(&to))
    }
}

impl Permit for Actor {
    fn queue(&self, name: &str) -> Result<()> {
        self.may(Right::Configure, Resource::Queue(name))
    }

    fn new_queue(&self, name: &str, arguments: &Table) -> Result<()> {
        self.check_onward(Resource::Queue(name), arguments, DEAD_LETTER_EXCHANGE)
    }

    fn exchange(&self, name: &str) -> Result<()> {
        self.may(Right::Configure, Resource::Exchange(name))
    }

    fn new_exchange(&self, name: &str, arguments: &Table) -> Result<()> {
        self.check_onward(Resource::Exchange(name), arguments, ALTERNATE_EXCHANGE)
    }
}
