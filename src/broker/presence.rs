//! What is told of an open connection: who it is, what it has moved, and its channels.
//!
//! Its task writes, anybody reads. Knows no sockets and no frames.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;

use crate::amqp::table::{Table, Value};
use crate::outbox::Outbox;
use crate::queue::ConnectionId;
use crate::stats::{
    ChannelStatistics, Counter, MESSAGE_SIZE_BOUNDS_BYTES, MessageSizes, Rates, Totals,
};
use crate::tls::TlsInfo;

/// Octets and system calls, both ways.
pub const TRAFFIC_SERIES: usize = 4;

/// Who a connection is; fixed once it is open.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its number in this process.
    pub id: ConnectionId,
    /// The client.
    pub peer: SocketAddr,
    /// Where it has connected to.
    pub local: SocketAddr,
    /// What is spoken below AMQP, if it is TLS.
    pub tls: Option<Arc<TlsInfo>>,
    /// Who has logged in.
    pub user: Arc<str>,
    /// Where.
    pub vhost: Arc<str>,
    /// How.
    pub mechanism: Arc<str>,
    /// What the client says of itself.
    pub client_properties: Table,
    /// Channels that it may have.
    pub channel_max: u16,
    /// 0 for no limit.
    pub frame_max_bytes: u32,
    /// Seconds; 0 for none.
    pub heartbeat: u16,
    /// Since when it is open: milliseconds since 1970.
    pub connected_ms: u64,
}

/// How a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ConnectionState {
    /// As it should be.
    #[default]
    Running,
    /// An alarm is on; it has not published so far, and is read from until it does.
    Blocking,
    /// An alarm is on, and it is not read from.
    Blocked,
    /// It is not read from until the store, or the client itself, has caught up.
    Flow,
    /// It is about to end.
    Closing,
}

impl ConnectionState {
    const ALL: [Self; 5] =
        [Self::Running, Self::Blocking, Self::Blocked, Self::Flow, Self::Closing];

    /// As clients of the management API know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Blocking => "blocking",
            Self::Blocked => "blocked",
            Self::Flow => "flow",
            Self::Closing => "closing",
        }
    }
}

/// What a connection has moved.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Octets received.
    pub received_bytes: Counter,
    /// Octets sent.
    pub sent_bytes: Counter,
    /// Reads of the socket that brought something.
    pub reads: Counter,
    /// Writes to it.
    pub writes: Counter,
    /// Octets that wait to be sent.
    pub pending_bytes: Counter,
}

impl Traffic {
    /// The names of [`values`](Self::values).
    pub const NAMES: [&str; TRAFFIC_SERIES] = ["recv_oct", "send_oct", "recv_cnt", "send_cnt"];

    /// What has a rate.
    pub fn values(&self) -> [u64; TRAFFIC_SERIES] {
        let Self { received_bytes, sent_bytes, reads, writes, .. } = self;
        [received_bytes, sent_bytes, reads, writes].map(Counter::get)
    }
}

/// An open connection, as others see it.
#[derive(Debug)]
pub struct Presence {
    /// Who it is.
    pub identity: Identity,
    /// `PEER:PORT -> LOCAL:PORT`
    pub name: Arc<str>,
    /// What it has moved.
    pub traffic: Traffic,
    /// Sizes of the bodies that it has published.
    pub sizes: MessageSizes,
    /// How fast its traffic grows.
    pub rates: Rates<TRAFFIC_SERIES>,
    state: AtomicU8,
    channels: Mutex<Channels>,
    outbox: Arc<Outbox>,
}

#[derive(Debug, Default)]
struct Channels {
    open: BTreeMap<u16, Arc<ChannelStatistics>>,
    /// What those did that are closed.
    closed: Totals,
}

impl Presence {
    /// Of a connection that has just been opened.
    pub fn new(identity: Identity, outbox: Arc<Outbox>) -> Self {
        let name = format!("{} -> {}", identity.peer, identity.local).into();
        Self {
            identity,
            name,
            traffic: Traffic::default(),
            sizes: MessageSizes::new(&MESSAGE_SIZE_BOUNDS_BYTES),
            rates: Rates::default(),
            state: AtomicU8::default(),
            channels: Mutex::default(),
            outbox,
        }
    }

    /// What the client calls itself (`connection_name` among its properties).
    pub fn user_provided_name(&self) -> Option<String> {
        match self.identity.client_properties.view().get("connection_name") {
            Some(Value::LongString(name)) => Some(String::from_utf8_lossy(name).into_owned()),
            _ => None,
        }
    }

    /// Where others leave things for it.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// How it is.
    pub fn state(&self) -> ConnectionState {
        let state = ConnectionState::ALL.get(usize::from(self.state.load(Ordering::Relaxed)));
        state.copied().unwrap_or_default()
    }

    /// Says how it is. Only for its task.
    pub fn set_state(&self, state: ConnectionState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// A channel is opened.
    pub fn add_channel(&self, channel: Arc<ChannelStatistics>) {
        self.channels.lock().open.insert(channel.number, channel);
    }

    /// A channel is closed. False if it was not open.
    pub fn remove_channel(&self, number: u16) -> bool {
        let mut channels = self.channels.lock();
        let Some(channel) = channels.open.remove(&number) else { return false };
        channels.closed.add(&channel.totals());
        true
    }

    /// How many channels are open.
    pub fn channel_count(&self) -> usize {
        self.channels.lock().open.len()
    }

    /// The open channels, by number.
    pub fn channels(&self) -> Vec<Arc<ChannelStatistics>> {
        self.channels.lock().open.values().cloned().collect()
    }

    /// One of them.
    pub fn channel(&self, number: u16) -> Option<Arc<ChannelStatistics>> {
        self.channels.lock().open.get(&number).cloned()
    }

    /// What it has done in all, on channels that are closed too.
    pub fn totals(&self) -> Totals {
        let channels = self.channels.lock();
        let mut totals = channels.closed;
        channels.open.values().for_each(|channel| totals.add(&channel.totals()));
        totals.sizes = self.sizes.counts();
        totals
    }
}
