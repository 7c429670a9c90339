//! What was declared before the start comes back, without being told to the store again.
//!
//! An error says why something cannot be used, as the end of a sentence; names in it are complete.
//! Knows nothing of the order in which things come: who calls brings both ends before a binding.

use std::sync::Arc;

use super::VirtualHost;
use crate::error::Error;
use crate::exchange::{Destination, Exchange, ExchangeKind, ExchangeSpec};
use crate::queue::{Queue, QueueOptions, QueueSpec, Rules};
use crate::store::{
    BindingDefinition, DestinationName, ExchangeDefinition, QueueDefinition, RecoveredQueue,
};

impl VirtualHost {
    /// Brings an exchange back.
    pub fn recover_exchange(&self, kept: &ExchangeDefinition) -> Result<(), String> {
        let Some(kind) = ExchangeKind::from_name(&kept.kind) else {
            return Err(format!("unknown exchange type '{}'", kept.kind));
        };
        let _turn = self.topology.lock();
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
        self.exchanges.insert(kept.name.clone(), Arc::new(exchange));
        Ok(())
    }

    /// Brings a queue back, with what it had.
    pub fn recover_queue(&self, kept: &QueueDefinition, had: RecoveredQueue) -> Result<(), String> {
        let refused =
            |refusal: crate::queue::Refusal| refusal.text(&self.describe_queue(&kept.name));
        let options = QueueOptions::parse(&kept.arguments).map_err(refused)?;
        options.check_flags(true, false, kept.auto_delete).map_err(refused)?;
        let _turn = self.topology.lock();
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
        let rules = Rules::new(spec.options.nature.kind, &spec.options.arguments, None, None);
        let queue = Queue::recovered(spec, Arc::new(rules), &had, self.home.clone());
        self.queues.insert(kept.name.clone(), queue);
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
