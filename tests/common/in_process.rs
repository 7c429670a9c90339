//! warren itself, started in the test's own process on a free port.

use std::{net::SocketAddr, time::Duration};

use tempfile::TempDir;
use warren::Broker;

pub struct InProcess {
    broker: Broker,
    // Removed after the broker has ended: dropped last.
    _data: TempDir,
}

impl InProcess {
    pub async fn start(handshake_timeout: Option<Duration>) -> Self {
        let data = TempDir::new().expect("a directory for the broker");
        let mut builder = Broker::builder()
            .listen("127.0.0.1:0")
            .data_dir(data.path())
            // Peers that are still there when a test ends do not answer the close.
            .stop_wait(Duration::from_millis(20));
        if let Some(limit) = handshake_timeout {
            builder = builder.handshake_timeout(limit);
        }
        Self { broker: builder.start().await.expect("the broker starts"), _data: data }
    }

    pub fn address(&self) -> SocketAddr {
        *self.broker.amqp_addresses().first().expect("the broker listens")
    }

    pub async fn stop(self) {
        self.broker.stop().await;
    }
}
