//! Those who guess passwords, and those who try the ones that brokers come with.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::common::http::Http;
use super::common::log::Log;
use super::common::*;

/// More than anything here takes that is not held up.
const PROMPT: Duration = Duration::from_secs(5);
/// Within this time the log counts what it has left out; each guess takes seconds then.
const COUNTED_MAX: Duration = Duration::from_secs(30);
const REFUSED: &str = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. \
                       For details see the broker logfile.";

/// An address of this machine that others can reach. None if it has no network.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: this asks the system which address it would send from.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// `guest` with the password `guest` is what scanners try; CVE-2014-9494: a header could say that
/// they come from this machine.
#[tokio::test]
async fn the_first_user_comes_from_this_machine_only() {
    let Some(outward) = outward() else {
        eprintln!("skipped: this machine has no address but the loopback");
        return;
    };
    let broker = OwnBroker::start_with(|config| {
        config.listen = vec!["0.0.0.0:0".to_owned()];
        config.http = vec!["0.0.0.0:0".to_owned()];
    })
    .await;
    broker.add_free_user("ann", "/");
    let port = broker.address().port();
    for (host, user, goes_in) in [
        (outward, "guest", false),
        (outward, "ann", true),
        (IpAddr::from([127, 0, 0, 1]), "guest", true),
    ] {
        let mut peer = Peer::connect(SocketAddr::new(host, port), std::sync::Arc::default()).await;
        peer.greet().await;
        let response = format!("\0{user}\0{user}");
        peer.send_on(0, start_ok("PLAIN", response.as_bytes())).await;
        if goes_in {
            peer.expect_tune().await;
        } else {
            peer.expect_connection_close(403, REFUSED, (0, 0)).await;
        }
    }
    let port = broker.broker.http_addresses().first().expect("it listens").port();
    let local = [
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Host", "localhost"),
    ];
    for host in [outward, IpAddr::from([127, 0, 0, 1])] {
        let http = Http::at(SocketAddr::new(host, port)).as_user("guest", "guest");
        let expected = if host == outward { 401 } else { 200 };
        http.get("/api/whoami").await.expect(expected);
        http.request("GET", "/api/whoami", &local[..3], b"").await.expect(expected);
    }
    let ann = Http::at(SocketAddr::new(outward, port)).as_user("ann", "ann");
    // Let in, and told that it has no tag.
    let (_, reason) = ann.get("/api/whoami").await.expect(401).refusal();
    assert_eq!(reason, "Not management user");
    broker.stop_and_check().await;
}

/// One guess over AMQP, which does not get in.
async fn guess(address: SocketAddr, user: &str, password: &str) {
    let mut peer = Peer::connect(address, std::sync::Arc::default()).await;
    peer.greet().await;
    let response = format!("\0{user}\0{password}");
    peer.send_on(0, start_ok("PLAIN", response.as_bytes())).await;
    // Refused, or cut off while it waits for its turn.
    peer.expect_end_perhaps_after(403).await;
}

/// A flood of guesses over AMQP: it is slowed down, others are not, and the log stays short.
#[tokio::test]
async fn guesses_over_amqp_are_slowed_down() {
    const GUESSES: usize = 400;
    let (log, _logging) = Log::start();
    let broker =
        OwnBroker::start_with(|config| config.handshake_timeout = Duration::from_secs(3)).await;
    for user in ["ann", "bob", "cay"] {
        broker.add_free_user(user, "/");
    }
    let address = broker.address();
    // Who was here before the flood.
    broker.peer_with(Hello::of("ann", "/")).await.close().await;
    let since = Instant::now();
    let flood = async {
        let mut guesses = tokio::task::JoinSet::new();
        for number in 0..GUESSES {
            let password = format!("wrong-{number}");
            let user = if number % 2 == 0 { "ann" } else { "cay" };
            guesses.spawn(async move { guess(address, user, &password).await });
        }
        while guesses.join_next().await.is_some() {}
    };
    let others = async {
        for user in ["ann", "bob", "ann", "bob"] {
            let good = broker.peer_with(Hello::of(user, "/"));
            let mut good = timeout(PROMPT, good).await.unwrap_or_else(|_| panic!("{user} waits"));
            good.pass_a_message().await;
            good.close().await;
        }
    };
    tokio::join!(flood, others);
    // Most of it is not logged line by line, but counted.
    let is_counted = |text: &str| text.split("left_out=").skip(1).any(|n| !n.starts_with('0'));
    let counted = async {
        while !is_counted(&log.text()) {
            guess(address, "cay", "wrong again").await;
        }
    };
    timeout(COUNTED_MAX, counted).await.expect("the log counts what it leaves out");
    let text = log.text();
    let told = text.lines().filter(|line| line.contains("WARN")).count();
    let bound = 52 * (since.elapsed().as_secs() as usize + 2);
    assert!(told <= bound, "{told} lines in {:?}", since.elapsed());
    broker.stop_and_check().await;
}

/// The same over HTTP, by somebody who says each time that he comes from elsewhere.
#[tokio::test]
async fn guesses_over_http_are_slowed_down_whatever_they_say_of_themselves() {
    let (log, _logging) = Log::start();
    let (broker, http) = OwnBroker::start_with_http().await;
    http.get("/api/whoami").await.expect(200);
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..100_u8 {
        let guess = http.as_user("guest", &format!("wrong-{number}"));
        guesses.spawn(async move {
            let from = format!("203.0.113.{number}");
            let headers = [("X-Forwarded-For", from.as_str()), ("X-Real-IP", from.as_str())];
            guess.request("GET", "/api/whoami", &headers, b"").await.status
        });
    }
    let mut sent_away = 0;
    while let Some(status) = guesses.join_next().await {
        let status = status.expect("answered");
        assert!([401, 429].contains(&status), "{status}");
        sent_away += usize::from(status == 429);
        timeout(PROMPT, http.get("/api/whoami")).await.expect("soon").expect(200);
    }
    assert!(sent_away > 50, "{sent_away}");
    let told = log.text().matches("HTTP login refused").count();
    assert!((1..40).contains(&told), "{told}");
    broker.stop_and_check().await;
}

/// Those who do not even try to log in: they are told of, but not each.
#[tokio::test]
async fn strangers_do_not_fill_the_log() {
    const STRANGERS: usize = 1_000;
    let (log, _logging) = Log::start();
    let broker = OwnBroker::start().await;
    let since = Instant::now();
    for number in 0..STRANGERS {
        let mut stranger = broker.raw().await;
        let said: &[u8] =
            if number % 2 == 0 { b"GET / HTTP/1.1" } else { b"\x16\x03\x01\0\0\0\0\0" };
        stranger.send_bytes(said).await;
        stranger.expect_bytes_if_any_and_end(PROTOCOL_HEADER).await;
    }
    let text = log.text();
    let told = text.lines().filter(|line| line.contains("WARN")).count();
    let bound = 52 * (since.elapsed().as_secs() as usize + 2);
    assert!((1..=bound.min(STRANGERS)).contains(&told), "{told} in {:?}", since.elapsed());
    broker.stop_and_check().await;
}
