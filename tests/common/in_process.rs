//! warren itself, started in the test's own process on a free port.

use std::{net::SocketAddr, time::Duration};

use tempfile::TempDir;
use warren::Broker;
use warren::config::Config;

/// What a test may want otherwise than usual.
#[derive(Default)]
pub struct Settings {
    pub handshake_timeout: Option<Duration>,
    pub message_max_bytes: Option<u64>,
    pub consumer_timeout: Option<Duration>,
}

pub struct InProcess {
    broker: Broker,
    // Removed after the broker has ended: dropped last.
    _data: TempDir,
}

impl InProcess {
    pub async fn start(settings: Settings) -> Self {
        let data = TempDir::new().expect("a directory for the broker");
        let consumer_timeout = settings.consumer_timeout;
        let (http, metrics) = (Vec::new(), Vec::new());
        let config = Config { consumer_timeout, http, metrics, ..Config::default() };
        let mut builder = Broker::builder().config(config);
        builder = builder.listen("127.0.0.1:0").data_dir(data.path());
        if let Some(limit) = settings.handshake_timeout {
            builder = builder.handshake_timeout(limit);
        }
        if let Some(bytes) = settings.message_max_bytes {
            builder = builder.max_message_size(bytes);
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
