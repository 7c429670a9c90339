//! How a message finds its queues: from exchange to exchange, each visited once.

use std::sync::Arc;

use super::seen::Seen;
use super::{Destination, Exchange, ExchangeKind};
use crate::amqp::table::TableView;
use crate::queue::Queue;

/// Finds what routing refers to by name.
pub trait Names {
    /// An exchange.
    fn exchange(&self, name: &str) -> Option<Arc<Exchange>>;
    /// A queue, as the default exchange does.
    fn queue(&self, name: &[u8]) -> Option<Arc<Queue>>;
}

/// Where a message goes.
#[derive(Debug, Default)]
pub struct Routed {
    /// Each queue once.
    pub queues: Vec<Arc<Queue>>,
    /// Whether headers had a say: then the keys alone do not tell the route.
    pub by_headers: bool,
}

/// Routes keys and headers from `start` on: through its bindings, and where they match nothing,
/// through its alternate exchange. `keys` are the routing key, then CC and BCC.
pub fn route(
    start: &Arc<Exchange>,
    keys: &[&[u8]],
    headers: Option<TableView<'_>>,
    names: &impl Names,
) -> Routed {
    let mut routed = Routed::default();
    let mut seen = Seen::default();
    let mut to_visit = vec![start.clone()];
    seen.insert(Arc::as_ptr(start).addr());
    while let Some(exchange) = to_visit.pop() {
        routed.by_headers |= exchange.spec.kind == ExchangeKind::Headers;
        let mut matched = false;
        let mut found = |destination: &Destination| {
            matched = true;
            if seen.insert(destination.address()) {
                match destination {
                    Destination::Queue(queue) => routed.queues.push(queue.clone()),
                    Destination::Exchange(exchange) => to_visit.push(exchange.clone()),
                }
            }
        };
        if exchange.name().is_empty() && Arc::ptr_eq(&exchange, start) {
            for queue in keys.iter().filter_map(|key| names.queue(key)) {
                found(&Destination::Queue(queue));
            }
        } else {
            exchange.matches(keys, headers, &mut found);
        }
        if !matched
            && let Some(alternate) = exchange.alternate().and_then(|a| names.exchange(&a))
            && seen.insert(Arc::as_ptr(&alternate).addr())
        {
            to_visit.push(alternate);
        }
    }
    routed
}

impl Exchange {
    fn matches(
        &self,
        keys: &[&[u8]],
        headers: Option<TableView<'_>>,
        found: &mut impl FnMut(&Destination),
    ) {
        let bindings = self.bindings.read();
        let keys = match self.spec.kind {
            // Further keys would only find the same again.
            ExchangeKind::Fanout | ExchangeKind::Headers => keys.get(..1).unwrap_or_default(),
            ExchangeKind::Direct | ExchangeKind::Topic => keys,
        };
        for key in keys {
            bindings.route(key, headers, found);
        }
    }
}
