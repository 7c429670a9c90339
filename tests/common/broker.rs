//! The broker under test: warren inside this process, or whatever `WARREN_TEST_PEER` names.

use std::{
    net::{Shutdown, SocketAddr, ToSocketAddrs},
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

use super::{
    handshake::Hello,
    in_process::{InProcess, Settings},
    methods::{Outgoing, exchange_delete, queue_delete},
    peer::Peer,
};

/// Longer than any orderly end takes; shorter than a person's patience.
pub const STOP_MAX: Duration = Duration::from_secs(10);

/// What a test has made that outlives it, or that the broker would wait for at its end.
#[derive(Default)]
pub struct Made {
    pub queues: Vec<String>,
    pub exchanges: Vec<String>,
    pub sockets: Vec<Weak<std::net::TcpStream>>,
}

impl Made {
    /// Cuts the connections.
    pub fn cut(&mut self) {
        for socket in std::mem::take(&mut self.sockets) {
            if let Some(socket) = socket.upgrade() {
                let _ = socket.shutdown(Shutdown::Both); // the broker may have been first
            }
        }
    }
}

/// Waits for a broker's end, or ends the test.
pub async fn in_time(stop: impl Future<Output = ()>) {
    tokio::time::timeout(STOP_MAX, stop)
        .await
        .unwrap_or_else(|_| panic!("the broker did not stop within {STOP_MAX:?}"));
}

pub struct TestBroker {
    address: SocketAddr,
    in_process: Option<InProcess>,
    made: Arc<Mutex<Made>>,
}

impl TestBroker {
    pub async fn start() -> Self {
        let made = Arc::default();
        if let Some(address) = peer_address() {
            return Self { address, in_process: None, made };
        }
        let in_process = InProcess::start(Settings::default()).await;
        Self { address: in_process.address(), in_process: Some(in_process), made }
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
        Peer::connect(self.address, self.made.clone()).await
    }

    /// Cuts the test's connections and ends the broker, or the test if the broker does not end.
    /// One that stays is swept.
    pub async fn stop_and_check(self) {
        self.made.lock().cut();
        self.stop().await;
    }

    /// The same without cutting any connection: those are the broker's to end.
    pub async fn stop(self) {
        match self.in_process {
            None => self.sweep().await,
            Some(broker) => in_time(broker.stop()).await,
        }
    }

    /// Each on a channel of its own: what is locked or already gone answers with an error.
    async fn sweep(&self) {
        let made = std::mem::take(&mut *self.made.lock());
        let queues = made.queues.iter().map(|q| queue_delete(q).into());
        let exchanges = made.exchanges.iter().map(|x| exchange_delete(x).into());
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
    only_on_warren_with(Settings::default(), why).await
}

/// The same with other settings than usual, which another broker could not be given.
pub async fn only_on_warren_with(settings: Settings, why: &str) -> Option<TestBroker> {
    if peer_address().is_some() {
        eprintln!("skipped, only on warren: {why}");
        return None;
    }
    let in_process = InProcess::start(settings).await;
    let address = in_process.address();
    Some(TestBroker { address, in_process: Some(in_process), made: Arc::default() })
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
