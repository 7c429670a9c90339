//! Exchanges come and go.

use std::sync::Arc;

use super::{Changes, Permit, RESERVED_PREFIX, Topology, VirtualHost, announce, durable};
use crate::amqp::table::Table;
use crate::error::{Error, Result};
use crate::exchange::{Destination, Exchange, ExchangeKind, ExchangeSpec, describe};
use crate::outbox::Wakes;
use crate::queue::Shelf;
use crate::queue::equivalence::{inequivalent, same_arguments, same_flag};

/// The arguments of an exchange that are compared; others are ignored in both directions.
const COMPARED_KEYS: &[&str] = &["alternate-exchange"];

/// `exchange.declare` (40, 10), when it is not passive.
#[derive(Debug)]
pub struct DeclareExchange<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type's name.
    pub kind: &'a str,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Table,
}

impl VirtualHost {
    /// Declares an exchange, or checks that it is what it is declared as.
    pub fn declare_exchange(
        &self,
        asked: DeclareExchange<'_>,
        permit: &dyn Permit,
        wakes: &mut Wakes,
    ) -> Result<()> {
        let Some(kind) = ExchangeKind::from_name(asked.kind) else {
            let text = format!("unknown exchange type '{}'", asked.kind);
            return Err(Error::precondition_failed(text));
        };
        refuse_default(asked.name)?;
        permit.exchange(asked.name)?;
        let mut topology = self.open_topology()?;
        if let Ok(exchange) = self.exchange(asked.name) {
            return check_equivalent(&exchange, kind, &asked);
        }
        if asked.name.starts_with(RESERVED_PREFIX) {
            let text = format!(
                "exchange name '{}' contains reserved prefix '{RESERVED_PREFIX}*'",
                asked.name
            );
            return Err(Error::access_refused(text));
        }
        permit.new_exchange(asked.name, &asked.arguments)?;
        let name: Arc<str> = asked.name.into();
        let exchange = Exchange::new(ExchangeSpec {
            name: name.clone(),
            vhost: self.name().clone(),
            kind,
            durable: asked.durable,
            auto_delete: asked.auto_delete,
            internal: asked.internal,
            arguments: asked.arguments,
        })?;
        topology.policies.apply_to_exchange(&exchange);
        if exchange.is_delayed() {
            let (id, durable) = (self.home.store.new_queue_id(), asked.durable);
            let (name, home) = (name.clone(), self.home.clone());
            exchange.set_shelf(Shelf::new(id, name, durable, None, home));
        }
        let mut changes = self.changes(wakes);
        changes.define(durable::shelf(&exchange));
        changes.define(durable::exchange(&exchange));
        announce::exchange_created(changes.events, &exchange);
        self.exchanges.insert(name, Arc::new(exchange));
        self.raise_generation();
        Ok(())
    }

    /// Deletes an exchange; one that does not exist is gone already.
    pub fn delete_exchange(&self, name: &str, if_unused: bool, wakes: &mut Wakes) -> Result<()> {
        refuse_default(name)?;
        if name.starts_with(RESERVED_PREFIX) {
            let text = format!("deletion of system {} not allowed", describe(name, self.name()));
            return Err(Error::access_refused(text));
        }
        let mut topology = self.topology.lock();
        let Ok(exchange) = self.exchange(name) else { return Ok(()) };
        if if_unused && exchange.has_bindings() {
            return Err(Error::precondition_failed(format!("{exchange} in use")));
        }
        self.remove_exchanges(&mut topology, vec![exchange], &mut self.changes(wakes));
        Ok(())
    }

    /// Removes exchanges with all their bindings, and the exchanges that go with those.
    pub(super) fn remove_exchanges(
        &self,
        topology: &mut Topology,
        mut gone: Vec<Arc<Exchange>>,
        changes: &mut Changes<'_>,
    ) {
        while let Some(exchange) = gone.pop() {
            if self.exchanges.remove(exchange.name()).is_none() {
                continue;
            }
            announce::exchange_deleted(changes.events, &exchange);
            for (key, arguments, to) in exchange.bindings() {
                announce::binding_deleted(changes.events, &exchange, &key, &arguments, &to);
                exchange.unbind(&key, &arguments, &to);
                topology.forget(&exchange, &key, &arguments, &to);
                changes.forget(durable::binding(&exchange, &key, &arguments, &to));
            }
            let destination = Destination::Exchange(exchange.clone());
            gone.extend(topology.remove_destination(&destination, changes));
            // Last, so that no binding is ever left without its exchange.
            changes.forget(durable::exchange(&exchange));
            if let Some(shelf) = exchange.shelf() {
                shelf.close(changes.wakes);
                changes.forget(durable::shelf(&exchange));
            }
        }
        self.raise_generation();
    }
}

/// The default exchange cannot be declared, deleted or bound.
pub fn refuse_default(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::access_refused("operation not permitted on the default exchange"));
    }
    Ok(())
}

fn check_equivalent(
    exchange: &Exchange,
    kind: ExchangeKind,
    asked: &DeclareExchange<'_>,
) -> Result<()> {
    let (current, subject) = (exchange.spec(), exchange.to_string());
    if kind != current.kind {
        let (received, current) = (shown(kind), shown(current.kind));
        return Err(inequivalent(&subject, "type", &received, &current));
    }
    same_flag(&subject, "durable", asked.durable, current.durable)?;
    same_flag(&subject, "auto_delete", asked.auto_delete, current.auto_delete)?;
    same_flag(&subject, "internal", asked.internal, current.internal)?;
    same_arguments(&subject, COMPARED_KEYS, &asked.arguments, &current.arguments)
}

/// A type in quotes. In RabbitMQ its name is an atom, and one with dashes has quotes of its own.
fn shown(kind: ExchangeKind) -> String {
    let name = kind.name();
    if name.contains('-') { format!("''{name}''") } else { format!("'{name}'") }
}
