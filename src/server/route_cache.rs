//! Where a connection's recent messages went, valid for one generation of its virtual host.
//!
//! A hit reads one shared number that hardly anybody writes. Correctness does not hang on it: a
//! queue that was deleted refuses messages, and then the route is looked up again.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::exchange::Exchange;
use crate::queue::Queue;
use crate::vhost::VirtualHost;

/// So many routes are remembered by a connection; then it begins anew.
const ROUTES_CACHED_MAX: usize = 2048;

/// Where a message goes.
pub(super) type Route = Arc<Destinations>;

/// Where messages of one address go.
#[derive(Debug)]
pub(super) struct Destinations {
    /// What they are published to.
    pub(super) exchange: Arc<Exchange>,
    /// Each once.
    pub(super) queues: SmallVec<[Arc<Queue>; 2]>,
}

/// Routes by address: exchange and routing key as two short strings.
#[derive(Debug, Default)]
pub(super) struct RouteCache {
    generation: u64,
    routes: HashMap<Box<[u8]>, Route>,
}

impl RouteCache {
    /// The route of an address, if it is known and still good.
    #[inline]
    pub(super) fn get(&mut self, vhost: &VirtualHost, address: &[u8]) -> Option<Route> {
        let generation = vhost.generation();
        if generation != self.generation {
            self.generation = generation;
            self.routes.clear();
            return None;
        }
        self.routes.get(address).cloned()
    }

    /// Remembers a route that was looked up after [`get`](Self::get) gave nothing: a change in
    /// between has raised the generation, and the next `get` will see that.
    pub(super) fn insert(&mut self, address: &[u8], route: Route) {
        if self.routes.len() >= ROUTES_CACHED_MAX {
            self.routes.clear();
        }
        self.routes.insert(address.into(), route);
    }

    /// Forgets a route that led to a deleted queue.
    pub(super) fn remove(&mut self, address: &[u8]) {
        self.routes.remove(address);
    }
}
