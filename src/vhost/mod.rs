//! A virtual host: names to exchanges and queues, and everything that changes what they lead to.
//!
//! Readers look names up without a lock of ours. Writers (declare, bind, delete) take turns under
//! one mutex; each change that may lead a message elsewhere raises the generation, which tells
//! every route cache to forget. Knows no channels and no frames.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use dashmap::DashMap;
use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::amqp::table::Table;
use crate::error::{Error, ReplyCode, Result};
use crate::events::{EVENT_EXCHANGE, Events};
use crate::exchange::{Destination, Exchange, ExchangeKind, ExchangeSpec, Names, describe};
use crate::message::{Attempts, Message, MessageId, Seq};
use crate::outbox::{ConsumerId, Entry, Outbox, Wakes};
use crate::queue::{Home, Queue};
use crate::stats::Ledger;
use crate::store::{QueueId, Store};
use crate::timers::Timers;

mod announce;
mod bindings;
mod closing;
mod dead_letter;
mod durable;
mod exchanges;
mod handover;
mod listing;
mod onward;
mod permit;
mod policies;
mod queues;
mod recovery;
mod replay;
mod settings;
mod statistics;

use durable::Changes;
use policies::Policies;

pub use exchanges::{DeclareExchange, refuse_default};
pub use handover::{Handed, Handover};
pub use listing::Binding;
pub use permit::{Permit, Unchecked};
pub use queues::DeclareQueue;
pub use settings::{VhostLimit, VhostLimits, VhostMetadata, VhostSettings};

/// Exchanges that every virtual host has: name, type, internal.
const PREDECLARED: [(&str, ExchangeKind, bool); 7] = [
    ("", ExchangeKind::Direct, false),
    ("amq.direct", ExchangeKind::Direct, false),
    ("amq.fanout", ExchangeKind::Fanout, false),
    ("amq.topic", ExchangeKind::Topic, false),
    ("amq.headers", ExchangeKind::Headers, false),
    ("amq.match", ExchangeKind::Headers, false),
    (TRACE_EXCHANGE, ExchangeKind::Topic, true),
];

/// What only the first virtual host has, likewise.
const EVENTS: (&str, ExchangeKind, bool) = (EVENT_EXCHANGE, ExchangeKind::Topic, true);
/// The virtual host that exists from the first start.
pub const DEFAULT_VHOST: &str = "/";
/// Where copies of messages go while a virtual host is traced.
pub const TRACE_EXCHANGE: &str = "amq.rabbitmq.trace";

/// The type of an exchange that every virtual host has, or the first one.
pub fn predeclared(name: &str) -> Option<ExchangeKind> {
    let all = PREDECLARED.iter().chain([&EVENTS]);
    all.into_iter().find(|(found, ..)| *found == name).map(|(_, kind, _)| *kind)
}

/// Names that only the broker gives out.
const RESERVED_PREFIX: &str = "amq.";

/// A virtual host.
#[derive(Debug)]
pub struct VirtualHost {
    name: Arc<str>,
    settings: RwLock<Arc<VhostSettings>>,
    home: Arc<Home>,
    /// Counts what comes and goes.
    ledger: Arc<Ledger>,
    /// Tells what comes and goes.
    events: Arc<Events>,
    /// As its settings say, for who looks at it often.
    traced: AtomicBool,
    exchanges: DashMap<Arc<str>, Arc<Exchange>>,
    queues: DashMap<Arc<str>, Arc<Queue>>,
    reply_consumers: DashMap<Box<[u8]>, (ConsumerId, Arc<Outbox>)>,
    topology: Mutex<Topology>,
    generation: AtomicU64,
}

/// What only writers look at.
#[derive(Debug, Default)]
struct Topology {
    /// The bindings that lead to a destination.
    incoming: HashMap<Destination, HashSet<Incoming>>,
    policies: Policies,
    /// It is deleted: nothing comes any more.
    closed: bool,
}

/// A binding, seen from its destination.
#[derive(Clone, Debug)]
struct Incoming {
    source: Arc<Exchange>,
    key: Box<[u8]>,
    arguments: Table,
}

impl VirtualHost {
    /// A virtual host with the predeclared exchanges.
    pub fn new(
        name: &str,
        settings: VhostSettings,
        store: Arc<Store>,
        timers: Arc<Timers>,
        ledger: Arc<Ledger>,
        events: Arc<Events>,
    ) -> Result<Arc<Self>> {
        let vhost = Arc::new_cyclic(|this: &Weak<Self>| Self {
            name: name.into(),
            traced: AtomicBool::new(settings.metadata.tracing),
            settings: RwLock::new(Arc::new(settings)),
            ledger,
            events,
            home: Arc::new(Home { store, timers, host: this.clone() }),
            exchanges: DashMap::new(),
            queues: DashMap::new(),
            reply_consumers: DashMap::new(),
            topology: Mutex::default(),
            generation: AtomicU64::new(1),
        });
        let of_events = (name == DEFAULT_VHOST).then_some(EVENTS);
        for (name, kind, internal) in PREDECLARED.into_iter().chain(of_events) {
            let exchange = Exchange::new(ExchangeSpec {
                name: name.into(),
                vhost: vhost.name.clone(),
                kind,
                durable: true,
                auto_delete: false,
                internal,
                arguments: Table::default(),
            })?;
            if name == EVENT_EXCHANGE {
                exchange.tell_whether_bound(vhost.events.wanted());
            }
            vhost.exchanges.insert(name.into(), Arc::new(exchange));
        }
        Ok(vhost)
    }

    /// Its durable queues, and up to where each has delivered its messages.
    pub fn delivered(&self) -> Vec<(QueueId, u64)> {
        let queues: Vec<_> = self.queues.iter().map(|queue| queue.value().clone()).collect();
        let durable = queues.iter().filter(|queue| queue.spec().durable);
        durable.map(|queue| (queue.spec().id, queue.delivered_to())).collect()
    }

    /// Has every queue look for messages that may leave memory.
    pub fn page_out(&self, wakes: &mut Wakes) {
        for queue in &self.queues {
            queue.page_out(wakes);
        }
        for exchange in &self.exchanges {
            exchange.shelf().into_iter().for_each(|shelf| shelf.page_out(wakes));
        }
    }

    /// What the node is called.
    pub fn node_name(&self) -> &str {
        self.events.node()
    }

    /// Whether copies of its messages are wanted.
    #[inline]
    pub fn is_traced(&self) -> bool {
        self.traced.load(Ordering::Relaxed)
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Raised whenever a message may have to go elsewhere than before.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Who may write to what has changed: remembered routes were found by old rules.
    pub fn forget_routes(&self) {
        self.raise_generation();
    }

    /// The lock, for somebody who adds something; 320 once the virtual host is deleted.
    fn open_topology(&self) -> Result<MutexGuard<'_, Topology>> {
        let topology = self.topology.lock();
        if topology.closed {
            let text = format!("vhost '{}' is deleted", self.name);
            return Err(Error::new(ReplyCode::ConnectionForced, text));
        }
        Ok(topology)
    }

    fn raise_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The exchange of that name, or 404.
    pub fn exchange(&self, name: &str) -> Result<Arc<Exchange>> {
        let found = self.exchanges.get(name).map(|e| e.value().clone());
        found.ok_or_else(|| Error::not_found(format!("no {}", describe(name, &self.name))))
    }

    /// The queue of that name, or 404.
    pub fn queue(&self, name: &str) -> Result<Arc<Queue>> {
        let found = self.queues.get(name).map(|q| q.value().clone());
        found.ok_or_else(|| Error::not_found(format!("no {}", self.describe_queue(name))))
    }

    /// Makes a direct reply-to address lead to a consumer.
    pub fn add_reply_consumer(&self, address: &str, id: ConsumerId, outbox: Arc<Outbox>) {
        self.reply_consumers.insert(address.as_bytes().into(), (id, outbox));
    }

    /// Forgets a direct reply-to address.
    pub fn remove_reply_consumer(&self, address: &str) {
        self.reply_consumers.remove(address.as_bytes());
    }

    /// Whether a direct reply-to address leads anywhere.
    pub fn has_reply_consumer(&self, address: &str) -> bool {
        self.reply_consumers.contains_key(address.as_bytes())
    }

    /// Delivers a reply straight to its requester; false if the address leads nowhere, or if the
    /// requester has not read `REPLIES_MAX_BYTES` of earlier ones.
    pub fn reply(&self, address: &[u8], message: Message, wakes: &mut Wakes) -> bool {
        let found = self.reply_consumers.get(address).map(|found| found.value().clone());
        let Some((consumer, outbox)) = found else { return false };
        let (id, seq) = (MessageId::default(), Seq::NONE);
        let attempts = Attempts::default();
        let entry = Entry { id, seq, redelivered: false, attempts, message };
        outbox.deliver_reply(consumer, entry, wakes).is_ok()
    }

    fn changes<'a>(&'a self, wakes: &'a mut Wakes) -> Changes<'a> {
        Changes { store: &self.home.store, events: &self.events, wakes }
    }

    fn describe_queue(&self, name: &str) -> String {
        format!("queue '{name}' in vhost '{}'", self.name)
    }
}

impl Names for VirtualHost {
    fn exchange(&self, name: &str) -> Option<Arc<Exchange>> {
        self.exchanges.get(name).map(|e| e.value().clone())
    }

    fn queue(&self, name: &[u8]) -> Option<Arc<Queue>> {
        let name = std::str::from_utf8(name).ok()?;
        self.queues.get(name).map(|q| q.value().clone())
    }
}

impl PartialEq for Incoming {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source)
            && self.key == other.key
            && self.arguments == other.arguments
    }
}

impl Eq for Incoming {}

impl std::hash::Hash for Incoming {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.source).hash(state);
        self.key.hash(state);
        self.arguments.hash(state);
    }
}
