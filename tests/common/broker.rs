//! The broker under test: warren inside this process, or whatever `WARREN_TEST_PEER` names.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

use super::{
    handshake::Hello,
    in_process::InProcess,
    methods::{Outgoing, exchange_delete, queue_delete},
    peer::Peer,
};

/// Longer than any orderly end takes; shorter than a person's patience.
const STOP_MAX: Duration = Duration::from_secs(10);

/// What tests have declared, to be deleted from a broker that outlives them.
#[derive(Default)]
pub struct Declared {
    pub queues: Vec<String>,
    pub exchanges: Vec<String>,
}

pub struct TestBroker {
    address: SocketAddr,
    in_process: Option<InProcess>,
    declared: Arc<Mutex<Declared>>,
}

impl TestBroker {
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// With a handshake that must be over sooner than usual; only for warren.
    pub async fn start_with_handshake_timeout(limit: Duration) -> Self {
        Self::start_with(Some(limit)).await
    }

    async fn start_with(handshake_timeout: Option<Duration>) -> Self {
        let declared = Arc::default();
        if let Some(address) = peer_address() {
            return Self { address, in_process: None, declared };
        }
        let in_process = InProcess::start(handshake_timeout).await;
        Self { address: in_process.address(), in_process: Some(in_process), declared }
    }

    /// A scripted client that is logged in, with channel 1 open.
    pub async fn peer(&self) -> Peer {
        self.peer_with(Hello::default()).await
    }

    /// The same, with another opening.
    pub async fn peer_with(&self, hello: Hello) -> Peer {
        let mut peer = self.raw().await;
        peer.say_hello(hello).await;
        peer.open_channel(1).await;
        peer
    }

    /// A TCP connection on which nothing has been said.
    pub async fn raw(&self) -> Peer {
        Peer::connect(self.address, self.declared.clone()).await
    }

    /// Ends the broker, and the test if the broker does not end. One that stays is swept.
    pub async fn stop_and_check(self) {
        match self.in_process {
            None => self.sweep().await,
            Some(broker) => tokio::time::timeout(STOP_MAX, broker.stop())
                .await
                .unwrap_or_else(|_| panic!("the broker did not stop within {STOP_MAX:?}")),
        }
    }

    /// Each on a channel of its own: what is locked or already gone answers with an error.
    async fn sweep(&self) {
        let declared = std::mem::take(&mut *self.declared.lock());
        let queues = declared.queues.iter().map(|q| queue_delete(q).into());
        let exchanges = declared.exchanges.iter().map(|x| exchange_delete(x).into());
        let deletes: Vec<Outgoing> = queues.chain(exchanges).collect();
        let mut peer = self.peer().await;
        for (channel, delete) in (2..).zip(deletes) {
            peer.open_channel(channel).await;
            peer.send_on(channel, delete).await;
            peer.next(channel, "any answer").await;
        }
        peer.close().await;
    }
}

fn peer_address() -> Option<SocketAddr> {
    let name = std::env::var("WARREN_TEST_PEER").ok()?;
    let mut found = name.to_socket_addrs().expect("WARREN_TEST_PEER is host:port");
    Some(found.next().expect("WARREN_TEST_PEER has an address"))
}

/// The broker, unless it is another than warren: then says why the test does not apply to it.
pub async fn only_on_warren(why: &str) -> Option<TestBroker> {
    if peer_address().is_some() {
        eprintln!("skipped, only on warren: {why}");
        return None;
    }
    Some(TestBroker::start().await)
}

/// What to expect here: the first from warren, the second from RabbitMQ 3.10.
pub fn here<T>(warren: T, rabbitmq_3_10: T) -> T {
    if peer_address().is_some() { rabbitmq_3_10 } else { warren }
}

/// A name that no other test uses, also not on a broker that is shared with other runs.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
    format!("{stem}-{now:x}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
