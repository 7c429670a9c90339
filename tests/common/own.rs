//! A broker of a test's own, for what only its owner can do: alarms, limits, counting connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tempfile::TempDir;
use warren::config::Config;
use warren::store::DataDirectoryError;
use warren::{Broker, StartError};

use super::broker::{Made, STOP_MAX, in_time};
use super::handshake::Hello;
use super::http::Http;
use super::peer::Peer;
use super::tls::Connector;

pub struct OwnBroker {
    pub broker: Broker,
    made: Arc<Mutex<Made>>,
    // Removed after the broker has ended: dropped last.
    data: TempDir,
}

impl OwnBroker {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let data = TempDir::new().expect("a directory for the broker");
        Self::start_on(data, change).await
    }

    /// With the HTTP API on a free port; its client is guest.
    pub async fn start_with_http() -> (Self, Http) {
        let broker = Self::start_with(|config| config.http = vec!["127.0.0.1:0".to_owned()]).await;
        let http = Http::of(&broker.broker);
        (broker, http)
    }

    /// Stops the broker and starts one with the HTTP API on what it has left.
    pub async fn restart_with_api(self) -> Self {
        let data = self.stop_and_keep().await;
        Self::start_on(data, with_http).await
    }

    async fn start_on(data: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let listen = vec!["127.0.0.1:0".to_owned()];
        let data_dir = data.path().to_owned();
        let (http, metrics) = (Vec::new(), Vec::new());
        let mut config = Config { listen, http, metrics, data_dir, ..Config::default() };
        change(&mut config);
        let until = Instant::now() + STOP_MAX;
        loop {
            match Broker::builder().config(config.clone()).start().await {
                Ok(broker) => return Self { broker, made: Arc::default(), data },
                // The one before has not let go of its directory yet.
                Err(StartError::DataDirectory(DataDirectoryError::InUse(..)))
                    if Instant::now() < until =>
                {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("the broker does not start: {error}"),
            }
        }
    }

    /// Stops the broker and starts one on what it has left.
    pub async fn restart(self) -> Self {
        self.made.lock().cut();
        let Self { broker, data, .. } = self;
        in_time(broker.stop()).await;
        drop(broker);
        Self::start_on(data, |_| {}).await
    }

    /// Stops the broker and keeps what it has left, for `start_again`.
    pub async fn stop_and_keep(self) -> TempDir {
        self.made.lock().cut();
        let Self { broker, data, .. } = self;
        in_time(broker.stop()).await;
        data
    }

    /// Starts a broker on what another one has left.
    pub async fn start_again(data: TempDir) -> Self {
        Self::start_on(data, |_| {}).await
    }

    /// Ends the broker without a chance to do anything, and starts one on what it has left.
    pub async fn crash(self) -> Self {
        let Self { broker, data, .. } = self;
        drop(broker);
        Self::start_on(data, |_| {}).await
    }

    pub fn address(&self) -> SocketAddr {
        *self.broker.amqp_addresses().first().expect("the broker listens")
    }

    /// A scripted client that is logged in, with channel 1 open.
    pub async fn peer(&self) -> Peer {
        self.peer_with(Hello::default()).await
    }

    pub async fn peer_with(&self, hello: Hello) -> Peer {
        let mut peer = self.raw().await;
        peer.say_hello(hello).await;
        peer.open_channel(1).await;
        peer
    }

    pub fn tls_address(&self) -> SocketAddr {
        *self.broker.amqps_addresses().first().expect("the broker listens with TLS")
    }

    /// A TLS connection on which nothing has been said.
    pub async fn raw_tls(&self, connector: &Connector) -> Peer {
        let over = async |stream| connector.over(stream).await.expect("a handshake");
        Peer::connect_over(self.tls_address(), self.made.clone(), over).await
    }

    /// A scripted client over TLS that is logged in, with channel 1 open.
    pub async fn tls_peer(&self, connector: &Connector) -> Peer {
        let mut peer = self.raw_tls(connector).await;
        peer.say_hello(Hello::default()).await;
        peer.open_channel(1).await;
        peer
    }

    pub async fn raw(&self) -> Peer {
        Peer::connect(self.address(), self.made.clone()).await
    }

    /// Cuts the peers' connections and ends the broker, or the test if the broker does not end.
    pub async fn stop_and_check(self) {
        self.made.lock().cut();
        self.stop().await;
    }

    /// The same without cutting any connection: those are the broker's to end.
    pub async fn stop(self) {
        in_time(self.broker.stop()).await;
    }
}

/// Serves the HTTP API on a free port.
pub fn with_http(config: &mut Config) {
    config.http = vec!["127.0.0.1:0".to_owned()];
}
