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
mod event_publisher;
mod exchange_tally;
mod handshake;
mod heartbeat;
mod listener;
mod origin;
mod properties;
mod proxy_protocol;
mod publish;
mod release;
mod reply_to;
mod route_cache;
mod sampler;
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

use tokio::net::TcpListener;
use tokio::sync::watch as watched;

use crate::alarm::Alarm;
use crate::broker::Node;
use crate::config::Config;
use crate::error::{Reason, ReplyCode};
use crate::http::{Endpoint, Http, Listeners};
use crate::start_error::StartError;
use crate::store::{DataDirectory, Store};
use crate::tls::{Tls, TlsError};
use crate::{definitions, descriptors, listen};

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
    tls_addresses: Vec<SocketAddr>,
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
        let tls = Tls::load(&config.tls)?.map(Arc::new);
        let plain = listen::bind(&config.listen).await?;
        let secured = listen::bind(&config.tls.listen).await?;
        let http = listen::bind(&config.http).await?;
        let https = listen::bind(&config.tls.http_listen).await?;
        let metrics = listen::bind(&config.metrics).await?;
        let connections_max = descriptors::connections_max(config.max_connections);
        let node = tokio::task::spawn_blocking({
            let tls = tls.clone();
            move || open(config, tls, directory)
        });
        let node = Arc::new(node.await.map_err(StartError::internal)??);
        // Who is told that it listens can log in after whatever comes next.
        node.definitions_on_disk().await;
        let (phase, _) = watched::channel(Phase::Running);
        // Whatever they come by, connections share what descriptors there are.
        let slots = Arc::new(listener::Slots::new(connections_max));
        let accept = |listener: TcpListener, tls| {
            let address = listener.local_addr().map_err(StartError::internal)?;
            let phase = phase.subscribe();
            tokio::spawn(listener::accept(listener, tls, node.clone(), phase, slots.clone()));
            Ok::<_, StartError>(address)
        };
        let addresses: Vec<_> =
            plain.into_iter().map(|listener| accept(listener, None)).collect::<Result<_, _>>()?;
        let secured = secured.into_iter().map(|listener| accept(listener, tls.clone()));
        let tls_addresses: Vec<_> = secured.collect::<Result<_, _>>()?;
        let others = endpoints(&addresses, &tls_addresses);
        let http = Http::start(node.clone(), Listeners { http, https, metrics, others })?;
        tokio::spawn(watch::resources(node.clone(), phase.subscribe()));
        tokio::spawn(timer::run(node.clone(), phase.subscribe()));
        tokio::spawn(sampler::run(node.clone(), phase.subscribe()));
        tokio::spawn(event_publisher::run(node.clone(), phase.subscribe()));
        tracing::info!(?addresses, ?tls_addresses, connections_max, "broker started");
        Ok(Broker { node, addresses, tls_addresses, http, phase, slots, stop_wait: self.stop_wait })
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

    /// Where it listens for AMQP over TLS.
    pub fn amqps_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
    }

    /// Reads certificates and keys again. If anything is wrong with them the old ones stay; open
    /// connections go on in any case.
    pub fn reload_tls(&self) -> Result<(), TlsError> {
        let Some(tls) = &self.node.tls else { return Ok(()) };
        let outcome = tls.reload();
        match &outcome {
            Ok(()) => tracing::info!("certificates read again"),
            Err(error) => tracing::error!(%error, "certificates not read: the old ones stay"),
        }
        outcome
    }

    /// Where it serves the HTTP API.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        self.http.addresses()
    }

    /// Where it serves the HTTP API over TLS.
    pub fn https_addresses(&self) -> &[SocketAddr] {
        self.http.tls_addresses()
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

fn endpoints(plain: &[SocketAddr], secured: &[SocketAddr]) -> Vec<Endpoint> {
    let plain = plain.iter().map(|&address| Endpoint { protocol: "amqp", address, tls: false });
    let secured = secured.iter();
    let secured = secured.map(|&address| Endpoint { protocol: "amqp/ssl", address, tls: true });
    plain.chain(secured).collect()
}

/// Reads what was there before, which takes its time.
fn open(
    config: Config,
    tls: Option<Arc<Tls>>,
    directory: DataDirectory,
) -> Result<Node, StartError> {
    let (store, recovered) = Store::open(directory)?;
    let mut node = Node::new(config, store, recovered).map_err(StartError::internal)?;
    node.tls = tls;
    if let Some(file) = node.config.load_definitions.clone() {
        definitions::load(&node, &file).map_err(|why| StartError::Definitions(why.to_string()))?;
    }
    node.create_first_user().map_err(StartError::internal)?;
    Ok(node)
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Killed);
    }
}
