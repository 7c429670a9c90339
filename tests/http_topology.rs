//! Queues, exchanges, bindings, messages and connections over HTTP, beside what AMQP does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::http::Http;
use common::{
    OwnBroker, cancel_nowait, close_of_connection, consume, consume_ok, deliver, queue_declare,
    queue_declare_ok,
};
use serde_json::{Value, json};

fn message(key: &str, payload: &str) -> Value {
    json!({"properties": {}, "routing_key": key, "payload": payload, "payload_encoding": "string"})
}

fn take(count: u32, mode: &str) -> Value {
    json!({"count": count, "ackmode": mode, "encoding": "auto"})
}

async fn publish_one(http: &Http, queue: &str, payload: &str) {
    let path = "/api/exchanges/%2F/amq.default/publish";
    let answer = http.post(path, &message(queue, payload)).await.expect(200);
    assert_eq!(answer.json(), json!({"routed": true}));
}

#[tokio::test]
async fn a_queue_is_declared_shown_purged_and_deleted() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let path = "/api/queues/%2F/jobs";
    let body =
        json!({"durable": true, "arguments": {"x-max-length": 10, "x-queue-type": "classic"}});
    http.put(path, &body).await.expect(201);
    http.put(path, &body).await.expect(204);
    let queue = http.get(path).await.expect(200).json();
    for (key, value) in [
        ("name", json!("jobs")),
        ("vhost", json!("/")),
        ("type", json!("classic")),
        ("durable", json!(true)),
        ("auto_delete", json!(false)),
        ("exclusive", json!(false)),
        ("arguments", body["arguments"].clone()),
        ("state", json!("running")),
        ("messages", json!(0)),
        ("consumers", json!(0)),
        ("consumer_details", json!([])),
        ("oldest_message_age_ms", Value::Null),
    ] {
        assert_eq!(queue[key], value, "{key}");
    }
    publish_one(&http, "jobs", "one").await;
    publish_one(&http, "jobs", "two").await;
    let queue = http.get(path).await.expect(200).json();
    assert_eq!((&queue["messages"], &queue["message_bytes"]), (&json!(2), &json!(6)));
    assert!(queue["oldest_message_age_ms"].is_u64(), "{queue}");
    assert_eq!(queue["message_stats"]["publish"], json!(2));
    let refused = http.delete(&format!("{path}?if-empty=true")).await.expect(400);
    assert_eq!(refused.refusal().1, json!("queue 'jobs' in vhost '/' not empty"));
    http.delete(&format!("{path}/contents")).await.expect(204);
    assert_eq!(http.get(path).await.expect(200).json()["messages"], json!(0));
    http.delete(&format!("{path}?if-empty=true&if-unused=true")).await.expect(204);
    for answer in [http.get(path).await, http.delete(path).await] {
        assert_eq!(answer.expect(404).refusal().0, "Object Not Found");
    }
    http.delete(&format!("{path}/contents")).await.expect(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn what_is_declared_over_http_survives_a_restart() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/kept", &json!({"durable": true})).await.expect(201);
    http.put("/api/exchanges/%2F/kept", &json!({"type": "topic", "durable": true}))
        .await
        .expect(201);
    let binding = "/api/bindings/%2F/e/kept/q/kept";
    http.post(binding, &json!({"routing_key": "a.#", "arguments": {"x": 1}})).await.expect(201);
    let body = json!({
        "properties": {"delivery_mode": 2}, "routing_key": "a.b", "payload": "kept",
        "payload_encoding": "string",
    });
    let answer = http.post("/api/exchanges/%2F/kept/publish", &body).await.expect(200);
    assert_eq!(answer.json(), json!({"routed": true}));
    // Confirmed is on disk.
    let broker = broker.crash().await;
    let mut peer = broker.peer().await;
    peer.send(consume("kept", "c")).await;
    peer.expect(consume_ok("c")).await;
    peer.expect(deliver("c", 1, true, b"kept")).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn declarations_are_refused_as_over_amqp() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let refused = http.put("/api/queues/%2F/amq.mine", &json!({})).await.expect(401);
    assert_eq!(refused.refusal().0, "not_authorised");
    http.put("/api/exchanges/%2F/amq.mine", &json!({"type": "direct"})).await.expect(401);
    http.delete("/api/exchanges/%2F/amq.topic").await.expect(401);
    http.delete("/api/exchanges/%2F/amq.default").await.expect(401);
    http.put("/api/exchanges/%2F/x", &json!({"type": "nonsense"})).await.expect(400);
    let body = json!({"arguments": {"x-message-ttl": -1}});
    http.put("/api/queues/%2F/q", &body).await.expect(400);
    http.put("/api/queues/%2F/q", &json!({"node": "other@host"})).await.expect(400);
    let refused = http.put("/api/exchanges/%2F/amq.topic", &json!({"type": "direct"})).await;
    let text = "inequivalent arg 'type' for exchange 'amq.topic' in vhost '/': received 'direct' \
                but current is 'topic'";
    assert_eq!(refused.expect(400).refusal(), ("bad_request".to_owned(), json!(text)));
    for path in ["/api/queues/nowhere/q", "/api/queues/nowhere", "/api/exchanges/nowhere/x"] {
        http.get(path).await.expect(404);
    }
    http.put("/api/queues/nowhere/q", &json!({})).await.expect(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn exchanges_are_bound_and_bindings_have_keys() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/q", &json!({})).await.expect(201);
    http.put("/api/exchanges/%2F/x", &json!({"type": "headers"})).await.expect(201);
    let (to_queue, to_exchange) =
        ("/api/bindings/%2F/e/x/q/q", "/api/bindings/%2F/e/amq.topic/e/x");
    let first = http.post(to_queue, &json!({"routing_key": "k"})).await.expect(201);
    assert_eq!(first.header("location"), Some("q/k"));
    let second = json!({"routing_key": "k", "arguments": {"a": "b", "x-match": "any"}});
    http.post(to_queue, &second).await.expect(201);
    http.post(to_exchange, &json!({})).await.expect(201);
    assert_eq!(http.get(to_queue).await.expect(200).json().as_array().unwrap().len(), 2);
    let bindings = http.get("/api/queues/%2F/q/bindings").await.expect(200).json();
    assert_eq!(bindings.as_array().unwrap().len(), 3, "the default one too: {bindings}");
    assert_eq!(
        http.get(&format!("{to_exchange}/~")).await.expect(200).json()["source"],
        "amq.topic"
    );
    let from = http.get("/api/exchanges/%2F/x/bindings/source").await.expect(200).json();
    let to = http.get("/api/exchanges/%2F/x/bindings/destination").await.expect(200).json();
    assert_eq!((from.as_array().unwrap().len(), to.as_array().unwrap().len()), (2, 1));
    let all = http.get("/api/bindings").await.expect(200).json();
    assert_eq!(all.as_array().unwrap().len(), 4);
    for binding in from.as_array().unwrap() {
        let key = common::http::part(binding["properties_key"].as_str().unwrap());
        http.delete(&format!("{to_queue}/{key}")).await.expect(204);
    }
    http.delete(&format!("{to_queue}/k")).await.expect(404);
    assert_eq!(http.get(to_queue).await.expect(200).json(), json!([]));
    http.post("/api/bindings/%2F/e/nothing/q/q", &json!({})).await.expect(404);
    http.get("/api/bindings/%2F/e/x/q/nothing").await.expect(404);
    http.post("/api/bindings/%2F/e/amq.default/q/q", &json!({})).await.expect(401);
    let refused = http.delete("/api/exchanges/%2F/amq.topic?if-unused=true").await;
    assert_eq!(refused.status, 401, "it is the broker's own");
    http.delete("/api/exchanges/%2F/x").await.expect(204);
    assert_eq!(http.get("/api/bindings").await.expect(200).json().as_array().unwrap().len(), 1);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn messages_are_published_and_got() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/m", &json!({})).await.expect(201);
    let path = "/api/exchanges/%2F/amq.default/publish";
    let properties = json!({
        "headers": {"a": 1, "b": [1, "x"]}, "content_type": "t", "delivery_mode": 1,
        "timestamp": 5, "priority": 3,
    });
    let body = json!({
        "properties": properties, "routing_key": "m", "payload": "/wA=",
        "payload_encoding": "base64",
    });
    http.post(path, &body).await.expect(200);
    publish_one(&http, "m", "text").await;
    let got = http.post("/api/queues/%2F/m/get", &take(1, "ack_requeue_true")).await.expect(200);
    let expected = json!([{
        "payload_bytes": 2, "redelivered": false, "exchange": "", "routing_key": "m",
        "message_count": 1, "properties": properties, "payload": "/wA=",
        "payload_encoding": "base64",
    }]);
    assert_eq!(got.json(), expected);
    let got = http.post("/api/queues/%2F/m/get", &take(5, "reject_requeue_false")).await;
    let got = got.expect(200).json();
    assert_eq!((&got[0]["redelivered"], &got[1]["payload"]), (&json!(true), &json!("text")));
    assert_eq!(got[1]["properties"], json!([]));
    let none = http.post("/api/queues/%2F/m/get", &take(1, "ack_requeue_false")).await;
    assert_eq!(none.expect(200).json(), json!([]));
    publish_one(&http, "m", "Ωμ").await;
    let truncated = json!({
        "count": 1, "ackmode": "ack_requeue_false", "encoding": "auto", "truncate": 3,
    });
    let got = http.post("/api/queues/%2F/m/get", &truncated).await.expect(200).json();
    assert_eq!(
        (&got[0]["payload_bytes"], &got[0]["payload_encoding"]),
        (&json!(4), &json!("base64"))
    );
    let unrouted = http.post(path, &message("nowhere", "x")).await.expect(200);
    assert_eq!(unrouted.json(), json!({"routed": false}));
    broker.stop_and_check().await;
}

#[tokio::test]
async fn bad_messages_and_requests_for_them_are_refused() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put(
        "/api/queues/%2F/full",
        &json!({"arguments": {
            "x-max-length": 1, "x-overflow": "reject-publish",
        }}),
    )
    .await
    .expect(201);
    publish_one(&http, "full", "fits").await;
    let path = "/api/exchanges/%2F/amq.default/publish";
    let missing = http.post(path, &json!({"properties": {}, "payload_encoding": "string"})).await;
    let text = "[{key_missing,routing_key},{key_missing,payload}]";
    assert_eq!(missing.expect(400).refusal().1, json!(text));
    let with = |key: &str, value: Value| {
        let mut body = message("full", "x");
        body[key] = value;
        body
    };
    for (body, reason) in [
        (message("full", "x"), json!("rejected Unable to publish message. Check queue limits.")),
        (with("payload", json!(5)), json!("payload_not_string")),
        (with("payload_encoding", json!("zz")), json!(["unsupported_encoding", "zz"])),
        (with("properties", json!({"delivery_mode": "x"})), json!(["not_int", "delivery_mode"])),
        (
            with("properties", json!({"user_id": "x"})),
            json!(
                "406 PRECONDITION_FAILED - user_id property set to 'x' but authenticated user \
                 was 'guest'"
            ),
        ),
    ] {
        assert_eq!(http.post(path, &body).await.expect(400).refusal().1, reason);
    }
    let body = message("full", "x");
    let refused = http.post("/api/exchanges/%2F/nothing/publish", &body).await.expect(400);
    assert_eq!(refused.refusal().1, json!("404 NOT_FOUND - no exchange 'nothing' in vhost '/'"));
    let get = "/api/queues/%2F/full/get";
    for body in [
        json!({}),
        take(1, "maybe"),
        json!({"count": "x", "ackmode": "ack_requeue_true", "encoding": "auto"}),
        json!({"count": -1, "ackmode": "ack_requeue_true", "encoding": "auto"}),
        json!({"count": 1, "ackmode": "ack_requeue_true", "encoding": "b"}),
        take(10_001, "ack_requeue_true"),
    ] {
        http.post(get, &body).await.expect(400);
    }
    let body = take(1, "ack_requeue_true");
    http.post("/api/queues/%2F/nothing/get", &body).await.expect(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn under_an_alarm_nothing_is_published() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/q", &json!({})).await.expect(201);
    broker.broker.set_alarm(warren::alarm::Alarm::Disk, true);
    let path = "/api/exchanges/%2F/amq.default/publish";
    let refused = http.post(path, &message("q", "x")).await.expect(503);
    assert_eq!(refused.refusal().0, "blocked");
    broker.broker.set_alarm(warren::alarm::Alarm::Disk, false);
    publish_one(&http, "q", "x").await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn connections_channels_and_consumers_are_shown_and_ended() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let mut peer = broker.peer().await;
    peer.send(queue_declare("q")).await;
    peer.expect(queue_declare_ok("q", 0, 0)).await;
    peer.send(consume("q", "tag")).await;
    peer.expect(consume_ok("tag")).await;
    let connections = http.get("/api/connections").await.expect(200).json();
    let connection = &connections[0];
    for (key, value) in [
        ("user", json!("guest")),
        ("vhost", json!("/")),
        ("protocol", json!("AMQP 0-9-1")),
        ("state", json!("running")),
        ("channels", json!(1)),
        ("type", json!("network")),
    ] {
        assert_eq!(connection[key], value, "{key}");
    }
    let name = connection["name"].as_str().expect("a name");
    let path = format!("/api/connections/{}", common::http::part(name));
    assert_eq!(http.get(&path).await.expect(200).json()["name"], json!(name));
    let channels = http.get(&format!("{path}/channels")).await.expect(200).json();
    assert_eq!((&channels[0]["number"], &channels[0]["consumer_count"]), (&json!(1), &json!(1)));
    let channel = common::http::part(channels[0]["name"].as_str().expect("a name"));
    let channel = http.get(&format!("/api/channels/{channel}")).await.expect(200).json();
    assert_eq!(channel["consumer_details"][0]["consumer_tag"], json!("tag"));
    let consumers = http.get("/api/consumers/%2F").await.expect(200).json();
    assert_eq!(consumers[0]["queue"], json!({"name": "q", "vhost": "/"}));
    assert_eq!(consumers[0]["channel_details"]["connection_name"], json!(name));
    let refused = http.delete("/api/queues/%2F/q?if-unused=true").await.expect(400);
    assert_eq!(refused.refusal().1, json!("queue 'q' in vhost '/' in use"));
    let consumer = format!("/api/consumers/%2F/{}/1/tag", common::http::part(name));
    http.delete(&consumer).await.expect(204);
    peer.expect(cancel_nowait("tag")).await;
    http.delete(&consumer).await.expect(404);
    http.request("DELETE", &path, &[("X-Reason", "tired of you")], b"").await.expect(204);
    let text = "CONNECTION_FORCED - tired of you";
    peer.expect_on(0, close_of_connection(320, text, (0, 0))).await;
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_broker_tells_of_itself() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/q", &json!({})).await.expect(201);
    let overview = http.get("/api/overview").await.expect(200).json();
    let node = overview["node"].as_str().expect("a name").to_owned();
    assert_eq!(overview["object_totals"]["queues"], json!(1));
    assert_eq!(overview["churn_rates"]["queue_created"], json!(1));
    assert_eq!(overview["listeners"].as_array().expect("a list").len(), 2);
    let nodes = http.get("/api/nodes").await.expect(200).json();
    assert_eq!(nodes[0]["name"], json!(node));
    let path = format!("/api/nodes/{node}");
    let one = http.get(&path).await.expect(200).json();
    for key in ["fd_total", "mem_limit", "proc_total", "uptime", "processors", "disk_free"] {
        assert!(one[key].is_u64(), "{key}: {}", one[key]);
    }
    assert!(one["os_pid"].is_string() && one["enabled_plugins"].is_array());
    let memory = http.get(&format!("{path}/memory")).await.expect(200).json();
    assert!(memory["memory"]["total"]["rss"].as_u64().expect("octets") > 0);
    http.get("/api/nodes/other").await.expect(404);
    http.put("/api/cluster-name", &json!({"name": "mine"})).await.expect(204);
    assert_eq!(http.get("/api/cluster-name").await.expect(200).json(), json!({"name": "mine"}));
    assert_eq!(http.get("/api/aliveness-test/%2F").await.expect(200).json()["status"], "ok");
    let hash = http.get("/api/auth/hash_password/secret").await.expect(200).json();
    assert_eq!(hash["ok"].as_str().expect("a hash").len(), 48);
    let attempts = http.get(&format!("/api/auth/attempts/{node}")).await.expect(200).json();
    assert_eq!(attempts[0]["protocol"], json!("http"));
    for path in ["/api/version", "/api/auth", "/api/extensions", "/api/whoami"] {
        http.get(path).await.expect(200);
    }
    http.post("/api/rebalance/queues", &json!({})).await.expect(204);
    broker.stop_and_check().await;
}
