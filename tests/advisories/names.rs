//! Names that would do harm to whoever shows them without care.

use rcgen::DnType;
use serde_json::{Value, json};
use warren::access::Tag;
use warren::config::TlsVerify;

use super::common::http::{Answer, Http, part};
use super::common::tls::{Authority, Connector, Files, named};
use super::common::*;
use super::{concrete, message, operations, tagged};

const HOSTILE: [&str; 3] = [
    "\"><img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>\u{2028}",
    "a\"} 1\r\nwarren_injected{b=\"\\\n\u{1b}[2J",
];

/// What a browser is told keeps it from taking any of it for a page.
#[track_caller]
fn is_harmless(answer: &Answer, path: &str) {
    let kind = answer.header("content-type").unwrap_or_default();
    if !answer.body.is_empty() {
        let is_json = kind == "application/json";
        assert!(is_json || kind.starts_with("text/plain"), "{path}: {kind}");
        if is_json {
            let parsed = serde_json::from_slice::<Value>(&answer.body);
            assert!(parsed.is_ok(), "{path}: {:?}", answer.body.escape_ascii().to_string());
        }
    }
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    // What is not well is told by some health checks.
    assert!(answer.status < 500 || answer.status == 503, "{path}: {}", answer.status);
    let lines = answer.headers.iter();
    assert!(!lines.clone().any(|(name, _)| name == "set-cookie"), "{path}");
    assert!(lines.clone().all(|(_, value)| !value.contains("onerror=alert(1)>")), "{path}");
}

/// Everything that can have a name has that one.
async fn furnish(broker: &OwnBroker, http: &Http, name: &str) -> Peer {
    let path = part(name);
    broker.add_vhost(name);
    tagged(broker, http, name, &[Tag::Management, Tag::Other(name.into())]);
    broker.permit(name, name, [".*"; 3]);
    broker.permit(name, "guest", [".*"; 3]);
    let client = table(&[
        ("connection_name", text(name)),
        ("product", text(name)),
        (name, text(name)),
        ("nested", AMQPValue::FieldTable(table(&[(name, text(name))]))),
    ]);
    let hello = Hello { properties: client, ..Hello::of(name, name) };
    let mut peer = broker.peer_with(hello).await;
    // Over HTTP: AMQP leaves line ends out of the names of what is declared.
    http.put(&format!("/api/queues/{path}/{path}"), &json!({})).await.expect(201);
    let topic = json!({"type": "topic"});
    http.put(&format!("/api/exchanges/{path}/{path}"), &topic).await.expect(201);
    let binding = json!({"routing_key": name, "arguments": {name: name}});
    http.post(&format!("/api/bindings/{path}/e/{path}/q/{path}"), &binding).await.expect(201);
    let kept = headers(&[(name, text(name))]).with_message_id(name.into());
    peer.send(publish(name, name, name.as_bytes()).with(kept)).await;
    peer.send(publish("", name, b"one")).await;
    peer.send(consume(name, name)).await;
    peer.expect(consume_ok(name)).await;
    let rule = json!({"pattern": ".*", "definition": {"max-length": 10}});
    for kind in ["policies", "operator-policies"] {
        http.put(&format!("/api/{kind}/{path}/{path}"), &rule).await.expect(201);
    }
    let parameter = json!({"value": {name: name}});
    http.put(&format!("/api/global-parameters/{path}"), &parameter).await.expect(201);
    let metadata = json!({"description": name, "tags": name});
    http.put(&format!("/api/vhosts/{path}"), &metadata).await.expect(204);
    let rule = json!({"exchange": name, "write": ".*", "read": ".*"});
    http.put(&format!("/api/topic-permissions/{path}/{path}"), &rule).await.expect(201);
    peer
}

/// CVE-2026-57213 (consumer tags), 67237, 67421, 2025-30219 (virtual hosts), 2021-32718, 2019-11281
/// and others: what is shown is data, in a form that no browser takes for a page.
#[tokio::test]
async fn hostile_names_are_data_everywhere() {
    let (broker, http) = OwnBroker::start_with_http().await;
    for name in HOSTILE {
        let _peer = furnish(&broker, &http, name).await;
        let path = part(name);
        let mut seen = 0;
        for (verb, route, _) in operations(&http).await {
            if verb == "GET" {
                let asked = concrete(&route, &path, &path);
                let answer = http.get(&asked).await;
                is_harmless(&answer, &asked);
                let quoted = serde_json::to_string(name).expect("JSON");
                seen += usize::from(String::from_utf8_lossy(&answer.body).contains(&quoted));
            }
        }
        assert!(seen > 20, "{name:?} was shown by {seen} routes only");
        // Refusals repeat what was said.
        for (verb, asked) in [
            ("GET", format!("/api/queues/{path}/nothing-{path}")),
            ("PUT", format!("/api/users/nothing-{path}")),
            ("POST", format!("/api/exchanges/{path}/{path}/publish")),
            ("BREW", format!("/api/queues/{path}")),
            ("GET", format!("/api/queues?page=1&sort={path}&columns={path}")),
            ("GET", format!("/api/queues?page={path}")),
            ("GET", format!("/api/queues?page=1&use_regex=true&name={path}(")),
        ] {
            let body = json!({name: name, "tags": [name], "payload_encoding": name}).to_string();
            is_harmless(&http.request(verb, &asked, &[], body.as_bytes()).await, &asked);
        }
        let wrong = message(name, name).to_string().replace("string", "<b>");
        let asked = format!("/api/exchanges/{path}/{path}/publish");
        is_harmless(&http.request("POST", &asked, &[], wrong.as_bytes()).await, &asked);
    }
    broker.stop_and_check().await;
}

/// Metrics have lines: a name that has some too would be another sample.
#[tokio::test]
async fn hostile_names_are_labels_and_nothing_else() {
    let (broker, http) = OwnBroker::start_with_http().await;
    for name in HOSTILE {
        let _peer = furnish(&broker, &http, name).await;
        for path in [
            "/metrics",
            "/metrics/per-object",
            "/metrics/detailed?family=queue_coarse_metrics&family=connection_coarse_metrics\
             &family=channel_metrics&family=exchange_names&family=vhost_status",
        ] {
            let answer = http.get(path).await.expect(200);
            let text = String::from_utf8(answer.body).expect("UTF-8");
            assert!(text.lines().count() > 5, "{path}");
            for line in text.lines() {
                let sound = line.is_empty() || line.starts_with("# ") || is_sample(line);
                assert!(sound, "{path}: {line:?}");
                assert!(!line.starts_with("warren_injected"), "{line:?}");
            }
        }
    }
    broker.stop_and_check().await;
}

/// A name, labels of which each value is quoted and ends where it should, and a number.
fn is_sample(line: &str) -> bool {
    let end = line.find(['{', ' ']).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(end);
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|o| o.is_ascii_alphanumeric() || b"_:".contains(&o))
    };
    if !is_name(name) {
        return false;
    }
    if let Some(labels) = rest.strip_prefix('{') {
        rest = labels;
        while !rest.starts_with('}') {
            let Some((label, value)) = rest.split_once("=\"") else { return false };
            let Some(end) = end_of_value(value) else { return false };
            if !is_name(label) {
                return false;
            }
            rest = value[end + 1..].trim_start_matches(',');
        }
        rest = &rest[1..];
    }
    let number = rest.trim_start();
    ["NaN", "+Inf", "-Inf"].contains(&number) || number.parse::<f64>().is_ok()
}

/// Where the quote is that ends a value.
fn end_of_value(value: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, octet) in value.bytes().enumerate() {
        match octet {
            b'"' if !escaped => return Some(at),
            b'\n' => return None,
            _ => escaped = octet == b'\\' && !escaped,
        }
    }
    None
}

#[test]
fn samples_are_told_from_what_is_none() {
    for line in ["a 1", "a_b{c=\"d\"} 1.5", "a{b=\"\\\"} 2\",c=\"\\\\\"} 1e+06", "a{} +Inf"] {
        assert!(is_sample(line), "{line}");
    }
    for line in ["a", "a{b=\"c} 1", "a{b=\"\"c\"} 1", "<a> 1", "a{b=\"c\"} x", "a{b=\"\\\"} 1"] {
        assert!(!is_sample(line), "{line}");
    }
}

/// CVE-2026-66077: the name in a client's certificate is shown with its connection.
#[tokio::test]
async fn hostile_certificates_are_data() {
    let authority = Authority::new("The Authority");
    let files = Files::of(&authority);
    let broker = OwnBroker::start_with(|config| {
        with_http(config);
        files.configure(config, TlsVerify::Required);
    })
    .await;
    let http = Http::of(&broker.broker);
    for name in HOSTILE {
        let identity = authority.client_with(name, |params| {
            params.distinguished_name = named(name);
            params.distinguished_name.push(DnType::OrganizationName, name);
        });
        let peer = broker.tls_peer(&Connector::new(&authority, Some(&identity))).await;
        let answer = http.get("/api/connections").await.expect(200);
        is_harmless(&answer, "/api/connections");
        let subject = answer.json()[0]["peer_cert_subject"].clone();
        let subject = subject.as_str().expect("a subject").to_owned();
        assert!(subject.contains("alert(1)") || subject.contains("injected"), "{subject}");
        peer.close().await;
    }
    broker.stop_and_check().await;
}
