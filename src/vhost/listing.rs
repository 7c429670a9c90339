//! What there is in a virtual host, for whoever shows it.
//!
//! Lists are copies of references, taken without holding up anybody for longer than that takes.

use std::sync::Arc;

use super::VirtualHost;
use crate::amqp::table::Table;
use crate::exchange::{Destination, Exchange};

/// A binding as it is.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The exchange that it leads from.
    pub source: Arc<Exchange>,
    /// Where it leads.
    pub to: Destination,
    /// The routing key.
    pub key: Box<[u8]>,
    /// Its arguments.
    pub arguments: Table,
}

impl VirtualHost {
    /// The bindings that lead from an exchange, in no order. The default exchange has none.
    pub fn bindings_from(&self, source: &Arc<Exchange>) -> Vec<Binding> {
        let bindings = source.bindings().into_iter();
        let binding = |(key, arguments, to): (Vec<u8>, _, _)| Binding {
            source: source.clone(),
            to,
            key: key.into(),
            arguments,
        };
        bindings.map(binding).collect()
    }

    /// The bindings that lead to a destination, in no order.
    pub fn bindings_to(&self, to: &Destination) -> Vec<Binding> {
        let topology = self.topology.lock();
        let incoming = topology.incoming.get(to).into_iter().flatten();
        let binding = |incoming: &super::Incoming| Binding {
            source: incoming.source.clone(),
            to: to.clone(),
            key: incoming.key.clone(),
            arguments: incoming.arguments.clone(),
        };
        incoming.map(binding).collect()
    }
}
