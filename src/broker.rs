//! What all connections of a broker share: virtual hosts, users, alarms, and each other's outboxes.
//!
//! Knows no frames and no sockets.

use std::sync::Arc;

use dashmap::DashMap;

use crate::access::Users;
use crate::alarm::{Alarm, Alarms};
use crate::config::Config;
use crate::error::{Error, Reason, Result};
use crate::outbox::{Outbox, Outgoing, Wakes};
use crate::queue::ConnectionId;
use crate::store::{QueueId, Recovered, Store};
use crate::timers::Timers;
use crate::tls::Tls;
use crate::vhost::VirtualHost;

mod policies;
mod recovery;

/// The virtual host that exists from the start.
const DEFAULT_VHOST: &str = "/";

/// The shared heart of a broker.
#[derive(Debug)]
pub struct Node {
    /// What it was started with.
    pub config: Config,
    /// Who may log in.
    pub users: Users,
    /// What listeners with TLS use.
    pub tls: Option<Arc<Tls>>,
    /// What runs short.
    pub alarms: Alarms,
    /// What survives.
    pub store: Arc<Store>,
    /// Who has to be looked after when.
    pub timers: Arc<Timers>,
    vhosts: DashMap<Arc<str>, Arc<VirtualHost>>,
    connections: DashMap<ConnectionId, Arc<Outbox>>,
}

impl Node {
    /// A node with the virtual host `/` and everything that was there before.
    pub fn new(config: Config, store: Arc<Store>, recovered: Recovered) -> Result<Self> {
        let node = Self {
            config,
            users: Users::default(),
            tls: None,
            alarms: Alarms::default(),
            store,
            timers: Arc::default(),
            vhosts: DashMap::new(),
            connections: DashMap::new(),
        };
        node.add_vhost(DEFAULT_VHOST)?;
        node.recover(recovered);
        Ok(node)
    }

    fn add_vhost(&self, name: &str) -> Result<()> {
        let vhost = VirtualHost::new(name, self.store.clone(), self.timers.clone())?;
        self.vhosts.insert(vhost.name().clone(), vhost);
        Ok(())
    }

    /// The virtual host of that name, or 530.
    pub fn vhost(&self, name: &str) -> Result<Arc<VirtualHost>> {
        let found = self.vhosts.get(name).map(|v| v.value().clone());
        found.ok_or_else(|| Error::not_allowed(format!("vhost {name} not found")))
    }

    /// A connection is open: it is told of alarms and of the end.
    pub fn add_connection(&self, id: ConnectionId, outbox: Arc<Outbox>) {
        self.connections.insert(id, outbox);
    }

    /// A connection has ended.
    pub fn remove_connection(&self, id: ConnectionId) {
        self.connections.remove(&id);
    }

    /// How many connections are open.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// The durable queues, and up to where each has delivered its messages.
    pub fn delivered(&self) -> Vec<(QueueId, u64)> {
        self.vhosts.iter().flat_map(|vhost| vhost.delivered()).collect()
    }

    /// Has every queue look for messages that may leave memory.
    pub fn page_out(&self) {
        let mut wakes = Wakes::default();
        for vhost in &self.vhosts {
            vhost.page_out(&mut wakes);
        }
    }

    /// Raises or clears an alarm.
    pub fn set_alarm(&self, alarm: Alarm, on: bool) {
        if self.alarms.set(alarm, on) {
            self.tell_all(Outbox::nudge);
        }
    }

    /// Asks every connection to close.
    pub fn close_connections(&self, reason: &Reason) {
        self.tell_all(|outbox, wakes| outbox.push(Outgoing::Close(reason.clone()), wakes));
    }

    fn tell_all(&self, tell: impl Fn(&Arc<Outbox>, &mut Wakes)) {
        let mut wakes = Wakes::default();
        for connection in &self.connections {
            tell(connection.value(), &mut wakes);
        }
    }
}
