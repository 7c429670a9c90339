//! Bindings come and go, and auto-delete exchanges with them.

use std::sync::Arc;

use super::exchanges::refuse_default;
use super::{Changes, Incoming, Topology, VirtualHost, announce, durable};
use crate::amqp::table::Table;
use crate::error::{Error, Result};
use crate::exchange::{Destination, Exchange};
use crate::outbox::Wakes;

impl VirtualHost {
    /// Binds a destination to the exchange `source`. Binding twice changes nothing.
    pub fn bind(
        &self,
        source: &str,
        to: &Destination,
        key: &[u8],
        arguments: &Table,
        wakes: &mut Wakes,
    ) -> Result<()> {
        refuse_default(source)?;
        let mut topology = self.open_topology()?;
        let source = self.exchange(source)?;
        self.check_alive(to)?;
        if source.bind(key, arguments, to.clone())? {
            topology.note(&source, key, arguments, to);
            self.changes(wakes).define(durable::binding(&source, key, arguments, to));
            announce::binding_created(&self.events, &source, key, arguments, to);
            self.raise_generation();
            // Under the lock, so that the binding is there as long as this takes.
            self.replay(&source, to, wakes);
        }
        Ok(())
    }

    /// Removes a binding; what is not bound, or does not exist, is unbound already.
    pub fn unbind(
        &self,
        source: &str,
        to: Option<&Destination>,
        key: &[u8],
        arguments: &Table,
        wakes: &mut Wakes,
    ) -> Result<()> {
        refuse_default(source)?;
        let mut topology = self.topology.lock();
        let (Ok(source), Some(to)) = (self.exchange(source), to) else { return Ok(()) };
        if source.unbind(key, arguments, to) {
            topology.forget(&source, key, arguments, to);
            let mut changes = self.changes(wakes);
            changes.forget(durable::binding(&source, key, arguments, to));
            announce::binding_deleted(changes.events, &source, key, arguments, to);
            self.raise_generation();
            if source.goes_now() {
                self.remove_exchanges(&mut topology, vec![source], &mut changes);
            }
        }
        Ok(())
    }

    /// Somebody may have deleted the destination since it was looked up, and even declared
    /// another one under its name.
    fn check_alive(&self, to: &Destination) -> Result<()> {
        let (current, gone) = match to {
            Destination::Queue(queue) => {
                (Destination::Queue(self.queue(queue.name())?), queue.to_string())
            }
            Destination::Exchange(exchange) => {
                (Destination::Exchange(self.exchange(exchange.name())?), exchange.to_string())
            }
        };
        if current == *to { Ok(()) } else { Err(Error::not_found(format!("no {gone}"))) }
    }
}

impl Topology {
    pub(super) fn note(
        &mut self,
        source: &Arc<Exchange>,
        key: &[u8],
        arguments: &Table,
        to: &Destination,
    ) {
        let incoming =
            Incoming { source: source.clone(), key: key.into(), arguments: arguments.clone() };
        self.incoming.entry(to.clone()).or_default().insert(incoming);
    }

    /// Forgets a binding that its exchange has removed.
    pub(super) fn forget(
        &mut self,
        source: &Arc<Exchange>,
        key: &[u8],
        arguments: &Table,
        to: &Destination,
    ) {
        let Some(all) = self.incoming.get_mut(to) else { return };
        all.remove(&Incoming {
            source: source.clone(),
            key: key.into(),
            arguments: arguments.clone(),
        });
        if all.is_empty() {
            self.incoming.remove(to);
        }
    }

    /// Removes all bindings to a destination; the auto-delete exchanges that go with them.
    pub(super) fn remove_destination(
        &mut self,
        to: &Destination,
        changes: &mut Changes<'_>,
    ) -> Vec<Arc<Exchange>> {
        let mut gone: Vec<Arc<Exchange>> = Vec::new();
        for binding in self.incoming.remove(to).into_iter().flatten() {
            let Incoming { source, key, arguments } = binding;
            announce::binding_deleted(changes.events, &source, &key, &arguments, to);
            source.unbind(&key, &arguments, to);
            changes.forget(durable::binding(&source, &key, &arguments, to));
            if source.goes_now() {
                gone.push(source);
            }
        }
        gone
    }

    /// Whether any binding leads to that destination.
    pub(super) fn leads_to(&self, to: &Destination) -> bool {
        self.incoming.contains_key(to)
    }
}

impl Exchange {
    /// An auto-delete exchange goes when it has just lost its last binding.
    fn goes_now(&self) -> bool {
        self.spec().auto_delete && !self.has_bindings()
    }
}
