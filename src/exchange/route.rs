//! How a message finds its queues: from exchange to exchange, each visited once.

use std::sync::Arc;

use super::{Destination, Exchange, ExchangeKind};
use crate::amqp::table::TableView;
use crate::queue::Queue;

/// Up to so many queues are compared one by one to find duplicates; more are sorted.
const COMPARED_MAX: usize = 16;

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
    let mut visited = vec![start.clone()];
    let mut next = 0;
    while let Some(exchange) = visited.get(next).cloned() {
        next += 1;
        routed.by_headers |= exchange.spec.kind == ExchangeKind::Headers;
        let mut matched = false;
        let mut found = |destination: &Destination| {
            matched = true;
            match destination {
                Destination::Queue(queue) => routed.queues.push(queue.clone()),
                Destination::Exchange(exchange) => visit(&mut visited, exchange),
            }
        };
        if exchange.name().is_empty() {
            for queue in keys.iter().filter_map(|key| names.queue(key)) {
                found(&Destination::Queue(queue));
            }
        } else {
            exchange.matches(keys, headers, &mut found);
        }
        if !matched
            && let Some(alternate) = exchange.alternate.as_ref().and_then(|a| names.exchange(a))
        {
            visit(&mut visited, &alternate);
        }
    }
    remove_duplicates(&mut routed.queues);
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

fn visit(visited: &mut Vec<Arc<Exchange>>, exchange: &Arc<Exchange>) {
    if !visited.iter().any(|seen| Arc::ptr_eq(seen, exchange)) {
        visited.push(exchange.clone());
    }
}

fn remove_duplicates(queues: &mut Vec<Arc<Queue>>) {
    if queues.len() > COMPARED_MAX {
        queues.sort_unstable_by_key(Arc::as_ptr);
        queues.dedup_by(|a, b| Arc::ptr_eq(a, b));
        return;
    }
    let mut kept = 0;
    for at in 0..queues.len() {
        let (before, rest) = queues.split_at_mut(at);
        let Some(queue) = rest.first_mut() else { break };
        if before.iter().take(kept).any(|seen| Arc::ptr_eq(seen, queue)) {
            continue;
        }
        if let Some(slot) = before.get_mut(kept) {
            std::mem::swap(slot, queue);
        }
        kept += 1;
    }
    queues.truncate(kept);
}
