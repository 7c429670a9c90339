//! Clients that take their time. The clock stands still in these tests but for what is waited for.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, interval, pause, resume};

use super::common::OwnBroker;
use super::common::http::{Http, parse};

/// Longer than the broker gives anybody; by a clock that runs as fast as it can.
const LONG: Duration = Duration::from_mins(10);
const LOGIN: &str = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n";

/// Sends something, then each of these octets in so many seconds; gives what came until the end.
async fn dawdle(http: &Http, said: &str, each_s: u64, octets: &[u8]) -> (Vec<u8>, Duration) {
    let mut stream = TcpStream::connect(http.address()).await.expect("connected");
    stream.write_all(said.as_bytes()).await.expect("taken");
    let (mut reading, mut writing) = stream.into_split();
    pause();
    let since = Instant::now();
    let mut clock = interval(Duration::from_secs(each_s));
    let trickle = async {
        for octet in octets {
            clock.tick().await;
            if writing.write_all(&[*octet]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut came = Vec::new();
    let took = tokio::select! {
        // An end without words is as good.
        _ = reading.read_to_end(&mut came) => since.elapsed(),
        () = trickle => since.elapsed(),
        () = tokio::time::sleep_until(since + LONG) => panic!("still there after {LONG:?}"),
    };
    resume();
    (came, took)
}

/// A head that does not end, said at once or in drops.
#[tokio::test]
async fn slow_heads_are_not_waited_for() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let half = "GET /api/whoami HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    for octets in [&b""[..], &[b'x'; 600]] {
        let (came, took) = dawdle(&http, half, 1, octets).await;
        assert!(took <= Duration::from_mins(1), "{took:?}: {}", came.escape_ascii());
        let status = parse(&came).map(|answer| answer.status);
        assert!([None, Some(408)].contains(&status), "{status:?}");
    }
    http.get("/api/whoami").await.expect(200);
    broker.stop_and_check().await;
}

/// A body that does not end.
#[tokio::test]
async fn slow_bodies_are_not_waited_for() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let head = format!(
        "PUT /api/queues/%2F/slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Length: 100000\r\n{LOGIN}\r\n{{"
    );
    for octets in [&b""[..], &[b' '; 600]] {
        let (came, took) = dawdle(&http, &head, 1, octets).await;
        assert!(took <= Duration::from_mins(2), "{took:?}");
        assert_eq!(parse(&came).map(|answer| answer.status), Some(408), "{}", came.escape_ascii());
    }
    http.get("/api/queues/%2F/slow").await.expect(404);
    broker.stop_and_check().await;
}

/// A connection on which nothing is said, from the start or after a request.
#[tokio::test]
async fn silent_connections_end() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let asked = format!("GET /api/whoami HTTP/1.1\r\nHost: x\r\n{LOGIN}\r\n");
    for said in ["", &asked] {
        let (came, took) = dawdle(&http, said, 1, b"").await;
        assert!(took <= Duration::from_mins(2), "{took:?}");
        assert_eq!(came.starts_with(b"HTTP/1.1 200"), !said.is_empty());
    }
    broker.stop_and_check().await;
}
