//! Behind a proxy: who has to say for whom it comes, and who may count as local then.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::log::Log;
use common::tls::{Authority, Connector, Files};
use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use warren::config::{Config, Network, TlsVerify};

const LOGIN_REFUSED: &str = "ACCESS_REFUSED - Login was refused using authentication mechanism \
                             PLAIN. For details see the broker logfile.";
const FROM_HERE: &[u8] = b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 5672\r\n";
const FROM_AFAR: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 5672\r\n";

fn networks(text: &str) -> Vec<Network> {
    text.split(',').map(|network| network.parse().expect("a network")).collect()
}

async fn behind(proxies: &str) -> OwnBroker {
    OwnBroker::start_with(|config: &mut Config| config.proxies = networks(proxies)).await
}

/// A header of version 2 for IPv4.
fn version_2(command: u8, source: [u8; 4], notes: &[u8]) -> Vec<u8> {
    let size = (12 + notes.len() as u16).to_be_bytes();
    let start = b"\r\n\r\n\0\r\nQUIT\n";
    let ports = [0x9c, 0x40, 0x16, 0x28];
    [start, &[command, 0x11][..], &size, &source, &[192, 0, 2, 1], &ports, notes].concat()
}

/// Says these octets first, then logs in as guest.
async fn logs_in_behind(broker: &OwnBroker, header: &[u8]) {
    let mut peer = broker.raw().await;
    peer.send_bytes(header).await;
    peer.log_in().await;
}

/// The same, when guest is not let in from there.
async fn is_refused_behind(broker: &OwnBroker, header: &[u8]) {
    let mut peer = broker.raw().await;
    peer.send_bytes(header).await;
    peer.greet().await;
    peer.send_on(0, start_ok("PLAIN", b"\0guest\0guest")).await;
    peer.expect_connection_close(403, LOGIN_REFUSED, (0, 0)).await;
}

/// CVE-2026-67411: behind a proxy everybody was local.
#[tokio::test]
async fn guest_comes_from_this_machine_by_both_accounts_or_not_at_all() {
    let broker = behind("127.0.0.0/8").await;
    logs_in_behind(&broker, FROM_HERE).await;
    logs_in_behind(&broker, b"PROXY TCP6 ::1 ::1 40000 5672\r\n").await;
    logs_in_behind(&broker, b"PROXY TCP6 ::ffff:127.0.0.1 ::1 40000 5672\r\n").await;
    logs_in_behind(&broker, &version_2(0x21, [127, 0, 0, 9], b"\x04\0\x03abc")).await;
    for header in [
        FROM_AFAR,
        b"PROXY TCP6 2001:db8::7 ::1 40000 5672\r\n",
        b"PROXY UNKNOWN\r\n",
        &version_2(0x21, [203, 0, 113, 7], b""),
        &version_2(0x20, [127, 0, 0, 1], b""),
    ] {
        is_refused_behind(&broker, header).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn nothing_behind_the_header_is_lost() {
    let broker = behind("127.0.0.1").await;
    for header in [FROM_HERE, &version_2(0x21, [127, 0, 0, 1], b"notes")] {
        let mut peer = broker.raw().await;
        peer.send_bytes(&[header, &opening().concat()].concat()).await;
        for step in ["connection.start", "connection.tune", "connection.open-ok"] {
            peer.next_method_on(0, step).await;
        }
        peer.expect(channel_open_ok()).await;
        peer.pass_a_message().await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_announced_client_is_the_one_in_the_log() {
    let (log, _logging) = Log::start();
    let broker = behind("127.0.0.1").await;
    is_refused_behind(&broker, FROM_AFAR).await;
    let text = log.text();
    assert!(text.contains("peer=203.0.113.7:40000"), "{text}");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn nobody_else_is_asked_for_a_header_or_believed() {
    let (log, _logging) = Log::start();
    let broker = behind("203.0.113.0/24").await;
    let mut peer = broker.peer().await;
    peer.pass_a_message().await;
    let mut liar = broker.raw().await;
    liar.send_bytes(FROM_HERE).await;
    liar.expect_bytes_and_end(PROTOCOL_HEADER).await;
    let text = log.text();
    assert!(text.contains("the PROXY protocol, from an address that is not"), "{text}");
    broker.stop_and_check().await;
}

#[tokio::test]
async fn without_proxies_a_header_is_no_protocol() {
    let broker = OwnBroker::start().await;
    for header in [FROM_HERE, &version_2(0x21, [127, 0, 0, 1], b"")] {
        let mut liar = broker.raw().await;
        liar.send_bytes(header).await;
        liar.expect_bytes_and_end(PROTOCOL_HEADER).await;
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_proxy_without_a_good_header_is_not_served() {
    let (log, _logging) = Log::start();
    let broker = behind("127.0.0.1").await;
    let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
    let too_long = [&version_2(0x20, [0; 4], b"")[..14], &[0xff, 0xff], &[0; 12][..]].concat();
    for said in [
        &PROTOCOL_HEADER[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 40000\r\n",
        &endless,
        &too_long,
        &version_2(0x23, [127, 0, 0, 1], b""),
    ] {
        let mut peer = broker.raw().await;
        peer.try_send_bytes(said).await;
        peer.expect_bytes_and_end(b"").await;
    }
    let text = log.text();
    assert_eq!(text.matches("no header of the PROXY protocol: ").count(), 6, "{text}");
    logs_in_behind(&broker, FROM_HERE).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_slow_header_ends_with_the_time_to_log_in() {
    let limit = Duration::from_millis(300);
    let broker = OwnBroker::start_with(|config| {
        config.proxies = networks("127.0.0.1");
        config.handshake_timeout = limit;
    })
    .await;
    let half = &version_2(0x21, [0; 4], b"")[..20];
    for said in [&b""[..], b"PRO", b"PROXY TCP4 127.0.0.1 127", half] {
        let since = Instant::now();
        let mut peer = broker.raw().await;
        peer.send_bytes(said).await;
        peer.expect_end().await;
        assert!(since.elapsed() >= limit);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_header_comes_before_tls() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = OwnBroker::start_with(|config| {
        files.configure(config, TlsVerify::Required);
        config.proxies = networks("127.0.0.1");
    })
    .await;
    let guest = authority.client("guest");
    let connector = Connector::new(&authority, Some(&guest));
    for (header, goes_in) in [(FROM_HERE, true), (FROM_AFAR, false)] {
        let mut stream = TcpStream::connect(broker.tls_address()).await.expect("connected");
        stream.write_all(header).await.expect("taken");
        let mut stream = connector.over(stream).await.expect("a handshake");
        let login = encode_method(0, start_ok("EXTERNAL", b""));
        stream.write_all(&[PROTOCOL_HEADER, &login[..]].concat()).await.expect("taken");
        let mut came = Vec::new();
        let tune = [0, 10, 0, 30]; // the method that a good login is answered with
        while !came.windows(4).any(|octets| octets == tune) {
            let read = timeout(WAIT_MAX, stream.read_buf(&mut came)).await.expect("in time");
            if read.expect("octets, or a clean end") == 0 {
                break;
            }
            let refused = b"ACCESS_REFUSED";
            if came.windows(refused.len()).any(|octets| octets == refused) {
                break;
            }
        }
        let tuned = came.windows(4).any(|octets| octets == tune);
        assert_eq!(tuned, goes_in, "{}", came.escape_ascii());
    }
    broker.stop_and_check().await;
}
