//! What client libraries of RabbitMQ's management API insist on: fields that they cannot do
//! without, and their types.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::{OwnBroker, consume, consume_ok, queue_declare, queue_declare_ok};
use serde_json::{Value, json};

#[tokio::test]
async fn consumers_tell_how_long_they_may_keep_a_delivery() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let mut peer = broker.peer().await;
    for queue in ["patient", "hasty"] {
        peer.send(queue_declare(queue)).await;
        peer.expect(queue_declare_ok(queue, 0, 0)).await;
        peer.send(consume(queue, queue)).await;
        peer.expect(consume_ok(queue)).await;
    }
    let policy = json!({"pattern": "hasty", "definition": {"consumer-timeout": 90_000}});
    http.put("/api/policies/%2F/p", &policy).await.expect(201);
    let consumers = http.get("/api/consumers?sort=consumer_tag").await.expect(200).json();
    let timeouts = [&consumers[0]["consumer_timeout"], &consumers[1]["consumer_timeout"]];
    assert_eq!(timeouts, [&json!(90_000), &json!(0)]);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn lists_of_queues_tell_since_when_they_are_idle() {
    let (broker, http) = OwnBroker::start_with_http().await;
    http.put("/api/queues/%2F/q", &json!({"durable": true})).await.expect(201);
    let message = json!({
        "properties": {}, "routing_key": "q", "payload": "", "payload_encoding": "string",
    });
    http.post("/api/exchanges/%2F/amq.default/publish", &message).await.expect(200);
    let queues = http.get("/api/queues/%2F").await.expect(200).json();
    let since = queues[0]["idle_since"].as_str().unwrap();
    assert!(since.contains('T') && since.ends_with("+00:00"), "{since}");
    // Clients that know this object want all of its numbers, which there are not.
    let queue = http.get("/api/queues/%2F/q").await.expect(200).json();
    assert_eq!(queue.get("garbage_collection"), None);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn tags_of_the_cluster_are_in_the_overview() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let path = "/api/global-parameters/cluster_tags";
    for (value, shown) in
        [(json!({"region": "north"}), json!({"region": "north"})), (json!("no object"), json!({}))]
    {
        http.put(path, &json!({"value": value})).await;
        let overview = http.get("/api/overview").await.expect(200).json();
        assert_eq!(overview["cluster_tags"], shown);
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn flags_that_clients_look_for_are_on() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let flags = http.get("/api/feature-flags").await.expect(200).json();
    for name in ["quorum_queue", "stream_queue"] {
        let flag = flags.as_array().unwrap().iter().find(|flag| flag["name"] == name);
        assert_eq!(flag.map(|flag| &flag["state"]), Some(&json!("enabled")), "{name}");
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn every_request_with_a_login_is_counted() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let node = http.get("/api/overview").await.expect(200).json()["node"].clone();
    let path = format!("/api/auth/attempts/{}", common::http::part(node.as_str().unwrap()));
    for succeeded in [2, 3] {
        let attempts = http.get(&path).await.expect(200).json();
        assert_eq!(attempts[0]["auth_attempts_succeeded"], json!(succeeded), "{attempts}");
    }
    broker.stop_and_check().await;
}

#[tokio::test]
async fn limits_that_are_not_set_cannot_be_cleared_as_a_parameter() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let path = "/api/parameters/vhost-limits/%2F/limits";
    http.delete(path).await.expect(404);
    http.put(path, &json!({"value": {"max-queues": 3}})).await.expect(201);
    http.delete(path).await.expect(204);
    http.delete(path).await.expect(404);
    broker.stop_and_check().await;
}

#[tokio::test]
async fn the_document_knows_failed_health_checks_and_columns() {
    let (broker, http) = OwnBroker::start_with_http().await;
    let failed = http.get("/api/health/checks/port-listener/1").await.expect(503).json();
    let document = http.get("/api/openapi.json").await.expect(200).json();
    let operation = |path: &str| document["paths"][path]["get"]["responses"].clone();
    let of_health = operation("/api/health/checks/port-listener/{port}");
    let schema = &of_health["503"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(schema, "#/components/schemas/Unavailable");
    let required = &document["components"]["schemas"]["Unavailable"]["required"];
    for field in required.as_array().unwrap() {
        assert!(failed.get(field.as_str().unwrap()).is_some(), "{field} in {failed}");
    }
    let overview = http.get("/api/overview?columns=nothing").await.expect(200).json();
    assert_eq!(overview, json!({}));
    let of_overview = operation("/api/overview");
    let schema = &of_overview["200"]["content"]["application/json"]["schema"];
    assert_eq!(schema.get("required"), None::<&Value>);
    broker.stop_and_check().await;
}
