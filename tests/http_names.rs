//! Names that have been mistaken for something else somewhere, through every route of the HTTP API:
//! they come back as they went in, and nothing else happens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::OwnBroker;
use common::http::{Answer, part};
use common::routes::{self, Row};
use common::specimen::Specimen;
use serde_json::{Value, json};

/// The longest name that AMQP can carry.
const NAME_MAX_BYTES: usize = 255;

/// Markup, separators of paths, queries and headers, what routes are called, and other scripts.
const NAMES: [&str; 18] = [
    "\"><img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "%2f",
    "%252F",
    "/",
    "a/b",
    ".",
    "..",
    "../../etc/passwd",
    "q?x=1&y=2#z;w",
    "with space+plus",
    "line\r\nSet-Cookie: x=1",
    "'; DROP TABLE users; --\\\"",
    "{vhost}",
    "$1 \\1 .* (",
    "detailed",
    "naïve-Ωμέγα-🐇-\u{202e}-e\u{301}",
    "\u{1}\t\u{7f}",
];

/// Parts of paths that are not the name of anything, as they are sent.
const STRANGE: [&str; 14] = [
    "%FF", // no UTF-8
    "%C0%AF",
    "%ED%A0%80", // half of a surrogate pair
    "%00",
    "%",
    "%zz",
    "%2e%2e",
    "..",
    "..%2F..%2F..%2Fetc%2Fpasswd",
    "%0d%0aSet-Cookie:%20x=1",
    "~",
    "*",
    "-1",
    "99999999999999999999999999",
];

/// Kinds of objects whose name is in what is told of them.
const NAMED: [&str; 16] = [
    "queues",
    "exchanges",
    "bindings",
    "connections",
    "channels",
    "consumers",
    "vhosts",
    "vhost-limits",
    "definitions",
    "all-configuration",
    "permissions",
    "topic-permissions",
    "policies",
    "operator-policies",
    "parameters",
    "global-parameters",
];

fn names() -> Vec<String> {
    let longest = ["n".repeat(NAME_MAX_BYTES), format!("{}x", "Ω".repeat(NAME_MAX_BYTES / 2))];
    NAMES.into_iter().map(str::to_owned).chain(longest).collect()
}

/// Nothing of it is more than an answer: JSON that says it is JSON, or metrics, and no header that
/// a name has made.
fn check_form(row: &Row, answer: &Answer) {
    let text = String::from_utf8_lossy(&answer.body);
    let what = format!("{} {}: {} {:?} {text}", row.verb, row.path, answer.status, answer.headers);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(answer.header("set-cookie"), None, "{what}");
    if answer.body.is_empty() {
        return;
    }
    let media = answer.header("content-type").unwrap_or_default();
    if media == "application/json" {
        assert!(serde_json::from_slice::<Value>(&answer.body).is_ok(), "{what}");
    } else {
        assert!(media.starts_with("text/plain") && row.path.starts_with("/metrics"), "{what}");
        check_metrics(&answer.body);
    }
}

/// Every line is a comment or `NAME{LABELS} NUMBER`.
fn check_metrics(text: &[u8]) {
    for line in std::str::from_utf8(text).expect("UTF-8").split('\n') {
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{line:?}");
        assert!(value.parse::<f64>().is_ok(), "{line:?}");
    }
}

/// Whether a text is somewhere in a value as a whole string.
fn tells(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string == text,
        Value::Array(values) => values.iter().any(|value| tells(value, text)),
        Value::Object(fields) => fields.values().any(|value| tells(value, text)),
        _ => false,
    }
}

fn is_named(row: &Row) -> bool {
    let kind = row.path.split('/').nth(2).unwrap_or_default();
    let is_user = row.path == "/api/users" || row.path.starts_with("/api/users/{user}");
    is_user || NAMED.contains(&kind)
}

#[tokio::test]
async fn names_survive_every_route() {
    let (broker, http) = OwnBroker::start_with_http().await;
    for name in names() {
        let mut about = Specimen::new(&broker, &http, &name, json!({})).await;
        for row in routes::all() {
            let path = about.path(row);
            let answer = about.send(row, &http, &path).await;
            check_form(row, &answer);
            let status = answer.status;
            assert!((200..300).contains(&status), "{} {path} {name:?}: {answer:?}", row.verb);
            if row.verb == "GET" {
                if is_named(row) {
                    assert!(tells(&answer.json(), &name), "{path} {name:?}: {answer:?}");
                }
                continue;
            }
            if row.verb == "DELETE" && is_told_of_there(row) {
                assert_eq!(http.get(&path).await.status, 404, "{path} {name:?}");
            }
            about.put_back(row).await;
        }
        drop(about);
        for kind in ["vhosts", "users", "global-parameters"] {
            http.delete(&format!("/api/{kind}/{}", part(&name))).await.expect(204);
        }
    }
    let left = http.get("/api/definitions").await.expect(200).json();
    for kind in ["queues", "exchanges", "bindings", "policies", "topic_permissions"] {
        assert_eq!(left[kind], json!([]), "{kind}");
    }
    broker.stop_and_check().await;
}

/// Whether what a row deletes is gone from the same path at once. Connections end in their time.
fn is_told_of_there(row: &Row) -> bool {
    let mut others = routes::all().filter(|other| other.verb == "GET" && other.path == row.path);
    others.next().is_some() && !row.path.starts_with("/api/connections")
}

#[tokio::test]
async fn names_that_amqp_cannot_carry_are_refused() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let about = Specimen::new(&broker, &http, "name", json!({})).await;
    let before = http.get("/api/definitions").await.expect(200).json();
    let mut tried = 0;
    let too_long = ["n".repeat(NAME_MAX_BYTES + 1), "Ω".repeat(NAME_MAX_BYTES / 2 + 1)];
    for row in routes::all().filter(|row| row.verb == "PUT") {
        let last = row.parameters().last();
        let Some(last) = last.filter(|last| !row.fills.iter().any(|(name, _)| name == last)) else {
            continue;
        };
        for name in &too_long {
            let path = about.path_with(row, |parameter| (parameter == last).then(|| part(name)));
            let answer = about.send(row, &http, &path).await;
            check_form(row, &answer);
            assert_eq!(answer.status, 400, "{}: {answer:?}", row.path);
            tried += 1;
        }
    }
    for path in ["exchanges/name/name/publish", "bindings/name/e/name/q/name"] {
        let message = json!({
            "properties": {}, "routing_key": &too_long[0], "payload": "",
            "payload_encoding": "string",
        });
        http.post(&format!("/api/{path}"), &message).await.expect(400);
    }
    assert!(tried >= 2 * 9, "{tried}");
    assert_eq!(http.get("/api/definitions").await.json(), before, "nothing was made");
    drop(about);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_no_name_is_answered_as_told() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let told = routes::told(&http).await;
    let about = Specimen::new(&broker, &http, "name", json!({})).await;
    let long = "x".repeat(8 * 1024);
    for strange in STRANGE.into_iter().chain([long.as_str()]) {
        for row in routes::all().filter(|row| row.parameters().next().is_some()) {
            // All of them, and the last alone, where the rest is there.
            let last = row.parameters().last();
            for only in [None, last] {
                let path = about.path_with(row, |parameter| {
                    only.is_none_or(|only| only == parameter).then(|| strange.to_owned())
                });
                let answer = about.send(row, &http, &path).await;
                check_form(row, &answer);
                let statuses = &told[&row.key()];
                let status = answer.status;
                assert!(statuses.contains(&status), "{} {path}: {answer:?}", row.verb);
                let is_check = row.path.starts_with("/api/health");
                assert!(status < 500 || is_check, "{} {path}: {answer:?}", row.verb);
            }
        }
    }
    // It has not been touched by any of them.
    http.get("/api/queues/name/name").await.expect(200);
    http.get("/api/users/name").await.expect(200);
    drop(about);
    broker.stop_and_check().await;
}
