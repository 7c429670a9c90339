//! What holds at one listener holds at all: CVE-2026-66067, where one of them knew no limits, and
//! 67411, where another knew no loopback.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use warren::access::UserLimit;
use warren::config::TlsVerify;
use warren::vhost::VhostLimit;

use super::common::http::Http;
use super::common::tls::{Authority, Connector, Files};
use super::common::*;
use super::is_refused;

const FROM_HERE: &[u8] = b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 5672\r\n";

/// The ways into one broker.
struct Doors {
    broker: OwnBroker,
    connector: Connector,
    /// What a proxy says first, if there is one.
    header: &'static [u8],
    _files: Files,
}

impl Doors {
    async fn open(behind_proxy: bool) -> Self {
        let authority = Authority::new("The Authority");
        let files = Files::of(&authority);
        let broker = OwnBroker::start_with(|config| {
            files.configure(config, TlsVerify::None);
            with_http(config);
            if behind_proxy {
                config.proxies = vec!["127.0.0.1".parse().expect("a network")];
            }
        })
        .await;
        let connector = Connector::new(&authority, None);
        let header = if behind_proxy { FROM_HERE } else { b"" };
        Self { broker, connector, header, _files: files }
    }

    async fn knock(&self, with_tls: bool) -> Peer {
        let header = async |mut stream: TcpStream| {
            stream.write_all(self.header).await.expect("taken");
            stream
        };
        let made = Arc::default();
        if with_tls {
            let over = async |stream| {
                let stream = header(stream).await;
                self.connector.over(stream).await.expect("a handshake")
            };
            Peer::connect_over(self.broker.tls_address(), made, over).await
        } else {
            Peer::connect_over(self.broker.address(), made, header).await
        }
    }

    async fn enter(&self, with_tls: bool) -> Peer {
        let mut peer = self.knock(with_tls).await;
        peer.say_hello(Hello::of("ann", "v")).await;
        peer
    }

    async fn is_refused(&self, with_tls: bool, limit: &str) {
        let mut peer = self.knock(with_tls).await;
        peer.ask_in(Hello::of("ann", "v")).await;
        let close = peer.next_method_on(0, "connection.close with 530").await;
        peer.compare_close_prefix(&close, (530, "NOT_ALLOWED", (10, 40)));
        let shown = format!("{close:?}");
        assert!(shown.contains(limit), "{shown}");
    }
}

#[tokio::test]
async fn limits_hold_at_every_door() {
    for behind_proxy in [false, true] {
        let doors = Doors::open(behind_proxy).await;
        let node = doors.broker.node();
        doors.broker.add_vhost("v");
        doors.broker.add_free_user("ann", "v");
        for first in [false, true] {
            node.set_vhost_limit("v", VhostLimit::MaxConnections, 1).expect("set");
            let inside = doors.enter(first).await;
            for second in [false, true] {
                doors.is_refused(second, "connection limit (1) is reached").await;
            }
            node.clear_vhost_limit("v", VhostLimit::MaxConnections).expect("cleared");
            node.set_user_limit("ann", UserLimit::MaxConnections, 1).expect("set");
            for second in [false, true] {
                doors.is_refused(second, "user connection limit (1) is reached").await;
            }
            node.set_user_limit("ann", UserLimit::MaxConnections, -1).expect("set");
            inside.close().await;
        }
        // Queues: declared over any of them, and over HTTP.
        doors.broker.permit("v", "guest", [".*"; 3]);
        node.set_vhost_limit("v", VhostLimit::MaxQueues, 1).expect("set");
        let mut peers = [doors.enter(false).await, doors.enter(true).await];
        for peer in &mut peers {
            peer.open_channel(1).await;
        }
        peers[0].declare("only").await;
        for peer in &mut peers {
            peer.send(queue_declare("more")).await;
            is_refused(peer, 406, (50, 10)).await;
        }
        let http = Http::of(&doors.broker.broker);
        http.put("/api/queues/v/more", &serde_json::json!({})).await.expect(400);
        doors.broker.stop_and_check().await;
    }
}
