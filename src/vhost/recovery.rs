//! What was declared before the start comes back, without being told to the store again.
//!
//! An error says why something cannot be used, as the end of a sentence; names in it are complete.
//! Knows nothing of the order in which things come: who calls brings both ends before a binding.

use std::sync::Arc;

use super::{VirtualHost, durable};
use crate::error::Error;
use crate::exchange::{Destination, Exchange, ExchangeKind, ExchangeSpec};
use crate::policy::{Policy, Scope};
use crate::queue::{Queue, QueueOptions, QueueSpec, Shelf};
use crate::store::{
    BindingDefinition, DestinationName, ExchangeDefinition, PolicyDefinition, QueueDefinition,
    RecoveredQueue,
};

impl VirtualHost {
    /// Brings a policy back. It applies to what is brought back later.
    pub fn recover_policy(&self, scope: Scope, kept: &PolicyDefinition) -> Result<(), String> {
        let parts = (&*kept.pattern, &*kept.apply_to, kept.priority);
        let policy = Policy::new(scope, &kept.name, parts, &kept.definition);
        self.restore_policy(policy.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Brings an exchange back.
    pub fn recover_exchange(&self, kept: &ExchangeDefinition) -> Result<(), String> {
        let Some(kind) = ExchangeKind::from_name(&kept.kind) else {
            return Err(format!("unknown exchange type '{}'", kept.kind));
        };
        let mut topology = self.topology.lock();
        if self.exchanges.contains_key(&kept.name) {
            return Err("there is an exchange of that name".to_owned());
        }
        let exchange = Exchange::new(ExchangeSpec {
            name: kept.name.clone(),
            vhost: self.name().clone(),
            kind,
            durable: true,
            auto_delete: kept.auto_delete,
            internal: kept.internal,
            arguments: kept.arguments.clone(),
        });
        let exchange = exchange.map_err(uncut)?;
        topology.policies.apply_to_exchange(&exchange);
        self.exchanges.insert(kept.name.clone(), Arc::new(exchange));
        Ok(())
    }

    /// Brings a queue back, with what it had.
    pub fn recover_queue(
        &self,
        kept: &QueueDefinition,
        had: &RecoveredQueue,
    ) -> Result<(), String> {
        if let Some(exchange) = durable::exchange_of_shelf(&kept.name) {
            return self.recover_shelf(exchange, kept, had);
        }
        let refused =
            |refusal: crate::queue::Refusal| refusal.text(&self.describe_queue(&kept.name));
        let options = QueueOptions::parse(&kept.arguments).map_err(refused)?;
        options.check_flags(true, false, kept.auto_delete).map_err(refused)?;
        let mut topology = self.topology.lock();
        if self.queues.contains_key(&kept.name) {
            return Err("there is a queue of that name".to_owned());
        }
        let spec = QueueSpec {
            id: kept.id,
            name: kept.name.clone(),
            vhost: self.name().clone(),
            durable: true,
            auto_delete: kept.auto_delete,
            owner: None,
            options,
        };
        let options = &spec.options;
        let (rules, shown) =
            topology.policies.rules(options.nature.kind, &kept.name, &options.arguments);
        let queue = Queue::recovered(spec, Arc::new(rules), had, self.home.clone());
        queue.set_effective_policy(shown);
        self.queues.insert(kept.name.clone(), queue);
        Ok(())
    }

    /// Brings back what an exchange holds back.
    fn recover_shelf(
        &self,
        exchange: &str,
        kept: &QueueDefinition,
        had: &RecoveredQueue,
    ) -> Result<(), String> {
        let exchange = self.exchange(exchange).map_err(uncut)?;
        if !exchange.is_delayed() {
            return Err(format!("{exchange} holds no messages back"));
        }
        let (name, home) = (exchange.name().clone(), self.home.clone());
        exchange.set_shelf(Shelf::new(kept.id, name, true, Some(had), home));
        Ok(())
    }

    /// Brings a binding back, both of whose ends are there.
    pub fn recover_binding(&self, kept: &BindingDefinition) -> Result<(), String> {
        let mut topology = self.topology.lock();
        let source = self.exchange(&kept.source).map_err(uncut)?;
        let to = match &kept.destination {
            DestinationName::Queue(name) => Destination::Queue(self.queue(name).map_err(uncut)?),
            DestinationName::Exchange(name) => {
                Destination::Exchange(self.exchange(name).map_err(uncut)?)
            }
        };
        if source.bind(&kept.routing_key, &kept.arguments, to.clone()).map_err(uncut)? {
            topology.note(&source, &kept.routing_key, &kept.arguments, &to);
            self.raise_generation();
        }
        Ok(())
    }
}

/// The text of an error; as a reply text it would be cut to what clients can read.
fn uncut(error: Error) -> String {
    match error {
        Error::Channel(reason) | Error::Connection(reason) => reason.text,
        Error::Io(error) => error.to_string(),
    }
}
