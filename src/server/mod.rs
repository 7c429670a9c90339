//! Sessions: the only place where sockets, frames, channels, queues and exchanges meet.
//!
//! This file starts and stops a broker; `listener.rs` accepts, `handshake.rs` opens,
//! `connection.rs` serves.

mod acknowledge;
mod administration;
mod channel;
mod confirms;
mod connection;
mod consume;
mod consumer_timeout;
mod dispatch;
mod handshake;
mod heartbeat;
mod listener;
mod presented;
mod properties;
mod publish;
mod release;
mod reply_to;
mod route_cache;
mod session;
mod socket;
mod timer;
mod topology;
mod transaction;
mod unacked;
mod waiting;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch as watched;

use crate::alarm::Alarm;
use crate::broker::Node;
use crate::config::Config;
use crate::error::{Reason, ReplyCode};
use crate::http::{Endpoint, Http, Listeners};
use crate::start_error::StartError;
use crate::store::{DataDirectory, Store};
use crate::{descriptors, listen};

/// Clients get this long to answer the close at the end of the broker.
const STOP_WAIT: Duration = Duration::from_secs(3);

/// How far the end of a broker is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Running,
    /// No new connections.
    Stopping,
    /// No connections at all.
    Killed,
}

/// A running broker. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Broker {
    node: Arc<Node>,
    addresses: Vec<SocketAddr>,
    http: Http,
    phase: watched::Sender<Phase>,
    slots: Arc<listener::Slots>,
    stop_wait: Duration,
}

/// What a broker is started with.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    stop_wait: Duration,
}

impl Builder {
    /// Replaces the whole configuration.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Listens on this `HOST:PORT` alone; port 0 takes any free port.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        self.config.listen = vec![address.to_owned()];
        self
    }

    /// Serves the HTTP API on this `HOST:PORT` alone; port 0 takes any free port.
    #[must_use]
    pub fn http(mut self, address: &str) -> Self {
        self.config.http = vec![address.to_owned()];
        self
    }

    /// Keeps everything durable there.
    #[must_use]
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.config.data_dir = directory.into();
        self
    }

    /// Gives clients this long to open their connection.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.config.handshake_timeout = timeout;
        self
    }

    /// Refuses larger message bodies.
    #[must_use]
    pub fn max_message_size(mut self, bytes: u64) -> Self {
        self.config.max_message_size_bytes = bytes;
        self
    }

    /// Gives clients this long to answer the close when the broker stops; three seconds unless
    /// told otherwise.
    #[must_use]
    pub fn stop_wait(mut self, wait: Duration) -> Self {
        self.stop_wait = wait;
        self
    }

    /// Starts the broker on the current tokio runtime. It accepts connections when this returns.
    pub async fn start(self) -> Result<Broker, StartError> {
        let config = self.config;
        let directory = DataDirectory::open(&config.data_dir)?;
        let listeners = listen::bind(&config.listen).await?;
        let http = listen::bind(&config.http).await?;
        let metrics = listen::bind(&config.metrics).await?;
        let connections_max = descriptors::connections_max(config.max_connections);
        let node = tokio::task::spawn_blocking(move || open(config, directory)).await;
        let node = Arc::new(node.map_err(StartError::internal)??);
        let (phase, _) = watched::channel(Phase::Running);
        let slots = Arc::new(listener::Slots::new(connections_max));
        let mut addresses = Vec::new();
        for listener in listeners {
            addresses.push(listener.local_addr().map_err(StartError::internal)?);
            tokio::spawn(listener::accept(
                listener,
                node.clone(),
                phase.subscribe(),
                slots.clone(),
            ));
        }
        let endpoint = |&address| Endpoint { protocol: "amqp", address, tls: false };
        let others = addresses.iter().map(endpoint).collect();
        let http = Http::start(node.clone(), Listeners { http, metrics, others })?;
        tokio::spawn(watch::resources(node.clone(), phase.subscribe()));
        tokio::spawn(timer::run(node.clone(), phase.subscribe()));
        tracing::info!(?addresses, connections_max, "broker started");
        Ok(Broker { node, addresses, http, phase, slots, stop_wait: self.stop_wait })
    }
}

impl Broker {
    /// A builder with the default configuration, but without HTTP: whoever embeds a broker says
    /// where that is to be.
    pub fn builder() -> Builder {
        let config = Config { http: Vec::new(), metrics: Vec::new(), ..Config::default() };
        Builder { config, stop_wait: STOP_WAIT }
    }

    /// Where it listens for AMQP.
    pub fn amqp_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it serves the HTTP API.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        self.http.addresses()
    }

    /// Where it serves metrics without a login.
    pub fn metrics_addresses(&self) -> &[SocketAddr] {
        self.http.metrics_addresses()
    }

    /// How many connections are open.
    pub fn connection_count(&self) -> usize {
        self.node.connection_count()
    }

    /// What survives.
    #[doc(hidden)]
    pub fn store(&self) -> &Store {
        &self.node.store
    }

    /// Raises or clears a resource alarm by hand: publishers are stopped while one is on.
    pub fn set_alarm(&self, alarm: Alarm, on: bool) {
        tracing::warn!(?alarm, on, "alarm set by hand");
        self.node.set_alarm(alarm, on);
    }

    /// Stops gracefully: no new connections, `connection.close` 320 to the clients, and the end
    /// when all have answered or had their time and everything is on disk.
    pub async fn stop(&self) {
        self.phase.send_replace(Phase::Stopping);
        self.http.stop().await;
        let text = "broker forced connection closure with reason 'shutdown'";
        self.node.close_connections(&Reason::new(ReplyCode::ConnectionForced, text));
        if tokio::time::timeout(self.stop_wait, self.slots.all_free()).await.is_err() {
            self.phase.send_replace(Phase::Killed);
            self.slots.all_free().await;
        }
        let node = self.node.clone();
        let closed = tokio::task::spawn_blocking(move || node.store.close(&node.delivered())).await;
        if let Err(error) = closed {
            tracing::error!(%error, "the store could not be closed");
        }
        tracing::info!("broker stopped");
    }
}

/// Reads what was there before, which takes its time.
fn open(config: Config, directory: DataDirectory) -> Result<Node, StartError> {
    let (store, recovered) = Store::open(directory)?;
    Node::new(config, store, recovered).map_err(StartError::internal)
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Killed);
    }
}
