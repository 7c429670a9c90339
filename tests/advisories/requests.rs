//! Requests that say too much, or something else than they seem to.

use amq_protocol::protocol::connection::AMQPMethod;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::common::http::{Http, parse, part};
use super::common::log::Log;
use super::common::*;
use super::message;

/// Sends these octets; the status of the answer, if there is one.
async fn status_of(http: &Http, request: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(http.address()).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("taken");
    let mut answer = Vec::new();
    // It may be closed with octets unread, which is an error here.
    let _ = stream.read_to_end(&mut answer).await;
    parse(&answer).map(|answer| answer.status)
}

/// CVE-2023-46118: a message over HTTP that is as large as its sender likes.
#[tokio::test]
async fn large_messages_over_http_are_refused() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/q", &json!({})).await.expect(201);
    let large = "x".repeat(2 * 1024 * 1024);
    let path = "/api/exchanges/%2F/amq.default/publish";
    let refused = http.post(path, &message("q", &large)).await.expect(413);
    assert_eq!(refused.refusal().0, "payload_too_large");
    http.post(path, &message("q", &large[..1000])).await.expect(200);
    broker.stop_and_check().await;
}

/// The class of CVE-2026-67235, 69219 and 77410 over HTTP: what is announced is not made room for.
#[tokio::test]
async fn announced_lengths_are_checked_and_nothing_is_waited_for() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let ask = |lengths: &str| {
        format!(
            "PUT /api/queues/%2F/q HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n{lengths}\r\n{{}}"
        )
    };
    for (lengths, expected) in [
        ("Content-Length: 4611686018427387904\r\n", 413),
        ("Content-Length: 1048577\r\n", 413),
        ("Content-Length: 99999999999999999999\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 2, 3\r\n", 400),
        ("Content-Length: 2\r\nContent-Length: 3\r\n", 400),
        ("Content-Length: 2\r\n", 201),
    ] {
        assert_eq!(status_of(&http, &ask(lengths)).await, Some(expected), "{lengths}");
    }
    broker.stop_and_check().await;
}

/// CVE-2019-11287 and CVE-2014-9650: the header X-Reason reaches another user's connection.
#[tokio::test]
async fn hostile_reasons_stay_texts() {
    let (log, _logging) = Log::start();
    let (broker, http) = OwnBroker::start_with_http().await;
    let thousands = "%n%s{}".repeat(2_000);
    let reasons =
        ["%n%s%x {} ~s~n", &thousands, "a\tb", "\u{fc}\u{4e2d}", "<script>alert(1)</script>"];
    for reason in reasons {
        let mut peer = broker.peer().await;
        let headers = [("X-Reason", reason)];
        let path = "/api/connections/username/guest";
        let done = http.request("DELETE", path, &headers, b"").await.expect(204);
        assert!(done.headers.iter().all(|(_, value)| !value.contains(reason)));
        let close = peer.next_method_on(0, "connection.close").await;
        let AMQPClass::Connection(AMQPMethod::Close(close)) = close else {
            peer.fail("connection.close", &format!("{close:?}"));
        };
        let text = close.reply_text.as_str();
        assert!(text.starts_with("CONNECTION_FORCED - "), "{text}");
        assert!(text.len() <= 255 && !text.contains('\n'), "{text}");
        let shown = text.trim_start_matches("CONNECTION_FORCED - ").trim_end_matches("...");
        assert!(reason.starts_with(shown.trim_end()), "{shown} of {reason}");
    }
    // Lines cannot be broken, neither in the old way nor with half a line end.
    for broken in ["a\r\n b", "a\nb", "a\rb", "a\0b"] {
        let request = format!(
            "DELETE /api/connections/username/guest HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\nX-Reason: {broken}\r\n\r\n"
        );
        let status = status_of(&http, &request).await;
        assert!([Some(400), Some(204)].contains(&status), "{broken:?}: {status:?}");
    }
    let mut peer = broker.peer().await;
    let path = "/api/connections/username/guest";
    let header = [("X-Reason", "gone%0d%0aSet-Cookie: a=b")];
    let answer = http.request("DELETE", path, &header, b"").await.expect(204);
    assert_eq!(answer.header("set-cookie"), None);
    let text = "CONNECTION_FORCED - gone%0d%0aSet-Cookie: a=b";
    peer.expect_on(0, close_of_connection(320, text, (0, 0))).await;
    let text = log.text();
    assert!(text.contains("connection closed by the broker"));
    assert!(text.lines().all(|line| line.len() < 4_000), "nobody fills the log with one header");
    broker.stop_and_check().await;
}

/// CVE-2026-66070: another site's page may not ask with the user's login and read the answer.
#[tokio::test]
async fn no_other_site_may_read() {
    let (broker, http) = OwnBroker::start_with_http().await;
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "*"] {
        for (verb, path) in [
            ("GET", "/api/whoami"),
            ("GET", "/api/users"),
            ("OPTIONS", "/api/users"),
            ("GET", "/api/nothing"),
            ("PUT", "/api/queues/%2F/q"),
        ] {
            let headers = [("Origin", origin), ("Access-Control-Request-Method", "PUT")];
            let answer = http.request(verb, path, &headers, b"").await;
            let told = answer.headers.iter().find(|(name, _)| name.starts_with("access-control"));
            assert_eq!(told, None, "{verb} {path} from {origin}");
        }
    }
    broker.stop_and_check().await;
}

/// The class of CVE-2026-67224 and 57211: names never become paths.
#[tokio::test]
async fn names_never_become_paths() {
    let data = tempfile::tempdir().expect("a directory");
    let inside = data.path().join("inside");
    let broker = OwnBroker::start_with(|config| {
        with_http(config);
        config.data_dir = inside.clone();
    })
    .await;
    let http = Http::of(&broker.broker);
    let names = ["../../escaped", "/tmp/escaped", "a\0b", "\\\\host\\share", "..", "CON"];
    for name in names {
        let path = part(name);
        http.put(&format!("/api/vhosts/{path}"), &json!({})).await.expect(201);
        let queue = format!("/api/queues/{path}/{path}");
        http.put(&queue, &json!({"durable": true})).await.expect(201);
        let send = format!("/api/exchanges/{path}/amq.default/publish");
        let mut kept = message(name, "x");
        kept["properties"]["delivery_mode"] = json!(2);
        http.post(&send, &kept).await.expect(200);
    }
    let beside = std::fs::read_dir(data.path()).expect("listed").count();
    assert_eq!(beside, 1, "only the broker's directory");
    let mut folders = vec![inside];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("listed") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(!name.contains("escaped") && !name.contains("share"), "{name}");
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    broker.stop_and_check().await;
}
