//! What all connections of a broker share: virtual hosts, users, alarms, and each other's outboxes.
//!
//! Knows no frames and no sockets.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use parking_lot::{Mutex, RwLock};

use crate::access::{Access, NAME_MAX_BYTES};
use crate::alarm::{Alarm, Alarms};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::log_limit::LogLimits;
use crate::outbox::{Outbox, Wakes};
use crate::queue::ConnectionId;
use crate::stats::{Ledger, Watch};
use crate::store::{QueueId, Recovered, Store};
use crate::timers::Timers;
use crate::tls::Tls;
use crate::vhost::{VhostSettings, VirtualHost};

mod actor;
mod change_error;
mod connections;
mod events;
mod firehose;
mod first_start;
mod parameters;
mod policies;
mod presence;
mod presences;
mod publication;
mod recovery;
mod users;
mod vhosts;

use connections::Connections;

pub use crate::vhost::DEFAULT_VHOST;
pub use actor::{Actor, Bound};
pub use change_error::{Change, ChangeError};
pub use events::Attempt;
pub use firehose::Via;
pub use presence::{ConnectionState, Identity, Presence, TRAFFIC_SERIES, Traffic};
pub use presences::{NodeRates, ObjectCounts};
pub use publication::{
    Publication, Published, REPLY_ADDRESS_PREFIX, check_expiration, check_further_keys, traits,
};
pub use users::{NewPassword, UserUpdate};

/// The shared heart of a broker.
#[derive(Debug)]
pub struct Node {
    /// What it was started with.
    pub config: Config,
    /// Who may log in, and what they may do.
    pub access: Arc<Access>,
    /// What listeners with TLS use.
    pub tls: Option<Arc<Tls>>,
    /// What runs short.
    pub alarms: Alarms,
    /// What survives.
    pub store: Arc<Store>,
    /// Who has to be looked after when.
    pub timers: Arc<Timers>,
    vhosts: DashMap<Arc<str>, Arc<VirtualHost>>,
    connections: Connections,
    presences: DashMap<ConnectionId, Arc<Presence>>,
    /// What outlives the things that it is about.
    pub ledger: Arc<Ledger>,
    /// How fast the node's own counters grow.
    pub rates: NodeRates,
    watch: Watch,
    /// What of that anybody could fill the log with.
    pub log_limits: LogLimits,
    /// What has happened.
    pub events: Arc<Events>,
    /// By name; the values are JSON.
    global_parameters: RwLock<BTreeMap<Arc<str>, Arc<str>>>,
    /// Held by whoever changes users, permissions, virtual hosts or parameters.
    administration: Mutex<()>,
}

impl Node {
    /// A node with everything that was there before.
    pub fn new(config: Config, store: Arc<Store>, recovered: Recovered) -> Result<Self> {
        let node = Self {
            access: Arc::new(Access::new(config.loopback_users.clone())),
            events: Arc::new(Events::new(config.node_name())),
            config,
            tls: None,
            alarms: Alarms::default(),
            store,
            timers: Arc::default(),
            vhosts: DashMap::new(),
            connections: Connections::default(),
            presences: DashMap::new(),
            ledger: Arc::default(),
            rates: NodeRates::default(),
            watch: Watch::default(),
            log_limits: LogLimits::default(),
            global_parameters: RwLock::default(),
            administration: Mutex::default(),
        };
        node.recover(recovered)?;
        Ok(node)
    }

    fn add_vhost(&self, name: &str, settings: VhostSettings) -> Result<()> {
        let (store, timers) = (self.store.clone(), self.timers.clone());
        let (ledger, events) = (self.ledger.clone(), self.events.clone());
        let vhost = VirtualHost::new(name, settings, store, timers, ledger, events)?;
        self.vhosts.insert(vhost.name().clone(), vhost);
        Ok(())
    }

    /// The virtual host of that name, or 530.
    pub fn vhost(&self, name: &str) -> Result<Arc<VirtualHost>> {
        let found = self.vhosts.get(name).map(|v| v.value().clone());
        found.ok_or_else(|| Error::not_allowed(format!("vhost {name} not found")))
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
            let key = if on { "alarm.set" } else { "alarm.cleared" };
            self.events.note_plain(key, |about| {
                about.long_string("source", alarm.name()).long_string("node", self.events.node())
            });
            self.tell(|_, _| true, Outbox::nudge);
        }
    }

    /// Waits until all changes of definitions so far are on disk.
    pub async fn definitions_on_disk(&self) {
        let outbox = Arc::new(Outbox::default());
        let seq = self.store.definitions_seq();
        while self.store.wait(seq, &outbox) {
            outbox.ready().await;
        }
    }
}

/// Names of users, virtual hosts and the like.
fn check_name(what: &str, name: &str) -> Change<()> {
    if name.is_empty() {
        return Err(ChangeError::Invalid(format!("the name of a {what} must not be empty")));
    }
    if name.len() > NAME_MAX_BYTES {
        let text = format!("the name of a {what} has at most {NAME_MAX_BYTES} octets");
        return Err(ChangeError::Invalid(text));
    }
    Ok(())
}
