//! Through the HTTP API a user may do what the same user may do over AMQP, and no more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::http::Http;
use common::{OwnBroker, consume, consume_ok};
use serde_json::{Value, json};
use warren::access::Tag;
use warren::broker::{NewPassword, UserUpdate};

/// Makes a user with these tags, and permissions in `/` if there are any.
fn user(
    broker: &OwnBroker,
    http: &Http,
    name: &str,
    tags: &[Tag],
    rights: Option<[&str; 3]>,
) -> Http {
    let node = broker.broker.node();
    let update = UserUpdate {
        name: name.to_owned(),
        password: NewPassword::Plain("secret".to_owned()),
        tags: Some(tags.to_vec()),
    };
    node.set_user(update).expect("made");
    if let Some([configure, write, read]) = rights {
        node.set_permission("/", name, configure, write, read).expect("permitted");
    }
    http.as_user(name, "secret")
}

fn message() -> Value {
    json!({"properties": {}, "routing_key": "q", "payload": "x", "payload_encoding": "string"})
}

/// Which right each operation needs, as over AMQP.
async fn try_all(http: &Http) -> Vec<(&'static str, &'static str, u16)> {
    let get = json!({"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"});
    let none = json!({});
    let binding = "/api/bindings/%2F/e/x/q/q";
    let publish = "/api/exchanges/%2F/x/publish";
    vec![
        ("c", "declare queue", http.put("/api/queues/%2F/new", &none).await.status),
        ("c", "delete queue", http.delete("/api/queues/%2F/spare").await.status),
        ("c", "declare exchange", http.put("/api/exchanges/%2F/new", &none).await.status),
        ("c", "delete exchange", http.delete("/api/exchanges/%2F/spare").await.status),
        ("w", "publish", http.post(publish, &message()).await.status),
        ("wr", "bind", http.post(binding, &none).await.status),
        ("r", "get", http.post("/api/queues/%2F/q/get", &get).await.status),
        ("r", "purge", http.delete("/api/queues/%2F/q/contents").await.status),
    ]
}

#[tokio::test]
async fn every_operation_needs_its_right() {
    let (broker, http) = OwnBroker::start_with_http().await;
    for (letter, missing) in [("c", 0), ("w", 1), ("r", 2), ("", 3)] {
        for name in ["q", "spare"] {
            let made = http.put(&format!("/api/queues/%2F/{name}"), &json!({})).await.status;
            assert!([201, 204].contains(&made));
        }
        for name in ["x", "spare"] {
            let path = format!("/api/exchanges/%2F/{name}");
            let made = http.put(&path, &json!({"type": "fanout"})).await.status;
            assert!([201, 204].contains(&made));
        }
        let mut rights = [".*"; 3];
        if let Some(right) = rights.get_mut(missing) {
            *right = "";
        }
        let name = format!("without-{letter}");
        let limited = user(&broker, &http, &name, &[Tag::Management], Some(rights));
        for (needs, operation, status) in try_all(&limited).await {
            let refused = !letter.is_empty() && needs.contains(letter);
            // As in RabbitMQ, a publish tells what AMQP would.
            let refusal = if operation == "publish" { 400 } else { 401 };
            assert_eq!(status == refusal, refused, "{operation} without {letter:?}: {status}");
            assert!(refused || status < 300, "{operation} without {letter:?}: {status}");
        }
        for path in ["/api/queues/%2F/new", "/api/exchanges/%2F/new"] {
            http.delete(path).await;
        }
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn tags_open_doors() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/q", &json!({})).await.expect(201);
    let all = Some([".*", ".*", ".*"]);
    let nobody = user(&broker, &http, "plain", &[], all);
    let refused = nobody.get("/api/whoami").await.expect(401);
    assert_eq!(refused.refusal(), ("not_authorised".to_owned(), json!("Not management user")));
    let member = user(&broker, &http, "member", &[Tag::Management], all);
    let stranger = user(&broker, &http, "stranger", &[Tag::Management], None);
    let monitor = user(&broker, &http, "monitor", &[Tag::Monitoring], None);
    for (path, member_may, stranger_may, monitor_may) in [
        ("/api/overview", 200, 200, 200),
        ("/api/queues", 200, 200, 200),
        ("/api/queues/%2F", 200, 401, 200),
        ("/api/queues/%2F/q", 200, 401, 200),
        ("/api/queues/nowhere", 401, 401, 404),
        ("/api/nodes", 401, 401, 200),
        ("/api/auth/hash_password/x", 401, 401, 401),
        ("/api/aliveness-test/%2F", 200, 401, 401),
    ] {
        assert_eq!(member.get(path).await.status, member_may, "member {path}");
        assert_eq!(stranger.get(path).await.status, stranger_may, "stranger {path}");
        assert_eq!(monitor.get(path).await.status, monitor_may, "monitor {path}");
    }
    // What may not be seen is left out of lists.
    assert_eq!(stranger.get("/api/queues").await.json(), json!([]));
    let seen = monitor.get("/api/queues?columns=name").await.json();
    assert!(seen.as_array().expect("a list").contains(&json!({"name": "q"})));
    monitor.put("/api/queues/%2F/mine", &json!({})).await.expect(401);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn connections_belong_to_their_users() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/q", &json!({})).await.expect(201);
    let mut peer = broker.peer().await;
    peer.send(consume("q", "c")).await;
    peer.expect(consume_ok("c")).await;
    let all = Some([".*", ".*", ".*"]);
    let other = user(&broker, &http, "other", &[Tag::Management], all);
    let monitor = user(&broker, &http, "monitor", &[Tag::Monitoring], all);
    let name = http.get("/api/connections").await.json()[0]["name"].clone();
    let path = format!("/api/connections/{}", common::http::part(name.as_str().expect("a name")));
    for list in ["/api/connections", "/api/channels", "/api/consumers"] {
        assert_eq!(other.get(list).await.expect(200).json(), json!([]), "{list}");
        let seen = monitor.get(list).await.expect(200).json();
        assert_eq!(seen.as_array().expect("a list").len(), 1, "{list}");
    }
    other.get(&path).await.expect(401);
    monitor.get(&path).await.expect(200);
    for somebody in [other, monitor] {
        somebody.delete(&path).await.expect(401);
        somebody.delete("/api/connections/username/guest").await.expect(401);
    }
    http.delete("/api/connections/username/guest").await.expect(204);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn a_change_of_a_user_ends_what_is_remembered() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let all = Some([".*", ".*", ".*"]);
    let changed = user(&broker, &http, "changed", &[Tag::Administrator], all);
    changed.get("/api/nodes").await.expect(200);
    let node = broker.broker.node();
    let update = UserUpdate {
        name: "changed".to_owned(),
        password: NewPassword::Plain("other".to_owned()),
        tags: Some(vec![Tag::Management]),
    };
    node.set_user(update).expect("changed");
    changed.get("/api/whoami").await.expect(401);
    let now = http.as_user("changed", "other");
    now.get("/api/whoami").await.expect(200);
    now.get("/api/nodes").await.expect(401);
    node.delete_user("changed").expect("deleted");
    now.get("/api/whoami").await.expect(401);
    broker.stop_and_check().await;
}
