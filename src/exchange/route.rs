//! How a message finds its queues: from exchange to exchange, each visited once.

use std::sync::Arc;

use super::history::History;
use super::seen::Seen;
use super::{Destination, Exchange};
use crate::amqp::properties::Properties;
use crate::queue::Queue;

/// Finds what routing refers to by name.
pub trait Names {
    /// An exchange.
    fn exchange(&self, name: &str) -> Option<Arc<Exchange>>;
    /// A queue, as the default exchange does.
    fn queue(&self, name: &[u8]) -> Option<Arc<Queue>>;
}

/// What of a message routing looks at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The routing key, CC and BCC; each once, in an order that does not depend on the message.
    pub keys: &'a [&'a [u8]],
    /// Its properties.
    pub properties: &'a Properties<'a>,
}

/// Where a message goes.
#[derive(Debug, Default)]
pub struct Routed {
    /// Each queue once.
    pub queues: Vec<Arc<Queue>>,
    /// The exchanges on the way that [`remember`](Exchange::remember) it: the caller has to tell
    /// them, since there may be no message yet.
    pub histories: Vec<Arc<Exchange>>,
    /// The exchanges that hold it back, each for so many milliseconds: it is routed on from there
    /// when it is due.
    pub holders: Vec<(Arc<Exchange>, u64)>,
    /// Whether more than keys and bindings had a say (headers, properties, chance), or has to be
    /// done: then the next message with these keys must be routed anew.
    pub varies: bool,
}

/// Routes a message from `start` on: through its bindings, and where they match nothing, through
/// its alternate exchange.
pub fn route(start: &Arc<Exchange>, subject: &Subject<'_>, names: &impl Names) -> Routed {
    let mut routed = Routed::default();
    let mut seen = Seen::default();
    let mut to_visit = vec![start.clone()];
    seen.insert(Arc::as_ptr(start).addr());
    while let Some(exchange) = to_visit.pop() {
        routed.varies |= exchange.varies;
        if exchange.shelf.get().is_some()
            && let Some(delay_ms) = exchange.delay_ms(subject.properties.headers)
        {
            routed.holders.push((exchange, delay_ms));
            continue;
        }
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
            for queue in subject.keys.iter().filter_map(|key| names.queue(key)) {
                found(&Destination::Queue(queue));
            }
        } else {
            exchange.bindings.read().route(subject, &mut found);
        }
        if !matched
            && let Some(alternate) = exchange.alternate().and_then(|a| names.exchange(&a))
            && seen.insert(Arc::as_ptr(&alternate).addr())
        {
            to_visit.push(alternate);
        }
        if exchange.history.is_some() && History::wants(subject.properties.headers) {
            routed.histories.push(exchange);
        }
    }
    routed
}
